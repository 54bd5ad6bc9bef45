"""The sRGB transfer function (IEC 61966-2-1): 8-bit values to linear light and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float, Real, UInt8
from numpy import ndarray

_STEPS = 4095
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Share of linear red, green and blue in luminance (IEC 61966-2-1)."""


def encode(linear: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return sRGB values 0..255, not rounded, of linear light 0..1."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def decode(srgb: Real[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return linear light 0..1 of sRGB values 0..255, in the precision of the values."""
    c = srgb / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


ENCODE = np.round(encode(np.linspace(0.0, 1.0, _STEPS + 1))).astype(np.uint8)
"""Table of 4,096 steps from linear 0..1 to sRGB bytes."""


def to_linear(srgb: Sequence[float | int] | Real[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return linear light 0..1 of sRGB values 0..255 (IEC 61966-2-1)."""
    return decode(np.asarray(srgb, np.float32)).astype(np.float32)


def to_srgb(linear: Float[ndarray, "*n"]) -> UInt8[ndarray, "*n"]:
    """Return sRGB bytes of linear light; values outside 0..1 are clipped."""
    return ENCODE[(np.clip(linear, 0, 1) * _STEPS + 0.5).astype(np.int32)]


@cache
def decode_table() -> Float[ndarray, "256"]:
    """Return the linear light of the 256 values of 8-bit sRGB, f4."""
    return decode(np.arange(256)).astype(np.float32)
