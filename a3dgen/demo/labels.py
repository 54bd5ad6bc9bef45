"""Simulated annotation: noisy clicks, visibility flags, imprecise masks."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from numpy.random import Generator

from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.skeleton import LANDMARK_ROWS, ROW, ROWS

MISSING, HIDDEN, SEEN = 0, 1, 2
_DEPTH = {
    "hip": 0.17, "shoulder": 0.12, "knee": 0.13, "elbow": 0.08, "wrist": 0.07, "ankle": 0.11, "neck": 0.13,
    "pelvis": 0.22, "thorax": 0.20, "spine": 0.22, "jaw": 0.12, "head": 0.15, "ear": 0.06,
}  # fmt: skip
LANDMARK_DEPTH = 0.035
FORGOTTEN = 0.3
"""Share of hidden keypoints that nobody labels."""


def _tolerances() -> Float[ndarray, "44"]:
    """Return how deep (m) each of the 44 points lies below the surface that shows it."""
    out = np.full(len(ROWS), LANDMARK_DEPTH)
    for row, name in enumerate(ROWS):
        for part, depth in _DEPTH.items():
            if part in name and (row not in LANDMARK_ROWS or part == "ear"):
                out[row] = max(out[row], depth)
    return out


_TOLERANCE = _tolerances()


def seen(
    keypoints: Float[ndarray, "44 3"], K: Float[ndarray, "3 3"], depth: Float[ndarray, "h w"]
) -> Int[ndarray, "44"]:
    """Return MISSING (outside the picture), HIDDEN or SEEN for each keypoint.

    Args:
        keypoints: camera frame, m. K: pinhole camera. depth: of what is seen at every pixel, m.
    """
    h, w = depth.shape
    pixels = project(keypoints[None], K[None])[0]
    inside = inside_image(pixels, w, h)
    at = np.where(inside[:, None], np.clip(np.nan_to_num(pixels).round(), 0, (w - 1, h - 1)), 0).astype(int)
    surface = depth[at[:, 1], at[:, 0]]
    return np.where(inside, np.where(surface > keypoints[:, 2] - _TOLERANCE, SEEN, HIDDEN), MISSING)


def clicks(
    rng: Generator,
    pixels: Float[ndarray, "n 2"],
    flags: Int[ndarray, " n"],
    noise_px: float,
    size: tuple[int, int],
) -> tuple[Float[ndarray, "n 2"], Int[ndarray, " n"]]:
    """Return noisy clicks and their flags; some hidden points are forgotten, and none lies outside the picture."""
    moved = pixels + rng.normal(0, noise_px, pixels.shape)
    forgotten = rng.random(len(pixels)) < FORGOTTEN
    out = np.where((flags == HIDDEN) & forgotten, MISSING, flags)
    out = np.where(inside_image(moved, *size), out, MISSING)
    return np.where(out[:, None] > 0, moved, 0.0), out


def drawn_mask(rng: Generator, mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return a mask as people draw it: a little too small on the whole, with an outline that wanders."""
    inner = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outer = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    h, w = mask.shape
    coarse = rng.normal(0, 1.2, (h // 8 + 2, w // 8 + 2)).astype(np.float32)
    wander = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    drawn = (inner - outer) > 0.8 + wander
    return drawn if drawn.any() else mask


def polygons(mask: Bool[ndarray, "h w"]) -> list[list[float]]:
    """Return COCO polygons of the outer outlines, as few corners as a human would click."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = []
    for outline in sorted(outlines, key=cv2.contourArea, reverse=True):
        simple = cv2.approxPolyDP(outline, 1.2, True)[:, 0].astype(float)
        if len(simple) >= 3 and cv2.contourArea(outline) >= 12:
            out.append([round(float(v), 2) for v in (simple + 0.0).ravel()])
    return out


def box(mask: Bool[ndarray, "h w"]) -> tuple[float, float, float, float]:
    """Return x, y, width, height of a mask, as COCO has it."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(cols[0]), float(rows[0]), float(cols[-1] - cols[0] + 1), float(rows[-1] - rows[0] + 1)


HEAD_TOP, UPPER_NECK = ROW["extra_head_top_lsp"], ROW["extra_neck_lsp"]
