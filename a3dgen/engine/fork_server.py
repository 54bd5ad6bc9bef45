"""Local workers start as copies of one process that has imported what they need: its start is paid once, and early.

Python's fork server keeps one thread and holds nothing but modules and what these made when they were imported. It ends
with the processes that use it, however they end. Only on Linux: elsewhere libraries cannot be trusted after a fork,
and every worker is spawned anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from multiprocessing import forkserver, resource_tracker

from a3dgen.core import interrupts

IMAGE = "a3dgen.engine.worker_image"
"""The module that imports what workers need."""
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How workers start, in the words of ``multiprocessing``."""


def begin(modules: Sequence[str] = (IMAGE,)) -> None:
    """Start the process that workers are copied from, unless it runs already; returns at once, while it imports.

    Args:
        modules: what it imports; one that is not there is left to the workers.
    """
    if METHOD != "forkserver":
        return
    resource_tracker.ensure_running()  # which would undo what comes next
    with interrupts.postponed():
        forkserver.set_forkserver_preload(list(modules))
        forkserver.ensure_running()
