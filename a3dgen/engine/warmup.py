"""Compiles the slowest kernels once, ahead of use, not in every worker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from a3dgen.core import interrupts
from a3dgen.core.compiled import PACKAGE, cache_folder
from a3dgen.engine.executor import Executor
from a3dgen.engine.progress import Progress

log = logging.getLogger("a3dgen")
_STAMP = "ready"
POLL_SECONDS = 0.5
BAR = "kernels"


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
    """Compiles under a bar of its own, in the background if there is a second process to do it in.

    ``wait`` returns when nothing needs compiling any more.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._thread: threading.Thread | None = None

    def start(self, make_executor: Callable[[], Executor]) -> None:
        """Begin, unless there is nothing to do; with one process only, end too."""
        if self._thread is not None or is_warm():
            return
        executor = make_executor()
        if executor.slots() < 2:
            self._begin_bar()
            self._run(executor)
            self._end_bar()
            return
        self._thread = threading.Thread(target=self._run, args=(executor,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end."""
        if self._thread is None or not self._thread.is_alive():
            return
        self._begin_bar()
        while self._thread.is_alive():
            interrupts.check()
            self._thread.join(POLL_SECONDS)
        self._end_bar()

    def _begin_bar(self) -> None:
        self._progress.start(BAR, 1)
        self._progress.tell(f"{BAR}: compiling, once, about a minute")

    def _end_bar(self) -> None:
        self._progress.advance(BAR)
        self._progress.finish(BAR, "compiled, kept for all later builds")

    @staticmethod
    def _run(executor: Executor) -> None:
        try:
            list(executor.map(compile_fit, [None]))
        except Exception as error:  # only time is lost: whoever needs the kernels compiles them
            log.debug("compiling ahead failed: %s", error)
