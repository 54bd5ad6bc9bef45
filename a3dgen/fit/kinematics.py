"""Compiled kinematics of one person: joints, keypoints as blends of joint transforms, and their derivatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.fit.model import FitModel

SMALL_ANGLE = 1e-3


class Workspace(NamedTuple):
    """Scratch arrays of one solve, so that nothing is allocated in the loop.

    local, left: (24, 3, 3) rotation of each joint and its left Jacobian. world: (24, 3, 3) chained rotations.
    rest, joints: (24, 3) m. axes: (24, 3, 3) columns are the axes a joint turns about, in the camera frame.
    joint_betas: (24, 3, B) derivative of the posed joints. terms: (P, 3), points: (44, 3) m. lever: (24, 3).
    point_betas: (3, B). rows: (3, D) f4 Jacobian rows of one point,
    other: (2, D) f4 of its pixel in another camera. normal: (D, D) f4 upper triangle of J'WJ,
    gradient: (D,). step: (D,). feature, pull: (72,) f4 of the pose prior. turn: (3, 3) derivative of gravity.
    active: (24,), chain: (24,) joints that move the point in hand. component: (1,) the last
    mixture component's number. tail: (1,) first column after the pose
    that is wanted: 72, or 72 + B while the betas are held.
    """

    local: ndarray
    left: ndarray
    world: ndarray
    rest: ndarray
    joints: ndarray
    axes: ndarray
    joint_betas: ndarray
    terms: ndarray
    points: ndarray
    lever: ndarray
    point_betas: ndarray
    rows: ndarray
    other: ndarray
    normal: ndarray
    gradient: ndarray
    feature: ndarray
    pull: ndarray
    turn: ndarray
    active: ndarray
    chain: ndarray
    component: ndarray
    tail: ndarray


def workspace(model: FitModel) -> Workspace:
    """Allocate the scratch arrays for a model."""
    b, p = model.joint_dirs.shape[2], model.joint.shape[0]
    d = 72 + b + 4
    return Workspace(
        np.zeros((24, 3, 3)), np.zeros((24, 3, 3)), np.zeros((24, 3, 3)), np.zeros((24, 3)), np.zeros((24, 3)),
        np.zeros((24, 3, 3)), np.zeros((24, 3, b)), np.zeros((p, 3)), np.zeros((44, 3)), np.zeros((24, 3)),
        np.zeros((3, b)), np.zeros((3, d), np.float32), np.zeros((2, d), np.float32),
        np.zeros((d, d), np.float32), np.zeros(d),
        np.zeros(72, np.float32), np.zeros(72, np.float32), np.zeros((3, 3)),
        np.zeros(24, bool), np.zeros(24, np.int64), np.zeros(1, np.int64), np.full(1, 72, np.int64),
    )  # fmt: skip


@kernel
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


@kernel
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
    w.world[0] = w.local[0]
    w.joints[0] = w.rest[0]
    for j in range(1, 24):
        p = model.parents[j]
        multiply(w.world[p], w.local[j], w.world[j])
        for a in range(3):
            value = w.joints[p, a]
            for c in range(3):
                value += w.world[p, a, c] * (w.rest[j, c] - w.rest[p, c])
            w.joints[j, a] = value


@kernel
def keypoint(model: FitModel, x: ndarray, row: int, w: Workspace) -> None:
    """One keypoint (m, without translation) from posed joints, keeping the terms of its pairs."""
    nb = model.joint_dirs.shape[2]
    w.points[row, :] = 0.0
    for n in range(model.start[row], model.start[row + 1]):
        j = model.joint[n]
        o = (model.offset[n, 0], model.offset[n, 1], model.offset[n, 2])
        o0, o1, o2 = o
        for b in range(nb):
            o0 += model.dirs[n, 0, b] * x[72 + b]
            o1 += model.dirs[n, 1, b] * x[72 + b]
            o2 += model.dirs[n, 2, b] * x[72 + b]
        for a in range(3):
            g = w.world[j, a]
            value = g[0] * o0 + g[1] * o1 + g[2] * o2 + model.weight[n] * w.joints[j, a]
            w.terms[n, a] = value
            w.points[row, a] += value


@kernel
def differentiate(model: FitModel, w: Workspace) -> None:
    """Axes of all joints and derivatives of the posed joints by betas, after ``forward``."""
    nb = model.joint_dirs.shape[2]
    w.axes[0] = w.left[0]
    w.joint_betas[0] = model.joint_dirs[0]
    for j in range(1, 24):
        p = model.parents[j]
        multiply(w.world[p], w.left[j], w.axes[j])
        for a in range(3):
            for b in range(nb if w.tail[0] == 72 else 0):
                value = w.joint_betas[p, a, b]
                for c in range(3):
                    value += w.world[p, a, c] * (model.joint_dirs[j, c, b] - model.joint_dirs[p, c, b])
                w.joint_betas[j, a, b] = value


@kernel
def point_jacobian(model: FitModel, row: int, w: Workspace) -> int:
    """Write d point / d x of one keypoint into ``rows``; return how many joints move it (``chain``, ascending).

    Only the columns of those joints and the columns from ``tail`` on are written.
    """
    nb = model.joint_dirs.shape[2]
    betas = w.tail[0] == 72
    w.active[:] = False
    w.point_betas[:, :] = 0.0
    for n in range(model.start[row], model.start[row + 1]):
        j, share = model.joint[n], model.weight[n]
        a = j
        while a >= 0:
            if not w.active[a]:
                w.active[a] = True
                w.lever[a, :] = 0.0
            for c in range(3):
                w.lever[a, c] += w.terms[n, c] - share * w.joints[a, c]
            a = model.parents[a]
        for c in range(3 if betas else 0):
            g0, g1, g2 = w.world[j, c, 0], w.world[j, c, 1], w.world[j, c, 2]
            for b in range(nb):
                w.point_betas[c, b] += (
                    g0 * model.dirs[n, 0, b] + g1 * model.dirs[n, 1, b] + g2 * model.dirs[n, 2, b]
                    + share * w.joint_betas[j, c, b]
                )  # fmt: skip
    return _fill_rows(w, nb)


@kernel
def joint_jacobian(parents: ndarray, joint: int, w: Workspace) -> int:
    """As ``point_jacobian`` for the centre of a joint; all columns are written."""
    nb = w.joint_betas.shape[2]
    w.active[:] = False
    w.rows[:, :] = np.float32(0.0)
    a = parents[joint]
    while a >= 0:
        w.active[a] = True
        for c in range(3):
            w.lever[a, c] = w.joints[joint, c] - w.joints[a, c]
        a = parents[a]
    w.point_betas[:, :] = w.joint_betas[joint]
    return _fill_rows(w, nb)


@kernel
def _fill_rows(w: Workspace, nb: int) -> int:
    count = 0
    for j in range(24):
        if not w.active[j]:
            continue
        w.chain[count] = j
        count += 1
        d0, d1, d2 = w.lever[j, 0], w.lever[j, 1], w.lever[j, 2]
        for k in range(3):  # axis x lever
            e0, e1, e2 = w.axes[j, 0, k], w.axes[j, 1, k], w.axes[j, 2, k]
            w.rows[0, 3 * j + k] = e1 * d2 - e2 * d1
            w.rows[1, 3 * j + k] = e2 * d0 - e0 * d2
            w.rows[2, 3 * j + k] = e0 * d1 - e1 * d0
    for c in range(3):
        if w.tail[0] == 72:
            for b in range(nb):
                w.rows[c, 72 + b] = w.point_betas[c, b]
        for e in range(3):
            w.rows[c, 72 + nb + e] = np.float32(1.0 if c == e else 0.0)
        w.rows[c, 75 + nb] = np.float32(0.0)
    return count
