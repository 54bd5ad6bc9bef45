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
