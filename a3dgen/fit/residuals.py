"""The objective of one person and its Gauss-Newton normal equations, compiled.

Maximum a posteriori in units of standard deviations. Blocks, each optional by its weights: 2D keypoints and 3D
points (Geman-McClure, Black & Rangarajan 1996), pose prior (mixture of full-covariance Gaussians over the pose and
the direction of gravity seen from the pelvis; the cheapest component counts), joint limits, and one diagonal Gaussian
on every variable (``anchor``): the shape prior, a known shape, a focal guess, an outside prediction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.fit.compiled import kernel
from a3dgen.fit.kinematics import (
    Workspace,
    differentiate,
    forward,
    keypoint,
    point_jacobian,
)
from a3dgen.fit.model import FitModel

MIN_Z = 0.05
"""Depth (m) at which the projection of a point is clamped."""
NEAR = 0.3
"""A pelvis nearer than this (m) is not a solution."""
NEAR_COST = 1e6


class PriorArrays(NamedTuple):
    """Pose prior in compiled form.

    Attributes:
        means: (K, 72) f4 gravity in the pelvis frame (3), then the 69 pose variables below the root.
        precisions: (K, 72, 72) f4. roots: (K, 72, 72) f4 upper triangular,
            roots' roots = precisions. energies: (K,) what a component costs at its mean (least = 0).
        lower, upper: (69,) rad joint limits. stiffness: cost 0.5 * stiffness * excess**2.
    """

    means: ndarray
    precisions: ndarray
    roots: ndarray
    energies: ndarray
    lower: ndarray
    upper: ndarray
    stiffness: float


class Evidence(NamedTuple):
    """What is known of one person.

    Attributes:
        pixels: (44, 2) undistorted px. pixel_weight: (44,) 1 / sigma px; 0 = not used.
        camera: (4,) fx, fy, cx, cy px.
        points: (44, 3) m in the camera frame. point_weight: (44,) 1 / sigma m; 0 = not used.
        robust: Geman-McClure scale, in sigmas.
        down: (3,) direction of gravity in the camera frame.
        anchor: (D,) expected variables. anchor_weight: (D,) 1 / variance; 0 = none.
        free: (D,) bool: the variable may move.
        prior_weight: factor of the pose prior.
    """

    pixels: ndarray
    pixel_weight: ndarray
    camera: ndarray
    points: ndarray
    point_weight: ndarray
    robust: float
    down: ndarray
    anchor: ndarray
    anchor_weight: ndarray
    free: ndarray
    prior_weight: float


@kernel
def evaluate(model: FitModel, prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
    """Return the cost at x and leave the normal equations (upper triangle, gradient) in the workspace."""
    w.tail[0] = 72 if ev.free[72] else x.shape[0] - 4
    forward(model, x, w)
    differentiate(model, w)
    w.normal[:, :] = np.float32(0.0)
    w.gradient[:] = 0.0
    cost = _pose_prior(prior, ev, x, w) + _anchor(ev, x, w)
    d = x.shape[0]
    if x[d - 2] < NEAR:
        cost += NEAR_COST
    for row in range(44):
        if ev.pixel_weight[row] > 0 or ev.point_weight[row] > 0:
            keypoint(model, x, row, w)
            count = point_jacobian(model, row, w)
            if ev.point_weight[row] > 0:
                cost += _point(ev, x, row, count, w)
            if ev.pixel_weight[row] > 0:
                cost += _pixel(ev, x, row, count, w)
    return cost


@kernel
def _pixel(ev: Evidence, x: ndarray, row: int, count: int, w: Workspace) -> float:
    d = x.shape[0]
    scale = np.exp(x[d - 1])
    fx, fy = ev.camera[0] * scale, ev.camera[1] * scale
    z = max(w.points[row, 2] + x[d - 2], MIN_Z)
    u = (w.points[row, 0] + x[d - 4]) / z
    v = (w.points[row, 1] + x[d - 3]) / z
    s = ev.pixel_weight[row]
    ex = (fx * u + ev.camera[2] - ev.pixels[row, 0]) * s
    ey = (fy * v + ev.camera[3] - ev.pixels[row, 1]) * s
    c2 = ev.robust * ev.robust
    r2 = ex * ex + ey * ey
    ratio = c2 / (c2 + r2)
    weight = ratio * ratio
    ax, ay = np.float32(fx * s / z), np.float32(fy * s / z)
    bx, by = np.float32(-fx * s * u / z), np.float32(-fy * s * v / z)
    p, q, r = w.rows[0], w.rows[1], w.rows[2]
    for i in range(count):
        for a in range(3 * w.chain[i], 3 * w.chain[i] + 3):
            p[a] = ax * p[a] + bx * r[a]
            q[a] = ay * q[a] + by * r[a]
    for a in range(w.tail[0], d - 1):
        p[a] = ax * p[a] + bx * r[a]
        q[a] = ay * q[a] + by * r[a]
    p[d - 1] = fx * u * s
    q[d - 1] = fy * v * s
    _add_two(w, count, np.float32(weight), ex, ey)
    return 0.5 * r2 * ratio


@kernel
def _add_two(w: Workspace, count: int, weight: float, ex: float, ey: float) -> None:
    """Add two rows with one weight to the normal equations: the columns of ``chain``, and those from ``tail`` on."""
    d = w.normal.shape[0]
    p, q = w.rows[0], w.rows[1]
    for i in range(count):
        for a in range(3 * w.chain[i], 3 * w.chain[i] + 3):
            s, t = weight * p[a], weight * q[a]
            h = w.normal[a]
            for j in range(i, count):
                b = 3 * w.chain[j]
                h[b] += s * p[b] + t * q[b]
                h[b + 1] += s * p[b + 1] + t * q[b + 1]
                h[b + 2] += s * p[b + 2] + t * q[b + 2]
            for b in range(w.tail[0], d):
                h[b] += s * p[b] + t * q[b]
            w.gradient[a] += s * ex + t * ey
    for a in range(w.tail[0], d):
        s, t = weight * p[a], weight * q[a]
        h = w.normal[a]
        for b in range(a, d):
            h[b] += s * p[b] + t * q[b]
        w.gradient[a] += s * ex + t * ey


@kernel
def _point(ev: Evidence, x: ndarray, row: int, count: int, w: Workspace) -> float:
    d = x.shape[0]
    s = ev.point_weight[row]
    e0 = (w.points[row, 0] + x[d - 4] - ev.points[row, 0]) * s
    e1 = (w.points[row, 1] + x[d - 3] - ev.points[row, 1]) * s
    e2 = (w.points[row, 2] + x[d - 2] - ev.points[row, 2]) * s
    c2 = ev.robust * ev.robust
    r2 = e0 * e0 + e1 * e1 + e2 * e2
    ratio = c2 / (c2 + r2)
    weight = np.float32(ratio * ratio * s * s)
    _add_one(w, w.rows[0], count, weight, e0 / s)
    _add_one(w, w.rows[1], count, weight, e1 / s)
    _add_one(w, w.rows[2], count, weight, e2 / s)
    return 0.5 * r2 * ratio


@kernel
def _add_one(w: Workspace, p: ndarray, count: int, weight: float, error: float) -> None:
    """As ``_add_two`` for one row p."""
    d = w.normal.shape[0]
    for i in range(count):
        for a in range(3 * w.chain[i], 3 * w.chain[i] + 3):
            s = weight * p[a]
            h = w.normal[a]
            for j in range(i, count):
                b = 3 * w.chain[j]
                h[b] += s * p[b]
                h[b + 1] += s * p[b + 1]
                h[b + 2] += s * p[b + 2]
            for b in range(w.tail[0], d):
                h[b] += s * p[b]
            w.gradient[a] += s * error
    for a in range(w.tail[0], d):
        s = weight * p[a]
        h = w.normal[a]
        for b in range(a, d):
            h[b] += s * p[b]
        w.gradient[a] += s * error


@kernel
def _anchor(ev: Evidence, x: ndarray, w: Workspace) -> float:
    cost = 0.0
    for a in range(x.shape[0]):
        weight = ev.anchor_weight[a]
        if weight > 0:
            e = x[a] - ev.anchor[a]
            cost += 0.5 * weight * e * e
            w.normal[a, a] += np.float32(weight)
            w.gradient[a] += weight * e
    return cost


@kernel
def _gravity(ev: Evidence, w: Workspace) -> None:
    """Gravity in the pelvis frame into ``feature[:3]``, and its derivative by the root's variables into ``turn``."""
    d = ev.down
    for a in range(3):
        r0, r1, r2 = w.local[0, 0, a], w.local[0, 1, a], w.local[0, 2, a]
        w.feature[a] = r0 * d[0] + r1 * d[1] + r2 * d[2]
        # R' [d]x: the row r of R' times the skew matrix of d
        s0 = r1 * d[2] - r2 * d[1]
        s1 = r2 * d[0] - r0 * d[2]
        s2 = r0 * d[1] - r1 * d[0]
        for b in range(3):
            w.turn[a, b] = s0 * w.left[0, 0, b] + s1 * w.left[0, 1, b] + s2 * w.left[0, 2, b]


@kernel
def _energy(prior: PriorArrays, k: int, x: ndarray, w: Workspace, limit: float) -> float:
    """Energy of one component, or something above ``limit`` as soon as it is known to exceed it."""
    mean, delta = prior.means[k], w.pull
    for a in range(3):
        delta[a] = w.feature[a] - mean[a]
    for a in range(3, 72):
        delta[a] = np.float32(x[a]) - mean[a]
    energy = prior.energies[k]
    for a in range(72):
        if energy > limit:
            return energy
        root = prior.roots[k, a]
        value = np.float32(0.0)
        for b in range(a, 72):
            value += root[b] * delta[b]
        energy += np.float32(0.5) * value * value
    return energy


@kernel
def _cheapest(prior: PriorArrays, x: ndarray, w: Workspace) -> tuple[float, int]:
    """Energy and index of the cheapest component; its precision times the deviation is left in ``pull``."""
    chosen = w.component[0]  # that of the last call, most likely
    best = _energy(prior, chosen, x, w, np.float32(3e38))
    for k in range(prior.means.shape[0]):
        if k != w.component[0]:
            energy = _energy(prior, k, x, w, best)
            if energy < best:
                best, chosen = energy, k
    w.component[0] = chosen
    mean = prior.means[chosen]
    w.pull[:] = np.float32(0.0)
    for a in range(72):
        delta = (w.feature[a] if a < 3 else np.float32(x[a])) - mean[a]
        row = prior.precisions[chosen, a]
        for b in range(72):
            w.pull[b] += delta * row[b]
    return best, chosen


@kernel
def _pose_prior(prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
    _gravity(ev, w)
    energy, k = _cheapest(prior, x, w)
    s = np.float32(ev.prior_weight)
    p = prior.precisions[k]
    for a in range(3, 72):
        h = w.normal[a]
        for b in range(a, 72):
            h[b] += s * p[a, b]
        w.gradient[a] += s * w.pull[a]
    for a in range(3):  # chain rule through the direction of gravity
        for c in range(3):
            t = s * np.float32(w.turn[c, a])
            w.gradient[a] += t * w.pull[c]
            for b in range(3, 72):
                w.normal[a, b] += t * p[c, b]
            for e in range(3):
                for b in range(a, 3):
                    w.normal[a, b] += t * p[c, e] * np.float32(w.turn[e, b])
    cost = ev.prior_weight * energy
    for a in range(3, 72):
        excess = max(x[a] - prior.upper[a - 3], 0.0) - max(prior.lower[a - 3] - x[a], 0.0)
        if excess != 0.0:
            cost += 0.5 * prior.stiffness * excess * excess
            w.normal[a, a] += np.float32(prior.stiffness)
            w.gradient[a] += prior.stiffness * excess
    return cost


@kernel
def prior_energy(model: FitModel, prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
    """Return the cost of the pose prior and of the joint limits alone."""
    forward(model, x, w)
    return _pose_prior(prior, ev, x, w)
