"""Workers as Slurm jobs, through the optional package dask-jobqueue."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from a3dgen.core import interrupts
from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.run_config import SlurmConfig
from a3dgen.core.threads import ONE_THREAD

POLL_SECONDS = 0.5
LOGS = "slurm"
"""Folder below the build folder for what the jobs print."""


def slurm_cluster(settings: SlurmConfig, workers: int, folder: Path) -> Any:
    """Start a Dask scheduler in this process and ask Slurm for jobs that hold its workers.

    Args:
        settings: what the jobs are like.
        workers: single-threaded worker processes wanted in all; jobs come in whole.
        folder: the build folder, on a file system that the nodes share.

    Returns:
        A ``dask_jobqueue.SLURMCluster`` whose first worker has come, however long the queue was.

    Raises:
        MissingDependency: without dask-jobqueue.
        ConfigError: if there is no ``sbatch`` here, or it or dask-jobqueue does not like an option.
    """
    try:
        with interrupts.kept():  # dask-jobqueue's import makes Ctrl-C end the process without a word
            from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise MissingDependency("dask-jobqueue", "--cluster slurm", "pip install 'a3dgen[slurm]'") from error
    if shutil.which("sbatch") is None:
        raise ConfigError("--cluster slurm: there is no 'sbatch' here; run on a machine that may submit jobs")
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    with _Refusals() as refusals:
        try:
            cluster = SLURMCluster(**job_options(settings, folder))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"--cluster slurm: {error}") from error
        try:
            cluster.scale(workers)
            while not cluster.scheduler_info["workers"]:
                interrupts.check()
                refusals.check()
                time.sleep(POLL_SECONDS)
        except BaseException:
            # Jobs that were refused break dask-jobqueue's own clean-up; what made us stop is what matters.
            with contextlib.suppress(Exception):
                cluster.close()
            raise
    return cluster


def job_options(settings: SlurmConfig, folder: Path) -> dict[str, Any]:
    """Return the arguments of ``SLURMCluster``: one thread a worker, in the environment of local workers."""
    named = {name: getattr(settings, name) or None for name in ("queue", "account", "walltime", "interface", "python")}
    return {
        **named,
        "cores": settings.processes,
        "processes": settings.processes,
        "memory": settings.memory,
        "job_name": "a3dgen",
        "job_extra_directives": list(settings.directives),
        "job_script_prologue": [*(f"export {k}={v}" for k, v in ONE_THREAD.items()), *settings.prologue],
        "worker_extra_args": ["--preload", "a3dgen.engine.worker_setup"],
        "local_directory": settings.local_directory or None,
        "log_directory": str(folder / LOGS),
        "scheduler_options": {"dashboard_address": ":0"},
    }


class _Refusals(logging.Handler):
    """Catches what the event loop logs when ``sbatch`` refuses: nobody waits for that call, so nobody is told."""

    LOGGERS = ("tornado.application", "asyncio")

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._errors.append(record.exc_info[1])

    def __enter__(self) -> _Refusals:
        loggers = [logging.getLogger(name) for name in self.LOGGERS]
        self._before = [(logger, logger.level, logger.handlers) for logger in loggers]
        for logger in loggers:
            logger.handlers = [self]
            logger.setLevel(logging.ERROR)
        return self

    def __exit__(self, *_: object) -> None:
        for logger, level, handlers in self._before:
            logger.setLevel(level)
            logger.handlers = handlers

    def check(self) -> None:
        """Raise ConfigError with the last line of what ``sbatch`` said, if it refused."""
        for error in self._errors:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ConfigError(f"--cluster slurm: {lines[-1] if lines else repr(error)}")
