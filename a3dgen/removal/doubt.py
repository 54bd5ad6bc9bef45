"""Where somebody would notice a filling: it is filled again, from less of the photo, and judged by a few signs.

What surrounds the hole decides what is put there. Where leaving out a band of the surroundings makes the filling look
different, or the filling does not give that band back; where it looks like nothing around, or not like what lies beside
it; where the photo breaks off at its edge: there somebody would notice it. Each pixel gets the chance of that by a
logistic regression on fillings of known background (``a3dgen bench calibrate_doubt``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.inpainters import Inpainter, NoSource
from a3dgen.removal.broken import broken_off
from a3dgen.removal.mask_ops import around, dilate
from a3dgen.removal.texture import REACH, lab, statistics, tent, unlike

SIDE = 200
"""Height of the person, px, at which fillings are judged."""
MARGIN = 0.9
"""So much around the hole is looked at, share of the height."""
BAND, LEAST_BAND = 0.05, 3.0
"""The hole of the second filling reaches so much further, share of the height; at least so many px."""
FROM_BAND, AROUND, EDGE = 0.06, 0.02, 0.01
"""How far signs reach, shares of the height: those of the band, of unlike places, of the edge."""
MOST = 4.0
"""Nothing is more unlike than this."""
SEEN = 0.25
"""What a filling may look like is looked for within this share of the height of it ..."""
PLACES = 200
"""... at about so many places."""
UNITS = np.array([18.0] * 3 + [15.0] * 3 + [1.875] * 8, np.float32)
"""What the statistics of places are divided by before they are compared all together: colours, spreads, edges."""
SIGNS = ("band", "unlike", "unlike around", "unlike all around", "broken off", "depth", "unlike beside")
WEIGHTS = (-5.756, 2.436, -1.37, 1.401, 4.174, 0.885, 0.836, 1.496)
"""A constant, then one of each sign."""
PICTURES = ("photo", "first", "second", "hole", "wide", "kept")


@dataclass(frozen=True)
class Filled:
    """A filled photo at the size it is judged at, and its second filling.

    Attributes:
        photo: before it was filled. first: filled. second: filled from less of the photo.
        hole: what was filled. wide: the hole of the second filling. kept: neither copied from nor compared.
        height: of the person, px.
    """

    photo: UInt8[ndarray, "h w 3"]
    first: UInt8[ndarray, "h w 3"]
    second: UInt8[ndarray, "h w 3"]
    hole: Bool[ndarray, "h w"]
    wide: Bool[ndarray, "h w"]
    kept: Bool[ndarray, "h w"]
    height: float


def doubtful(
    rgb: UInt8[ndarray, "h w 3"],
    plate: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    avoid: Bool[ndarray, "h w"],
    height: float,
    fill: Inpainter,
    rng: np.random.Generator,
) -> UInt8[ndarray, "h w"]:
    """Return the chance that somebody notices the filling, 0 .. 255 for 0 .. 1, at each pixel of a hole; 0 elsewhere.

    Args:
        rgb: photo. plate: the same, filled. hole: what was filled. avoid: never copied. height: of the person, px.
        fill: used for the second filling; it may be rough, as fine texture is not compared. rng: its randomness.
    """
    out = np.zeros(hole.shape, np.uint8)
    if not hole.any():
        return out
    part = around(hole, round(MARGIN * height) + 8)
    size = hole[part].shape
    try:
        filled = refill(rgb[part], plate[part], hole[part], (avoid & ~hole)[part], height, fill, rng)
    except NoSource:  # nothing around says what was there
        out[hole] = 255
        return out
    chance = chances(signs(filled))
    full = cv2.resize(chance, size[::-1], interpolation=cv2.INTER_LINEAR)
    out[part] = np.where(hole[part], np.rint(255 * full), 0)
    return out


def refill(
    rgb: UInt8[ndarray, "h w 3"],
    plate: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    kept: Bool[ndarray, "h w"],
    height: float,
    fill: Inpainter,
    rng: np.random.Generator,
) -> Filled:
    """Return a filled photo, made smaller, with its second filling; see ``doubtful``.

    Raises:
        NoSource: if nothing is left to fill from.
    """
    scale = min(1.0, SIDE / height)
    size = (max(8, round(hole.shape[1] * scale)), max(8, round(hole.shape[0] * scale)))

    def small(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "a b"]:
        return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.02

    closed = small(hole)
    beside = small(kept) & ~closed
    wide = dilate(closed, max(LEAST_BAND, BAND * scale * height)) & ~beside
    photo, first = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (rgb, plate))
    picture = photo.copy()
    picture[wide] = 0
    return Filled(photo, first, fill(picture, wide, beside, rng), closed, wide, beside, scale * height)


def signs(filled: Filled) -> Float[ndarray, "h w 7"]:
    """Return the signs of a bad filling at every pixel, in the order of ``SIGNS``; they mean something in the hole."""
    out = np.zeros((*filled.hole.shape, len(SIGNS)), np.float32)
    part = around(filled.wide, round((SEEN + 2 * REACH) * filled.height) + 4)
    out[part] = _signs(replace(filled, **{f: getattr(filled, f)[part] for f in PICTURES}))
    return out


def _signs(filled: Filled) -> Float[ndarray, "h w 7"]:
    height, hole, free = filled.height, filled.hole, ~filled.kept
    first, second = lab(np.where(hole[..., None], filled.first, filled.photo)), lab(filled.second)
    about = statistics(first, free, height), statistics(second, free, height)
    apart = np.minimum(unlike(first, second, about, filled.wide, height), MOST)
    band = _mean_of(apart, filled.wide & ~hole, FROM_BAND * height)
    near = cv2.GaussianBlur(np.log1p(apart) * hole, (0, 0), AROUND * height)
    ring = dilate(hole, SEEN * height) & ~dilate(hole, 2 * REACH * height) & free
    strange = unlike_all(about[0], hole, ring)
    beside = _beside(about[0], hole, dilate(hole, 2 * REACH * height) & ~hole & free, FROM_BAND * height)
    broken = broken_off(filled.first, hole, filled.kept, height).astype(np.float32)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5) / height
    return np.stack([np.log1p(band), np.log1p(apart), near, np.log1p(strange),
                     cv2.GaussianBlur(broken, (0, 0), EDGE * height), 10 * depth, np.log1p(beside)], -1)  # fmt: skip


def chances(found: Float[ndarray, "h w 7"]) -> Float[ndarray, "h w"]:
    """Return the chance that somebody notices a pixel's filling, from its signs."""
    weights = np.asarray(WEIGHTS, np.float32)
    return 1 / (1 + np.exp(-(weights[0] + found @ weights[1:])))


def _mean_of(values: Float[ndarray, "h w"], where: Bool[ndarray, "h w"], reach: float) -> Float[ndarray, "h w"]:
    """Return the mean of the values at ``where`` around every pixel."""
    weight = where.astype(np.float32)
    total, count = (cv2.GaussianBlur(m, (0, 0), reach) for m in (values * weight, weight))
    return total / np.maximum(count, 1e-3)


def _beside(
    about: Float[ndarray, "14 h w"], hole: Bool[ndarray, "h w"], rim: Bool[ndarray, "h w"], reach: float
) -> Float[ndarray, "h w"]:
    """Return how unlike every pixel of the hole is the mean of the rim beside it, 0 elsewhere."""
    weight = rim.astype(np.float32)
    count = np.maximum(tent(weight, reach), 1e-4)
    out = np.zeros(hole.shape, np.float32)
    for plane, unit in zip(about, UNITS, strict=True):
        out += ((plane - tent(plane * weight, reach) / count) / unit) ** 2
    return np.sqrt(out) * hole


def unlike_all(
    about: Float[ndarray, "14 h w"], hole: Bool[ndarray, "h w"], ring: Bool[ndarray, "h w"]
) -> Float[ndarray, "h w"]:
    """Return how unlike every pixel of the hole is the likest place of a ring around it, 0 elsewhere.

    Args:
        about: ``statistics`` of the filled photo. ring: where to look.
    """
    out = np.zeros(hole.shape, np.float32)
    seen = about[:, ring].T / UNITS
    if not len(seen):
        return np.where(hole, MOST, 0).astype(np.float32)
    seen = seen[:: max(1, len(seen) // PLACES)]
    mine = about[:, hole].T / UNITS
    nearest = (mine @ seen.T - (seen * seen).sum(1) / 2).max(1)
    out[hole] = np.sqrt(np.maximum((mine * mine).sum(1) - 2 * nearest, 0))
    return out
