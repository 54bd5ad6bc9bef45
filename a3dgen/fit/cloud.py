"""Point cloud of a person as a residual block of the objective: correspondences, what draws the skin, cost; compiled.

Every point is drawn to the nearest piece of skin that faces its sensor, mostly along the skin's normal and a little
across it; skin that faces the sensor but lies farther from the cloud than the cloud's own spacing is drawn to its
nearest point. Both are Geman-McClure (Black & Rangarajan 1996), so that points of others cost no more than they tell.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.cloud_normal import add_skin
from a3dgen.fit.cloud_skin import find_front, find_hidden, find_missed, match, pose_skin
from a3dgen.fit.cloud_space import CloudBlock, CloudSpace, Skin
from a3dgen.fit.evidence import NEAR_COST, Evidence, PriorArrays
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.lm import FIRST_DAMPING, advance
from a3dgen.fit.model import FitModel
from a3dgen.fit.residuals import evaluate


@kernel
def evaluate_cloud(
    model: FitModel, prior: PriorArrays, ev: Evidence, skin: Skin, block: CloudBlock, x: ndarray, w: Workspace,
    s: CloudSpace,
) -> float:  # fmt: skip
    """As ``residuals.evaluate``, with the cloud. Correspondences are found anew."""
    cost = evaluate(model, prior, ev, x, w)
    pose_skin(model, skin, x, w, s)
    count = find_front(skin, block, s)
    if count == 0:
        return cost + NEAR_COST
    match(skin, block, s)
    if block.culled:
        find_hidden(skin, block, s, count)
    asked = find_missed(skin, block, s)
    for v in range(skin.normals.shape[0]):
        s.first[v] = -1
    for m in range(block.points.shape[0]):  # the points of every skin point, in a chain
        s.next[m], s.first[s.match[m]] = s.first[s.match[m]], m
    c2, share, count = block.robust * block.robust, block.reverse * block.points.shape[0] / max(asked, 1), 0
    for v in range(skin.normals.shape[0]):
        m = s.first[v]
        if s.place[v] < 0 or (m < 0 and s.missed[v] < 0):
            continue
        s.drawn[count] = v
        s.pulls[count].fill(0.0)
        while m >= 0:
            cost += _draw_to_point(block, v, m, c2, s.pulls[count], s)
            m = s.next[m]
        if s.missed[v] >= 0:
            cost += _draw_to_cloud(block, v, s.missed[v], c2, share, s.pulls[count], s)
        count += 1
    add_skin(model, skin, ev.free, count, w, s)
    return cost


@kernel(inline=True)
def _draw_to_point(block: CloudBlock, v: int, m: int, c2: float, pull: ndarray, s: CloudSpace) -> float:
    """Add how a cloud point draws skin point v, along its normal and across it; return the cost."""
    e0 = s.vertices[v, 0] - block.points[m, 0]
    e1 = s.vertices[v, 1] - block.points[m, 1]
    e2 = s.vertices[v, 2] - block.points[m, 2]
    n0, n1, n2 = s.normals[v, 0], s.normals[v, 1], s.normals[v, 2]
    height = n0 * e0 + n1 * e1 + n2 * e2
    r2 = (block.along * height) ** 2
    q2 = block.across * block.across * (e0 * e0 + e1 * e1 + e2 * e2)
    ratio, ratio_across = c2 / (c2 + r2), c2 / (c2 + q2)
    along, across = (block.along * ratio) ** 2, (block.across * ratio_across) ** 2
    n, e = (n0, n1, n2), (e0, e1, e2)
    for a in range(3):
        for b in range(a + 1):
            pull[a, b] += along * n[a] * n[b]
        pull[a, a] += across
        pull[a, 3] += along * height * n[a] + across * e[a]
    return 0.5 * (r2 * ratio + q2 * ratio_across)


@kernel(inline=True)
def _draw_to_cloud(block: CloudBlock, v: int, m: int, c2: float, share: float, pull: ndarray, s: CloudSpace) -> float:
    """Add how the nearest cloud point draws skin point v, which misses the cloud; return the cost."""
    e0 = s.vertices[v, 0] - block.points[m, 0]
    e1 = s.vertices[v, 1] - block.points[m, 1]
    e2 = s.vertices[v, 2] - block.points[m, 2]
    length = np.sqrt(e0 * e0 + e1 * e1 + e2 * e2)
    r = (length - block.spacing) * block.reverse_weight
    ratio = c2 / (c2 + r * r)
    weight, e = share * (ratio * block.reverse_weight / length) ** 2, (e0, e1, e2)
    for a in range(3):
        for b in range(a + 1):
            pull[a, b] += weight * e[a] * e[b]
        pull[a, 3] += weight * (length - block.spacing) * length * e[a]
    return 0.5 * share * r * r * ratio


@kernel
def minimise_cloud(
    model: FitModel, prior: PriorArrays, ev: Evidence, skin: Skin, block: CloudBlock, x: ndarray, steps: int,
    tolerance: float, limit: float, w: Workspace, s: CloudSpace,
) -> tuple[float, int]:  # fmt: skip
    """As ``lm.minimise``, with the cloud: improve x in place; return its cost and the number of evaluations."""
    free = np.flatnonzero(ev.free)
    for i in range(x.shape[0]):
        w.trial[i] = x[i]
    cost, damping, count, done = np.inf, FIRST_DAMPING, np.int64(0), False
    while not done:
        new = evaluate_cloud(model, prior, ev, skin, block, w.trial, w, s)
        cost, damping, done = advance(count, steps, new, cost, damping, free, x, tolerance, limit, w)
        count += 1
    return cost, int(count)
