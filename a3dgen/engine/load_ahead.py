"""Loads what the gathering stages take while workers are busy with shards, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from a3dgen.core import interrupts
from a3dgen.core.stage import Context
from a3dgen.stages.table import StageSpec

log = logging.getLogger("a3dgen")


class LoadAhead:
    """Calls ``warm(context)`` of the stages that have one, once.

    Attributes:
        stages, context: which, and what a stage may know.
    """

    def __init__(self, stages: Sequence[StageSpec], context: Callable[[StageSpec], Context]) -> None:
        self.stages, self.context = stages, context
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless that is done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, daemon=True)
            with interrupts.postponed():  # the caller's thread is the one to be interrupted
                self._thread.start()

    def _load(self) -> None:
        for spec in self.stages:
            try:
                getattr(spec.code(), "warm", lambda _: None)(self.context(spec))
            except Exception as error:  # only time is lost: the stage itself will say what is wrong
                log.debug("loading stage %s ahead failed: %s", spec.name, error)
