"""Shading, compiled: texture, bump, scar, harmonics, shadowed key light, highlight.

Everything runs in linear light and a single order, so the same input gives the same bytes whatever drew the triangles.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.core.compiled import kernel


class Requests(NamedTuple):
    """What to shade: the face and the sample (row, column) of every request; ``step`` samples a pixel and axis."""

    face: Int[ndarray, "n"]
    at: Int[ndarray, "n 2"]
    step: int


class Surface(NamedTuple):
    """The triangles of a picture, camera frame (m), with their sample coordinates (V, 2) and 1 / depth (1 / m)."""

    faces: Int[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Int[ndarray, "f 3"]
    screen: Float[ndarray, "v 2"]
    inverse_z: Float[ndarray, "v"]
    vertices: Float[ndarray, "v 3"]
    normals: Float[ndarray, "v 3"]
    scar: Float[ndarray, "v"]


class Texture(NamedTuple):
    """A texture's levels one after the other (N, 4) u1; start, height and width of each; the sRGB decoding table."""

    texels: ndarray
    levels: Int[ndarray, "l 3"]
    decode: Float[ndarray, "256"]


class Lighting(NamedTuple):
    """Light of a picture: harmonics, the key light, what it does not reach, and hollows.

    to_shadow: camera frame to the shadow map's column, row and depth. shadow: depth seen from the key; empty = none.
    hollow: cavities, 0..1; hollow_place: column, row and step at which a sample reads them.
    """

    sh: Float[ndarray, "9 3"]
    key_dir: Float[ndarray, "3"]
    key_color: Float[ndarray, "3"]
    to_shadow: Float[ndarray, "3 4"]
    shadow: Float[ndarray, "s s"]
    hollow: Float[ndarray, "h w"]
    hollow_place: Float[ndarray, "3"]


@kernel(inline=True)
@no_type_check
def signed_area(screen, i0, i1, i2):
    """Return twice a face's signed area on the screen, squared samples."""
    x0, y0 = float(screen[i0, 0]), float(screen[i0, 1])
    return (screen[i1, 0] - x0) * (screen[i2, 1] - y0) - (screen[i2, 0] - x0) * (screen[i1, 1] - y0)


@kernel(inline=True)
@no_type_check
def _weights(screen, inverse_z, i0, i1, i2, px, py):
    """Return perspective-correct weights of a face's corners at a sample, and 1 / its signed area on the screen."""
    x0, y0 = float(screen[i0, 0]), float(screen[i0, 1])
    ax, ay = screen[i1, 0] - x0, screen[i1, 1] - y0
    bx, by = screen[i2, 0] - x0, screen[i2, 1] - y0
    area = signed_area(screen, i0, i1, i2)
    inv_area = 1.0 / area if area != 0.0 else 0.0
    w1 = min(max(((px - x0) * by - bx * (py - y0)) * inv_area, 0.0), 1.0)
    w2 = min(max((ax * (py - y0) - (px - x0) * ay) * inv_area, 0.0), 1.0 - w1)
    w0 = (1.0 - w1 - w2) * inverse_z[i0]
    w1 *= inverse_z[i1]
    w2 *= inverse_z[i2]
    norm = 1.0 / (w0 + w1 + w2)
    return w0 * norm, w1 * norm, w2 * norm, inv_area


@kernel(inline=True)
@no_type_check
def level_density(screen, i0, i1, i2, inv_area, du1, dv1, du2, dv2, width, height):
    """Return texels a squared sample of a texture (width, height): those of its area, or half of those along the axis
    in which it is squeezed most, where that is more (stretched cloth would sparkle)."""
    ax, ay = screen[i1, 0] - screen[i0, 0], screen[i1, 1] - screen[i0, 1]
    bx, by = screen[i2, 0] - screen[i0, 0], screen[i2, 1] - screen[i0, 1]
    ux, uy = (du1 * by - du2 * ay) * inv_area * width, (du2 * ax - du1 * bx) * inv_area * width
    vx, vy = (dv1 * by - dv2 * ay) * inv_area * height, (dv2 * ax - dv1 * bx) * inv_area * height
    return max(abs(ux * vy - uy * vx), 0.5 * max(ux * ux + vx * vx, uy * uy + vy * vy))


@kernel(inline=True)
@no_type_check
def _texels(levels, u, v, density):
    """Return the four texels around (u, v) on the level that suits the density (texels a pixel), the weights of the
    second column and row, and the level's size."""
    level = 0
    while density > 2.0 and level < len(levels) - 1:
        density *= 0.25
        level += 1
    start, th, tw = levels[level, 0], levels[level, 1], levels[level, 2]
    tx, ty = (u - np.floor(u)) * tw - 0.5, (1.0 - (v - np.floor(v))) * th - 0.5
    ix, iy = int(np.floor(tx)), int(np.floor(ty))
    xa, xb = (ix if ix >= 0 else tw - 1), (ix + 1 if ix + 1 < tw else 0)
    ya, yb = start + (iy if iy >= 0 else th - 1) * tw, start + (iy + 1 if iy + 1 < th else 0) * tw
    return ya + xa, ya + xb, yb + xa, yb + xb, tx - ix, ty - iy, tw, th


@kernel(inline=True)
@no_type_check
def _scarred(base, mark):
    """Tint a healed stump: reddish towards the tip; its seam is in the texture."""
    red = min(mark, 1.0) * 0.75
    base[0] *= 1.0 + 0.12 * red
    base[1] *= 1.0 - 0.26 * red
    base[2] *= 1.0 - 0.30 * red


@kernel(inline=True)
@no_type_check
def _bumped(nx, ny, nz, hu, hv, e1, e2, du1, dv1, du2, dv2):
    """Tilt a normal by the slope (hu, hv) of a height (m) along the texture's axes (Mikkelsen 2010, surface gradient).

    e1, e2: edges of the triangle, m; du1, dv1, du2, dv2: the same in texture coordinates.
    """
    spread = du1 * dv2 - du2 * dv1
    if (hu == 0.0 and hv == 0.0) or abs(spread) < 1e-14:
        return nx, ny, nz
    s = 1.0 / spread
    ux, uy, uz = (e1[0] * dv2 - e2[0] * dv1) * s, (e1[1] * dv2 - e2[1] * dv1) * s, (e1[2] * dv2 - e2[2] * dv1) * s
    vx, vy, vz = (e2[0] * du1 - e1[0] * du2) * s, (e2[1] * du1 - e1[1] * du2) * s, (e2[2] * du1 - e1[2] * du2) * s
    r1x, r1y, r1z = vy * nz - vz * ny, vz * nx - vx * nz, vx * ny - vy * nx
    r2x, r2y, r2z = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
    det = ux * r1x + uy * r1y + uz * r1z
    if abs(det) < 1e-14:
        return nx, ny, nz
    s = 1.0 / det
    gx, gy, gz = (hu * r1x + hv * r2x) * s, (hu * r1y + hv * r2y) * s, (hu * r1z + hv * r2z) * s
    s = 1.0 / (1.0 + 0.7 * np.sqrt(gx * gx + gy * gy + gz * gz))  # steep slopes of coarse heights are calmed
    nx, ny, nz = nx - gx * s, ny - gy * s, nz - gz * s
    s = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    return nx * s, ny * s, nz * s


@kernel(inline=True)
@no_type_check
def _open_sky(hollow, place, px, py):
    """Return the share of the surroundings that a sample sees: little in hollows."""
    rows, columns = hollow.shape
    y = min(max(place[1] + place[2] * py, 0.0), rows - 1.001)
    x = min(max(place[0] + place[2] * px, 0.0), columns - 1.001)
    j, i = int(y), int(x)
    k, m = min(j + 1, rows - 1), min(i + 1, columns - 1)
    y -= j
    x -= i
    share = (hollow[j, i] * (1 - x) + hollow[j, m] * x) * (1 - y) + (hollow[k, i] * (1 - x) + hollow[k, m] * x) * y
    return 1.0 - 0.84 * share


@kernel(inline=True)
@no_type_check
def _ambient(sh, c, nx, ny, nz):
    """Return irradiance / pi of one channel from the harmonics (order as in ``geometry.light``)."""
    return max(
        0.0,
        0.282095 * sh[0, c] + 0.488603 * (sh[1, c] * ny + sh[2, c] * nz + sh[3, c] * nx)
        + 1.092548 * (sh[4, c] * nx * ny + sh[5, c] * ny * nz + sh[7, c] * nx * nz)
        + 0.315392 * sh[6, c] * (3.0 * nz * nz - 1.0) + 0.546274 * sh[8, c] * (nx * nx - ny * ny),
    )  # fmt: skip


@kernel(inline=True)
@no_type_check
def _lit(shadow, to_shadow, x, y, z):
    """Return how much of the key reaches a point: comparisons with its depth map, weighted as a box of 3x3 texels."""
    size = shadow.shape[0]
    if size == 0:
        return 1.0
    sx = to_shadow[0, 0] * x + to_shadow[0, 1] * y + to_shadow[0, 2] * z + to_shadow[0, 3]
    sy = to_shadow[1, 0] * x + to_shadow[1, 1] * y + to_shadow[1, 2] * z + to_shadow[1, 3]
    sz = to_shadow[2, 0] * x + to_shadow[2, 1] * y + to_shadow[2, 2] * z + to_shadow[2, 3]
    jx, jy = int(np.floor(sx)), int(np.floor(sy))
    gx, gy = sx - jx, sy - jy
    if jx < 1 or jy < 1 or jx >= size - 2 or jy >= size - 2:
        return 1.0
    seen = 0.0
    for j in range(-1, 3):
        wy = 1.0 - gy if j == -1 else (gy if j == 2 else 1.0)
        for i in range(-1, 3):
            if shadow[jy + j, jx + i] >= sz:
                seen += wy * (1.0 - gx if i == -1 else (gx if i == 2 else 1.0))
    return seen / 9.0


@kernel(inline=True)
@no_type_check
def _reflected(material, key_dir, nx, ny, nz, nl, x, y, z):
    """Return the key's highlight (Cook and Torrance with GGX; times the key's colour) and the share of the surroundings
    mirrored at grazing angles (Schlick's Fresnel)."""
    a2, f0 = material[0], material[1]
    s = -1.0 / np.sqrt(x * x + y * y + z * z)
    ex, ey, ez = x * s, y * s, z * s
    nv = max(nx * ex + ny * ey + nz * ez, 0.15)
    hx, hy, hz = ex + key_dir[0], ey + key_dir[1], ez + key_dir[2]
    s = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-20)
    nh = max((nx * hx + ny * hy + nz * hz) * s, 0.0)
    d = nh * nh * (a2 - 1.0) + 1.0
    k = 1.0 - max((ex * hx + ey * hy + ez * hz) * s, 0.0)
    fresnel = f0 + (1.0 - f0) * k * k * k * k * k
    highlight = min(a2 * fresnel * 0.25 / (d * d * max(0.25, nv + nl - nv * nl)), 4.0) * nl * material[2]
    k = 1.0 - nv
    return highlight, (f0 + (1.0 - f0) * k * k * k * k * k) * material[3]


@kernel(inline=True)
@no_type_check
def _developed(value):
    """Return a value after a camera's tone curve: a toe, middle grey kept, a shoulder."""
    value *= (value + 0.09) / (0.62 * value + 0.1584)
    return min(value / (1.0 + 0.75 * max(0.0, value - 0.8)), 1.0)


@kernel
@no_type_check
def shade_item(order, requests, surface, texture, material, lighting, color):
    """Write the linear colour of requests ``order`` of one item; ``material``: see ``Material.constants``."""
    face, at, step = requests
    faces, uv, face_uv, screen, inverse_z, vertices, normals, scar = surface
    texels, levels, decode = texture
    sh, key_dir, key_color, to_shadow, shadow, hollow, hollow_place = lighting
    is_skin = material[8] > 0
    base, e1, e2 = np.empty(3), np.empty(3), np.empty(3)
    for r in order:
        f = face[r]
        py, px = float(at[r, 0]), float(at[r, 1])
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        w0, w1, w2, inv_area = _weights(screen, inverse_z, i0, i1, i2, px, py)
        for c in range(3):
            e1[c], e2[c] = vertices[i1, c] - vertices[i0, c], vertices[i2, c] - vertices[i0, c]
        x = vertices[i0, 0] + w1 * e1[0] + w2 * e2[0]
        y = vertices[i0, 1] + w1 * e1[1] + w2 * e2[1]
        z = vertices[i0, 2] + w1 * e1[2] + w2 * e2[2]
        nx = w0 * normals[i0, 0] + w1 * normals[i1, 0] + w2 * normals[i2, 0]
        ny = w0 * normals[i0, 1] + w1 * normals[i1, 1] + w2 * normals[i2, 1]
        nz = w0 * normals[i0, 2] + w1 * normals[i1, 2] + w2 * normals[i2, 2]
        s = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
        if inv_area > 0:  # a back face of a sheet
            s = -s
        nx, ny, nz = nx * s, ny * s, nz * s
        t0, t1, t2 = face_uv[f, 0], face_uv[f, 1], face_uv[f, 2]
        u, v = uv[t0, 0], uv[t0, 1]
        du1, dv1, du2, dv2 = uv[t1, 0] - u, uv[t1, 1] - v, uv[t2, 0] - u, uv[t2, 1] - v
        density = (
            level_density(screen, i0, i1, i2, inv_area, du1, dv1, du2, dv2, levels[0, 2], levels[0, 1]) * step * step
        )
        a, b, d, e, fx, fy, tw, th = _texels(levels, u + w1 * du1 + w2 * du2, v + w1 * dv1 + w2 * dv2, density)
        for c in range(3):
            top = decode[texels[a, c]] * (1 - fx) + decode[texels[b, c]] * fx
            base[c] = top * (1 - fy) + (decode[texels[d, c]] * (1 - fx) + decode[texels[e, c]] * fx) * fy
        mark = w0 * scar[i0] + w1 * scar[i1] + w2 * scar[i2] if is_skin else 0.0
        if mark > 0.0:
            _scarred(base, mark)
        rise = material[4] * (1.0 - min(1.0, 0.8 * mark)) / 255.0
        ha, hb, hd, he = float(texels[a, 3]), float(texels[b, 3]), float(texels[d, 3]), float(texels[e, 3])
        hu, hv = (
            ((hb - ha) * (1 - fy) + (he - hd) * fy) * tw * rise,
            ((ha - hd) * (1 - fx) + (hb - he) * fx) * th * rise,
        )
        nx, ny, nz = _bumped(nx, ny, nz, hu, hv, e1, e2, du1, dv1, du2, dv2)

        sky = _open_sky(hollow, hollow_place, px, py)
        near = 0.5 + 0.5 * sky  # part of a lamp or of the sun's aureole hides behind what shades a hollow, too
        nl = nx * key_dir[0] + ny * key_dir[1] + nz * key_dir[2]
        turned_away = nl <= -max(material[5], material[6], material[7])
        seen = 0.0 if turned_away else _lit(shadow, to_shadow, x + nx * 0.013, y + ny * 0.013, z + nz * 0.013)
        highlight, grazing = _reflected(material, key_dir, nx, ny, nz, max(nl, 0.0), x, y, z)
        for c in range(3):
            light = sky * _ambient(sh, c, nx, ny, nz)
            wrap = material[5 + c]
            diffuse = min(max((nl + wrap) / ((1.0 + wrap) * (1.0 + wrap)), 0.0), 1.0)
            shadowed = min(1.0, seen + 0.12) if is_skin and c == 0 else seen  # red light creeps into skin's shadows
            value = base[c] * (light + key_color[c] * diffuse * shadowed * near) + key_color[c] * highlight * seen
            color[r, c] = _developed(value + light * grazing)
