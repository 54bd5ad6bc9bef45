"""The pose prior, compiled: a mixture of Gaussians of which the cheapest counts, and soft joint limits."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.fit.evidence import Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace, forward
from a3dgen.fit.model import FitModel


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
def pose_prior(prior: PriorArrays, ev: Evidence, x: ndarray, w: Workspace) -> float:
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
    return pose_prior(prior, ev, x, w)
