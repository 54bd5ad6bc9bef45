"""Validates CDF record links; cdflib hangs on corrupt ones.

Record layouts: "CDF Internal Format Description", version 3 (all integers big-endian).
"""

from __future__ import annotations

import struct
from pathlib import Path

from a3dgen.core.errors import DataError
from a3dgen.io.regular import read_bytes

_VERSION_3, _PLAIN = b"\xcd\xf3\x00\x01", b"\x00\x00\xff\xff"
_MAX_COUNT, _MAX_DIMENSIONS, _MAX_RECORDS, _MAX_VALUES = 10_000, 16, 1 << 20, 1 << 28
_CDR, _GDR, _VXR, _ZVDR = 1, 2, 6, 8


def check_cdf(path: Path) -> None:
    """Check counts and links of a plain CDF 3 file; older and wholly compressed ones pass unseen.

    Raises:
        DataError: if they make no sense.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if data[:8] != _VERSION_3 + _PLAIN:
        return
    try:
        sound = _sound(data)
    except struct.error:
        sound = False
    if not sound:
        raise DataError(f"{path}: not a readable CDF file: damaged; fetch it again")


def _is_record(data: bytes, offset: int, kind: int) -> bool:
    size, found = struct.unpack_from(">qi", data, max(offset, 0))
    return offset >= 8 and found == kind and 12 <= size <= len(data) - offset


def _sound(data: bytes) -> bool:
    (general,) = struct.unpack_from(">q", data, 20)
    if not _is_record(data, 8, _CDR) or not _is_record(data, general, _GDR):
        return False
    first_r, first_z, _, _, *counts = struct.unpack_from(">4q5i", data, general + 12)
    r_variables, attributes, _, dimensions, z_variables = counts
    if r_variables or first_r or not 0 <= attributes <= _MAX_COUNT or not 0 <= z_variables <= _MAX_COUNT:
        return False  # Human3.6M has no r-variables
    return 0 <= dimensions <= _MAX_DIMENSIONS and _variables(data, first_z, z_variables)


def _variables(data: bytes, offset: int, count: int) -> bool:
    """Follow the list of z-variables and the index records of each."""
    for _ in range(count):
        if not _is_record(data, offset, _ZVDR):
            return False
        after, _, last, index = struct.unpack_from(">qiiq", data, offset + 12)
        (rank,) = struct.unpack_from(">i", data, offset + 340)
        if not 0 <= rank <= 3 or not -1 <= last < _MAX_RECORDS:
            return False
        values = last + 1
        for size in struct.unpack_from(f">{rank}i", data, offset + 344):
            values *= size
        if not 0 <= values < _MAX_VALUES or not _indexed(data, index):
            return False
        offset = after
    return True


def _indexed(data: bytes, offset: int) -> bool:
    for _ in range(_MAX_COUNT):
        if offset == 0:
            return True
        if not _is_record(data, offset, _VXR):
            return False
        after, entries, used = struct.unpack_from(">qii", data, offset + 12)
        if not 0 <= used <= entries <= _MAX_COUNT:
            return False
        offset = after
    return False
