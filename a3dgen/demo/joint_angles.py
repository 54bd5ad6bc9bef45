"""Poses of the demo's people, from a few joint angles; independent of the fitter's prior.

Angles are in degrees at the place where a person would give them (flexion of the hip, bend of the elbow) and become
SMPL rotation vectors here. SMPL's rest pose is a T: Y up, facing +Z, the left arm along +X.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from a3dgen.geometry.skeleton import JOINT, NUM_JOINTS

FAMILIES = ("stand", "walk", "reach", "sit", "crouch", "sport")
Angle = float | int
JITTER = 3.0
"""Standard deviation of what every joint deviates from the recipe, degrees."""


@dataclass
class Pose:
    """A pose in the making.

    Attributes:
        family: one of ``FAMILIES``. rotations: joint name -> rotation. lean: of the trunk forwards, degrees, already
            in ``rotations["pelvis"]``. seat: the person sits on something of the height of the thighs.
        lift: height above the ground of the lowest point, m (a jump).
    """

    family: str
    rotations: dict[str, Rotation] = field(default_factory=dict)
    seat: bool = False
    lift: float = 0.0

    def rotvecs(self) -> Float[ndarray, "24 3"]:
        """Return the local rotations (24, 3) rad; joints not mentioned stay at rest."""
        out = np.zeros((NUM_JOINTS, 3))
        for name, rotation in self.rotations.items():
            out[JOINT[name]] = rotation.as_rotvec()
        return out


def draw_pose(rng: Generator, family: str) -> Pose:
    """Draw a pose of one of ``FAMILIES``, facing +Z, standing upright in the world."""
    pose = Pose(family)
    _RECIPES[family](rng, pose)
    for name in ("spine1", "spine2", "spine3", "neck", "head", "left_collar", "right_collar"):
        pose.rotations[name] = pose.rotations.get(name, Rotation.identity()) * _jitter(rng, 0.8 * JITTER)
    for name in ("left_wrist", "right_wrist"):
        pose.rotations[name] = _jitter(rng, 3 * JITTER)
    return pose


def _turn(axis: str, degrees: Angle) -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def _jitter(rng: Generator, degrees: Angle) -> Rotation:
    return Rotation.from_rotvec(np.deg2rad(rng.normal(0, degrees, 3)))


def _leg(
    rng: Generator, pose: Pose, side: str, flexion: Angle, knee: Angle, apart: Angle = 4.0, out: Angle = 6.0,
    lean: Angle = 0.0, flat: bool = True, point: Angle = 0.0,
) -> None:  # fmt: skip
    """Set one leg: hip flexion, knee bend, hip abduction and outward turn; a flat foot is parallel to the ground.

    Args:
        lean: how far the pelvis is pitched forwards (a flat foot must undo it). point: plantar flexion otherwise.
    """
    sign = 1.0 if side == "left" else -1.0
    flexion, knee = flexion + rng.normal(0, JITTER), max(0.0, knee + rng.normal(0, JITTER))
    apart = apart + rng.normal(0, 0.6 * JITTER)
    hip = _turn("z", sign * apart) * _turn("y", sign * out) * _turn("x", -flexion)
    pose.rotations[f"{side}_hip"] = hip
    pose.rotations[f"{side}_knee"] = _turn("x", knee)
    chain = _turn("x", lean) * hip * _turn("x", knee)
    if flat:  # undo every tilt, keep the heading of the toes
        heading = chain.apply([0.0, 0, 1]) if knee < 60 else (_turn("x", lean) * hip).apply([0.0, -0.7, 0.7])
        yaw = np.rad2deg(np.arctan2(heading[0], heading[2])) if np.hypot(heading[0], heading[2]) > 0.3 else sign * out
        yaw = float(np.clip(yaw, -40, 40))
        wanted = chain.inv() * _turn("y", yaw)
        tilt = wanted.as_rotvec()
        angle = np.rad2deg(np.linalg.norm(tilt))
        pose.rotations[f"{side}_ankle"] = Rotation.from_rotvec(tilt * min(1.0, 42.0 / max(angle, 1e-6)))
    else:
        pose.rotations[f"{side}_ankle"] = _turn("x", point)


def _arm(
    rng: Generator, pose: Pose, side: str, down: Angle, forward: Angle = 0.0, bend: Angle = 15.0, twist: Angle = 0.0
) -> None:
    """Set one arm: lowered from the T by ``down``, swung forwards, elbow bent, upper arm turned about its length."""
    sign = 1.0 if side == "left" else -1.0
    down, forward = down + rng.normal(0, JITTER), forward + rng.normal(0, 1.5 * JITTER)
    bend = max(2.0, bend + rng.normal(0, 1.5 * JITTER))
    shoulder = _turn("x", -forward) * _turn("z", -sign * down) * _turn("x", twist)
    share = 0.16  # the collar bone takes part in raising the arm
    raised = max(0.0, 40.0 - down)
    pose.rotations[f"{side}_collar"] = _turn("z", sign * share * raised)
    pose.rotations[f"{side}_shoulder"] = _turn("z", -sign * share * raised) * shoulder
    pose.rotations[f"{side}_elbow"] = _turn("y", -sign * bend)


def _trunk(rng: Generator, pose: Pose, lean: Angle = 0.0, side: Angle = 0.0, turn: Angle = 0.0) -> None:
    """Bend the spine: forwards, to the left, turned to the left; a third in each vertebra joint."""
    for name in ("spine1", "spine2", "spine3"):
        part = _turn("x", lean / 3) * _turn("z", -side / 3) * _turn("y", turn / 3)
        pose.rotations[name] = part
    pose.rotations["neck"] = _turn("x", -0.3 * lean + rng.normal(0, 4)) * _turn("y", rng.normal(0, 10))
    pose.rotations["head"] = _turn("x", -0.2 * lean + rng.normal(0, 4)) * _turn("y", rng.normal(0, 12))


def _sides(rng: Generator) -> tuple[str, str]:
    return ("left", "right") if rng.random() < 0.5 else ("right", "left")


def _stand(rng: Generator, pose: Pose) -> None:
    first, second = _sides(rng)
    _trunk(rng, pose, rng.normal(2, 4), rng.normal(0, 4), rng.normal(0, 8))
    apart = rng.uniform(2, 9)
    _leg(rng, pose, first, 0, 3, apart)
    _leg(rng, pose, second, rng.uniform(2, 14), rng.uniform(5, 20), apart)
    style = rng.integers(4)
    for side in (first, second):
        _arm(rng, pose, side, rng.uniform(66, 74), rng.uniform(-8, 14), rng.uniform(8, 35))
    if style == 1:  # a hand on the hip
        _arm(rng, pose, first, 52, -14, 95, twist=-62)
    elif style == 2:  # looking at something in the hand
        _arm(rng, pose, first, 70, 22, 85, twist=rng.uniform(-25, 0))
    elif style == 3:  # waving
        _arm(rng, pose, second, -25, 8, 70, twist=-75)


def _walk(rng: Generator, pose: Pose) -> None:
    first, second = _sides(rng)
    stride = rng.uniform(16, 30)
    _trunk(rng, pose, rng.uniform(0, 7), 0, rng.uniform(-6, 6))
    _leg(rng, pose, first, stride, 4, 2, 3)
    _leg(rng, pose, second, -0.75 * stride, rng.uniform(8, 35), 2, 3, flat=False, point=rng.uniform(0, 12))
    _arm(rng, pose, first, 72, -stride, rng.uniform(10, 30))
    _arm(rng, pose, second, 72, stride, rng.uniform(15, 45))


def _reach(rng: Generator, pose: Pose) -> None:
    first, second = _sides(rng)
    lean = rng.uniform(-4, 14)
    _trunk(rng, pose, lean, rng.uniform(-10, 10), rng.uniform(-18, 18))
    _leg(rng, pose, first, rng.uniform(0, 12), rng.uniform(2, 14), rng.uniform(4, 12))
    _leg(rng, pose, second, rng.uniform(-12, 0), rng.uniform(2, 10), rng.uniform(4, 12))
    style = rng.integers(3)
    if style == 0:  # up
        _arm(rng, pose, first, rng.uniform(-75, -40), rng.uniform(0, 25), rng.uniform(5, 40))
        _arm(rng, pose, second, 68, rng.uniform(-10, 20), rng.uniform(10, 45))
    elif style == 1:  # forwards
        _arm(rng, pose, first, rng.uniform(50, 75), rng.uniform(55, 100), rng.uniform(5, 35))
        _arm(rng, pose, second, 68, rng.uniform(0, 60), rng.uniform(10, 60))
    else:  # to the side
        _arm(rng, pose, first, rng.uniform(-15, 30), rng.uniform(-10, 25), rng.uniform(5, 30))
        _arm(rng, pose, second, rng.uniform(10, 70), rng.uniform(-10, 25), rng.uniform(5, 50))


def _sit(rng: Generator, pose: Pose) -> None:
    pose.seat = True
    back = rng.uniform(-14, 2)
    pose.rotations["pelvis"] = _turn("x", back)
    _trunk(rng, pose, rng.uniform(0, 22) - back, rng.normal(0, 4), rng.normal(0, 8))
    apart = rng.uniform(3, 14)
    for side in ("left", "right"):
        knee = rng.uniform(78, 98)
        _leg(rng, pose, side, 88 + back, knee, apart, 3, lean=back)
        _arm(rng, pose, side, rng.uniform(64, 72), rng.uniform(22, 38), rng.uniform(45, 75), twist=rng.uniform(-8, 8))


def _crouch(rng: Generator, pose: Pose) -> None:
    if rng.random() < 0.5:  # squat
        lean = rng.uniform(18, 34)
        pose.rotations["pelvis"] = _turn("x", lean)
        deep = rng.uniform(70, 118)
        _trunk(rng, pose, rng.uniform(5, 25), 0, rng.normal(0, 8))
        for side in ("left", "right"):
            _leg(rng, pose, side, 0.5 * deep + lean + 8, deep, rng.uniform(8, 16), 14, lean=lean)
            _arm(rng, pose, side, rng.uniform(60, 72), rng.uniform(30, 75), rng.uniform(20, 60))
        return
    first, second = _sides(rng)  # on one knee
    _trunk(rng, pose, rng.uniform(4, 24), rng.normal(0, 4), rng.normal(0, 10))
    _leg(rng, pose, first, 88, 88, 5, 4)
    _leg(rng, pose, second, 2, 92, 4, 2, flat=False, point=rng.uniform(10, 45))
    _arm(rng, pose, first, 66, rng.uniform(15, 40), rng.uniform(35, 70))
    _arm(rng, pose, second, 70, rng.uniform(-5, 45), rng.uniform(15, 60))


def _sport(rng: Generator, pose: Pose) -> None:
    first, second = _sides(rng)
    style = rng.integers(4)
    if style == 0:  # run
        pose.rotations["pelvis"] = _turn("x", 8.0)
        _trunk(rng, pose, 6, 0, rng.uniform(-12, 12))
        _leg(rng, pose, first, rng.uniform(48, 70), rng.uniform(55, 85), 2, 2, flat=False, point=-5)
        _leg(rng, pose, second, rng.uniform(-26, -12), rng.uniform(8, 35), 2, 2, flat=False, point=25)
        _arm(rng, pose, first, 68, -42, 85)
        _arm(rng, pose, second, 68, 32, 90)
        pose.lift = float(rng.choice([0.0, 0.06]))
    elif style == 1:  # lunge with the arms out
        _trunk(rng, pose, rng.uniform(0, 15), rng.uniform(-12, 12), rng.uniform(-25, 25))
        _leg(rng, pose, first, rng.uniform(50, 68), rng.uniform(52, 68), 8, 8)
        _leg(rng, pose, second, rng.uniform(-26, -14), rng.uniform(2, 12), 8, 10, flat=False, point=-18)
        for side in (first, second):
            _arm(rng, pose, side, rng.uniform(-10, 40), rng.uniform(-10, 45), rng.uniform(10, 60))
    elif style == 2:  # kick
        _trunk(rng, pose, rng.uniform(-14, 2), rng.uniform(-10, 10), rng.uniform(-18, 18))
        _leg(rng, pose, first, rng.uniform(45, 80), rng.uniform(2, 30), 6, 8, flat=False, point=20)
        _leg(rng, pose, second, 4, rng.uniform(6, 18), 4, 10)
        _arm(rng, pose, first, rng.uniform(20, 55), -30, 25)
        _arm(rng, pose, second, rng.uniform(15, 50), 35, 30)
    else:  # throw
        _trunk(rng, pose, rng.uniform(-10, 4), rng.uniform(-8, 8), -22 if first == "right" else 22)
        _leg(rng, pose, first, -12, 14, 8, 16)
        _leg(rng, pose, second, rng.uniform(15, 32), rng.uniform(6, 18), 8, 8)
        _arm(rng, pose, first, rng.uniform(-20, 10), -22, 95, twist=-70)
        _arm(rng, pose, second, rng.uniform(15, 40), rng.uniform(45, 75), 20)


_RECIPES: dict[str, Callable[[Generator, Pose], None]] = {
    "stand": _stand, "walk": _walk, "reach": _reach, "sit": _sit, "crouch": _crouch, "sport": _sport,
}  # fmt: skip
