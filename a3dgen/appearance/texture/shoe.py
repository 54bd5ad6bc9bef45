"""Texture of a shoe seen from its side: sole, toe cap, heel counter, laces, stripes and a padded collar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from numpy import ndarray

from a3dgen.appearance.texture import fabric
from a3dgen.core.compiled import kernel
from a3dgen.lighting.srgb import ENCODE, to_linear, to_srgb
from a3dgen.renderers.tiled import TiledTexture

ORIGIN = 0.4
"""Texture coordinate u of the foot's own origin (z = 0 in the rest pose)."""
TILE = 64
"""Side of the tiles, texels: feet are small, and shown by coarse copies."""
_SOLE_M, _SEAM_M, _COLLAR_M = 0.021, 0.002, 0.089
_TOP = ((0.0, 0.098), (0.05, 0.089), (0.08, 0.072), (0.10, 0.063), (0.12, 0.054))
"""Height of the instep (m) over the distance in front of the origin (m)."""


_TOE, _HEEL, _STRIPES, _TONGUE, _LACES, _COLLAR, _SEAMS, _SOLE, _TREAD, _RIM = range(10)
"""Layers of paint, in this order."""


def shoe(colours: Sequence[Sequence[int]], seed: int) -> TiledTexture:
    """Return a shoe (512, 512, 4), painted where it is seen: sRGB, and height in alpha; u is the distance
    forward, v the height above the ground, both in tiles of 0.32 m.

    Args:
        colours: upper, then those of stripes and trim. seed: even = light sole; 2 of 4 have stripes.
    """
    upper = to_linear(colours[0])
    trim = _trim(upper, to_linear(colours[1] if len(colours) > 1 else colours[0]))
    paints = {
        _TOE: (0.55 * upper + 0.45 * trim, 0.55),
        _HEEL: (trim, 0.8),
        _STRIPES: (trim, 0.95),
        _TONGUE: (0.7 * upper, 0.9),
        _LACES: (to_linear((232, 230, 224) if upper.mean() < 0.5 else (60, 60, 62)), 1.0),
        _COLLAR: (0.6 * upper, 0.7),
        _SEAMS: (0.3 * upper, 1.0),
        _SOLE: (to_linear((222, 219, 212) if seed % 2 == 0 else (44, 42, 40)), 1.0),
        _TREAD: (to_linear((58, 54, 50)), 1.0),
        _RIM: (0.35 * upper, 1.0),
    }
    added = np.stack([colour * share for colour, share in paints.values()]).astype(np.float32)
    kept = np.array([1 - share for _, share in paints.values()], np.float32)
    layers = _layers(seed % 4 >= 2)

    def paint(tiles: Bool[ndarray, "t t"], out: UInt8[ndarray, "s s 4"]) -> None:
        for band in np.flatnonzero(tiles.any(1)):  # of whole rows
            rows = slice(band * TILE, (band + 1) * TILE)
            fabric.dye("plain", colours[:1], seed, rows, out[rows])
            _paint(layers[rows], kept, added, *_tables(), ENCODE, out[rows])

    return TiledTexture(fabric.SIZE, TILE, paint)


@lru_cache(2)
def _layers(striped: bool) -> UInt16[ndarray, "s s"]:
    """Return which layers of paint each texel gets, one bit a layer."""
    steps = (np.arange(fabric.SIZE) + 0.5) / fabric.SIZE
    height, along = ((1 - steps) * fabric.TILE)[:, None], ((steps - ORIGIN) * fabric.TILE)[None]
    top = np.interp(along, *zip(*_TOP, strict=True))  # type: ignore[call-overload]
    slant = along - 0.35 * (height - 0.05)
    tongue = (along > 0.025) & (along < 0.100) & (height > top - 0.014)
    seams = np.abs(along - 0.122) < 0.0012
    seams = seams | (np.abs(height - 0.085 - 0.4 * (along + 0.05)) < 0.0012) & (along < -0.05)
    where = {
        _TOE: (along > 0.122) & (height < 0.2),
        _HEEL: (along < -0.050) & (height < 0.085 + 0.4 * (along + 0.05)),
        _STRIPES: striped & (np.abs((slant + 0.012) % 0.022 - 0.011) < 0.005) & (slant > -0.02) & (slant < 0.046),
        _TONGUE: tongue,
        _LACES: tongue & ((along * 1.0 + 0.15 * height) % 0.0135 < 0.0062),
        _COLLAR: (height > _COLLAR_M) & (along < 0.03),
        _SEAMS: seams & (height > _SOLE_M),
        _SOLE: (height < _SOLE_M) & (along > -1),
        _TREAD: (height < 0.007) & (along > -1),
        _RIM: (np.abs(height - _SOLE_M - _SEAM_M) < _SEAM_M) & (along > -1),
    }
    out = np.zeros((fabric.SIZE, fabric.SIZE), np.uint16)
    for layer, covered in where.items():
        out |= covered.astype(np.uint16) << layer
    return out


@lru_cache(1)
def _tables() -> tuple[Float[ndarray, "256"], UInt8[ndarray, "256"]]:
    """Return linear light of all bytes, and those bytes encoded again."""
    linear = to_linear(np.arange(256))
    return linear, to_srgb(linear)


@kernel
def _paint(layers, kept, added, decode, same, encode, out):  # type: ignore[no-untyped-def]
    """Lay paint over a fabric: layer k keeps a share of what lies below and adds its own colour."""
    zero, one, steps, half = np.float32(0), np.float32(1), np.float32(len(encode) - 1), np.float32(0.5)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            bits = layers[y, x]
            for c in range(3):
                if bits == 0:
                    out[y, x, c] = same[out[y, x, c]]
                    continue
                v = decode[out[y, x, c]]
                for k in range(len(kept)):
                    if (bits >> k) & 1:
                        v = v * kept[k] + added[k, c]
                out[y, x, c] = encode[int(min(max(v, zero), one) * steps + half)]
            if (bits >> _LACES) & 1:
                out[y, x, 3] = min(int(out[y, x, 3]) + 60, 255)
            if (bits >> _RIM) & 1:
                out[y, x, 3] = 90


def _trim(upper: ndarray, second: ndarray) -> ndarray:
    """The second colour, or black or white where that is hardly seen on the upper."""
    if abs(float(second.mean() - upper.mean())) > 0.15:
        return second
    return to_linear((24, 24, 26) if upper.mean() > 0.3 else (226, 224, 220))
