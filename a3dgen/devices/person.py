"""A fitted person on the photo's ground, whose joints can be turned, and which vertices postures ask about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.pool import Cache
from a3dgen.fit.chain import Goals, solve
from a3dgen.geometry.body import BodyData, forward_kinematics, rest_joints, skinning_transforms
from a3dgen.geometry.devices.grip import Grip
from a3dgen.geometry.devices.sweep import unit
from a3dgen.geometry.mesh import skin
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.shadow import Ground, estimate_ground, estimate_up


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
class BodyRows:
    """Vertices that postures ask about: the soles, forearms and hands (thinned), upper arms, the rest of the body."""

    feet: Mapping[str, ndarray]
    arms: Mapping[str, ndarray]
    upper: Mapping[str, ndarray]
    trunk: ndarray


_ROWS = Cache(4)


def body_rows(body: BodyData) -> BodyRows:
    def make() -> BodyRows:
        owner = body.mesh.owner
        seen = np.zeros(len(owner), bool)
        seen[np.unique(body.mesh.faces[~body.mesh.hidden])] = True

        def rows(*names: str) -> ndarray:
            return np.flatnonzero(np.isin(owner, [JOINT[n] for n in names]) & seen)

        sides = ("left", "right")
        arms = [f"{s}_{n}" for s in sides for n in ("collar", "shoulder", "elbow", "wrist", "hand")]
        other = [JOINT[n] for n in (*arms, "head", "neck")]
        trunk = np.flatnonzero(~np.isin(owner, other) & seen)
        return BodyRows(
            {s: rows(f"{s}_ankle", f"{s}_foot")[::2] for s in sides},
            {s: rows(f"{s}_elbow", f"{s}_wrist", f"{s}_hand")[::3] for s in sides},
            {s: rows(f"{s}_shoulder", f"{s}_collar")[::2] for s in sides},
            trunk[::2],
        )

    return _ROWS.get(body.mesh, "rows", make)


def rounded(v: ndarray) -> tuple[float, ...]:
    return tuple(round(float(x), 6) for x in v)


def numbers(v: ndarray) -> list[float]:
    """Return an array as plain numbers for JSON, rounded to a micrometre."""
    return [round(float(x), 6) for x in np.ravel(v)]


def handle_of(person: Person, grip: Grip, side: str) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
    """Return the middle and the axis of a handle in a closed hand."""
    world, joints = person.kinematics()
    k = JOINT[f"{side}_hand"]
    return joints[k] + world[k] @ grip.handle(side), world[k][:, 2]


def elbow_flexion(joints: Float[ndarray, "24 3"], side: str) -> float:
    """Return how far an elbow is bent, rad; 0 = straight."""
    shoulder, elbow, wrist = (joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist"))
    return float(np.arccos(np.clip(unit(elbow - shoulder) @ unit(wrist - elbow), -1, 1)))
