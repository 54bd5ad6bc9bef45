"""Where a filled hole cannot be trusted: it is filled again, from less of the photo, and the two fillings compared.

What surrounds the hole decides what is put there. Where leaving out a band of the surroundings changes the filling, or
the filling does not give that band back, the photo does not say what was behind the person.
"""

from __future__ import annotations

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.inpainters import Inpainter, NoSource
from a3dgen.removal.mask_ops import around, dilate

# Hand-set on the real sample frames.
SIDE = 200
"""Height of the person, px, at which fillings are compared."""
BAND, LEAST_BAND = 0.05, 3.0
"""The hole of the second filling reaches so much further, share of the height; at least so many px."""
CALM = 0.012
"""Finer texture than this share of the height is not compared."""
MOVED = 0.02
"""Nor whether it lies within this share of the height here or there."""
APART = 22.0
"""Fillings differ from this many grey levels on (of the channel that differs most)."""


def doubtful(
    rgb: UInt8[ndarray, "h w 3"],
    plate: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    avoid: Bool[ndarray, "h w"],
    height: float,
    fill: Inpainter,
    rng: np.random.Generator,
) -> Bool[ndarray, "h w"]:
    """Return the pixels of a hole, and of the band around it, at which two fillings differ.

    Args:
        rgb: photo. plate: the same, filled. hole: what was filled. avoid: never copied. height: of the person, px.
        fill: used for the second filling; it may be rough, as texture is not compared. rng: its randomness.
    """
    scale = min(1.0, SIDE / height)
    tall = scale * height
    size = (max(8, round(hole.shape[1] * scale)), max(8, round(hole.shape[0] * scale)))

    def small(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "a b"]:
        return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.02

    closed, kept = small(hole), small(avoid & ~hole)
    wide = dilate(closed, max(LEAST_BAND, BAND * tall)) & ~(kept & ~closed)
    if not wide.any():  # a few pixels of somebody large
        return np.zeros_like(hole)
    picture = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    picture[wide] = 0
    first = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    try:
        second = fill(picture, wide, kept & ~wide, rng)
    except NoSource:
        return hole.copy()  # nothing around says what was there
    apart = _apart(first, second, wide, tall)
    return cv2.resize(apart.astype(np.uint8), hole.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def _apart(
    a: UInt8[ndarray, "h w 3"], b: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"], height: float
) -> Bool[ndarray, "h w"]:
    """Return the pixels of ``where`` at which two pictures differ, texture and small shifts apart."""
    calm = max(0.7, CALM * height)
    reach = max(1, round(MOVED * height))
    rows, columns = around(where, reach + 5 * int(calm + 1))  # as far as blurring and shifts look
    first, second = (cv2.GaussianBlur(p[rows, columns].astype(np.float32), (0, 0), calm) for p in (a, b))
    steps = np.array(sorted({0, reach, -reach, reach // 2, -(reach // 2)}, key=abs))
    out = where.copy()
    _unlike(first, second, np.ascontiguousarray(where[rows, columns]), steps, np.float32(APART), out[rows, columns])
    return out


@kernel
@no_type_check
def _unlike(first, second, where, steps, apart, out):
    """Take out of ``out`` the pixels whose colour is nowhere nearer than ``apart``, shifted by any pair of steps."""
    h, w = where.shape
    for y in range(h):
        for x in range(w):
            if not where[y, x]:
                continue
            unlike = True
            for dy in steps:
                for dx in steps:
                    j, i = min(max(y + dy, 0), h - 1), min(max(x + dx, 0), w - 1)
                    most = abs(first[y, x, 0] - second[j, i, 0])
                    most = max(most, abs(first[y, x, 1] - second[j, i, 1]))
                    most = max(most, abs(first[y, x, 2] - second[j, i, 2]))
                    if most <= apart:
                        unlike = False
                        break
                if not unlike:
                    break
            out[y, x] = unlike
