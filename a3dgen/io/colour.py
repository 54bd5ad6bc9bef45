"""sRGB and linear light, and the albedo of skin on the Monk Skin Tone scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real, UInt8
from numpy import ndarray

MONK_SWATCHES = (
    "f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420",
)  # fmt: skip
"""Monk Skin Tone scale (Ellis Monk, Google; CC BY 4.0, skintone.google), sRGB hex, tone 1 to 10."""

# The swatches are drawn tones, not diffuse albedo: 1-4 are near white and 9-10 neutral black, where real skin keeps
# the chroma of haemoglobin and melanin, and reflects no less than about 4 % of light.
# Factors: first tone they apply to -> linear RGB.
_ALBEDO = {
    1: (0.74, 0.585, 0.515), 5: (0.865, 0.72, 0.655), 7: (1.03, 0.93, 0.86), 9: (1.85, 1.36, 1.15),
    10: (2.60, 1.88, 1.55),
}  # fmt: skip

_STEPS = 4095
_x = np.linspace(0.0, 1.0, _STEPS + 1)
ENCODE = np.round(255 * np.where(_x <= 0.0031308, 12.92 * _x, 1.055 * _x ** (1 / 2.4) - 0.055)).astype(np.uint8)
"""Table of 4,096 steps from linear 0..1 to sRGB bytes."""
del _x


def to_linear(srgb: Sequence[float | int] | Real[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return linear light 0..1 of sRGB values 0..255 (IEC 61966-2-1)."""
    c = np.asarray(srgb, np.float32) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: Float[ndarray, "*n"]) -> UInt8[ndarray, "*n"]:
    """Return sRGB bytes of linear light; values outside 0..1 are clipped."""
    return ENCODE[(np.clip(linear, 0, 1) * _STEPS + 0.5).astype(np.int32)]


def monk_albedo(tone: int) -> Float[ndarray, "3"]:
    """Return the linear RGB diffuse albedo of skin of a Monk tone 1..10."""
    swatch = MONK_SWATCHES[tone - 1]
    rgb = to_linear([int(swatch[i : i + 2], 16) for i in (0, 2, 4)])
    return (rgb * _ALBEDO[max(k for k in _ALBEDO if k <= tone)]).astype(np.float32)
