"""Gives back to the photo what surely is background: holes reach beyond the person, and what they take is invented."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.removal.colours import colour_distance
from a3dgen.removal.mask_ops import dilate, erode_unless_thin
from a3dgen.removal.pieces import touching

# Hand-set on the real sample frames; `a3dgen bench plates` counts what is left of the person.
NEAR, LEAST_NEAR = 0.012, 3.0
"""Within this share of the height of the outline (at least so many px) everything goes: edges are mixed and ring."""
BEHIND, MINE = 0.06, 0.1
"""Colours of the surroundings and of the person are looked for this near, shares of the height."""
SHARE = 0.03
"""So much of the surroundings in reach must have the pixel's colour."""
LIKE, UNLIKE_ME, CLEARLY = 7.0, 16.0, 0.3
"""A pixel is background if its colour differs this little from theirs, this much from the person's (grey levels), and
theirs is this much nearer."""
EDGE = 5
"""What is returned is so far (half of it, px) from the rest of the hole."""
PIECE = 0.012
"""What is returned is no thinner than this share of the height."""


def background_in(
    rgb: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    solid: Bool[ndarray, "h w"],
    others: Bool[ndarray, "h w"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return the pixels of a hole that look like what lies beyond it and not like the person.

    Args:
        rgb: photo. hole: to be filled, without shadow and held things: those look like neither.
        solid: outline of the person, without room for fingers. others: people who stay, no background.
        height: of the person, px.
    """
    none = np.zeros_like(hole)
    ask = hole & ~dilate(solid, max(LEAST_NEAR, NEAR * height))
    beyond = ~(hole | others)
    if not ask.any() or not beyond.any() or not solid.any():
        return none
    mine = erode_unless_thin(solid, 1.0)
    to_them = colour_distance(rgb, ask, beyond, BEHIND * height, SHARE)
    likely = ask & (to_them < LIKE)
    to_me = colour_distance(rgb, likely, mine, MINE * height)
    found = likely & (to_me > UNLIKE_ME) & (to_them < CLEARLY * to_me)
    side = 2 * max(1, round(0.5 * PIECE * height)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc)
    # Pixels beside what is no background may be mixed with it: the edge of a finger.
    firm = cv2.erode((opened | ~hole).astype(np.uint8), np.ones((EDGE, EDGE), np.uint8)) > 0
    return touching(firm & ask, dilate(~hole, 1.0), 4)  # islands in the hole may be anything
