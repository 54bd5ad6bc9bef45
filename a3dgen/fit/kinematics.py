"""Compiled kinematics of one person: joints, keypoints as blends of joint transforms, and their derivatives.

A joint a turns about its axes (the columns of ``axes[a]``) through its centre: a twist of six numbers for each axis,
turn and velocity of the point at the origin (Featherstone, Rigid Body Dynamics Algorithms, 2008, chapter 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.model import FitModel
from a3dgen.fit.simd import LANES, padded

SMALL_ANGLE = 1e-3
ROOM = 160
"""Residuals whose derivatives are collected at a time."""


class Workspace(NamedTuple):
    """Scratch arrays of one solve, so that nothing is allocated in the loop.

    local, left: (24, 3, 3) rotation of each joint and its left Jacobian. world: (24, 3, 3) chained rotations.
    rest, joints: (24, 3) m. axes: (24, 3, 3) columns are the axes a joint turns about, in the camera frame.
    twists: (24, 6, 8) f4, the first three columns of each joint are the twists about its axes.
    joint_betas: (24, 3, B) derivative of the posed joints. terms: (P, 3), points: (44, 3) m. point_betas: (3, B).
    lines (ROOM, L) f4, owner (ROOM,), sums (24, 6, L) f4, touched (24,), force (6, 8) f4: of ``normal``.
    normal: (D, >= D + 8) f4 upper triangle of J'WJ, gradient: (D,).
    feature, delta, white, pull: (1, 72) f4 of the pose prior. turn: (3, 3) derivative of gravity.
    component: (1,) the last mixture component's number.
    factor: (>= D + 8, >= D + 8), step: (1, >= D + 8), kept: as normal, slope: as gradient, trial: (D,) of the solver.
    """

    local: ndarray
    left: ndarray
    world: ndarray
    rest: ndarray
    joints: ndarray
    axes: ndarray
    twists: ndarray
    joint_betas: ndarray
    terms: ndarray
    points: ndarray
    point_betas: ndarray
    lines: ndarray
    owner: ndarray
    sums: ndarray
    touched: ndarray
    force: ndarray
    normal: ndarray
    gradient: ndarray
    feature: ndarray
    delta: ndarray
    white: ndarray
    pull: ndarray
    turn: ndarray
    component: ndarray
    factor: ndarray
    step: ndarray
    kept: ndarray
    slope: ndarray
    trial: ndarray


def workspace(model: FitModel) -> Workspace:
    """Allocate the scratch arrays for a model."""
    b, p = model.joint_dirs.shape[2], model.joint.shape[0]
    d = 72 + b + 4
    wide, lanes = padded(d + LANES), padded(LANES + b + 4)
    single = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    return Workspace(
        local=np.zeros((24, 3, 3)), left=np.zeros((24, 3, 3)), world=np.zeros((24, 3, 3)), rest=np.zeros((24, 3)),
        joints=np.zeros((24, 3)), axes=np.zeros((24, 3, 3)), twists=single(24, 6, LANES),
        joint_betas=np.zeros((24, 3, b)), terms=np.zeros((p, 3)), points=np.zeros((44, 3)),
        point_betas=np.zeros((3, b)), lines=single(ROOM, lanes), owner=np.zeros(ROOM, np.int64),
        sums=single(24, 6, lanes), touched=np.zeros(24, bool), force=single(6, LANES), normal=single(d, wide),
        gradient=np.zeros(d), feature=single(1, 72), delta=single(1, 72), white=single(1, 72), pull=single(1, 72),
        turn=np.zeros((3, 3)), component=np.zeros(1, np.int64), factor=single(wide, wide), step=single(1, wide),
        kept=single(d, wide), slope=np.zeros(d), trial=np.zeros(d),
    )  # fmt: skip


@kernel(inline=True)
def rotation(x: float, y: float, z: float, out: ndarray, left: ndarray) -> None:
    """Write exp([v]) and the left Jacobian of SO(3) at v (Sola et al., A micro Lie theory, eq. 145)."""
    angle2 = x * x + y * y + z * z
    angle = np.sqrt(angle2)
    if angle < SMALL_ANGLE:
        a, b, c = 1 - angle2 / 6, 0.5 - angle2 / 24, 1 / 6 - angle2 / 120
    else:
        a = np.sin(angle) / angle
        b = (1 - np.cos(angle)) / angle2
        c = (1 - a) / angle2
    v = (x, y, z)
    for i in range(3):
        for j in range(3):
            square = v[i] * v[j] - (angle2 if i == j else 0.0)
            one = 1.0 if i == j else 0.0
            out[i, j] = one + b * square
            left[i, j] = one + c * square
    for i in range(3):  # the skew part: [v]_(i, i+1) = -v_(i+2)
        j, k = (i + 1) % 3, (i + 2) % 3
        out[i, j] -= a * v[k]
        out[j, i] += a * v[k]
        left[i, j] -= b * v[k]
        left[j, i] += b * v[k]


@kernel(inline=True)
def multiply(a: ndarray, b: ndarray, out: ndarray) -> None:
    """Write the product of two 3x3 matrices."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@kernel
def forward(model: FitModel, x: ndarray, w: Workspace) -> None:
    """Posed joints and rotations, from variables x, without the translation."""
    nb = model.joint_dirs.shape[2]
    for j in range(24):
        for a in range(3):
            value = model.joints[j, a]
            for b in range(nb):
                value += model.joint_dirs[j, a, b] * x[72 + b]
            w.rest[j, a] = value
        rotation(x[3 * j], x[3 * j + 1], x[3 * j + 2], w.local[j], w.left[j])
    for a in range(3):
        w.joints[0, a] = w.rest[0, a]
        for c in range(3):
            w.world[0, a, c] = w.local[0, a, c]
    for j in range(1, 24):
        p = model.parents[j]
        multiply(w.world[p], w.local[j], w.world[j])
        for a in range(3):
            value = w.joints[p, a]
            for c in range(3):
                value += w.world[p, a, c] * (w.rest[j, c] - w.rest[p, c])
            w.joints[j, a] = value


@kernel(inline=True, inside=False)
def keypoint(model: FitModel, x: ndarray, row: int, w: Workspace) -> None:
    """One keypoint (m, without translation) from posed joints, keeping the terms of its pairs."""
    nb = model.joint_dirs.shape[2]
    w.points[row, :] = 0.0
    for n in range(model.start[row], model.start[row + 1]):
        j = model.joint[n]
        o0, o1, o2 = model.offset[n, 0], model.offset[n, 1], model.offset[n, 2]
        for b in range(nb):
            o0 += model.dirs[n, 0, b] * x[72 + b]
            o1 += model.dirs[n, 1, b] * x[72 + b]
            o2 += model.dirs[n, 2, b] * x[72 + b]
        for a in range(3):
            g = w.world[j, a]
            value = g[0] * o0 + g[1] * o1 + g[2] * o2 + model.weight[n] * w.joints[j, a]
            w.terms[n, a] = value
            w.points[row, a] += value


@kernel(inline=True)
def differentiate(model: FitModel, w: Workspace, betas: bool) -> None:
    """Axes and twists of all joints, and derivatives of the posed joints by betas if wanted, after ``forward``."""
    nb = model.joint_dirs.shape[2]
    for a in range(3):
        for c in range(3):
            w.axes[0, a, c] = w.left[0, a, c]
        for b in range(nb):
            w.joint_betas[0, a, b] = model.joint_dirs[0, a, b]
    for j in range(24):
        p = model.parents[j]
        if j > 0:
            multiply(w.world[p], w.left[j], w.axes[j])
        q0, q1, q2 = w.joints[j, 0], w.joints[j, 1], w.joints[j, 2]
        for k in range(3):
            e0, e1, e2 = w.axes[j, 0, k], w.axes[j, 1, k], w.axes[j, 2, k]
            twist = w.twists[j]
            twist[0, k], twist[1, k], twist[2, k] = e0, e1, e2
            twist[3, k], twist[4, k], twist[5, k] = q1 * e2 - q2 * e1, q2 * e0 - q0 * e2, q0 * e1 - q1 * e0
        if betas and j > 0:
            for a in range(3):
                g0, g1, g2 = w.world[p, a, 0], w.world[p, a, 1], w.world[p, a, 2]
                for b in range(nb):
                    w.joint_betas[j, a, b] = w.joint_betas[p, a, b] + (
                        g0 * (model.joint_dirs[j, 0, b] - model.joint_dirs[p, 0, b])
                        + g1 * (model.joint_dirs[j, 1, b] - model.joint_dirs[p, 1, b])
                        + g2 * (model.joint_dirs[j, 2, b] - model.joint_dirs[p, 2, b])
                    )


@kernel(inline=True)
def keypoint_betas(model: FitModel, row: int, w: Workspace) -> None:
    """Derivative of one keypoint by betas into ``point_betas``, after ``differentiate``."""
    nb = model.joint_dirs.shape[2]
    w.point_betas[:, :] = 0.0
    for n in range(model.start[row], model.start[row + 1]):
        j, share = model.joint[n], model.weight[n]
        for c in range(3):
            g0, g1, g2 = w.world[j, c, 0], w.world[j, c, 1], w.world[j, c, 2]
            for b in range(nb):
                w.point_betas[c, b] += (
                    g0 * model.dirs[n, 0, b] + g1 * model.dirs[n, 1, b] + g2 * model.dirs[n, 2, b]
                    + share * w.joint_betas[j, c, b]
                )  # fmt: skip
