"""Feature vector of one limb from the pose network's tensors: samples along it and its opposite, and of the whole body.

Every limb is described as a left one: right limbs are looked at in the mirrored picture. So one model serves both
sides, and each picture teaches it twice.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.detectors.blazepose import SIDE
from a3dgen.detectors.pose_features import PoseTensors

ARM, LEG = "arm", "leg"
CHAINS = {ARM: (11, 13, 15, 19), LEG: (23, 25, 27, 31)}
"""BlazePose landmarks of a left limb: root, middle, end, tip; the right one's are each one more."""
PARTS = {ARM: (13, 15, 17, 19, 21), LEG: (25, 27, 29, 31)}
"""Landmarks of a left limb whose heat maps count."""
ALONG = ((0, 0.0), (0, 0.25), (0, 0.5), (0, 0.75), (1, 0.0), (1, 0.25), (1, 0.5), (1, 0.75), (1, 1.0), (2, 1.0))
"""Where the limb is sampled: piece of its chain, share of that piece."""
ACROSS = (4, 6, 8)
"""Which of these are sampled on the opposite limb."""
TORSO = (11, 12, 23, 24)


def limb_features(tensors: PoseTensors, kind: str) -> Float[ndarray, "f"]:
    """Return the vector of the limb that is the left one in the network's input.

    Args:
        tensors: of the picture for left limbs, of the mirrored one for right limbs. kind: ``arm`` or ``leg``.
    """
    marks = tensors.landmarks
    own, other = (path(marks, kind, side) for side in (0, 1))
    points = np.concatenate([own, other[list(ACROSS)]])
    detail = _sample(tensors.detail, points)
    inside = np.clip(_sample(tensors.segmentation[..., None], points), -20, 20) / 10
    context = _sample(tensors.context, own[[4, 8, 9]])
    return np.concatenate([
        detail.ravel(), inside.ravel(), context.ravel(), tensors.summary.mean((0, 1)), _geometry(marks),
        _heat(tensors, kind),
    ]).astype(np.float32)  # fmt: skip


@cache
def width(kind: str) -> int:
    """Return the length of the vector."""
    points = len(ALONG) + len(ACROSS)
    return points * 48 + points + 3 * 144 + 288 + 33 * 5 + 4 * len(PARTS[kind])


def path(marks: Float[ndarray, "33 5"], kind: str, side: int) -> Float[ndarray, "n 2"]:
    """Return the sampled points of a limb, px of the input; side 0 is the left one, 1 its opposite."""
    chain = marks[[k + side for k in CHAINS[kind]], :2].astype(np.float64)
    return np.array([(1 - t) * chain[i] + t * chain[i + 1] for i, t in ALONG])


def torso(marks: Float[ndarray, "33 5"]) -> tuple[Float[ndarray, "2"], float]:
    """Return the middle of shoulders and hips, and their extent, px of the input."""
    corners = marks[list(TORSO), :2].astype(np.float64)
    return corners.mean(0), max(float(np.ptp(corners, axis=0).max()), 8.0)


def _geometry(marks: Float[ndarray, "33 5"]) -> Float[ndarray, "k"]:
    centre, size = torso(marks)
    places = np.column_stack([(marks[:, :2] - centre) / size, marks[:, 2:3] / size])
    return np.concatenate([np.clip(places, -5, 5).ravel(), np.clip(marks[:, 3:5], -8, 8).ravel() / 4])


def _heat(tensors: PoseTensors, kind: str) -> Float[ndarray, "k"]:
    rows = [k + side for side in (0, 1) for k in PARTS[kind]]
    heat = tensors.heat[..., rows]
    here = np.diagonal(_sample(heat, tensors.landmarks[rows, :2]))
    return np.clip(np.concatenate([heat.max((0, 1)), here]), -20, 20) / 5


def _sample(field: Float[ndarray, "s s c"], points: Float[ndarray, "n 2"]) -> Float[ndarray, "n c"]:
    """Read a map of the whole input bilinearly; beyond its border the border's value."""
    side = len(field)
    places = np.clip((points + 0.5) * (side / SIDE) - 0.5, 0, side - 1)
    low = np.minimum(places.astype(int), side - 2)
    x, y = (places - low).T[..., None]
    (i, j) = low[:, 1], low[:, 0]
    top = field[i, j] * (1 - x) + field[i, j + 1] * x
    bottom = field[i + 1, j] * (1 - x) + field[i + 1, j + 1] * x
    return np.asarray(top * (1 - y) + bottom * y)
