"""Compiles the slowest kernels in one worker ahead of use, not in every worker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from a3dgen.core import interrupts
from a3dgen.core.compiled import PACKAGE, cache_folder
from a3dgen.engine.executor import Executor

log = logging.getLogger("a3dgen")
_STAMP = "ready"
POLL_SECONDS = 0.5


def _stamp() -> Path:
    """The file that says that the fitter is compiled; its folder is that of all its kernels together."""
    return cache_folder(PACKAGE / "fit" / "precompile.py") / _STAMP


def is_warm() -> bool:
    """Whether this code's fitter has been compiled on this machine before."""
    return _stamp().exists()


def compile_fit(_: Any = None) -> bool:
    """Compile the fitter and leave a stamp; runs in a worker."""
    from a3dgen.fit.precompile import compile_kernels

    compile_kernels()
    stamp = _stamp()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return True


class WarmUp:
    """Compiles in the background from ``start`` on; ``wait`` returns when nothing needs compiling any more."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self, make_executor: Callable[[], Executor]) -> None:
        """Begin, unless there is nothing to do or no second process to do it in."""
        if self._thread is not None or is_warm():
            return
        executor = make_executor()
        if executor.slots() < 2:
            return
        self._thread = threading.Thread(target=self._run, args=(executor,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end."""
        if self._thread is not None:
            while self._thread.is_alive():
                interrupts.check()
                self._thread.join(POLL_SECONDS)

    @staticmethod
    def _run(executor: Executor) -> None:
        try:
            list(executor.map(compile_fit, [None]))
        except Exception as error:  # only time is lost: whoever needs the kernels compiles them
            log.debug("compiling ahead failed: %s", error)
