"""Write pickles that others can read: whatever NumPy and SciPy run here, the file names what all versions have.

NumPy 2 names ``numpy._core.multiarray``, which NumPy 1 has not; NumPy 1's ``numpy.core.multiarray`` opens in both.
SciPy's private modules have moved twice; ``scipy.sparse`` has been there all along.
"""

from __future__ import annotations

import pickle
import pickletools
import re
from typing import Any

_OTHER = (
    (re.compile(r"numpy\._core(\.|$)"), r"numpy.core\1"),
    (re.compile(r"scipy\.sparse\._?cs[cr]$"), "scipy.sparse"),
)


def portable_pickle(value: Any, protocol: int = 2) -> bytes:
    """Return the pickle of plain data, arrays and sparse matrices.

    Args:
        protocol: 2 (which Python 2 reads as well) or 3.

    Raises:
        ValueError: for a newer protocol: its frames hold lengths, and no old reader knows it.
    """
    if protocol > 3:
        raise ValueError("protocols 2 and 3 are the portable ones")
    return rename_modules(pickle.dumps(value, protocol=protocol))


def rename_modules(pickled: bytes) -> bytes:
    """Return a pickle (protocol up to 3) in which moved modules go by their old names, wherever something is named."""
    parts, done = [], 0
    for op, argument, position in pickletools.genops(pickled):
        if op.name != "GLOBAL" or position is None:
            continue
        module, _, name = str(argument).partition(" ")
        other = module
        for pattern, replacement in _OTHER:
            other = pattern.sub(replacement, other)
        if other != module:
            parts += [pickled[done:position], f"c{other}\n{name}\n".encode()]
            done = position + len(f"c{module}\n{name}\n".encode())
    return b"".join([*parts, pickled[done:]])
