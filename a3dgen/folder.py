"""The build folder: who holds it, what was left behind in it, and its shards as a gathering stage reads them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from a3dgen import interrupts
from a3dgen.errors import ConfigError
from a3dgen.io.shards import sweep
from a3dgen.stage_table import StageSpec
from a3dgen.stages import Inputs
from a3dgen.tasks import LOCK, load_inputs, require_folder

RAW, TRUTH = "raw", "truth"
"""Where the demo's data lie below the build folder; the pipeline reads the first and only the report the second."""


def sweep_folder(out: Path, stages: Iterable[str]) -> None:
    """Delete the temporaries of killed processes; the dataset itself is only ever moved into place whole."""
    for name in (*stages, RAW, TRUTH):
        sweep(out / name)
    sweep(out, deep=False)


class Shards:
    """All shards of a build as a gathering stage sees them: read one at a time, as often as it likes."""

    def __init__(self, out: Path, spec: StageSpec, count: int, report: Callable[[], None]) -> None:
        self._out, self._spec, self._count, self._report = out, spec, count, report

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Inputs]:
        for shard in interrupts.checked(range(self._count)):
            require_folder(self._out)
            yield load_inputs(self._out, shard, self._spec.needs)
            self._report()


@contextlib.contextmanager
def folder_lock(out: Path) -> Iterator[None]:
    """Hold the build folder; the system frees it when the process ends, however it ends.

    Raises:
        ConfigError: if another build holds it.
    """
    out.mkdir(parents=True, exist_ok=True)
    handle = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 100, 0).decode(errors="replace").strip()
            raise ConfigError(f"{out}: another build is running there ({holder}); wait for it or use --out") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
