"""Shading, compiled: texture, bump, scar, harmonics, shadowed key light, highlight.

Everything runs in linear light and a single order, so the same input gives the same bytes whatever drew the triangles.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.renderers.lanes import LANES
from a3dgen.renderers.shade_formulas import (
    AT,
    COLOR,
    DENSITY,
    GIVEN,
    HEIGHT,
    MATERIAL,
    NEARNESS,
    NORMAL,
    ON_MAP,
    POINT,
    SCAR,
    SCREEN,
    SEEN,
    SHARE,
    SIZE,
    SKY,
    TEXEL,
    TEXTURE,
    TOWARDS,
    UV,
    WORK,
    light,
    place,
    relief,
)  # fmt: skip


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
def _lit(shadow, sx, sy, sz):
    """Return how much of the key reaches a point: comparisons of its depth with the key's depth map, weighted as a box
    of 3x3 texels."""
    size = shadow.shape[0]
    if size == 0:
        return 1.0
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
def _gather(given, k, f, py, px, surface):
    """Write lane k: the sample (row, column) of face f, and the face's corners."""
    given[AT, k], given[AT + 1, k] = px, py
    for corner in range(3):
        i, t = surface.faces[f, corner], surface.face_uv[f, corner]
        given[NEARNESS + corner, k] = surface.inverse_z[i]
        given[SCAR + corner, k] = surface.scar[i]
        for c in range(2):
            given[SCREEN + 2 * corner + c, k] = surface.screen[i, c]
            given[UV + 2 * corner + c, k] = surface.uv[t, c]
        for c in range(3):
            given[POINT + 3 * corner + c, k] = surface.vertices[i, c]
            given[NORMAL + 3 * corner + c, k] = surface.normals[i, c]


@kernel(inline=True)
@no_type_check
def _read(given, work, k, texture):
    """Write what lane k reads of the texture."""
    texels, levels, decode = texture
    u, v = work[TEXTURE, k], work[TEXTURE + 1, k]
    a, b, d, e, fx, fy, tw, th = _texels(levels, u, v, work[DENSITY, k])
    work[SHARE, k], work[SHARE + 1, k], work[SIZE, k], work[SIZE + 1, k] = fx, fy, tw, th
    for c in range(3):
        given[TEXEL + c, k], given[TEXEL + 3 + c, k] = decode[texels[a, c]], decode[texels[b, c]]
        given[TEXEL + 6 + c, k], given[TEXEL + 9 + c, k] = decode[texels[d, c]], decode[texels[e, c]]
    given[HEIGHT, k], given[HEIGHT + 1, k] = texels[a, 3], texels[b, 3]
    given[HEIGHT + 2, k], given[HEIGHT + 3, k] = texels[d, 3], texels[e, 3]


@kernel
@no_type_check
def shade_item(order, requests, surface, texture, constants, lighting, color):
    """Write the linear colour of requests ``order`` of one item; ``constants``: see ``constants_of``."""
    face, at, _ = requests
    shadow, hollow, hollow_place = lighting.shadow, lighting.hollow, lighting.hollow_place
    beyond = -max(constants[MATERIAL + 5], constants[MATERIAL + 6], constants[MATERIAL + 7])
    given, work = np.zeros((GIVEN, LANES), np.float32), np.zeros((WORK, LANES))
    for start in range(0, len(order), LANES):
        count = min(LANES, len(order) - start)
        for k in range(count):
            r = order[start + k]
            _gather(given, k, face[r], at[r, 0], at[r, 1], surface)
        place(given, work, constants)
        for k in range(count):
            _read(given, work, k, texture)
            work[SKY, k] = _open_sky(hollow, hollow_place, given[AT, k], given[AT + 1, k])
        relief(given, work, constants)
        for k in range(count):
            turned_away = work[TOWARDS, k] <= beyond
            work[SEEN, k] = (
                0.0 if turned_away else _lit(shadow, work[ON_MAP, k], work[ON_MAP + 1, k], work[ON_MAP + 2, k])
            )
        light(given, work, constants)
        for k in range(count):
            r = order[start + k]
            for c in range(3):
                color[r, c] = work[COLOR + c, k]


def constants_of(material: Float[ndarray, "9"], lighting: Lighting, texture: Texture, step: int) -> Float[ndarray, "c"]:
    """Return what is the same at all samples of an item, see ``shade_formulas``; ``material``: ``Material.constants``,
    whose skin alone has scars."""
    parts = (material, lighting.key_dir, lighting.key_color, lighting.to_shadow, lighting.sh)
    height, width = texture.levels[0, 1:]
    return np.concatenate([*(np.ravel(p) for p in parts), [width, height, step]]).astype(np.float64)
