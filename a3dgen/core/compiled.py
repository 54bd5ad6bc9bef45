"""How inner loops are compiled: numba, single-threaded, cached on disk.

numba's own cache looks only at the file of the function it compiles, not at the functions that one calls or the
constants it reads. The cache folder of a module is therefore named after a digest of its source and of all modules of
this package that it imports, directly or not: an edit or an upgrade never runs old code, and compiles only what it
touched. Where the package lies makes no difference: another virtual environment or clone finds the same kernels.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator

from a3dgen.core.home import home

log = logging.getLogger("a3dgen")
PACKAGE = Path(__file__).parents[1]
_IMPORTS = re.compile(
    rb"^[ \t]*(?:from\s+(a3dgen[\w.]*)\s+import\s+(\([^)]*\)|[^\n#]*)|import\s+(a3dgen[\w.]*))", re.MULTILINE
)


def _module_file(name: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@functools.cache
def _source(path: Path) -> tuple[bytes, frozenset[Path]]:
    """Return the digest of a module's source and the files of the package that it imports."""
    source, imported = path.read_bytes(), set()
    if path != Path(__file__):  # this module's own imports place the cache and change no compiled code
        for module, names, plain in _IMPORTS.findall(source):
            package = (module or plain).decode()
            imported |= {_module_file(package)} | {
                _module_file(f"{package}.{n.decode()}") for n in re.findall(rb"\w+", names)
            }
    return hashlib.blake2b(source, digest_size=16).digest(), frozenset(p for p in imported if p is not None)


def source_digests(module: Path) -> list[bytes]:
    """Return the digests of the sources of a module (its file) and of all of the package that it imports, sorted."""
    seen: set[Path] = set()
    todo = [module]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += _source(path)[1]
    return sorted(_source(path)[0] for path in seen)


@functools.cache
def cache_folder(module: Path) -> Path:
    """Return where the kernels of one module (its file) are kept: ``numba/<module>-<digest>`` in the cache folder."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for one in source_digests(module):
        digest.update(one)
    return home() / "numba" / f"{module.stem}-{digest.hexdigest()}"


class FolderLocator(UserProvidedCacheLocator):
    """Tells numba to keep kernels right in ``numba.config.CACHE_DIR``: its name says all that they depend on.

    numba's own locators add a hash of the path of the source, and compare its date or content.
    """

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(numba.config.CACHE_DIR)

    def get_source_stamp(self) -> str:
        """Return what makes kept kernels out of date, which is nothing."""
        return ""


LOCATOR = f"{FolderLocator.__module__}.{FolderLocator.__qualname__}"
"""As numba's setting names it, from 0.62 on; older ones keep kernels apart by path."""


@functools.cache
def _warn_once(folder: str) -> None:
    log.warning("NUMBA_CACHE_DIR %s cannot be written: kernels are compiled anew every time, a minute or more", folder)


def _for_kernels_only(compiled: Any) -> Any:
    """Let a call from Python raise: numba would jump to code that is not there."""

    def refuse(*_: Any, **__: Any) -> None:
        raise TypeError(f"{compiled.py_func.__name__} can be called from other kernels only")

    compiled._compile_for_args = refuse
    compiled._insert = lambda *_, **__: None  # what Python calls without asking
    return compiled


def kernel(
    function: Callable[..., Any] | None = None, *, inline: bool = False, inside: bool | None = None
) -> Callable[..., Any]:
    """Compile one function.

    ``inline`` pastes its machine code into every caller. ``inside`` (what is inlined, unless said otherwise) can be
    called from other kernels only: what Python needs to call a function of many arrays takes up to half of the time of
    compiling it.

    Division by zero gives infinity, as in NumPy. Type-checking wrappers put around the function by the test suite are
    taken off first. Without fast-math flags: they let one kernel be compiled to slightly different sums when it is
    inlined, so that the process that compiles would not agree with those that load its work from the cache (1e-8 in
    the pose), for a gain of 15 % in speed.
    """
    if function is None:
        return functools.partial(kernel, inline=inline, inside=inside)
    before = numba.config.CACHE_DIR, getattr(numba.config, "CACHE_LOCATOR_CLASSES", "")
    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = str(cache_folder(Path(inspect.unwrap(function).__code__.co_filename)))
        numba.config.CACHE_LOCATOR_CLASSES = before[1] or LOCATOR
    try:
        options = {"cache": True, "nogil": True, "error_model": "numpy", "forceinline": inline}
        hidden = inline if inside is None else inside
        options |= {"no_cfunc_wrapper": True, "no_cpython_wrapper": hidden}
        compiled = numba.njit(**options)(inspect.unwrap(function))
        return _for_kernels_only(compiled) if hidden else compiled
    except RuntimeError as error:  # numba's own words for a folder it cannot write
        if "cannot cache" not in str(error):
            raise
        _warn_once(str(numba.config.CACHE_DIR))
        compiled = numba.njit(**options | {"cache": False})(inspect.unwrap(function))
        return _for_kernels_only(compiled) if hidden else compiled
    finally:
        numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES = before
