"""Levenberg-Marquardt for one person, compiled: own damping, own convergence, nothing shared with the next person."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.fit.evidence import Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.model import FitModel
from a3dgen.fit.residuals import evaluate

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-7, 1e6
EASE, TIGHTEN = 0.25, 6.0
"""Factors of the damping after a step that was taken, and after one that was not."""
FLOOR = np.float32(1e-6)
PANEL = 4
"""Rows of the Cholesky factor made at a time."""
SETTLE = 1
"""Iterations before convergence may be declared."""


@kernel
def cholesky(a: ndarray, n: int) -> bool:
    """Factor the upper triangle of ``a[:n, :n]`` in place into U with U'U = a; False if not positive definite.

    Four rows at a time, so that the inner loop updates a row once for every four.
    """
    whole = n - n % PANEL
    for k in range(0, n, PANEL):
        size = PANEL if k < whole else n - whole
        for p in range(k, k + size):
            row = a[p]
            for q in range(k, p):
                above = a[q]
                f = above[p]
                for b in range(p, n):
                    row[b] -= f * above[b]
            if not row[p] > np.float32(1e-12):
                return False
            inverse = np.float32(1.0) / np.sqrt(row[p])
            for b in range(p, n):
                row[b] *= inverse
        if size < PANEL:
            break
        r0, r1, r2, r3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        for i in range(k + PANEL, n):
            target = a[i]
            f0, f1, f2, f3 = r0[i], r1[i], r2[i], r3[i]
            for b in range(i, n):
                target[b] -= f0 * r0[b] + f1 * r1[b] + f2 * r2[b] + f3 * r3[b]
    return True


@kernel
def solve_factored(u: ndarray, rhs: ndarray, n: int) -> None:
    """Solve U'U y = rhs in place, for the leading n rows."""
    for k in range(n):
        rhs[k] /= u[k, k]
        f = rhs[k]
        row = u[k]
        for b in range(k + 1, n):
            rhs[b] -= f * row[b]
    for k in range(n - 1, -1, -1):
        row = u[k]
        value = rhs[k]
        for b in range(k + 1, n):
            value -= row[b] * rhs[b]
        rhs[k] = value / row[k]


@kernel
def damped(normal: ndarray, gradient: ndarray, free: ndarray, damping: float, factor: ndarray, step: ndarray) -> bool:
    """Factor the damped normal equations of the free variables (their numbers) and write their step."""
    n = free.shape[0]
    for i in range(n):
        row, target = normal[free[i]], factor[i]
        for j in range(i, n):
            target[j] = row[free[j]]
        target[i] += np.float32(damping) * target[i] + FLOOR
        step[i] = -gradient[free[i]]
    if not cholesky(factor, n):
        return False
    solve_factored(factor, step, n)
    return True


@kernel
def minimise(
    model: FitModel,
    prior: PriorArrays,
    ev: Evidence,
    free: ndarray,
    x: ndarray,
    steps: int,
    tolerance: float,
    limit: float,
    w: Workspace,
) -> tuple[float, int]:
    """Improve x in place; return its cost and the number of evaluations.

    Args:
        free: numbers of the variables that may move, as in ``ev.free``.
        steps: at most this many trial steps.
        tolerance: relative gain of a step below which the person counts as converged.
        limit: give up when even twice the gain that the next step promises would not come below this cost.
    """
    d, n = x.shape[0], free.shape[0]
    factor, step = np.zeros((n, n), np.float32), np.zeros(n, np.float32)
    normal, gradient, trial = np.empty((d, d), np.float32), np.empty(d), x.copy()
    cost, damping, count = np.inf, FIRST_DAMPING, 0
    for iteration in range(steps + 1):
        new = evaluate(model, prior, ev, trial, w)
        count += 1
        if new < cost:
            gain = (cost - new) / (cost + 1e-9) if iteration > 0 else 1.0
            x[:] = trial
            cost = new
            normal[:, :] = w.normal
            gradient[:] = w.gradient
            damping = max(damping * EASE, LEAST_DAMPING) if iteration > 0 else damping
            if iteration > SETTLE and gain < tolerance:
                break
        else:
            damping *= TIGHTEN
        if iteration == steps or not np.isfinite(cost):
            break
        while not damped(normal, gradient, free, damping, factor, step) and damping <= MOST_DAMPING:
            damping *= TIGHTEN
        if damping > MOST_DAMPING:
            break
        promise = 0.0
        for i in range(n):
            trial[free[i]] = x[free[i]] + step[i]
            promise -= 0.5 * gradient[free[i]] * step[i]
        if iteration > 0 and cost - 2 * promise > limit:
            break
    return cost, count
