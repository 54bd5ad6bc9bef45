"""How workers start: as copies of one process, early, and in the background; and in what order they get their tasks."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from toystages import TABLE, report

from a3dgen.cli import parse
from a3dgen.commands.early_start import will_build
from a3dgen.config import build_config
from a3dgen.core.errors import ConfigError
from a3dgen.core.run_config import RunConfig
from a3dgen.core.stage import Context
from a3dgen.engine.build import Build
from a3dgen.engine.dask_cluster import Cluster
from a3dgen.engine.executor import Crew, Inline
from a3dgen.engine.fork_server import METHOD
from a3dgen.engine.progress import Quiet
from a3dgen.engine.schedule import turn_of
from a3dgen.engine.shrinking import Consent


def _origin(_: int) -> tuple[int, bool]:
    return os.getppid(), "a3dgen.stages.render" in sys.modules


@pytest.mark.skipif(METHOD != "forkserver", reason="workers are spawned here")
def test_workers_are_copies_of_one_process_that_has_imported_the_stages(tmp_path: Path) -> None:
    cluster = Cluster(RunConfig(workers=2), tmp_path)
    try:
        found = list(cluster.map(_origin, range(4)))
    finally:
        cluster.close()
    assert {pid for pid, _ in found} != {os.getpid()}
    assert len({pid for pid, _ in found}) == 1
    assert all(imported for _, imported in found)


class Gate(Inline):
    """An executor that takes long to come, and says when it ends."""

    def __init__(self, gate: threading.Event, ended: list[str]) -> None:
        gate.wait(10)
        super().__init__()
        self._ended = ended

    def close(self) -> None:
        self._ended.append("closed")


def test_a_crew_comes_in_the_background() -> None:
    gate, said = threading.Event(), []
    crew = Crew(lambda: Gate(gate, said), said.append)
    crew.summon()
    assert not said
    gate.set()
    first = crew.executor()
    crew.summon()
    assert crew.executor() is first
    crew.close()
    assert said == ["in this process", "closed"]


def test_a_crew_that_nobody_asked_for_is_ended_too() -> None:
    gate, ended = threading.Event(), []
    crew = Crew(lambda: Gate(gate, ended), lambda _: None)
    crew.summon()
    crew.dismiss()
    gate.set()
    crew.close()
    assert ended == ["closed"]


def test_a_crew_that_cannot_come_says_why_when_it_is_needed() -> None:
    def fail() -> Inline:
        raise ConfigError("no room")

    crew = Crew(fail, lambda _: None)
    crew.summon()
    with pytest.raises(ConfigError, match="no room"):
        crew.executor()
    crew.close()


def toy(out: Path, workers: int) -> None:
    """Build the toy stages in this process, as if there were ``workers``."""
    run = {"out": str(out), "workers": workers, "shard_size": 4}
    config = build_config({"sources": {}}, "toy", "toy.yaml", TABLE, run)
    Build(config, Inline, Quiet(), lambda: "body", table=TABLE, consent=Consent(True)).run()


def test_what_gathers_is_loaded_while_others_are_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, bool]] = []

    def warm(context: Context) -> None:
        loaded.append((context.folder.name, threading.current_thread() is threading.main_thread()))
        raise ValueError("costs nothing but time")

    monkeypatch.setattr(report, "warm", warm, raising=False)
    toy(tmp_path / "alone", 0)
    assert not loaded  # it would only be in the way
    toy(tmp_path / "out", 2)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "(_load)" in thread.name:
            thread.join()
    assert loaded == [("report", False)]
    toy(tmp_path / "out", 2)
    assert len(loaded) == 1  # a finished build loads nothing
    assert (tmp_path / "out" / "report.html").exists()


def order(end: int, sizes: dict[int, int]) -> list[tuple[int, int]]:
    """(shard, position) of two stages in the order in which they would be handed out if all could be at once."""
    tasks = [(shard, position) for shard in sizes for position in (0, 1)]
    return sorted(tasks, key=lambda task: turn_of(*task, sizes[task[0]], end))


def test_whole_chains_first_but_the_end_stage_by_stage_and_the_largest_first() -> None:
    sizes = {0: 9, 1: 1, 2: 3, 3: 7}
    assert order(2, sizes) == [(0, 0), (0, 1), (1, 0), (1, 1), (3, 0), (2, 0), (3, 1), (2, 1)]
    assert order(0, sizes)[:4] == [(0, 0), (3, 0), (2, 0), (1, 0)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("build", True),
        ("build --config demo", True),
        ("build --config coco", True),
        ("build --config coco --out made", False),
        ("build --config made", False),
        ("render", True),
        ("custom photos", True),
        ("custom photos --out made", False),
        ("build --workers 0", False),
        ("build --workers 2", True),
        ("build workers=0", False),
        ("build --set out=elsewhere", False),
        ("build --scheduler tcp://x:1", False),
        ("build --cluster slurm --workers 4", False),
        ("custom photos --workers 0", False),
    ],
)
def test_workers_begin_early_only_where_nothing_has_been_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, expected: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("made", "build/made"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "report.html").touch()
    assert will_build(parse(words.split())) is expected
