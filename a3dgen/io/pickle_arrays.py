"""Arrays and text of a pickle, from their checked parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from a3dgen.io.pickle_notes import Refused

_MOST_EMPTY = 1_000_000
"""Texts without a character in an array, which take no room in the file."""


def weight_of(shape: tuple[int, ...]) -> int:
    """Return what an array counts for: its bytes are in the file once, however often the array is used."""
    return 1 + math.prod(shape) // 16


def array_of(data: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    """Return an array of these bytes.

    Raises:
        Refused: if they do not fit its shape, or are no text where text is wanted.
    """
    count = math.prod(shape)
    if count * dtype.itemsize != len(data):
        raise Refused("an array whose bytes do not fit its shape")
    if count == 0 or dtype.itemsize == 0:
        if count > _MOST_EMPTY:
            raise Refused("an array of nothing, many times")
        return np.zeros(shape, dtype)
    array = np.frombuffer(data, dtype).reshape(shape, order=order).copy()
    if dtype.kind == "U" and not is_text(array):
        raise Refused("text with characters that do not exist")
    return array


def is_text(array: np.ndarray) -> bool:
    """Whether an array of dtype U holds only characters that exist; NumPy hands others to Python, which crashes."""
    if array.size == 0 or array.dtype.itemsize == 0:
        return True
    codes = np.ascontiguousarray(array).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    return bool(codes.max() <= 0x10FFFF)


def as_text(value: Any) -> Any:
    """Return a Python 2 byte string as text, anything else as it is."""
    return value.decode("latin1") if isinstance(value, bytes) else value
