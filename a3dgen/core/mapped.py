"""Maps pieces of files into memory, each for as long as its array lives; Python's own ``mmap`` keeps each file open."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
from collections.abc import Callable

import numpy as np
from numpy import ndarray


class _Piece:
    """A private mapping: what is written to it is seen by nobody else, what is not is shared by all processes."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        library = _library()
        if library is None:
            raise OSError("this system has no mmap")
        reading, writing, private = mmap.PROT_READ, mmap.PROT_WRITE, mmap.MAP_PRIVATE
        found = library.mmap(None, size, reading | writing, private, fd, start)
        if found in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._release: Callable[[], object] | None = functools.partial(library.munmap, found, size)
        self.__array_interface__ = {"data": (found, False), "shape": (size,), "typestr": "|u1", "version": 3}

    def __del__(self) -> None:
        release = getattr(self, "_release", None)
        if release is not None:
            release()


def mapped(fd: int, start: int, size: int) -> ndarray:
    """Return (size,) u1: bytes of an open file, which may be closed afterwards; they can be written to, in memory only.

    The file must stay as long as it is: one that is put in its place whole does no harm.

    Args:
        fd: of the file. start: a multiple of ``mmap.ALLOCATIONGRANULARITY``. size: at least 1, not beyond the end.

    Raises:
        OSError: if it cannot be mapped.
    """
    if size < 1 or start + size > os.fstat(fd).st_size:
        raise OSError(f"bytes {start} to {start + size} are not in the file")
    return np.asarray(_Piece(fd, start, size))


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return the C library, where files are mapped by it."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ssize_t,
    ]  # fmt: skip
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return library
