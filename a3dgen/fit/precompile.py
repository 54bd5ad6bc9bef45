"""Compile the fitter's kernels by fitting a stick figure, before there is a body or a person to fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import BodyData, KeypointBlends
from a3dgen.geometry.camera import default_K, project
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import NUM_JOINTS, NUM_ROWS, PARENTS, ROW_JOINT

WIDTH, HEIGHT = 640, 480
DISTANCE_M = 4.0


def compile_kernels() -> None:
    """Fit one made-up figure, from 2D and 3D points and from 2D points alone: what builds use is compiled, and cached
    on disk, on the way."""
    figure = _stick_figure()
    shown = np.array(_row_joints())
    points = figure.joints_template[shown] + (0, 0, DISTANCE_M)
    K = default_K(WIDTH, HEIGHT)
    seen = Observation(
        pixels=project(points, K),
        pixel_sd=np.full(NUM_ROWS, 3.0),
        K=K,
        size=300.0,
        points=points,
        point_sd=np.full(NUM_ROWS, 0.02),
    )
    fitter = Fitter(figure)
    found = fitter.fit(seen)
    fitter.prior_energy(seen, found.best)
    flat = replace(seen, points=np.zeros((NUM_ROWS, 3)), point_sd=np.full(NUM_ROWS, np.inf))
    fitter.fit(flat, quick=True)


def _row_joints() -> list[int]:
    return [ROW_JOINT.get(row, 0) for row in range(NUM_ROWS)]


def _stick_figure(betas: int = 10) -> BodyData:
    """Every bone 0.2 m long, spread like a fan; every keypoint row is the centre of a joint."""
    joints = np.zeros((NUM_JOINTS, 3))
    for j in range(1, NUM_JOINTS):
        angle = 2.4 * j
        joints[j] = joints[PARENTS[j]] + 0.2 * np.array([np.cos(angle), np.sin(angle), 0.1])
    dirs = joints[..., None] * np.linspace(0.05, 0.01, betas)
    rows = np.arange(NUM_ROWS)
    blends = KeypointBlends(
        rows, np.array(_row_joints()), np.ones(NUM_ROWS), np.zeros((NUM_ROWS, 3)), np.zeros((NUM_ROWS, 3, betas))
    )
    mesh = SkinnedMesh(
        joints.astype(np.float32),
        dirs.astype(np.float32),
        np.eye(NUM_JOINTS, dtype=np.float32),
        np.zeros((1, 3), np.int32),
        np.zeros((3, 2), np.float32),
        np.zeros((1, 3), np.int32),
        np.zeros(1, np.uint8),
        np.zeros(1, bool),
    )
    return BodyData("stick figure", mesh, joints, dirs, blends)
