"""Point cloud of a person as a residual block of the objective: correspondences, rows of the Jacobian, cost; compiled.

Every point is drawn to the nearest piece of skin that faces its sensor, mostly along the skin's normal and a little
across it; skin that faces the sensor but lies farther from the cloud than the cloud's own spacing is drawn to its
nearest point. Both are Geman-McClure (Black & Rangarajan 1996), so that points of others cost no more than they tell.

A skin point v = sum_k w_k v_k, where bone k alone would carry it to v_k, moves with axis a of joint j by
a x (sum_(k at or below j) w_k v_k - W_j q_j), q_j being the joint and W_j the sum of those w_k.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.cloud_skin import (
    BONES,
    ROWS,
    CloudBlock,
    CloudSpace,
    Skin,
    find_front,
    find_hidden,
    match,
    nearest_point,
    pose_skin,
)
from a3dgen.fit.evidence import NEAR_COST, Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.lm import EASE, FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING, SETTLE, TIGHTEN, damped
from a3dgen.fit.model import FitModel
from a3dgen.fit.residuals import evaluate
from a3dgen.fit.simd import LANES, add_down


@kernel
def _differentiate_skin(model: FitModel, skin: Skin, v: int, shape: bool, w: Workspace, s: CloudSpace) -> None:
    """Write the derivative of a skin point by all variables, and mark the joints it depends on."""
    d, nb = w.gradient.shape[0], skin.dirs.shape[2]
    jac = s.jac
    for a in range(3):
        for c in range(72 + nb if shape else 72):
            jac[a, c] = np.float32(0.0)
    for j in range(24):
        s.loads[j] = 0.0
        for a in range(3):
            s.arms[j, a] = 0.0
    r0, r1, r2 = s.rest[v, 0], s.rest[v, 1], s.rest[v, 2]
    for i in range(BONES):
        share = skin.shares[v, i]
        if share == 0:
            break
        k = skin.bones[v, i]
        o0, o1, o2 = r0 - w.rest[k, 0], r1 - w.rest[k, 1], r2 - w.rest[k, 2]
        for a in range(3):
            g = w.world[k, a]
            s.arms[k, a] += share * (g[0] * o0 + g[1] * o1 + g[2] * o2 + w.joints[k, a])
            if shape:
                h0, h1, h2 = np.float32(share * g[0]), np.float32(share * g[1]), np.float32(share * g[2])
                part = np.float32(share)
                for b in range(nb):
                    jac[a, 72 + b] += (
                        h0 * skin.dirs[v, 0, b] + h1 * skin.dirs[v, 1, b] + h2 * skin.dirs[v, 2, b]
                        + part * s.bone_betas[k, a, b]
                    )  # fmt: skip
        s.loads[k] += share
    for j in range(23, -1, -1):  # from the leaves to the root
        load = s.loads[j]
        if load == 0:
            continue
        s.active[j] = True
        l0, l1, l2 = s.arms[j, 0], s.arms[j, 1], s.arms[j, 2]
        p = model.parents[j]
        if p >= 0:
            s.loads[p] += load
            s.arms[p, 0] += l0
            s.arms[p, 1] += l1
            s.arms[p, 2] += l2
        l0, l1, l2 = l0 - load * w.joints[j, 0], l1 - load * w.joints[j, 1], l2 - load * w.joints[j, 2]
        for a in range(3):  # axis x lever
            e0, e1, e2 = w.axes[j, 0, a], w.axes[j, 1, a], w.axes[j, 2, a]
            c = 3 * j + a
            jac[0, c], jac[1, c], jac[2, c] = e1 * l2 - e2 * l1, e2 * l0 - e0 * l2, e0 * l1 - e1 * l0
    for a in range(3):
        for c in range(3):
            jac[a, d - 4 + c] = np.float32(1.0 if a == c else 0.0)


@kernel(inline=True)
def _put_row(n: int, g0: float, g1: float, g2: float, error: float, s: CloudSpace) -> None:
    """Set row n: a residual whose derivative by the skin point in hand is g."""
    row, jac = s.rows[np.uintp(n)], s.jac
    f0, f1, f2 = np.float32(g0), np.float32(g1), np.float32(g2)
    for c in range(jac.shape[1]):
        row[c] = f0 * jac[0, c] + f1 * jac[1, c] + f2 * jac[2, c]
    row[jac.shape[1] - 1] = error


@kernel
def _multiply_rows(shape: bool, w: Workspace, s: CloudSpace, used: int) -> None:
    """Add the collected rows to the normal equations, leaving out joints that none of them depends on."""
    d = w.gradient.shape[0]
    count, last, error = 0, -1, s.rows.shape[1] - 1
    for c in range(d - 1):
        moves = s.active[c // 3] if c < 72 else (shape or c >= d - 4)
        if moves and c // LANES != last:
            last = c // LANES
            s.blocks[count] = last
            count += 1
    for i in range(count):
        for a in range(LANES * s.blocks[i], min(LANES * s.blocks[i] + LANES, d - 1)):
            if not (s.active[a // 3] if a < 72 else (shape or a >= d - 4)):
                continue
            for k in range(i, count):
                start = LANES * s.blocks[k]
                add_down(w.normal, a, start, s.rows, 0, a, s.rows, 0, start, used, 1)
            pull = np.float32(0.0)
            for n in range(used):
                pull += s.rows[n, a] * s.rows[n, error]
            w.gradient[a] += pull
    for j in range(24):
        s.active[j] = False


@kernel
def _bone_betas(model: FitModel, w: Workspace, s: CloudSpace) -> None:
    """How betas move the place to which each bone carries a point that does not move with them in the rest pose."""
    nb = model.joint_dirs.shape[2]
    for j in range(24):
        for a in range(3):
            g0, g1, g2 = w.world[j, a, 0], w.world[j, a, 1], w.world[j, a, 2]
            for b in range(nb):
                s.bone_betas[j, a, b] = w.joint_betas[j, a, b] - (
                    g0 * model.joint_dirs[j, 0, b] + g1 * model.joint_dirs[j, 1, b] + g2 * model.joint_dirs[j, 2, b]
                )


@kernel
def evaluate_cloud(
    model: FitModel, prior: PriorArrays, ev: Evidence, skin: Skin, block: CloudBlock, x: ndarray, w: Workspace,
    s: CloudSpace,
) -> float:  # fmt: skip
    """As ``residuals.evaluate``, with the cloud. Correspondences are found anew."""
    shape = bool(ev.free[72])
    cost = evaluate(model, prior, ev, x, w)
    pose_skin(model, skin, x, w, s)
    count = find_front(skin, block, s)
    if count == 0:
        return cost + NEAR_COST
    match(skin, block, s)
    if block.culled:
        find_hidden(skin, block, s, count)
    if shape:
        _bone_betas(model, w, s)
    for v in range(skin.rest.shape[0]):
        s.first[v] = -1
    for m in range(block.points.shape[0]):  # the points of every skin point, in a chain
        s.next[m], s.first[s.match[m]] = s.first[s.match[m]], m
    sparse = 0
    for v in range(skin.rest.shape[0]):
        sparse += skin.sparse[v] and s.place[v] >= 0 and not s.hidden[v]
    c2, used, share = block.robust * block.robust, 0, block.reverse * block.points.shape[0] / max(sparse, 1)
    for v in range(skin.rest.shape[0]):
        if s.place[v] < 0:
            continue
        m, missed, near = s.first[v], False, 0
        if skin.sparse[v] and not s.hidden[v]:
            square, near = nearest_point(block, v, s)
            missed = square > block.spacing * block.spacing
        if m < 0 and not missed:
            continue
        _differentiate_skin(model, skin, v, shape, w, s)
        while m >= 0 or missed:
            if m >= 0:
                cost += _point_rows(block, v, m, c2, used, s)
                used, m = used + 3, s.next[m]
            else:
                cost += _skin_row(block, v, near, c2, share, used, s)
                used, missed = used + 1, False
            if used + 3 > ROWS:
                _multiply_rows(shape, w, s, used)
                used = 0
                for j in range(24):
                    s.active[j] = s.loads[j] != 0
    _multiply_rows(shape, w, s, used)
    return cost


@kernel
def _point_rows(block: CloudBlock, v: int, m: int, c2: float, n: int, s: CloudSpace) -> float:
    """Set three rows for a cloud point at skin point v: one along the normal, two across it."""
    n0, n1, n2 = s.normals[v, 0], s.normals[v, 1], s.normals[v, 2]
    e0 = s.vertices[v, 0] - block.points[m, 0]
    e1 = s.vertices[v, 1] - block.points[m, 1]
    e2 = s.vertices[v, 2] - block.points[m, 2]
    normal = n0 * e0 + n1 * e1 + n2 * e2
    r2 = (block.along * normal) ** 2
    q2 = block.across * block.across * (e0 * e0 + e1 * e1 + e2 * e2)
    ratio, ratio_across = c2 / (c2 + r2), c2 / (c2 + q2)
    across = block.across * ratio_across
    along = np.sqrt((block.along * ratio) ** 2 + across * across)
    # two unit vectors across the normal
    if abs(n0) < 0.6:
        t0, t1, t2 = 0.0, n2, -n1
    else:
        t0, t1, t2 = -n2, 0.0, n0
    scale = 1 / np.sqrt(t0 * t0 + t1 * t1 + t2 * t2)
    t0, t1, t2 = t0 * scale, t1 * scale, t2 * scale
    u0, u1, u2 = n1 * t2 - n2 * t1, n2 * t0 - n0 * t2, n0 * t1 - n1 * t0
    _put_row(n, along * n0, along * n1, along * n2, along * normal, s)
    _put_row(n + 1, across * t0, across * t1, across * t2, across * (t0 * e0 + t1 * e1 + t2 * e2), s)
    _put_row(n + 2, across * u0, across * u1, across * u2, across * (u0 * e0 + u1 * e1 + u2 * e2), s)
    return 0.5 * (r2 * ratio + q2 * ratio_across)


@kernel
def _skin_row(block: CloudBlock, v: int, m: int, c2: float, share: float, n: int, s: CloudSpace) -> float:
    """Set the row of a skin point that lies farther from the cloud than its spacing."""
    e0 = s.vertices[v, 0] - block.points[m, 0]
    e1 = s.vertices[v, 1] - block.points[m, 1]
    e2 = s.vertices[v, 2] - block.points[m, 2]
    length = np.sqrt(e0 * e0 + e1 * e1 + e2 * e2)
    r = (length - block.spacing) * block.reverse_weight
    ratio = c2 / (c2 + r * r)
    scale = np.sqrt(share) * ratio
    g = scale * block.reverse_weight / length
    _put_row(n, g * e0, g * e1, g * e2, scale * r, s)
    return 0.5 * share * r * r * ratio


@kernel
def minimise_cloud(
    model: FitModel, prior: PriorArrays, ev: Evidence, skin: Skin, block: CloudBlock, x: ndarray, steps: int,
    tolerance: float, limit: float, w: Workspace, s: CloudSpace,
) -> tuple[float, int]:  # fmt: skip
    """As ``lm.minimise``, with the cloud: improve x in place; return its cost and the number of evaluations."""
    d, free = x.shape[0], np.flatnonzero(ev.free)
    normal, gradient, trial = w.kept, w.slope, w.trial
    for i in range(d):
        trial[i] = x[i]
    cost, damping, count = np.inf, FIRST_DAMPING, 0
    for iteration in range(steps + 1):
        new = evaluate_cloud(model, prior, ev, skin, block, trial, w, s)
        count += 1
        if new < cost:
            gain = (cost - new) / (cost + 1e-9) if iteration > 0 else 1.0
            cost = new
            for i in range(d):
                x[i], gradient[i] = trial[i], w.gradient[i]
                for j in range(i, d):
                    normal[i, j] = w.normal[i, j]
            damping = max(damping * EASE, LEAST_DAMPING) if iteration > 0 else damping
            if iteration > SETTLE and gain < tolerance:
                break
        else:
            damping *= TIGHTEN
        if iteration == steps or not np.isfinite(cost):
            break
        while not damped(normal, gradient, free, damping, w.factor, w.step) and damping <= MOST_DAMPING:
            damping *= TIGHTEN
        if damping > MOST_DAMPING:
            break
        promise = 0.0
        for i in range(free.shape[0]):
            trial[free[i]] = x[free[i]] + w.step[0, i]
            promise -= 0.5 * gradient[free[i]] * w.step[0, i]
        if iteration > 0 and cost - 2 * promise > limit:
            break
    return cost, count
