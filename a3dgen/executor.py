"""What runs tasks, and the plainest one: this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from a3dgen import interrupts
from a3dgen.tasks import Task, run_task
from a3dgen.threads import limit_threads


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
