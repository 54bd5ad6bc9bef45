"""Assigns pixels where two annotated masks touch or overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.removal.colours import colour_distance
from a3dgen.removal.mask_ops import dilate, distance_to, erode_unless_thin
from a3dgen.removal.photo import RemovalScene
from a3dgen.removal.pieces import touching

RIM, LEAST_RIM = 0.01, 4.5
"""Masks are drawn this share of the height wrong, at least so many px."""
CLEARLY, WHOLLY = 0.9, 0.45
"""A pixel that both may own is the other's if it is this much nearer to their colours; the latter at the border."""
EDGE = 1.5
"""Lens and compression mix the colours of what touches over this many px."""
AROUND, SHARE = 0.08, 0.03
"""Colours are compared with those within this share of the height; so many of the other's must agree."""
APART, APART_SHARE = 3.5, 0.01
"""A pixel so far from a drawn outline is not the person's: px, and share of the height."""
THEIRS = 0.5
"""Beside the person, a pixel just outside somebody's mask is theirs if it is this much nearer to their colours."""
ALONE = 0.1
"""A piece is an island if this little of what borders on it is the mask's own."""


def islands(own: Bool[ndarray, "h w"], others: Sequence[Any]) -> Bool[ndarray, "h w"]:
    """Return pieces of a mask that lie alone within somebody else's.

    Whoever drew a piece in the midst of another outline meant it: a foot seen between an arm and a leg, with the
    outline of arm and leg drawn around all three.
    """
    out = np.zeros_like(own)
    for other in others:
        count, labels = cv2.connectedComponents((own & other).astype(np.uint8), connectivity=4)
        for label in range(1, count):
            piece = labels == label
            ring = dilate(piece, EDGE) & ~piece
            mine, theirs = int((ring & own).sum()), int((ring & other & ~own).sum())
            if mine <= ALONE * (mine + theirs):
                out |= piece
    return out


def contested(scene: RemovalScene, core: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return what masks of other people claim of the person: where two masks touch or overlap, whatever is not clearly
    the other's by its colour goes.

    Args:
        core: what certainly is the person's.
    """
    others = np.logical_or.reduce([np.zeros_like(core), *scene.others])
    rim = max(LEAST_RIM, RIM * scene.height)
    strip = others & ~core & (dilate(core, rim) | scene.own)
    if not strip.any():
        return strip
    mine, theirs = erode_unless_thin(core & ~others, 1.0), erode_unless_thin(others, rim) & ~scene.own
    to_me = colour_distance(scene.rgb, strip, mine, AROUND * scene.height)
    to_them = colour_distance(scene.rgb, strip, theirs, AROUND * scene.height, SHARE)
    claimed = strip & ~(to_them < CLEARLY * to_me)
    claimed |= dilate(core | claimed, EDGE) & strip & ~(to_them < WHOLLY * to_me)
    closed = cv2.morphologyEx((core | claimed).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    return strip & touching(closed, core, 4)


def beyond_masks(
    scene: RemovalScene,
    person: Bool[ndarray, "h w"],
    core: Bool[ndarray, "h w"],
    others: Sequence[Any],
    hole: Bool[ndarray, "h w"],
) -> Bool[ndarray, "h w"]:
    """Return the pixels of a hole just outside the masks of other people that may be theirs: masks are drawn too small.

    Away from the removed person they all stay: whatever they show, it is the photo's. Beside the person the colours
    decide.

    Args:
        person: outline of what is removed. core: where it certainly is the person. others: masks. hole: to be filled.
    """
    everyone = np.logical_or.reduce([np.zeros_like(hole), *others])
    rim = max(LEAST_RIM, RIM * scene.height)
    strip = dilate(everyone, rim) & ~everyone & hole & ~core
    if not strip.any():
        return strip
    away = distance_to(person)
    free = strip & (away > max(APART, APART_SHARE * scene.height))
    ask = strip & ~free
    mine = erode_unless_thin(core & ~everyone, 1.0)
    to_me = colour_distance(scene.rgb, ask, mine, AROUND * scene.height)
    to_them = colour_distance(scene.rgb, ask, erode_unless_thin(everyone & ~core, 1.0), AROUND * scene.height, SHARE)
    return free | (ask & (to_them < THEIRS * to_me))


def hidden(scene: RemovalScene) -> Bool[ndarray, "h w"]:
    """Return where the person's fitted body goes on behind the people beside: it may come out on their other side."""
    others = np.logical_or.reduce([np.zeros_like(scene.body), *scene.others])
    behind = scene.body & others
    return touching(behind, dilate(scene.own, 3.0), 4)
