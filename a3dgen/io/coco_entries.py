"""Ids, flags, file names and boxes in the entries of COCO-like files, in the forms that tools write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_LIMIT = 2**62
_NAMES = ("file_name", "filename", "path", "file", "image", "name", "coco_url", "flickr_url", "url")
"""Members of an ``images`` entry that may name its file, the most usual first."""
OUTSIDE_SHARE = 0.02
"""A box that leaves the picture by more than this share of its side is no x, y, width, height of it."""
NO_BOX = "boxes that are not four numbers are taken from the points"
CORNERS = "boxes look like x0, y0, x1, y1, not x, y, width, height: taken from the points"


def whole(value: Any) -> int | None:
    """Return a whole number (some writers store ids as 785.0 or "000000000785"), or None."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) < 18:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LIMIT:
        return None
    return int(value) if value == int(value) else None


class Codes:
    """Whole numbers for ids that may be any text: numbers are their own, texts count down from -1."""

    def __init__(self) -> None:
        self._code: dict[str, int] = {}
        self._texts: list[str] = []

    def code(self, value: Any) -> int | None:
        """Return the number of an id, None for what is no id."""
        number = whole(value)
        if number is not None and number >= 0:
            return number
        if value is None or isinstance(value, bool | list | dict):
            return None
        text = str(value)
        if text not in self._code:
            self._texts.append(text)
            self._code[text] = -len(self._texts)
        return self._code[text]

    def text(self, code: int) -> str:
        """Return an id as the file spells it."""
        return str(code) if code >= 0 else self._texts[-code - 1]


def is_set(flag: Any) -> bool:
    """Whether a flag says yes; ``"0"`` and ``"false"`` say no."""
    if isinstance(flag, str):
        return flag.strip().lower() not in ("", "0", "0.0", "false", "no", "none", "null")
    return bool(flag)


def picture_name(entry: Mapping[str, Any]) -> str:
    """Return what an ``images`` entry calls its file: a path, or the last part of an address; empty if it does not."""
    for member in _NAMES:
        value = entry.get(member)
        if isinstance(value, str) and value.strip():
            name = value.strip()
            return unquote(name.partition("?")[0]).rpartition("/")[2] if "://" in name else name
    return ""


def picture_size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the width and height (px) that an ``images`` entry gives; 0 is not given."""
    width, height = whole(entry.get("width")), whole(entry.get("height"))
    return (width, height) if width and height and width > 0 and height > 0 else None


def box_corners(
    value: Any, points: Float[ndarray, "n 2"], size: tuple[int, int] | None
) -> tuple[Float[ndarray, "4"] | None, str]:
    """Return a box x, y, width, height as corners x0, y0, x1, y1, or None and why the points must do.

    Args:
        value: as in the file. points: the person's labelled points, px.
        size: of the picture, px, where it is known: a box that leaves it and whose numbers as corners fit the points
            is no x, y, width, height.

    Returns:
        corners or None; a remark, empty where there is nothing to say.
    """
    try:
        x, y, w, h = (float(v) for v in (value if isinstance(value, list | tuple) else ()))
    except (TypeError, ValueError):
        return None, NO_BOX if value else ""
    if not np.isfinite([x, y, w, h]).all() or w <= 0 or h <= 0:
        return None, ""
    if size is not None and w > x and h > y and len(points):
        beyond = max((x + w - size[0]) / size[0], (y + h - size[1]) / size[1])
        inside = (points >= [x - 1, y - 1]).all(1) & (points <= [w + 1, h + 1]).all(1)
        if beyond > OUTSIDE_SHARE and inside.mean() > 0.9:
            return None, CORNERS
    return np.array([x, y, x + w, y + h]), ""
