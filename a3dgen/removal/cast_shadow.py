"""The shadow a person casts on the ground of the photo, found by its colour, so that it leaves with the person.

Folds of a cloth are as dark and lead to the feet, too. A cast shadow differs: it is as wide as a limb, and about evenly
dark between soft rims, where a fold gets darker all the way to its middle. That is asked where ground is
full of folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.channels import mean_of_channels
from a3dgen.removal.mask_ops import dilate, discs, distance_to, extent, union
from a3dgen.removal.pieces import Pieces, touching

# Hand-set on the demo's pictures and the real sample frames; `a3dgen bench looks` counts what of a shadow is left.
SHADOW = -0.45
"""A cast shadow's linear colour is at most exp(this) times the ground's ..."""
DARKEST = -2.8
"""... and at least exp(this) times."""
LARGEST = 0.6
"""What is larger than this share of the person is the shadow of something else, or dark ground."""
SMALLEST = 32
"""The shadow of somebody smaller is not looked for, px."""
BLUER = 0.9
"""Its blue falls less than its red, by up to this (log)."""
BESIDE, REACH = 0.012, 0.03
"""Ground begins so far from the outline of the person, and a shadow no further, shares of the height."""
CREASE, CREASED = 0.3, 0.045
"""A fold or seam is darker than both its sides by this (log); ground is creased if they cover this share of it.
There ..."""
NARROW = 0.02
"""... a shadow is at least this wide where it leaves the person, share of the height ..."""
INSIDE, LEAST_INSIDE = 0.006, 1.6
"""... and so far from its rim (share of the height, at least so many px) ..."""
UNEVEN = 0.38
"""... its brightness changes over a hundredth of the height by at most this share of its depth below the ground's."""
FEET, SHARED = 0.12, 3
"""Of somebody who stays so much of the visible part is at the ground, share of the height; so many px of dark ground
beside it are theirs, too."""
SMALL = 0.04
"""What is too narrow to be judged belongs to a shadow this near, share of the height."""
CUT = 0.1
"""What the border of the searched ground cuts through over this share of the height is darker ground, no shadow."""
RIM, FAINT = 0.045, -0.16
"""So near to a shadow (share of the height), what is still darker than the ground by this (log) is its soft rim."""
BEYOND = 0.12
"""That ground is looked at so far around, share of the height."""


def cast_shadow(
    rgb: UInt8[ndarray, "h w 3"],
    person: Bool[ndarray, "h w"],
    keep: Bool[ndarray, "h w"],
    feet: Float[ndarray, "n 2"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return the shadow on the ground that hangs together with the feet; all false if none is found.

    What is found counts only if it is a minor part of the searched ground.

    Args:
        rgb: photo. person: mask to be removed. keep: pixels that must stay (other people).
        feet: ankles or toes, px. height: standing height of the person, px.
    """
    none = np.zeros_like(person)
    box = _ground_box(feet, height, person.shape)
    if box is None:
        return none
    y0, y1, x0, x1 = box
    part = np.s_[y0:y1, x0:x1]
    body = dilate(person[part], BESIDE * height)
    ground = ~(body | keep[part])
    if ground.sum() < 0.2 * ground.size:
        return none
    light = _light(rgb[part], ground, height)
    seed = _contact(dilate(person[part], REACH * height) & ~keep[part], feet - (x0, y0), height)
    bridge = np.ones((3, max(3, int(0.02 * height)) | 1), np.uint8)
    joined = cv2.morphologyEx((light.dark | (seed & body)).astype(np.uint8), cv2.MORPH_CLOSE, bridge)
    found = touching(joined > 0, seed) & ground
    cut = _cut(box, person.shape)
    found = _own(found, body, _feet_in(keep[part], height), cut, height)
    beyond = ground & ~dilate(found | ~ground, RIM * height)
    if _creased(light, beyond, height):
        found = _even(found & _wide(found | seed, seed, height), light, ground, cut, height)
    if found.sum() > 0.35 * ground.sum() or found.sum() > LARGEST * person.sum() or found.sum() < 12:
        return none
    found = _whole(found, light.black & ground, body, height) & ground
    out = none
    out[part] = (found | _soft_rim(found, light, ground | body, height)) & ~(keep | person)[part]
    return out


@dataclass(frozen=True)
class _Light:
    """How bright the searched ground is.

    Attributes:
        log: smoothed, beside that of the lit ground, log. change: of ``log`` over a hundredth of the height.
        dark: ground that has a shadow's colour. black: what is darker than that, whatever its hue.
    """

    log: Float[ndarray, "h w"]
    change: Float[ndarray, "h w"]
    dark: Bool[ndarray, "h w"]
    black: Bool[ndarray, "h w"]


def _contact(body: Bool[ndarray, "h w"], feet: Float[ndarray, "n 2"], height: float) -> Bool[ndarray, "h w"]:
    """Return where a shadow begins: the person around the feet, and the lowest of them."""
    lowest = np.flatnonzero(body.any(1))[-1] if body.any() else 0
    seed = discs(feet, 0.14 * height, body.shape) & body
    seed[max(0, lowest - round(0.1 * height)) :] |= body[max(0, lowest - round(0.1 * height)) :]
    return seed


def _cut(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    """Return the border of the searched ground, as far as it is not the photo's border."""
    y0, y1, x0, x1 = box
    out = np.zeros((y1 - y0, x1 - x0), bool)
    out[0, :], out[-1, :], out[:, 0], out[:, -1] = y0 > 0, y1 < shape[0], x0 > 0, x1 < shape[1]
    return out


def _feet_in(people: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return the lowest part of each of the masks of people who stay."""
    out = np.zeros_like(people)
    pieces = Pieces.of(people)
    for label in range(1, pieces.count):
        piece = pieces.labels == label
        lowest = int(np.flatnonzero(piece.any(1))[-1])
        out[max(0, lowest - round(FEET * height)) :] |= piece[max(0, lowest - round(FEET * height)) :]
    return out


def _own(
    found: Bool[ndarray, "h w"],
    body: Bool[ndarray, "h w"],
    theirs: Bool[ndarray, "h w"],
    cut: Bool[ndarray, "h w"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return the pieces of dark ground that touch the person more than others' feet, of what lies at both the
    nearer part, and nothing that ends where the searched ground does."""
    pieces = Pieces.of(found)
    mine, other = pieces.pixels(dilate(body, 2.0)), pieces.pixels(dilate(theirs, BESIDE * height + 2))
    sides = cut.copy()
    sides[0] = False  # a shadow that falls away from the camera goes on beyond
    out = pieces.chosen((mine >= other) & (pieces.pixels(sides) <= 2 * CUT * height))
    shared = pieces.chosen(other > SHARED)
    return out & ~(shared & (distance_to(theirs) < distance_to(body))) if shared.any() else out


def _creased(light: _Light, ground: Bool[ndarray, "h w"], height: float) -> bool:
    """Return whether ground that belongs to no shadow is full of dark, narrow things: folds, seams."""
    if not ground.any():
        return True
    side = 2 * round(0.025 * height) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    narrow = cv2.morphologyEx(light.log, cv2.MORPH_CLOSE, disc) - light.log > CREASE
    return float((narrow & light.dark)[ground].mean()) > CREASED


def _wide(found: Bool[ndarray, "h w"], seed: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return what is nowhere narrower than ``NARROW`` on its way from the person, and a rim of it."""
    side = 2 * max(1, round(0.5 * NARROW * height)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    return dilate(touching(opened, seed), float(side))


def _even(
    found: Bool[ndarray, "h w"], light: _Light, ground: Bool[ndarray, "h w"], cut: Bool[ndarray, "h w"], height: float
) -> Bool[ndarray, "h w"]:
    """Return the pieces that are as wide as a limb and about evenly darker than the ground beside them, with what
    little lies close to those."""
    pieces = Pieces.of(found)
    deep = cv2.distanceTransform(found.astype(np.uint8), cv2.DIST_L2, 5)
    crossing = pieces.pixels(cut)
    inside = deep > max(LEAST_INSIDE, INSIDE * height)
    wide = pieces.pixels(deep > 0.5 * NARROW * height)
    lit = ground & ~light.dark
    good, small = np.zeros(pieces.count, bool), np.zeros(pieces.count, bool)
    for i in range(1, pieces.count):
        if crossing[i] > CUT * height:
            continue
        small[i] = wide[i] == 0
        if small[i]:
            continue
        piece = pieces.labels == i
        core = piece & inside
        near = dilate(piece, 0.05 * height) & ~dilate(piece, 0.015 * height) & lit
        beside = float(np.median(light.log[near])) if near.sum() > 20 else 0.0
        darker = beside - float(np.median(light.log[core])) if core.any() else 0.0
        good[i] = darker > 0.5 * -SHADOW and float(np.median(light.change[core])) < UNEVEN * darker
    sure = pieces.chosen(good)
    return sure | touching(pieces.chosen(small), dilate(sure, SMALL * height)) if sure.any() else sure


def _soft_rim(
    found: Bool[ndarray, "h w"], light: _Light, where: Bool[ndarray, "h w"], height: float
) -> Bool[ndarray, "h w"]:
    """Return what close to a shadow is only a little darker than the ground beyond: shadows fade."""
    near = dilate(found, RIM * height)
    free = (where & ~near).astype(np.float32)
    side = 2 * round(BEYOND * height) + 1
    weight, total = (cv2.blur(v, (side, side)) for v in (free, free * light.log))
    beyond = np.where(weight > 0.02, total / np.maximum(weight, 1e-6), -np.inf)
    faint = (near & where & (light.log - np.minimum(beyond, 0.0) < FAINT)).astype(np.uint8)
    return touching((cv2.morphologyEx(faint, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0) | found, found)


def _whole(
    found: Bool[ndarray, "h w"], black: Bool[ndarray, "h w"], body: Bool[ndarray, "h w"], height: float
) -> Bool[ndarray, "h w"]:
    """Add what is darker than a shadow's colour tells, close to it, and the islands that person and shadow enclose."""
    found = found | (dilate(found, 0.04 * height) & black)
    around = np.pad(found | body, 1)
    enclosed = Pieces.of(~around, 4)
    return found | enclosed.chosen(enclosed.pixels() < (0.12 * height) ** 2)[1:-1, 1:-1]


def neighbours_shadows(rgb: UInt8[ndarray, "h w 3"], people: Sequence[Bool[ndarray, "h w"]]) -> Bool[ndarray, "h w"]:
    """Return the shadows cast by people who stay in the photo: ground that must not be copied without them.

    Nothing is known of them but their masks: their feet are where a mask ends below.
    """
    out = np.zeros(rgb.shape[:2], bool)
    everyone = union(people, out.shape)
    for mask in people:
        height = extent(mask)
        if height >= SMALLEST:
            rows = np.flatnonzero(mask.any(1))
            low = max(rows[0], rows[-1] - round(0.08 * height))
            _, _, _, centres = cv2.connectedComponentsWithStats(mask[low:].astype(np.uint8))
            feet = centres[1:] + (0, low)
            out |= cast_shadow(rgb, mask, everyone & ~mask, feet, height)
    return out


def _light(rgb: UInt8[ndarray, "h w 3"], ground: Bool[ndarray, "h w"], height: float) -> _Light:
    """Return how bright ground is, and what of it looks like the lit ground times one factor: darker by ``SHADOW``, of
    its hue or bluer.

    Light from the sky fills a shadow, so its blue falls less than its red; grass beside sand differs in green.
    """
    log = _log(rgb, 1.2)
    bright = mean_of_channels(log)
    low, high = np.percentile(bright[ground], (50, 85))
    lit = np.median(log[ground & (bright >= low) & (bright <= high)], axis=0)
    red, green, blue = np.moveaxis(log - lit, -1, 0)
    tint = (blue - red > -0.2) & (blue - red < BLUER) & (np.abs(green - (red + blue) / 2) < 0.35)
    depth = (red + green + blue) / 3
    dark = (depth < SHADOW) & (depth > DARKEST) & tint & ground
    dark = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    smooth = mean_of_channels(_log(rgb, max(1.2, 0.004 * height))) - float(np.mean(lit))
    slope = np.hypot(*(cv2.Sobel(smooth, cv2.CV_32F, *axes, ksize=3) / 8 for axes in ((1, 0), (0, 1))))
    return _Light(smooth, slope * (0.01 * height), dark, depth < 2 * SHADOW)


def _log(rgb: UInt8[ndarray, "h w 3"], sigma: float) -> Float[ndarray, "h w 3"]:
    """Return the log of linear colours, smoothed by ``sigma`` px."""
    return np.log((cv2.GaussianBlur(rgb, (0, 0), sigma).astype(np.float32) / 255) ** 2.2 + 2e-3)


def _ground_box(feet: Float[ndarray, "n 2"], height: float, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Return y0, y1, x0, x1 of the ground searched for a shadow, or None if no foot is in the image."""
    h, w = shape
    inside = (feet >= 0).all(1) & (feet[:, 0] < w) & (feet[:, 1] < h)
    if not inside.any():
        return None
    feet = feet[inside]
    y0 = max(0, int(feet[:, 1].min() - 0.06 * height))
    y1 = min(h, int(feet[:, 1].max() + 0.25 * height) + 1)
    x0 = max(0, int(feet[:, 0].min() - 1.0 * height))
    x1 = min(w, int(feet[:, 0].max() + 1.0 * height) + 1)
    return (y0, y1, x0, x1) if y1 - y0 > 8 and x1 - x0 > 8 else None
