"""Prosthetic keypoints in the place of joints, as sets of prosthetic gait have them: 17 COCO points and 6 of the feet.

ProGait's convention, off by default: everywhere else a worn prosthesis never un-amputates.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.records import AMPUTATED, OUTSIDE, VISIBLE
from a3dgen.devices.device import POINTS
from a3dgen.formats.dataset_rows import Row
from a3dgen.geometry.camera import project
from a3dgen.geometry.regions import LIMBS, REGIONS
from a3dgen.geometry.skeleton import ROW

FEET = tuple(f"{s}_{n}" for s in ("left", "right") for n in ("big_toe", "small_toe", "heel"))
"""The six points of the feet; a prosthesis has no small toe."""
_LEG = {"knee": "joint", "ankle": "ankle", "heel": "heel", "big_toe": "toe"}
_ARM = {"elbow": "joint", "wrist": "ankle"}
"""Name of a joint -> that of the prosthetic keypoint in its place."""


def flagged(pixels: Float[ndarray, "n 2"], state: ndarray) -> Float[ndarray, "n 3"]:
    """Return x, y px and COCO's visibility (0 absent or outside, 1 hidden, 2 visible) of points with states."""
    flag = np.where(state == VISIBLE, 2, np.where((state == AMPUTATED) | (state == OUTSIDE), 0, 1))
    return np.concatenate([np.where(flag[:, None] > 0, np.round(pixels, 3), 0), flag[:, None]], 1)


def prosthetic_pixels(row: Row) -> Float[ndarray, "24 3"]:
    """Return x, y px and COCO's visibility of the prosthetic keypoints of one sample."""
    points = row.extra("prosthetic_3d")
    there = points[:, 3:] > 0
    pixels = project(np.where(there, points[:, :3] + row.extra("root"), (0, 0, 1.0)), row.extra("K"))
    return flagged(pixels, row.extra("prosthetic_state"))


def with_prosthetic_joints(
    row: Row, names: tuple[str, ...], keypoints: Float[ndarray, "n 3"], presence: Bool[ndarray, " n"]
) -> tuple[Float[ndarray, "m 3"], Bool[ndarray, " m"]]:
    """Return keypoints and presence with ``FEET`` appended, joints of worn prostheses in the place of absent ones.

    Args:
        names: of the keypoints (n, 3) x, y px and visibility. presence: which of them the body has.
    """
    index = [ROW[f"body_{n}"] for n in FEET]
    feet, state = row.extra("keypoints_2d")[index][:, :2], row.extra("state")[index]
    out = np.concatenate([keypoints, flagged(feet, state)])
    there = np.concatenate([presence, state != AMPUTATED])
    if "prosthetic_3d" not in row.columns.extra:
        return out, there
    drawn, listed = prosthetic_pixels(row), row.extra("prosthetic_3d")[:, 3] > 0
    every = (*names, *FEET)
    for k, limb in enumerate(LIMBS):
        region = REGIONS[limb[0]]
        for joint, point in (_LEG if region.limb == "leg" else _ARM).items():
            at, of = every.index(f"{region.side}_{joint}"), k * len(POINTS) + POINTS.index(point)
            if listed[of] and not there[at]:
                out[at], there[at] = drawn[of], True
    return out, there
