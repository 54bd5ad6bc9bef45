"""Normal equations of one person by sums over the kinematic tree, compiled.

A residual that depends on a point moves with every joint above the point. Instead of its whole row of the Jacobian,
only its row by the six numbers of a common twist is formed (``lines``); their products are summed over everything
that a joint carries, from the leaves to the root, and turned into blocks of the normal matrix with the twists of the
joint and of those above it: the composite-rigid-body algorithm (Featherstone, Rigid Body Dynamics Algorithms, 2008,
section 6.2) with residuals in place of masses.

Lanes of ``lines`` (ROOM, L) and of ``sums`` (24, 6, L), whose second index is the first six lanes over again: 0-5 by
the twist, 6 the residual, 8 and following by the variables after the pose: betas, translation, log focal scale.
Lines are collected first and multiplied later: a vector should not be read right after its numbers were written.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.model import FitModel
from a3dgen.fit.simd import LANES, add_down, add_scaled, set_along

ERROR = 6
_POSE = 72
_SHIFT = _POSE - LANES
"""From the lane of a variable after the pose to its column in the normal matrix."""
_ONE, _TWO, _THREE = np.uintp(1), np.uintp(2), np.uintp(3)


@kernel(inline=True)
def first_lane(betas: int, free: bool) -> int:
    """Return the lane from which on variables after the pose are wanted: all, or those after held betas."""
    return LANES if free else LANES * ((LANES + betas) // LANES)


@kernel(inline=True)
def clear(w: Workspace) -> None:
    """Start new sums."""
    for j in range(24):
        w.touched[j] = False
    w.sums.fill(np.float32(0.0))
    w.lines.fill(np.float32(0.0))


@kernel(inline=True)
def put_line(
    w: Workspace, n: int, joint: int, g0: float, g1: float, g2: float, focal: float, error: float, free: bool
) -> None:
    """Set line n: a residual whose derivative by the point in hand is g; by the focal scale it is ``focal``.

    Args:
        joint: what carries the point, or -1 if several joints do.
        free: betas may move; ``point_betas`` is that of the point.
    """
    line = w.lines[np.uintp(n)]
    w.owner[np.uintp(n)] = joint
    nb = w.point_betas.shape[1]
    line[ERROR] = error
    for b in range(nb if free else 0):
        line[LANES + b] = g0 * w.point_betas[0, b] + g1 * w.point_betas[1, b] + g2 * w.point_betas[2, b]
    tail = np.uintp(LANES + nb)
    line[tail], line[tail + _ONE], line[tail + _TWO], line[tail + _THREE] = g0, g1, g2, focal


@kernel(inline=True)
def put_twist(line: ndarray, term: ndarray, share: float, betas: int) -> None:
    """Fill the first six lanes of a line for the term (m) and the share that a joint has in its point."""
    tail = np.uintp(LANES + betas)
    g0, g1, g2 = line[tail], line[tail + _ONE], line[tail + _TWO]
    t0, t1, t2 = term[0], term[1], term[2]
    line[0], line[1], line[2] = t1 * g2 - t2 * g1, t2 * g0 - t0 * g2, t0 * g1 - t1 * g0
    line[3], line[4], line[5] = share * g0, share * g1, share * g2


@kernel(inside=True)
def add_sums(lines: ndarray, sums: ndarray, j: int, begin: int, count: int, first: int) -> None:
    """Add the products of lines to the sums of joint j."""
    blocks = (lines.shape[1] - first) // LANES
    for r in range(6 * j, 6 * j + 6):
        a = r - 6 * j
        add_down(sums, r, 0, lines, begin, a, lines, begin, 0, count, 1)
        if blocks == 1:
            add_down(sums, r, first, lines, begin, a, lines, begin, first, count, 1)
        elif blocks == 2:
            add_down(sums, r, first, lines, begin, a, lines, begin, first, count, 2)
        else:
            add_down(sums, r, first, lines, begin, a, lines, begin, first, count, blocks)


@kernel(inside=True)
def add_blend(model: FitModel, w: Workspace, row: int, begin: int, end: int, free: bool) -> None:
    """Add the lines of a keypoint that several joints carry: those of each pair, and their mixed products."""
    nb = w.point_betas.shape[1]
    start, stop = model.start[row], model.start[row + 1]
    for n in range(start, stop):
        for line in range(begin, end):
            put_twist(w.lines[line], w.terms[n], model.weight[n], nb)
        w.touched[model.joint[n]] = True
        add_sums(w.lines, w.sums, model.joint[n], begin, end - begin, first_lane(nb, free))
        for m in range(start, n):
            for line in range(begin, end):
                _cross(model, w, m, n, w.lines[line])


@kernel(inline=True)
def _along(w: Workspace, j: int, axis: int, share: ndarray) -> float:
    """Derivative of a line by a variable of joint j, which moves this share of it."""
    value = 0.0
    for r in range(6):
        value += w.twists[j, r, axis] * share[r]
    return value


@kernel(inline=True)
def common_joint(model: FitModel, a: int, b: int) -> int:
    """Return the lowest joint that is above both joints, or one of them."""
    while a != b:  # a parent's number is less than its child's
        if a > b:
            a = model.parents[a]
        else:
            b = model.parents[b]
    return a


@kernel(inside=True)
def _cross(model: FitModel, w: Workspace, m: int, n: int, line: ndarray) -> None:
    """Add the products of two pairs of one keypoint; joints above both get them through the sums."""
    nb = w.point_betas.shape[1]
    one, two = np.empty_like(line), np.empty_like(line)
    for c in range(line.shape[0]):
        one[c], two[c] = line[c], line[c]
    put_twist(one, w.terms[m], model.weight[m], nb)
    put_twist(two, w.terms[n], model.weight[n], nb)
    common = common_joint(model, model.joint[m], model.joint[n])
    for r in range(6):
        for c in range(6):
            w.sums[common, r, c] += one[r] * two[c] + two[r] * one[c]
    i = model.joint[m]
    while i != common:
        j = model.joint[n]
        while j >= 0:
            _cross_block(w, i, j, one, two)
            j = model.parents[j]
        i = model.parents[i]
    i = model.joint[n]
    while i != common:
        j = common
        while j >= 0:
            _cross_block(w, i, j, two, one)
            j = model.parents[j]
        i = model.parents[i]


@kernel(inline=True)
def _cross_block(w: Workspace, i: int, j: int, one: ndarray, two: ndarray) -> None:
    for a in range(3):
        left = _along(w, i, a, one)
        for b in range(3):
            p, q = 3 * i + a, 3 * j + b
            w.normal[min(p, q), max(p, q)] += left * _along(w, j, b, two)


@kernel(inside=True)
def flush(w: Workspace, used: int, free: bool) -> None:
    """Add the collected lines to the sums of their joints and to the block of the variables after the pose."""
    nb, lanes = w.point_betas.shape[1], w.lines.shape[1]
    first = first_lane(nb, free)
    for a in range(LANES if free else LANES + nb, LANES + nb + 4):
        start = LANES * (a // LANES)
        if lanes - start == LANES:
            add_down(w.normal, _SHIFT + a, _SHIFT + start, w.lines, 0, a, w.lines, 0, start, used, 1)
        elif lanes - start == 2 * LANES:
            add_down(w.normal, _SHIFT + a, _SHIFT + start, w.lines, 0, a, w.lines, 0, start, used, 2)
        else:
            blocks = (lanes - start) // LANES
            add_down(w.normal, _SHIFT + a, _SHIFT + start, w.lines, 0, a, w.lines, 0, start, used, blocks)
        pull = np.float32(0.0)
        for n in range(used):
            pull += w.lines[n, a] * w.lines[n, ERROR]
        w.gradient[_SHIFT + a] += pull
    begin = np.int64(0)
    while begin < used:
        j = w.owner[begin]
        end = begin + 1
        while end < used and w.owner[end] == j:
            end += 1
        if j >= 0:
            w.touched[j] = True
            add_sums(w.lines, w.sums, j, begin, end - begin, first)
        begin = end


@kernel(inside=True)
def assemble(model: FitModel, w: Workspace, moves: ndarray, free: bool) -> None:
    """Add the sums to the rows of the pose in the normal matrix and the gradient.

    Args:
        moves: (D,) bool; joints of which no variable may move are left out.
    """
    first = first_lane(w.point_betas.shape[1], free)
    blocks = (w.lines.shape[1] - first) // LANES
    for j in range(23, -1, -1):
        if not w.touched[j]:
            continue
        parent = model.parents[j]
        if parent >= 0:
            w.touched[parent] = True
            for r in range(6):
                add_scaled(w.sums, 6 * parent + r, 0, 1.0, w.sums, 6 * j + r, 0, 1)
                add_scaled(w.sums, 6 * parent + r, first, 1.0, w.sums, 6 * j + r, first, blocks)
        if not (moves[3 * j] or moves[3 * j + 1] or moves[3 * j + 2]):
            continue
        for r in range(6):
            set_along(w.force, r, 0, w.sums, 6 * j + r, 0, w.twists, 6 * j, 0, 6, 1)
        for a in range(3):
            add_down(w.normal, 3 * j + a, _SHIFT + first, w.twists, 6 * j, a, w.sums, 6 * j, first, 6, blocks)
            for r in range(6):
                w.gradient[3 * j + a] += w.twists[j, r, a] * w.sums[j, r, ERROR]
        i = j
        while i >= 0:
            for a in range(3):
                add_down(w.normal, 3 * i + a, 3 * j, w.twists, 6 * i, a, w.force, 0, 0, 6, 1)
            i = model.parents[i]
