"""The colour of the light in a photo, where nothing in it is white or grey: late sun, sodium lamps, a green studio."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.lighting.byte_statistics import brightest, counted, dimmest, percentile, resized
from a3dgen.lighting.srgb import LUMINANCE, decode_table

# Hand-set on the real sample frames, as they are and with their blue at 35 %.
_SIDE = 128
"""Longer side (px) at which colours are read: grain and JPEG's chroma are averaged away."""
_BRIGHT = 0.4
"""Colours are read where the brightest channel is at least this share of the photo's (99th percentile), 8-bit."""
_LEAST = 16.0
"""In photos darker than this everywhere, colours are grain."""
_GREYEST, _READ = 2.0, 6.0
"""Percentile of saturation that is the photo's greyest part; that below which its colour is read."""
FREE, FULL = 0.08, 0.26
"""Saturation of the greyest part up to which the light is white, and from which its colour is the light's."""


def read_cast(photo: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "3"] | None:
    """Return the light's colour (linear, luminance 1), or None where something in the photo is white or grey.

    Grey surfaces are common: if even the greyest bright parts have a colour, it is taken for the light's (grey world
    of the least saturated pixels).
    """
    pixels = resized(photo, _SIDE).reshape(-1, 3)
    top = brightest(pixels)
    most = percentile(counted(top[:, None])[0], 99.0)
    if most < _LEAST:
        return None
    kept = top >= max(_BRIGHT * most, 8.0)
    bright = pixels[kept]
    saturation = 1 - dimmest(bright) / top[kept].astype(np.float64)
    share = float(np.clip((np.percentile(saturation, _GREYEST) - FREE) / (FULL - FREE), 0, 1))
    if share == 0:
        return None
    linear = decode_table()[bright[saturation <= np.percentile(saturation, _READ)]].astype(np.float64)
    colour = linear.mean(0)
    colour /= max(float(colour @ LUMINANCE), 1e-6)
    return 1 + share * (colour - 1)
