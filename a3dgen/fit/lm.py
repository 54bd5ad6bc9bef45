"""Levenberg-Marquardt for one person, compiled: own damping, own convergence, nothing shared with the next person."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.evidence import Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.model import FitModel
from a3dgen.fit.residuals import evaluate
from a3dgen.fit.simd import LANES, add_scaled, dot, subtract_down

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

    ``a`` is f4 and has at least 8 more columns than n, which are zero in these rows. A few rows at a time, so that
    the inner loop updates a row once for all of them.
    """
    whole = n - n % PANEL
    for k in range(0, n, PANEL):
        for p in range(k, min(k + PANEL, n)):
            for q in range(k, p):
                add_scaled(a, p, p, -a[q, p], a, q, p, (n - p + LANES - 1) // LANES)
            if not a[p, p] > np.float32(1e-12):
                return False
            inverse = np.float32(1.0) / np.sqrt(a[p, p])
            row = a[p]
            for b in range(p, n):
                row[b] *= inverse
        if k < whole:
            for i in range(k + PANEL, n):
                subtract_down(a, i, i, a, k, i, a, k, i, 4, (n - i + LANES - 1) // LANES)
    return True


@kernel
def solve_factored(u: ndarray, rhs: ndarray, n: int) -> None:
    """Solve U'U y = rhs in place, rhs (1, >= n + 8) f4 with zeros after n."""
    for k in range(n):
        rhs[0, k] /= u[k, k]
        add_scaled(rhs, 0, k + 1, -rhs[0, k], u, k, k + 1, (n - k + LANES - 2) // LANES)
    for k in range(n - 1, -1, -1):
        rest = dot(u, k, k + 1, rhs, 0, k + 1, (n - k + LANES - 2) // LANES)
        rhs[0, k] = (rhs[0, k] - rest) / u[k, k]


@kernel(inside=True)
def damped(normal: ndarray, gradient: ndarray, free: ndarray, damping: float, factor: ndarray, step: ndarray) -> bool:
    """Factor the damped normal equations of the free variables (their numbers) and write their step (1, n)."""
    n = free.shape[0]
    for i in range(n):
        row, target = normal[free[i]], factor[i]
        for j in range(i, n):
            target[j] = row[np.uintp(free[j])]
        for j in range(n, n + LANES):
            target[j] = np.float32(0.0)
        target[i] += np.float32(damping) * target[i] + FLOOR
        step[0, i] = -gradient[free[i]]
    for j in range(n, n + LANES):
        step[0, j] = np.float32(0.0)
    if not cholesky(factor, n):
        return False
    solve_factored(factor, step, n)
    return True


@kernel(inside=True)
def advance(
    iteration: int, steps: int, new: float, cost: float, damping: float, free: ndarray, x: ndarray, tolerance: float,
    limit: float, w: Workspace,
) -> tuple[float, float, bool]:  # fmt: skip
    """Take the trial into x if it is cheaper, and propose the next one; ``minimise`` says what the arguments are.

    Args:
        iteration: trials before this one. new: cost of the trial, whose normal equations stand in the workspace.

    Returns:
        Cost of x, damping, and whether to stop.
    """
    d, n = x.shape[0], free.shape[0]
    normal, gradient, trial = w.kept, w.slope, w.trial
    if new < cost:
        gain = (cost - new) / (cost + 1e-9) if iteration > 0 else 1.0
        cost = new
        for i in range(d):
            x[i], gradient[i] = trial[i], w.gradient[i]
            for j in range(i, d):
                normal[i, j] = w.normal[i, j]
        damping = max(damping * EASE, LEAST_DAMPING) if iteration > 0 else damping
        if iteration > SETTLE and gain < tolerance:
            return cost, damping, True
    else:
        damping *= TIGHTEN
    if iteration == steps or not np.isfinite(cost):
        return cost, damping, True
    while not damped(normal, gradient, free, damping, w.factor, w.step) and damping <= MOST_DAMPING:
        damping *= TIGHTEN
    if damping > MOST_DAMPING:
        return cost, damping, True
    promise = 0.0
    for i in range(n):
        trial[free[i]] = x[free[i]] + w.step[0, i]
        promise -= 0.5 * gradient[free[i]] * w.step[0, i]
    return cost, damping, iteration > 0 and cost - 2 * promise > limit


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
    for i in range(x.shape[0]):
        w.trial[i] = x[i]
    cost, damping, count, done = np.inf, FIRST_DAMPING, np.int64(0), False
    while not done:
        new = evaluate(model, prior, ev, w.trial, w)
        cost, damping, done = advance(count, steps, new, cost, damping, free, x, tolerance, limit, w)
        count += 1
    return cost, int(count)
