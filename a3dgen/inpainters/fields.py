"""Compiled steps between two levels of the exemplar fill: places of a mask, fields carried to the next level."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from a3dgen.core.compiled import kernel


def places(mask: Bool[ndarray, "h w"]) -> Int[ndarray, "n 2"]:
    """Return row and column of a mask's pixels in scan order, in one memory layout: kernels are compiled for each."""
    out = np.empty((int(np.count_nonzero(mask)), 2), np.int32)
    _places(np.ascontiguousarray(mask), out)
    return out


@kernel
@no_type_check
def _places(mask, out):
    n = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                out[n, 0], out[n, 1] = y, x
                n += 1


def completed(
    field: Int[ndarray, "h w 2"],
    ok: Bool[ndarray, "h w"],
    where: Int[ndarray, "s 2"],
    targets: Int[ndarray, "n 2"],
    rng: np.random.Generator,
) -> Int[ndarray, "h w 2"]:
    """Return a field restricted to the targets, with a random source of ``where`` for each that has none that is
    ``ok``; -1 elsewhere."""
    out = np.full(field.shape, -1, np.int32)
    _complete(field, ok, where, targets, rng.integers(len(where), size=len(targets)), out)
    return out


@kernel
@no_type_check
def _complete(field, ok, where, targets, chosen, out):
    for k in range(len(targets)):
        y, x = targets[k, 0], targets[k, 1]
        sy, sx = field[y, x, 0], field[y, x, 1]
        if sy < 0 or sx < 0 or not ok[sy, sx]:
            sy, sx = where[chosen[k], 0], where[chosen[k], 1]
        out[y, x, 0], out[y, x, 1] = sy, sx


def upsampled(
    coarse: Int[ndarray, "hc wc 2"],
    ok: Bool[ndarray, "h w"],
    where: Int[ndarray, "s 2"],
    targets: Int[ndarray, "n 2"],
    pad: int,
    rng: np.random.Generator,
) -> Int[ndarray, "h w 2"]:
    """Carry the field of the level above to this one: same offsets, doubled; completed as by ``completed``.

    Args:
        pad: px around both levels.
    """
    out = np.full((*ok.shape, 2), -1, np.int32)
    _carry(coarse, ok, where, targets, rng.integers(len(where), size=len(targets)), pad, out)
    return out


@kernel
@no_type_check
def _carry(coarse, ok, where, targets, chosen, pad, out):
    h, w = ok.shape
    last_y, last_x = coarse.shape[0] - 1 - pad, coarse.shape[1] - 1 - pad
    for k in range(len(targets)):
        y, x = targets[k, 0] - pad, targets[k, 1] - pad
        py, px = min(y // 2 + pad, last_y), min(x // 2 + pad, last_x)
        sy, sx = np.int64(coarse[py, px, 0]), np.int64(coarse[py, px, 1])
        known = sy >= 0 and sx >= 0
        if known:
            sy = min(max(2 * (sy - pad) + y - 2 * (py - pad) + pad, 0), h - 1)
            sx = min(max(2 * (sx - pad) + x - 2 * (px - pad) + pad, 0), w - 1)
        if not known or not ok[sy, sx]:
            sy, sx = where[chosen[k], 0], where[chosen[k], 1]
        out[targets[k, 0], targets[k, 1], 0], out[targets[k, 0], targets[k, 1], 1] = sy, sx
