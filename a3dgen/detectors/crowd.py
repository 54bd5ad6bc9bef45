"""Several people in one picture: merges duplicate poses, assigns segmentation pixels to people."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.detectors import Person
from a3dgen.detectors.keypoint_rows import extent, pose_distance
from a3dgen.geometry.skeleton import ROW

_SIDES = ("left", "right")
_LIMB_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LIMB_ROWS = [ROW[f"extra_{side}_{joint}"] for joint in _LIMB_JOINTS for side in _SIDES]
"""The twelve limb rows that poses are compared by."""
REACH = 0.3
"""A mask may reach this far from the person's bones, in shares of their extent (clothes, hair, mistakes of a joint)."""
_BONES = [("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle")]
_LINES = [(ROW[f"extra_{s}_{a}"], ROW[f"extra_{s}_{b}"]) for s in _SIDES for a, b in _BONES]
_LINES += [(ROW["extra_left_shoulder"], ROW["extra_right_shoulder"]), (ROW["extra_left_hip"], ROW["extra_right_hip"])]
_LINES += [(ROW[f"extra_{s}_shoulder"], ROW["body_nose"]) for s in _SIDES]
_LINES += [(ROW[f"extra_{s}_ankle"], ROW[f"body_{s}_big_toe"]) for s in _SIDES]


def distinct(people: list[Person]) -> list[Person]:
    """Drop the worse of two that are one person, and small poses that lie on a better person's body."""
    kept: list[Person] = []
    for person in sorted(people, key=lambda p: -p.score):
        mine = person.keypoints[_LIMB_ROWS, :2]
        if not any(_same(mine, person, other, other.keypoints[_LIMB_ROWS, :2]) for other in kept):
            kept.append(person)
    return kept


def _same(mine: Float[ndarray, "12 2"], person: Person, other: Person, theirs: Float[ndarray, "12 2"]) -> bool:
    if pose_distance(mine, theirs) < 0.2:
        return True
    if extent(mine) > 0.7 * extent(theirs):
        return False
    return on_mask(mine, other.mask) > 0.6


def share_out(people: list[Person]) -> list[Person]:
    """Cut masks down to what lies near the person's own bones and not nearer to somebody else's.

    The network outlines every person in its crop as one.
    """
    away = []
    for person in people:
        if person.mask is None:
            return people
        bones = np.ones(person.mask.shape, np.uint8)
        for a, b in _LINES:
            ends = np.clip(np.rint(person.keypoints[[a, b], :2]), -20_000, 20_000).astype(int)
            cv2.line(bones, ends[0].tolist(), ends[1].tolist(), 0, 1)
        size = max(extent(person.keypoints[[r for line in _LINES[:10] for r in line], :2]), 1.0)
        away.append(cv2.distanceTransform(bones, cv2.DIST_L2, 3) / size)
    out = []
    for i, person in enumerate(people):
        near = away[i] < REACH
        for j, other in enumerate(people):
            if j != i and other.mask is not None:
                near &= (away[i] <= away[j]) | ~other.mask
        out.append(replace(person, mask=person.mask & near))
    return out


def on_mask(points: Float[ndarray, "n 2"], mask: Bool[ndarray, "h w"] | None) -> float:
    """Return the share of points that lie on a mask."""
    if mask is None:
        return 0.0
    x, y = np.rint(points).astype(int).T
    h, w = mask.shape
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    return float(np.mean(inside & mask[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)]))
