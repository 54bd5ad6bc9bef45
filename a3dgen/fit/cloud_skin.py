"""Posed skin points beside a cloud: which of them a sensor can see, and nearest neighbours; compiled."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.cloud_space import BONES, CELL, CELLS, CloudBlock, CloudSpace, Skin
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.model import FitModel
from a3dgen.fit.simd import LANES, set_along

FACING = -0.1
"""Skin faces the sensor if the cosine between its normal and the ray from the sensor is below this."""
UNTOUCHED = 1e30
BEHIND = 0.1
"""Skin this far (m) behind other skin is hidden."""


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


@kernel(inside=True)
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
