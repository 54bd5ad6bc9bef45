"""What the notes of ``unpickle`` stand for: the few things that a pickle of plain data may name, built here.

NumPy arrays, dtypes and scalars, SciPy sparse columns and rows, chumpy arrays, sets and ``OrderedDict``. Each is built
from checked parts by a function of this module; nothing in the file is called, and no class of NumPy is handed a
file's arguments. How often a shared value is used counts, so that a small file cannot unfold into a huge value.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import scipy.sparse

from a3dgen.io.pickle_arrays import array_of, weight_of
from a3dgen.io.pickle_notes import Call, Dict, Name, Refused, Set, shown
from a3dgen.io.pickle_parts import SCALARS, bytes_of, dtype_of, encoded, key_of, no_state, scalar, shape_of, state_of

MAX_VALUES = 50_000_000
"""Numbers, texts and containers that a pickle may unfold into."""
MAX_DEPTH = 40
_MAX_ENTRIES = 1 << 31
"""Of a sparse matrix written out."""


def check_name(module: Any, name: Any) -> None:
    """Raise Refused unless something of that name can stand in plain data."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise Refused("a name that is no text")
    if (module, name) not in ALLOWED:
        raise Refused(shown(Name(module, name)))


def plain(value: Any) -> Any:
    """Return plain data for what ``unpickle``'s machine left on its stack; what is shared there is shared here.

    Raises:
        Refused: if there is anything in it that is not plain data, or too much of it.
    """
    return _Settler().settle(value, 0)[0]


class _Settler:
    """Turns notes into values, every one once, and counts what each unfolds into."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def settle(self, value: Any, depth: int) -> tuple[Any, int]:
        """Return the value and the number of values it unfolds into."""
        if type(value) in SCALARS:
            return value, 1
        known = self._done.get(id(value))
        if known is not None:
            return known
        if id(value) in self._open:
            raise Refused("data that contains itself")
        if depth > MAX_DEPTH:
            raise Refused(f"data nested deeper than {MAX_DEPTH}")
        self._open.add(id(value))
        result, weight = self._made(value, depth + 1)
        self._open.discard(id(value))
        if weight > MAX_VALUES:
            raise Refused(f"more than {MAX_VALUES} values")
        self._done[id(value)] = result, weight
        return result, weight

    def _made(self, value: Any, depth: int) -> tuple[Any, int]:
        if isinstance(value, (list, tuple)):
            items, weight = self.all(value, depth)
            return (items if isinstance(value, list) else tuple(items)), weight
        if isinstance(value, Dict):
            return self._dict({}, value.pairs, depth)
        if isinstance(value, Set):
            return self._set(value.items, value.frozen, depth)
        if isinstance(value, bytearray):
            return bytes(value), 1
        if isinstance(value, Call):
            maker = ALLOWED[value.what.module, value.what.name]
            if maker is None:
                raise Refused(f"a call of {shown(value.what)}")
            return maker(self, value, depth)
        raise Refused(f"{shown(value)} as data")

    def all(self, values: Any, depth: int) -> tuple[list[Any], int]:
        """Return the settled values of a list or tuple, and what they unfold into together."""
        items, weight = [], 1
        for value in values:
            if type(value) in SCALARS:
                items.append(value)
                weight += 1
            else:
                item, more = self.settle(value, depth)
                items.append(item)
                weight += more
        return items, weight

    def _dict(self, into: dict[Any, Any], pairs: list[tuple[Any, Any]], depth: int) -> tuple[dict[Any, Any], int]:
        weight = 1
        for key, value in pairs:
            settled, more = self.settle(value, depth)
            into[key_of(key)] = settled
            weight += more + 1
        return into, weight

    def _set(self, items: list[Any], frozen: bool, depth: int) -> tuple[Any, int]:
        keys = [key_of(item) for item in items]
        return (frozenset(keys) if frozen else set(keys)), 1 + len(keys)

    def ordered(self, call: Call, depth: int) -> tuple[Any, int]:
        """``OrderedDict``: entries set later, or (Python 2) given as a list of pairs."""
        pairs = list(call.pairs)
        if call.args:
            listed = call.args[0]
            if len(call.args) > 1 or not isinstance(listed, list):
                raise Refused("an OrderedDict made of something else")
            for pair in listed:
                if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                    raise Refused("an OrderedDict made of something else")
                pairs.insert(len(pairs) - len(call.pairs), (pair[0], pair[1]))
        no_state(call)
        return self._dict(OrderedDict(), pairs, depth)

    def set_of(self, call: Call, depth: int) -> tuple[Any, int]:
        """``set([..])`` and ``frozenset([..])`` of old protocols."""
        no_state(call)
        if len(call.args) > 1 or not all(isinstance(a, (list, tuple)) for a in call.args):
            raise Refused(f"{shown(call.what)} of something else than a list")
        return self._set(list(call.args[0]) if call.args else [], call.what.name == "frozenset", depth)

    def array(self, call: Call, depth: int) -> tuple[np.ndarray, int]:
        """``numpy.ndarray`` as ``_reconstruct`` and its state make it."""
        if not isinstance(call.state, tuple) or len(call.state) != 5 or call.pairs:
            raise Refused("an unfinished array")
        _, shape, dtype, fortran, data = call.state
        shape, dtype = shape_of(shape), dtype_of(dtype)
        order: Literal["F", "C"] = "F" if fortran is True or fortran == 1 else "C"
        if dtype.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(shape):
                raise Refused("an array of objects of another shape")
            items, weight = self.all(data, depth)
            flat = np.empty(len(items), object)
            for i, item in enumerate(items):
                flat[i] = item
            return flat.reshape(shape, order=order), weight
        return array_of(bytes_of(data), dtype, shape, order), weight_of(shape)

    def buffer(self, call: Call, depth: int) -> tuple[np.ndarray, int]:
        """``numpy.core.numeric._frombuffer`` (protocol 5)."""
        no_state(call)
        if len(call.args) not in (4, 5):
            raise Refused("a buffer that is no array")
        data, dtype, shape, order = call.args[:4]
        plain_dtype, shape = dtype_of(dtype), shape_of(shape)
        if plain_dtype.hasobject or order not in ("C", "F"):
            raise Refused("a buffer of objects")
        return array_of(bytes_of(data), plain_dtype, shape, order), weight_of(shape)

    def scalar(self, call: Call, depth: int) -> tuple[Any, int]:
        """``numpy.core.multiarray.scalar``."""
        return scalar(call), 1

    def dtype(self, call: Call, depth: int) -> tuple[np.dtype, int]:
        """A dtype among the data."""
        return dtype_of(call), 1

    def sparse(self, call: Call, depth: int) -> tuple[Any, int]:
        """A matrix of sparse columns or rows, checked as a whole."""
        state, layout = state_of(call), _SPARSE[call.what.name[:3]]
        try:
            parts = tuple(self.settle(state[name], depth)[0] for name in ("data", "indices", "indptr"))
            shape = shape_of(state["_shape"] if "_shape" in state else state["shape"])
            if len(shape) != 2 or math.prod(shape) > _MAX_ENTRIES:
                raise Refused(f"a sparse matrix of shape {shape}")
            if any(not isinstance(p, np.ndarray) or p.ndim != 1 or p.dtype.kind not in "iufb" for p in parts):
                raise Refused("a sparse matrix of something else than numbers")
            matrix = layout(parts, shape=shape)
            matrix.check_format(full_check=True)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Refused(f"a damaged sparse matrix ({shown(str(error))})") from None
        return matrix, 1 + sum(len(p) for p in parts)

    def chumpy(self, call: Call, depth: int) -> tuple[np.ndarray, int]:
        """A chumpy ``Ch``: its array. Derived expressions have no value of their own and are refused."""
        state = state_of(call)
        if "x" not in state:
            raise Refused("a chumpy expression without a stored array")
        value, weight = self.settle(state["x"], depth)
        if not isinstance(value, (np.ndarray, np.generic, float, int)):
            raise Refused("a chumpy array of something else than numbers")
        return np.asarray(value), weight

    def selection(self, call: Call, depth: int) -> tuple[np.ndarray, int]:
        """A chumpy ``Select``: entries ``idxs`` of the array ``a``, in ``preferred_shape``."""
        state = state_of(call)
        try:
            source, weight = self.settle(state["a"], depth)
            indices, more = self.settle(state["idxs"], depth)
            chosen = np.asarray(source).ravel()[np.asarray(indices, np.int64)]
            shape = state.get("preferred_shape")
            return (chosen if shape is None else chosen.reshape(shape_of(shape))), weight + more + chosen.size
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Refused(f"a damaged chumpy selection ({shown(str(error))})") from None

    def encoded(self, call: Call, depth: int) -> tuple[bytes, int]:
        """``_codecs.encode``, by which Python 3 writes byte strings for Python 2."""
        return encoded(call), 1

    def empty_bytes(self, call: Call, depth: int) -> tuple[bytes, int]:
        """``bytes()``, the empty byte string in protocols 0 to 2."""
        return encoded(call), 1


_SPARSE = {"csc": scipy.sparse.csc_matrix, "csr": scipy.sparse.csr_matrix}
_Maker = Callable[[_Settler, Call, int], tuple[Any, int]]
_MODULES = ("scipy.sparse", "scipy.sparse.{}", "scipy.sparse._{}")
ALLOWED: Mapping[tuple[str, str], _Maker | None] = {
    **{(m, "_reconstruct"): _Settler.array for m in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(m, "scalar"): _Settler.scalar for m in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(m, "_frombuffer"): _Settler.buffer for m in ("numpy.core.numeric", "numpy._core.numeric")},
    **{(m, "Ch"): _Settler.chumpy for m in ("chumpy.ch", "chumpy")},
    ("chumpy.reordering", "Select"): _Settler.selection,
    **{(m.format(c), f"{c}_{t}"): _Settler.sparse for m in _MODULES for c in _SPARSE for t in ("matrix", "array")},
    ("numpy", "dtype"): _Settler.dtype,
    ("collections", "OrderedDict"): _Settler.ordered,
    **{(m, n): _Settler.set_of for m in ("__builtin__", "builtins") for n in ("set", "frozenset")},
    **{(m, "bytes"): _Settler.empty_bytes for m in ("__builtin__", "builtins")},
    ("_codecs", "encode"): _Settler.encoded,
    # only named, as arguments of others:
    ("numpy", "ndarray"): None,
    **{(m, "object"): None for m in ("__builtin__", "builtins")},
    **{(m, "_reconstructor"): None for m in ("copy_reg", "copyreg")},
}
"""(module, name) in a pickle -> what builds it here. Whatever is not in this table is refused."""
