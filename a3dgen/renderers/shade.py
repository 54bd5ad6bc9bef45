"""Shading of a visibility buffer, compiled: which samples need a colour, what colour, and how they make pixels.

The drawing of triangles only says which face a sample shows. Every pixel is then shaded once, at its centre; only
where a pixel shows several surfaces do its other samples get a colour of their own, or a neighbour's of the same
surface (after subpixel reconstruction, Chajdas et al. 2011). Shading runs in linear light and single order, so the
same input gives the same bytes whatever drew the triangles.
"""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np

SAME_SURFACE_M = 0.02
"""Samples of one mesh closer than this in depth (m) belong to one surface."""
_FAST = {"nsz", "arcp", "contract", "reassoc"}


@numba.njit(cache=True)
@no_type_check
def depth_at_centres(inverse, ids, step, offset, out):
    """Write the distance (m) at every pixel's centre; inf where nothing is."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            cy, cx = y * step + offset, x * step + offset
            out[y, x] = 1.0 / inverse[cy, cx] if ids[cy, cx] > 0 else np.inf


@numba.njit(cache=True)
@no_type_check
def collect(ids, depth, inverse, step, offset, item, slot, face, at, edge, source):
    """Find which samples to shade.

    ids: (R, C) u4 face + 1 of every sample. depth: (h, w) m at the pixels' centres. inverse: 1 / m of every sample.
    item: (F,) mesh of each face. slot: (h, w) i4, out: the centre's request or -1. face, at: out, face and (row,
    column) of each request. edge, source: out, pixels that show several surfaces and the requests of their nine samples.

    Returns the number of requests and of edge pixels, or (-1, -1) if the arrays are too short.
    """
    h, w = depth.shape
    requests, edges = 0, 0
    limit = len(face)
    for y in range(h):
        for x in range(w):
            cy, cx = y * step + offset, x * step + offset
            if ids[cy, cx] == 0:
                slot[y, x] = -1
                continue
            if requests >= limit:
                return -1, -1
            face[requests] = ids[cy, cx] - 1
            at[requests, 0], at[requests, 1] = cy, cx
            slot[y, x] = requests
            requests += 1
    if step == 1:
        return requests, 0
    for y in range(h):
        for x in range(w):
            cy, cx = y * step + offset, x * step + offset
            centre = ids[cy, cx]
            plain = True
            some = False
            for j in range(-1, 2):
                for i in range(-1, 2):
                    other = ids[cy + j, cx + i]
                    if other != 0:
                        some = True
                    if other != centre:
                        if other == 0 or centre == 0 or item[other - 1] != item[centre - 1]:
                            plain = False
                        else:
                            z = 1.0 / inverse[cy + j, cx + i]
                            if abs(z - depth[y, x]) > SAME_SURFACE_M:
                                plain = False
            if plain or not some:
                continue
            if edges >= len(edge):
                return -1, -1
            edge[edges, 0], edge[edges, 1] = y, x
            for j in range(-1, 2):
                for i in range(-1, 2):
                    here = ids[cy + j, cx + i]
                    k = (j + 1) * 3 + i + 1
                    if here == 0:
                        source[edges, k] = -1
                        continue
                    z = 1.0 / inverse[cy + j, cx + i]
                    found = -1
                    for q in range(2):  # the pixel's own centre, then the neighbour's beyond the sample
                        py, px = y + j * q, x + i * q
                        if found < 0 and 0 <= py < h and 0 <= px < w and slot[py, px] >= 0:
                            same = item[face[slot[py, px]]] == item[here - 1]
                            if same and abs(depth[py, px] - z) < SAME_SURFACE_M:
                                found = slot[py, px]
                    if found < 0:
                        if requests >= limit:
                            return -1, -1
                        face[requests] = here - 1
                        at[requests, 0], at[requests, 1] = cy + j, cx + i
                        found = requests
                        requests += 1
                    source[edges, k] = found
            edges += 1
    return requests, edges


@numba.njit(cache=True)
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


@numba.njit(cache=True)
@no_type_check
def cavities(depth, focal, out):
    """Write how far each pixel lies in a hollow, 0..1, over a depth map (m); ``focal`` in its pixels.

    Opposite neighbours at 4 and 11 cm whose mean is nearer than the pixel make it a hollow: armpits, between the
    legs, below the chin, where an arm lies before the trunk.
    """
    h, w = depth.shape
    for y in range(h):
        for x in range(w):
            z = depth[y, x]
            out[y, x] = 0.0
            if not z < 1e9:
                continue
            total = 0.0
            for ring in range(2):
                reach = focal * (0.04 if ring == 0 else 0.11) / z
                size = 0.03 if ring == 0 else 0.08
                for turn in range(4):
                    angle = 0.7853981633974483 * turn + 0.35 * ring
                    dx, dy = int(round(reach * np.cos(angle))), int(round(reach * np.sin(angle)))
                    if dx == 0 and dy == 0:
                        continue
                    nearer = 0.0
                    for sign in (-1, 1):
                        sy, sx = y + sign * dy, x + sign * dx
                        if 0 <= sy < h and 0 <= sx < w:
                            d = z - depth[sy, sx]
                            if d > -1e9:
                                nearer += max(d, -0.2) if d < 0.35 else 0.0
                            else:
                                nearer -= 0.1
                        else:
                            nearer -= 0.1
                    if nearer > 0:
                        total += min(nearer * 0.5 / size, 1.0)
            out[y, x] = min(total / 5.0, 1.0)


@numba.njit(cache=True, fastmath=_FAST)
@no_type_check
def shade_item(
    order, face, at, step, faces, uv, face_uv, screen, inverse_z, vertices, normals, scar,
    texels, levels, decode, material, sh, key_dir, key_color, to_shadow, shadow, hollow, hollow_x, hollow_y, hollow_step, color,
):  # fmt: skip
    """Write the linear colour of requests ``order`` of one mesh.

    screen: (V, 2) sample coordinates. inverse_z: (V,) 1 / m. texels: (N, 4) u1, the texture's levels one after the
    other; levels: (L, 3) start, height, width. decode: sRGB to linear. material: see ``Material.constants``.
    to_shadow: (3, 4) camera frame to shadow map column, row, depth. shadow: (S, S) depth, empty = none.
    hollow: cavities; sample (x, y) lies at row hollow_y + hollow_step y.
    """
    a2, f0, specular, sheen, bump = material[0], material[1], material[2], material[3], material[4]
    is_skin = material[8] > 0
    size = shadow.shape[0]
    c0, c1, c2, c3, c4 = 0.282095, 0.488603, 1.092548, 0.315392, 0.546274
    base = np.empty(3)
    light = np.empty(3)
    for o in range(len(order)):
        r = order[o]
        f = face[r]
        py, px = at[r, 0], at[r, 1]
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = screen[i0, 0], screen[i0, 1]
        ax, ay = screen[i1, 0] - x0, screen[i1, 1] - y0
        bx, by = screen[i2, 0] - x0, screen[i2, 1] - y0
        area = ax * by - bx * ay
        inv_area = 1.0 / area if area != 0.0 else 0.0
        w1 = min(max(((px - x0) * by - bx * (py - y0)) * inv_area, 0.0), 1.0)
        w2 = min(max((ax * (py - y0) - (px - x0) * ay) * inv_area, 0.0), 1.0 - w1)
        w0 = (1.0 - w1 - w2) * inverse_z[i0]
        w1 *= inverse_z[i1]
        w2 *= inverse_z[i2]
        norm = 1.0 / (w0 + w1 + w2)
        w0 *= norm
        w1 *= norm
        w2 *= norm
        e1x, e1y, e1z = (
            vertices[i1, 0] - vertices[i0, 0],
            vertices[i1, 1] - vertices[i0, 1],
            vertices[i1, 2] - vertices[i0, 2],
        )
        e2x, e2y, e2z = (
            vertices[i2, 0] - vertices[i0, 0],
            vertices[i2, 1] - vertices[i0, 1],
            vertices[i2, 2] - vertices[i0, 2],
        )
        x = vertices[i0, 0] + w1 * e1x + w2 * e2x
        y = vertices[i0, 1] + w1 * e1y + w2 * e2y
        z = vertices[i0, 2] + w1 * e1z + w2 * e2z
        nx = w0 * normals[i0, 0] + w1 * normals[i1, 0] + w2 * normals[i2, 0]
        ny = w0 * normals[i0, 1] + w1 * normals[i1, 1] + w2 * normals[i2, 1]
        nz = w0 * normals[i0, 2] + w1 * normals[i1, 2] + w2 * normals[i2, 2]
        length = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
        if area > 0:  # a back face of a sheet
            length = -length
        nx *= length
        ny *= length
        nz *= length
        # texture: level by the face's texel density, bilinear in linear light; its patch also gives the slope of the height
        t0, t1, t2 = face_uv[f, 0], face_uv[f, 1], face_uv[f, 2]
        u0, v0 = uv[t0, 0], uv[t0, 1]
        du1, dv1, du2, dv2 = uv[t1, 0] - u0, uv[t1, 1] - v0, uv[t2, 0] - u0, uv[t2, 1] - v0
        u, v = u0 + w1 * du1 + w2 * du2, v0 + w1 * dv1 + w2 * dv2
        spread = du1 * dv2 - du2 * dv1
        density = abs(spread) * levels[0, 1] * levels[0, 2] * step * step * abs(inv_area)
        level = 0
        while density > 2.0 and level < len(levels) - 1:  # half a level below one texel a pixel
            density *= 0.25
            level += 1
        start, th, tw = levels[level, 0], levels[level, 1], levels[level, 2]
        tx, ty = (u - np.floor(u)) * tw - 0.5, (1.0 - (v - np.floor(v))) * th - 0.5
        ix, iy = int(np.floor(tx)), int(np.floor(ty))
        fx, fy = tx - ix, ty - iy
        xa, xb = (ix + tw) % tw, (ix + 1) % tw
        ya, yb = start + ((iy + th) % th) * tw, start + ((iy + 1) % th) * tw
        k00, k01, k10, k11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
        for c in range(3):
            base[c] = (
                k00 * decode[texels[ya + xa, c]] + k01 * decode[texels[ya + xb, c]]
                + k10 * decode[texels[yb + xa, c]] + k11 * decode[texels[yb + xb, c]]
            )  # fmt: skip
        mark = 0.0
        if is_skin:
            mark = w0 * scar[i0] + w1 * scar[i1] + w2 * scar[i2]
            if mark > 0.0:  # a healed stump: reddish towards the tip, with a thin transverse suture line
                red = min(mark, 1.0) * 0.75
                line = (mark - 0.84) / 0.035
                seam = 0.6 * max(0.0, 1.0 - 0.5 * line * line)
                base[0] *= (1.0 + 0.12 * red) * (1.0 + 0.10 * seam)
                base[1] *= (1.0 - 0.26 * red) * (1.0 - 0.38 * seam)
                base[2] *= (1.0 - 0.30 * red) * (1.0 - 0.40 * seam)
        # bump (Mikkelsen 2010, surface gradient) from the height's slope along the triangle's texture axes
        h00, h01 = float(texels[ya + xa, 3]), float(texels[ya + xb, 3])
        h10, h11 = float(texels[yb + xa, 3]), float(texels[yb + xb, 3])
        hu = ((h01 - h00) * (1 - fy) + (h11 - h10) * fy) * tw * bump * (1.0 - min(1.0, 0.8 * mark)) / 255.0
        hv = -((h10 - h00) * (1 - fx) + (h11 - h01) * fx) * th * bump * (1.0 - min(1.0, 0.8 * mark)) / 255.0
        if (hu != 0.0 or hv != 0.0) and abs(spread) > 1e-14:
            s = 1.0 / spread
            ux, uy, uz = (e1x * dv2 - e2x * dv1) * s, (e1y * dv2 - e2y * dv1) * s, (e1z * dv2 - e2z * dv1) * s
            vx, vy, vz = (e2x * du1 - e1x * du2) * s, (e2y * du1 - e1y * du2) * s, (e2z * du1 - e1z * du2) * s
            r1x, r1y, r1z = vy * nz - vz * ny, vz * nx - vx * nz, vx * ny - vy * nx
            r2x, r2y, r2z = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
            det = ux * r1x + uy * r1y + uz * r1z
            if abs(det) > 1e-14:
                s = 1.0 / det
                gx, gy, gz = (hu * r1x + hv * r2x) * s, (hu * r1y + hv * r2y) * s, (hu * r1z + hv * r2z) * s
                s = 1.0 / (1.0 + 0.7 * np.sqrt(gx * gx + gy * gy + gz * gz))
                nx -= gx * s
                ny -= gy * s
                nz -= gz * s
                s = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
                nx *= s
                ny *= s
                nz *= s
        # ambient light from the harmonics, less in hollows
        oy = min(max(hollow_y + hollow_step * py, 0.0), hollow.shape[0] - 1.001)
        ox = min(max(hollow_x + hollow_step * px, 0.0), hollow.shape[1] - 1.001)
        jy, jx = int(oy), int(ox)
        ky, kx = min(jy + 1, hollow.shape[0] - 1), min(jx + 1, hollow.shape[1] - 1)
        oy -= jy
        ox -= jx
        open_sky = 1.0 - 0.9 * (
            (hollow[jy, jx] * (1 - ox) + hollow[jy, kx] * ox) * (1 - oy)
            + (hollow[ky, jx] * (1 - ox) + hollow[ky, kx] * ox) * oy
        )
        for c in range(3):
            light[c] = open_sky * max(
                0.0,
                c0 * sh[0, c] + c1 * (sh[1, c] * ny + sh[2, c] * nz + sh[3, c] * nx)
                + c2 * (sh[4, c] * nx * ny + sh[5, c] * ny * nz + sh[7, c] * nx * nz)
                + c3 * sh[6, c] * (3.0 * nz * nz - 1.0) + c4 * sh[8, c] * (nx * nx - ny * ny),
            )  # fmt: skip
        # the key light's shadow: 3x3 comparisons, weighted as a box one texel wide
        seen = 1.0
        nl = nx * key_dir[0] + ny * key_dir[1] + nz * key_dir[2]
        if size > 0:
            qx, qy, qz = x + nx * 0.013, y + ny * 0.013, z + nz * 0.013
            sx = to_shadow[0, 0] * qx + to_shadow[0, 1] * qy + to_shadow[0, 2] * qz + to_shadow[0, 3]
            sy = to_shadow[1, 0] * qx + to_shadow[1, 1] * qy + to_shadow[1, 2] * qz + to_shadow[1, 3]
            sz = to_shadow[2, 0] * qx + to_shadow[2, 1] * qy + to_shadow[2, 2] * qz + to_shadow[2, 3]
            jx, jy = int(np.floor(sx)), int(np.floor(sy))
            gx, gy = sx - jx, sy - jy
            if 1 <= jx < size - 2 and 1 <= jy < size - 2:
                seen = 0.0
                for j in range(-1, 3):
                    wy = 1.0 - gy if j == -1 else (gy if j == 2 else 1.0)
                    for i in range(-1, 3):
                        if shadow[jy + j, jx + i] >= sz:
                            seen += wy * (1.0 - gx if i == -1 else (gx if i == 2 else 1.0))
                seen *= 1.0 / 9.0
        # view, half-way vector, Cook-Torrance highlight with GGX, Schlick's Fresnel for the surroundings
        s = -1.0 / np.sqrt(x * x + y * y + z * z)
        ex, ey, ez = x * s, y * s, z * s
        nv = max(nx * ex + ny * ey + nz * ez, 0.15)
        nl0 = max(nl, 0.0)
        hx, hy, hz = ex + key_dir[0], ey + key_dir[1], ez + key_dir[2]
        s = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-20)
        nh = max((nx * hx + ny * hy + nz * hz) * s, 0.0)
        d = nh * nh * (a2 - 1.0) + 1.0
        k = 1.0 - max((ex * hx + ey * hy + ez * hz) * s, 0.0)
        fresnel = f0 + (1.0 - f0) * k * k * k * k * k
        highlight = min(a2 * fresnel * 0.25 / (d * d * max(0.25, nv + nl0 - nv * nl0)), 4.0) * nl0 * seen * specular
        k = 1.0 - nv
        grazing = (f0 + (1.0 - f0) * k * k * k * k * k) * sheen
        for c in range(3):
            wrap = material[5 + c]
            diffuse = min(max((nl + wrap) / ((1.0 + wrap) * (1.0 + wrap)), 0.0), 1.0)
            shadowed = min(1.0, seen + 0.12) if is_skin and c == 0 else seen
            value = base[c] * (light[c] + key_color[c] * diffuse * shadowed)
            value += key_color[c] * highlight + light[c] * grazing
            value *= (value + 0.04) / (0.72 * value + 0.09)  # a camera's tone curve: toe, middle grey kept, shoulder
            color[r, c] = min(value / (1.0 + 0.6 * max(0.0, value - 0.8)), 1.0)


@numba.njit(cache=True)
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
