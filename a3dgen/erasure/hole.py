"""The hole that an erased limb leaves, and what must not be copied into it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.erasure.gear import Gear
from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.stump_skin import StumpSkin
from a3dgen.erasure.subject import Subject
from a3dgen.removal.mask_ops import dilate

# Shares of the person's height.
RIM, RIM_DETECTED, RIM_END = 0.02, 0.03, 0.045
"""The limb's mask is grown by this: a source's, a detector's, and any about hand and foot (gloves, boots)."""
END_LEVEL = 1.85
"""Limb coordinate from which hand and foot begin."""
_OPAQUE = 0.97
_THIN_AT_END = 0.13
_MOSTLY = 0.55


@dataclass(frozen=True)
class Hole:
    """``mask``: pixels to fill. ``avoid``: never copied. ``behind``: of ``mask``, where the own body lies behind.

    background, neighbours: share of the rim that is background, and other people. rim_gradient: structure
    there, grey steps a px.
    """

    mask: Bool[ndarray, "h w"]
    avoid: Bool[ndarray, "h w"]
    behind: Bool[ndarray, "h w"]
    background: float
    neighbours: float
    rim_gradient: float


def limb_hole(
    subject: Subject, limb: LimbPixels, skin: StumpSkin, gear: Gear, shadow: Bool[ndarray, "h w"], end: ndarray
) -> Bool[ndarray, "h w"]:
    """Return the hole of one limb: its pixels and their rim, what it holds, its shadow, less what stays.

    Args:
        shadow: the limb's own cast shadow. end: wrist or ankle, px.
    """
    height, pixels = subject.height, limb.pixels
    replaced = _replaced(subject, limb, skin)
    grown = dilate(pixels | replaced, max(2.5, (RIM if subject.has_mask else RIM_DETECTED) * height))
    grown |= dilate(pixels & (limb.level > END_LEVEL), RIM_END * height)
    thin = _held_thin(subject, pixels, end)
    grown |= dilate(thin | (gear.leaves & ~limb.keep), 2.5) | dilate(shadow, 2.0)
    stays = _goes_on(gear.stays, grown) & ~dilate(pixels, 0.012 * height) & ~dilate(thin, 3.0)
    grown &= ~stays
    grown &= ~dilate(limb.keep & ~replaced, 1.0) | pixels
    return grown & ~(subject.others | subject.front)


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
    count, labels = cv2.connectedComponents(bars.astype(np.uint8))
    whole = np.bincount(labels.ravel(), minlength=count)
    inside = np.bincount(labels[hole], minlength=count)
    stays = inside < _MOSTLY * whole
    stays[0] = False
    return stays[labels]


def _held_thin(subject: Subject, pixels: Bool[ndarray, "h w"], end: ndarray) -> Bool[ndarray, "h w"]:
    """Return the thin things that begin at the limb's own end."""
    if not subject.thin.any():
        return subject.thin
    _, labels = cv2.connectedComponents(subject.thin.astype(np.uint8))
    y, x = np.nonzero(subject.thin & dilate(pixels, 4.0))
    near = np.hypot(x - end[0], y - end[1]) < _THIN_AT_END * subject.height
    return np.isin(labels, np.unique(labels[y[near], x[near]])) & subject.thin


def whole_hole(subject: Subject, parts: list[tuple[LimbPixels, StumpSkin, Gear, Bool[ndarray, "h w"]]]) -> Hole:
    """Join the holes of all limbs, leave out what the new ends cover, and look at the rim.

    Args:
        parts: of each limb its pixels, end, gear and hole.
    """
    mask, behind, stays = (np.zeros_like(subject.outline) for _ in range(3))
    for limb, _, gear, hole in parts:
        mask |= hole
        behind |= limb.behind
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
    return Hole(mask, avoid & ~mask, mask & dilate(behind, 1.0), background, neighbours, _structure(subject, rim))


def _structure(subject: Subject, rim: Bool[ndarray, "h w"]) -> float:
    """Return the 90th percentile of the smoothed gradient on a rim, grey steps a px."""
    if not rim.any():
        return 0.0
    grey = cv2.GaussianBlur(cv2.cvtColor(subject.rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.5).astype(np.float32)
    slope = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) / 8
    return float(np.percentile(slope[rim], 90))
