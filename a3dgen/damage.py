"""What reading a damaged file can raise, besides what a reader raises itself."""

from __future__ import annotations

import struct
import zipfile
import zlib
from tokenize import TokenError

DAMAGED_NPZ: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    MemoryError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TokenError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)
"""From ``numpy.load(..., allow_pickle=False)`` and from the members: zip, deflate, and a header that NumPy parses."""
