"""Normal equations of skin points near a cloud, by sums over the kinematic tree; compiled.

A skin point v = sum_k w_k v_k, where bone k alone would carry it to v_k, moves with a twist (turn o, velocity u) of
bone k by o x w_k v_k + w_k u. What draws it is a 3 x 3 matrix, whose square root gives three lines of ``normal`` for
every bone. Products of two bones of one point are summed a pair of bones, and turned into blocks of the normal
matrix once, when all points are in.

Loops over points stand inside the functions: handing a tuple of arrays to a function costs more than a point does.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.cloud_space import BONES, SLOTS, CloudSpace, Skin
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.model import FitModel
from a3dgen.fit.normal import ERROR, assemble, clear, common_joint, first_lane, flush
from a3dgen.fit.simd import LANES, add_along, add_down, set_along

SINGULAR = 1e-9
"""A direction in which a point is drawn less than this, relative to all directions, has no line."""


@kernel(inside=True)
def add_skin(model: FitModel, skin: Skin, moves: ndarray, count: int, w: Workspace, s: CloudSpace) -> None:
    """Add what draws the skin (``drawn`` and ``pulls``, so many points) to the normal equations, after ``evaluate``.

    Args:
        moves: (D,) bool, variables that may move.
    """
    shape = bool(moves[72])
    clear(w)
    s.cross.fill(np.float32(0.0))
    s.crossed.fill(False)
    if shape:
        _differentiate_bones(model, w, s)
    for begin in range(0, count, SLOTS):
        slots = min(SLOTS, count - begin)
        _carry(skin, begin, slots, w, s)
        _factor(begin, slots, s)
        _put_lines(skin, begin, slots, shape, w, s)
        _add_lines(skin, begin, slots, shape, w, s)
    for p in range(skin.pairs.shape[0]):
        if s.crossed[p]:
            _add_pair(model, skin.pairs[p, 0], skin.pairs[p, 1], s.cross[p], w, s)
    assemble(model, w, moves, shape)


@kernel(inside=True)
def _differentiate_bones(model: FitModel, w: Workspace, s: CloudSpace) -> None:
    """Write how betas move the place to which each bone carries a point that does not move with them at rest."""
    for j in range(24):
        for a in range(3):
            g0, g1, g2 = w.world[j, a, 0], w.world[j, a, 1], w.world[j, a, 2]
            for b in range(model.joint_dirs.shape[2]):
                s.bone_betas[j, a, b] = w.joint_betas[j, a, b] - (
                    g0 * model.joint_dirs[j, 0, b] + g1 * model.joint_dirs[j, 1, b] + g2 * model.joint_dirs[j, 2, b]
                )


@kernel(inside=True)
def _carry(skin: Skin, begin: int, slots: int, w: Workspace, s: CloudSpace) -> None:
    """Write what each bone carries of every skin point, and how the points' rest frames are turned."""
    s.turns.fill(np.float32(0.0))
    for n in range(slots):
        v = s.drawn[begin + n]
        r0, r1, r2 = s.rest[0, 3 * v], s.rest[0, 3 * v + 1], s.rest[0, 3 * v + 2]
        s.bones[n] = 0
        for i in range(BONES):
            share = skin.shares[v, i]
            if share == 0:
                break
            s.bones[n] += 1
            k = skin.bones[v, i]
            o0, o1, o2 = r0 - w.rest[k, 0], r1 - w.rest[k, 1], r2 - w.rest[k, 2]
            for a in range(3):
                g0, g1, g2 = share * w.world[k, a, 0], share * w.world[k, a, 1], share * w.world[k, a, 2]
                s.arms[n, i, a] = g0 * o0 + g1 * o1 + g2 * o2 + share * w.joints[k, a]
                s.turns[n, a, 0] += g0
                s.turns[n, a, 1] += g1
                s.turns[n, a, 2] += g2


@kernel(inside=True)
def _factor(begin: int, slots: int, s: CloudSpace) -> None:
    """Write the square root of what draws every point (Cholesky, zero where it is singular), and the force by it."""
    for n in range(slots):
        pull, root = s.pulls[begin + n], s.roots[n]
        least = SINGULAR * (pull[0, 0] + pull[1, 1] + pull[2, 2])
        for c in range(3):
            pivot, value = pull[c, c], pull[c, 3]
            for k in range(c):
                pivot -= root[c, k] * root[c, k]
                value -= root[c, k] * root[k, 3]
                root[k, c] = 0.0
            scale = 1 / np.sqrt(pivot) if pivot > least else 0.0
            root[c, 3] = value * scale
            root[c, c] = pivot * scale
            for r in range(c + 1, 3):
                rest = pull[r, c]
                for k in range(c):
                    rest -= root[r, k] * root[c, k]
                root[r, c] = rest * scale


@kernel(inside=True)
def _put_lines(skin: Skin, begin: int, slots: int, shape: bool, w: Workspace, s: CloudSpace) -> None:
    """Set three lines for every point, and their twists by each of its bones."""
    blocks, end = skin.dirs.shape[2] // LANES, LANES + w.point_betas.shape[1]
    lines, factors = w.lines, s.factors
    for n in range(slots):
        v = s.drawn[begin + n]
        for c in range(3):
            line = 3 * n + c
            g0, g1, g2, error = s.roots[n, 0, c], s.roots[n, 1, c], s.roots[n, 2, c], s.roots[n, c, 3]
            w.owner[line] = -1
            if shape:
                for a in range(3):
                    factors[0, a] = g0 * s.turns[n, 0, a] + g1 * s.turns[n, 1, a] + g2 * s.turns[n, 2, a]
                set_along(lines, line, LANES, factors, 0, 0, skin.dirs, 3 * v, 0, 3, blocks)
            for i in range(s.bones[n]):
                share, row = skin.shares[v, i], 3 * (BONES * n + i) + c
                h0, h1, h2 = share * g0, share * g1, share * g2
                if shape:
                    factors[1, 0], factors[1, 1], factors[1, 2] = h0, h1, h2
                    add_along(lines, line, LANES, factors, 1, 0, s.bone_betas, 3 * skin.bones[v, i], 0, 3, blocks)
                t0, t1, t2 = s.arms[n, i, 0], s.arms[n, i, 1], s.arms[n, i, 2]
                s.carried[row, 0] = t1 * g2 - t2 * g1
                s.carried[row, 1] = t2 * g0 - t0 * g2
                s.carried[row, 2] = t0 * g1 - t1 * g0
                s.carried[row, 3], s.carried[row, 4], s.carried[row, 5] = h0, h1, h2
                s.carried[row, ERROR] = error
            lines[line, ERROR] = error
            lines[line, end], lines[line, end + 1], lines[line, end + 2] = g0, g1, g2
            lines[line, end + 3] = np.float32(0.0)


@kernel(inside=True)
def _add_lines(skin: Skin, begin: int, slots: int, shape: bool, w: Workspace, s: CloudSpace) -> None:
    """Add the lines to the sums of their bones and of pairs of bones, and to the block after the pose."""
    flush(w, 3 * slots, shape)
    first = first_lane(w.point_betas.shape[1], shape)
    blocks = (w.lines.shape[1] - first) // LANES
    for n in range(slots):
        v = s.drawn[begin + n]
        for i in range(s.bones[n]):
            k, row = skin.bones[v, i], 3 * (BONES * n + i)
            w.touched[k] = True
            for r in range(6):
                add_down(w.sums, 6 * k + r, 0, s.carried, row, r, s.carried, row, 0, 3, 1)
                if blocks == 2:
                    add_down(w.sums, 6 * k + r, first, s.carried, row, r, w.lines, 3 * n, first, 3, 2)
                else:
                    add_down(w.sums, 6 * k + r, first, s.carried, row, r, w.lines, 3 * n, first, 3, blocks)
            for j in range(i + 1, s.bones[n]):
                p, other = skin.pair[v, i, j], 3 * (BONES * n + j)
                s.crossed[p] = True
                for r in range(6):
                    add_down(s.cross, 6 * p + r, 0, s.carried, row, r, s.carried, other, 0, 3, 1)


@kernel(inline=True)
def _add_pair(model: FitModel, one: int, two: int, cross: ndarray, w: Workspace, s: CloudSpace) -> None:
    """Add the products of twists of two bones; joints above both get them through the sums."""
    common = common_joint(model, one, two)
    w.touched[common] = True
    for r in range(6):
        for c in range(6):
            w.sums[common, r, c] += cross[r, c] + cross[c, r]
    i = one
    while i != common:
        for axis in range(3):
            for c in range(6):
                value = 0.0
                for r in range(6):
                    value += w.twists[i, r, axis] * cross[r, c]
                s.turned[axis, c] = value
        _add_blocks(model, i, two, w, s)
        i = model.parents[i]
    i = two
    while i != common:
        for axis in range(3):
            for r in range(6):
                value = 0.0
                for c in range(6):
                    value += w.twists[i, c, axis] * cross[r, c]
                s.turned[axis, r] = value
        _add_blocks(model, i, common, w, s)
        i = model.parents[i]


@kernel(inline=True)
def _add_blocks(model: FitModel, i: int, j: int, w: Workspace, s: CloudSpace) -> None:
    """Add ``turned`` times the twists of joint j and of those above it to the blocks of joint i."""
    while j >= 0:
        for a in range(3):
            for b in range(3):
                value = 0.0
                for c in range(6):
                    value += s.turned[a, c] * w.twists[j, c, b]
                p, q = 3 * i + a, 3 * j + b
                w.normal[min(p, q), max(p, q)] += np.float32(value)
        j = model.parents[j]
