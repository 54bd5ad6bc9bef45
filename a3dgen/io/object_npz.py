"""An npz whose member is a pickled tree of dicts, written and read one array at a time, whatever its size.

Datasets of motion are handed on as ``np.load(path, allow_pickle=True)["positions_3d"].item()``: a dict of dicts whose
leaves are arrays. Pickling that holds everything in memory. Here the pickle is written instruction by instruction:
protocol 4 for its long byte strings, without a memo, and with the module names of NumPy 1, which open in NumPy 2 too.
Instructions and layout: ``pickletools``, and what ``ndarray.__reduce__`` returns.
"""

from __future__ import annotations

import pickletools
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from a3dgen.core import files
from a3dgen.core.errors import DataError
from a3dgen.io.damage import DAMAGED_NPZ
from a3dgen.io.npz import member_stream
from a3dgen.io.pickle_standins import Dict, Name, Refused, plain, shown
from a3dgen.io.unpickle import Machine

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_DTYPES = {"<f4": ("f4", "<"), "<f8": ("f8", "<"), "|b1": ("b1", "|"), "|O": ("O8", "|")}
_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"


@runtime_checkable
class _Sink(Protocol):
    """What takes bytes; a member of a zip that is being written is no ``IO``."""

    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True)
class ArrayFile:
    """An array that waits in a raw file, C order: dtype ``<f4`` or another of the writer's, any shape."""

    path: Path
    dtype: str
    shape: tuple[int, ...]


def write_object_npz(path: Path, name: str, tree: Mapping[str, Any] | Iterator[tuple[str, Any]]) -> None:
    """Write ``tree`` as the 0-d object array ``name`` of an npz, through a temporary file and ``os.replace``.

    Args:
        tree: text -> another mapping, an iterator of (text, value) pairs, a float, text, an array of f4, f8 or bool,
            an ``ArrayFile`` or ``Blocks``. Values are taken one after the other.

    The same tree gives the same bytes.
    """
    with files.whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": ()})
            member.write(b"\x80\x04")
            _array_start(member, "|O", ())
            member.write(b"]")
            _value(member, tree)
            member.write(b"at" + b"b.")  # append to the list, close the state, build, stop


@dataclass(frozen=True)
class Blocks:
    """An array that is made while it is written: its dtype and shape, and the blocks of rows that follow each other."""

    dtype: str
    shape: tuple[int, ...]
    rows: Iterator[np.ndarray]


def _value(to: _Sink, value: Any) -> None:
    if isinstance(value, bool | np.bool_):
        to.write(b"\x88" if value else b"\x89")
    elif isinstance(value, float):
        to.write(b"G" + struct.pack(">d", value))
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        to.write(b"X" + struct.pack("<I", len(data)) + data)
    elif isinstance(value, np.ndarray):
        _array(to, value.dtype.str, value.shape, iter([value]))
    elif isinstance(value, ArrayFile):
        _array(to, value.dtype, value.shape, _read(value))
    elif isinstance(value, Blocks):
        _array(to, value.dtype, value.shape, value.rows)
    else:
        to.write(b"}")
        for key, inner in value.items() if isinstance(value, Mapping) else value:
            _value(to, str(key))
            _value(to, inner)
            to.write(b"s")


def _array(to: _Sink, dtype: str, shape: tuple[int, ...], blocks: Iterator[Any]) -> None:
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    _array_start(to, dtype, shape)
    to.write(b"\x8e" + struct.pack("<Q", size))
    for block in blocks:
        data = block if isinstance(block, bytes) else np.ascontiguousarray(block, dtype).tobytes()
        to.write(data)
        size -= len(data)
    if size:
        raise ValueError(f"an array of shape {shape} is {size} bytes short")
    to.write(b"tb")


def _array_start(to: _Sink, dtype: str, shape: tuple[int, ...]) -> None:
    """Write the call that makes an empty array, and its state up to the dtype."""
    code, order = _DTYPES[dtype]
    empty = _RECONSTRUCT + b"cnumpy\nndarray\n" + b"K\x00\x85C\x01b\x87R"
    dims = b"(" + b"".join(_integer(n) for n in shape) + b"t"
    flags = b"K\x3f" if code == "O8" else b"K\x00"
    made = b"cnumpy\ndtype\n" + b"X" + struct.pack("<I", len(code)) + code.encode() + b"\x89\x88\x87R"
    state = b"(K\x03X\x01\x00\x00\x00" + order.encode() + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + flags + b"tb"
    to.write(empty + b"(K\x01" + dims + made + state + b"\x89")


def _integer(number: int) -> bytes:
    return b"J" + struct.pack("<i", number) if number < 2**31 else b"\x8a\x08" + struct.pack("<q", number)


def _read(array: ArrayFile) -> Iterator[bytes]:
    with array.path.open("rb") as file:
        while block := file.read(_CHUNK):
            yield block


def iterate_object_npz(path: Path, name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (outer key, inner key, leaves) of a tree of that depth, one at a time, executing nothing.

    A file of ``write_object_npz`` is never in memory as a whole; one that Python's pickler wrote is, a thousand inner
    keys at a time.

    Raises:
        DataError: if it is no such npz, damaged, or holds anything but plain data.
    """
    try:
        with member_stream(path, name) as stream:
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            machine = _Harvester()
            for op, argument, _ in pickletools.genops(stream):
                machine.step(op.name, argument)
                yield from machine.ripe()
    except Refused as error:
        raise DataError(f"{path}: the pickle asks for {error}, which is not plain data; it was not executed") from None
    except DAMAGED_NPZ as error:
        raise DataError(f"{path}: damaged, or no tree of arrays ({' '.join(str(error).split())[:80]})") from None


class _Harvester(Machine):
    """The machine that cannot call anything, which hands out each finished inner dict and forgets it."""

    def __init__(self) -> None:
        super().__init__(b"")
        self._ripe: list[tuple[Any, Any, Dict]] = []

    def ripe(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield what is finished since the last call."""
        for outer, inner, leaves in self._ripe:
            if not isinstance(outer, str) or not isinstance(inner, str):
                raise Refused(f"names that are no text ({shown(outer)}, {shown(inner)})")
            yield outer, inner, plain(leaves)
        self._ripe.clear()

    def set_items(self, flat: list[Any]) -> None:
        """Take pairs whose values are dicts of leaves out of the tree; everything else is set as usual."""
        kept: list[Any] = []
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            leaves = isinstance(value, Dict) and value.pairs and not any(isinstance(v, Dict) for _, v in value.pairs)
            if leaves and isinstance(self.stack[-1], Dict):
                self._ripe.append((self._outer(), key, value))
            else:
                kept += [key, value]
        super().set_items(kept)

    def _outer(self) -> Any:
        """Return the key under which the dict on top of the stack will be set: it lies right below it."""
        if len(self.stack) > 1:
            return self.stack[-2]
        return self.marks[-1][-1] if self.marks and self.marks[-1] else Name("", "")
