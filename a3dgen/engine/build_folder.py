"""The build folder: its lock, removal of stale files, and its shards as a gathering stage reads them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from a3dgen.core import interrupts
from a3dgen.core.errors import ConfigError
from a3dgen.core.stage import Inputs
from a3dgen.engine.tasks import FILE_COLUMNS, LOCK, files_of, load_inputs, require_folder, shard_path
from a3dgen.io.shards import read_shard, remove_shard, sidecar_path, sweep
from a3dgen.stages.table import StageSpec

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


PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def remove_shards_from(folder: Path, first: int) -> int:
    """Delete the shards numbered ``first`` and up of one stage; return how many."""
    removed = 0
    for path in folder.glob("[0-9]*.h5") if folder.is_dir() else ():
        if path.stem.isdigit() and int(path.stem) >= first:
            remove_shard(path)
            removed += 1
    for path in folder.glob("[0-9]*.json") if folder.is_dir() else ():
        if path.stem.isdigit() and int(path.stem) >= first:
            path.unlink()
    return removed


def remove_orphans(out: Path, spec: StageSpec, count: int) -> int:
    """Delete pictures in a stage's folder that none of its ``count`` shards names; return how many.

    A sidecar ``<picture>.json`` goes with its picture. Only hashes of the names are held.
    """
    if spec.produces is None or spec.produces.__name__ not in FILE_COLUMNS:
        return 0
    named: set[int] = set()
    for shard in range(count):
        for record in read_shard(shard_path(out, spec.name, shard)).values():
            named.update(hash(name) for name in files_of(record))
    removed = 0
    for root, _, files in os.walk(out / spec.name):
        for name in files:
            path = Path(root) / name
            if path.suffix.lower() in PICTURES and hash(str(path.relative_to(out))) not in named:
                path.unlink()
                sidecar_path(path).unlink(missing_ok=True)
                removed += 1
    return removed
