"""Rows of the arrays of an npz, read in order and in bounded memory: recordings of any length."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.damage import DAMAGED_NPZ, is_not_the_file
from a3dgen.io.npz import array_header, npz_members, one_line
from a3dgen.io.regular import open_regular

MAX_COLUMNS = 1 << 30
"""Arrays stored column by column cannot be read row by row: they are read whole, up to this many bytes."""


class RowStream:
    """Rows of one numeric array of an npz, read in order and in bounded memory.

    Attributes:
        shape, dtype: of the array.

    Raises:
        DataError: if the member is damaged or no array of numbers.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._where = f"{path}: member '{info.filename}'"
        self._stream = archive.open(info)
        (self.shape, fortran, self.dtype), _ = array_header(self._where, self._stream, info.file_size)
        if self.dtype.kind not in "biuf" or not self.shape:
            raise DataError(f"{self._where}: is {str(self.dtype)[:80]} of shape {self.shape}, wanted rows of numbers")
        if fortran and len(self.shape) > 1:
            size = math.prod(self.shape) * self.dtype.itemsize
            if size > MAX_COLUMNS:
                raise DataError(f"{self._where}: {size / 1e9:.1f} GB stored column by column; save it in C order")
            whole = self._stream.read(size)
            columns = np.frombuffer(whole, self.dtype).reshape(self.shape, order="F")
            self._stream = io.BytesIO(np.ascontiguousarray(columns).tobytes())

    def read(self, rows: int) -> np.ndarray:
        """Return the next rows, as many as asked for.

        Raises:
            DataError: if the file is damaged there.
        """
        size = rows * math.prod(self.shape[1:]) * self.dtype.itemsize
        try:
            data = self._stream.read(size)
        except DAMAGED_NPZ as error:
            raise DataError(f"{self._where}: damaged ({one_line(error)})") from None
        if len(data) != size:
            raise DataError(f"{self._where}: ends {size - len(data)} bytes too early")
        return np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])


@contextmanager
def open_rows(path: Path, names: Iterable[str]) -> Iterator[dict[str, RowStream]]:
    """Open arrays of an npz to be read row by row, side by side; those that are not in it are left out.

    Raises:
        DataError: if the file is no npz, or a member is damaged or no array of numbers.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_regular(path))
            if why := is_not_the_file(file.read(512)):
                raise DataError(f"{path}: {why}")
            archive = stack.enter_context(zipfile.ZipFile(file))
            members = npz_members(path, archive, False, names)
            found = {name: RowStream(path, archive, info) for name, info in members.items()}
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except DAMAGED_NPZ as error:
            raise DataError(f"{path}: not a readable npz ({one_line(error)})") from None
        yield found  # outside: what goes wrong with the rows is no fault of the file
