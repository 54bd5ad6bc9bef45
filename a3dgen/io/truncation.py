"""Truncated image files: cheap detection (the end marker must be there), and how far what is left can be decoded."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from a3dgen.core.errors import DataError

MAX_PIXELS = 60_000_000
_TAIL = 4096
_LAST_COEFFICIENT = 63
_NOISE = bytes((73 * i + 169) % 255 for i in range(1 << 16))
"""Stands for the bytes that are missing: never 255, which would start a marker; first bit 1, a decoder takes 0."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""PNG colour type -> samples a pixel."""


class Truncated(DataError):
    """An image file ends before its picture does."""


@dataclass(frozen=True)
class Salvage:
    """What is left of a truncated file: bytes that a decoder takes for a whole picture, and how much of it is real.

    Attributes:
        data: the mended file. rows: of the decoded picture (as stored, before EXIF orientation) that hold what the
            photo showed, from the top. height: rows that the whole picture has. coarse: fine detail is missing.
    """

    data: bytes
    rows: int
    height: int
    coarse: bool = False


def check_end(path: str | Path, kind: str | None) -> None:
    """Check that the file reaches the end marker of its format.

    Args:
        path: an image whose header was read.
        kind: Pillow's name of the format; formats without a cheap check pass.

    Raises:
        Truncated: if the end is missing.
    """
    if kind in ("JPEG", "MPO"):  # MPO: a JPEG with a second picture appended
        _check_jpeg_end(path)
    elif kind == "PNG":
        _check_png_end(path)


def _check_jpeg_end(path: str | Path) -> None:
    """Raise Truncated unless the end-of-image marker follows the first scan. Bytes behind it are allowed."""
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
    raise Truncated(f"{path}: the JPEG is truncated (no end marker); fetch the file again")


def _jpeg_scan_offset(file: BufferedIOBase) -> int:
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
            raise Truncated(f"{path}: the PNG is truncated (no end chunk); fetch the file again")


def salvage(data: bytes, limit: int = MAX_PIXELS) -> Salvage | None:
    """Return what can be decoded of a truncated JPEG or PNG; None if there is nothing to speak of.

    A baseline JPEG and a PNG are stored row by row: the rows before the cut are as good as ever. A progressive JPEG is
    stored from coarse to fine: it counts as whole, if coarse, once every frequency of its brightness has been written.

    Args:
        data: the file. limit: most pixels that it may have.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _salvage_jpeg(data, limit)
        return _salvage_png(data, limit) if data.startswith(b"\x89PNG\r\n\x1a\n") else None
    except (struct.error, zlib.error, IndexError, KeyError, ValueError, OSError, SyntaxError):
        return None  # what is left makes no sense either


def _salvage_jpeg(data: bytes, limit: int) -> Salvage | None:
    start = _jpeg_scan_offset(BytesIO(data))
    if not start:
        return None
    data = data.rstrip(b"\xff")  # half of a marker, or of an escaped 255
    whole = data + b"\xff\xd9"
    with Image.open(BytesIO(whole), formats=("JPEG",)) as image:
        height, progressive = image.height, bool(image.info.get("progressive"))
        if image.width * height > limit:
            return None
    if progressive:
        return Salvage(whole, height, height, coarse=True) if _every_frequency(data, start) else None
    # where the missing bytes would count, other bytes there give another picture
    first, *others = (_pixels(data + more + b"\xff\xd9") for more in (b"", *_fillers(data, start)))
    differ = np.any([(first != other).reshape(height, -1).any(1) for other in others], axis=0)
    # one row less: colours of half the height are blended with the row below
    return Salvage(whole, max(int(differ.argmax()) - 1, 0) if differ.any() else height, height)


def _fillers(data: bytes, start: int) -> list[bytes]:
    """Return bytes that may stand for the missing ones; where a restart marker is due, nothing else is looked at."""
    if b"\xff\xdd" not in data[:start]:
        return [_NOISE]
    last = max(data.rfind(bytes((0xFF, 0xD0 + n)), start) for n in range(8))
    due = (data[last + 1] - 0xD0 + 1) % 8 if last > 0 else 0
    return [_NOISE, bytes((0xFF, 0xD0 + due)) + _NOISE]


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        return np.asarray(image)


def _every_frequency(data: bytes, start: int) -> bool:
    """Whether a scan that ends with the last coefficient of the first component is followed by another one."""
    scans = []
    while start >= 0:
        count = data[start + 4]
        components = data[start + 5 : start + 5 + 2 * count : 2]
        scans.append((components, data[start + 6 + 2 * count]))
        start = data.find(b"\xff\xda", start + 2)
    brightness = scans[0][0][:1]
    return any(brightness in components and last == _LAST_COEFFICIENT for components, last in scans[:-1])


def _salvage_png(data: bytes, limit: int) -> Salvage | None:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if width * height > limit:
        return None
    line = 1 + (width * depth * _CHANNELS[colour] + 7) // 8
    position, head, packed = 33, data[8:33], b""
    while position + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[position : position + 8])
        if kind == b"IDAT":
            packed += data[position + 8 : position + 8 + size]
        elif not packed:
            head += data[position : position + 12 + size]
        position += 12 + size
    raw = zlib.decompressobj().decompress(packed, line * height)
    rows = height if len(raw) >= line * height else len(raw) // line
    if not rows or interlaced:
        return None
    head = _chunk(b"IHDR", struct.pack(">II", width, rows) + data[24:29]) + head[25:]
    mended = data[:8] + head + _chunk(b"IDAT", zlib.compress(raw[: rows * line], 1)) + _chunk(b"IEND", b"")
    return Salvage(mended, rows, height)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
