"""Statistics of 8-bit pictures by counting instead of sorting: percentiles, medians, extremes over channels."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, Integer, Real, UInt8
from numpy import ndarray

from a3dgen.lighting.srgb import LUMINANCE, decode, encode

PLENTY = 60_000
"""About so many pixels, evenly spread, say how a photo is."""
_BINS = 1 << 16
_LUMINANCE = LUMINANCE.astype(np.float32)


def thinned(picture: UInt8[ndarray, "h w 3"], plenty: int = PLENTY) -> UInt8[ndarray, "n 3"]:
    """Return every so-manieth pixel of every so-manieth row, about ``plenty`` of them in large pictures."""
    step = max(1, int(np.sqrt(picture.shape[0] * picture.shape[1] / plenty)))
    whole = np.ascontiguousarray(picture).view("V3")[..., 0]  # a pixel at a time, not a byte
    return np.ascontiguousarray(whole[::step, ::step]).reshape(-1, 1).view(np.uint8)


def counted(values: UInt8[ndarray, "n c"]) -> Float[ndarray, "c 256"]:
    """Return how often each value occurs in each channel, of up to 16 million."""
    picture = np.ascontiguousarray(values)[:, None]
    return np.stack([cv2.calcHist([picture], [c], None, [256], [0, 256])[:, 0] for c in range(values.shape[1])])


def percentile(counts: Real[ndarray, " b"], q: float) -> float:
    """Return what ``numpy.percentile`` says of integers that occur so often: interpolated between the nearest two."""
    upto = np.cumsum(counts, dtype=np.int64)
    place = (int(upto[-1]) - 1) * (q / 100)
    low = int(place)
    a, b = (float(np.searchsorted(upto, n, side="right")) for n in (low, min(low + 1, int(upto[-1]) - 1)))
    share = place - low
    return b - (b - a) * (1 - share) if share >= 0.5 else a + (b - a) * share


def brightest(pixels: UInt8[ndarray, "*n 3"]) -> UInt8[ndarray, "*n"]:
    """Return the largest of each pixel's channels."""
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def dimmest(pixels: UInt8[ndarray, "*n 3"]) -> UInt8[ndarray, "*n"]:
    """Return the least of each pixel's channels."""
    return np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


@cache
def _decoded() -> Float[ndarray, "256"]:
    return decode(np.arange(256.0))


def _levels(linear: Float[ndarray, "*n"]) -> Integer[ndarray, "*n"]:
    return np.clip(np.rint(encode(linear)), 0, 255).astype(np.int64)


@cache
def _level_of_bin() -> Integer[ndarray, " b"]:
    """Return the sRGB level of each of ``_BINS`` equal steps of linear light, -1 where a step holds two levels."""
    ends = _levels(np.arange(_BINS + 1) / _BINS)
    return np.where(ends[:-1] == ends[1:], ends[:-1], -1)


def luminance_level(pixels: UInt8[ndarray, "n 3"]) -> Integer[ndarray, " n"]:
    """Return the sRGB value (0..255, rounded) of each pixel's luminance."""
    linear = _decoded()[pixels] @ _LUMINANCE
    level = _level_of_bin()[np.clip(linear * _BINS, 0, _BINS - 1).astype(np.int64)]
    unsure = np.flatnonzero(level < 0)
    level[unsure] = _levels(linear[unsure])
    return level


def median_of_integers(values: Integer[ndarray, " n"]) -> float:
    """Return the median of small integers that are not negative."""
    return percentile(np.bincount(values), 50.0)


def resized(picture: Real[ndarray, "h w *c"], side: int) -> Real[ndarray, "r s *c"]:
    """Return a picture averaged down so that its longer side has ``side`` px; smaller ones as they are."""
    scale = min(1.0, side / max(picture.shape[:2]))
    size = tuple(max(1, round(n * scale)) for n in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
