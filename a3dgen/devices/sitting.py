"""How people sit in a wheelchair: made to their measures, feet on its plate, hands on the rims or in the lap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.core.errors import Rejected
from a3dgen.devices.device import Device
from a3dgen.devices.hands import closed_hands
from a3dgen.devices.person import Person, body_rows, handle_of, numbers
from a3dgen.devices.racing import kneel
from a3dgen.devices.sampling import DevicesConfig, Drawn
from a3dgen.devices.trunk import ARM_INSIDE_M, Trunk
from a3dgen.fit.chain import Goals
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices.chairs import chair_of, wheels_of
from a3dgen.geometry.devices.folding_chair import armrest
from a3dgen.geometry.devices.grip import HANDLE_M
from a3dgen.geometry.devices.sweep import Look, unit
from a3dgen.geometry.devices.wheelchair import HAND_RIM_TUBE_M, Seat
from a3dgen.geometry.skeleton import JOINT

PLATE_M = 0.10
"""Height of the footplate: 50 mm of ground clearance and more."""
SOLE_M = 0.022
SIDE_ROOM_M = 0.0125
"""Room beside each hip: the seat is 25 mm wider than the hips."""
SINK_M = 0.008
"""How far the cushion gives."""
RECLINE = 12.0
HIP, KNEE = 82.0, 76.0
"""Flexion, degrees."""
_WIDER_M = (0.0, 0.015, 0.03, 0.05)
"""Seats that are tried, wider than hips and room."""
_THIN = ("spoke", "tab")
_TOUCH_M, _LIFTS = 0.002, 5
"""How far a hand sinks into the thigh that it rests on; how often it is lifted until it does not sink further."""
_ON_RIM = {"rims": 20.0, "push": 48.0, "race": 38.0}
"""Where a hand holds the rim, degrees ahead of its top: at rest, at the end of a push, in a racing chair."""
_LEAN = 21.0
"""Who pushes bends the spine so much further ahead, degrees."""
_Y = np.array([0.0, 1.0, 0.0])


def sit(
    config: DevicesConfig, body: BodyData, fit: Mapping[str, Any], drawn: Drawn
) -> tuple[dict[str, Any], tuple[Device, ...]]:
    """Return the columns of Plans ``pose``, ``transl`` and ``reposed``, and the wheelchair with its place.

    The chair stands where the person stood, turned by ``drawn.turn``. Head and neck stay as they are in the photo, but
    in a racing chair.

    Raises:
        Rejected: if a hand does not reach its rim, or the chair or an arm would lie inside the body.
    """
    person = Person.of(body, fit)
    racing = drawn.chair == "racing"
    posture = "race" if racing else drawn.posture
    if racing:
        seat = kneel(person)
    else:
        _bend(person, _LEAN if posture == "push" else 0.0)
        _feet(person)
        seat = replace(_measure(person), kind=drawn.chair)
    trunk = Trunk.of(person)
    seat = _wide_enough(config, trunk, seat)
    on_rims = posture != "lap"
    for side in drawn.hands if on_rims else ():
        _hold_rim(config, person, seat, side, posture)
    if not on_rims:
        for side in ("left", "right"):
            _rest_hand(person, trunk, side)
    closed = closed_hands(body).of(drawn.hands) if on_rims else None
    deep = max(trunk.arm_depth(person, side, closed) for side in ("left", "right"))
    if deep > ARM_INSIDE_M:
        raise Rejected(f"no posture in a wheelchair: the arm lies {1e3 * deep:.0f} mm in the body")
    if seat.kind == "folding":
        seat = _with_armrests(config, person, seat)
    person.frame = person.frame @ Rotation.from_euler("y", drawn.turn, degrees=True).as_matrix()
    pose, transl = person.camera()
    facts = {**seat.facts(), "turn": numbers(person.frame), "at": numbers(person.place),
             "hands": list(drawn.hands) if on_rims else []}  # fmt: skip
    chair = Device("wheelchair", colours=(drawn.colour,), frame=facts)
    reposed = np.ones(24, bool)
    if not racing:  # who races looks up
        reposed[[JOINT["neck"], JOINT["head"]]] = False
    pose[~reposed] = np.asarray(fit["pose"], np.float64)[~reposed]
    return {"pose": pose, "transl": transl, "reposed": reposed}, (chair,)


def _turn(axis: str, degrees: float | int) -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def _bend(person: Person, lean: float = 0.0) -> None:
    """Sit upright, or with the spine bent ahead by ``lean`` (degrees), with hanging arms; the pelvis is brought over
    the origin."""
    keep = person.pose[[JOINT["neck"], JOINT["head"]]].copy()
    pose = np.zeros((24, 3))
    pose[0] = _turn("x", -RECLINE).as_rotvec()
    for s, side in ((1, "left"), (-1, "right")):
        pose[JOINT[f"{side}_hip"]] = (_turn("z", 3 * s) * _turn("x", -HIP)).as_rotvec()
        pose[JOINT[f"{side}_knee"]] = _turn("x", KNEE).as_rotvec()
        pose[JOINT[f"{side}_shoulder"]] = (_turn("x", 10) * _turn("z", -70 * s)).as_rotvec()
        pose[JOINT[f"{side}_elbow"]] = (0, -s * np.radians(45), 0)
    for name, degrees in (("spine1", 5), ("spine2", 3), ("spine3", 3)):
        pose[JOINT[name]] = _turn("x", degrees + lean / 3).as_rotvec()
    pose[[JOINT["neck"], JOINT["head"]]] = keep
    person.pose = pose
    person.shift = person.shift - person.kinematics()[1][0] * (1, 0, 1)


def _feet(person: Person) -> None:
    """Bring the feet side by side, soles level, shins a little ahead."""
    hip = person.kinematics()[1][JOINT["left_hip"]].copy()
    for s, side in ((1, "left"), (-1, "right")):
        rest = {n: person.rest[JOINT[f"{side}_{n}"]] for n in ("hip", "knee", "ankle")}
        thigh, shin = np.linalg.norm(rest["knee"] - rest["hip"]), np.linalg.norm(rest["ankle"] - rest["knee"])
        knee = np.array([s * 0.098, hip[1] + 0.035, hip[2] + 0.985 * thigh])
        ankle = np.array([s * 0.078, knee[1] - 0.98 * shin, knee[2] + 0.15 * shin])
        k = JOINT[f"{side}_ankle"]
        goals = Goals().point(JOINT[f"{side}_knee"], np.zeros(3), knee, 0.02).point(k, np.zeros(3), ankle, 0.01)
        goals.direction(k, _Y, _Y, 4.0).direction(k, np.array([0, 0, 1.0]), np.array([0, 0, 1.0]), 2.0)
        person.turn(tuple(f"{side}_{n}" for n in ("hip", "knee", "ankle")), goals, 0.03)


def _owned(person: Person, *names: str) -> ndarray:
    owner = person.body.mesh.owner
    return np.flatnonzero(np.isin(owner, [JOINT[n] for n in names]))


def _measure(person: Person) -> Seat:
    """Set the person on a chair of their measures, which stands on the ground, and return it."""
    feet = _owned(person, *(f"{s}_{n}" for s in ("left", "right") for n in ("ankle", "foot")))
    legs = person.vertices(_owned(person, "left_hip", "right_hip", "pelvis"))
    joints = person.kinematics()[1]
    hips, knees = joints[0][2], joints[JOINT["left_knee"]][2]

    def under(start: float, end: float) -> float:
        return float(legs[(legs[:, 2] > start) & (legs[:, 2] < end), 1].min())

    rear = under(hips - 0.06, hips + 0.06) + SINK_M
    front = under(knees - 0.16, knees - 0.07) + 0.6 * SINK_M
    soles = person.vertices(feet)
    lift = PLATE_M + SOLE_M - float(soles[:, 1].min())
    sides = legs[legs[:, 1] < rear + 0.14]
    behind = person.vertices(_owned(person, "pelvis", "spine1"))
    back = float(behind[behind[:, 1] < rear + 0.3, 2].min()) + 0.010
    width = float(np.ptp(sides[(sides[:, 2] < hips + 0.18), 0])) + 2 * SIDE_ROOM_M
    person.shift = person.shift + (0, lift, 0)
    return Seat(round(width, 5), (round(rear + lift, 5), round(back, 5)), (round(front + lift, 5),
                round(knees - 0.075, 5)), (PLATE_M, round(float(soles[:, 2].min()), 5)))  # fmt: skip


def _wide_enough(config: DevicesConfig, trunk: Trunk, seat: Seat) -> Seat:
    """Return the seat, wider if the chair's rigid parts would lie in trunk or legs.

    Raises:
        Rejected: if they do in the widest seat too.
    """
    deep, name = 0.0, ""
    for wider in _WIDER_M:
        tried = replace(seat, width=round(seat.width + wider, 5))
        rigid = [p for p in chair_of(tried, (0, 0, 0))[0] if not p.soft and p.name not in _THIN]
        deep, name = max((trunk.depth(p.vertices), p.name) for p in rigid)
        if deep <= 1e-3 * config.penetration_mm:
            return tried
    raise Rejected(f"no posture in a wheelchair: its {name} lies {1e3 * deep:.0f} mm in the body")


def _with_armrests(config: DevicesConfig, person: Person, seat: Seat) -> Seat:
    """Return a folding chair with its armrests; they are swung away if they would lie in the arms or the trunk."""
    points = np.concatenate([p.vertices for s in (1.0, -1.0) for p in armrest(seat, s, Look())])
    rows = body_rows(person.body)
    everything = np.concatenate([*rows.arms.values(), *rows.upper.values(), rows.trunk])
    deep = Trunk.of(person, everything).depth(points)
    return replace(seat, armrests=True) if deep <= 1e-3 * config.penetration_mm else seat


def _hold_rim(config: DevicesConfig, person: Person, seat: Seat, side: str, posture: str) -> None:
    sign, grip = (1.0 if side == "left" else -1.0), closed_hands(person.body)
    wheel = wheels_of(seat)[side]
    target, along = wheel.rim(np.radians(_ON_RIM[posture]))
    target = target - (HANDLE_M - HAND_RIM_TUBE_M - 0.001) * wheel.axle  # the palm rests on the thinner rim
    k = JOINT[f"{side}_hand"]
    shoulder = person.kinematics()[1][JOINT[f"{side}_shoulder"]]
    goals = Goals().point(k, grip.handle(side), target, 0.0015).direction(k, np.array([0, 0, 1.0]), along, 4.0)
    goals.direction(k, np.array([sign, 0, 0]), unit(np.array([0, -0.75, 0.15])), 0.6)
    goals.point(JOINT[f"{side}_elbow"], np.zeros(3), (shoulder + target) / 2
                + 0.15 * unit(np.array([1.0 * sign, -0.1, -1.0])), 0.4)  # fmt: skip
    person.turn(tuple(f"{side}_{n}" for n in ("collar", "shoulder", "elbow", "wrist")), goals, (0.5, 0.06, 0.06, 0.06))
    off = float(np.linalg.norm(handle_of(person, grip, side)[0] - target))
    if off > 1e-3 * config.contact_mm:
        raise Rejected(f"no posture in a wheelchair: the hand is {1e3 * off:.0f} mm off its rim")


def _rest_hand(person: Person, trunk: Trunk, side: str) -> None:
    """Lay a hand on the thigh, palm down; it is lifted until neither it nor the forearm sinks in."""
    sign = 1.0 if side == "left" else -1.0
    _, joints = person.kinematics()
    hip, knee, shoulder = (joints[JOINT[f"{side}_{n}"]] for n in ("hip", "knee", "shoulder"))
    target: Float[ndarray, "3"] = hip + 0.62 * (knee - hip) + (0.012 * sign, 0, 0)
    thigh = person.vertices(_owned(person, f"{side}_hip"))
    near = np.linalg.norm(thigh[:, [0, 2]] - target[[0, 2]], axis=1) < 0.05
    target[1] = float(thigh[near, 1].max()) + 0.024
    slope = unit(knee - hip)
    k, arm = JOINT[f"{side}_hand"], tuple(f"{side}_{n}" for n in ("collar", "shoulder", "elbow", "wrist"))
    for _ in range(_LIFTS):
        ahead = unit(np.array([-0.25 * sign, 0, 1.0]))
        ahead = unit(ahead + (0, slope[1] / max(slope[2], 0.3) * ahead[2], 0))
        palm = np.array([0.1 * sign, -1.0, 0.1])
        goals = Goals().point(k, np.zeros(3), target, 0.004)
        goals.direction(k, np.array([0, -1.0, 0]), unit(palm - (palm @ ahead) * ahead), 1.5)
        goals.direction(k, np.array([sign, 0, 0]), ahead, 2.0)
        middle = (shoulder + target) / 2
        goals.point(JOINT[f"{side}_elbow"], np.zeros(3), middle + 0.16 * unit(np.array([1.2 * sign, -0.2, -0.5])), 0.25)
        person.turn(arm, goals, (0.64, 0.08, 0.08, 0.08))
        deep = trunk.arm_depth(person, side)
        if deep <= 2 * _TOUCH_M:
            break
        target = target + (0, deep - _TOUCH_M, 0)
