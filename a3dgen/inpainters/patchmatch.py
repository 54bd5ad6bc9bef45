"""Compiled kernels of the exemplar fill: priority-driven first fill, PatchMatch, voting.

Sources: Criminisi, Perez, Toyama 2004 (priority order); Barnes et al. 2009 (PatchMatch); Wexler, Shechtman, Irani
2007 (voting by patch distance). Images are integers (H, W, 4): R, G, B and a texture channel, in a frame padded by
``R``; distances are integer sums, hence exact and the same in every order of summation.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from a3dgen.core.compiled import kernel

R = 3
"""Half side of a patch, px."""
SIDE = 2 * R + 1
FAR = np.int64(2**62)


@kernel(inline=True)
@no_type_check
def _random(state):
    """Advance a xorshift32 generator held in state[0] (uint32) and return it as int64."""
    x = state[0]
    x ^= x << np.uint32(13)
    x ^= x >> np.uint32(17)
    x ^= x << np.uint32(5)
    state[0] = x
    return np.int64(x)


@kernel
@no_type_check
def _distance(image, weight, sy, sx, ty, tx, limit):
    """Weighted squared difference of two patches, given up on once it exceeds ``limit``."""
    total = np.int64(0)
    for dy in range(-R, R + 1):
        row = np.int32(0)
        for dx in range(-R, R + 1):
            w = np.int32(weight[ty + dy, tx + dx])
            a = np.int32(image[sy + dy, sx + dx, 0]) - np.int32(image[ty + dy, tx + dx, 0])
            b = np.int32(image[sy + dy, sx + dx, 1]) - np.int32(image[ty + dy, tx + dx, 1])
            c = np.int32(image[sy + dy, sx + dx, 2]) - np.int32(image[ty + dy, tx + dx, 2])
            d = np.int32(image[sy + dy, sx + dx, 3]) - np.int32(image[ty + dy, tx + dx, 3])
            row += w * (a * a + b * b + c * c + d * d)
        total += row
        if total > limit:
            return total
    return total


@kernel(inline=True)
@no_type_check
def _prior(cy, cx, y, x, prior):
    """Cost of copying from far away; rows differ more than columns in pictures of a world with a ground."""
    dy, dx = np.int64(cy - y), np.int64(cx - x)
    return (prior * (4 * dy * dy + dx * dx)) >> np.int64(8)


@kernel
@no_type_check
def search(image, weight, ok, field, cost, targets, first, sweeps, radius, prior, state):
    """Improve the nearest-neighbour field in place by propagation and random search.

    Args:
        image: (H, W, 4) i2. weight: (H, W) u1 weight of each target pixel, 0 = unknown.
        ok: (H, W) bool, a patch may be copied from here.
        field: (H, W, 2) i4 source of each target, -1 = none. cost: (H, W) i8 its cost (written).
        targets: (N, 2) i4 in scan order. first: number of the first pass (odd ones run backwards). sweeps: passes.
        radius: first radius of the random search, px.
        prior: weight of the distance prior (1/256 grey level squared a px squared). state: (1,) u4.
    """
    n = len(targets)
    h, w = ok.shape
    for i in range(n):
        y, x = np.int64(targets[i, 0]), np.int64(targets[i, 1])
        sy, sx = np.int64(field[y, x, 0]), np.int64(field[y, x, 1])
        cost[y, x] = _distance(image, weight, sy, sx, y, x, FAR) + _prior(sy, sx, y, x, prior)
    for sweep in range(first, first + sweeps):
        step = -1 if sweep % 2 == 0 else 1
        for k in range(n):
            i = k if sweep % 2 == 0 else n - 1 - k
            y, x = np.int64(targets[i, 0]), np.int64(targets[i, 1])
            by, bx, best = np.int64(field[y, x, 0]), np.int64(field[y, x, 1]), cost[y, x]
            for axis in range(2):
                ny, nx = (y + step, x) if axis == 0 else (y, x + step)
                if field[ny, nx, 0] < 0:
                    continue
                cy, cx = field[ny, nx, 0] + y - ny, field[ny, nx, 1] + x - nx
                if ok[cy, cx] and (cy != by or cx != bx):
                    p = _prior(cy, cx, y, x, prior)
                    if p < best:
                        d = _distance(image, weight, cy, cx, y, x, best - p) + p
                        if d < best:
                            best, by, bx = d, cy, cx
            reach = radius
            while reach >= 1:
                cy = by + _random(state) % (2 * reach + 1) - reach
                cx = bx + _random(state) % (2 * reach + 1) - reach
                if 0 <= cy < h and 0 <= cx < w and ok[cy, cx]:
                    p = _prior(cy, cx, y, x, prior)
                    if p < best:
                        d = _distance(image, weight, cy, cx, y, x, best - p) + p
                        if d < best:
                            best, by, bx = d, cy, cx
                reach //= 2
            field[y, x, 0], field[y, x, 1], cost[y, x] = by, bx, best


@kernel
@no_type_check
def vote(image, hole_list, field, trust, kernel):
    """Rebuild hole pixels from the patches that cover them.

    Args:
        image: (H, W, 4) i2, read at sources (never in the hole) and written in the hole.
        hole_list: (M, 2) i4. field: as in ``search``. trust: (H, W) f4 weight of each target's patch.
        kernel: (SIDE, SIDE) f4 weight of a patch's pixel by its place in the patch.
    """
    for i in range(len(hole_list)):
        y, x = hole_list[i, 0], hole_list[i, 1]
        total = 0.0
        s0 = s1 = s2 = s3 = 0.0
        for dy in range(-R, R + 1):
            for dx in range(-R, R + 1):
                g = kernel[dy + R, dx + R]
                if g == 0.0:
                    continue
                qy, qx = y + dy, x + dx
                if field[qy, qx, 0] < 0:
                    continue
                w = trust[qy, qx] * g
                sy, sx = field[qy, qx, 0] - dy, field[qy, qx, 1] - dx
                s0 += w * image[sy, sx, 0]
                s1 += w * image[sy, sx, 1]
                s2 += w * image[sy, sx, 2]
                s3 += w * image[sy, sx, 3]
                total += w
        if total > 0.0:
            image[y, x, 0] = np.int16(s0 / total + 0.5)
            image[y, x, 1] = np.int16(s1 / total + 0.5)
            image[y, x, 2] = np.int16(s2 / total + 0.5)
            image[y, x, 3] = np.int16(s3 / total + 0.5)


@kernel
@no_type_check
def _priority(image, known, confidence, y, x):
    """Criminisi's priority of a front pixel: how much is known around it, and how strong an edge runs into it."""
    sure = 0.0
    gy = gx = 0.0
    strongest = -1.0
    ny = nx = 0.0
    for dy in range(-R, R + 1):
        for dx in range(-R, R + 1):
            a, b = y + dy, x + dx
            sure += confidence[a, b]
            if known[a, b]:
                ny -= dy
                nx -= dx
                if known[a - 1, b] and known[a + 1, b] and known[a, b - 1] and known[a, b + 1]:
                    ey = ex = 0.0
                    for c in range(3):
                        ey += image[a + 1, b, c] - image[a - 1, b, c]
                        ex += image[a, b + 1, c] - image[a, b - 1, c]
                    if ey * ey + ex * ex > strongest:
                        strongest, gy, gx = ey * ey + ex * ex, ey, ex
    norm = np.sqrt(ny * ny + nx * nx) + 1e-6
    flow = abs(-gx * ny + gy * nx) / norm  # the isophote (gradient turned by 90 degrees) along the normal
    return sure / (SIDE * SIDE) * (20.0 + flow)


@kernel
@no_type_check
def first_fill(image, known, ok, field, sources, prior):
    """Fill the hole of the coarsest level patch by patch, strong edges first, searching all sources.

    Args:
        image: (H, W, 4) i2, filled in place. known: (H, W) bool, false in the hole and the padding, updated.
        ok, field: as in ``search``; field gets the source of every filled pixel. sources: (S, 2) i4.
        prior: as in ``search``.
    """
    h, w = known.shape
    confidence = known.astype(np.float32)
    todo = ok.copy()
    weight = np.zeros((h, w), np.uint8)
    todo[:] = False
    left = 0
    for y in range(R + 1, h - R - 1):
        for x in range(R + 1, w - R - 1):
            if field[y, x, 0] == -2:  # the caller's mark of a hole pixel
                todo[y, x] = True
                left += 1
    while left > 0:
        top, py, px = -1.0, np.int64(-1), np.int64(-1)
        for y in range(R + 1, h - R - 1):
            for x in range(R + 1, w - R - 1):
                if todo[y, x] and (known[y - 1, x] or known[y + 1, x] or known[y, x - 1] or known[y, x + 1]):
                    p = _priority(image, known, confidence, y, x)
                    if p > top:
                        top, py, px = p, y, x
        if py < 0:
            return left
        for dy in range(-R, R + 1):
            for dx in range(-R, R + 1):
                weight[py + dy, px + dx] = 1 if known[py + dy, px + dx] else 0
        best, by, bx = FAR, np.int64(-1), np.int64(-1)
        for i in range(len(sources)):
            sy, sx = np.int64(sources[i, 0]), np.int64(sources[i, 1])
            p = _prior(sy, sx, py, px, prior)
            if p < best:
                d = _distance(image, weight, sy, sx, py, px, best - p) + p
                if d < best:
                    best, by, bx = d, sy, sx
        sure = confidence[py, px]
        for dy in range(-R, R + 1):
            for dx in range(-R, R + 1):
                sure = sure + confidence[py + dy, px + dx]
        for dy in range(-R, R + 1):
            for dx in range(-R, R + 1):
                a, b = py + dy, px + dx
                if todo[a, b]:
                    for c in range(4):
                        image[a, b, c] = image[by + dy, bx + dx, c]
                    todo[a, b] = False
                    known[a, b] = True
                    confidence[a, b] = sure / (SIDE * SIDE)
                    field[a, b, 0], field[a, b, 1] = by + dy, bx + dx
                    left -= 1
    return 0
