"""Open files that are files: a pipe, device or socket under the name of a photo is refused, not waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from a3dgen.core.errors import DataError


def open_regular(path: str | Path) -> BinaryIO:
    """Open an ordinary file for reading bytes.

    Raises:
        FileNotFoundError: if there is none. DataError: if it is a folder, pipe, device or socket, or may not be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe waits for its writer
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe or device"
        raise DataError(f"{path}: {what}, not a file")
    return os.fdopen(handle, "rb")


def head_of(path: str | Path) -> bytes:
    """Return the first bytes of an ordinary file; none if it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(512)
    except (OSError, DataError):
        return b""


def leaves(root: Path, path: Path) -> bool:
    """Whether a path leads out of a folder, through ``..`` or a link."""
    return not path.resolve().is_relative_to(root.resolve())


def inside(root: Path, path: Path) -> Path:
    """Return a path of a folder, links followed.

    Raises:
        DataError: if it leads out of the folder.
    """
    if leaves(root, path):
        raise DataError(f"{path}: leads out of {root}; what a link shows is not part of a dataset, copy it there")
    return path


def read_bytes(path: str | Path) -> bytes:
    """Return the content of an ordinary file.

    Raises:
        DataError: if it is missing, not an ordinary file, or may not be read.
    """
    try:
        with open_regular(path) as file:
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: cannot be read (no such file)") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
