"""Stand-ins for the classes and functions that a pickle of plain data names: what ``unpickle`` answers instead.

NumPy arrays, dtypes and scalars, SciPy sparse columns and rows, chumpy arrays and ``OrderedDict`` are rebuilt here;
``ALLOWED`` is the whole list.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse

_DTYPE_KINDS = frozenset("biufcSUVO?")


class Refused(Exception):
    """The pickle asks for something that is not plain data."""


class Array:
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


class Dtype:
    """Stand-in for ``numpy.dtype``; structured and sub-array dtypes are refused."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        code = as_text(code)
        if not isinstance(code, str) or code[:1] not in _DTYPE_KINDS:
            raise Refused(f"dtype {code!r}")
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        _version, order, subdtype, names, *_ = state
        if subdtype is not None or names is not None:
            raise Refused("structured dtype")
        self.value = self.value.newbyteorder(as_text(order))


class Instance:
    """Stand-in for an instance of a class whose state is a plain dict (sparse matrices, chumpy arrays)."""

    kind = "class"

    state: dict[str, Any]

    def __new__(cls, *_args: Any) -> Any:  # unpickling makes objects without calling __init__
        self = super().__new__(cls)
        self.state = {}
        return self

    def resolve(self, settle: Callable[[Any], Any]) -> Any:
        """Return what the object stands for; ``settle`` does the same for anything it holds."""
        raise Refused(f"a {self.kind}")

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2:  # (dict, slots)
            state = {**(state[0] or {}), **(state[1] or {})}
        if not isinstance(state, dict):
            raise Refused(f"state of a {self.kind}")
        self.state.update({as_text(k): v for k, v in state.items()})


class _Sparse(Instance):
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
            raise Refused(f"damaged sparse matrix ({error})") from error
        return matrix


class _Csc(_Sparse):
    layout = scipy.sparse.csc_matrix


class _Csr(_Sparse):
    layout = scipy.sparse.csr_matrix


class _Chumpy(Instance):
    """A chumpy ``Ch``: its array. Derived expressions have no value of their own and are refused."""

    kind = "chumpy array"

    def resolve(self, settle: Callable[[Any], Any]) -> np.ndarray:
        if "x" not in self.state:
            raise Refused("a chumpy expression without a stored array")
        return np.asarray(settle(self.state["x"]))


class _Selection(Instance):
    """A chumpy ``Select``: entries ``idxs`` of the array ``a``, in ``preferred_shape``."""

    kind = "chumpy selection"

    def resolve(self, settle: Callable[[Any], Any]) -> np.ndarray:
        try:
            chosen = np.asarray(settle(self.state["a"])).ravel()[np.asarray(settle(self.state["idxs"]), np.int64)]
            shape = settle(self.state.get("preferred_shape"))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Refused(f"damaged chumpy selection ({error})") from error
        return chosen.reshape(shape) if shape is not None else chosen


def _plain_dtype(dtype: Any) -> np.dtype:
    if isinstance(dtype, Dtype):
        return dtype.value
    raise Refused(f"dtype {dtype!r}")


def as_text(value: Any) -> Any:
    """Return a Python 2 byte string as text, anything else as it is."""
    return value.decode("latin1") if isinstance(value, bytes) else value


def _raw(data: Any) -> bytes:
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """Stands for ``numpy.core.multiarray.scalar``."""
    plain = _plain_dtype(dtype)
    if plain.hasobject:
        raise Refused("object scalar")
    return np.frombuffer(_raw(data), plain, 1)[0]


def _from_buffer(data: Any, dtype: Any, shape: tuple, order: str) -> np.ndarray:
    """Stands for ``numpy.core.numeric._frombuffer`` (protocol 5)."""
    plain = _plain_dtype(dtype)
    if plain.hasobject:
        raise Refused("object buffer")
    return np.frombuffer(bytes(data), plain).reshape(shape, order=order).copy()


def _reconstruct_object(cls: Any, _base: Any, _state: Any) -> Any:
    """Stands for ``copyreg._reconstructor``: an empty instance of one of our stand-ins."""
    if isinstance(cls, type) and issubclass(cls, Instance):
        return cls()
    raise Refused("object of an unknown class")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for ``_codecs.encode``, by which Python 2 byte strings are written for Python 3."""
    if encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise Refused(f"encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stands for ``bytes()``, the empty byte string in protocols 0 to 2."""
    return b""


class Named:
    """Stand-in for classes that are only named (``numpy.ndarray``, ``object``)."""


_SPARSE = ("scipy.sparse", "scipy.sparse.{}", "scipy.sparse._{}")
_NUMPY_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUILTINS = (("set", set), ("frozenset", frozenset), ("bytes", _no_bytes), ("object", Named))
_CHUMPY = ("chumpy.ch", "chumpy")
ALLOWED: Mapping[tuple[str, str], Any] = {
    **{(m, "_reconstruct"): Array for m in _NUMPY_CORE},
    **{(m, "scalar"): _scalar for m in _NUMPY_CORE},
    **{(m, "_frombuffer"): _from_buffer for m in ("numpy.core.numeric", "numpy._core.numeric")},
    **{(m, "Ch"): _Chumpy for m in _CHUMPY},
    ("chumpy.reordering", "Select"): _Selection,
    **{(m.format("csc"), f"csc_{t}"): _Csc for m in _SPARSE for t in ("matrix", "array")},
    **{(m.format("csr"), f"csr_{t}"): _Csr for m in _SPARSE for t in ("matrix", "array")},
    ("numpy", "ndarray"): Named,
    ("numpy", "dtype"): Dtype,
    ("collections", "OrderedDict"): OrderedDict,
    **{(m, name): kind for m in ("__builtin__", "builtins") for name, kind in _BUILTINS},
    ("copy_reg", "_reconstructor"): _reconstruct_object,
    ("copyreg", "_reconstructor"): _reconstruct_object,
    ("_codecs", "encode"): _encode,
}
"""(module, name) in a pickle -> what stands for it here. Whatever is not in this table is refused."""
