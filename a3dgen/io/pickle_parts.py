"""The small parts of a pickle's notes: keys, shapes, bytes, dtypes and numbers, each checked.

What is anything else raises ``Refused``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from a3dgen.io.pickle_arrays import array_of, as_text
from a3dgen.io.pickle_notes import Call, Dict, Refused, shown

_DTYPE = re.compile(r"[<>=|]?(?:[biufcSU?](?:[0-9]{1,8})?|O8?)")
SCALARS = (type(None), bool, int, float, str, bytes)


def dtype_of(value: Any) -> np.dtype:
    """Return the dtype that a note stands for; structured, sub-array and date dtypes are refused."""
    if not isinstance(value, Call) or value.what.name != "dtype" or not value.args:
        raise Refused("an array without a dtype")
    code = as_text(value.args[0])
    if not isinstance(code, str) or not _DTYPE.fullmatch(code):
        raise Refused(f"dtype {shown(code)}")
    try:
        dtype = np.dtype(code)
    except (TypeError, ValueError):
        raise Refused(f"dtype {shown(code)}") from None
    if value.state is None:
        return dtype
    state = value.state
    if not isinstance(state, tuple) or len(state) < 4 or state[2] is not None or state[3] is not None:
        raise Refused("a structured dtype")
    order = as_text(state[1])
    if order not in ("<", ">", "=", "|"):
        raise Refused("a dtype of another byte order")
    return dtype.newbyteorder(order)


def scalar(call: Call) -> Any:
    """Return the number that ``numpy.core.multiarray.scalar`` makes."""
    no_state(call)
    if len(call.args) != 2:
        raise Refused("an unfinished number")
    dtype = dtype_of(call.args[0])
    if dtype.hasobject:
        raise Refused("an object scalar")
    return array_of(bytes_of(call.args[1]), dtype, (1,), "C")[0]


def key_of(key: Any) -> Any:
    """Return a key of a dict or an entry of a set: a number, text, or a flat tuple of these, whose hash is cheap."""
    if isinstance(key, tuple):
        if len(key) > 64:
            raise Refused("a long tuple as a key")
        return tuple(key_part(k) for k in key)
    return as_text(key_part(key))


def key_part(key: Any) -> Any:
    """Return a number or a text, however a protocol writes it."""
    if type(key) in SCALARS:
        return key
    if isinstance(key, Call) and key.what.name == "scalar":
        return scalar(key).item()
    if isinstance(key, Call) and key.what.name in ("encode", "bytes"):
        return as_text(encoded(key))
    raise Refused(f"{shown(key)} as a key")


def encoded(call: Call) -> bytes:
    """Return the byte string that ``_codecs.encode`` or ``bytes()`` makes."""
    no_state(call)
    if call.what.name == "bytes" and not call.args:
        return b""
    text, encoding = (*call.args, "latin1")[:2] if call.args else (None, "")
    if call.what.name != "encode" or not isinstance(text, str) or encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise Refused(f"{shown(call.what)} of something else than text")
    return text.encode("latin1")


def no_state(call: Call) -> None:
    """Refuse to change what a call made."""
    if call.state is not None:
        raise Refused(f"the state of {shown(call.what)} to be changed")


def state_of(call: Call) -> dict[str, Any]:
    """Return the attributes of an instance, not settled: a dict, or a pair (dict, slots)."""
    parts = call.state if isinstance(call.state, tuple) else (call.state,)
    found: dict[str, Any] = {}
    for part in parts:
        if part is None:
            continue
        if not isinstance(part, Dict):
            raise Refused(f"another state of {shown(call.what)}")
        found.update((as_text(key_part(k)), v) for k, v in part.pairs)
    return found


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape that a tuple of sizes stands for."""
    if isinstance(value, (list, tuple)) and len(value) <= 32:
        sizes = tuple(int(key_part(n)) if isinstance(n, Call) else n for n in value)
        if all(type(n) is int and 0 <= n < 1 << 62 for n in sizes):
            return sizes
    raise Refused("an array of another shape")


def bytes_of(data: Any) -> bytes:
    """Return the bytes of an array, however a protocol writes them."""
    if isinstance(data, Call):
        return encoded(data)
    if isinstance(data, str):  # Python 2
        return data.encode("latin1")
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    raise Refused("an array of something else than bytes")
