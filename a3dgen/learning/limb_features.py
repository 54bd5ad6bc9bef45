"""Feature vector of one limb from the pose network's tensors: samples along it and its opposite, and of the whole body.

Every limb is described as a left one: right limbs are looked at in the mirrored picture. So one model serves both
sides, and each picture teaches it twice.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit

from a3dgen.detectors.blazepose import SIDE
from a3dgen.detectors.pose_features import PoseTensors

ARM, LEG = "arm", "leg"
CHAINS = {ARM: (11, 13, 15, 19), LEG: (23, 25, 27, 31)}
"""BlazePose landmarks of a left limb: root, middle, end, tip; the right one's are each one more."""
PARTS = {ARM: (13, 15, 17, 19, 21), LEG: (25, 27, 29, 31)}
"""Landmarks of a left limb whose heat maps count."""
ALONG = ((0, 0.0), (0, 0.25), (0, 0.5), (0, 0.75), (1, 0.0), (1, 0.25), (1, 0.5), (1, 0.75), (1, 1.0), (2, 1.0))
"""Where the limb is sampled: piece of its chain, share of that piece."""
_PIECE, _SHARE = np.array([i for i, _ in ALONG]), np.array([[t] for _, t in ALONG])
ACROSS = (-0.3, -0.15, 0.0, 0.15, 0.3)
"""Where the network's segmentation is read across the limb, in extents of the torso."""
TORSO = (11, 12, 23, 24)


def limb_features(tensors: PoseTensors, kind: str, whole: WholeBody | None = None) -> Float[ndarray, "f"]:
    """Return the vector of the limb that is the left one in the network's input.

    Args:
        tensors: of the picture for left limbs, of the mirrored one for right limbs. kind: ``arm`` or ``leg``.
        whole: what both limbs of a picture share; worked out if None.
    """
    marks = tensors.landmarks
    shared = whole or whole_body(tensors)
    own, other = (path(marks, kind, side) for side in (0, 1))
    both = _sample(tensors.detail, np.concatenate([own, other]))
    parts = [both[: len(own)], *(_sample(field, own) for field in (tensors.middle, tensors.coarse))]
    parts += [both[len(own) :], _sample(tensors.context, own[[4, 8, 9]]), shared.summary]
    parts += [_profile(tensors, (own, other)), shared.geometry, shared.lengths, _heat(tensors, kind)]
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


class WholeBody(NamedTuple):
    """Features of the whole body, the same for arm and leg: the network's summary (288,), where the landmarks lie and
    how sure they are (165,), and lengths of segments (80,)."""

    summary: Float[ndarray, "288"]
    geometry: Float[ndarray, "165"]
    lengths: Float[ndarray, "80"]


def whole_body(tensors: PoseTensors) -> WholeBody:
    """Return the features that the limbs of one picture share."""
    return WholeBody(tensors.summary.mean((0, 1)), _geometry(tensors.landmarks), _lengths(tensors.landmarks))


@cache
def blocks(kind: str) -> tuple[int, ...]:
    """Return the lengths of the vector's blocks, in its order; the segmentation across both limbs is one."""
    points = len(ALONG)
    maps = (points * 48, points * 48, points * 88, points * 48, 3 * 144, 288, 2 * points * len(ACROSS))
    return (*maps, 33 * 5, 2 * 40, 4 * len(PARTS[kind]))


def width(kind: str) -> int:
    """Return the length of the vector."""
    return sum(blocks(kind))


def path(marks: Float[ndarray, "33 5"], kind: str, side: int) -> Float[ndarray, "n 2"]:
    """Return the sampled points of a limb, px of the input; side 0 is the left one, 1 its opposite."""
    chain = marks[[k + side for k in CHAINS[kind]], :2].astype(np.float64)
    return (1 - _SHARE) * chain[_PIECE] + _SHARE * chain[_PIECE + 1]


def torso(marks: Float[ndarray, "33 5"]) -> tuple[Float[ndarray, "2"], float]:
    """Return the middle of shoulders and hips, and their extent, px of the input."""
    corners = marks[list(TORSO), :2].astype(np.float64)
    return corners.mean(0), max(float(np.ptp(corners, axis=0).max()), 8.0)


def _geometry(marks: Float[ndarray, "33 5"]) -> Float[ndarray, "k"]:
    centre, size = torso(marks)
    places = np.column_stack([(marks[:, :2] - centre) / size, marks[:, 2:3] / size])
    return np.concatenate([np.clip(places, -5, 5).ravel(), np.clip(marks[:, 3:5], -8, 8).ravel() / 4])


def _lengths(marks: Float[ndarray, "33 5"]) -> Float[ndarray, "k"]:
    """Return what is not linear in the landmarks: lengths of segments, how they compare left to right, how far the two
    sides are apart (a missing limb's landmarks often lie on the other limb), and how sure each landmark is."""
    size, out = torso(marks)[1], []
    for chain in CHAINS.values():
        here, there = (marks[[k + side for k in chain]].astype(np.float64) for side in (0, 1))
        flat = [np.maximum(np.linalg.norm(np.diff(m[:, :2], axis=0), axis=1), 2) for m in (here, there)]
        deep = [np.maximum(np.linalg.norm(np.diff(m[:, :3], axis=0), axis=1), 2) for m in (here, there)]
        apart = np.linalg.norm(here[:, :2] - there[:, :2], axis=1) / size
        out += [np.log(flat[0] / size), np.log(flat[1] / size), np.log(flat[0] / flat[1]), np.log(deep[0] / deep[1])]
        out += [np.minimum(apart, 2), np.exp(-((apart / 0.15) ** 2))]
        out += [expit(m[:, column]) for column in (3, 4) for m in (here, there)]
        out.append(np.clip(here[:, 3] - there[:, 3], -8, 8) / 4)
    return np.concatenate(out)


def _profile(tensors: PoseTensors, limbs: tuple[Float[ndarray, "n 2"], ...]) -> Float[ndarray, "k"]:
    """Return the segmentation across limbs at each of their points: a limb that is there is a ridge."""
    points = np.stack(limbs)
    along = np.gradient(points, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
    offsets = np.array(ACROSS) * torso(tensors.landmarks)[1]
    places = (points[..., None, :] + offsets[:, None] * normal[..., None, :]).reshape(-1, 2)
    return np.clip(_sample(tensors.segmentation[..., None], places), -20, 20).ravel() / 10


def _heat(tensors: PoseTensors, kind: str) -> Float[ndarray, "k"]:
    rows = [k + side for side in (0, 1) for k in PARTS[kind]]
    heat = tensors.heat[..., rows]
    here = np.diagonal(_sample(heat, tensors.landmarks[rows, :2]))
    return np.clip(np.concatenate([heat.max((0, 1)), here]), -20, 20) / 5


def _sample(field: Float[ndarray, "s s c"], points: Float[ndarray, "n 2"]) -> Float[ndarray, "n c"]:
    """Read a map of the whole input bilinearly; beyond its border the border's value."""
    side = len(field)
    places = np.minimum(np.maximum((points + 0.5) * (side / SIDE) - 0.5, 0), side - 1)
    low = np.minimum(places.astype(int), side - 2)
    x, y = (places - low).T[..., None]
    rows, at = field.reshape(side * side, -1), low[:, 1] * side + low[:, 0]  # a flat index takes half the time
    top = rows[at] * (1 - x) + rows[at + 1] * x
    bottom = rows[at + side] * (1 - x) + rows[at + side + 1] * x
    return np.asarray(top * (1 - y) + bottom * y)
