"""The objective of one person and its Gauss-Newton normal equations, compiled.

Maximum a posteriori in units of standard deviations. Blocks, each optional by its weights: 2D keypoints in one camera
or several, and 3D points (Geman-McClure, Black & Rangarajan 1996); the pose prior (mixture of full-covariance
Gaussians over the pose and the direction of gravity seen from the pelvis; the cheapest component counts) and joint
limits; points that touch the ground, which it is cheap to be above and dear to be below; and one diagonal Gaussian on
every variable (``anchor``): the shape prior, a known shape, a focal guess, an outside prediction.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.evidence import CONTACT_ROBUST, MIN_Z, NEAR, NEAR_COST, Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace, differentiate, forward, keypoint, keypoint_betas
from a3dgen.fit.model import FitModel
from a3dgen.fit.normal import add_blend, assemble, clear, flush, put_line, put_twist
from a3dgen.fit.pose_prior import pose_prior


@kernel
def evaluate(model: FitModel, prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
    """Return the cost at x and leave the normal equations (upper triangle, gradient) in the workspace."""
    d = x.shape[0]
    shape = bool(ev.free[72])  # betas are free or held, all of them
    forward(model, x, w)
    differentiate(model, w, shape)
    clear(w)
    w.normal.fill(np.float32(0.0))
    w.gradient.fill(0.0)
    cost = pose_prior(prior, ev, x, w) + _anchor(ev, x, w)
    if x[d - 2] < NEAR:
        cost += NEAR_COST
    views, room = ev.views.R.shape[0], w.lines.shape[0]
    line, scale = np.int64(0), np.exp(x[d - 1])  # a plain 0 is a type of its own, and what takes it is compiled twice
    for row in range(44):
        used = ev.pixel_weight[row] > 0 or ev.point_weight[row] > 0 or ev.contact_weight[row] > 0
        for v in range(views):
            used = used or ev.views.pixel_weight[v, row] > 0
        if not used:
            continue
        if line + 6 + 2 * views > room:
            flush(w, line, shape)
            line = np.int64(0)
        keypoint(model, x, row, w)
        if shape:
            keypoint_betas(model, row, w)
        start = model.start[row]
        joint = model.joint[start] if model.start[row + 1] == start + 1 else -1
        begin = line
        if ev.pixel_weight[row] > 0:
            cost += _pixel(ev, x, scale, row, joint, line, shape, w)
            line += 2
        if ev.point_weight[row] > 0:
            cost += _point(ev, x, row, joint, line, shape, w)
            line += 3
        if ev.contact_weight[row] > 0:
            cost += _contact(ev, x, row, joint, line, shape, w)
            line += 1
        for v in range(views):
            if ev.views.pixel_weight[v, row] > 0:
                cost += _other_pixel(ev, x, v, row, joint, line, shape, w)
                line += 2
        if joint < 0:
            add_blend(model, w, row, begin, line, shape)
        else:
            for n in range(begin, line):
                put_twist(w.lines[n], w.terms[start], model.weight[start], w.point_betas.shape[1])
    flush(w, line, shape)
    assemble(model, w, ev.free, shape)
    return cost


@kernel(inline=True)
def _pixel(ev: Evidence, x: ndarray, scale: float, row: int, joint: int, line: int, shape: bool, w: Workspace) -> float:
    d = x.shape[0]
    fx, fy = ev.camera[0] * scale, ev.camera[1] * scale
    near = 1 / max(w.points[row, 2] + x[d - 2], MIN_Z)
    u = (w.points[row, 0] + x[d - 4]) * near
    v = (w.points[row, 1] + x[d - 3]) * near
    s = ev.pixel_weight[row]
    ex = (fx * u + ev.camera[2] - ev.pixels[row, 0]) * s
    ey = (fy * v + ev.camera[3] - ev.pixels[row, 1]) * s
    c2 = ev.robust * ev.robust
    r2 = ex * ex + ey * ey
    ratio = c2 / (c2 + r2)  # the square root of the weight
    ax, ay = ratio * fx * s, ratio * fy * s
    put_line(w, line, joint, ax * near, 0.0, -ax * u * near, ax * u, ratio * ex, shape)
    put_line(w, line + 1, joint, 0.0, ay * near, -ay * v * near, ay * v, ratio * ey, shape)
    return 0.5 * r2 * ratio


@kernel(inside=True)
def _other_pixel(ev: Evidence, x: ndarray, v: int, row: int, joint: int, line: int, shape: bool, w: Workspace) -> float:
    """As ``_pixel`` in another camera, whose focal length is no variable."""
    d = x.shape[0]
    R, t, camera = ev.views.R[v], ev.views.t[v], ev.views.cameras[v]
    p0, p1, p2 = w.points[row, 0] + x[d - 4], w.points[row, 1] + x[d - 3], w.points[row, 2] + x[d - 2]
    z = max(R[2, 0] * p0 + R[2, 1] * p1 + R[2, 2] * p2 + t[2], MIN_Z)
    s = ev.views.pixel_weight[v, row]
    r2 = 0.0
    ratio, c2 = 0.0, ev.robust * ev.robust
    for step in range(2):  # the lines need the weight, the weight both errors
        for c in range(2):
            u = (R[c, 0] * p0 + R[c, 1] * p1 + R[c, 2] * p2 + t[c]) / z
            e = (camera[c] * u + camera[2 + c] - ev.views.pixels[v, row, c]) * s
            if step == 0:
                r2 += e * e
                ratio = c2 / (c2 + r2)
                continue
            a = ratio * camera[c] * s / z
            g0, g1, g2 = R[c, 0] - u * R[2, 0], R[c, 1] - u * R[2, 1], R[c, 2] - u * R[2, 2]
            put_line(w, line + c, joint, a * g0, a * g1, a * g2, 0.0, ratio * e, shape)
    return 0.5 * r2 * ratio


@kernel(inline=True)
def _point(ev: Evidence, x: ndarray, row: int, joint: int, line: int, shape: bool, w: Workspace) -> float:
    d = x.shape[0]
    s = ev.point_weight[row]
    e0 = (w.points[row, 0] + x[d - 4] - ev.points[row, 0]) * s
    e1 = (w.points[row, 1] + x[d - 3] - ev.points[row, 1]) * s
    e2 = (w.points[row, 2] + x[d - 2] - ev.points[row, 2]) * s
    c2 = ev.robust * ev.robust
    r2 = e0 * e0 + e1 * e1 + e2 * e2
    ratio = c2 / (c2 + r2)
    a = ratio * s
    put_line(w, line, joint, a, 0.0, 0.0, 0.0, ratio * e0, shape)
    put_line(w, line + 1, joint, 0.0, a, 0.0, 0.0, ratio * e1, shape)
    put_line(w, line + 2, joint, 0.0, 0.0, a, 0.0, ratio * e2, shape)
    return 0.5 * r2 * ratio


@kernel(inline=True)
def _contact(ev: Evidence, x: ndarray, row: int, joint: int, line: int, shape: bool, w: Workspace) -> float:
    d = x.shape[0]
    g, s = ev.ground, ev.contact_weight[row]
    below = g[0] * (w.points[row, 0] + x[d - 4]) + g[1] * (w.points[row, 1] + x[d - 3])
    e = (below + g[2] * (w.points[row, 2] + x[d - 2]) - g[3]) * s
    scale = ev.robust if e > 0 else CONTACT_ROBUST
    ratio = scale * scale / (scale * scale + e * e)
    a = ratio * s
    put_line(w, line, joint, a * g[0], a * g[1], a * g[2], 0.0, ratio * e, shape)
    return 0.5 * e * e * ratio


@kernel(inline=True)
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
