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
ALL = np.uint64(2**32 - 1)


@kernel(inline=True)
@no_type_check
def _next(x):
    """Return the number after ``x`` of a xorshift generator of 32 bits, in 64."""
    x ^= (x << np.uint64(13)) & ALL
    x ^= x >> np.uint64(17)
    return x ^ ((x << np.uint64(5)) & ALL)


@kernel(inline=True)
@no_type_check
def _within(x, reach):
    """Return a whole number of -reach .. reach by a random one of 32 bits."""
    return np.int64((x * np.uint64(2 * reach + 1)) >> np.uint64(32)) - reach


@kernel(inline=True)
@no_type_check
def _corner(y, x, width):
    """Return where the patch around a pixel begins in a flattened image of four channels; unsigned, as numba asks of
    every signed index whether it is negative."""
    return np.uint64(((y - R) * width + x - R) * 4)


@kernel(inside=True)
@no_type_check
def _distance(values, weights, stride, source, target, limit):
    """Weighted squared difference of two patches, given up on once it exceeds ``limit``.

    Args:
        values, weights: the image and its weights, flat, four channels a pixel. stride: of a row.
        source, target: where the patches begin, see ``_corner``.
    """
    total = np.int64(0)
    for _ in range(SIDE):
        row = np.int32(0)
        for k in range(np.uint64(4 * SIDE)):
            d = np.int32(values[source + k]) - np.int32(values[target + k])
            row += np.int32(weights[target + k]) * (d * d)
        total += row
        if total > limit:
            return total
        source += stride
        target += stride
    return total


@kernel(inline=True)
@no_type_check
def _prior(cy, cx, y, x, prior):
    """Cost of copying from far away; rows differ more than columns in pictures of a world with a ground."""
    dy, dx = np.int64(cy - y), np.int64(cx - x)
    return (prior * (4 * dy * dy + dx * dx)) >> np.int64(8)


@kernel
@no_type_check
def search(image, weight, ok, field, cost, targets, passes, radius, prior, state):
    """Improve the nearest-neighbour field in place by propagation and random search.

    Args:
        image: (H, W, 4) i2. weight: (H, W, 4) u1 weight of each target pixel, 0 = unknown, the same in all channels.
        ok: (H, W) bool, a patch may be copied from here.
        field: (H, W, 2) i4 source of each target, -1 = none. cost: (H, W) i8 its cost (written).
        targets: (N, 2) i4 in scan order. passes: numbers of the first pass (odd ones run backwards) and of the last.
        radius: first radius of the random search, px, and what it is divided by from try to try.
        prior: weight of the distance prior (1/256 grey level squared a px squared). state: (1,) u4.
    """
    n = len(targets)
    h, w = ok.shape
    values, weights = image.reshape(-1), weight.reshape(-1)
    stride = np.uint64(4 * w)
    number = np.uint64(state[0])
    for i in range(n):
        y, x = np.int64(targets[i, 0]), np.int64(targets[i, 1])
        sy, sx = np.int64(field[y, x, 0]), np.int64(field[y, x, 1])
        d = _distance(values, weights, stride, _corner(sy, sx, w), _corner(y, x, w), FAR)
        cost[y, x] = d + _prior(sy, sx, y, x, prior)
    for sweep in range(passes[0], passes[1] + 1):
        step = -1 if sweep % 2 == 0 else 1
        for k in range(n):
            i = k if sweep % 2 == 0 else n - 1 - k
            y, x = np.int64(targets[i, 0]), np.int64(targets[i, 1])
            by, bx, best = np.int64(field[y, x, 0]), np.int64(field[y, x, 1]), cost[y, x]
            target = _corner(y, x, w)
            for axis in range(2):
                ny, nx = (y + step, x) if axis == 0 else (y, x + step)
                if field[ny, nx, 0] < 0:
                    continue
                cy, cx = field[ny, nx, 0] + y - ny, field[ny, nx, 1] + x - nx
                if ok[cy, cx] and (cy != by or cx != bx):
                    p = _prior(cy, cx, y, x, prior)
                    if p < best:
                        d = _distance(values, weights, stride, _corner(cy, cx, w), target, best - p) + p
                        if d < best:
                            best, by, bx = d, cy, cx
            reach = radius[0]
            while reach >= 1:
                number = _next(number)
                cy = by + _within(number, reach)
                number = _next(number)
                cx = bx + _within(number, reach)
                if 0 <= cy < h and 0 <= cx < w and ok[cy, cx]:
                    p = _prior(cy, cx, y, x, prior)
                    if p < best:
                        d = _distance(values, weights, stride, _corner(cy, cx, w), target, best - p) + p
                        if d < best:
                            best, by, bx = d, cy, cx
                reach //= radius[1]
            field[y, x, 0], field[y, x, 1], cost[y, x] = by, bx, best
    state[0] = np.uint32(number)


@kernel
@no_type_check
def vote(image, hole_list, field, trust, kernel):
    """Rebuild hole pixels from the patches that cover them.

    Args:
        image: (H, W, 4) i2, read at sources (never in the hole) and written in the hole.
        hole_list: (M, 2) i4. field: as in ``search``. trust: (H, W) f4 weight of each target's patch.
        kernel: (SIDE, SIDE) f4 weight of a patch's pixel by its place in the patch.
    """
    w = np.int64(field.shape[1])
    values, sources, trusts = image.reshape(-1), field.reshape(-1), trust.reshape(-1)
    for i in range(len(hole_list)):
        y, x = np.int64(hole_list[i, 0]), np.int64(hole_list[i, 1])
        total = np.float32(0)
        s0 = s1 = s2 = s3 = np.float32(0)
        for dy in range(-R, R + 1):
            for dx in range(-R, R + 1):
                g = kernel[dy + R, dx + R]
                if g == 0.0:
                    continue
                q = np.uint64((y + dy) * w + x + dx)
                sy, sx = np.int64(sources[q + q]), np.int64(sources[q + q + np.uint64(1)])
                if sy < 0:
                    continue
                share = trusts[q] * g
                s = np.uint64(((sy - dy) * w + sx - dx) * 4)
                s0 += share * np.float32(values[s])
                s1 += share * np.float32(values[s + np.uint64(1)])
                s2 += share * np.float32(values[s + np.uint64(2)])
                s3 += share * np.float32(values[s + np.uint64(3)])
                total += share
        if total > 0.0:
            t = np.uint64((y * w + x) * 4)
            for c, colour in enumerate((s0, s1, s2, s3)):
                values[t + np.uint64(c)] = np.int16(colour / total + np.float32(0.5))


@kernel(inside=True)
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
    weight = np.zeros((h, w, 4), np.uint8)
    values, weights = image.reshape(-1), weight.reshape(-1)
    stride = np.uint64(4 * w)
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
                weight[py + dy, px + dx, :] = 1 if known[py + dy, px + dx] else 0
        best, by, bx = FAR, np.int64(-1), np.int64(-1)
        target = _corner(py, px, w)
        for i in range(len(sources)):
            sy, sx = np.int64(sources[i, 0]), np.int64(sources[i, 1])
            p = _prior(sy, sx, py, px, prior)
            if p < best:
                d = _distance(values, weights, stride, _corner(sy, sx, w), target, best - p) + p
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
