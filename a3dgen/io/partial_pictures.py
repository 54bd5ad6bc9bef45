"""Photos that are cut short: how much of them can be decoded, and its pixels.

One road for every source and for every later stage that opens the photo again. What is missing is cut off, never grey.
Pictures of a dataset do not come here: one that is cut short is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.io.images import (
    MAX_DECODED,
    MAX_PIXELS,
    Side,
    image_size,
    open_picture,
    read_rgb,
    read_salvaged,
)
from a3dgen.io.orientation import orientation_of, upright_points
from a3dgen.io.regular import read_bytes
from a3dgen.io.truncation import Salvage, Truncated, salvage

SMALLEST = 64
"""A photo must have this many px on either side to show a person worth fitting."""
CLEAR_PX, CLEAR_SHARE = 8, 0.02
"""A person is whole if so much of the picture lies between them and where it is cut short."""


@dataclass(frozen=True)
class Decodable:
    """What can be decoded of a photo, in upright pixels.

    Attributes:
        whole: (width, height) of the photo as its header says. origin: (x, y) of the first pixel that can be decoded.
        size: (width, height) of what can be decoded. lost: the side at which the rest is missing; empty = none is.
        remark: what is to be said of it, or empty.
    """

    whole: tuple[int, int]
    origin: tuple[int, int]
    size: tuple[int, int]
    lost: Side = ""
    remark: str = ""

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the whole photo that can be decoded."""
        (x, y), (width, height) = self.origin, self.size
        return slice(y, y + height), slice(x, x + width)


def decodable(path: str | Path, limit: int = MAX_PIXELS) -> Decodable:
    """Return how much of a photo can be decoded; a whole photo is not decoded for it.

    Raises:
        DataError: if it is missing, no image, above ``limit`` pixels, or if nothing to speak of is left of it.
    """
    try:
        size = image_size(path, limit)
        return Decodable(size, (0, 0), size)
    except Truncated as error:
        return _extent(path, _left(path, limit, error), limit)


def read_photo(path: str | Path, limit: int = MAX_PIXELS, enough: int = 0) -> UInt8[ndarray, "h w 3"]:
    """Read a photo as ``read_rgb`` does; one that is cut short as far as it goes (``decodable`` says how far).

    Raises:
        DataError: as ``decodable``.
    """
    try:
        return read_rgb(path, limit, enough)
    except Truncated as error:
        return read_salvaged(path, _left(path, limit, error))


def _left(path: str | Path, limit: int, error: Truncated) -> Salvage:
    # what is left is decoded several times, whole: however large a photo may be, that takes memory
    bearable = Path(path).stat().st_size < MAX_DECODED // 4
    left = salvage(read_bytes(path), min(limit, MAX_PIXELS)) if bearable else None
    if left is None or left.rows < min(SMALLEST, left.height):
        raise error
    return left


def _extent(path: str | Path, left: Salvage, limit: int) -> Decodable:
    with open_picture(path, limit) as image:
        orientation, stored = orientation_of(image), image.size
    corners = np.array([[0, 0], [stored[0] - 1, left.rows - 1]], np.float64)
    corners = upright_points(corners, orientation, stored).astype(int)
    (x, y), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
    whole = stored[::-1] if orientation >= 5 else stored
    size = (x1 + 1 - x, y1 + 1 - y)
    if left.rows == left.height:
        remark = "cut short: its finest details are missing" if left.coarse else "without its end marker, but whole"
        return Decodable(whole, (x, y), size, "", remark)
    rooms: dict[Side, int] = {"top": y, "left": x, "bottom": whole[1] - 1 - y1, "right": whole[0] - 1 - x1}
    lost = max(rooms, key=lambda side: rooms[side])
    remark = f"cut short: {left.rows} of {left.height} rows can be read, the {lost} is missing"
    return Decodable(whole, (x, y), size, lost, remark)


def reaches_cut(lost: Side, box: Sequence[float] | Float[ndarray, "4"], size: tuple[int, int]) -> str:
    """Return why somebody on a photo that is cut short is not used, or an empty text: they may go on where it ends.

    Args:
        lost: the side that is missing. box: x0, y0, x1, y1 of the person and size: (width, height), both of what can
            be decoded.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    room = {"top": y0, "bottom": size[1] - y1, "left": x0, "right": size[0] - x1}.get(lost)
    if room is None or room > max(CLEAR_PX, CLEAR_SHARE * size[1 if lost in ("top", "bottom") else 0]):
        return ""
    return f"the photo is cut short at the {lost}, and the person reaches to there"
