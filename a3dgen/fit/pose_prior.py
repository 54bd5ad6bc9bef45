"""The pose prior, compiled: a mixture of Gaussians of which the cheapest counts, and soft joint limits."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.evidence import Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace, forward
from a3dgen.fit.model import FitModel
from a3dgen.fit.simd import LANES, add_scaled, dot, set_along

BLOCKS = 3
PART = BLOCKS * LANES
"""Variables whose energy is found at a time."""


@kernel(inline=True)
def _gravity(ev: Evidence, w: Workspace) -> None:
    """Gravity in the pelvis frame into the first of ``feature``, its derivative by the root into ``turn``."""
    d = ev.down
    for a in range(3):
        r0, r1, r2 = w.local[0, 0, a], w.local[0, 1, a], w.local[0, 2, a]
        w.feature[0, a] = r0 * d[0] + r1 * d[1] + r2 * d[2]
        # R' [d]x: the row r of R' times the skew matrix of d
        s0 = r1 * d[2] - r2 * d[1]
        s1 = r2 * d[0] - r0 * d[2]
        s2 = r0 * d[1] - r1 * d[0]
        for b in range(3):
            w.turn[a, b] = s0 * w.left[0, 0, b] + s1 * w.left[0, 1, b] + s2 * w.left[0, 2, b]


@kernel(inline=True)
def _energy(prior: PriorArrays, k: int, w: Workspace, limit: float) -> float:
    """Energy of one component, or something above ``limit`` as soon as it is known to exceed it.

    Whitened block by block: entry a of ``white`` depends on the entries up to a of the deviation only.
    """
    energy = prior.energies[k]
    for a in range(0, 72, PART):
        if energy > limit:
            break
        for b in range(a, a + PART):
            w.delta[0, b] = w.feature[0, b] - prior.means[k, b]
        set_along(w.white, 0, a, w.delta, 0, 0, prior.whiten, 72 * k, a, a + PART, BLOCKS)
        energy += np.float32(0.5) * dot(w.white, 0, a, w.white, 0, a, BLOCKS)
    return energy


@kernel(inline=True)
def _cheapest(prior: PriorArrays, w: Workspace) -> tuple[float, int]:
    """Energy and index of the cheapest component; its precision times the deviation is left in ``pull``."""
    chosen = w.component[0]  # that of the last call, most likely
    best = _energy(prior, chosen, w, np.float32(3e38))
    for k in range(prior.means.shape[0]):
        if k != w.component[0]:
            energy = _energy(prior, k, w, best)
            if energy < best:
                best, chosen = energy, k
    w.component[0] = chosen
    for b in range(72):
        w.delta[0, b] = w.feature[0, b] - prior.means[chosen, b]
    set_along(w.pull, 0, 0, w.delta, 0, 0, prior.precisions, 72 * chosen, 0, 72, 9)
    return best, chosen


@kernel(inside=True)
def pose_prior(prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
    """Return the cost of the pose prior and of the joint limits, and add them to the normal equations."""
    _gravity(ev, w)
    for a in range(3, 72):
        w.feature[0, a] = x[a]
    energy, k = _cheapest(prior, w)
    s = np.float32(ev.prior_weight)
    for a in range(3, 72):
        add_scaled(w.normal, a, 0, s, prior.precisions, 72 * k + a, 0, 9)
        w.gradient[a] += s * w.pull[0, a]
    p = prior.precisions[k]
    for a in range(3):  # chain rule through the direction of gravity
        for c in range(3):
            t = s * np.float32(w.turn[c, a])
            w.gradient[a] += t * w.pull[0, c]
            add_scaled(w.normal, a, 3, t, prior.precisions, 72 * k + c, 3, 8)
            for b in range(67, 72):
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
    return pose_prior(prior, ev, x, w)
