"""What reading a damaged file can raise, besides what a reader raises itself."""

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
