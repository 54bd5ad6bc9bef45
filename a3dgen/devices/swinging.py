"""How people swing through two crutches: nearly straight arms carry them, the trunk leans, the feet hang."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.devices.person import Person, body_rows
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT

SWING_THROUGH = "swing_through"
ELBOW, LEAN = (3.0, 9.0), (11.0, 19.0)
"""Flexion of the elbow and lean of the trunk, degrees: who hangs on straight arms bends them by less than 10 and leans
10 to 20 ahead (engineering choice)."""
_THIGH, _KNEE, _SOLE = 7.0, 26.0, 14.0
"""The thighs trail so far behind straight down; the knees and the soles are bent; degrees."""
_IN_THE_AIR_M = 0.06
"""How high the lower sole is."""


def swing(person: Person, share: float) -> float:
    """Let a person hang between their crutches, arms still to be brought there; return how far the elbows bend, rad.

    Args:
        share: 0..1, from the least to the most lean and flexion.
    """
    _, joints = person.kinematics()
    trunk = joints[JOINT["neck"]] - joints[0]
    lean = np.radians(np.interp(share, (0, 1), LEAN)) - np.arctan2(trunk[2], trunk[1])
    person.pose[0] = matrix_to_rotvec(_about_x(float(lean)) @ rotvec_to_matrix(person.pose[0]))
    pelvis = rotvec_to_matrix(person.pose[0])
    for side in ("left", "right"):
        person.pose[JOINT[f"{side}_hip"]] = matrix_to_rotvec(pelvis.T @ _about_x(np.radians(_THIGH)))
        person.pose[JOINT[f"{side}_knee"]] = (np.radians(_KNEE), 0, 0)
        person.pose[JOINT[f"{side}_ankle"]] = (np.radians(_SOLE), 0, 0)
    feet = np.concatenate(list(body_rows(person.body).feet.values()))
    person.shift = person.shift + (0, _IN_THE_AIR_M - float(person.vertices(feet)[:, 1].min()), 0)
    return float(np.radians(np.interp(share, (0, 1), ELBOW)))


def _about_x(angle: float) -> Float[ndarray, "3 3"]:
    return rotvec_to_matrix(np.array([angle, 0.0, 0.0]))
