"""The build folder: its lock, removal of stale files, and its shards as a gathering stage reads them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from a3dgen.core import interrupts
from a3dgen.core.errors import ConfigError
from a3dgen.core.files import remove, remove_listed, sweep
from a3dgen.core.ownership import ADOPTED, BUILD, MARKER, OURS, check_owner, write_marker
from a3dgen.core.stage import Inputs
from a3dgen.engine.adoption import is_old_build, list_old_files
from a3dgen.engine.pictures import doubt
from a3dgen.engine.tasks import LOCK, load_inputs, require_folder
from a3dgen.io.file_list import SUFFIX, read_list, write_list
from a3dgen.io.shards import remove_shard
from a3dgen.stages.table import DATASET_FOLDER, REPORT_FILE, StageSpec

RAW, TRUTH = "raw", "truth"
"""Where the demo's data lie below the build folder; the pipeline reads the first and only the report the second."""


FILES = ("config.json", "run.json", "log.jsonl", "workers.log", "forgotten.json", "review.csv")
"""Files at the top of a build folder, besides dataset and report."""


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
            yield load_inputs(self._out, shard, self._spec.needs, pictures=True)
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


def own_names(stages: Iterable[str]) -> list[str]:
    """Return the names that a build makes at the top of its folder."""
    return [MARKER, DATASET_FOLDER, REPORT_FILE, *FILES, *stages, RAW, TRUTH]


@contextlib.contextmanager
def held(out: Path, stages: Iterable[str], force: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the build folder, which is new, empty or a build's; nothing is touched in any other.

    Args:
        out: the folder. stages: names of the folders in it. force: also beside things of somebody else's, as long as
            no name of ours is taken. say: told of a folder that an earlier version made.

    Raises:
        ConfigError: if it is somebody else's, or another build holds it. DataError: if its marker is damaged.
    """
    check_owner(out, BUILD, own_names(stages), force, is_old_build)
    with folder_lock(out):
        owner = check_owner(out, BUILD, own_names(stages), force, is_old_build)  # nobody else writes now
        if owner != OURS:
            if owner == ADOPTED:
                say(f"{out}: a build of an earlier version, by its own records; it goes on as one of this version")
                list_old_files(out)
            write_marker(out, BUILD)
        yield


def remove_shards_from(folder: Path, first: int) -> int:
    """Delete the shards numbered ``first`` and up of one stage; return how many.

    Their pictures are only doubted: other shards may name them now (see ``remove_orphans``).
    """
    removed = 0
    for listed in sorted(folder.glob(f"[0-9]*{SUFFIX}")):
        if listed.stem.isdigit() and int(listed.stem) >= first:
            shard = listed.with_suffix(".h5")
            removed += shard.exists()
            remove_shard(shard)
            doubt(shard)
    return removed


def has_leftovers(out: Path, stage: str, count: int) -> bool:
    """Whether a stage has lists of files of shards that are no more."""
    return any(int(p.stem) >= count for p in (out / stage).glob(f"[0-9]*{SUFFIX}") if p.stem.isdigit())


def remove_orphans(out: Path, stage: str, count: int) -> int:
    """Delete files that a stage has made and that none of its ``count`` shards needs; return how many.

    What is in nobody's list is not ours to delete.
    """
    lists = {path: read_list(path) for path in (out / stage).glob(f"[0-9]*{SUFFIX}") if path.stem.isdigit()}
    needed = {hash(f"{stage}/{number:06d}{end}") for number in range(count) for end in (".h5", ".json")}
    for path, times in lists.items():
        if int(path.stem) < count:
            needed.update(hash(name) for name, time in times.items() if time is not None)
    removed = 0
    for path, times in lists.items():
        mine = {name: time for name, time in times.items() if time is not None and int(path.stem) < count}
        removed += remove_listed(out, [name for name in times if hash(name) not in needed])
        if mine:
            if mine != times:
                write_list(path, mine)
        else:
            remove(path)
    return removed
