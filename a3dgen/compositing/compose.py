"""Blends a drawn person into a plate: linear light, shadow, black level, grain, occluders."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.lighting.byte_statistics import counted, median_of_integers, percentile, thinned
from a3dgen.lighting.shadow import Shade
from a3dgen.lighting.srgb import decode_table, encode

MAX_BLACK = 22
"""Black levels above this (8-bit) are dark scenes, not lifted blacks."""
_STEPS = 16384
_GRAIN = 512


@cache
def encode_table() -> UInt8[ndarray, " n"]:
    """Return 8-bit sRGB of linear light in ``_STEPS`` equal steps (IEC 61966-2-1)."""
    return np.round(encode(np.arange(_STEPS + 1) / _STEPS)).astype(np.uint8)


def black_level(plate: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "3"]:
    """Return the photo's black per channel as linear light: its 0.5th percentile, at most ``MAX_BLACK``."""
    low = [percentile(counts, 0.5) for counts in counted(thinned(plate))]
    return decode_table()[np.minimum(low, MAX_BLACK).astype(np.uint8)]


def noise_sigma(plate: UInt8[ndarray, "h w 3"], skip: Bool[ndarray, "h w"] | None = None) -> Float[ndarray, "3"]:
    """Return the standard deviation of the grain per channel, 8-bit steps.

    Immerkaer's Laplacian-difference estimate (CVIU 1996), as a median over flat, unclipped areas.

    Args:
        plate: the picture. skip: pixels to leave out (filled in), or None.
    """
    h, w = plate.shape[:2]
    rows, columns = min(h, 320), min(w, 400)
    y, x = (h - rows) // 2, (w - columns) // 2
    part = plate[y : y + rows, x : x + columns]
    laplacian = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    smooth = cv2.GaussianBlur(cv2.cvtColor(part.astype(np.float32), cv2.COLOR_RGB2GRAY), (0, 0), 2)
    slope = np.hypot(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1))
    use = (smooth > 8) & (smooth < 247)
    if skip is not None:
        use &= ~skip[y : y + rows, x : x + columns]
    if use.sum() < 500:
        return np.zeros(3)
    use &= slope <= np.percentile(slope[::2, ::2][use[::2, ::2]], 40)
    use[1::2] = False  # every other row is plenty
    residual = np.abs(cv2.filter2D(part, cv2.CV_16S, laplacian)[use])
    return np.array([median_of_integers(residual[:, c]) / 0.6745 / 6 for c in range(3)])


@cache
def _grain() -> Float[ndarray, "g g 3"]:
    """Return a tile of photographic grain, standard deviation 1: correlated between channels and neighbours."""
    rng = np.random.Generator(np.random.PCG64(1))
    noise = rng.standard_normal((_GRAIN, _GRAIN, 3)).astype(np.float32)
    noise = 0.8 * noise.mean(2, keepdims=True) * np.float32(np.sqrt(3)) + 0.6 * noise
    padded = cv2.GaussianBlur(np.pad(noise, ((8, 8), (8, 8), (0, 0)), mode="wrap"), (0, 0), 0.55)[8:-8, 8:-8]
    return np.ascontiguousarray(padded / padded.std())


class _Person(NamedTuple):
    """The drawn person, premultiplied linear light, and the opacity of what stands in front (empty = nothing)."""

    rgba: Float[ndarray, "h w 4"]
    front: Float[ndarray, "h w"]


class _Shadow(NamedTuple):
    """Shadow on the plate (see ``lighting.shadow.Shade``), f4; empty = none."""

    cast: Float[ndarray, "h w"]
    contact: Float[ndarray, "h w"]
    depth: Float[ndarray, "3"]


class _Camera(NamedTuple):
    """What the photo's camera adds: black level (linear), grain (8-bit) with a tile of it from (oy, ox) on, and its
    transfer tables."""

    black: Float[ndarray, "3"]
    sigma: Float[ndarray, "3"]
    grain: Float[ndarray, "g g 3"]
    oy: int
    ox: int
    decode: Float[ndarray, "256"]
    encode: UInt8[ndarray, "n"]


@kernel
@no_type_check
def _blend(photo, person, shadow, camera, out):
    """Change what is seen of the person, their shadow and what stands in front; ``out``: the plate before."""
    rgba, front = person
    cast, contact, depth = shadow
    black, sigma, grain, oy, ox, decode, encode = camera
    h, w = out.shape[:2]
    steps = encode.shape[0] - 1
    size = grain.shape[0]
    has_front = front.shape[0] > 0
    has_shade = cast.shape[0] > 0
    for y in range(h):
        grain_row = grain[(y + oy) % size]
        for x in range(w):
            a = rgba[y, x, 3]
            f = front[y, x] if has_front else np.float32(0.0)
            shaded = has_shade and (cast[y, x] > 0.001 or contact[y, x] > 0.001)
            if a <= 0.0 and not shaded and f <= 0.0:
                continue
            if f >= 1.0:
                for c in range(3):
                    out[y, x, c] = photo[y, x, c]
                continue
            gx = (x + ox) % size
            for c in range(3):
                back = decode[out[y, x, c]]
                if shaded:
                    back *= (1 - contact[y, x]) * (1 - cast[y, x] * depth[c])
                v = back * (1 - a) + rgba[y, x, c] * (1 - black[c]) + black[c] * a
                if f > 0.0:
                    v = v * (1 - f) + decode[photo[y, x, c]] * f
                value = np.float32(encode[int(min(max(v, 0.0), 1.0) * steps + 0.5)])
                value += grain_row[gx, c] * sigma[c] * a * (1 - f)
                out[y, x, c] = np.uint8(min(max(value + 0.5, 0.0), 255.0))


def compose(
    plate: UInt8[ndarray, "h w 3"],
    rgba: Float[ndarray, "h w 4"],
    shade: Shade | None,
    black: Float[ndarray, "3"],
    sigma: Float[ndarray, "3"],
    rng: np.random.Generator,
    front: Float[ndarray, "h w"] | None = None,
    photo: UInt8[ndarray, "h w 3"] | None = None,
) -> UInt8[ndarray, "h w 3"]:
    """Blend a person over a plate in linear light; all arrays cover the same crop.

    Args:
        plate: 8-bit sRGB. rgba: the person, premultiplied, linear. shade: shadow on the plate, or None.
        black: the photo's black level, linear (``black_level``). sigma: its grain, 8-bit (``noise_sigma``).
        rng: places the grain.
        front: opacity of what stands before the person, 0..1, with the pixels of ``photo``; or None.

    Returns:
        8-bit sRGB. Pixels without person, shadow or occluder are the plate's own.
    """
    oy, ox = (int(v) for v in rng.integers(0, _GRAIN, 2))
    none = np.zeros((0, 0), np.float32)
    out = plate.copy()
    person = _Person(
        np.ascontiguousarray(rgba, np.float32), none if front is None else np.ascontiguousarray(front, np.float32)
    )
    if shade is None:
        shadow = _Shadow(none, none, np.zeros(3, np.float32))
    else:
        shadow = _Shadow(
            np.ascontiguousarray(shade.cast, np.float32),
            np.ascontiguousarray(shade.contact, np.float32),
            np.asarray(shade.depth, np.float32),
        )
    black, sigma = np.asarray(black, np.float32), np.asarray(sigma, np.float32)
    camera = _Camera(black, sigma, _grain(), oy, ox, decode_table(), encode_table())
    before = out if front is None or photo is None else np.ascontiguousarray(photo)  # one layout: compiled once
    _blend(before, person, shadow, camera, out)
    return out


def soft_edge(mask: Bool[ndarray, "h w"], width: float = 1.0) -> Float[ndarray, "h w"]:
    """Return a mask's opacity with an edge about ``width`` px soft, f4: 1 inside, 0 outside."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(width, 0.3))
