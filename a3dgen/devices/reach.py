"""Arms brought to the handles of crutches and canes: collar, shoulder, elbow and wrist, the elbow bent as asked."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.devices.person import Person, elbow_flexion, handle_of
from a3dgen.fit.chain import Goals
from a3dgen.geometry.devices.grip import Grip
from a3dgen.geometry.devices.sweep import unit
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT

HANGING = np.radians(68)
"""How far the arm is lowered from the T-pose before it is brought to a handle: from a waving arm no way leads there."""
TIP_AHEAD_M, TIP_ASIDE_M = 0.15, 0.10
_ARM = ("collar", "shoulder", "elbow", "wrist")
_NO_ELBOW = {s: tuple(f"{s}_{n}" for n in _ARM if n != "elbow") for s in ("left", "right")}
_HANDLE_FREE_M = 0.03
"""Where the handle is may give way by so much while the bent elbow is kept."""
HANDLE_TURN = np.radians(8)
"""The handle may be turned so far in the hand."""


def reach(
    person: Person, grip: Grip, side: str, place: tuple[float, float], flexion: float, underarm: bool = False
) -> tuple[float, ndarray]:
    """Turn collar, shoulder, elbow and wrist so that the hand holds a handle; return how far that is turned in the
    hand, rad, and where the device stands.

    The elbow is then bent to ``flexion`` and the others follow: how high the handle is follows from the arm.
    """
    sign, names = hang(person, side)
    _, joints = person.kinematics()
    shoulder, elbow, wrist, hand = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist", "hand"))
    upper, fore = float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow))
    fingers = unit(np.array([sign * (0.15 if underarm else 0.5), -0.87, 0.12]))
    spread, aside = place
    at = shoulder + arm_reach(upper, fore, flexion) * unit(np.array([spread * sign, -1.0, 0.13]))
    handle = at + np.linalg.norm(hand - wrist) * fingers + 0.03 * np.cross((0.0, 0.0, sign), fingers)
    foot = min(joints[JOINT[f"{s}_foot"]][2] for s in ("left", "right"))
    out, near_back = (1.0, 0.1) if underarm else (0.3, 0.6)  # a crutch below the arm needs room beside the trunk
    back = (shoulder + at) / 2 + 0.15 * unit(np.array([out * sign, -0.1, -1.0]))
    k = JOINT[f"{side}_hand"]
    for movable, stay, near in ((names, (0.64, 0.08, 0.08, 0.08), 0.0015), (_NO_ELBOW[side], 0.3, _HANDLE_FREE_M)):
        tip = np.array([handle[0] + sign * aside, 0.0, max(foot + TIP_AHEAD_M, handle[2] + 0.04)])
        down, axis = unit(tip - handle), np.array([0.02 * sign, 0.06, 1.0])
        axis = unit(axis - (axis @ down) * down)
        goals = Goals().point(k, grip.handle(side), handle, near).direction(k, np.array([0, 0, 1.0]), axis, 10.0)
        goals.direction(k, np.array([sign, 0, 0]), fingers, 0.6)
        goals.point(JOINT[f"{side}_elbow"], np.zeros(3), back, near_back)
        person.turn(movable, goals, stay)
        if movable is names:
            _bend_elbow(person, side, flexion)
    handle, held = handle_of(person, grip, side)
    return float(np.arccos(np.clip(held @ axis, -1, 1))), tip


def hang(person: Person, side: str) -> tuple[float, tuple[str, ...]]:
    """Let an arm hang beside the body; return 1.0 for the left one and -1.0 for the right one, and its joints."""
    sign, names = (1.0 if side == "left" else -1.0), tuple(f"{side}_{n}" for n in _ARM)
    for name, turn in zip(names, ((0, 0, 0), (0, 0, -sign * HANGING), (0, -0.4 * sign, 0), (0, 0, 0)), strict=True):
        person.pose[JOINT[name]] = turn
    return sign, names


def hold(
    person: Person, grip: Grip, side: str, handle: tuple[ndarray, ndarray], fingers: ndarray, elbow: ndarray
) -> None:
    """Turn collar, shoulder, elbow and wrist so that the hand holds a handle.

    Args:
        handle: its middle (m) and axis. fingers: direction of the hand. elbow: where that should be, roughly, m.
    """
    sign, names = (1.0 if side == "left" else -1.0), tuple(f"{side}_{n}" for n in _ARM)
    k = JOINT[f"{side}_hand"]
    goals = Goals().point(k, grip.handle(side), handle[0], 0.0015).direction(k, np.array([0, 0, 1.0]), handle[1], 10.0)
    goals.direction(k, np.array([sign, 0, 0]), fingers, 0.6).point(JOINT[f"{side}_elbow"], np.zeros(3), elbow, 0.6)
    person.turn(names, goals, (0.64, 0.08, 0.08, 0.08))


def _bend_elbow(person: Person, side: str, flexion: float) -> None:
    """Bend an elbow further, or less far, about the axis that it is bent by."""
    world, joints = person.kinematics()
    shoulder, elbow, wrist = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist"))
    hinge = unit(np.cross(elbow - shoulder, wrist - elbow))
    turn = rotvec_to_matrix((flexion - elbow_flexion(joints, side)) * hinge)
    k = JOINT[f"{side}_elbow"]
    person.pose[k] = matrix_to_rotvec(world[JOINT[f"{side}_shoulder"]].T @ turn @ world[k])


def arm_reach(upper: float, fore: float, flexion: float) -> float:
    """Return how far the wrist is from the shoulder, m, with an elbow that is bent by ``flexion`` rad."""
    return float(np.sqrt(upper**2 + fore**2 + 2 * upper * fore * np.cos(flexion)))
