"""Where tasks run: in this process, in local worker processes, or on a running Dask cluster. The only Dask import."""

from __future__ import annotations

import itertools
import logging
import os
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from a3dgen import interrupts
from a3dgen.errors import ConfigError
from a3dgen.preload import LOG_VARIABLE
from a3dgen.tasks import Task, run_task
from a3dgen.threads import ONE_THREAD, limit_threads

CLOSE_SECONDS = 5
WORKERS_SECONDS = 60
MAP_RETRIES = 3


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


class Cluster:
    """Runs tasks on Dask workers: a local cluster of spawned single-threaded processes, or a running scheduler.

    A task whose worker is lost comes back as ``died`` at once; when to try it again is the build's decision.
    Only the small Task goes out and only its summary comes back: shards are written and read by the workers.
    """

    def __init__(self, workers: int, scheduler: str = "", log: str = "") -> None:
        import dask
        from distributed import Client, LocalCluster

        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way: dict[str, tuple[Task, Any]] = {}
        self._count = 0
        self._remote = bool(scheduler)
        self._local: Any = None
        for name in ("distributed", "distributed.worker", "distributed.nanny", "distributed.scheduler", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        os.environ.update(ONE_THREAD)
        dask.config.set(_settings())
        try:
            if not scheduler:
                self._local = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0" if _has_bokeh() else None,
                    memory_limit=None,
                    env={**ONE_THREAD, LOG_VARIABLE: log},
                    silence_logs=logging.CRITICAL,
                )
            self._client = Client(scheduler or self._local, timeout=10, set_as_default=False)
        except OSError as error:
            raise ConfigError(f"no Dask scheduler answers at {scheduler}: start one with 'dask scheduler'") from error
        if self._remote:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)

    def submit(self, task: Task) -> None:
        self._count += 1
        name = f"{task.spec.name}-{task.shard:06d}-{self._count}"
        future = self._client.submit(run_task, task, key=name, pure=False, priority=-task.shard)
        self._under_way[name] = (task, future)
        future.add_done_callback(self._finished.put)

    def next(self, timeout: float) -> Done | None:
        from distributed.scheduler import KilledWorker

        interrupts.check()
        try:
            future = self._finished.get(timeout=timeout)
        except queue.Empty:
            return None
        task, _ = self._under_way.pop(future.key)
        if future.status == "finished":
            done = Done(task, future.result())
        elif future.status == "cancelled":
            done = Done(task, None, RuntimeError("the scheduler lost the task"), died=True)
        else:
            error = future.exception()
            done = Done(task, None, error, died=isinstance(error, KilledWorker))
        future.release()
        return done

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield results in order, with a few more calls under way than there are workers."""
        waiting: deque[tuple[Any, Any]] = deque()
        rest = interrupts.checked(items)
        while True:
            for item in itertools.islice(rest, max(0, self.slots() + 2 - len(waiting))):
                waiting.append((item, self._client.submit(_limited, function, item, pure=False)))
            if not waiting:
                return
            interrupts.check()
            item, future = waiting.popleft()
            yield self._result(function, item, future)

    def _result(self, function: Callable[[Any], Any], item: Any, future: Any) -> Any:
        """Wait for one call; a call whose worker died is made again."""
        from distributed.scheduler import KilledWorker

        for _ in range(MAP_RETRIES):
            try:
                return future.result()
            except KilledWorker:
                future = self._client.submit(_limited, function, item, pure=False)
        return future.result()

    def slots(self) -> int:
        """Return how many tasks to have under way: two a worker, so that none waits for the next."""
        return max(1, 2 * len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def describe(self) -> str:
        workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
        where = self._client.scheduler.address if self._remote else "local processes"
        link = self._client.dashboard_link if self._remote or _has_bokeh() else ""
        return f"{workers} workers ({where}){f', dashboard {link}' if link else ''}"

    def close(self) -> None:
        if self._remote and self._under_way:
            self._client.cancel([future for _, future in self._under_way.values()], force=True)
        self._client.close(timeout=CLOSE_SECONDS)
        if self._local is not None:
            self._local.close(timeout=CLOSE_SECONDS)


def _limited(function: Callable[[Any], Any], item: Any) -> Any:
    limit_threads()
    return function(item)


def make_executor(workers: int, scheduler: str, log: str = "") -> Executor:
    """Return where to run.

    Args:
        workers: 0 = in this process, -1 = one a core.
        scheduler: address of a running scheduler, which wins over ``workers``.
        log: file for what libraries print in local workers; the terminal if empty.
    """
    if not scheduler and workers == 0:
        return Inline()
    return Cluster(len(os.sched_getaffinity(0)) if workers < 0 else workers, scheduler, log)


def _settings() -> dict[str, Any]:
    """Return the Dask settings: no task is silently retried, workers are spawned, and keep one thread."""
    return {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.worker.preload": ["a3dgen.preload"],
        "distributed.nanny.pre-spawn-environ": dict(ONE_THREAD),
        "distributed.comm.timeouts.connect": "30s",
        "distributed.admin.log-format": "%(message)s",
    }


def _has_bokeh() -> bool:
    from importlib.util import find_spec

    return find_spec("bokeh") is not None
