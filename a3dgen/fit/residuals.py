"""The objective of one person and its Gauss-Newton normal equations, compiled.

Maximum a posteriori in units of standard deviations. Blocks, each optional by its weights: 2D keypoints in one camera
or several, and 3D points (Geman-McClure, Black & Rangarajan 1996); the pose prior (mixture of full-covariance
Gaussians over the pose and the direction of gravity seen from the pelvis; the cheapest component counts) and joint
limits; and one diagonal Gaussian on every variable (``anchor``): the shape prior, a known shape, a focal guess, an
outside prediction.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.fit.evidence import MIN_Z, NEAR, NEAR_COST, Evidence, PriorArrays
from a3dgen.fit.kinematics import (
    Workspace,
    differentiate,
    forward,
    keypoint,
    point_jacobian,
)
from a3dgen.fit.model import FitModel
from a3dgen.fit.pose_prior import pose_prior

ONE, TWO = np.uintp(1), np.uintp(2)
"""An index that cannot be negative is not checked for counting from the end, which costs more than the sums do."""


@kernel
def evaluate(model: FitModel, prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
    """Return the cost at x and leave the normal equations (upper triangle, gradient) in the workspace."""
    w.tail[0] = 72 if ev.free[72] else x.shape[0] - 4
    forward(model, x, w)
    differentiate(model, w)
    w.normal[:, :] = np.float32(0.0)
    w.gradient[:] = 0.0
    cost = pose_prior(prior, ev, x, w) + _anchor(ev, x, w)
    d = x.shape[0]
    if x[d - 2] < NEAR:
        cost += NEAR_COST
    for row in range(44):
        used = ev.pixel_weight[row] > 0 or ev.point_weight[row] > 0
        for v in range(ev.views.turns.shape[0]):
            used = used or ev.views.pixel_weight[v, row] > 0
        if used:
            keypoint(model, x, row, w)
            count = point_jacobian(model, row, w)
            if ev.point_weight[row] > 0:
                cost += _point(ev, x, row, count, w)
            for v in range(ev.views.turns.shape[0]):
                if ev.views.pixel_weight[v, row] > 0:
                    cost += _other_pixel(ev, x, v, row, count, w)
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
    _add_two(w, p, q, count, np.float32(weight), ex, ey)
    return 0.5 * r2 * ratio


@kernel
def _other_pixel(ev: Evidence, x: ndarray, v: int, row: int, count: int, w: Workspace) -> float:
    """As ``_pixel`` in another camera; leaves ``rows`` as they are."""
    d = x.shape[0]
    turn, shift, camera = ev.views.turns[v], ev.views.shifts[v], ev.views.cameras[v]
    place = w.lever[0]
    for c in range(3):
        place[c] = shift[c]
        for a in range(3):
            place[c] += turn[c, a] * (w.points[row, a] + x[d - 4 + a])
    z = max(place[2], MIN_Z)
    s = ev.views.pixel_weight[v, row]
    ex = (camera[0] * place[0] / z + camera[2] - ev.views.pixels[v, row, 0]) * s
    ey = (camera[1] * place[1] / z + camera[3] - ev.views.pixels[v, row, 1]) * s
    c2 = ev.robust * ev.robust
    r2 = ex * ex + ey * ey
    ratio = c2 / (c2 + r2)
    p, q = w.other[0], w.other[1]
    for a in range(w.tail[0] if count == 0 else 3 * w.chain[0], d - 1):
        m0, m1, m2 = w.rows[0, a], w.rows[1, a], w.rows[2, a]
        depth = (turn[2, 0] * m0 + turn[2, 1] * m1 + turn[2, 2] * m2) / z
        p[a] = camera[0] * s * ((turn[0, 0] * m0 + turn[0, 1] * m1 + turn[0, 2] * m2) / z - place[0] / z * depth)
        q[a] = camera[1] * s * ((turn[1, 0] * m0 + turn[1, 1] * m1 + turn[1, 2] * m2) / z - place[1] / z * depth)
    p[d - 1] = np.float32(0.0)  # the focal length of a known camera is no variable
    q[d - 1] = np.float32(0.0)
    _add_two(w, p, q, count, np.float32(ratio * ratio), ex, ey)
    return 0.5 * r2 * ratio


@kernel
def _add_two(w: Workspace, p: ndarray, q: ndarray, count: int, weight: float, ex: float, ey: float) -> None:
    """Add two rows with one weight to the normal equations: the columns of ``chain``, and those from ``tail`` on."""
    d = w.normal.shape[0]
    for i in range(count):
        for a in range(3 * w.chain[i], 3 * w.chain[i] + 3):
            s, t = weight * p[a], weight * q[a]
            h = w.normal[a]
            for j in range(i, count):
                b = np.uintp(3 * w.chain[j])
                c, e = b + ONE, b + TWO
                h[b] += s * p[b] + t * q[b]
                h[c] += s * p[c] + t * q[c]
                h[e] += s * p[e] + t * q[e]
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
                b = np.uintp(3 * w.chain[j])
                c, e = b + ONE, b + TWO
                h[b] += s * p[b]
                h[c] += s * p[c]
                h[e] += s * p[e]
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
