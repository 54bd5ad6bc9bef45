"""Resolves a visibility buffer: samples to shade, holes, pixel filtering; compiled.

Every pixel is shaded once, at its centre; only where a pixel shows several surfaces do its other samples get a colour
of their own, or a neighbour's of the same surface (after subpixel reconstruction, Chajdas et al. 2011).
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from a3dgen.core.compiled import kernel

CAVITY_M = 0.11
"""Neighbours at this distance and nearer make a hollow."""
SAME_SURFACE_M = 0.02
"""Samples of one mesh closer than this in depth (m) belong to one surface."""


@kernel
@no_type_check
def depth_at_centres(inverse, ids, step, offset, out):
    """Write the distance (m) at every pixel's centre; inf where nothing is."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            cy, cx = y * step + offset, x * step + offset
            out[y, x] = 1.0 / inverse[cy, cx] if ids[cy, cx] > 0 else np.inf


@kernel(inline=True)
@no_type_check
def _several_surfaces(ids, inverse, first, last, cy, cx, z):
    """Whether the nine samples around (cy, cx), whose own mesh has the faces ``first`` to ``last`` (1 more than their
    numbers) and whose own depth is z, show more than one surface."""
    centre = ids[cy, cx]
    nearest, farthest = 1.0 / max(z - SAME_SURFACE_M, 1e-6), 1.0 / (z + SAME_SURFACE_M)
    for j in range(-1, 2):
        for i in range(-1, 2):
            other = ids[cy + j, cx + i]
            if other != centre:
                near = inverse[cy + j, cx + i]
                if other < first or other > last or near > nearest or near < farthest:
                    return True
    return False


@kernel(inline=True)
@no_type_check
def _shaded_already(slot, face, depth, item, y, x, j, i, mesh, z):
    """Return the request of the pixel's own centre, or of the neighbour's beyond the sample, that shows the sample's
    surface (its mesh and depth z); -1 if none does."""
    for q in range(2):
        py, px = y + j * q, x + i * q
        request = slot[py, px] if 0 <= py < slot.shape[0] and 0 <= px < slot.shape[1] else -1
        if request >= 0 and item[face[request]] == mesh and abs(depth[py, px] - z) < SAME_SURFACE_M:
            return request
    return -1


@kernel
@no_type_check
def centres(ids, step, offset, slot, face, at):
    """Request the centre of every covered pixel; return how many there are.

    ids: (R, C) u4 face + 1 of every sample. slot: (h, w) i4, out: the centre's request or -1. face, at: out, face and
    (row, column) of each request.
    """
    count = 0
    for y in range(slot.shape[0]):
        for x in range(slot.shape[1]):
            cy, cx = y * step + offset, x * step + offset
            slot[y, x] = -1
            if ids[cy, cx] != 0:
                face[count] = ids[cy, cx] - 1
                at[count, 0], at[count, 1] = cy, cx
                slot[y, x] = count
                count += 1
    return count


@kernel
@no_type_check
def edges(ids, depth, inverse, step, offset, item, begin, slot, face, at, count, edge, source):
    """Find pixels that show several surfaces, and what their samples need.

    depth: (h, w) m at the pixels' centres. inverse: 1 / m of every sample. item: (F,) mesh of each face, in order.
    begin: (items + 1,) first face of each mesh. slot, face, at: as ``centres`` left them, with ``count`` requests; more
    are added. edge, source: out, row and column of each such pixel, and the requests of its nine samples (-1 = nothing
    there).

    Returns the number of requests and of such pixels, or (-1, -1) if the arrays are too short.
    """
    found = 0
    for y in range(slot.shape[0]):
        cy = y * step + offset
        above, level, below = ids[cy - 1], ids[cy], ids[cy + 1]
        for x in range(slot.shape[1]):
            cx = x * step + offset
            c = level[cx]
            if (  # one face, or nothing: by far the most pixels
                above[cx - 1] == c and below[cx + 1] == c and above[cx + 1] == c and below[cx - 1] == c
                and above[cx] == c and below[cx] == c and level[cx - 1] == c and level[cx + 1] == c
            ):  # fmt: skip
                continue
            if c > 0:  # where nothing is, some other sample shows something
                mesh = item[c - 1]
                if not _several_surfaces(ids, inverse, begin[mesh] + 1, begin[mesh + 1], cy, cx, depth[y, x]):
                    continue
            if found >= len(edge) or count + 9 > len(face):
                return -1, -1
            edge[found, 0], edge[found, 1] = y, x
            for k in range(9):
                j, i = k // 3 - 1, k % 3 - 1
                here = ids[cy + j, cx + i]
                source[found, k] = -1
                if here == 0:
                    continue
                z = 1.0 / inverse[cy + j, cx + i]
                request = _shaded_already(slot, face, depth, item, y, x, j, i, item[here - 1], z)
                if request < 0:
                    request = count
                    face[count] = here - 1
                    at[count, 0], at[count, 1] = cy + j, cx + i
                    count += 1
                source[found, k] = request
            found += 1
    return count, found


@kernel
@no_type_check
def by_item(face, item, count, items):
    """Return requests sorted by mesh, and where each mesh's begin (items + 1)."""
    start = np.zeros(items + 1, np.int64)
    for r in range(count):
        start[item[face[r]] + 1] += 1
    for k in range(items):
        start[k + 1] += start[k]
    order = np.empty(count, np.int32)
    fill = start.copy()
    for r in range(count):
        k = item[face[r]]
        order[fill[k]] = r
        fill[k] += 1
    return order, start


@kernel
@no_type_check
def cavities(depth, focal, margin, out):
    """Write how far each pixel lies in a hollow, 0..1, over a depth map (m); ``focal`` in its pixels.

    Opposite neighbours at 4 and 11 cm whose mean is nearer than the pixel make it a hollow: armpits, between the
    legs, below the chin, where an arm lies before the trunk. Neighbours count as a bit further where nothing is, and
    as level where something else hangs before.

    depth: (h + 2 margin, w + 2 margin), inf where nothing is, as at least the margin. out: (h, w) f4.
    """
    h, w = out.shape
    angles = np.arange(8) * (np.pi / 4) + np.where(np.arange(8) < 4, 0.0, 0.35)
    across, down = np.cos(angles), np.sin(angles)
    for y in range(h):
        for x in range(w):
            z = depth[y + margin, x + margin]
            out[y, x] = 0.0
            if not z < 1e9:
                continue
            total = 0.0
            for k in range(8):  # without branches: which neighbours are nearer cannot be foreseen
                reach, size = (focal * 0.04 / z, 0.03) if k < 4 else (focal * CAVITY_M / z, 0.08)
                dx, dy = int(np.floor(reach * across[k] + 0.5)), int(np.floor(reach * down[k] + 0.5))
                dx, dy = min(max(dx, -margin), margin), min(max(dy, -margin), margin)
                a = z - depth[y + margin + dy, x + margin + dx]
                b = z - depth[y + margin - dy, x + margin - dx]
                a = -0.1 if a < -1e9 else (max(a, -0.2) if a < 0.35 else 0.0)
                b = -0.1 if b < -1e9 else (max(b, -0.2) if b < 0.35 else 0.0)
                total += min(max(a + b, 0.0) * 0.5 / size, 1.0) if dx != 0 or dy != 0 else 0.0
            out[y, x] = min(total / 4.0, 1.0)


@kernel
@no_type_check
def resolve(slot, color, edge, source, edges, weights, rgba):
    """Write premultiplied pixels: plain ones take their centre's colour, edges the weighted mean of nine samples."""
    for y in range(slot.shape[0]):
        for x in range(slot.shape[1]):
            r = slot[y, x]
            if r >= 0:
                for c in range(3):
                    rgba[y, x, c] = color[r, c]
                rgba[y, x, 3] = 1.0
    for e in range(edges):
        y, x = edge[e, 0], edge[e, 1]
        for c in range(4):
            total = 0.0
            for k in range(9):
                r = source[e, k]
                if r >= 0:
                    total += weights[k] * (color[r, c] if c < 3 else 1.0)
            rgba[y, x, c] = total
