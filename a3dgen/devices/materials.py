"""Textures of devices (metal, carbon twill, laminations, rubber) and devices as items to draw, few to a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.appearance.texture import pool
from a3dgen.core.pool import Pool
from a3dgen.core.rng import generator_for
from a3dgen.geometry.devices.sweep import Finish, Part
from a3dgen.renderers import Item, TiledTexture

SIZE = 256
FIRST_LABEL = 64
"""Labels from here on are devices: the first device of a sample has this one, the next one more."""
_TILES: Pool[UInt8[ndarray, "h w 4"]] = Pool(48)


def tile(finish: Finish) -> UInt8[ndarray, "h w 4"] | TiledTexture:
    """Return the texture of a finish from the pool: sRGB, and height in alpha (128 = level).

    ``("lamina", fabric, colours)`` is a fabric laminated into the surface; ``metal``, ``solid``, ``grip``, ``weave``
    and ``wood`` come with a colour; ``carbon`` has its own.
    """
    if finish[0] == "lamina":
        kind, colours = finish[1:]
        return pool.fabric(str(kind), colours, 1)  # type: ignore[arg-type]
    return _TILES.get(finish, lambda: _painted(finish))


def _painted(finish: Finish) -> UInt8[ndarray, "h w 4"]:
    kind = str(finish[0])
    rng = generator_for(0, "device texture", kind)
    colour = np.array(finish[1] if len(finish) > 1 else (60, 60, 60), np.float64)
    y, x = np.mgrid[:SIZE, :SIZE]
    height = np.full((SIZE, SIZE), 128.0)
    noise = rng.standard_normal((SIZE, SIZE))
    shade: Any = np.ones((SIZE, SIZE))
    if kind == "carbon":  # a 2 x 2 twill of glossy tows
        warp = ((x // 8) - (y // 8)) % 4 < 2
        round_tow = np.where(warp, np.sin(np.pi * (y % 8 + 0.5) / 8), np.sin(np.pi * (x % 8 + 0.5) / 8))
        colour, shade = np.ones(3), 22 + 26 * round_tow * np.where(warp, 1.0, 0.55)
        height += 10 * round_tow
    elif kind == "metal":
        shade = 1 + 0.5 * cv2.GaussianBlur(noise, (1, 31), 0, None, 6)
    elif kind == "wood":
        shade = 0.92 + 0.12 * np.sin(x / 5 + 90 * cv2.GaussianBlur(noise, (0, 0), 5))
    elif kind == "grip":
        height += 40 * np.sign(np.sin(y * 2 * np.pi / 32))
    elif kind == "weave":
        checks = (x // 2 + y // 2) % 2
        shade, height = 0.85 + 0.3 * checks, 118.0 + 20 * checks
    else:
        shade = 1 + 0.02 * noise
    rgb = np.clip(np.multiply.outer(shade, colour), 0, 255)
    return np.dstack([rgb, height]).astype(np.uint8)


def items_of(parts: Sequence[Part], label: int) -> list[Item]:
    """Return parts (camera frame) as items, one a material and finish, all faces with one label."""
    groups: dict[tuple[str, Finish], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.material, part.finish), []).append(part)
    out = []
    for (material, finish), some in groups.items():
        starts = np.cumsum([0, *(len(p.vertices) for p in some)])
        rows = np.cumsum([0, *(len(p.uv) for p in some)])
        faces = np.concatenate([p.faces + s for p, s in zip(some, starts[:-1], strict=True)])
        out.append(
            Item(
                np.concatenate([p.vertices for p in some]).astype(np.float32),
                faces.astype(np.int32),
                np.concatenate([p.uv for p in some]).astype(np.float32),
                np.concatenate([p.face_uv + r for p, r in zip(some, rows[:-1], strict=True)]).astype(np.int32),
                np.full(len(faces), label, np.uint8),
                tile(finish),
                material,
            )
        )
    return out
