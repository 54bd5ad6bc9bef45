"""Posed skin points beside a cloud: which of them a sensor can see, and nearest neighbours; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.kinematics import ROOM, Workspace
from a3dgen.fit.model import FitModel
from a3dgen.fit.simd import LANES, set_along

BONES = 4
"""Bones that carry a skin point."""
FACING = -0.1
"""Skin faces the sensor if the cosine between its normal and the ray from the sensor is below this."""
SLOTS = ROOM // 3
"""Skin points whose lines are collected at a time, three for each."""
UNTOUCHED = 1e30
CELL, CELLS = 0.05, 64
"""Squares (m, at the cloud's range) of the map that tells which skin is hidden, and how many there are each way."""
BEHIND = 0.1
"""Skin this far (m) behind other skin is hidden."""


class Skin(NamedTuple):
    """Points spread evenly over the skin of a body.

    Attributes:
        shapes: (1 + B, >= 3 V) f4, m: rest pose at betas = 0 and its shape directions, in whole blocks of lanes.
        dirs: (V, 3, L) f4, m, the shape directions of every point, then zeros. normals: (V, 3) unit, rest pose.
        bones: (V, BONES) joints that carry each point. shares: (V, BONES), falling, rows sum to 1.
        patches: (P + 1,) points patches[p]:patches[p + 1] lie together.
        sparse: (V,) bool, fewer of them, as evenly spread.
        pairs: (P, 2) bones that carry points together. pair: (V, BONES, BONES) number of a point's pair of bones.
    """

    shapes: ndarray
    dirs: ndarray
    normals: ndarray
    bones: ndarray
    shares: ndarray
    patches: ndarray
    sparse: ndarray
    pairs: ndarray
    pair: ndarray


class CloudBlock(NamedTuple):
    """The cloud of one person as the compiled objective reads it.

    Attributes:
        points: (M, 3) m, camera frame. origin: (3,) m of the sensor. culled: only skin that faces it may be seen.
        exists: (V,) bool: skin the person has.
        axes: (3, 3) rows: across, down and along the view of the sensor at the cloud. far: m, the cloud's range.
        along, across: 1 / sigma (1 / m) of a point along the skin's normal and in any direction.
        spacing: m, between neighbouring points. reverse: weight of skin that misses the cloud, reverse_weight its
            1 / sigma (1 / m). robust: Geman-McClure scale, in sigmas.
    """

    points: ndarray
    origin: ndarray
    culled: bool
    exists: ndarray
    axes: ndarray
    far: float
    along: float
    across: float
    spacing: float
    reverse: float
    reverse_weight: float
    robust: float


class CloudSpace(NamedTuple):
    """Scratch arrays.

    rest: (1, >= 3 V) f4, m, shaped skin; shape: (1, 1 + B) f4: 1 and betas. vertices, normals: (V, 3) m, posed skin.
    shifts: (24, 3) m.
    front: (V,) skin that may be seen, place: (V,) where it stands there or -1, hidden: (V,) bool behind other skin.
    depth: (CELLS, CELLS) m. begin: (P + 1,) of the patches in ``front``, balls: (P, 4) m centre and radius.
    match, distance2: (M,) nearest skin of each point; first (V,), next (M,): the points of a skin point, chained;
    nearest: (V,) the cloud point found near each skin point the last time.
    missed: (V,) for skin that misses the cloud its nearest point, else -1.
    drawn: (V,) skin that is drawn anywhere; pulls: (V, 3, 4) the lower triangle of the matrix of each, and the force.
    Of SLOTS such points: bones (S,) how many each has, arms (S, BONES, 3) m what those carry of it, turns (S, 3, 3),
    roots (S, 3, 4) the matrices' square roots and the force by them, carried (S * BONES * 3, 8) f4 their lines.
    bone_betas: (24, 3, L) f4, m. factors: (2, 3) f4. cross: (P, 6, 8) f4, crossed: (P,): sums of pairs of bones.
    turned: (3, 6).
    """

    rest: ndarray
    shape: ndarray
    vertices: ndarray
    normals: ndarray
    shifts: ndarray
    front: ndarray
    place: ndarray
    hidden: ndarray
    depth: ndarray
    begin: ndarray
    balls: ndarray
    match: ndarray
    distance2: ndarray
    first: ndarray
    next: ndarray
    nearest: ndarray
    missed: ndarray
    drawn: ndarray
    pulls: ndarray
    bones: ndarray
    arms: ndarray
    turns: ndarray
    roots: ndarray
    carried: ndarray
    bone_betas: ndarray
    factors: ndarray
    cross: ndarray
    crossed: ndarray
    turned: ndarray


def cloud_space(skin: Skin, points: int) -> CloudSpace:
    """Allocate the scratch arrays for a skin and a number of points."""
    v, patches, pairs = len(skin.normals), len(skin.patches), len(skin.pairs)
    single = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    whole = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
    return CloudSpace(
        rest=single(1, skin.shapes.shape[1]), shape=single(1, len(skin.shapes)),
        vertices=np.zeros((v, 3)), normals=np.zeros((v, 3)), shifts=np.zeros((24, 3)),
        front=whole(v), place=whole(v), hidden=np.zeros(v, np.bool_), depth=np.zeros((CELLS, CELLS)),
        begin=whole(patches), balls=np.zeros((patches, 4)), match=whole(points),
        distance2=np.zeros(points), first=whole(v), next=whole(points), nearest=whole(v),
        missed=whole(v), drawn=whole(v), pulls=np.zeros((v, 3, 4)), bones=whole(SLOTS),
        arms=np.zeros((SLOTS, BONES, 3)), turns=np.zeros((SLOTS, 3, 3)), roots=np.zeros((SLOTS, 3, 4)),
        carried=single(SLOTS * BONES * 3, LANES), bone_betas=single(24, 3, skin.dirs.shape[2]), factors=single(2, 3),
        cross=single(pairs, 6, LANES), crossed=np.zeros(pairs, np.bool_),
        turned=np.zeros((3, 6)),
    )  # fmt: skip


@kernel
def pose_skin(model: FitModel, skin: Skin, x: ndarray, w: Workspace, s: CloudSpace) -> None:
    """Write vertices and unit normals in the camera frame, after ``forward``."""
    d = x.shape[0]
    for k in range(24):
        for a in range(3):
            g, q = w.world[k, a], w.rest[k]
            s.shifts[k, a] = w.joints[k, a] + x[d - 4 + a] - (g[0] * q[0] + g[1] * q[1] + g[2] * q[2])
    s.shape[0, 0] = np.float32(1.0)
    for b in range(1, skin.shapes.shape[0]):
        s.shape[0, b] = x[71 + b]
    set_along(s.rest, 0, 0, s.shape, 0, 0, skin.shapes, 0, 0, skin.shapes.shape[0], skin.shapes.shape[1] // LANES)
    rest, shares, world = s.rest[0], skin.shares, w.world
    for v in range(skin.normals.shape[0]):
        k, share = skin.bones[v, 0], shares[v, 0]
        r0, r1, r2 = rest[3 * v], rest[3 * v + 1], rest[3 * v + 2]
        n0, n1, n2 = skin.normals[v, 0], skin.normals[v, 1], skin.normals[v, 2]
        length = 0.0
        for a in range(3):
            g0, g1, g2, place = share * world[k, a, 0], share * world[k, a, 1], share * world[k, a, 2], s.shifts[k, a]
            place *= share
            for i in range(1, BONES):
                other = shares[v, i]
                if other == 0:
                    break
                j = skin.bones[v, i]
                g0 += other * world[j, a, 0]
                g1 += other * world[j, a, 1]
                g2 += other * world[j, a, 2]
                place += other * s.shifts[j, a]
            s.vertices[v, a] = place + g0 * r0 + g1 * r1 + g2 * r2
            normal = g0 * n0 + g1 * n1 + g2 * n2
            s.normals[v, a] = normal
            length += normal * normal
        length = 1 / np.sqrt(max(length, 1e-20))
        for a in range(3):
            s.normals[v, a] *= length


@kernel
def find_front(skin: Skin, block: CloudBlock, s: CloudSpace) -> int:
    """List the skin that exists and may be seen, patch by patch with a ball around each; return how much there is."""
    count = 0
    for p in range(skin.patches.shape[0] - 1):
        s.begin[p] = count
        c0, c1, c2 = 0.0, 0.0, 0.0
        for v in range(skin.patches[p], skin.patches[p + 1]):
            s.place[v] = -1
            if not block.exists[v]:
                continue
            if block.culled:
                e0 = s.vertices[v, 0] - block.origin[0]
                e1 = s.vertices[v, 1] - block.origin[1]
                e2 = s.vertices[v, 2] - block.origin[2]
                facing = s.normals[v, 0] * e0 + s.normals[v, 1] * e1 + s.normals[v, 2] * e2
                if not facing < FACING * np.sqrt(e0 * e0 + e1 * e1 + e2 * e2):
                    continue
            s.front[count] = v
            s.place[v] = count
            c0 += s.vertices[v, 0]
            c1 += s.vertices[v, 1]
            c2 += s.vertices[v, 2]
            count += 1
        number = count - s.begin[p]
        if number > 0:
            c0, c1, c2 = c0 / number, c1 / number, c2 / number
        widest = 0.0
        for f in range(s.begin[p], count):
            v = s.front[f]
            e0, e1, e2 = s.vertices[v, 0] - c0, s.vertices[v, 1] - c1, s.vertices[v, 2] - c2
            widest = max(widest, e0 * e0 + e1 * e1 + e2 * e2)
        s.balls[p, 0], s.balls[p, 1], s.balls[p, 2], s.balls[p, 3] = c0, c1, c2, np.sqrt(widest)
    s.begin[skin.patches.shape[0] - 1] = count
    return count


@kernel
def find_hidden(skin: Skin, block: CloudBlock, s: CloudSpace, count: int) -> None:
    """Mark the listed skin that other skin hides from the sensor, by a depth map of CELLS x CELLS squares."""
    s.depth.fill(UNTOUCHED)
    for step in range(2):
        for f in range(count):
            v = s.front[f]
            e0 = s.vertices[v, 0] - block.origin[0]
            e1 = s.vertices[v, 1] - block.origin[1]
            e2 = s.vertices[v, 2] - block.origin[2]
            along = block.axes[2, 0] * e0 + block.axes[2, 1] * e1 + block.axes[2, 2] * e2
            scale = block.far / (max(along, 0.1) * CELL)
            column = int((block.axes[0, 0] * e0 + block.axes[0, 1] * e1 + block.axes[0, 2] * e2) * scale + CELLS / 2)
            row = int((block.axes[1, 0] * e0 + block.axes[1, 1] * e1 + block.axes[1, 2] * e2) * scale + CELLS / 2)
            inside = 0 <= row < CELLS and 0 <= column < CELLS
            if step == 0 and inside:
                s.depth[row, column] = min(s.depth[row, column], along)
            elif step == 1:
                s.hidden[v] = inside and s.depth[row, column] < along - BEHIND


@kernel
def match(skin: Skin, block: CloudBlock, s: CloudSpace) -> None:
    """Write the nearest listed skin to every point of the cloud, after ``find_front`` found some.

    The nearest skin of the last time bounds the search; patches whose ball lies farther away are left out.
    """
    patches = skin.patches.shape[0] - 1
    for m in range(block.points.shape[0]):
        p0, p1, p2 = block.points[m, 0], block.points[m, 1], block.points[m, 2]
        best = s.match[m]
        if s.place[best] < 0:
            best = s.front[0]
        e0, e1, e2 = s.vertices[best, 0] - p0, s.vertices[best, 1] - p1, s.vertices[best, 2] - p2
        least = e0 * e0 + e1 * e1 + e2 * e2
        reach = np.sqrt(least)
        for p in range(patches):
            if s.begin[p] == s.begin[p + 1]:
                continue
            e0, e1, e2 = s.balls[p, 0] - p0, s.balls[p, 1] - p1, s.balls[p, 2] - p2
            limit = reach + s.balls[p, 3]
            if e0 * e0 + e1 * e1 + e2 * e2 > limit * limit:
                continue
            for f in range(s.begin[p], s.begin[p + 1]):
                v = s.front[f]
                e0, e1, e2 = s.vertices[v, 0] - p0, s.vertices[v, 1] - p1, s.vertices[v, 2] - p2
                square = e0 * e0 + e1 * e1 + e2 * e2
                if square < least:
                    least, best = square, v
            reach = np.sqrt(least)
        s.match[m], s.distance2[m] = best, least


@kernel
def find_missed(skin: Skin, block: CloudBlock, s: CloudSpace) -> int:
    """Mark the sparse skin that should have been seen and lies farther from the cloud than the cloud's spacing, with
    the nearest point; return how much skin was asked. The nearest point of the last time is asked first."""
    near, asked = block.spacing * block.spacing, 0
    for v in range(skin.normals.shape[0]):
        s.missed[v] = -1
        if not skin.sparse[v] or s.place[v] < 0 or s.hidden[v]:
            continue
        asked += 1
        p0, p1, p2 = s.vertices[v, 0], s.vertices[v, 1], s.vertices[v, 2]
        least, best = UNTOUCHED, 0
        for n in range(-1, block.points.shape[0]):
            m = s.nearest[v] if n < 0 else n
            e0, e1, e2 = block.points[m, 0] - p0, block.points[m, 1] - p1, block.points[m, 2] - p2
            square = e0 * e0 + e1 * e1 + e2 * e2
            if square < least:
                least, best = square, m
                if square <= near:
                    break
        s.nearest[v] = best
        if least > near:
            s.missed[v] = best
    return asked


@kernel
def slide(
    model: FitModel, skin: Skin, block: CloudBlock, far: float, x: ndarray, rounds: int, w: Workspace, s: CloudSpace
) -> None:
    """Move a body to its cloud, after ``forward``: along its ray to the cloud's median range from the camera, then
    ``rounds`` times by the median offset of the points from their nearest skin.

    Args:
        far: median distance (m) of the points from the camera.
    """
    d, offset = x.shape[0], np.empty(block.points.shape[0])
    for n in range(rounds + 1):
        pose_skin(model, skin, x, w, s)
        count = find_front(skin, block, s)
        if count == 0:
            return
        if n == 0:
            range_ = np.empty(count)
            for f in range(count):
                v = s.front[f]
                range_[f] = np.sqrt(s.vertices[v, 0] ** 2 + s.vertices[v, 1] ** 2 + s.vertices[v, 2] ** 2)
            scale = far / np.median(range_)
            for a in range(3):
                x[d - 4 + a] *= scale
            continue
        match(skin, block, s)
        for a in range(3):
            for m in range(block.points.shape[0]):
                offset[m] = block.points[m, a] - s.vertices[s.match[m], a]
            x[d - 4 + a] += np.median(offset)
