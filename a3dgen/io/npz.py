"""Arrays of an npz without loading them: memory-mapped where they are stored plainly, unpacked to disk where not."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.damage import DAMAGED_ZIP
from a3dgen.io.unpickle import read_pickle

MAX_BYTES = 64 << 30
"""No member may unpack to more."""
_MAX_HEADER = 10_000


@contextmanager
def open_npz(path: Path, names: tuple[str, ...]) -> Iterator[dict[str, np.ndarray]]:
    """Give read-only arrays of an npz; those that are not in it are left out.

    Object arrays are read through ``read_pickle``, which executes nothing.

    Raises:
        DataError: if the file is no npz, a member is damaged or too large, or holds anything but plain values.
    """
    with tempfile.TemporaryDirectory(prefix="a3dgen-npz-") as scratch:
        try:
            with zipfile.ZipFile(path) as archive:
                have = set(archive.namelist())
                arrays = {
                    n: _member(path, archive, archive.getinfo(f"{n}.npy"), Path(scratch))
                    for n in names
                    if f"{n}.npy" in have
                }
        except DataError:
            raise
        except DAMAGED_ZIP as error:
            raise DataError(f"{path}: not a readable npz: {error}") from None
        yield arrays


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, scratch: Path) -> np.ndarray:
    where = f"{path}: '{info.filename}'"
    if info.file_size > MAX_BYTES or info.flag_bits & 1:
        raise DataError(f"{where}: {'encrypted' if info.flag_bits & 1 else 'larger than 64 GiB'}")
    unpacked = path
    offset = _plain_offset(path, info) if info.compress_type == zipfile.ZIP_STORED else 0
    if info.compress_type != zipfile.ZIP_STORED:
        unpacked = scratch / f"{len(list(scratch.iterdir()))}.npy"
        try:
            with archive.open(info) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise DataError(f"{where}: damaged: {error}") from None
        except Exception as error:
            if type(error).__name__ != "error":  # zlib.error, lzma.LZMAError: no common base
                raise
            raise DataError(f"{where}: damaged: {error}") from None
    return _mapped(where, unpacked, offset, info.file_size, scratch)


def _plain_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a stored member begin (the local header repeats name and extra field)."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise DataError(f"{path}: damaged zip entry '{info.filename}'")
    return info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def _mapped(where: str, path: Path, offset: int, size: int, scratch: Path) -> np.ndarray:
    with path.open("rb") as file:
        file.seek(offset)
        try:
            version = np.lib.format.read_magic(file)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = reader(file, max_header_size=_MAX_HEADER)
        except Exception as error:  # the header is parsed as a Python literal: many things can be wrong with it
            raise DataError(f"{where}: bad array header: {' '.join(str(error).split())[:80]}") from None
        start = file.tell()
        if dtype.hasobject:
            return _objects(where, file, offset + size - start, shape, scratch)
    count = int(np.prod(shape, dtype=object)) if shape else 1
    available = min(offset + size, os.path.getsize(path)) - start
    if any(s < 0 for s in shape) or count * dtype.itemsize != available:
        raise DataError(f"{where}: {available} bytes do not fit its header {shape} {dtype}")
    if count == 0 or dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape or (1,), "F" if fortran else "C").reshape(shape)


def _objects(where: str, file: object, size: int, shape: tuple[int, ...], scratch: Path) -> np.ndarray:
    pickled = scratch / f"{len(list(scratch.iterdir()))}.pkl"
    pickled.write_bytes(file.read(size))  # type: ignore[attr-defined]
    try:
        array = read_pickle(pickled)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise DataError(f"{where}: holds no array of shape {shape}")
    return array


MAX_TOTAL_BYTES = 32 << 30
"""Refuse files that unpack to more than this."""
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _StringsOnly(pickle.Unpickler):
    """Object arrays may hold strings: nothing else can be named, so nothing else can be built or called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)


def read(path: str | Path, max_bytes: int = MAX_TOTAL_BYTES) -> dict[str, np.ndarray]:
    """Return all arrays of an npz.

    Args:
        path: the file.
        max_bytes: refuse files that unpack to more.

    Raises:
        DataError: unreadable, not an npz, too large, inconsistent sizes, or an object array of anything but strings.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(i.file_size for i in archive.infolist())
            if total > max_bytes:
                raise DataError(
                    f"{path}: unpacks to {total / 1e9:.1f} GB, more than the limit {max_bytes / 1e9:.1f} GB"
                )
            return {_name(path, i): _array(path, archive, i) for i in archive.infolist()}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DAMAGED_ZIP as error:
        raise DataError(f"{path}: not a readable npz ({error})") from None


def _name(path: Path, info: zipfile.ZipInfo) -> str:
    if not info.filename.endswith(".npy") or "/" in info.filename or "\\" in info.filename:
        raise DataError(f"{path}: unexpected member '{info.filename}'; an npz holds only .npy arrays")
    return info.filename[:-4]


def _array(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    where = f"{path}: member '{info.filename}'"
    with archive.open(info) as member:
        try:
            version = np.lib.format.read_magic(member)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = reader(member, max_header_size=_MAX_HEADER)
        except (ValueError, KeyError, EOFError, SyntaxError, TypeError) as error:
            raise DataError(f"{where}: bad header ({str(error)[:80]})") from None
        if dtype.hasobject:
            return _strings(where, member.read(), shape, dtype)
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if any(s < 0 for s in shape) or count * dtype.itemsize + _MAX_HEADER + 16 < info.file_size:
            raise DataError(f"{where}: size does not match its header")
        if count * dtype.itemsize > info.file_size:
            raise DataError(f"{where}: header promises {count * dtype.itemsize} bytes, the file holds fewer")
        array = np.frombuffer(bytearray(member.read()), dtype, count)
    return array.reshape(shape, order="F" if fortran else "C")


def _strings(where: str, data: bytes, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if dtype != np.dtype(object):
        raise DataError(f"{where}: structured arrays of objects are not read")
    try:
        array = _StringsOnly(io.BytesIO(data)).load()
    except Exception as error:  # a hostile pickle can raise anything; whatever it is, the file is refused
        raise DataError(f"{where}: holds more than strings ({str(error)[:80]})") from None
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != object:
        raise DataError(f"{where}: is not an array of the shape its header gives")
    if not all(isinstance(v, str) for v in array.ravel()):
        raise DataError(f"{where}: holds more than strings")
    return array
