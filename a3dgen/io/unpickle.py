"""Read pickles without executing anything in them.

A pickle is a program. This reader runs its stack machine (the standard library's, in Python) but answers every
request for a callable itself: NumPy arrays, dtypes and scalars, SciPy sparse columns and rows, chumpy arrays and
``OrderedDict`` are rebuilt by the functions in ``standins``; everything else is an error. State may be set only on
those stand-ins, so that a pickle cannot change them or anything else in the process. Python 2 pickles
(latin1 byte strings) and all protocols are read.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.pickle_standins import ALLOWED, Array, Dtype, Instance, Named, Refused, as_text


class _Reader(pickle._Unpickler):
    """The stack machine; only stand-ins can be asked for, called or given state."""

    dispatch: ClassVar[dict[int, Callable]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise Refused(f"'{module}.{name}'") from None

    def get_extension(self, code: int) -> Any:
        raise Refused("an extension object")

    def load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (Array, Dtype, Instance)):
            raise Refused("the state of something else to be changed")
        self.stack[-1].__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build


class _Settler:
    """Replaces stand-ins by what they stand for, inside containers too; every object once, however often it is used."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._busy: set[int] = set()

    def __call__(self, value: Any) -> Any:
        key = id(value)
        if key in self._done:
            return self._done[key]
        if key in self._busy:
            raise Refused("data that contains itself")
        self._busy.add(key)
        result = self._settle(value)
        self._busy.discard(key)
        if isinstance(value, (dict, list, tuple, set, frozenset, Array, Instance)):
            self._done[key] = result
        return result

    def _settle(self, value: Any) -> Any:
        if isinstance(value, Array):
            return self._array(value)
        if isinstance(value, Instance):
            return value.resolve(self)
        if isinstance(value, Dtype):
            return value.value
        if isinstance(value, dict):
            return type(value)((as_text(self(k)), self(v)) for k, v in value.items())
        if isinstance(value, (list, tuple, set, frozenset)):
            return type(value)(self(v) for v in value)
        if callable(value) or isinstance(value, Named):
            raise Refused("a class or function as data")
        return value

    def _array(self, value: Array) -> np.ndarray:
        if value.value is None:
            raise Refused("an unfinished array")
        if value.value.dtype != object:
            return value.value
        flat = np.empty(value.value.size, object)
        flat[:] = [self(v) for v in value.value.ravel()]
        return flat.reshape(value.value.shape)


def read_pickle(path: str | Path) -> Any:
    """Read a pickle file as plain data; nothing in it is executed.

    Returns:
        dicts (byte-string keys decoded), lists, tuples, numbers, text, NumPy arrays and scalars, SciPy sparse
        matrices; chumpy arrays as plain arrays.

    Raises:
        DataError: if the file is missing, damaged, or holds or calls anything else.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return plain_data(content, str(path))


def plain_data(pickled: bytes, where: str) -> Any:
    """Read a pickle in memory, as ``read_pickle`` does; ``where`` names it in errors."""
    try:
        return _Settler()(_Reader(io.BytesIO(pickled), encoding="latin1").load())
    except Refused as error:
        raise DataError(
            f"{where}: the pickle asks for {error}, which is not plain data; it was not executed and is not read"
        ) from None
    except Exception as error:  # the stack machine fails in many ways on damaged input
        raise DataError(f"{where}: not a pickle, or a damaged one ({type(error).__name__}: {error})") from error
