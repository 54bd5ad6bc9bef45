"""Multi-start search of one person, compiled: headings, then limbs reflected in depth; every minimum is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.fit.compiled import kernel
from a3dgen.fit.initial import Starts, best_yaws, place, place_points
from a3dgen.fit.kinematics import Workspace, forward, joint_jacobian, multiply, rotation, workspace
from a3dgen.fit.lm import FLOOR, cholesky, minimise
from a3dgen.fit.model import FitModel
from a3dgen.fit.residuals import Evidence, PriorArrays, evaluate
from a3dgen.geometry.skeleton import JOINT

_CHAINS = ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")
FLIPS = np.array([(JOINT[f"{s}_{a}"], JOINT[f"{s}_{b}"]) for a, b in _CHAINS for s in ("left", "right")])
"""Bones (joint, child) whose depth one view cannot tell."""
MIN_FLIP = 0.2
"""A reflection that turns its bone by less than this (rad) is not tried."""
ROUGH = 1e-2
"""Tolerance while minima are only compared."""


class Settings(NamedTuple):
    """How hard to search.

    Attributes:
        starts: headings tried. rough_steps: trial steps of each. kept: how many of them are solved in full.
        steps: trial steps of a full solve. tolerance: its relative gain at convergence.
        flip_steps: trial steps after a reflection; 0 = no reflections. margin: costs this close are near-ties.
        wide: factor of the robust scale while starts are compared, so that no limb is given up as an outlier early.
    """

    starts: int
    rough_steps: int
    kept: int
    steps: int
    tolerance: float
    flip_steps: int
    margin: float
    wide: float


@kernel
def with_robust(ev: Evidence, robust: float) -> Evidence:
    """Return the evidence with another robust scale."""
    return Evidence(
        ev.pixels, ev.pixel_weight, ev.camera, ev.points, ev.point_weight, robust, ev.down, ev.anchor,
        ev.anchor_weight, ev.free, ev.prior_weight,
    )  # fmt: skip


class Pool(NamedTuple):
    """Minima found: variables (M, D), costs (M,) with inf = unused, and how many evaluations were spent (1,)."""

    variables: ndarray
    costs: ndarray
    spent: ndarray


POOL = 24


@kernel
def _keep(pool: Pool, x: ndarray, cost: float) -> None:
    """Put a minimum in the place of the worst one."""
    worst = 0
    for i in range(pool.costs.shape[0]):
        if pool.costs[i] > pool.costs[worst]:
            worst = i
    if cost < pool.costs[worst]:
        pool.costs[worst] = cost
        pool.variables[worst] = x


@kernel
def reflect(model: FitModel, x: ndarray, joint: int, child: int, out: ndarray, w: Workspace) -> float:
    """Write x with a bone reflected about its viewing ray; return the angle (rad) it turned by."""
    d = x.shape[0]
    forward(model, x, w)
    out[:] = x
    ray, bone = np.empty(3), np.empty(3)
    for c in range(3):
        ray[c] = w.joints[joint, c] + x[d - 4 + c]
        bone[c] = w.joints[child, c] - w.joints[joint, c]
    ray /= np.sqrt((ray * ray).sum())
    bone /= np.sqrt((bone * bone).sum()) + 1e-9
    along = (ray * bone).sum()
    goal = bone - 2 * along * ray
    axis = np.empty(3)
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        axis[c] = bone[a] * goal[b] - bone[b] * goal[a]
    sine, cosine = np.sqrt((axis * axis).sum()), (bone * goal).sum()
    angle = np.arctan2(sine, cosine)
    if angle < MIN_FLIP or sine < 1e-6:
        return angle
    axis *= angle / sine
    turn, unused, world, local = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    rotation(axis[0], axis[1], axis[2], turn, unused)
    multiply(turn, w.world[joint], world)
    multiply(w.world[model.parents[joint]].T.copy(), world, local)
    _log(local, out[3 * joint : 3 * joint + 3])
    return angle


@kernel
def _log(r: ndarray, out: ndarray) -> None:
    """Write the rotation vector of a matrix, through its quaternion (stable near pi)."""
    q = np.empty(4)
    trace = r[0, 0] + r[1, 1] + r[2, 2]
    i = 0
    for c in range(1, 3):
        if r[c, c] > r[i, i]:
            i = c
    if trace > r[i, i]:
        q[0], q[1], q[2], q[3] = 1 + trace, r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q[0] = r[k, j] - r[j, k]
        q[1 + i] = 1 + 2 * r[i, i] - trace
        q[1 + j], q[1 + k] = r[j, i] + r[i, j], r[k, i] + r[i, k]
    q /= np.sqrt((q * q).sum())
    if q[0] < 0:
        q *= -1.0
    sine = np.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    factor = 2.0 if sine < 1e-8 else 2 * np.arctan2(sine, q[0]) / sine
    for c in range(3):
        out[c] = factor * q[1 + c]


@kernel
def _try_starts(
    model: FitModel,
    prior: PriorArrays,
    ev: Evidence,
    wide: Evidence,
    starts: Starts,
    size: float,
    how: Settings,
    w: Workspace,
    pool: Pool,
) -> None:
    count = starts.points.shape[0]
    d = starts.variables.shape[1]
    cost, shift, chosen = np.empty(count), np.empty((count, 3)), np.empty(how.starts, np.int64)
    if ev.point_weight.max() > 0:
        place_points(starts, ev, cost, shift)
    else:
        place(starts, ev, size, cost, shift)
    found = best_yaws(starts, cost, how.starts, chosen)
    xs, costs = np.empty((how.starts, d)), np.full(how.starts, np.inf)
    for i in range(found):
        x = xs[i]
        x[:] = starts.variables[chosen[i]]
        x[d - 4 : d - 1] = shift[chosen[i]]
        for a in range(d):
            if ev.anchor_weight[a] > 0 and (a >= 72 or not ev.free[a]) and not (d - 4 <= a < d - 1):
                x[a] = ev.anchor[a]
        costs[i], spent = minimise(model, prior, wide, x, how.rough_steps, ROUGH, w)
        pool.spent[0] += spent
    for _ in range(min(how.kept, found)):
        i = np.argmin(costs)
        if not np.isfinite(costs[i]):
            break
        cost_i, spent = minimise(model, prior, ev, xs[i], how.steps, how.tolerance, w)
        pool.spent[0] += spent
        _keep(pool, xs[i], cost_i)
        costs[i] = np.inf


@kernel
def _try_flips(model: FitModel, prior: PriorArrays, ev: Evidence, how: Settings, w: Workspace, pool: Pool) -> None:
    """Reflect each limb bone of the best minimum so far; a better one becomes the best at once."""
    d = pool.variables.shape[1]
    x, best = np.empty(d), np.argmin(pool.costs)
    for n in range(FLIPS.shape[0]):
        angle = reflect(model, pool.variables[best], FLIPS[n, 0], FLIPS[n, 1], x, w)
        if angle < MIN_FLIP:
            continue
        cost, spent = minimise(model, prior, ev, x, how.flip_steps, ROUGH, w)
        pool.spent[0] += spent
        if cost < pool.costs[best] + how.margin:
            cost, spent = minimise(model, prior, ev, x, how.steps, how.tolerance, w)
            pool.spent[0] += spent
            _keep(pool, x, cost)
            best = np.argmin(pool.costs)


@kernel
def search(
    model: FitModel, prior: PriorArrays, ev: Evidence, starts: Starts, size: float, how: Settings, first: ndarray
) -> Pool:
    """Return the minima of one person.

    Args:
        size: the person's size in px, for ranking the starts.
        first: (S, D) starts from outside, tried besides the headings; may have no rows.
    """
    w = workspace(model)
    d = starts.variables.shape[1]
    pool = Pool(np.zeros((POOL, d)), np.full(POOL, np.inf), np.zeros(1, np.int64))
    for i in range(first.shape[0]):
        x = first[i].copy()
        cost, spent = minimise(model, prior, ev, x, how.steps, how.tolerance, w)
        pool.spent[0] += spent
        _keep(pool, x, cost)
    if how.starts > 0:
        wide = with_robust(ev, ev.robust * how.wide)
        _try_starts(model, prior, ev, wide, starts, size, how, w, pool)
    if how.flip_steps > 0 and np.isfinite(pool.costs.min()):
        _try_flips(model, prior, ev, how, w, pool)
    return pool


@kernel
def distinct_minima(model: FitModel, pool: Pool, margin: float, different: float, wanted: int, order: ndarray) -> int:
    """Write the numbers of the cheapest minima that are different bodies, cheapest first; return how many.

    Args:
        margin: minima that cost this much more than the best are left out.
        different: m, root mean square over the joints, pelvis on pelvis, that makes two bodies different.
        wanted: stop at this many.
    """
    w = workspace(model)
    joints = np.empty((wanted, 24, 3))
    ranked = np.argsort(pool.costs)
    count = 0
    for i in ranked:
        if not pool.costs[i] <= pool.costs[ranked[0]] + margin or not np.isfinite(pool.costs[i]):
            break
        forward(model, pool.variables[i], w)
        new = True
        for k in range(count):
            square = 0.0
            for j in range(24):
                for c in range(3):
                    e = w.joints[j, c] - w.joints[0, c] - joints[k, j, c]
                    square += e * e
            new = new and square > 24 * different * different
        if new:
            for j in range(24):
                joints[count, j] = w.joints[j] - w.joints[0]
            order[count] = i
            count += 1
            if count == wanted:
                break
    return count


@kernel
def uncertainty(
    model: FitModel, prior: PriorArrays, ev: Evidence, x: ndarray, joints: ndarray, sigma: ndarray
) -> tuple[float, float]:
    """Laplace approximation at a minimum.

    Args:
        joints: (24, 3) is filled with the posed joints, camera frame, m.
        sigma: (24,) is filled with standard deviations (m): entry 0 of the pelvis in the camera frame, the others of
            the joints relative to the pelvis.

    Returns:
        The cost, and half the logarithm of the determinant of the normal matrix (over free variables).
    """
    w = workspace(model)
    d = x.shape[0]
    cost = evaluate(model, prior, ev, x, w)
    factor = w.normal.astype(np.float64)
    for a in range(d):
        factor[a, a] += FLOOR
        if not ev.free[a]:
            factor[a, a:] = 0.0
            factor[:a, a] = 0.0
            factor[a, a] = 1.0
    sound = cholesky(factor)
    volume = 0.0
    for a in range(d):
        volume += np.log(max(factor[a, a], 1e-12))
    y = np.empty(d)
    for j in range(24):
        for c in range(3):
            joints[j, c] = w.joints[j, c] + x[d - 4 + c]
        joint_jacobian(model, j, w)
        variance = 0.0
        for c in range(3):
            for a in range(d):
                y[a] = w.rows[c, a] if ev.free[a] else 0.0
            if j > 0:  # relative to the pelvis: the translation drops out, and so do the pelvis' betas
                y[d - 4 + c] = 0.0
                for b in range(72, d - 4):
                    y[b] -= w.joint_betas[0, c, b - 72] if ev.free[b] else 0.0
            for k in range(d):
                y[k] /= factor[k, k]
                f = y[k]
                variance += f * f
                for b in range(k + 1, d):
                    y[b] -= f * factor[k, b]
        sigma[j] = np.sqrt(variance) if sound else np.inf
    return cost, volume
