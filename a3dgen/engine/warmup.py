"""Compiles kernels once, ahead of use, not in every worker.

The fitter's come first; those that plates and pictures need are compiled beside them, if there is a second worker.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from a3dgen.core import interrupts
from a3dgen.core.compiled import PACKAGE, cache_folder
from a3dgen.engine.executor import Executor
from a3dgen.engine.progress import Progress

log = logging.getLogger("a3dgen")
_STAMP = "ready"
POLL_SECONDS = 0.5
BAR = "kernels"
MANY_SLOTS = 4
"""Of two workers, see ``Executor.slots``: with one, it would only wait for what it compiles anyway."""


@dataclass(frozen=True)
class Job:
    """Kernels that are compiled together: ``function`` of ``module``, a file's path below the package."""

    module: str
    function: str

    def stamp(self) -> Path:
        """The file that says that they are compiled; its folder is that of all of these kernels together."""
        return cache_folder(PACKAGE / f"{self.module}.py") / _STAMP


FIT = Job("fit/precompile", "compile_kernels")
DRAW = Job("stages/precompile", "compile_drawing")


def is_warm(job: Job = FIT) -> bool:
    """Whether this code has been compiled on this machine before."""
    return job.stamp().exists()


def compile_job(job: Job) -> None:
    """Compile and leave a stamp; runs in a worker."""
    module = importlib.import_module(f"{PACKAGE.name}.{job.module.replace('/', '.')}")
    getattr(module, job.function)()
    job.stamp().parent.mkdir(parents=True, exist_ok=True)
    job.stamp().touch()


class WarmUp:
    """Compiles under a bar of its own, in the background if there is a second process to do it in.

    ``wait`` returns when the fitter needs no compiling any more; what draws may go on, while people are fitted.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._thread: threading.Thread | None = None
        self._fitter = threading.Event()

    def start(self, make_executor: Callable[[], Executor], draws: bool = False) -> None:
        """Begin, unless there is nothing to do; with one process only, end too.

        Args:
            make_executor: returns where to compile. draws: whether the build goes on to its pictures.
        """
        if self._thread is not None or (is_warm() and (not draws or is_warm(DRAW))):
            return
        executor = make_executor()
        if executor.slots() < 2:
            if not is_warm():
                self._begin_bar()
                self._run(executor, [FIT])
                self._end_bar()
            return
        jobs = [FIT] if not is_warm() else []
        if draws and executor.slots() >= MANY_SLOTS and not is_warm(DRAW):
            jobs.append(DRAW)
        if jobs:
            self._progress.tell(f"{BAR}: compiling in the background, once, a minute or two")
            self._thread = threading.Thread(target=self._run, args=(executor, jobs), daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait for the end."""
        if self._thread is None or self._fitter.is_set():
            return
        self._begin_bar()
        while not self._fitter.wait(POLL_SECONDS):
            interrupts.check()
        self._end_bar()

    def _begin_bar(self) -> None:
        self._progress.start(BAR, 1)
        self._progress.tell(f"{BAR}: compiling, once, about a minute")

    def _end_bar(self) -> None:
        self._progress.advance(BAR)
        self._progress.finish(BAR, "compiled, kept for all later builds")

    def _run(self, executor: Executor, jobs: list[Job]) -> None:
        try:
            if FIT not in jobs:
                self._fitter.set()
            for _ in executor.map(compile_job, jobs):
                self._fitter.set()  # it comes first
        except Exception as error:  # only time is lost: whoever needs the kernels compiles them
            log.debug("compiling ahead failed: %s", error)
        finally:
            self._fitter.set()
