"""Executors: the protocol, the in-process one, and a lazily created one that closes in the background."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from a3dgen.core import interrupts
from a3dgen.core.threads import limit_threads
from a3dgen.engine.tasks import Task, run_task

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Done:
    """What became of a task: its summary, or what it raised. ``died`` if its worker process was lost."""

    task: Task
    facts: dict[str, Any] | None
    error: BaseException | None = None
    died: bool = False


@runtime_checkable
class Executor(Protocol):
    """Runs tasks. ``submit`` never waits; ``next`` returns one finished task, or None after ``timeout`` seconds.

    ``map`` runs any picklable function over items, in parallel, and yields its results in order.
    """

    def submit(self, task: Task) -> None: ...
    def next(self, timeout: float) -> Done | None: ...
    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]: ...
    def slots(self) -> int: ...
    def describe(self) -> str: ...
    def close(self) -> None: ...


class Inline:
    """Runs every task in this process, one after the other: easy to debug, and what the workers must agree with."""

    def __init__(self, run: Callable[[Task], dict[str, Any]] = run_task) -> None:
        limit_threads()
        self._run = run
        self._waiting: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def next(self, timeout: float) -> Done | None:
        if not self._waiting:
            return None
        interrupts.check()
        task = self._waiting.popleft()
        try:
            return Done(task, self._run(task))
        except Exception as error:
            return Done(task, None, error)

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, interrupts.checked(items))

    def slots(self) -> int:
        return 1

    def describe(self) -> str:
        return "in this process"

    def close(self) -> None:
        self._waiting.clear()


class Crew:
    """Holds one executor from its first use to its end.

    Args:
        make_executor: called at the first use, so that a build with nothing to do starts no process.
        say: told who works, once.
    """

    def __init__(self, make_executor: Callable[[], Executor], say: Callable[[str], None]) -> None:
        self._make, self._say = make_executor, say
        self._executor: Executor | None = None
        self._coming: Future[Executor] | None = None
        self._leaving: threading.Thread | None = None
        self._who = "nothing to do on shards"

    def summon(self) -> None:
        """Let the workers start, which takes them a second or two, while the caller goes on with what needs none."""
        if self._executor is None and self._coming is None:
            self._coming = Future()
            with interrupts.postponed():  # the caller's thread is the one to be interrupted
                threading.Thread(target=_make_into, args=(self._make, self._coming), daemon=True).start()

    def executor(self) -> Executor:
        """Return where to run.

        Raises:
            A3dgenError: if there is nowhere to run.
        """
        if self._executor is None:
            self._executor = self._make() if self._coming is None else _arrived(self._coming)
            self._coming = None
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
        elif self._coming is not None:
            self._leaving = threading.Thread(target=_close_when_there, args=(self._coming,))
        else:
            return
        self._executor = self._coming = None
        self._leaving.start()

    def close(self) -> None:
        """End the workers, if any were started, and wait until they are gone."""
        self.dismiss()
        if self._leaving is not None:
            self._leaving.join()


def _make_into(make: Callable[[], Executor], place: Future[Executor]) -> None:
    """Make an executor in a thread; what goes wrong is raised where it is asked for."""
    try:
        place.set_result(make())
    except BaseException as error:
        place.set_exception(error)


def _arrived(coming: Future[Executor]) -> Executor:
    """Wait for an executor; Ctrl-C is heard."""
    while not coming.done():
        interrupts.check()
        wait([coming], POLL_SECONDS)
    return coming.result()


def _close_when_there(coming: Future[Executor]) -> None:
    with contextlib.suppress(Exception):  # nobody came: there is nothing to end
        coming.result().close()
