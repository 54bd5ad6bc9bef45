"""How the fitter's inner loops are compiled: numba, single-threaded, releasing the GIL, cached on disk.

numba's own cache looks only at the file of the function it compiles, not at the functions that one calls. The cache
folder is therefore named after a digest of all kernel sources, so that an edit or an upgrade never runs old code.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def cache_folder() -> Path:
    """Return the folder of compiled kernels: ``$A3DGEN_HOME/numba/<digest>`` (default ``~/.cache/a3dgen``)."""
    home = Path(os.environ.get("A3DGEN_HOME") or Path.home() / ".cache" / "a3dgen")
    sources = [p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py"))]
    digest = hashlib.blake2b(b"".join(s for s in sources if b"@kernel" in s), digest_size=8)
    return home / "numba" / digest.hexdigest()


_FOLDER = str(cache_folder())


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile one function. Type-checking wrappers put around it by the test suite are taken off first.

    Without fast-math flags: they let one kernel be compiled to slightly different sums when it is inlined, so that
    the process that compiles would not agree with those that load its work from the cache (1e-8 in the pose), for a
    gain of 15 % in speed.
    """
    before = numba.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = _FOLDER
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(inspect.unwrap(function))
    finally:
        numba.config.CACHE_DIR = before
