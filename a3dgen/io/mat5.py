"""MATLAB 5..7 files, read lazily and with every length checked.

Here a struct is a view of the (unpacked, memory-mapped) file and is read where it is looked at. Numbers, text, structs
and cells are understood. Format: "MAT-File Format", The MathWorks, level 5.

``scipy.io.loadmat`` is twice as quick (1,200 of MPII's photos: 0.5 against 1.2 CPU seconds, 93 against 49 MB; SciPy
1.17.1, November 2026). But of 400 such files with four bytes changed it ended the process 22 times (SIGSEGV, SIGBUS)
and hung once; these must be errors in one line.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.regular import open_regular

MAX_BYTES = 4 << 30
"""A file may not unpack to more."""
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CODES = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_HEADER = 128
_BLOCK = 1 << 20


class _Damaged(Exception):
    """A length or type in the file makes no sense."""


class _TooLarge(Exception):
    """The file unpacks to more than is allowed."""


@dataclass(frozen=True)
class Value:
    """One MATLAB value, not yet looked into."""

    file: _File
    start: int
    end: int

    def items(self) -> list[Value | dict[str, Value]]:
        """Return the elements of a struct array (as dicts) or of a cell; nothing for any other value."""
        return list(self.iterate())

    def iterate(self) -> Iterator[Any]:
        """Yield the elements of a struct array (dicts of field values) or of a cell (values), one by one."""
        kind, count, position = self._open()
        if kind == _CELL:
            for _ in range(count):
                child, position = self.file.child(position, self.end)
                yield child
        if kind == _STRUCT:
            names, position = self._fields(position)
            for _ in range(count if names else 0):
                element = {}
                for name in names:
                    element[name], position = self.file.child(position, self.end)
                yield element

    def numbers(self) -> np.ndarray:
        """Return the entries of a numeric or logical array, flat, as float64; empty for any other value."""
        kind, count, position = self._open()
        if kind not in _NUMERIC:
            return np.zeros(0)
        stored, start, end, _ = self.file.tag(position, self.end)
        if stored not in _NUMBERS:
            raise _Damaged
        data, dtype = self.file.bytes(start, end), np.dtype(self.file.order + _NUMBERS[stored])
        if len(data) != count * dtype.itemsize:
            raise _Damaged
        return np.frombuffer(data, dtype).astype(np.float64)

    def scalar(self) -> float | None:
        """Return a single number; None for anything else."""
        words = self.file.scalar_head(self.start) if self.end - self.start >= 48 else ()
        if words[:2] == (6, 8) and words[4:8] == (5, 8, 1, 1) and words[9] == 0 and words[2] & 0xFF in _NUMERIC:
            # by far the most frequent value in a struct, laid out as everybody writes it: 1 x 1, without a name
            stored, start, end, _ = self.file.tag(self.start + 40, self.end)
            code = _CODES.get(stored)
            if code is None or end - start != struct.calcsize(code):
                raise _Damaged
            return float(struct.unpack_from(self.file.order + code, self.file.data, start)[0])
        array = self.numbers()
        return float(array[0]) if len(array) == 1 else None

    def text(self) -> str | None:
        """Return a character array as text; None for any other value."""
        kind, _, position = self._open()
        if kind != _CHAR:
            return None
        stored, start, end, _ = self.file.tag(position, self.end)
        if stored not in _TEXT:
            raise _Damaged
        suffix = {"<": "-le", ">": "-be"}[self.file.order] if stored in (4, 17, 18) else ""
        return self.file.bytes(start, end).decode(_TEXT[stored] + suffix, "replace")

    def _open(self) -> tuple[int, int, int]:
        """Return class, number of elements, and where the content begins; an empty value has class 0."""
        if self.start == self.end:
            return 0, 0, self.end
        flags, position = self.file.integers(self.start, self.end, 6)
        dims, position = self.file.integers(position, self.end, 5)
        _, _, _, position = self.file.tag(position, self.end)  # the name, empty inside a struct
        count = 1
        for size in dims:
            count *= size
        if not flags or min(dims, default=-1) < 0 or count > self.file.size:
            raise _Damaged
        return flags[0] & 0xFF, count, position

    def _fields(self, position: int) -> tuple[list[str], int]:
        width, position = self.file.integers(position, self.end, 5)
        _, start, end, position = self.file.tag(position, self.end)
        if len(width) != 1 or not 1 <= width[0] <= 1024:
            raise _Damaged
        raw = self.file.bytes(start, end)
        names = [raw[i : i + width[0]].split(b"\0")[0].decode("latin-1") for i in range(0, len(raw), width[0])]
        return names, position


class _File:
    """The unpacked bytes."""

    def __init__(self, data: mmap.mmap, order: str) -> None:
        self.data, self.order, self.size = data, order, len(data)
        self._word = struct.Struct(order + "II")
        self._head = struct.Struct(order + "10I")

    def bytes(self, start: int, end: int) -> bytes:
        return self.data[start:end]

    def scalar_head(self, position: int) -> tuple[int, ...]:
        """Return the ten words that come before the data of a 1 x 1 array without a name."""
        return self._head.unpack_from(self.data, position)

    def tag(self, position: int, limit: int) -> tuple[int, int, int, int]:
        """Return type, start and end of the data, and the position behind it (aligned to 8 bytes)."""
        if position + 8 > limit:
            raise _Damaged
        kind, count = self._word.unpack_from(self.data, position)
        if kind >> 16:  # small element: length and type in one word, up to 4 bytes of data in the other
            start, count, kind = position + 4, kind >> 16, kind & 0xFFFF
            if count > 4:
                raise _Damaged
            return kind, start, start + count, position + 8
        start, end = position + 8, position + 8 + count
        if end > limit:
            raise _Damaged
        return kind, start, end, min(end + -count % 8, limit)

    def integers(self, position: int, limit: int, wanted: int) -> tuple[tuple[int, ...], int]:
        """Read an element of 32-bit integers (type 5 signed, 6 unsigned); return them and the position behind."""
        kind, start, end, after = self.tag(position, limit)
        if kind != wanted or (end - start) % 4:
            raise _Damaged
        count = (end - start) // 4
        return struct.unpack_from(f"{self.order}{count}{'iI'[wanted - 5]}", self.data, start), after

    def child(self, position: int, limit: int) -> tuple[Value, int]:
        kind, start, end, after = self.tag(position, limit)
        if kind != _MATRIX:
            raise _Damaged
        return Value(self, start, end), after


@contextmanager
def open_mat(path: Path) -> Iterator[dict[str, Value]]:
    """Give the variables of a MATLAB file.

    Raises:
        DataError: if it is no such file, is damaged (also where it is looked at later), or unpacks to more than
            ``MAX_BYTES``.
    """
    try:
        with open_regular(path) as source, tempfile.TemporaryFile(prefix="a3dgen-mat-") as unpacked:
            order = _order(path, source.read(_HEADER))
            most = min(MAX_BYTES, shutil.disk_usage(tempfile.gettempdir()).free * 9 // 10)
            starts = _unpack(source, unpacked, order, most)
            unpacked.flush()
            if not starts:
                yield {}
                return
            with mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ) as data:
                file = _File(data, order)
                yield dict(_variable(file, start) for start in starts)
    except _TooLarge as error:
        raise DataError(
            f"{path}: unpacks to more than {error.args[0] / 1e9:.1f} GB, {MAX_BYTES >> 30} GiB or what "
            f"{tempfile.gettempdir()} has left; if it is MPII's own file, set TMPDIR to a larger folder"
        ) from None
    except (_Damaged, struct.error, zlib.error, OverflowError):
        raise DataError(f"{path}: the MATLAB file is damaged; fetch it again") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be unpacked to {tempfile.gettempdir()} ({error.strerror})") from None


def _order(path: Path, header: bytes) -> str:
    if header[:10] == b"MATLAB 7.3":
        raise DataError(f"{path}: a MATLAB 7.3 file; save it with -v7")
    if why := is_not_the_file(header):
        raise DataError(f"{path}: {why}")
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None:
        raise DataError(f"{path}: not a MATLAB file of version 5 to 7")
    return order


def _unpack(source: BinaryIO, target: BinaryIO, order: str, most: int) -> list[int]:
    """Write all top-level values, uncompressed, one after the other, ``most`` bytes in all; return where they begin."""
    starts, written = [], 0
    while head := source.read(8):
        kind, count = struct.unpack(order + "II", head)
        starts.append(written)
        if kind == _COMPRESSED:
            inflate = zlib.decompressobj()
        elif kind == _MATRIX:
            inflate = None
            written += target.write(head)
        else:
            raise _Damaged
        for block in _blocks(source, count):
            part = inflate.decompress(block, _BLOCK) if inflate else block
            while True:
                if written + len(part) > most:
                    raise _TooLarge(most)
                written += target.write(part)
                if inflate is None or not inflate.unconsumed_tail:
                    break
                part = inflate.decompress(inflate.unconsumed_tail, _BLOCK)
    return starts


def _blocks(source: BinaryIO, count: int) -> Iterator[bytes]:
    while count:
        block = source.read(min(count, _BLOCK))
        if not block:
            raise _Damaged
        count -= len(block)
        yield block


def _variable(file: _File, start: int) -> tuple[str, Value]:
    value, _ = file.child(start, file.size)
    _, position = file.integers(value.start, value.end, 6)
    _, position = file.integers(position, value.end, 5)
    _, begin, end, _ = file.tag(position, value.end)
    return file.bytes(begin, end).decode("latin-1"), value
