"""The hole that an erased limb leaves, and what must not be copied into it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.erasure.gear import Gear
from a3dgen.erasure.graph_cut import colour_score
from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.strays import oddness, strays
from a3dgen.erasure.stump_skin import StumpSkin
from a3dgen.erasure.subject import Subject
from a3dgen.removal.mask_ops import around, dilate, union
from a3dgen.removal.pieces import Pieces, touching

# Shares of the person's height.
RIM, RIM_DETECTED, RIM_END = 0.02, 0.03, 0.045
"""The limb's mask is grown by this: a source's, a detector's, and any about hand and foot (gloves, boots)."""
END_LEVEL = 1.85
"""Limb coordinate from which hand and foot begin."""
SURE_PX, SURE = 3.0, 0.0075
"""The rim this near to the limb is always filled, px and share of the height."""
ALIKE = -1.5
"""Farther out, what the background's colours explain better than the limb's by this (nats) stays the photo's."""
DARKER = 12.0
"""Ground this much darker (Lab) beside the limb's shadow belongs to it."""
STRANGE = 20.0
"""Squared distance from the background's colours (in its own variances, three channels) beyond which a pixel about hand
or foot is none of it."""
GOES_ON_PX = 6
"""What has this many pixels outside the widest rim goes on there, and is no part of hand or foot."""
STRAY, STRAY_END = 0.02, 0.075
"""Small things that are no ground leave with hand or foot, this near to them or to one another, and all of them within
this distance of it, shares of the height."""
ISLAND = 0.03
"""What a hole encloses up to this size is filled with it, share of the height."""
SCRAP = 0.04
"""Pieces of the person up to this size that only hung on the limb leave with it, share of the height."""
_LEAST = 12.0
_OPAQUE = 0.97
_MOSTLY = 0.55


@dataclass(frozen=True)
class Hole:
    """``mask``: pixels to fill. ``avoid``: never copied. ``behind``: of ``mask``, where the own body lies behind.

    background, neighbours: share of the rim that is background, and other people. rim_gradient: structure
    there, grey steps a px. gain: how much more the limb differs from the background than the background varies, dB.
    """

    mask: Bool[ndarray, "h w"]
    avoid: Bool[ndarray, "h w"]
    behind: Bool[ndarray, "h w"]
    background: float
    neighbours: float
    rim_gradient: float
    gain: float


def limb_hole(
    subject: Subject, limb: LimbPixels, skin: StumpSkin, gear: Gear, shadow: Bool[ndarray, "h w"]
) -> Bool[ndarray, "h w"]:
    """Return the hole of one limb: its pixels and their rim, what it holds, its shadow, less what stays.

    Args:
        shadow: the limb's own cast shadow.
    """
    height, pixels = subject.height, limb.pixels
    replaced = _replaced(subject, limb, skin)
    grown = dilate(pixels | replaced, max(2.5, (RIM if subject.has_mask else RIM_DETECTED) * height))
    grown |= dilate(pixels & (limb.level > END_LEVEL), RIM_END * height)
    grown = _tight(subject, limb, replaced, grown, shadow)
    thin = gear.thin
    grown |= dilate(thin | (gear.leaves & ~limb.keep), 2.5) | dilate(shadow, 2.0)
    stays = _goes_on(gear.stays, grown) & ~dilate(pixels, 0.012 * height) & ~dilate(thin, 3.0)
    grown &= ~stays
    grown &= ~dilate(limb.keep & ~replaced, 1.0) | pixels
    grown |= _islands(grown, ISLAND * height) & ~limb.keep
    grown |= _scraps(subject, limb, grown)
    return grown & ~(subject.others | subject.front)


def _islands(hole: Bool[ndarray, "h w"], side: float) -> Bool[ndarray, "h w"]:
    """Return what a hole encloses, up to squares of a side (px): between fingers, or a finger that no mask has."""
    pieces = Pieces.of(~hole, 4)
    return pieces.chosen(pieces.pixels() <= side**2)


def _scraps(subject: Subject, limb: LimbPixels, hole: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return what of the outline hangs on nothing once the limb is gone: small pieces at the hole."""
    kept = subject.mine & ~hole & ~subject.hidden
    pieces = Pieces.of(kept)
    small = pieces.pixels() <= (SCRAP * subject.height) ** 2
    found = pieces.chosen(small & (pieces.pixels(dilate(hole, 2.0)) > 0))
    return dilate(found, 1.5) & ~(kept & ~found) if found.any() else found


def _tight(
    subject: Subject,
    limb: LimbPixels,
    replaced: Bool[ndarray, "h w"],
    grown: Bool[ndarray, "h w"],
    shadow: Bool[ndarray, "h w"],
) -> Bool[ndarray, "h w"]:
    """Return the grown limb without the part of its rim that looks like the background further out: that stays photo.

    Local Gaussian colour models (``graph_cut``) of the limb and of what lies just beyond the rim; where they look
    alike, the rim stays in the hole.
    """
    core = limb.pixels | replaced
    sure = dilate(core, max(SURE_PX, SURE * subject.height))
    rim = grown & ~sure
    if not rim.any():
        return grown
    reach = 0.03 * subject.height
    part = around(grown, int(2 * reach) + 4)
    own = (subject.mine | subject.drawn.body | subject.others)[part]
    beyond = dilate(grown[part], reach) & ~grown[part] & ~dilate(own, 2.0)
    lab = cv2.cvtColor(cv2.GaussianBlur(subject.rgb[part], (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    score = colour_score(lab, core[part], beyond, reach)
    outside = ~grown[part] & ~dilate(own, 2.0)
    goes_on = _reaches((score >= ALIKE) & ~sure[part], outside)
    kept = rim[part] & ((score < ALIKE) | goes_on)
    kept &= ~(dilate(shadow[part], RIM_END * subject.height) & _darker(lab[..., 0], beyond, reach))
    ends = dilate((limb.pixels & (limb.level > END_LEVEL))[part], RIM_END * subject.height)
    mean, variance = _ground(lab, beyond, reach)
    strange = _unlike(lab, mean, variance + _LEAST) > STRANGE
    strange &= ~_reaches(strange & ~sure[part], outside)
    kept &= ~(ends & dilate(strange, 1.5))
    kept &= ~dilate(rim[part] & (score > -ALIKE) & ~goes_on, 1.5)
    out = grown.copy()
    out[part] &= ~kept
    out = touching(out, sure)
    out[part] |= _laces(subject, limb, beyond, out[part], part)
    return out


def _laces(
    subject: Subject,
    limb: LimbPixels,
    ground: Bool[ndarray, "h w"],
    hole: Bool[ndarray, "h w"],
    part: tuple[slice, slice],
) -> Bool[ndarray, "h w"]:
    """Return the small things about hand and foot that are no ground, over ``part`` of the window."""
    near = dilate((limb.pixels & (limb.level > END_LEVEL))[part], STRAY_END * subject.height)
    if not near.any():
        return near
    kept = dilate(((subject.mine | subject.drawn.body) & ~limb.pixels)[part] & ~hole, 1.0) | subject.others[part]
    lab = cv2.cvtColor(cv2.GaussianBlur(subject.rgb[part], (0, 0), 0.6), cv2.COLOR_RGB2LAB).astype(np.float32)
    odd = oddness(lab, ground, dilate(near, 2.0) & ~hole & ~kept)
    return strays(odd, hole, near, STRAY * subject.height, (SCRAP * subject.height) ** 2)


def _darker(light: Float[ndarray, "h w"], ground: Bool[ndarray, "h w"], reach: float) -> Bool[ndarray, "h w"]:
    """Return the pixels darker than the ground near them: the limb's shadow goes on up to the limb."""
    weight = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), reach) + 1e-4
    return light < cv2.GaussianBlur(light * ground, (0, 0), reach) / weight - DARKER


def _ground(
    lab: Float[ndarray, "h w 3"], ground: Bool[ndarray, "h w"], reach: float
) -> tuple[Float[ndarray, "h w 3"], Float[ndarray, "h w 3"]]:
    """Return mean and variance of the background's colours near each pixel."""
    weight = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), reach)[..., None] + 1e-4
    mean = cv2.GaussianBlur(lab * ground[..., None], (0, 0), reach) / weight
    square = cv2.GaussianBlur(lab * lab * ground[..., None], (0, 0), reach) / weight
    return mean, np.maximum(square - mean * mean, 0)


def _unlike(
    lab: Float[ndarray, "h w 3"], mean: Float[ndarray, "h w 3"], variance: Float[ndarray, "h w 3"]
) -> Float[ndarray, "h w"]:
    """Return the squared distance of pixels from the background near them: laces, cuffs, fingers beyond the mask."""
    return ((lab - mean) ** 2 / variance).sum(-1)


def _reaches(things: Bool[ndarray, "h w"], outside: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the things that go on outside: a post behind the hand, not its glove."""
    pieces = Pieces.of(things)
    return pieces.chosen(pieces.pixels(outside) >= GOES_ON_PX)


def _replaced(subject: Subject, limb: LimbPixels, skin: StumpSkin) -> Bool[ndarray, "h w"]:
    """Return the limb's pixels between the cut and its tip, which the new end covers or uncovers."""
    both = limb.pixels | limb.keep
    sigma = max(1.0, 0.012 * subject.height)
    out = np.zeros_like(both)
    crop = skin.crop
    on, off = (
        cv2.GaussianBlur((both & m)[crop].astype(np.float32), (0, 0), sigma)
        for m in (limb.level > -0.5, limb.level <= -0.5)
    )
    out[crop] = (subject.mine | subject.drawn.body)[crop] & (on > off) & (skin.beyond > 0) & skin.zone
    return out


def _goes_on(bars: Bool[ndarray, "h w"], hole: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the bars that go on outside the hole: one that lies in it is an edge of the limb or its shoe."""
    pieces = Pieces.of(bars)
    return pieces.chosen(pieces.pixels(hole) < _MOSTLY * pieces.pixels())


def whole_hole(subject: Subject, parts: list[tuple[LimbPixels, StumpSkin, Gear, Bool[ndarray, "h w"]]]) -> Hole:
    """Join the holes of all limbs, leave out what the new ends cover, and look at the rim.

    Args:
        parts: of each limb its pixels, end, gear and hole.
    """
    mask, behind, stays = (np.zeros_like(subject.outline) for _ in range(3))
    for limb, _, gear, hole in parts:
        mask |= hole
        behind |= dilate(limb.behind, 1.0)
        stays |= gear.stays
    for limb, skin, _, _ in parts:
        mask[skin.crop] &= ~(skin.alpha > _OPAQUE)
        del limb
    person = (subject.mine | subject.drawn.body) & ~mask
    blocked = dilate(person, 3.0) | subject.others
    skirt = dilate(mask, 3.0) & ~mask
    background = float((skirt & ~blocked).sum() / max(int(skirt.sum()), 1))
    avoid = blocked | (stays & ~mask)
    rim = dilate(mask, 5.0) & ~mask & ~blocked
    neighbours = float((dilate(subject.others, 2.0) & skirt).sum() / max(int(skirt.sum()), 1))
    pixels = union((limb.pixels for limb, _, _, _ in parts), mask.shape) & mask
    gain = _gain(subject, pixels, rim)
    return Hole(mask, avoid & ~mask, mask & behind, background, neighbours, _structure(subject, rim), gain)


def _gain(subject: Subject, limb: Bool[ndarray, "h w"], rim: Bool[ndarray, "h w"]) -> float:
    """Return the limb's contrast to the background near it over the background's own spread there, dB.

    What a fill can be expected to gain: an error twice the background's variance takes the place of the limb's
    squared contrast.
    """
    if not limb.any() or not rim.any():
        return 0.0
    reach = 0.03 * subject.height
    both = limb | rim
    part = around(both, 0)
    rgb, inside, here = subject.rgb[part].astype(np.float32), limb[part], rim[part]

    def near(v: ndarray) -> ndarray:
        return cv2.GaussianBlur(v, (0, 0), reach)

    weight = near(here.astype(np.float32))[..., None] + 1e-4
    mean = near(rgb * here[..., None]) / weight
    spread = np.maximum(near(rgb * rgb * here[..., None]) / weight - mean * mean, 0)
    seen = inside & (weight[..., 0] > 0.01)
    if not seen.any():
        return 0.0
    contrast = float(((rgb - mean)[seen] ** 2).mean())
    return float(10 * np.log10(max(contrast, 1.0) / (2 * float(np.median(spread[seen].mean(-1))) + 4.0)))


def _structure(subject: Subject, rim: Bool[ndarray, "h w"]) -> float:
    """Return the 90th percentile of the smoothed gradient on a rim, grey steps a px."""
    if not rim.any():
        return 0.0
    box = around(rim, 8)
    grey = cv2.GaussianBlur(cv2.cvtColor(subject.rgb[box], cv2.COLOR_RGB2GRAY), (0, 0), 1.5).astype(np.float32)
    slope = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) / 8
    return float(np.percentile(slope[rim[box]], 90))
