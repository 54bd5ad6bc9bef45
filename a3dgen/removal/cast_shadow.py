"""The shadow a person casts on the ground of the photo, found by its colour, so that it leaves with the person."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.channels import mean_of_channels
from a3dgen.removal.mask_ops import dilate, discs, extent, union
from a3dgen.removal.pieces import Pieces, touching

# Hand-set on the demo's pictures and the real sample frames; `a3dgen bench looks` counts what of a shadow is left.
SHADOW = -0.45
"""A cast shadow's linear colour is at most exp(this) times the ground's ..."""
DARKEST = -2.8
"""... and at least exp(this) times."""
LARGEST = 0.5
"""What is larger than this share of the person is the shadow of something else, or dark ground."""
SMALLEST = 32
"""The shadow of somebody smaller is not looked for, px."""
BLUER = 0.9
"""Its blue falls less than its red, by up to this (log)."""


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
    body = dilate(person, 0.03 * height)[y0:y1, x0:x1]
    ground = ~(body | keep[y0:y1, x0:x1])
    if ground.sum() < 0.2 * ground.size:
        return none
    dark, black = _shaded(rgb[y0:y1, x0:x1], ground)
    lowest = np.flatnonzero(body.any(1))[-1] if body.any() else 0
    seed = discs(feet - (x0, y0), 0.14 * height, dark.shape) & body
    seed[max(0, lowest - round(0.1 * height)) :] |= body[max(0, lowest - round(0.1 * height)) :]
    bridge = np.ones((3, max(3, int(0.02 * height)) | 1), np.uint8)
    joined = cv2.morphologyEx((dark | seed).astype(np.uint8), cv2.MORPH_CLOSE, bridge)
    found = touching(joined > 0, seed) & ground
    if found.sum() > 0.35 * ground.sum() or found.sum() > LARGEST * person.sum() or found.sum() < 12:
        return none
    found = _whole(found, black & ground, body, height) & ground
    out = none
    out[y0:y1, x0:x1] = found
    return out


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


def _shaded(
    rgb: UInt8[ndarray, "h w 3"], ground: Bool[ndarray, "h w"]
) -> tuple[Bool[ndarray, "h w"], Bool[ndarray, "h w"]]:
    """Return ground that looks like the lit ground times one factor: darker by ``SHADOW``, of its hue or bluer; and all
    ground that is as dark, whatever its hue.

    Light from the sky fills a shadow, so its blue falls less than its red; grass beside sand differs in green.
    """
    smooth = cv2.GaussianBlur(rgb, (0, 0), 1.2).astype(np.float32) / 255
    log = np.log(smooth**2.2 + 2e-3)
    bright = mean_of_channels(log)
    low, high = np.percentile(bright[ground], (50, 85))
    lit = np.median(log[ground & (bright >= low) & (bright <= high)], axis=0)
    red, green, blue = np.moveaxis(log - lit, -1, 0)
    tint = (blue - red > -0.2) & (blue - red < BLUER) & (np.abs(green - (red + blue) / 2) < 0.35)
    depth = (red + green + blue) / 3
    dark = (depth < SHADOW) & (depth > DARKEST) & tint & ground
    return cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0, depth < 2 * SHADOW


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
