"""MPII's official MATLAB file, struct ``RELEASE``.

Empty structs and missing fields are normal in it; points are told apart by their ``id``; ``is_visible`` may be a
number, a character, empty or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.io.mat5 import Value, open_mat

Struct = dict[str, Value]


def read_mat(path: Path, record: Callable[..., Any]) -> Iterator[Any]:
    """Yield a record for every rectangle of every photo (test photos have no joints and come refused).

    Args:
        path: the file.
        record: ``mpii.Record``.

    Raises:
        DataError: if it cannot be read or has no RELEASE.annolist.
    """
    with open_mat(path) as content:
        release = _first(content.get("RELEASE"))
        if "annolist" not in release:
            raise DataError(f"{path}: no RELEASE.annolist in it; this is not the official MPII file")
        in_train = release["img_train"].numbers() if "img_train" in release else np.ones(0)
        for number, photo in enumerate(release["annolist"].iterate()):
            if not isinstance(photo, dict):
                raise DataError(f"{path}: RELEASE.annolist is no struct; this is not the official MPII file")
            name = _first(photo.get("image")).get("name")
            image = (name.text() if name else None) or f"?{number}"
            train = number >= len(in_train) or bool(in_train[number])
            for index, rectangle in enumerate(_structs(photo.get("annorect"))):
                yield _record(record, image, index, rectangle, train)


def _structs(value: Value | None) -> list[Struct]:
    return [item for item in value.items() if isinstance(item, dict)] if value is not None else []


def _first(value: Value | None) -> Struct:
    return next(iter(_structs(value)), {})


def _record(record: Callable[..., Any], image: str, index: int, rectangle: Struct, train: bool) -> Any:
    pixels, states = np.zeros((16, 2)), np.full(16, UNLABELLED, np.int64)
    refused = None if train else "no keypoints (a test photo)"
    unusable = 0
    for point in _structs(_first(rectangle.get("annopoints")).get("point")):
        number, x, y = (_number(point.get(name)) for name in ("id", "x", "y"))
        if number is None or x is None or y is None or number not in range(16) or not np.isfinite([x, y]).all():
            unusable += 1  # costs the point
            continue
        pixels[int(number)] = x, y
        states[int(number)] = _state(point.get("is_visible"))
    if refused is None and not (states != UNLABELLED).any():
        refused = "no joint has a usable id, x and y" if unusable else "no keypoints"
    return record(image, index, pixels, states, refused)


def _number(value: Value | None) -> float | None:
    return value.scalar() if value is not None else None


def _state(flag: Value | None) -> int:
    """Return the state for ``is_visible``; where it is absent (often for head and neck) it was seen."""
    hidden = flag is not None and (_number(flag) == 0 or flag.text() == "0")
    return OCCLUDED if hidden else VISIBLE
