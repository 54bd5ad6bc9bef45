"""Colour of plain skin at every texel: the quick part of painting a skin, a block of texels at a time."""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.compiled import kernel

BLOCK = 256
"""Texels painted together."""
_ABSORB = ((0.7, -0.2, 0.12), (1.0, 1.0, 1.0), (1.25, 0.8, 0.85))
"""How much melanin, blood and flush take of red, green and blue light."""


class SkinColours(NamedTuple):
    """What one person's skin is painted with, f4.

    melanin, blood: share of each octave of noise. colours: linear RGB of skin, palm, lip, nail, hair, iris, sclera,
    brow, scar. redness: of flushed skin. relief: of the skin's pores. scalp, brows, stubble: how dense hair is there.
    hairline: its width in degrees; receded: how far it has receded, 0..1.
    """

    melanin: Float[ndarray, "8"]
    blood: Float[ndarray, "8"]
    colours: Float[ndarray, "9 3"]
    redness: np.float32
    relief: np.float32
    scalp: np.float32
    brows: np.float32
    stubble: np.float32
    hairline: np.float32
    receded: np.float32


@kernel(inline=True)
@no_type_check
def skin_exp(x):
    """exp(x) for |x| < 1.5 within 1 % (third order after halving twice)."""
    y = 0.25 * x
    y = 1.0 + y * (1.0 + y * (0.5 + y * 0.16667))
    y *= y
    return y * y


@kernel(inside=True)
@no_type_check
def paint_plain(noise, flush, start, skin, encode, mel, base, out):
    """Colour texels from ``start`` on, ``BLOCK`` of them or those that are left, as if there were nothing but skin.

    noise: (8, M). flush: (M,). skin: a ``SkinColours``. out: (M, 4) u1. mel: (BLOCK,) out, melanin; base: (3, BLOCK)
    out, linear colour.
    """
    melanin, blood, colour, redness, relief = skin.melanin, skin.blood, skin.colours[0], skin.redness, skin.relief
    n = min(BLOCK, noise.shape[1] - start)
    hem, grain, red, step = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK, np.int32)
    mel[:] = 0.0
    hem[:] = 0.0
    for o in range(noise.shape[0]):
        here, m, b = noise[o, start : start + n], melanin[o], blood[o]
        if m != 0 or b != 0:
            for i in range(n):
                mel[i] += m * here[i]
                hem[i] += b * here[i]
    fifth, sixth, seventh = noise[5, start : start + n], noise[6, start : start + n], noise[7, start : start + n]
    flushed, pixels = flush[start : start + n], out[start : start + n]
    for i in range(n):
        grain[i] = 1.0 + 0.03 * (fifth[i] + sixth[i])
        red[i] = flushed[i] * redness
    for c in range(3):
        of_melanin, of_blood, of_flush = _ABSORB[c]
        own = base[c]
        for i in range(n):
            light = skin_exp(mel[i] * of_melanin + hem[i] * of_blood - red[i] * of_flush)
            own[i] = colour[c] * light * grain[i]
            step[i] = np.int32(min(own[i], 1.0) * 4095.0 + 0.5)
        for i in range(n):
            pixels[i, c] = encode[step[i]]
    for i in range(n):
        height = 128.0 + relief * (0.2 * fifth[i] + 0.4 * sixth[i] + 0.6 * seventh[i])
        step[i] = np.int32(min(max(height, 0.0), 255.0))
    for i in range(n):
        pixels[i, 3] = step[i]
