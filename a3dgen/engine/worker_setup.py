"""Set-up that every worker of a local cluster runs when it starts (``distributed.worker.preload``)."""

from __future__ import annotations

import os
import signal
from typing import Any

from a3dgen.core.threads import limit_threads
from a3dgen.core.worker_memory import keep_freed_memory

LOG_VARIABLE = "A3DGEN_WORKER_LOG"
"""File that takes what libraries print in the workers, so that it does not run through the progress bars."""


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the process that started the workers, which ends them; keep to one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    limit_threads()
    keep_freed_memory()
    path = os.environ.get(LOG_VARIABLE)
    if path:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
