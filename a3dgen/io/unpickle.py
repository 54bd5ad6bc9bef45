"""Read pickles without executing anything in them.

A pickle is a program. This reader runs its stack machine (the standard library's, in Python) but answers every
request for a callable itself: NumPy arrays, dtypes and scalars, SciPy sparse columns and rows, chumpy arrays and
``OrderedDict`` are rebuilt by functions of this module; everything else is an error. State may be set only on the
stand-ins of this module, so that a pickle cannot change them or anything else in the process. Python 2 pickles
(latin1 byte strings) and all protocols are read.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from a3dgen.errors import DataError

_DTYPE_KINDS = frozenset("biufcSUVO?")


class _Refused(Exception):
    """The pickle asks for something that is not plain data."""


class _Array:
    """Stand-in for ``numpy.ndarray`` while ``__setstate__`` has not been seen."""

    def __init__(self, *_args: Any) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, data = state
        dtype = _plain_dtype(dtype)
        if dtype.hasobject:
            flat = np.empty(len(data), object)
            flat[:] = data
        else:
            flat = np.frombuffer(_raw(data), dtype)
        self.value = flat.reshape(shape, order="F" if fortran else "C").copy()


class _Dtype:
    """Stand-in for ``numpy.dtype``; structured and sub-array dtypes are refused."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        code = _text(code)
        if not isinstance(code, str) or code[:1] not in _DTYPE_KINDS:
            raise _Refused(f"dtype {code!r}")
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        _version, order, subdtype, names, *_ = state
        if subdtype is not None or names is not None:
            raise _Refused("structured dtype")
        self.value = self.value.newbyteorder(_text(order))


class _Record:
    """Stand-in for an instance of a class whose state is a plain dict (sparse matrices, chumpy arrays)."""

    kind = "class"

    state: dict[str, Any]

    def __new__(cls, *_args: Any) -> Any:  # unpickling makes objects without calling __init__
        self = super().__new__(cls)
        self.state = {}
        return self

    def resolve(self, settle: Callable[[Any], Any]) -> Any:
        """Return what the object stands for; ``settle`` does the same for anything it holds."""
        raise _Refused(f"a {self.kind}")

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2:  # (dict, slots)
            state = {**(state[0] or {}), **(state[1] or {})}
        if not isinstance(state, dict):
            raise _Refused(f"state of a {self.kind}")
        self.state.update({_text(k): v for k, v in state.items()})


class _Sparse(_Record):
    kind = "sparse matrix"
    layout: Callable[..., Any]

    def resolve(self, settle: Callable[[Any], Any]) -> Any:
        state = self.state
        try:
            parts = tuple(settle(state[name]) for name in ("data", "indices", "indptr"))
            shape = state["_shape"] if "_shape" in state else state["shape"]
            matrix = type(self).layout(parts, shape=tuple(int(settle(n)) for n in shape))
            matrix.check_format(full_check=True)
        except (KeyError, TypeError, ValueError) as error:
            raise _Refused(f"damaged sparse matrix ({error})") from error
        return matrix


class _Csc(_Sparse):
    layout = scipy.sparse.csc_matrix


class _Csr(_Sparse):
    layout = scipy.sparse.csr_matrix


class _Chumpy(_Record):
    """A chumpy ``Ch``: its array. Derived expressions have no value of their own and are refused."""

    kind = "chumpy array"

    def resolve(self, settle: Callable[[Any], Any]) -> np.ndarray:
        if "x" not in self.state:
            raise _Refused("a chumpy expression without a stored array")
        return np.asarray(settle(self.state["x"]))


class _Selection(_Record):
    """A chumpy ``Select``: entries ``idxs`` of the array ``a``, in ``preferred_shape``."""

    kind = "chumpy selection"

    def resolve(self, settle: Callable[[Any], Any]) -> np.ndarray:
        try:
            chosen = np.asarray(settle(self.state["a"])).ravel()[np.asarray(settle(self.state["idxs"]), np.int64)]
            shape = settle(self.state.get("preferred_shape"))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _Refused(f"damaged chumpy selection ({error})") from error
        return chosen.reshape(shape) if shape is not None else chosen


def _plain_dtype(dtype: Any) -> np.dtype:
    if isinstance(dtype, _Dtype):
        return dtype.value
    raise _Refused(f"dtype {dtype!r}")


def _text(value: Any) -> Any:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _raw(data: Any) -> bytes:
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """Stands for ``numpy.core.multiarray.scalar``."""
    plain = _plain_dtype(dtype)
    if plain.hasobject:
        raise _Refused("object scalar")
    return np.frombuffer(_raw(data), plain, 1)[0]


def _from_buffer(data: Any, dtype: Any, shape: tuple, order: str) -> np.ndarray:
    """Stands for ``numpy.core.numeric._frombuffer`` (protocol 5)."""
    plain = _plain_dtype(dtype)
    if plain.hasobject:
        raise _Refused("object buffer")
    return np.frombuffer(bytes(data), plain).reshape(shape, order=order).copy()


def _reconstruct_object(cls: Any, _base: Any, _state: Any) -> Any:
    """Stands for ``copyreg._reconstructor``: an empty instance of one of our stand-ins."""
    if isinstance(cls, type) and issubclass(cls, _Record):
        return cls()
    raise _Refused("object of an unknown class")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for ``_codecs.encode``, by which Python 2 byte strings are written for Python 3."""
    if encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise _Refused(f"encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stands for ``bytes()``, the empty byte string in protocols 0 to 2."""
    return b""


class _Nothing:
    """Stands for classes that are only named (``numpy.ndarray``, ``object``)."""


_SPARSE = ("scipy.sparse", "scipy.sparse.{}", "scipy.sparse._{}")
_NUMPY_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUILTINS = (("set", set), ("frozenset", frozenset), ("bytes", _no_bytes), ("object", _Nothing))
_CHUMPY = ("chumpy.ch", "chumpy")
_ALLOWED: Mapping[tuple[str, str], Any] = {
    **{(m, "_reconstruct"): _Array for m in _NUMPY_CORE},
    **{(m, "scalar"): _scalar for m in _NUMPY_CORE},
    **{(m, "_frombuffer"): _from_buffer for m in ("numpy.core.numeric", "numpy._core.numeric")},
    **{(m, "Ch"): _Chumpy for m in _CHUMPY},
    ("chumpy.reordering", "Select"): _Selection,
    **{(m.format("csc"), f"csc_{t}"): _Csc for m in _SPARSE for t in ("matrix", "array")},
    **{(m.format("csr"), f"csr_{t}"): _Csr for m in _SPARSE for t in ("matrix", "array")},
    ("numpy", "ndarray"): _Nothing,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): OrderedDict,
    **{(m, name): kind for m in ("__builtin__", "builtins") for name, kind in _BUILTINS},
    ("copy_reg", "_reconstructor"): _reconstruct_object,
    ("copyreg", "_reconstructor"): _reconstruct_object,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle._Unpickler):
    """The stack machine; only stand-ins can be asked for, called or given state."""

    dispatch: ClassVar[dict[int, Callable]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"'{module}.{name}'") from None

    def get_extension(self, code: int) -> Any:
        raise _Refused("an extension object")

    def load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _Dtype, _Record)):
            raise _Refused("the state of something else to be changed")
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
            raise _Refused("data that contains itself")
        self._busy.add(key)
        result = self._settle(value)
        self._busy.discard(key)
        if isinstance(value, (dict, list, tuple, set, frozenset, _Array, _Record)):
            self._done[key] = result
        return result

    def _settle(self, value: Any) -> Any:
        if isinstance(value, _Array):
            return self._array(value)
        if isinstance(value, _Record):
            return value.resolve(self)
        if isinstance(value, _Dtype):
            return value.value
        if isinstance(value, dict):
            return type(value)((_text(self(k)), self(v)) for k, v in value.items())
        if isinstance(value, (list, tuple, set, frozenset)):
            return type(value)(self(v) for v in value)
        if callable(value) or isinstance(value, _Nothing):
            raise _Refused("a class or function as data")
        return value

    def _array(self, value: _Array) -> np.ndarray:
        if value.value is None:
            raise _Refused("an unfinished array")
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
    except _Refused as error:
        raise DataError(
            f"{where}: the pickle asks for {error}, which is not plain data; it was not executed and is not read"
        ) from None
    except Exception as error:  # the stack machine fails in many ways on damaged input
        raise DataError(f"{where}: not a pickle, or a damaged one ({type(error).__name__}: {error})") from error
