"""Detector keypoints on the 44 rows; distance between poses and non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.geometry.skeleton import NUM_ROWS

OPENPOSE_25_ROWS = tuple(range(25))
"""OpenPose BODY_25 is rows 0-24 by definition; its limbs are the extra rows' joints too, see ``to_rows``."""
BODY25_LIMBS = {2: 33, 3: 32, 4: 31, 5: 34, 6: 35, 7: 36, 9: 27, 10: 26, 11: 25, 12: 28, 13: 29, 14: 30}
"""BODY_25 limb -> the input row of the same joint (input fills the extra rows, the body twins stay unlabelled)."""
BODY25_FACE_FEET = (0, 15, 16, 17, 18, *range(19, 25))


def to_rows(points: Float[ndarray, "n 3"], rows: tuple[int, ...]) -> Float[ndarray, "44 3"]:
    """Put a detector's points (px, px, confidence) on the 44 rows; points without confidence are left out."""
    out = np.zeros((NUM_ROWS, 3))
    known = np.isfinite(points[: len(rows)]).all(1) & (points[: len(rows), 2] > 0)
    out[np.asarray(rows)[known]] = points[: len(rows)][known]
    out[:, 2] = np.minimum(out[:, 2], 1.0)
    return out


def body25_rows(points: Float[ndarray, "25 3"]) -> Float[ndarray, "44 3"]:
    """Put OpenPose BODY_25 points on the input rows."""
    out = np.zeros((NUM_ROWS, 3))
    for k, row in [*BODY25_LIMBS.items(), *((k, k) for k in BODY25_FACE_FEET)]:
        if points[k, 2] > 0 and np.isfinite(points[k]).all():
            out[row] = points[k]
    out[:, 2] = np.minimum(out[:, 2], 1.0)
    return out


def peak_confidence(peak: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Turn heights of Keypoint R-CNN's heat maps into confidences 0..1.

    The heights are above 0 and may exceed 1; detectron2 itself draws points from 0.05 up, and points that plainly show
    often have 0.1 (its documentation of ``pred_keypoints`` and its visualizer; not measured here).
    """
    return np.interp(peak, [0.0, 0.05, 0.1, 0.3, 1.0], [0.0, 0.2, 0.5, 0.8, 1.0])


def extent(points: Float[ndarray, "n 2"]) -> float:
    """Return the longer side (px) of the box around points."""
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0


def pose_distance(a: Float[ndarray, "n 2"], b: Float[ndarray, "n 2"]) -> float:
    """Return the mean distance of two poses' points, in shares of the larger one's extent."""
    return float(np.linalg.norm(a - b, axis=1).mean() / max(extent(a), extent(b), 1.0))


def thin(
    poses: list[Float[ndarray, "n 2"]], scores: Float[ndarray, " m"], radius: float
) -> list[tuple[int, Integer[ndarray, " k"]]]:
    """Non-maximum suppression of poses: keep the best of all that lie within ``radius`` of each other.

    Returns:
        (index of the kept pose, indices of all that it stands for, itself included), best first.
    """
    left = list(np.argsort(-scores, kind="stable"))
    out = []
    while left:
        first = left[0]
        same = [i for i in left if pose_distance(poses[first], poses[i]) < radius]
        out.append((int(first), np.array(sorted({*same, first}))))
        left = [i for i in left[1:] if i not in same]
    return out


def windows(width: int, height: int, shares: tuple[float, ...]) -> Iterator[tuple[int, int, int, int]]:
    """Yield square windows that cover the image at several scales, half overlapping, the whole image first.

    Args:
        shares: side of a window as a share of the image's longer side.
    """
    yield 0, 0, width, height
    for share in shares:
        side = share * max(width, height)
        w, h = min(side, width), min(side, height)
        across = 1 + int(np.ceil((width - w) / (0.5 * side) - 1e-9))
        down = 1 + int(np.ceil((height - h) / (0.5 * side) - 1e-9))
        for y in np.linspace(0, height - h, down):
            for x in np.linspace(0, width - w, across):
                yield int(x), int(y), int(x + w), int(y + h)


def square_around(points: Float[ndarray, "n 2"], factor: float) -> tuple[int, int, int, int]:
    """Return the square window around points, ``factor`` times their extent; it may leave the image."""
    low, high = points.min(0), points.max(0)
    half = max(0.5 * factor * float((high - low).max()), 8.0)
    x, y = (low + high) / 2
    return int(x - half), int(y - half), int(x + half) + 1, int(y + half) + 1
