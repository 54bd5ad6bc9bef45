"""The workers of a build: started when the first is needed, let go as soon as none is."""

from __future__ import annotations

import threading
from collections.abc import Callable

from a3dgen.executor import Executor


class Crew:
    """Holds one executor from its first use to its end.

    Args:
        make_executor: called at the first use, so that a build with nothing to do starts no process.
        say: told who works, once.
    """

    def __init__(self, make_executor: Callable[[], Executor], say: Callable[[str], None]) -> None:
        self._make, self._say = make_executor, say
        self._executor: Executor | None = None
        self._leaving: threading.Thread | None = None
        self._who = "nothing to do on shards"

    def executor(self) -> Executor:
        """Return where to run."""
        if self._executor is None:
            self._executor = self._make()
            self._say(self.describe())
        return self._executor

    def describe(self) -> str:
        """Return who works, or who did."""
        if self._executor is not None:
            self._who = self._executor.describe()
        return self._who

    def dismiss(self) -> None:
        """Let the workers end, which takes them seconds, while the caller goes on with what needs none."""
        if self._executor is not None:
            self.describe()
            self._leaving = threading.Thread(target=self._executor.close)
            self._executor = None
            self._leaving.start()

    def close(self) -> None:
        """End the workers, if any were started, and wait until they are gone."""
        self.dismiss()
        if self._leaving is not None:
            self._leaving.join()
