"""The demo's people: shape, pose, looks, and a place on the ground."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Look
from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.demo.joint_angles import Pose
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.regions import NUM_REGIONS
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Item

SOLE = 0.018
"""Thickness of what stands under a foot, m."""


@dataclass(frozen=True)
class Person:
    """One person in the world.

    Attributes:
        betas: (B,) shape. look: columns of Plans. pose: (24, 3) rad, joint 0 in the world frame.
        place: (3,) m, translation in the world frame (X left, Y up, Z forward). seat: (x, y, z, yaw) of the top
            centre of what the person sits on, or None. cut: what of the person is not there; nothing by default.
    """

    betas: Float[ndarray, " b"]
    look: Look
    pose: Float[ndarray, "24 3"]
    place: Float[ndarray, "3"]
    seat: tuple[float, float, float, float] | None
    cut: Cut = field(default_factory=Cut)


def draw_betas(rng: Generator, count: int) -> Float[ndarray, " b"]:
    """Draw a body shape: unit Gaussian, the first coefficients kept from extremes."""
    return np.clip(rng.normal(0, 0.85, count), -2.0, 2.0)


def draw_person_look(rng: Generator) -> Look:
    """Draw skin, hair and clothes of an intact person."""
    return draw_look(rng, LooksConfig(), np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS))


def stand(
    body: BodyData,
    pose: Pose,
    betas: Float[ndarray, " b"],
    look: Look,
    spot: tuple[float, float],
    yaw: float,
) -> Person:
    """Put a person on the ground at ``spot`` (x, z), facing the camera at yaw 0, turned about the vertical (rad).

    The lowest point of the posed body touches the ground (plus the sole, plus a jump's height).
    """
    local = pose.rotvecs()
    facing = Rotation.from_euler("y", np.pi + yaw) * Rotation.from_rotvec(local[0])
    local[0] = facing.as_rotvec()
    posed = pose_body(body, local, betas, np.zeros(3))
    vertices = posed.vertices(body.mesh, betas)
    pelvis = posed.joints[JOINT["pelvis"]]
    place = np.array([spot[0] - pelvis[0], SOLE + pose.lift - float(vertices[:, 1].min()), spot[1] - pelvis[2]])
    seat = None
    if pose.seat:
        owner = body.mesh.owner
        sitting = np.isin(owner, [JOINT["pelvis"], JOINT["left_hip"], JOINT["right_hip"]])
        around = np.linalg.norm(vertices[:, [0, 2]] - pelvis[[0, 2]], axis=1) < 0.16
        top = float(vertices[sitting & around, 1].min()) + place[1] + 0.015
        seat = (spot[0], max(top, 0.05), spot[1], float(np.pi + yaw))
    return Person(betas, look, local, place, seat)


def in_camera(
    person: Person, rotation: Float[ndarray, "3 3"], centre: Float[ndarray, "3"], body: BodyData
) -> tuple[Float[ndarray, "24 3"], Float[ndarray, "3"]]:
    """Return (pose, transl) in the camera frame.

    The model turns about its pelvis joint, which does not lie at the origin: R (x - p) + p + t in the world is
    R_c R (x - p) + p + t_c in the camera, with t_c = R_c (p + t - centre) - p.
    """
    pelvis = body.joints_template[0] + body.joint_dirs[0, :, : len(person.betas)] @ person.betas
    pose = person.pose.copy()
    turned = Rotation.from_matrix(rotation) * Rotation.from_rotvec(person.pose[0])
    pose[0] = turned.as_rotvec()
    return pose, rotation @ (pelvis + person.place - centre) - pelvis


def dress(
    body: BodyData, person: Person, pose: Float[ndarray, "24 3"], transl: Float[ndarray, "3"]
) -> tuple[Amputee, list[Item]]:
    """Return the body in the camera frame and everything to draw of it."""
    standing = rebuild(body, BodyFit(pose, person.betas, transl), person.cut)
    return standing, build_subject(body, standing, person.look)
