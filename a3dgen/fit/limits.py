"""Ranges of motion: soft limits of the 69 pose variables below the root.

Hinges are limited tightly, so that no knee or elbow bends backwards; ball joints only where a rotation vector is
plainly impossible. Figures: AAOS, Joint Motion (1965), widened by what soft tissue gives.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.skeleton import JOINT, JOINTS, NUM_JOINTS

# degrees, (low, high) about x, y, z of left and middle joints; a right joint is the mirror image of its left one
_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "hip": ((-130, 40), (-60, 70), (-50, 75)),
    "knee": ((-4, 155), (-12, 12), (-8, 8)),
    "ankle": ((-40, 50), (-30, 30), (-25, 25)),
    "foot": ((-45, 15), (-5, 5), (-5, 5)),
    "collar": ((-25, 25), (-35, 30), (-20, 45)),
    "shoulder": ((-120, 120), (-150, 80), (-115, 100)),
    "elbow": ((-85, 85), (-155, 4), (-35, 35)),
    "wrist": ((-75, 75), (-35, 35), (-75, 75)),
    "hand": ((-10, 10), (-15, 15), (-85, 30)),
    "spine1": ((-25, 45), (-30, 30), (-22, 22)),
    "spine2": ((-20, 40), (-28, 28), (-20, 20)),
    "spine3": ((-15, 30), (-25, 25), (-16, 16)),
    "neck": ((-40, 45), (-50, 50), (-30, 30)),
    "head": ((-40, 40), (-45, 45), (-28, 28)),
}


def joint_limits() -> tuple[Float[ndarray, " 69"], Float[ndarray, " 69"]]:
    """Return lower and upper limits (rad) of the axis-angle variables of joints 1..23."""
    low, high = np.zeros((NUM_JOINTS, 3)), np.zeros((NUM_JOINTS, 3))
    for name in JOINTS[1:]:
        ranges = np.array(_RANGES[name.split("_")[-1]])
        j = JOINT[name]
        low[j], high[j] = ranges[:, 0], ranges[:, 1]
        if name.startswith("right"):  # the mirror image negates turns about y and z
            low[j, 1:], high[j, 1:] = -ranges[1:, 1], -ranges[1:, 0]
    return np.radians(low[1:].reshape(-1)), np.radians(high[1:].reshape(-1))
