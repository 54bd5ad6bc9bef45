"""Whether a fitted body sits: on something that the picture must show."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.skeleton import JOINT

LEVEL = np.radians(40.0)
"""The thighs of who sits are so far from level at most."""
UPRIGHT = np.radians(55.0)
"""Their trunk is so far from upright at most, their shins twice that: legs are stretched out or pulled in."""
SEAT_HEIGHT = 0.22
"""Who crouches, or sits on the ground, has the hips less than that (m) above the lower ankle."""


def sits(joints: Float[ndarray, "24 3"], down: Float[ndarray, "3"]) -> bool:
    """Return whether somebody sits on a seat: level thighs, upright trunk, hips well above the feet.

    Args:
        joints: m, camera frame. down: unit, direction of gravity.
    """
    trunk = joints[JOINT["pelvis"]] - joints[JOINT["neck"]]
    if _from(trunk, down) > UPRIGHT:
        return False
    for side in ("left", "right"):
        hip, knee, ankle = (joints[JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
        if abs(np.pi / 2 - _from(knee - hip, down)) > LEVEL or _from(ankle - knee, down) > 2 * UPRIGHT:
            return False
    ankles = max(float(joints[JOINT[f"{side}_ankle"]] @ down) for side in ("left", "right"))
    return ankles - float(joints[JOINT["pelvis"]] @ down) > SEAT_HEIGHT


def _from(a: ndarray, b: ndarray) -> float:
    """Return the angle (rad) between two directions."""
    return float(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))
