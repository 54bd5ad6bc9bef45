"""Detects carried or ridden objects to remove with the person."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from a3dgen.core.channels import largest_channel, mean_of_channels
from a3dgen.lighting.byte_statistics import counted, percentile
from a3dgen.removal.mask_ops import dilate, discs
from a3dgen.removal.rays import ends_inside, goes_on, ray_of, too_level

HELD_SHARE = 0.6
"""A held object is smaller than this share of the person."""


def held_objects(
    person: Bool[ndarray, "h w"], objects: Sequence[Bool[ndarray, "h w"]], hands: Float[ndarray, "n 2"], reach: float
) -> list[int]:
    """Return the indices of objects in the person's hands.

    An object is held if it touches the person, comes within ``reach`` px of a hand and is clearly smaller than the
    person (a table that a hand rests on stays).
    """
    if not len(hands):
        return []
    near = dilate(person, 2.0)
    at_hand = discs(hands, reach, person.shape)
    area = max(int(person.sum()), 1)
    found = []
    for i, thing in enumerate(objects):
        size = int(thing.sum())
        if 0 < size < HELD_SHARE * area and (thing & near).any() and (thing & at_hand).any():
            found.append(i)
    return found


THIN_SIDE = 360
"""Height of a person, px, at which thin things are looked for."""
WIDEST = 0.055
"""A thin thing is at most this wide, share of the height ..."""
SHORTEST, LONGEST = 0.1, 1.3
"""... and this long."""
NEAR_HAND, NEAR_FOOT = 0.13, 0.17
"""It touches the person within this distance of a wrist or ankle, share of the height."""
OVER_FOOT = 0.3
"""What lies in line with a thing at a foot belongs to it over gaps of this share of the height: shoes, a leg."""
WHITE = 99.5
"""Percentile of each channel that white has in a photo."""
BRIGHT, MOST_GAIN = 160.0, 5.0
"""Pictures whose brightest parts are darker than this grey level are brightened, by this factor at most."""
SOLID = 0.7
"""What goes on in line fills this share of its length, the widest gap apart."""
AROUND_FOOT, PALE, SNOW = 0.25, 0.15, 0.45
"""Skis are looked for where the ground, within this share of the height of the feet, is no more saturated and no darker
than this, the latter as a share of the photo's white."""
CUT_NEAR, BORDER = 1.0, 3
"""A ski may leave the photo where its border (so many px) cuts the person, within this share of the height."""
ALIKE = 40.0
"""Two parts of one fence differ at most this much in colour, grey levels."""
CONTRAST = 22.0
"""It differs at least this much from what lies to both its sides, grey levels."""


def thin_things(
    rgb: UInt8[ndarray, "h w 3"],
    person: Bool[ndarray, "h w"],
    keep: Bool[ndarray, "h w"],
    hands: Float[ndarray, "n 2"],
    feet: Float[ndarray, "m 2"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return straight, thin things that stick out of the person at a hand or foot: poles, bats, rackets' shafts, skis.

    They stand out against what lies on both sides of them (black and white top hat). What is held begins at the hand:
    what passes by it, or goes on in the same line on the person's other side, is a lamp post or a fence.

    Args:
        rgb: photo. person: mask to be removed. keep: pixels that must stay (other people).
        hands, feet: wrists and ankles, px. height: standing height of the person, px.
    """
    out = np.zeros_like(person)
    if not (len(hands) or len(feet)) or not person.any():
        return out
    y0, y1, x0, x1 = _around(person, 0.9 * height)
    scale = min(1.0, THIN_SIDE / height)
    size = (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale)))
    picture = _lit(cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA))

    def small(mask: ndarray) -> Bool[ndarray, "a b"]:
        return cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0

    body, stay, tall = small(person), small(keep), height * scale
    found = _outstanding(picture, dilate(body, 1.0) | stay, tall)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    beside = dilate(body, 3.0) & found
    at_hand = beside & discs((hands - (x0, y0)) * scale, NEAR_HAND * tall, body.shape)
    soles = (feet - (x0, y0)) * scale
    at_foot = beside & discs(soles, NEAR_FOOT * tall, body.shape)
    white = np.percentile(rgb[::8, ::8].reshape(-1, 3), WHITE, axis=0)
    if not _on_snow(picture, white, discs(soles, AROUND_FOOT * tall, body.shape) & ~(dilate(body, 3.0) | stay)):
        at_foot[:] = False
    kept = np.zeros_like(found)
    by_hand = set(np.unique(labels[at_hand]).tolist())
    for label in sorted(by_hand | set(np.unique(labels[at_foot]).tolist())):
        held = label in by_hand
        stick: Bool[ndarray, "a b"] | None = np.zeros_like(found)
        if _may_be_thin(boxes[label], found.shape, tall, held):
            stick = _stick(picture, labels == label, at_hand if held else at_foot, found, tall, held, body)
        if stick is None:
            continue  # a line on the ground, a rail
        # It may have grown together with what lies behind.
        if not stick.any() and label > 0 and boxes[label][4] > 0.1 * tall:
            for touch, hand in ((at_hand, True), (at_foot, False)):
                ray = ray_of(labels == label, touch, body, found, tall, hand)
                stick |= ray if hand or not ray.any() else _both_ways(picture, ray, found, tall, body)
        kept |= stick
    if kept.any():
        full = cv2.resize(kept.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST) > 0
        out[y0:y1, x0:x1] = full & ~keep[y0:y1, x0:x1]
    return out


def _lit(rgb: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "h w 3"]:
    """Return a dark picture brightened: things in it stand out by fewer grey levels."""
    bright = percentile(counted(largest_channel(rgb).reshape(-1, 1))[0], 99.0)
    gain = min(MOST_GAIN, BRIGHT / max(bright, 1.0))
    return rgb if gain <= 1 else np.minimum(rgb * gain, 255).astype(np.uint8)


def _on_snow(rgb: UInt8[ndarray, "h w 3"], white: Float[ndarray, "3"], ground: Bool[ndarray, "h w"]) -> bool:
    """Return whether the ground around the feet is pale in the photo's light, whose brightest colours are ``white``: on
    grass and sand thin things at feet are lines, not skis."""
    if not ground.any():
        return True
    pixels = rgb[ground] * (white.max() / np.maximum(white, 1.0))
    pale = float(np.median(1 - pixels.min(1) / np.maximum(pixels.max(1), 1))) < PALE
    return pale and float(np.median(pixels.max(1))) > SNOW * max(float(white.max()), 1.0)


def _around(mask: Bool[ndarray, "h w"], margin: float) -> tuple[int, int, int, int]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    h, w = mask.shape
    return (
        max(0, int(rows[0] - margin)),
        min(h, int(rows[-1] + margin) + 1),
        max(0, int(cols[0] - margin)),
        min(w, int(cols[-1] + margin) + 1),
    )


def _outstanding(rgb: UInt8[ndarray, "h w 3"], person: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return what is narrower than ``WIDEST`` and unlike both its sides, more so than is usual in this photo."""
    side = max(5, int(WIDEST * height) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    # The person is painted over with what lies around, lest a narrow gap beside them looks like a thing.
    filled = cv2.inpaint(rgb, person.astype(np.uint8), 3, cv2.INPAINT_TELEA) if person.mean() < 0.5 else rgb
    white, black = (cv2.morphologyEx(filled, op, disc) for op in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    strength = largest_channel(np.maximum(white, black))
    usual = percentile(counted(strength[~person][:, None])[0], 70.0) if not person.all() else 255.0
    return (strength.astype(np.float32) > max(CONTRAST, 2.0 * usual)) & ~person


def _may_be_thin(box: Int[ndarray, "5"], shape: tuple[int, ...], height: float, held: bool) -> bool:
    """Return whether a component (x, y, width, height, area) can pass the first of ``_stick``'s tests."""
    x, y, w, h, area = (int(v) for v in box)
    longest = float(np.hypot(w, h)) + 1
    widest = WIDEST * height * (1.0 if held else 1.5)
    inside = x > 0 and y > 0 and x + w < shape[1] and y + h < shape[0]
    return inside and longest > (SHORTEST if held else 2 * SHORTEST) * height and area <= widest * longest


def _stick(
    rgb: UInt8[ndarray, "h w 3"],
    part: Bool[ndarray, "h w"],
    touch: Bool[ndarray, "h w"],
    found: Bool[ndarray, "h w"],
    height: float,
    held: bool,
    person: Bool[ndarray, "h w"],
) -> Bool[ndarray, "h w"] | None:
    """Return the part of a component that is a straight, thin thing beginning at the person; all false if none is, None
    if it is a line on the ground, or goes on like a rail.

    Args:
        rgb: photo. part: the component. touch: where things touch the person. found: all components.
        height: of the person, px. held: by a hand; else it may go on in front of the person and behind (skis).
    """
    none = np.zeros_like(part)
    y, x = np.nonzero(part)
    centre, axis, points = _line_of(x, y)
    along, across = points @ axis, np.abs(points @ np.array([-axis[1], axis[0]]))
    length = float(np.ptp(along)) + 1
    widest = WIDEST * height * (1.0 if held else 1.5)
    if not (SHORTEST if held else 2 * SHORTEST) * height < length < LONGEST * height:
        return none
    if np.percentile(across, 75) > 0.5 * widest or len(points) / length > widest:
        return none
    contact = along[touch[y, x]]
    to_low, to_high = float(np.abs(contact - along.min()).max()), float(np.abs(along.max() - contact).max())
    if held and min(to_low, to_high) > 0.25 * length:
        return none
    if held and too_level(axis, length, height):
        return None
    beginning = centre + axis * (along.min() if to_low < to_high else along.max())
    outwards = axis if to_low < to_high else -axis
    alike = _alike(rgb, part, found)
    if held and goes_on(beginning, -outwards, alike & ~part, height):
        return None
    kept = across < 1.5 * widest
    none[y[kept], x[kept]] = True
    if held:
        return none
    rest = _in_line(alike, centre, axis, (float(along.min()), float(along.max())), 0.75 * widest, height, person)
    return None if rest is None else none | rest


def _both_ways(
    rgb: UInt8[ndarray, "h w 3"],
    ray: Bool[ndarray, "h w"],
    found: Bool[ndarray, "h w"],
    height: float,
    person: Bool[ndarray, "h w"],
) -> Bool[ndarray, "h w"]:
    """Return a ray that leaves a foot with what goes on in line with it on the foot's other side; all false for a line
    on the ground."""
    y, x = np.nonzero(ray)
    centre, axis, points = _line_of(x, y)
    along, alike = points @ axis, _alike(rgb, ray, found)
    ends = (float(along.min()), float(along.max()))
    rest = _in_line(alike, centre, axis, ends, 0.5 * WIDEST * height, height, person)
    return np.zeros_like(ray) if rest is None else ray | rest


def _line_of(x: Int[ndarray, " n"], y: Int[ndarray, " n"]) -> tuple[ndarray, ndarray, Float[ndarray, "n 2"]]:
    """Return the centre of pixels, the direction they spread most in, and the pixels from the centre, px."""
    points = np.stack([x, y], 1).astype(np.float64)
    centre = points.mean(0)
    return centre, np.linalg.svd(points - centre, full_matrices=False)[2][0], points - centre


def _alike(
    rgb: UInt8[ndarray, "h w 3"], part: Bool[ndarray, "h w"], found: Bool[ndarray, "h w"]
) -> Bool[ndarray, "h w"]:
    """Return the pixels of ``found`` at which a photo has about the colour of a part of it."""
    out = found.copy()
    out[found] = mean_of_channels(np.abs(rgb[found].astype(np.float32) - np.median(rgb[part], axis=0))) < ALIKE
    return out


def _in_line(
    found: Bool[ndarray, "h w"],
    centre: ndarray,
    axis: ndarray,
    ends: tuple[float, float],
    aside: float,
    height: float,
    person: Bool[ndarray, "h w"],
) -> Bool[ndarray, "h w"] | None:
    """Return what goes on in line with a thing at a foot, on both sides of it; None if that is longer than any
    ski, or leaves the picture: a line on the ground, a skirting board.

    Args:
        found: what stands out and looks like it. centre, axis: of the thing. ends: where it ends along the axis, px.
        aside: how far from the axis, px. person: where they are cut by the picture's border, a ski may be as well.
    """
    y, x = np.nonzero(found)
    points = np.stack([x, y], 1) - centre
    near = np.abs(points @ np.array([-axis[1], axis[0]])) < aside
    along = points[near] @ axis
    high = _end(along, ends[1], height)
    low = -_end(-along, -ends[0], height)
    points_of_ends = [centre + at * axis for at in (low, high)]
    out_of_it = [p for p in points_of_ends if not ends_inside(p, found.shape)]
    if high - low > LONGEST * height or not all(_cut_there(person, p, height) for p in out_of_it):
        return None
    out = np.zeros_like(found)
    inside = (along >= low) & (along <= high)
    out[y[near][inside], x[near][inside]] = True
    return out


def _cut_there(person: Bool[ndarray, "h w"], point: Float[ndarray, "2"], height: float) -> bool:
    """Return whether the picture's border cuts a person near a point of it."""
    x, y = np.clip(np.rint(point).astype(int), 0, np.array(person.shape)[::-1] - 1)
    edge = person.copy()
    edge[BORDER:-BORDER, BORDER:-BORDER] = False  # masks are drawn a little off it
    rows, columns = np.nonzero(edge)
    return bool((np.hypot(rows - y, columns - x) < CUT_NEAR * height).any())


def _end(along: Float[ndarray, " n"], start: float, height: float) -> float:
    """Return where a thing ends that goes on from ``start``: over gaps, but without holes for most of the way that it
    can be seen. Seams of boards and tiles in one line are not a ski.

    Args:
        along: of points in line with it, px. height: of the person, px.
    """
    further = np.unique(np.concatenate([[start], np.round(along[along > start])]))
    gaps = np.diff(further)
    stop = np.flatnonzero(gaps > OVER_FOOT * height)
    further = further[: stop[0] + 1] if len(stop) else further
    seen = float(further[-1] - start) - float(np.diff(further).max(initial=0.0))
    return float(further[-1]) if len(further) > SOLID * seen else start
