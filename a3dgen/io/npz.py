"""Arrays of an npz from anywhere: nothing in it is executed, and none of its sizes is believed.

``read`` loads arrays, ``open_npz`` maps them into memory without loading. Headers are parsed by NumPy as literals;
the bytes are copied or mapped here, and only where there are as many as the header says. Object arrays go through the
one reader of pickles.
"""

from __future__ import annotations

import io
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.machine import memory_bytes
from a3dgen.io.damage import DAMAGED_NPZ, is_not_the_file
from a3dgen.io.pickle_arrays import is_text
from a3dgen.io.regular import open_regular
from a3dgen.io.unpickle import plain_data

MAX_BYTES = 64 << 30
"""Refuse files that unpack to more than this."""
_MAX_HEADER = 10_000
_KINDS = frozenset("biufcSUO")
_VERSIONS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_Header = tuple[tuple[int, ...], bool, np.dtype]


def read(
    path: str | Path,
    max_bytes: int = MAX_BYTES,
    *,
    names: Iterable[str] | None = None,
    folders: bool = False,
    objects: bool = False,
) -> dict[str, np.ndarray]:
    """Return the arrays of an npz.

    Args:
        path: the file.
        max_bytes: refuse files that unpack to more; more than this machine's memory is refused in any case.
        names: read only these, and leave out those that are not there; all by default.
        folders: allow ``mesh/faces`` as a name.
        objects: allow object arrays of any plain data; by default they may hold text only.

    Raises:
        DataError: missing, not an npz, too large, inconsistent sizes, or a member that is not plain data.
    """
    path = Path(path)
    with _opened(path) as (_, archive):
        members = npz_members(path, archive, folders, names)
        total, most = sum(i.file_size for i in members.values()), min(max_bytes, memory_bytes())
        if total > most:
            raise DataError(f"{path}: unpacks to {total / 1e9:.1f} GB, more than the limit of {most / 1e9:.1f} GB")
        return {name: _loaded(path, archive, info, objects) for name, info in members.items()}


def member_names(path: str | Path) -> set[str]:
    """Return the names of all arrays of an npz.

    Raises:
        DataError: missing or not an npz.
    """
    with _opened(Path(path)) as (_, archive):
        return {n.removesuffix(".npy") for n in archive.namelist()}


def read_npy(path: str | Path) -> np.ndarray:
    """Return the array of an .npy file.

    Raises:
        DataError: missing, not an .npy file, or not plain numbers or text.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            head = file.peek(512)[:512]  # type: ignore[attr-defined]
            if why := is_not_the_file(head):
                raise DataError(f"{path}: {why}")
            return _filled(str(path), file, size, objects=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None


@contextmanager
def open_npz(path: Path, names: tuple[str, ...]) -> Iterator[dict[str, np.ndarray]]:
    """Give read-only arrays of an npz; those that are not in it are left out.

    A member that is stored as it is is mapped where it lies, a compressed one is unpacked to the temporary folder.
    Text (dtype U) is not looked at: it may hold characters that do not exist.

    Raises:
        DataError: if the file is no npz, a member is damaged or too large, or holds anything but plain values.
    """
    with tempfile.TemporaryDirectory(prefix="a3dgen-npz-") as scratch:
        with _opened(path) as (file, archive):
            members = npz_members(path, archive, False, names)
            arrays = {n: _mapped(path, file, archive, info, Path(scratch) / n) for n, info in members.items()}
        yield arrays


@contextmanager
def member_stream(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open one member of an npz for reading from its first byte; what is in it is not looked at.

    Raises:
        DataError: if the file is no npz, or has no such member.
    """
    with _opened(path) as (_, archive):
        members = npz_members(path, archive, False, (name,))
        if name not in members:
            raise DataError(f"{path}: lacks '{name}'")
        with archive.open(members[name]) as stream:
            yield stream


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, zipfile.ZipFile]]:
    try:
        with open_regular(path) as file:
            if why := is_not_the_file(file.read(512)):
                raise DataError(f"{path}: {why}")
            with zipfile.ZipFile(file) as archive:
                yield file, archive
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DAMAGED_NPZ as error:
        raise DataError(f"{path}: not a readable npz ({one_line(error)})") from None


def npz_members(
    path: Path, archive: zipfile.ZipFile, folders: bool, names: Iterable[str] | None
) -> dict[str, zipfile.ZipInfo]:
    wanted = None if names is None else set(names)
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if wanted is not None and name not in wanted:
            continue
        bad = name == info.filename or "\\" in name or ("/" in name and not folders)
        if bad:
            raise DataError(f"{path}: unexpected member '{info.filename[:80]}'; an npz holds only .npy arrays")
        if name in found:
            raise DataError(f"{path}: '{info.filename[:80]}' is in it twice")
        if info.flag_bits & 1 or info.file_size > MAX_BYTES:
            why = "encrypted" if info.flag_bits & 1 else f"larger than {MAX_BYTES >> 30} GiB"
            raise DataError(f"{path}: member '{info.filename[:80]}' is {why}")
        found[name] = info
    return found


def _loaded(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, objects: bool) -> np.ndarray:
    with archive.open(info) as member:
        return _filled(f"{path}: member '{info.filename}'", member, info.file_size, objects)


def _filled(where: str, stream: Any, size: int, objects: bool) -> np.ndarray:
    """Read header and data of one array; ``size`` bytes are left in the stream."""
    (shape, fortran, dtype), data = array_header(where, stream, size)
    if dtype.hasobject:
        array = _objects(where, stream.read(), shape)
        if not objects and not all(isinstance(v, str) for v in array.ravel()):
            raise DataError(f"{where}: holds more than text")
        return array
    flat = np.empty(data // dtype.itemsize if dtype.itemsize else 0, dtype)
    filled = 0
    view = memoryview(flat.data).cast("B") if flat.size and dtype.kind != "U" else memoryview(flat.view("u1").data)
    while filled < data:
        got = stream.readinto(view[filled:])
        if not got:
            raise DataError(f"{where}: ends after {filled} of {data} bytes")
        filled += got
    if stream.read(1):
        raise DataError(f"{where}: is longer than its header says")
    if dtype.kind == "U" and not is_text(flat):
        raise DataError(f"{where}: holds text with characters that do not exist")
    return flat.reshape(shape, order="F" if fortran else "C")


def array_header(where: str, stream: Any, size: int) -> tuple[_Header, int]:
    """Return the checked header, and the number of bytes that follow it."""
    counted = _Counted(stream)
    try:
        reader: Any = _VERSIONS[np.lib.format.read_magic(counted)]  # numpy's types lack max_header_size
        shape, fortran, dtype = reader(counted, max_header_size=_MAX_HEADER)
    except DataError:
        raise
    except Exception as error:  # parsed as a Python literal, then as a dtype: many things can be wrong with it
        raise DataError(f"{where}: bad array header ({one_line(error)})") from None
    left = size - counted.read_bytes
    if dtype.kind not in _KINDS or (dtype.hasobject and dtype != np.dtype(object)):
        raise DataError(f"{where}: is {str(dtype)[:80]}, wanted numbers or text")
    if any(type(s) is not int or s < 0 for s in shape):
        raise DataError(f"{where}: bad array header (shape {str(shape)[:80]})")
    wanted = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and wanted != left:
        raise DataError(f"{where}: {left} bytes do not fit its header, {str(shape)[:80]} of {dtype}")
    return (shape, fortran, dtype), left


class _Counted:
    """Counts what is read from a stream that cannot tell."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.read_bytes = stream, 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.read_bytes += len(data)
        return data


def _mapped(path: Path, file: BinaryIO, archive: zipfile.ZipFile, info: zipfile.ZipInfo, scratch: Path) -> np.ndarray:
    where = f"{path}: member '{info.filename}'"
    if info.compress_type == zipfile.ZIP_STORED:
        source, offset = path, _plain_offset(path, file, info)
    else:
        source, offset = scratch.with_suffix(".npy"), 0
        free = shutil.disk_usage(scratch.parent).free
        if info.file_size > 0.9 * free:
            raise DataError(
                f"{where}: unpacks to {info.file_size / 1e9:.1f} GB, and {scratch.parent.parent} has "
                f"{free / 1e9:.1f} GB left; set TMPDIR to a larger folder"
            )
        with archive.open(info) as packed, source.open("wb") as target:
            shutil.copyfileobj(packed, target, 1 << 20)
    with source.open("rb") as stream:
        stream.seek(offset)
        size = min(info.file_size, source.stat().st_size - offset)
        (shape, fortran, dtype), data = array_header(where, stream, size)
        start = stream.tell()
        if dtype.hasobject:
            return _objects(where, stream.read(data), shape)
    if math.prod(shape) == 0 or dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    return np.memmap(source, dtype, "r", start, shape or (1,), "F" if fortran else "C").reshape(shape)


def _plain_offset(path: Path, file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a stored member begin (the local header repeats name and extra field)."""
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise DataError(f"{path}: damaged zip entry '{info.filename}'")
    return info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def _objects(where: str, pickled: bytes, shape: tuple[int, ...]) -> np.ndarray:
    array = plain_data(pickled, where)
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != object:
        raise DataError(f"{where}: is not an array of the shape its header gives")
    return array


def one_line(error: Exception) -> str:
    """Return the start of an error's message on one line."""
    return " ".join(str(error).split())[:80] or type(error).__name__
