"""How people stand with walking aids: feet planted on the photo's ground, arms brought to the handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.devices.device import Device
from a3dgen.devices.hands import closed_hands
from a3dgen.devices.person import Person, body_rows, handle_of, rounded
from a3dgen.devices.reach import HANDLE_TURN, TIP_ASIDE_M, reach
from a3dgen.devices.sampling import ELBOW, DevicesConfig, Drawn
from a3dgen.devices.swinging import SWING_THROUGH, swing
from a3dgen.devices.trunk import ARM_INSIDE_M, Trunk
from a3dgen.devices.walking import walk
from a3dgen.fit.chain import Goals
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices.crutches import Hold, axillary_crutch, pad_at
from a3dgen.geometry.devices.grip import Grip
from a3dgen.geometry.devices.sweep import unit
from a3dgen.geometry.rotations import matrix_to_rotvec
from a3dgen.geometry.skeleton import JOINT

STRAIGHT_KNEE = np.radians(50)
"""Somebody whose knee is bent further than this in the photo sits, kneels or climbs, and gets no walking aid."""
UPRIGHT = np.cos(np.radians(35))
FOOT_REACH_M = 0.075
"""A foot that hovers or sinks by less than this is planted."""
SOLE_M = 0.016
SPREADS = (0.16, 0.24, 0.33)
"""How far sideways the arm goes, by its length: the next one is tried where the device would touch the body."""
UNDERARM_SPREADS = ((-0.02, 0.11), (0.03, 0.14), (-0.05, 0.08), (0.07, 0.18))
AXILLA_BELOW, PAD_SOFT_M = 0.40, 0.015
"""How far the axilla lies below the shoulder's centre, by the upper arm's length; how deep an underarm pad may lie in
the body, m."""


def stands(fit: Mapping[str, Any], person: Person) -> bool:
    """Whether the person of the photo stands or walks."""
    knees = [np.linalg.norm(fit["pose"][JOINT[f"{s}_knee"]]) for s in ("left", "right")]
    joints = person.kinematics()[1]
    trunk = unit(joints[JOINT["neck"]] - joints[0])
    return bool(max(knees) < STRAIGHT_KNEE and trunk[1] > UPRIGHT)


def plant(person: Person) -> None:
    """Put feet that hover or sink a little flat on the ground: soles are levelled, the body is lowered until the higher
    foot stands, and the other leg is bent."""
    feet = body_rows(person.body).feet

    def gap(side: str) -> float:
        return float(person.vertices(feet[side])[:, 1].min()) - SOLE_M

    near = [s for s in feet if abs(gap(s)) < FOOT_REACH_M]
    for side in near:
        world, _ = person.kinematics()
        ahead = world[JOINT[f"{side}_ankle"]][:, 2] * (1, 0, 1)
        if np.linalg.norm(ahead) < 0.3:
            continue
        ahead = unit(ahead)
        level = np.stack([np.cross((0.0, 1.0, 0.0), ahead), (0.0, 1.0, 0.0), ahead], 1)
        person.pose[JOINT[f"{side}_ankle"]] = matrix_to_rotvec(world[JOINT[f"{side}_knee"]].T @ level)
    person.shift = person.shift - (0, max((gap(s) for s in near), default=0.0), 0)
    for side in near:
        if abs(gap(side)) > 0.0005:
            world, joints = person.kinematics()
            ankle = JOINT[f"{side}_ankle"]
            goals = Goals().point(ankle, np.zeros(3), joints[ankle] - (0, gap(side), 0), 0.001)
            for axis in (1, 2):
                goals.direction(ankle, np.eye(3)[axis], world[ankle][:, axis], 8.0)
            person.turn((f"{side}_hip", f"{side}_knee", f"{side}_ankle"), goals, 0.1)


def pose_with_aids(
    config: DevicesConfig, body: BodyData, fit: Mapping[str, Any], drawn: Drawn
) -> tuple[dict[str, Any], tuple[Device, ...]]:
    """Return the columns of Plans ``pose``, ``transl`` and ``reposed``, and the aids with their places; nothing of both
    if the person of the photo does not stand.

    Raises:
        Rejected: if the arm does not reach, or the device or the arm would lie inside the body.
    """
    person, grip = Person.of(body, fit), closed_hands(body)
    if not stands(fit, person):
        return {}, ()
    before, bend = person.pose.copy(), np.radians(drawn.elbow)
    if drawn.posture == SWING_THROUGH:
        bend = swing(person, float(np.interp(drawn.elbow, ELBOW, (0, 1))))
    else:
        plant(person)
    devices = _all_held(config, person, grip, drawn, bend)
    pose, transl = person.camera()
    reposed: Bool[ndarray, "24"] = (np.abs(person.pose - before) > 0).any(1)
    pose[~reposed] = np.asarray(fit["pose"], np.float64)[~reposed]
    return {"pose": pose, "transl": transl, "reposed": reposed}, devices


def _all_held(config: DevicesConfig, person: Person, grip: Grip, drawn: Drawn, bend: float) -> tuple[Device, ...]:
    """Bring the hands to what was drawn, elbows bent by ``bend`` (rad); where a body leaves no room below its arms for
    axillary crutches, to forearm crutches."""
    trunk = Trunk.of(person)
    if drawn.aid == "walker":
        return walk(config, person, grip, trunk, drawn)
    planted = person.pose.copy()
    try:
        return tuple(_held(config, person, grip, device, trunk, bend) for device in drawn.aids())
    except Rejected:
        if drawn.aid != "axillary":
            raise
    person.pose = planted
    return tuple(_held(config, person, grip, d, trunk, bend) for d in replace(drawn, aid="crutches").aids())


def _held(config: DevicesConfig, person: Person, grip: Grip, device: Device, trunk: Trunk, flexion: float) -> Device:
    """Bring one hand to its handle, the elbow bent by ``flexion`` (rad); return the device with its place in the
    camera's frame."""
    start, name, side = person.pose.copy(), device.type.replace("_", " "), device.side
    why, underarm = "", device.type == "axillary_crutch"
    for spread, aside in UNDERARM_SPREADS if underarm else [(s, TIP_ASIDE_M) for s in SPREADS]:
        person.pose = start.copy()
        off, tip = reach(person, grip, side, (spread, aside), flexion, underarm)
        middle, _ = handle_of(person, grip, side)
        pad = _pad_height(person, side) if underarm else 0.0
        rod = trunk.rod_depth(middle, tip)
        if underarm:
            rod = max(rod, _underarm_depth(config, person, trunk, side, middle, tip, pad))
        arm = trunk.arm_depth(person, side, grip.offsets)
        if off > HANDLE_TURN:
            why = f"the arm does not reach: the handle is turned {np.degrees(off):.0f} degrees in the hand"
        elif rod > 1e-3 * config.penetration_mm:
            why = f"it lies {1e3 * rod:.0f} mm in the body"
        elif arm > (ARM_INSIDE_M / 3 if underarm else ARM_INSIDE_M):
            why = f"the arm lies {1e3 * arm:.0f} mm in the body"
        else:
            place, up = person.frame @ tip + person.place, person.frame[:, 1]
            facts = {"pad": round(pad, 5)} if underarm else {}
            return replace(device, tip=rounded(place), up=rounded(up), frame=facts)
    raise Rejected(f"no posture with a {name}: {why}")


def _pad_height(person: Person, side: str) -> float:
    """Return how high the pad of an axillary crutch is: two to three fingers below the axilla, m above the ground."""
    _, joints = person.kinematics()
    shoulder, elbow = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow"))
    return float(shoulder[1] - AXILLA_BELOW * np.linalg.norm(elbow - shoulder) - 0.045)


def _underarm_depth(
    config: DevicesConfig, person: Person, trunk: Trunk, side: str, grip: ndarray, tip: ndarray, pad: float
) -> float:
    """Return how deep the bows of an axillary crutch lie in trunk and upper arm, m; the pad may lie deeper by
    ``PAD_SOFT_M``."""
    up = np.array([0.0, 1.0, 0.0])
    axis = handle_of(person, grip=closed_hands(person.body), side=side)[1]
    hold = Hold(grip, axis, grip, grip, 0.0, tip, up)
    parts, _ = axillary_crutch(hold, (0, 0, 0), pad_at(grip, tip, up, pad))
    arm = Trunk.of(person, body_rows(person.body).upper[side])
    deep = -1.0
    for part in parts:
        if part.name in ("bow", "pad"):
            soft = PAD_SOFT_M - 1e-3 * config.penetration_mm if part.name == "pad" else 0.0
            deep = max(deep, max(trunk.depth(part.vertices), arm.depth(part.vertices)) - soft)
    return deep
