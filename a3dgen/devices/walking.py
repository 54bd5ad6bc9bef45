"""How people stand in a walking frame: both hands on its level handles, the frame about them on the ground."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.devices.device import Device
from a3dgen.devices.person import Person, elbow_flexion, handle_of, numbers
from a3dgen.devices.reach import HANDLE_TURN, arm_reach, hang, hold
from a3dgen.devices.sampling import DevicesConfig, Drawn
from a3dgen.devices.trunk import ARM_INSIDE_M, Trunk
from a3dgen.geometry.devices.grip import Grip
from a3dgen.geometry.devices.sweep import unit
from a3dgen.geometry.devices.walker import Frame, walker
from a3dgen.geometry.skeleton import JOINT

SIDES = ("left", "right")
_AHEAD_M = (0.17, 0.23, 0.11)
"""How far the handles are ahead of the shoulders: the next one is tried where frame or arms would touch the body."""
_LEAST_WIDTH_M, _BESIDE_M = 0.46, 0.07
"""Between the handles: at least so much, and so much beside each hip."""
_ELBOW = np.radians((10, 40))


def walk(config: DevicesConfig, person: Person, grip: Grip, trunk: Trunk, drawn: Drawn) -> tuple[Device, ...]:
    """Bring both hands to the handles of a walking frame; return it with its place in the camera's frame.

    Raises:
        Rejected: if an arm does not reach, or the frame or an arm would lie inside the body.
    """
    start, why = person.pose.copy(), ""
    for ahead in _AHEAD_M:
        person.pose = start.copy()
        frame, at = _measure(person, ahead, np.radians(drawn.elbow))
        for side in SIDES:
            _hold(person, grip, side, frame, at)
        why = _fault(config, person, grip, trunk, frame, at)
        if not why:
            turn, place = person.frame, person.frame @ at + person.place
            facts = {**frame.facts(), "turn": numbers(turn), "at": numbers(place), "hands": list(SIDES)}
            return (Device("walker", colours=(drawn.colour,), frame=facts),)
    raise Rejected(f"no posture with a walker: {why}")


def _measure(person: Person, ahead: float, flexion: float) -> tuple[Frame, ndarray]:
    """Return the frame that suits somebody's arms, bent by ``flexion`` (rad), and where it stands."""
    for side in SIDES:
        hang(person, side)
    _, joints = person.kinematics()
    shoulders = [joints[JOINT[f"{s}_shoulder"]] for s in SIDES]
    hips = [joints[JOINT[f"{s}_hip"]] for s in SIDES]
    width = max(_LEAST_WIDTH_M, float(np.linalg.norm(hips[0] - hips[1])) + 0.20 + 2 * _BESIDE_M)
    middle = (shoulders[0] + shoulders[1]) / 2
    heights = []
    for s, side, shoulder in zip((1, -1), SIDES, shoulders, strict=True):
        elbow, wrist, hand = (joints[JOINT[f"{side}_{n}"]] for n in ("elbow", "wrist", "hand"))
        reach = arm_reach(float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow)), flexion)
        aside = middle[0] + s * width / 2 - shoulder[0]
        drop = np.sqrt(max(reach**2 - aside**2 - (middle[2] + ahead - shoulder[2]) ** 2, 0.01))
        heights.append(shoulder[1] - drop - 0.75 * float(np.linalg.norm(hand - wrist)))
    return Frame(round(width, 5), round(float(np.mean(heights)), 5)), np.array([middle[0], 0.0, middle[2] + ahead])


def _handle(frame: Frame, at: ndarray, side: str) -> ndarray:
    return at + np.array([(1 if side == "left" else -1) * frame.width / 2, frame.height, 0.0])


def _hold(person: Person, grip: Grip, side: str, frame: Frame, at: ndarray) -> None:
    sign = 1.0 if side == "left" else -1.0
    handle, shoulder = _handle(frame, at, side), person.kinematics()[1][JOINT[f"{side}_shoulder"]]
    back = (shoulder + handle) / 2 + 0.15 * unit(np.array([0.3 * sign, -0.1, -1.0]))
    hold(person, grip, side, (handle, np.array([0, 0, 1.0])), unit(np.array([0.35 * sign, -0.87, 0.12])), back)


def _fault(config: DevicesConfig, person: Person, grip: Grip, trunk: Trunk, frame: Frame, at: ndarray) -> str:
    """Return why the posture is none; empty if it is one."""
    _, joints = person.kinematics()
    for side in SIDES:
        middle, axis = handle_of(person, grip, side)
        off = float(np.linalg.norm(middle - _handle(frame, at, side)))
        turned = float(np.arccos(np.clip(axis[2], -1, 1)))
        bend = elbow_flexion(joints, side)
        if off > 0.5e-3 * config.contact_mm or turned > HANDLE_TURN:
            return f"the arm does not reach: the hand is {1e3 * off:.0f} mm and {np.degrees(turned):.0f} degrees off"
        if not _ELBOW[0] <= bend <= _ELBOW[1]:
            return f"the elbow is bent by {np.degrees(bend):.0f} degrees"
    deep, name = max((trunk.depth(p.vertices + at), p.name) for p in walker(frame, (0, 0, 0))[0])
    if deep > 1e-3 * config.penetration_mm:
        return f"its {name} lies {1e3 * deep:.0f} mm in the body"
    arm = max(trunk.arm_depth(person, side, grip.offsets) for side in SIDES)
    return f"the arm lies {1e3 * arm:.0f} mm in the body" if arm > ARM_INSIDE_M else ""
