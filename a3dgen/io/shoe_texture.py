"""Texture of a shoe seen from its side: sole, toe cap, heel counter, laces, stripes and a padded collar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.io import fabric
from a3dgen.io.colour import to_linear, to_srgb

ORIGIN = 0.4
"""Texture coordinate u of the foot's own origin (z = 0 in the rest pose)."""
_SOLE_M, _SEAM_M, _COLLAR_M = 0.024, 0.002, 0.098
_TOP = ((0.0, 0.109), (0.05, 0.100), (0.08, 0.083), (0.10, 0.074), (0.12, 0.065))
"""Height of the instep (m) over the distance in front of the origin (m)."""


def shoe(colours: Sequence[Sequence[int]], seed: int) -> UInt8[ndarray, "s s 4"]:
    """Return a shoe (512, 512, 4): sRGB, and height in alpha; u is the distance forward, v the height above the
    ground, both in tiles of 0.32 m.

    Args:
        colours: upper, then those of stripes and trim. seed: even = light sole; 2 of 4 have stripes.
    """
    out = fabric.fabric("plain", colours[:1], seed)
    steps = (np.arange(fabric.SIZE) + 0.5) / fabric.SIZE
    height, along = ((1 - steps) * fabric.TILE)[:, None], ((steps - ORIGIN) * fabric.TILE)[None]
    linear, relief = to_linear(out[..., :3]), out[..., 3].astype(np.float32)
    upper = to_linear(colours[0])
    trim = _trim(upper, to_linear(colours[1] if len(colours) > 1 else colours[0]))

    def paint(where: ndarray, colour: ndarray, share: float = 1.0) -> None:
        linear[where] = linear[where] * (1 - share) + colour * share

    top = np.interp(along, *zip(*_TOP, strict=True))
    paint((along > 0.122) & (height < 0.2), 0.55 * upper + 0.45 * trim, 0.55)
    paint((along < -0.050) & (height < 0.085 + 0.4 * (along + 0.05)), trim, 0.8)
    if seed % 4 >= 2:
        slant = along - 0.35 * (height - 0.05)
        paint((np.abs((slant + 0.012) % 0.022 - 0.011) < 0.005) & (slant > -0.02) & (slant < 0.046), trim, 0.95)
    tongue = (along > 0.025) & (along < 0.100) & (height > top - 0.014)
    paint(tongue, 0.7 * upper, 0.9)
    laces = tongue & ((along * 1.0 + 0.15 * height) % 0.0135 < 0.0062)
    paint(laces, to_linear((232, 230, 224) if upper.mean() < 0.5 else (60, 60, 62)))
    relief[laces] = np.minimum(relief[laces] + 60, 255)
    paint((height > _COLLAR_M) & (along < 0.03), 0.6 * upper, 0.7)
    seams = np.abs(along - 0.122) < 0.0012
    seams = seams | (np.abs(height - 0.085 - 0.4 * (along + 0.05)) < 0.0012) & (along < -0.05)
    paint(seams & (height > _SOLE_M), 0.3 * upper)
    sole = (height < _SOLE_M) & (along > -1)
    paint(sole, to_linear((222, 219, 212) if seed % 2 == 0 else (44, 42, 40)))
    paint((height < 0.007) & (along > -1), to_linear((58, 54, 50)))  # the tread
    paint((np.abs(height - _SOLE_M - _SEAM_M) < _SEAM_M) & (along > -1), 0.35 * upper)
    relief[np.broadcast_to(np.abs(height - _SOLE_M - _SEAM_M) < _SEAM_M, relief.shape)] = 90
    out[..., :3], out[..., 3] = to_srgb(linear), relief.astype(np.uint8)
    return out


def _trim(upper: ndarray, second: ndarray) -> ndarray:
    """The second colour, or black or white where that is hardly seen on the upper."""
    if abs(float(second.mean() - upper.mean())) > 0.15:
        return second
    return to_linear((24, 24, 26) if upper.mean() > 0.3 else (226, 224, 220))
