"""Colour models of touching people: which of two people a pixel resembles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

STEPS = 7
"""Samples of a window from its centre to its border."""
LEAST = 3
"""So many samples must be at least as near in colour: one may be a neighbour's, or noise."""
BIN, BINS = 2.0, 40
"""Resolution of differences, grey levels, and their number."""
UNLIKE = 255.0


def colour_distance(
    rgb: UInt8[ndarray, "h w 3"],
    where: Bool[ndarray, "h w"],
    certain: Bool[ndarray, "h w"],
    reach: float,
    share: float = 0.0,
) -> Float[ndarray, "h w"]:
    """Return how far each pixel's colour is from the nearest colours of a mask around it.

    People wear patterns: the nearest of many colours counts, not the distance from a mean.

    Args:
        rgb: photo. where: pixels asked for. certain: pixels that are somebody's. reach: how far away they may be, px.
        share: of the mask's pixels in reach that must be as near in colour.

    Returns:
        Mean absolute difference of the channels, grey levels; ``UNLIKE`` where too little of the mask is in reach,
        and outside ``where``.
    """
    out = np.full(where.shape, UNLIKE, np.float32)
    y, x = np.nonzero(where)
    if not len(y) or not certain.any():
        return out
    height, width = where.shape
    colours = rgb[y, x].astype(np.float32)
    counts = np.zeros((len(y), BINS + 1), np.int32)
    offsets = np.unique(np.rint(np.linspace(-reach, reach, 2 * STEPS + 1)).astype(int))
    for dy in offsets:
        for dx in offsets:
            row, col = y + dy, x + dx
            use = np.flatnonzero((row >= 0) & (row < height) & (col >= 0) & (col < width))
            use = use[certain[row[use], col[use]]]
            distance = np.abs(rgb[row[use], col[use]] - colours[use]).mean(1)
            counts[use, np.minimum(distance / BIN, BINS).astype(int)] += 1
    needed = np.maximum(np.ceil(share * counts.sum(1)), LEAST)
    enough = counts.cumsum(1) >= needed[:, None]
    first = enough.argmax(1)
    out[y, x] = np.where(enough.any(1) & (first < BINS), (first + 0.5) * BIN, UNLIKE)
    return out
