"""Exceptions that damaged files raise, by library; names what a mistaken file really is."""

from __future__ import annotations

import struct
import zipfile
import zlib
from tokenize import TokenError

DAMAGED_ZIP: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    OSError,
    RuntimeError,  # also an unknown compression, which zipfile calls not implemented
)
"""From ``zipfile`` alone, where the arrays inside are parsed with checks of their own."""
DAMAGED_NPZ: tuple[type[Exception], ...] = (
    *DAMAGED_ZIP,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    MemoryError,
    OverflowError,
    SyntaxError,
    TokenError,
    struct.error,
    zlib.error,
)
"""From ``numpy.load(..., allow_pickle=False)`` and from the members: zip, deflate, and a header that NumPy parses."""


def is_not_the_file(head: bytes) -> str:
    """Say what stands in place of a file whose first bytes are ``head``, and what to do; nothing if it may be one."""
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself; run 'git lfs pull'"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:32].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not the file itself (a download that was refused or asks for a login); fetch it again"
    return "" if head.strip(b"\0") or not head else "nothing but zeros (a copy that was interrupted); fetch it again"


def is_not_json(head: bytes) -> str:
    """Say what a file is whose first bytes are ``head`` and that was meant to be JSON; nothing if it may be JSON."""
    for start, what in _NO_JSON.items():
        if head.startswith(start):
            return what
    if sum(b == 0 for b in head[:2]) == 1:  # without a byte order mark
        return _UTF16
    if head.lstrip()[:2] in (b"{'", b"['") or head.lstrip()[:3] == b"[{'":
        return "single quotes: Python's own spelling, not JSON; write it with json.dump"
    return is_not_the_file(head)


_UTF16 = "the file is UTF-16; save it as UTF-8"
_NO_JSON = {
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"PK\x03\x04": "the file is a zip archive; unpack it",
    b"\x1f\x8b": "the file is gzip; unpack it",
    b"\x89PNG": "the file is a picture",
    b"\xff\xd8\xff": "the file is a picture",
    b"\x80\x02": "the file is a pickle, not JSON",
    b"\x80\x03": "the file is a pickle, not JSON",
    b"\x80\x04": "the file is a pickle, not JSON",
    b"\x80\x05": "the file is a pickle, not JSON",
    b"\x89HDF": "the file is HDF5, not JSON",
    b"<?xml": "the file is XML, not JSON; export it as COCO",
    b"<annotation": "the file is XML, not JSON; export it as COCO",
}
"""Beginning of a file that is no JSON -> what it is."""
