"""Texture pyramids for shading: of whole textures from a pool, of tiled ones as far as they are seen."""

from __future__ import annotations

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Integer, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.core.pool import Pool
from a3dgen.renderers.shade import Requests, Surface, level_density, signed_area
from a3dgen.renderers.tiled import Pyramid, TiledTexture

_PYRAMIDS: Pool[Pyramid] = Pool(8)
_BELOW, _ABOVE = 0.501, 0.499
"""Texels' centres lie at half a texel; the rest is rounding."""
_DOUBT = 1e-4
"""A texture is painted for both levels where the number of texels a pixel is this near to where they change."""


def pyramid(
    texture: UInt8[ndarray, "h w 4"] | TiledTexture, order: Integer[ndarray, " n"], requests: Requests, surface: Surface
) -> Pyramid:
    """Return what ``shade_item`` reads of a texture for the requests ``order``.

    Pyramids of whole textures are pooled by the texture's identity.
    """
    if not isinstance(texture, TiledTexture):
        return _PYRAMIDS.get(id(texture), lambda: _build_pyramid(texture))
    needed = np.zeros((texture.size // texture.tile,) * 2, np.bool_)
    _mark_tiles(order, requests, surface, texture.levels, needed)
    return texture.show(needed)


def _build_pyramid(texture: UInt8[ndarray, "h w 4"]) -> Pyramid:
    levels, parts, start = [], [], 0
    image = np.ascontiguousarray(texture)
    while True:
        h, w = image.shape[:2]
        levels.append((start, h, w))
        parts.append(image.reshape(-1, 4))
        start += h * w
        if h == 1 and w == 1:
            break
        image = cv2.resize(image, (max(1, w // 2), max(1, h // 2)), interpolation=cv2.INTER_AREA)
    return Pyramid(np.concatenate(parts), np.array(levels, np.int64), texture)


@kernel
@no_type_check
def _mark_tiles(order, requests, surface, levels, needed):
    """Mark the tiles that the faces of requests read, and those beside them that interpolation reads.

    levels: of a square texture. needed: (T, T) bool, out.
    """
    face, step = requests.face, requests.step
    faces, uv, face_uv, screen = surface.faces, surface.uv, surface.face_uv, surface.screen
    size = levels[0, 1]
    tiles = needed.shape[0]
    tile = size // tiles
    seen = np.zeros(faces.shape[0], np.bool_)
    for r in order:
        f = face[r]
        if seen[f]:
            continue
        seen[f] = True
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        area = signed_area(screen, i0, i1, i2)
        inv_area = 1.0 / area if area != 0.0 else 0.0
        t0, t1, t2 = face_uv[f, 0], face_uv[f, 1], face_uv[f, 2]
        u, v = uv[t0, 0], uv[t0, 1]
        du1, dv1, du2, dv2 = uv[t1, 0] - u, uv[t1, 1] - v, uv[t2, 0] - u, uv[t2, 1] - v
        density = level_density(screen, i0, i1, i2, inv_area, du1, dv1, du2, dv2, size, size) * step * step
        low_u, high_u = u + min(0.0, du1, du2), u + max(0.0, du1, du2)
        low_v, high_v = 1.0 - (v + max(0.0, dv1, dv2)), 1.0 - (v + min(0.0, dv1, dv2))
        last = -1
        for side in range(2):
            texels = density * (1.0 - _DOUBT if side == 0 else 1.0 + _DOUBT)
            level = 0
            while texels > 2.0 and level < len(levels) - 1:
                texels *= 0.25
                level += 1
            if level == last:
                continue
            last = level
            width = size >> level
            scale = float(width)
            x0, x1 = int(np.floor(low_u * scale - _BELOW)), int(np.floor(high_u * scale - _ABOVE)) + 1
            y0, y1 = int(np.floor(low_v * scale - _BELOW)), int(np.floor(high_v * scale - _ABOVE)) + 1
            x1, y1 = min(x1, x0 + width - 1), min(y1, y0 + width - 1)
            tx0, tx1 = ((x0 << level) // tile), ((((x1 + 1) << level) - 1) // tile)
            ty0, ty1 = ((y0 << level) // tile), ((((y1 + 1) << level) - 1) // tile)
            for j in range(ty0, ty1 + 1):
                for i in range(tx0, tx1 + 1):
                    needed[j % tiles, i % tiles] = True
