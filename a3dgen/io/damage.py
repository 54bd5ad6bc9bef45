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
