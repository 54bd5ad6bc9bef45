"""Small things about a hand or foot that no mask has and that are no ground: laces, tips of fingers, buckles.

The ground's colours nearby are a palette of Gaussians, found by halving (Orchard and Bouman 1991): one Gaussian cannot
describe where grass meets sand, and all that lies between both would belong to it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.removal.mask_ops import dilate
from a3dgen.removal.pieces import Pieces

STRANGE = 12.0
"""Squared Mahalanobis distance from all colours of the ground beyond which a pixel is none of it. Of the ground itself
99 % lie below 8 on the sample frames."""
COLOURS, FEWEST = 8, 40
"""Colours of a palette, and the fewest pixels that are halved once more."""
_NOISE = 12.0
"""Least variance of a colour, Lab units squared."""
_CHAIN = 3


def palette(colours: Float[ndarray, "n 3"]) -> tuple[Float[ndarray, "k 3"], Float[ndarray, "k 3 3"]]:
    """Return means and covariances of up to ``COLOURS`` groups of colours: the group that spreads most is halved along
    the axis of its largest spread."""
    groups = [colours.astype(np.float64)]
    while len(groups) < COLOURS:
        spread = [g.var(0).sum() * len(g) if len(g) >= FEWEST else -1.0 for g in groups]
        widest = int(np.argmax(spread))
        if spread[widest] <= 0:
            break
        group = groups.pop(widest)
        off = group - group.mean(0)
        upper = off @ np.linalg.eigh(off.T @ off)[1][:, -1] > 0
        groups += [group[upper], group[~upper]]
    groups = [g for g in groups if len(g)]
    off = [g - g.mean(0) for g in groups]
    return np.stack([g.mean(0) for g in groups]), np.stack([o.T @ o / len(o) + _NOISE * np.eye(3) for o in off])


def foreign(lab: Float[ndarray, "n 3"], ground: Float[ndarray, "m 3"]) -> Float[ndarray, " n"]:
    """Return the squared distance of colours from the nearest of the ground's; 0 where no ground is seen."""
    if not len(ground):
        return np.zeros(len(lab))
    nearest = np.full(len(lab), np.inf)
    for mean, spread in zip(*palette(ground), strict=True):
        off = lab - mean
        nearest = np.minimum(nearest, ((off @ np.linalg.inv(spread)) * off).sum(1))
    return nearest


def oddness(
    lab: Float[ndarray, "h w 3"], ground: Bool[ndarray, "h w"], where: Bool[ndarray, "h w"]
) -> Float[ndarray, "h w"]:
    """Return how foreign the pixels of ``where`` are to the ground; 0 elsewhere."""
    out = np.zeros(ground.shape)
    out[where] = foreign(lab[where], lab[ground])
    return out


def strays(
    odd: Float[ndarray, "h w"],
    hole: Bool[ndarray, "h w"],
    where: Bool[ndarray, "h w"],
    reach: float,
    largest: float,
) -> Bool[ndarray, "h w"]:
    """Return small things that leave with a limb's hole: each lies near to it or to another one that does.

    Args:
        odd: see ``oddness``. where: they are looked for here, whole. reach: px between one and the next. largest: px of
            one.
    """
    out = np.zeros_like(hole)
    pieces = Pieces.of((odd > STRANGE) & ~hole)
    size = pieces.pixels()
    fits = (size <= largest) & (pieces.pixels(where) == size)
    if not fits[1:].any():
        return out
    for _ in range(_CHAIN):
        out = pieces.chosen(fits & (pieces.pixels(dilate(hole | out, reach)) > 0))
    return dilate(out, 2.5) & where & ~hole
