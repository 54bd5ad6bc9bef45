"""Read an npz from anywhere without executing code and without trusting its sizes."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.damage import DAMAGED_ZIP
from a3dgen.errors import DataError

MAX_BYTES = 32 << 30
"""Refuse files that unpack to more than this."""
_MAX_HEADER = 10_000
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


def read(path: str | Path, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
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
