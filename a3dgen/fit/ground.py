"""Gravity and ground of a photo, estimated from all its people together: their feet, heights and how they stand.

A camera at height H above a plane sees a point X of the plane where g . X = H, g being the direction of gravity. One
person of known stature who stands on the plane so ties the pitch of the camera to its height, and photos are mostly
taken at about eye level; several people at different distances tell both (Hoiem et al., Putting Objects in
Perspective, 2008). How people stand tells the roll, and the pitch to the precision that one view gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.fit.observation import Support
from a3dgen.geometry.skeleton import JOINT, NUM_ROWS, ROW

PITCH, PITCH_SD = np.radians(6.0), np.radians(9.0)
"""Photos look down a little: people stand lower than the camera is held."""
ROLL_SD = np.radians(3.0)
HEIGHT, HEIGHT_SD = 1.5, 0.35
"""Of a camera above the ground, m: its median, and the standard deviation of its logarithm."""
STATURE_SD = 0.05
"""Of the people, as a share: their distance, and all that follows from it, is uncertain by that much."""
CONTACT_SD, GUESSED_SD = 0.05, 0.35
"""How far (m) the lowest point of a labelled foot is from the ground, and of a foot that nobody labelled."""
SOLE = 0.02
"""Of shoes, m: the body's own skin is so far above the ground."""
LEAN = np.radians(2.0)
"""People who stand lean forwards a little; most of those who are photographed face the camera."""
STANDS = np.radians([4.0, 9.0]), np.radians([12.0, 25.0])
"""Standard deviations of the axis of a person who stands, and of the trunk of anybody else: sideways, in depth."""
STRAIGHT = np.radians(45.0)
"""Hips and knees bent less than that: the person stands."""
ELSEWHERE = 0.3
"""Feet so far (m) from the ground stand on something else, or are in the air."""
TOUCH_SD = 0.04
"""How close to the ground the soles of a person's feet are, m."""
ROBUST = 2.5
"""Geman-McClure scale, in standard deviations: who jumps or stands on stairs says little."""
STEPS, EPSILON = 12, 1e-5
FIRST_PITCHES = np.radians([6.0, 30.0, -15.0])
_FEET = {s: [ROW[f"body_{s}_{p}"] for p in ("heel", "big_toe")] for s in ("left", "right")}


@dataclass(frozen=True)
class Ground:
    """Gravity and ground plane of a photo: g . X = height on the ground, X in the camera frame.

    Attributes:
        down: (3,) unit, direction g of gravity. height: m, of the camera above the ground.
        pitch_sd, roll_sd: rad, how certain ``down`` is. height_sd: m.
        people: how many it rests on.
    """

    down: Float[ndarray, "3"]
    height: float
    pitch_sd: float
    roll_sd: float
    height_sd: float
    people: int

    def support(self, own: Stance, legs: tuple[bool, bool]) -> Support:
        """Return what a person stands on: the photo's ground, or who is too far from it, at the level of the feet.

        Args:
            own: of the person in a first fit. legs: whether the left and the right foot or ankle is labelled.
        """
        lowest = float((own.feet @ self.down).max())
        near = abs(lowest + SOLE - self.height) < ELSEWHERE
        sd = np.full(NUM_ROWS, np.inf)
        for side, known in zip(("left", "right"), legs, strict=True):
            if known:
                sd[_FEET[side]] = TOUCH_SD
        return Support(self.down, self.height - SOLE if near else lowest, sd)


@dataclass(frozen=True)
class Stance:
    """What one fitted person says of the ground.

    Attributes:
        feet: (4, 3) m, points of the soles, camera frame. labelled: the feet are labelled.
        axis: (3,) unit, from the feet to the neck of who stands, else along the trunk. stands: which of the two.
    """

    feet: Float[ndarray, "4 3"]
    labelled: bool
    axis: Float[ndarray, "3"]
    stands: bool


def stance(joints: Float[ndarray, "24 3"], keypoints: Float[ndarray, "44 3"], legs: tuple[bool, bool]) -> Stance:
    """Return what a fit says of the ground.

    Args:
        joints, keypoints: m, camera frame. legs: whether the left and the right foot or ankle is labelled.
    """
    sides = [s for s, known in zip(("left", "right"), legs, strict=True) if known]
    feet = keypoints[[r for s in (sides * 2)[:2] or ("left", "right") for r in _FEET[s]]]
    neck, pelvis = joints[JOINT["neck"]], joints[JOINT["pelvis"]]
    stands = all(legs) and all(_bend(joints, s) < STRAIGHT for s in ("left", "right"))
    low = (joints[JOINT["left_ankle"]] + joints[JOINT["right_ankle"]]) / 2 if stands else pelvis
    return Stance(feet, bool(sides), (neck - low) / np.linalg.norm(neck - low), stands)


def _bend(joints: Float[ndarray, "24 3"], side: str) -> float:
    """Return the larger of the angles (rad) between trunk and thigh and between thigh and shin; 0 = straight."""
    hip, knee, ankle = (joints[JOINT[f"{side}_{n}"]] for n in ("hip", "knee", "ankle"))
    trunk = joints[JOINT["pelvis"]] - joints[JOINT["neck"]]
    return max(_angle(trunk, knee - hip), _angle(knee - hip, ankle - knee))


def _angle(a: ndarray, b: ndarray) -> float:
    return float(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


def gravity(pitch: float, roll: float = 0.0) -> Float[ndarray, "3"]:
    """Return the direction of gravity for a camera that looks down by ``pitch`` and is rolled by ``roll``, rad."""
    return np.array([-np.sin(roll) * np.cos(pitch), np.cos(roll) * np.cos(pitch), np.sin(pitch)])


def estimate(people: Sequence[Stance]) -> Ground:
    """Return the ground that explains all people best, the likeliest one where they say nothing."""
    everybody = _Everybody(people)
    found = [everybody.solve(np.array([pitch, 0.0, np.log(HEIGHT)])) for pitch in FIRST_PITCHES]
    x, _, covariance = min(found, key=lambda f: f[1])
    sd = np.sqrt(np.diag(covariance))
    height = float(np.exp(x[2]))
    return Ground(gravity(x[0], x[1]), height, float(sd[0]), float(sd[1]), height * float(sd[2]), len(people))


class _Everybody:
    """The people of a photo as arrays, and the least-squares problem they pose in pitch, roll and log height."""

    def __init__(self, people: Sequence[Stance]) -> None:
        count = len(people)
        self.feet = np.stack([p.feet for p in people]) if count else np.zeros((0, 1, 3))
        self.axis = np.stack([p.axis for p in people]) if count else np.zeros((0, 3))
        stands = np.array([p.stands for p in people], bool)
        self.contact_sd = np.where([p.labelled for p in people], CONTACT_SD, GUESSED_SD)
        self.side_sd, self.depth_sd = np.where(stands, *[[[sd] for sd in kind] for kind in STANDS])
        self.lean = np.where(stands, LEAN, 0.0)
        self.robust = np.array([False, False, True] + 3 * count * [True])

    def residuals(self, x: Float[ndarray, "3"]) -> Float[ndarray, " r"]:
        """Return residuals in standard deviations: those of the priors, then three a person."""
        down, height = gravity(x[0], x[1]), np.exp(x[2])
        lowest = (self.feet @ down).max(1) + SOLE
        away = self.feet.mean(1)
        away = away - (away @ down)[:, None] * down
        away = away / np.maximum(np.linalg.norm(away, axis=1), 1e-9)[:, None]
        side = np.cross(down, away)
        return np.concatenate([
            [(x[0] - PITCH) / PITCH_SD, x[1] / ROLL_SD, (x[2] - np.log(HEIGHT)) / HEIGHT_SD],
            (lowest - height) / np.hypot(self.contact_sd, STATURE_SD * height),
            np.arcsin((self.axis * side).sum(1)) / self.side_sd,
            (np.arcsin((self.axis * away).sum(1)) + self.lean) / self.depth_sd,
        ])  # fmt: skip

    def solve(self, x: Float[ndarray, "3"]) -> tuple[ndarray, float, ndarray]:
        """Gauss-Newton with Geman-McClure weights; return x, its cost and its covariance."""
        for _ in range(STEPS):
            r = self.residuals(x)
            jacobian = np.stack([(self.residuals(x + d) - r) / EPSILON for d in EPSILON * np.eye(3)], 1)
            ratio = np.where(self.robust, ROBUST**2 / (ROBUST**2 + r * r), 1.0)
            weighted = (jacobian * (ratio**2)[:, None]).T
            step = np.clip(np.linalg.solve(weighted @ jacobian, weighted @ r), -0.2, 0.2)
            x = x - step
            if np.abs(step).max() < 1e-4:
                break
        return x, 0.5 * float((r * r * ratio).sum()), np.linalg.inv(weighted @ jacobian)
