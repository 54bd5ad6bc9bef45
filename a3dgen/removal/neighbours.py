"""Estimates masks of people annotated by keypoints only.

Thick lines between clicks cover what lies beside a limb, too, and the detector's outlines take in parts of whoever
stands next. Both say where a neighbour may be; within reach of the removed person the colours decide, in doubt for
removal: what certainly is the neighbour's lies away from the removed person, or was outlined by the detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.removal.colours import colour_distance
from a3dgen.removal.mask_ops import dilate, distance_to, erode_unless_thin, extent, union
from a3dgen.removal.photo import RemovalScene
from a3dgen.removal.segment import segment_person

COVERED = 0.5
"""A detection is somebody's if it covers this share of them."""
THIN = 0.009
"""Half the width of what is believed of a neighbour near the person, share of the height: two fingers."""
RIM = 0.012
"""Estimated outlines are this share of the height wrong (at least 3 px)."""
STRAY = 0.12
"""A detector's outline is believed this near to the lines, share of the neighbour's size."""
SOLE, HEEL = 0.07, 0.03
"""Lines end at the ankles: feet reach so far from where the lines end, shares of the neighbour's size."""
SPINE, LIMB = 0.02, 0.05
"""The middle of a line begins this deep in it; lines are at most so wide, shares of the neighbour's size."""
LIKE, UNLIKE_ME = 16.0, 12.0
"""A colour is somebody's if theirs differ at most so much, grey levels, and is not the removed person's below the
latter."""
CLEARLY = 0.3
"""Where both may be, the neighbour's colours must be this much nearer."""
AROUND, MY_AROUND = 0.12, 0.2
"""Colours are looked for this near, shares of the height: the neighbour's, and the removed person's."""
SHARE = 0.03
"""So much of a neighbour's colours must agree; of the removed person's, a few pixels are enough."""


@dataclass(frozen=True)
class Removed:
    """What is known of the person to be removed.

    Attributes:
        mine: fitted body, thick lines between clicks, room for the hands. seen: the detector's outline, or None.
    """

    mine: Bool[ndarray, "h w"]
    seen: Bool[ndarray, "h w"] | None


def detections(rgb: UInt8[ndarray, "h w 3"], people: Sequence[Bool[ndarray, "h w"]]) -> list[Any]:
    """Return the detector's mask of each of several people, None where it sees nothing of them.

    The detector shows one person of a window, not always the one whose window it is. A mask belongs to whoever it
    covers most of; who is left without one is looked for again with that person painted over.

    Args:
        rgb: photo. people: what is known of each: thick lines between clicks, or the fitted body.
    """
    alone = [p & ~union([q for q in people if q is not p], p.shape) for p in people]
    alone = [a if a.sum() > 0.1 * p.sum() else p for a, p in zip(alone, people, strict=True)]
    found: list[Any] = [None] * len(people)
    best = [COVERED] * len(people)

    def look(index: int, picture: UInt8[ndarray, "h w 3"]) -> int:
        mask = segment_person(picture, people[index])
        if mask is None:
            return index
        shares = [float((mask & a).sum() / max(a.sum(), 1)) for a in alone]
        owner = int(np.argmax(shares))
        if shares[owner] >= best[owner]:
            best[owner], found[owner] = shares[owner], mask
        return owner

    owners = [look(i, rgb) for i in range(len(people))]
    for i, owner in enumerate(owners):
        if found[i] is None and owner != i and found[owner] is not None:
            look(i, _painted_over(rgb, found[owner] & ~alone[i]))
    return found


def neighbours(
    scene: RemovalScene, removed: Removed, lines: Sequence[Bool[ndarray, "h w"]], found: Sequence[Any], margin: float
) -> list[Any]:
    """Return the masks of neighbours.

    Args:
        scene: photo. removed: the person to be removed.
        lines: each neighbour's thick lines between clicks. found: the detector's outline of each, or None.
        margin: how far from the removed person pixels will be filled, px.
    """
    shape, height = removed.mine.shape, scene.height
    rim = max(3.0, RIM * height)
    body = removed.mine if removed.seen is None else removed.mine | removed.seen
    zone, deep = dilate(body, margin + rim), dilate(body, rim)
    where = [possible(line, mask) for line, mask in zip(lines, found, strict=True)]
    ask = zone & union(where, shape)
    if not ask.any():
        return where
    pairs = list(zip(lines, where, found, strict=True))
    seen = union([p & m for _, p, m in pairs if m is not None], shape)
    outlined = union([p for _, p, m in pairs if m is not None], shape)
    theirs = (seen | union([_middle(line) for line, _, m in pairs if m is None], shape)) & ~deep
    own = erode_unless_thin(body if removed.seen is None else removed.seen, rim) & ~seen
    if removed.seen is None:
        own &= ~union(lines, shape)
    to_them = colour_distance(scene.rgb, ask, theirs, AROUND * height, SHARE)
    to_me = colour_distance(scene.rgb, ask, own, MY_AROUND * height)
    stays = (to_them < LIKE) & (to_them < CLEARLY * to_me) & (to_me > UNLIKE_ME)
    stays |= seen & ~deep & (to_them < to_me + UNLIKE_ME)
    if removed.seen is not None:
        nearer = distance_to(removed.mine) < distance_to(union(lines, shape))
        aside = removed.mine & ~union([_middle(line) for line in lines], shape)
        stays &= ~(removed.seen & (nearer | aside | ~seen))
    smooth = cv2.medianBlur(stays.astype(np.uint8), 5) > 0
    stays = smooth & (stays | (to_them < to_me)) & ~(deep & outlined & ~seen)
    left = union(where, shape) & (~zone | stays)
    stays &= binary_opening(left, THIN * height)
    return [p & (~zone | stays) for p in where]


def possible(line: Bool[ndarray, "h w"], found: Bool[ndarray, "h w"] | None) -> Bool[ndarray, "h w"]:
    """Return where a neighbour may be: the detector's outline, and the lines where it sees nothing of a limb."""
    size = extent(line)
    end = int(np.flatnonzero(line.any(1))[-1])
    soles = line.copy()
    soles[: end + 1 - round(HEEL * size)] = False
    soles = dilate(soles, SOLE * size)
    if found is None:
        return line | soles
    found = found & dilate(line | soles, STRAY * size)
    unseen = erode_unless_thin(line, 1.5 * SPINE * size) & ~dilate(found, 0.01 * size)
    out = found | (line & dilate(unseen, LIMB * size))
    return out if found[end + round(SPINE * size) :].any() else out | line | soles


def binary_opening(mask: Bool[ndarray, "h w"], radius: float) -> Bool[ndarray, "h w"]:
    """Return a mask without islands and spurs that a disc of ``radius`` (px) does not fit into."""
    size = 2 * round(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0


def _middle(line: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    return erode_unless_thin(line, SPINE * extent(line))


def _painted_over(rgb: UInt8[ndarray, "h w 3"], mask: Bool[ndarray, "h w"]) -> UInt8[ndarray, "h w 3"]:
    ring = dilate(mask, 6.0) & ~dilate(mask, 2.0)
    out = rgb.copy()
    out[dilate(mask, 2.0)] = np.median(rgb[ring], axis=0) if ring.any() else 128
    return out
