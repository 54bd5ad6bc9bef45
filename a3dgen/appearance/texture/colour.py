"""sRGB and linear light, and the albedo of skin on the Monk Skin Tone scale."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.lighting.srgb import to_linear

MONK_SWATCHES = (
    "f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420",
)  # fmt: skip
"""Monk Skin Tone scale (Ellis Monk, Google; CC BY 4.0, skintone.google), sRGB hex, tone 1 to 10."""

# The swatches are drawn tones, not diffuse albedo: 1-4 are near white and 9-10 neutral black, where real skin keeps
# the chroma of haemoglobin and melanin, and reflects no less than about 5 % of light (L* 28): with
# less, dark faces had no features in dim light.
# Factors: first tone they apply to -> linear RGB.
_ALBEDO = {
    1: (0.74, 0.585, 0.515), 5: (0.865, 0.72, 0.655), 7: (1.03, 0.93, 0.86), 8: (1.44, 1.30, 1.20),
    9: (2.68, 1.97, 1.67), 10: (3.90, 2.82, 2.33),
}  # fmt: skip


def monk_albedo(tone: int) -> Float[ndarray, "3"]:
    """Return the linear RGB diffuse albedo of skin of a Monk tone 1..10."""
    swatch = MONK_SWATCHES[tone - 1]
    rgb = to_linear([int(swatch[i : i + 2], 16) for i in (0, 2, 4)])
    return (rgb * _ALBEDO[max(k for k in _ALBEDO if k <= tone)]).astype(np.float32)
