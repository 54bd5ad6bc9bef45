"""The default fill: multi-scale PatchMatch with voting, on a crop around the hole, with the photo's grain.

The coarsest level is filled patch by patch with strong edges first (so that horizons and walls run through), every
finer level starts from it and is optimised by search and vote; the finest vote weighs a patch's centre most, which
keeps the texture that plain averaging would lose. Only patches that lie wholly outside ``hole | forbidden`` are copied.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from a3dgen.inpainters import Inpainter, NoSource
from a3dgen.inpainters.blend import level_seams
from a3dgen.inpainters.fields import completed, places, upsampled
from a3dgen.inpainters.grain import add_grain
from a3dgen.inpainters.patchmatch import SIDE, R, first_fill, search, vote
from a3dgen.inpainters.pyramid import MIN_SOURCES, PAD, Level, pyramid

MARGIN = 0.75
"""Context around the hole's box, as a share of its longer side."""
MIN_MARGIN = 40
COSTLY, TOO_COSTLY = 60_000, 200_000
"""Hole sizes (px) above which half size gets one round of search less, and any size none."""
SHRINK = 4
"""The random search looks from try to try so much nearer: halving finds nothing better, and takes longer."""
PRIOR = 2000
"""Weight of the distance prior at full resolution, 1/256 weighted grey level squared per px squared."""


def create(path: str = "") -> Inpainter:
    """Return the inpainter; it needs no file."""
    return fill


def create_rough(path: str = "") -> Inpainter:
    """Return its faster form."""
    return functools.partial(fill, rough=True)


def fill(
    rgb: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    forbidden: Bool[ndarray, "h w"],
    rng: np.random.Generator,
    rough: bool = False,
) -> UInt8[ndarray, "h w 3"]:
    """Fill ``hole``; see the package for the arguments.

    Args:
        rough: in half the time, as half size tells: without search at full size, levelled seams and grain.

    Raises:
        NoSource: if almost everything around is hole or forbidden.
    """
    if not hole.any():
        return rgb.copy()
    y0, y1, x0, x1 = _crop(hole, forbidden)
    patch = rgb[y0:y1, x0:x1]
    inner, avoid = hole[y0:y1, x0:x1], (forbidden & ~hole)[y0:y1, x0:x1]
    filled = _solve(patch, inner, avoid, rng, rough)
    if not rough:
        filled = add_grain(patch, filled, inner, avoid, rng)
    out = rgb.copy()
    out[y0:y1, x0:x1][inner] = filled[inner]
    return out


def _crop(hole: Bool[ndarray, "h w"], forbidden: Bool[ndarray, "h w"]) -> tuple[int, int, int, int]:
    """Return y0, y1, x0, x1 of the hole's box with context; it grows until half of it can be copied."""
    rows, cols = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    h, w = hole.shape
    side = max(rows[-1] - rows[0], cols[-1] - cols[0]) + 1
    margin = max(MIN_MARGIN, round(MARGIN * side))
    while True:
        y0, y1 = max(0, rows[0] - margin), min(h, rows[-1] + 1 + margin)
        x0, x1 = max(0, cols[0] - margin), min(w, cols[-1] + 1 + margin)
        bad = (hole | forbidden)[y0:y1, x0:x1].mean()
        if bad < 0.5 or (y1 - y0 == h and x1 - x0 == w):
            return int(y0), int(y1), int(x0), int(x1)
        margin *= 2


def _solve(
    rgb: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    forbidden: Bool[ndarray, "h w"],
    rng: np.random.Generator,
    rough: bool,
) -> UInt8[ndarray, "h w 3"]:
    levels = pyramid(rgb, hole, forbidden)
    state = rng.integers(1, 2**32, size=1, dtype=np.uint32)
    field: Int[ndarray, "h w 2"] | None = None
    for depth in range(len(levels) - 1, -1, -1):
        level = levels[depth]
        ok = level.sources()
        where = places(ok)
        if len(where) < MIN_SOURCES:
            raise NoSource(f"only {len(where)} patches around the person can be copied")
        targets = places(level.targets())
        pixels = places(level.hole)
        prior = PRIOR << (2 * depth)
        if field is None:
            field = _first_field(level, ok, where, targets, prior, rng)
        else:
            field = upsampled(field, ok, where, targets, PAD, rng)
            vote(level.image, pixels, field, np.ones(ok.shape, np.float32), _kernel(1.5))
            if rough and depth == 0:
                break
        field = _optimise(level, depth, ok, field, targets, pixels, prior, state)
    top = levels[0]
    if not rough:
        level_seams(top.image, pixels, field, top.inside & ~top.forbidden)
    inner = top.image[PAD:-PAD, PAD:-PAD, :3]
    return inner.astype(np.uint8)


def _optimise(
    level: Level,
    depth: int,
    ok: Bool[ndarray, "h w"],
    field: Int[ndarray, "h w 2"],
    targets: Int[ndarray, "n 2"],
    pixels: Int[ndarray, "m 2"],
    prior: int,
    state: ndarray,
) -> Int[ndarray, "h w 2"]:
    """Search and vote in turn; the last vote at full resolution is the sharp one."""
    weight = _weights(level)
    weights = np.empty((*weight.shape, 4), np.uint8)
    weights[...] = weight[..., None]
    cost = np.zeros(ok.shape, np.int64)
    rounds = 1 if depth == 0 else 3 - (len(pixels) > COSTLY) if depth == 1 else 6
    radius = max(4, max(ok.shape) // (8 if depth == 0 else 2)), SHRINK
    if len(pixels) > TOO_COSTLY:  # the field found at half size already says what to copy
        vote(level.image, pixels, field, np.ones(ok.shape, np.float32), _kernel(0.6))
        return field
    total = cv2.boxFilter(weight.astype(np.float32), -1, (SIDE, SIDE), normalize=False)[targets[:, 0], targets[:, 1]]
    sweeps = 2 if depth > 1 else 1  # what coarser levels have found is nearly right
    for n in range(rounds):
        sharp = depth == 0 and n == rounds - 1
        passes = n * sweeps, (n + 1) * sweeps - 1
        search(level.image, weights, ok, field, cost, targets, passes, radius, prior, state)
        vote(level.image, pixels, field, _trust(cost, weight, total, targets), _kernel(0.6 if sharp else 2.0))
    return field


def _kernel(sigma: float) -> Float[ndarray, "s s"]:
    d = np.arange(-R, R + 1) ** 2
    kernel = np.exp(-(d[:, None] + d) / (2 * sigma * sigma)).astype(np.float32)
    kernel[kernel < 1e-3] = 0
    return kernel


def _weights(level: Level) -> UInt8[ndarray, "h w"]:
    """Return how much each target pixel counts: 20 where known, less with depth in the hole, 0 where unknown."""
    depth = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 3)
    weight = np.full(depth.shape, 20, np.uint8)
    weight[level.hole] = np.maximum(20 * 1.25 ** -depth[level.hole], 2).astype(np.uint8)
    weight[~level.inside | level.forbidden] = 0
    return weight


def _trust(
    cost: Int[ndarray, "h w"], weight: UInt8[ndarray, "h w"], total: Float[ndarray, " n"], targets: Int[ndarray, "n 2"]
) -> Float[ndarray, "h w"]:
    """Return the vote of each patch: falls with its distance (Wexler's 75th percentile) and with depth.

    ``total``: the patches' summed weights.
    """
    rows, cols = targets[:, 0], targets[:, 1]
    mean = cost[rows, cols] / np.maximum(total, 1)
    sigma = max(float(np.percentile(mean, 75)) * 0.4, 1.0)
    trust = np.zeros(cost.shape, np.float32)
    trust[rows, cols] = (np.exp(-mean / (2 * sigma)) + 1e-6) * (weight[rows, cols] + 1)
    return trust


def _first_field(
    level: Level,
    ok: Bool[ndarray, "h w"],
    where: Int[ndarray, "s 2"],
    targets: Int[ndarray, "n 2"],
    prior: int,
    rng: np.random.Generator,
) -> Int[ndarray, "h w 2"]:
    """Fill the coarsest level greedily and return its nearest-neighbour field."""
    field = np.full((*ok.shape, 2), -1, np.int32)
    field[level.hole] = -2
    known = level.inside & ~level.hole & ~level.forbidden
    left = first_fill(level.image, known, ok, field, where, prior)
    if left:  # walled in by other people: no known pixel to start from
        lost = field[..., 0] == -2
        level.image[lost] = level.image[where[:, 0], where[:, 1]].mean(0).astype(np.int16)
    return completed(field, ok, where, targets, rng)
