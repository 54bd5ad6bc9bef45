"""How inner loops are compiled: numba, single-threaded, cached on disk.

numba's own cache looks only at the file of the function it compiles, not at the functions that one calls. The cache
folder is therefore named after a digest of all kernel sources, so that an edit or an upgrade never runs old code.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from a3dgen.core.home import home

log = logging.getLogger("a3dgen")
PACKAGE = Path(__file__).parents[1]
MARK = b"import kernel"
"""Modules that hold this text are part of the digest."""


@functools.cache
def cache_folder() -> Path:
    """Return the folder of compiled kernels: ``numba/<digest>`` in the cache folder."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if MARK in source:
            digest.update(source)
    return home() / "numba" / digest.hexdigest()


@functools.cache
def _warn_once(folder: str) -> None:
    log.warning("NUMBA_CACHE_DIR %s cannot be written: kernels are compiled anew every time, a minute or more", folder)


def kernel(function: Callable[..., Any] | None = None, *, inline: bool = False) -> Callable[..., Any]:
    """Compile one function; ``inline`` pastes its machine code into every caller.

    Division by zero gives infinity, as in NumPy. Type-checking wrappers put around the function by the test suite are
    taken off first. Without fast-math flags: they let one kernel be compiled to slightly different sums when it is
    inlined, so that the process that compiles would not agree with those that load its work from the cache (1e-8 in
    the pose), for a gain of 15 % in speed.
    """
    if function is None:
        return functools.partial(kernel, inline=inline)
    before = numba.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = str(cache_folder())
    try:
        options = {"cache": True, "nogil": True, "error_model": "numpy", "forceinline": inline}
        return numba.njit(**options)(inspect.unwrap(function))
    except RuntimeError as error:  # numba's own words for a folder it cannot write
        if "cannot cache" not in str(error):
            raise
        _warn_once(str(numba.config.CACHE_DIR))
        return numba.njit(**options | {"cache": False})(inspect.unwrap(function))
    finally:
        numba.config.CACHE_DIR = before
