"""Colour models of touching people: which of two people a pixel resembles."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel

STEPS = 7
"""Samples of a window from its centre to its border."""
LEAST = 3
"""So many samples must be at least as near in colour: one may be a neighbour's, or noise."""
BIN, BINS = 2.0, 40
"""Resolution of differences, grey levels, and their number."""
CHANNELS_BIN = int(3 * BIN)
"""The same, for the sum of three channels."""
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
    offsets = np.unique(np.rint(np.linspace(-reach, reach, 2 * STEPS + 1)).astype(int))
    _nearest(np.ascontiguousarray(rgb), y, x, np.ascontiguousarray(certain), offsets, float(share), out)
    return out


@kernel
@no_type_check
def _nearest(rgb, rows, columns, certain, offsets, share, out):
    """Write ``colour_distance`` at pixels (rows, columns), from the pixels of ``certain`` at all pairs of offsets."""
    h, w = certain.shape
    counts = np.zeros(BINS + 1, np.int64)
    for i in range(len(rows)):
        y, x = rows[i], columns[i]
        red, green, blue = np.int64(rgb[y, x, 0]), np.int64(rgb[y, x, 1]), np.int64(rgb[y, x, 2])
        counts[:] = 0
        total = 0
        for dy in offsets:
            if not 0 <= y + dy < h:
                continue
            for dx in offsets:
                a, b = y + dy, x + dx
                if 0 <= b < w and certain[a, b]:
                    away = abs(rgb[a, b, 0] - red) + abs(rgb[a, b, 1] - green) + abs(rgb[a, b, 2] - blue)
                    counts[min(away // CHANNELS_BIN, BINS)] += 1
                    total += 1
        needed = max(np.ceil(share * total), LEAST)
        out[y, x] = UNLIKE
        found = 0
        for k in range(BINS):
            found += counts[k]
            if found >= needed:
                out[y, x] = (k + 0.5) * BIN
                break
