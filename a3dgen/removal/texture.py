"""How alike two pictures look at a place: local statistics of colour and edges, or the colours themselves.

Grass filled twice differs at every pixel and looks the same: its colours, their spread and its edges by direction are
alike. A rail that ends does not. Places are alike if either the colours are, a small shift apart, or the statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel

REACH, LEAST_REACH = 0.025, 1.5
"""Statistics are of so much around a pixel (standard deviation of the window), share of the height; at least so many
px."""
CALM, LEAST_CALM = 0.008, 0.7
"""Colours are compared without finer texture than this, share of the height; px."""
MOVED = 0.02
"""Nor does it matter whether a colour lies within this share of the height here or there."""
COLOUR = 9.0
"""Colours this far apart (CIELAB) are noticed."""
MEAN, SPREAD, EDGES = 5.0, 5.0, 0.5
"""And means of colours and their spreads this far apart (CIELAB), and edges (natural logarithm)."""
SMEARED, ROUGH = 0.8, 5.0
"""Edges this far apart are noticed whatever the colours, where these spread so much in the rougher picture."""
SCALES = (0.7, 2.0)
"""Edges are of these scales, px; each in four directions."""
FAINT = 0.35
"""Fainter edges than this (lightness a px) are noise."""


def lab(rgb: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "h w 3"]:
    """Return colours in CIELAB: equal distances are about equally visible."""
    return cv2.cvtColor(rgb.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)


def statistics(
    colours: Float[ndarray, "h w 3"], known: Bool[ndarray, "h w"], height: float
) -> Float[ndarray, "14 h w"]:
    """Return mean and spread of the colours (CIELAB, 3 + 3) and the logarithm of edges (2 scales by 4 directions)
    around every pixel, over ``known`` pixels alone.

    ``height``: of the person, px.
    """
    reach = max(LEAST_REACH, REACH * height)
    planes = cv2.split(colours)
    share = None
    if not known.all():
        share = known.astype(np.float32)
        count = np.maximum(tent(share, reach), np.float32(1e-3))

    def mean(plane: Float[ndarray, "h w"]) -> Float[ndarray, "h w"]:
        return tent(plane, reach) if share is None else tent(plane * share, reach) / count

    out = np.empty((14, *known.shape), np.float32)
    for k, plane in enumerate(planes):
        out[k] = mean(plane)
        out[3 + k] = np.sqrt(np.maximum(mean(plane * plane) - out[k] * out[k], 0))
    for k, edges in enumerate(_edges(planes[0])):
        cv2.log(mean(edges) + np.float32(FAINT), out[6 + k])
    return out


def tent(plane: Float[ndarray, "h w"], reach: float) -> Float[ndarray, "h w"]:
    """Return the mean around every pixel by a tent, twice a box, of about this standard deviation (px)."""
    side = 2 * round(1.2 * reach) + 1
    return cv2.blur(cv2.blur(plane, (side, side)), (side, side))


def _edges(light: Float[ndarray, "h w"]) -> Iterator[Float[ndarray, "h w"]]:
    """Yield the absolute derivatives of lightness across, down and along both diagonals, at each scale."""
    for scale in SCALES:
        calm = cv2.GaussianBlur(light, (0, 0), scale)
        x, y = (cv2.Sobel(calm, -1, dx, 1 - dx, scale=0.125) for dx in (1, 0))
        yield from (np.abs(x), np.abs(y), np.abs(x + y) * np.float32(0.5**0.5), np.abs(x - y) * np.float32(0.5**0.5))


def unlike(
    first: Float[ndarray, "h w 3"],
    second: Float[ndarray, "h w 3"],
    about: tuple[Float[ndarray, "14 h w"], Float[ndarray, "14 h w"]],
    where: Bool[ndarray, "h w"],
    height: float,
) -> Float[ndarray, "h w"]:
    """Return how unlike two pictures look at the pixels of ``where`` (elsewhere 0); 1 is just noticed.

    Args:
        first, second: CIELAB colours. about: their ``statistics``. height: of the person, px.
    """
    calm = max(LEAST_CALM, CALM * height)
    reach = max(1, round(MOVED * height))
    steps = np.array(sorted({0, reach, -reach, reach // 2, -(reach // 2)}, key=abs))
    colours = np.zeros(where.shape, np.float32)
    one, other = (cv2.GaussianBlur(picture, (0, 0), calm) for picture in (first, second))
    _nearest(one, other, np.ascontiguousarray(where), steps, colours)  # one layout: one compilation
    apart = np.abs(about[0] - about[1])
    mean, spread = _length(apart[:3]), _length(apart[3:6])
    edges = apart[6:].mean(0)
    looks = np.maximum(np.maximum(mean / MEAN, spread / SPREAD), edges / EDGES)
    rough = _length(np.maximum(about[0][3:6], about[1][3:6]))
    smeared = np.minimum(edges / SMEARED, rough / ROUGH)  # some colour of grass is always near that of its mean
    box = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    smeared = cv2.morphologyEx(smeared, cv2.MORPH_OPEN, box)  # wider than a shift
    return np.where(where, np.maximum(np.minimum(colours / COLOUR, looks), smeared), 0).astype(np.float32)


def _length(planes: Float[ndarray, "3 h w"]) -> Float[ndarray, "h w"]:
    return np.sqrt(planes[0] ** 2 + planes[1] ** 2 + planes[2] ** 2)


@kernel
@no_type_check
def _nearest(first, second, where, steps, out):
    """Put into ``out`` how far each colour is from the nearest of the other picture, shifted by any pair of steps."""
    h, w = where.shape
    for y in range(h):
        for x in range(w):
            if not where[y, x]:
                continue
            least = np.float32(1e9)
            for dy in steps:
                for dx in steps:
                    j, i = min(max(y + dy, 0), h - 1), min(max(x + dx, 0), w - 1)
                    a = first[y, x, 0] - second[j, i, 0]
                    b = first[y, x, 1] - second[j, i, 1]
                    c = first[y, x, 2] - second[j, i, 2]
                    least = min(least, a * a + b * b + c * c)
            out[y, x] = np.sqrt(least)
