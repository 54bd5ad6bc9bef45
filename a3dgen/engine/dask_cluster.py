"""Tasks on Dask workers: local processes, jobs of a batch system, or a running cluster. The only Dask import."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import a3dgen
from a3dgen.core import interrupts
from a3dgen.core.errors import A3dgenError, ConfigError
from a3dgen.core.machine import default_workers
from a3dgen.core.run_config import RunConfig
from a3dgen.core.threads import ONE_THREAD, limit_threads
from a3dgen.engine import fork_server
from a3dgen.engine.digests import digest
from a3dgen.engine.executor import Done, Executor, Inline
from a3dgen.engine.slurm import slurm_cluster
from a3dgen.engine.tasks import Task, run_task
from a3dgen.engine.worker_setup import LOG_VARIABLE

CLOSE_SECONDS = 15
CONNECT_SECONDS = 10.0
log = logging.getLogger("a3dgen")
WORKERS_SECONDS = 60
POLL_SECONDS = 0.5
MAP_RETRIES = 3
START_TRIES = 3
WORKERLESS_SECONDS = 30.0
"""After this long without any local worker new ones are started. (Dask gives up on a worker that dies as it starts.)"""
WORKER_LOG = "workers.log"
SILENT = (*(f"distributed{part}" for part in ("", ".worker", ".nanny", ".scheduler")), "tornado", "asyncio")
"""What these log about lost connections and workers, the build says in its own words."""


class Cluster:
    """Runs tasks on Dask workers: spawned local processes, jobs of a batch system, or those of a running scheduler.

    A task whose worker is lost comes back as ``died`` at once; when to try it again is the build's decision.
    Only the small Task goes out and only its summary comes back: shards are written and read by the workers.

    Args:
        run: how the build is run.
        folder: the build folder, where logs go; None if there is none.

    Raises:
        ConfigError: if the scheduler does not answer, or its workers cannot be used.
    """

    def __init__(self, run: RunConfig, folder: Path | None = None) -> None:
        import dask

        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way: dict[str, tuple[Task, Any]] = {}
        self._lost: deque[Task] = deque()
        self._count = 0
        self._starts = 0
        self._workerless: float | None = None
        self._lock = threading.Lock()
        self._run, self._folder = run, folder
        # Keys name the build and this process: two builds on one scheduler must not take each other's results.
        self._build = f"a3dgen-{digest(str(folder))[:12]}"
        self._name = f"{self._build}-{uuid.uuid4().hex[:8]}"
        self._remote = bool(run.scheduler)
        self._kind = run.cluster
        self._own: Any = None
        self._client: Any = None
        for name in SILENT:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        os.environ.update(ONE_THREAD)
        dask.config.set(_settings())
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        run, folder = self._run, self._folder
        if run.cluster == "slurm":
            self._own = slurm_cluster(run.slurm, run.workers, folder or Path())
        elif not run.scheduler:
            fork_server.begin()
            with interrupts.postponed():
                self._own = _local_cluster(run.workers, str(folder / WORKER_LOG) if folder else "")
        self._connect(run.scheduler)
        self._starts += 1

    def _watch(self) -> None:
        """Start the local workers anew if none has been left for a while; what was under way is lost."""
        if self._remote or self._kind:
            return
        with self._lock:
            if self._workers():
                self._workerless = None
                return
            now = time.monotonic()
            self._workerless = self._workerless or now
            if now - self._workerless < WORKERLESS_SECONDS:
                return
            log.warning("no worker process is left; starting new ones")
            self._lost.extend(task for task, _ in self._under_way.values())
            self._under_way.clear()
            self.close()
            self._start()
            self._workerless = None

    def _connect(self, scheduler: str) -> None:
        from distributed import Client

        try:
            self._client = Client(scheduler or self._own, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"no Dask scheduler answers at {scheduler}: start one with 'dask scheduler'") from error
        if scheduler:
            self._meet_workers(scheduler)

    def _meet_workers(self, scheduler: str) -> None:
        """Wait for the first worker, check them all, and let tasks end that an earlier build left running there."""
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError as error:
            raise ConfigError(f"{scheduler} has no workers: start some with 'dask worker {scheduler}'") from error
        for address, facts in self._client.run(_facts, on_error="return").items():
            if not isinstance(facts, dict):
                raise ConfigError(f"worker {address} cannot run a3dgen ({facts}): install the same version there")
            if facts["version"] != a3dgen.__version__:
                raise ConfigError(f"worker {address} has a3dgen {facts['version']}, not {a3dgen.__version__}")
            if facts["threads"] != 1:
                raise ConfigError(
                    f"worker {address} has {facts['threads']} threads: start it with "
                    f"'dask worker --nthreads 1 --nworkers {facts['threads']} {scheduler}'"
                )
        while any(self._client.run(_running, self._build).values()):
            interrupts.check()
            time.sleep(POLL_SECONDS)

    def submit(self, task: Task) -> None:
        self._count += 1
        name = f"{self._name}-{task.spec.name}-{task.shard:06d}-{self._count}"
        future = self._client.submit(run_task, task, key=name, pure=False, priority=-self._count)  # as handed out
        self._under_way[name] = (task, future)
        future.add_done_callback(self._finished.put)

    def next(self, timeout: float) -> Done | None:
        from distributed.scheduler import KilledWorker

        interrupts.check()
        if self._lost:
            return Done(self._lost.popleft(), None, RuntimeError("no worker was left"), died=True)
        try:
            future = self._finished.get(timeout=timeout)
        except queue.Empty:
            self._watch()
            return None
        task, _ = self._under_way.pop(future.key, (None, None))
        if task is None:  # of workers that are no more: it counts as lost already
            return None
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
                waiting.append((item, self._client.submit(_limited, function, item, key=self._call(), pure=False)))
            if not waiting:
                return
            interrupts.check()
            item, future = waiting.popleft()
            yield self._result(function, item, future)

    def _result(self, function: Callable[[Any], Any], item: Any, future: Any) -> Any:
        """Wait for one call; a call whose worker died is made again."""
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        for left in reversed(range(MAP_RETRIES)):
            try:
                return self._wait(future)
            except (KilledWorker, CancelledError):
                if not left:
                    raise
                future = self._client.submit(_limited, function, item, key=self._call(), pure=False)
        raise AssertionError

    def _wait(self, future: Any) -> Any:
        from distributed import CancelledError

        while not future.done():
            interrupts.check()
            try:
                return future.result(timeout=4 * POLL_SECONDS)
            except TimeoutError:
                self._watch()
        if future.cancelled():
            raise CancelledError(future.key)
        return future.result()

    def _call(self) -> str:
        return f"{self._name}-call-{uuid.uuid4().hex}"  # also from the thread that compiles ahead

    def slots(self) -> int:
        """Return how many tasks to have under way: two a worker, so that none waits for the next."""
        return max(1, 2 * len(self._workers()))

    def _workers(self) -> Mapping[str, Any]:
        return self._client.scheduler_info(n_workers=-1)["workers"]

    def describe(self) -> str:
        workers = len(self._workers())
        where = self._client.scheduler.address if self._remote else self._kind or "local processes"
        link = self._client.dashboard_link if self._remote or find_spec("bokeh") else ""
        return f"{workers} workers ({where}){f', dashboard {link}' if link else ''}"

    def close(self) -> None:
        if self._remote and self._under_way:
            self._client.cancel([future for _, future in self._under_way.values()], force=True)
        for part in (self._client, self._own):
            try:
                if part is not None:
                    part.close(timeout=CLOSE_SECONDS)
            except Exception as error:  # nothing is lost: results are on disk, and workers end with this process
                log.debug("closing the workers failed: %s", error)


def _local_cluster(workers: int, log: str) -> Any:
    """Start worker processes on this machine; what libraries print in them goes to the file ``log``."""
    from distributed import LocalCluster

    for left in reversed(range(START_TRIES)):
        try:
            return LocalCluster(
                n_workers=default_workers() if workers < 0 else workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                memory_limit=None,
                env={**ONE_THREAD, LOG_VARIABLE: log},
                silence_logs=logging.CRITICAL,
            )
        except Exception as error:  # a worker may be killed before it has started
            if not left:
                raise A3dgenError(f"cannot start worker processes ({error}); --workers 0 needs none") from error
    raise AssertionError


def _facts(dask_worker: Any) -> dict[str, Any]:
    """Return, on a worker, what must be right there; Dask fills in ``dask_worker``."""
    return {"version": a3dgen.__version__, "threads": dask_worker.state.nthreads}


def _running(build: str, dask_worker: Any) -> int:
    """Return, on a worker, how many tasks of a build are running there."""
    return sum(str(key).startswith(build) for key in list(dask_worker.active_threads.values()))


def _limited(function: Callable[[Any], Any], item: Any) -> Any:
    limit_threads()
    return function(item)


def make_executor(run: RunConfig, folder: Path | None = None) -> Executor:
    """Return where to run; ``folder`` is the build folder, for logs."""
    if not run.scheduler and not run.cluster and run.workers == 0:
        return Inline()
    return Cluster(run, folder)


def _settings() -> dict[str, Any]:
    """Return the Dask settings: no task is silently retried, workers are spawned, keep one thread, and are not
    profiled (which costs time, and memory that grows for an hour)."""
    return {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.multiprocessing-method": fork_server.METHOD,
        "distributed.worker.preload": ["a3dgen.engine.worker_setup"],
        "distributed.worker.profile.enabled": False,
        "distributed.nanny.pre-spawn-environ": dict(ONE_THREAD),
        "distributed.comm.timeouts.connect": "30s",
        "distributed.admin.log-format": "%(message)s",
    }
