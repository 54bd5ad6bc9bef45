"""MPII's official MATLAB file, struct ``RELEASE``.

Structs of one element, empty ones and missing fields are normal in it; points are told apart by their ``id``;
``is_visible`` may be a number, a character, empty or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from a3dgen.errors import DataError
from a3dgen.records import OCCLUDED, UNLABELLED, VISIBLE


def read_mat(path: Path, record: Callable[..., Any]) -> Iterator[Any]:
    """Yield a record for every rectangle of every photo (test photos have no joints and come refused).

    Args:
        path: the file; MATLAB 5 to 7, whose reading executes nothing.
        record: ``mpii.Record``.

    Raises:
        DataError: if it cannot be read or has no RELEASE.annolist.
    """
    try:
        content = loadmat(path, struct_as_record=False, squeeze_me=True, variable_names=["RELEASE"])
    except NotImplementedError:
        raise DataError(
            f"{path}: a MATLAB 7.3 file; the official MPII file is an older version: fetch it again"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # the parser raises whatever a damaged byte leads it to
        raise DataError(f"{path}: not a readable MATLAB file: {' '.join(str(error).split())}") from None
    release = content.get("RELEASE")
    if not hasattr(release, "annolist"):
        raise DataError(f"{path}: no RELEASE.annolist in it; this is not the official MPII file")
    del content
    photos = _items(release.annolist)
    in_train = np.atleast_1d(getattr(release, "img_train", np.ones(len(photos))))
    for number, photo in enumerate(photos):
        image = getattr(getattr(photo, "image", None), "name", None)
        train = number >= len(in_train) or bool(in_train[number])
        for index, rectangle in enumerate(_items(getattr(photo, "annorect", None))):
            yield _record(record, image if isinstance(image, str) else f"?{number}", index, rectangle, train)


def _items(value: Any) -> list[Any]:
    """Return a struct array as a list of structs: squeezing turns one into a scalar and none into an empty array."""
    if value is None:
        return []
    return [v for v in np.atleast_1d(np.asarray(value, object)).ravel() if hasattr(v, "_fieldnames")]


def _record(record: Callable[..., Any], image: str, index: int, rectangle: Any, train: bool) -> Any:
    pixels, states = np.zeros((16, 2)), np.full(16, UNLABELLED, np.int64)
    refused = None if train else "no keypoints (a test photo)"
    for point in _items(getattr(getattr(rectangle, "annopoints", None), "point", None)):
        number, x, y = (_number(getattr(point, name, None)) for name in ("id", "x", "y"))
        if number is None or x is None or y is None or not 0 <= number < 16 or number != int(number):
            refused = refused or "a joint has no usable id, x or y"
            continue
        pixels[int(number)] = x, y
        states[int(number)] = _state(getattr(point, "is_visible", None))
    if refused is None and not (states != UNLABELLED).any():
        refused = "no keypoints"
    return record(image, index, pixels, states, refused)


def _number(value: Any) -> float | None:
    try:
        found = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return float(found[0]) if len(found) == 1 else None


def _state(flag: Any) -> int:
    """Return the state for ``is_visible``; where it is absent (often for head and neck) it was seen."""
    return OCCLUDED if _number(flag) == 0 else VISIBLE
