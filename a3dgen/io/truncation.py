"""Cheap detection of truncated image files: the end marker must be there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from a3dgen.core.errors import DataError

_TAIL = 4096


def check_end(path: str | Path, kind: str | None) -> None:
    """Check that the file reaches the end marker of its format.

    Args:
        path: an image whose header was read.
        kind: Pillow's name of the format; formats without a cheap check pass.

    Raises:
        DataError: if the end is missing.
    """
    if kind in ("JPEG", "MPO"):  # MPO: a JPEG with a second picture appended
        _check_jpeg_end(path)
    elif kind == "PNG":
        _check_png_end(path)


def _check_jpeg_end(path: str | Path) -> None:
    """Raise DataError unless the end-of-image marker follows the first scan. Bytes behind it are allowed."""
    with open(path, "rb") as file:
        scan = _jpeg_scan_offset(file)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(scan, end - _TAIL))
        if b"\xff\xd9" in file.read():
            return
        file.seek(scan)  # something long is appended (a video, a second picture): look through everything
        previous = b""
        while block := file.read(1 << 20):
            if b"\xff\xd9" in previous + block:
                return
            previous = block[-1:]
    raise DataError(f"{path}: the JPEG is truncated (no end marker); fetch the file again")


def _jpeg_scan_offset(file: BinaryIO) -> int:
    """Return the offset of the first start-of-scan marker (a thumbnail's end marker lies before it), or 0."""
    file.seek(2)
    while True:
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return 0
        if marker[1] == 0xFF:  # fill byte
            file.seek(-1, os.SEEK_CUR)
            continue
        if marker[1] == 0xDA:
            return file.tell() - 2
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD7:  # markers without a length
            continue
        file.seek(max(int.from_bytes(file.read(2), "big") - 2, 0), os.SEEK_CUR)


def _check_png_end(path: str | Path) -> None:
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _TAIL))
        if b"IEND\xae\x42\x60\x82" not in file.read():
            raise DataError(f"{path}: the PNG is truncated (no end chunk); fetch the file again")
