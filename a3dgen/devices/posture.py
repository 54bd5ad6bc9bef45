"""How people stand with walking aids: feet planted on the photo's ground, arms brought to the handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.core.errors import Rejected
from a3dgen.core.pool import Cache
from a3dgen.devices.device import Device
from a3dgen.devices.sampling import DevicesConfig, Drawn
from a3dgen.fit.chain import Goals, solve
from a3dgen.geometry.body import BodyData, forward_kinematics, rest_joints, skinning_transforms
from a3dgen.geometry.devices.crutches import SHAFT_M, Hold, axillary_crutch, pad_at
from a3dgen.geometry.devices.grip import Grip, closed_hands
from a3dgen.geometry.devices.sweep import unit
from a3dgen.geometry.mesh import skin, vertex_normals
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.shadow import Ground, estimate_ground, estimate_up

STRAIGHT_KNEE = np.radians(50)
"""Somebody whose knee is bent further than this in the photo sits, kneels or climbs, and gets no walking aid."""
UPRIGHT = np.cos(np.radians(35))
FOOT_REACH_M = 0.075
"""A foot that hovers or sinks by less than this is planted."""
SOLE_M = 0.016
HANGING = np.radians(68)
"""How far the arm is lowered from the T-pose before it is brought to a handle: from a waving arm no way leads there."""
SPREADS = (0.16, 0.24, 0.33)
"""How far sideways the arm goes, by its length: the next one is tried where the device would touch the body."""
TIP_AHEAD_M, TIP_ASIDE_M = 0.15, 0.10
UNDERARM_SPREADS = ((-0.02, 0.11), (0.03, 0.14), (-0.05, 0.08), (0.07, 0.18))
AXILLA_BELOW, PAD_SOFT_M = 0.40, 0.015
"""How far the axilla lies below the shoulder's centre, by the upper arm's length; how deep an underarm pad may lie in
the body, m."""
ARM_INSIDE_M = 0.006
"""The arm may lie so deep in the body."""


@dataclass
class Person:
    """A fitted person on the photo's ground: x to their left, y up, z ahead, the ground at y = 0, m.

    Attributes:
        pose: (24, 3) axis-angle, joint 0 in this frame. shift: (3,) m. frame: (3, 3), place: (3,) m: this frame in the
            camera's. rest: (24, 3) rest joints, m. skin: rest vertices, m.
    """

    body: BodyData
    pose: Float[ndarray, "24 3"]
    shift: Float[ndarray, "3"]
    frame: Float[ndarray, "3 3"]
    place: Float[ndarray, "3"]
    rest: Float[ndarray, "24 3"]
    skin: Float[ndarray, "v 3"] = field(repr=False)

    @classmethod
    def of(cls, body: BodyData, fit: Mapping[str, Any]) -> Person:
        """Return the person of a row of Bodies."""
        betas = np.asarray(fit["betas"], np.float64)
        pose, rest, shaped = np.array(fit["pose"], np.float64), rest_joints(body, betas), body.mesh.shaped(betas)
        world, joints = forward_kinematics(rotvec_to_matrix(pose), rest)
        joints = joints + fit["transl"]
        vertices = skin(shaped, body.mesh.weights, skinning_transforms(world, joints, rest))
        ground: Ground = estimate_ground(vertices, estimate_up(joints))
        ahead = world[0][:, 2] - (world[0][:, 2] @ ground.up) * ground.up
        if np.linalg.norm(ahead) < 0.2:
            raise Rejected("no heading: the person lies")
        ahead = unit(ahead)
        frame = np.stack([np.cross(ground.up, ahead), ground.up, ahead], 1)
        pose[0] = matrix_to_rotvec(frame.T @ world[0])
        shift = frame.T @ (fit["transl"] + rest[0] - ground.foot) - rest[0]
        return cls(body, pose, shift, frame, ground.foot, rest, shaped)

    def camera(self) -> tuple[Float[ndarray, "24 3"], Float[ndarray, "3"]]:
        """Return pose and translation in the camera's frame."""
        pose = self.pose.copy()
        pose[0] = matrix_to_rotvec(self.frame @ rotvec_to_matrix(pose[0]))
        return pose, self.frame @ (self.rest[0] + self.shift) + self.place - self.rest[0]

    def kinematics(self) -> tuple[Float[ndarray, "24 3 3"], Float[ndarray, "24 3"]]:
        """Return posed rotations and joints (m)."""
        world, joints = forward_kinematics(rotvec_to_matrix(self.pose), self.rest)
        return world, joints + self.shift

    def vertices(self, rows: ndarray, offset: ndarray | None = None) -> Float[ndarray, "n 3"]:
        """Return some posed vertices, m."""
        world, joints = self.kinematics()
        rest = self.skin[rows] if offset is None else self.skin[rows] + offset[rows]
        return skin(rest, self.body.mesh.weights[rows], skinning_transforms(world, joints, self.rest)).astype(float)

    def turn(self, names: tuple[str, ...], goals: Goals, stay: tuple[float, ...] | float) -> None:
        """Bring joints to goals, whose targets are in this frame."""
        for k, (joint, is_direction, local, target, weight) in enumerate(goals.rows):
            if not is_direction:
                goals.rows[k] = (joint, False, local, target - self.shift, weight)
        self.pose = solve(self.pose, self.rest, tuple(JOINT[n] for n in names), goals, stay)


@dataclass(frozen=True)
class _Rows:
    """Vertices that postures ask about: the soles, forearms and hands (thinned), upper arms, the rest of the body."""

    feet: Mapping[str, ndarray]
    arms: Mapping[str, ndarray]
    upper: Mapping[str, ndarray]
    trunk: ndarray


_ROWS = Cache(4)


def _rows(body: BodyData) -> _Rows:
    def make() -> _Rows:
        owner = body.mesh.weights.argmax(1)
        seen = np.zeros(len(owner), bool)
        seen[np.unique(body.mesh.faces[~body.mesh.hidden])] = True

        def rows(*names: str) -> ndarray:
            return np.flatnonzero(np.isin(owner, [JOINT[n] for n in names]) & seen)

        sides = ("left", "right")
        arms = [f"{s}_{n}" for s in sides for n in ("collar", "shoulder", "elbow", "wrist", "hand")]
        other = [JOINT[n] for n in (*arms, "head", "neck")]
        trunk = np.flatnonzero(~np.isin(owner, other) & seen)
        return _Rows(
            {s: rows(f"{s}_ankle", f"{s}_foot")[::2] for s in sides},
            {s: rows(f"{s}_elbow", f"{s}_wrist", f"{s}_hand")[::3] for s in sides},
            {s: rows(f"{s}_shoulder", f"{s}_collar")[::2] for s in sides},
            trunk[::2],
        )

    return _ROWS.get(body.mesh, "rows", make)


def stands(fit: Mapping[str, Any], person: Person) -> bool:
    """Whether the person of the photo stands or walks."""
    knees = [np.linalg.norm(fit["pose"][JOINT[f"{s}_knee"]]) for s in ("left", "right")]
    joints = person.kinematics()[1]
    trunk = unit(joints[JOINT["neck"]] - joints[0])
    return bool(max(knees) < STRAIGHT_KNEE and trunk[1] > UPRIGHT)


def plant(person: Person) -> None:
    """Put feet that hover or sink a little flat on the ground: soles are levelled, the body is lowered until the higher
    foot stands, and the other leg is bent."""
    feet = _rows(person.body).feet

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
    before = person.pose.copy()
    plant(person)
    trunk = Trunk.of(person)
    devices = _all_held(config, person, grip, trunk, drawn)
    pose, transl = person.camera()
    reposed: Bool[ndarray, "24"] = (np.abs(person.pose - before) > 0).any(1)
    pose[~reposed] = np.asarray(fit["pose"], np.float64)[~reposed]
    return {"pose": pose, "transl": transl, "reposed": reposed}, devices


def _all_held(config: DevicesConfig, person: Person, grip: Grip, trunk: Trunk, drawn: Drawn) -> tuple[Device, ...]:
    """Bring the hands to what was drawn; where a body leaves no room below its arms for axillary crutches, to forearm
    crutches."""
    planted, bend = person.pose.copy(), np.radians(drawn.elbow)
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
        off, tip = _reach(person, grip, side, (spread, aside), flexion, underarm)
        middle, _ = handle_of(person, grip, side)
        pad = _pad_height(person, side) if underarm else 0.0
        rod = trunk.rod_depth(middle, tip)
        if underarm:
            rod = max(rod, _underarm_depth(config, person, trunk, side, middle, tip, pad))
        arm = trunk.arm_depth(person, side)
        if off > _HANDLE_TURN:
            why = f"the arm does not reach: the handle is turned {np.degrees(off):.0f} degrees in the hand"
        elif rod > 1e-3 * config.penetration_mm:
            why = f"it lies {1e3 * rod:.0f} mm in the body"
        elif arm > (ARM_INSIDE_M / 3 if underarm else ARM_INSIDE_M):
            why = f"the arm lies {1e3 * arm:.0f} mm in the body"
        else:
            place, up = person.frame @ tip + person.place, person.frame[:, 1]
            facts = {"pad": round(pad, 5)} if underarm else {}
            return replace(device, tip=_rounded(place), up=_rounded(up), frame=facts)
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
    arm = Trunk.of(person, _rows(person.body).upper[side])
    deep = -1.0
    for part in parts:
        if part.name in ("bow", "pad"):
            soft = PAD_SOFT_M - 1e-3 * config.penetration_mm if part.name == "pad" else 0.0
            deep = max(deep, max(trunk.depth(part.vertices), arm.depth(part.vertices)) - soft)
    return deep


def _rounded(v: ndarray) -> tuple[float, ...]:
    return tuple(round(float(x), 6) for x in v)


def handle_of(person: Person, grip: Grip, side: str) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
    """Return the middle and the axis of a handle in a closed hand."""
    world, joints = person.kinematics()
    k = JOINT[f"{side}_hand"]
    return joints[k] + world[k] @ grip.handle(side), world[k][:, 2]


def _reach(
    person: Person, grip: Grip, side: str, place: tuple[float, float], flexion: float, underarm: bool = False
) -> tuple[float, ndarray]:
    """Turn collar, shoulder, elbow and wrist so that the hand holds a handle; return how far that is turned in the
    hand, rad, and where the device stands.

    The elbow is then bent to ``flexion`` and the others follow: how high the handle is follows from the arm.
    """
    sign, names = (1.0 if side == "left" else -1.0), tuple(f"{side}_{n}" for n in _ARM)
    for name, turn in zip(names, ((0, 0, 0), (0, 0, -sign * HANGING), (0, -0.4 * sign, 0), (0, 0, 0)), strict=True):
        person.pose[JOINT[name]] = turn
    _, joints = person.kinematics()
    shoulder, elbow, wrist, hand = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist", "hand"))
    upper, fore = float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow))
    fingers = unit(np.array([sign * (0.15 if underarm else 0.5), -0.87, 0.12]))
    spread, aside = place
    at = shoulder + _arm_reach(upper, fore, flexion) * unit(np.array([spread * sign, -1.0, 0.13]))
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


_ARM = ("collar", "shoulder", "elbow", "wrist")
_NO_ELBOW = {s: tuple(f"{s}_{n}" for n in _ARM if n != "elbow") for s in ("left", "right")}
_HANDLE_FREE_M = 0.03
"""Where the handle is may give way by so much while the bent elbow is kept."""
_HANDLE_TURN = np.radians(8)
"""The handle may be turned so far in the hand."""


def _bend_elbow(person: Person, side: str, flexion: float) -> None:
    """Bend an elbow further, or less far, about the axis that it is bent by."""
    world, joints = person.kinematics()
    shoulder, elbow, wrist = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist"))
    hinge = unit(np.cross(elbow - shoulder, wrist - elbow))
    turn = rotvec_to_matrix((flexion - elbow_flexion(joints, side)) * hinge)
    k = JOINT[f"{side}_elbow"]
    person.pose[k] = matrix_to_rotvec(world[JOINT[f"{side}_shoulder"]].T @ turn @ world[k])


def _arm_reach(upper: float, fore: float, flexion: float) -> float:
    return float(np.sqrt(upper**2 + fore**2 + 2 * upper * fore * np.cos(flexion)))


def elbow_flexion(joints: Float[ndarray, "24 3"], side: str) -> float:
    """Return how far an elbow is bent, rad; 0 = straight."""
    shoulder, elbow, wrist = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist"))
    return float(np.arccos(np.clip(unit(elbow - shoulder) @ unit(wrist - elbow), -1, 1)))


@dataclass(frozen=True)
class Trunk:
    """Trunk and legs of a planted person, whose arms move: thinned vertices (n, 3) m and their normals."""

    vertices: Float[ndarray, "n 3"]
    normals: Float[ndarray, "n 3"]
    tree: cKDTree

    @classmethod
    def of(cls, person: Person, rows: ndarray | None = None) -> Trunk:
        """Return the trunk of a person as they stand or sit, or other rows of vertices of them."""
        vertices = person.vertices(np.arange(len(person.skin)))
        normals = vertex_normals(vertices.astype(np.float32), person.body.mesh.faces)
        rows = _rows(person.body).trunk if rows is None else rows
        return cls(vertices[rows], normals[rows].astype(float), cKDTree(vertices[rows]))

    def depth(self, points: Float[ndarray, "n 3"]) -> float:
        """Return how deep the deepest of some points lies in the body, m; negative = all are outside, or far away.

        A point is as deep as it lies under the surface at that of its nearest vertices where this is least: a single
        vertex's plane says wrong things where the body bends away.
        """
        away, k = self.tree.query(points, _PLANES, distance_upper_bound=_REACH_M)
        near = np.isfinite(away).all(1)
        offset = points[near][:, None] - self.vertices[k[near]]
        depth = -np.einsum("nkj,nkj->nk", offset, self.normals[k[near]]).max(1)
        return float(depth.max(initial=-_REACH_M))

    def rod_depth(self, top: Float[ndarray, "3"], tip: Float[ndarray, "3"]) -> float:
        """Return how deep a shaft from a handle to its tip lies in trunk and legs, m; negative = clear of them."""
        along = np.linspace(0.06, 0.97, 28)[:, None]
        return self.depth(top + along * (tip - top)) + SHAFT_M

    def arm_depth(self, person: Person, side: str) -> float:
        """Return how deep forearm and hand lie in trunk and legs, m; 0 if they do not."""
        return max(0.0, self.depth(person.vertices(_rows(person.body).arms[side])))


_PLANES, _REACH_M = 4, 0.09
"""What lies further from any vertex is not in the body."""
