"""Shards that are drawn in parts have the bytes of those drawn whole, whatever fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toystages import TABLE
from toystages.processes import check_same

from a3dgen.config import build_config
from a3dgen.engine.build import Build
from a3dgen.engine.executor import Inline
from a3dgen.engine.ledger import Ledger
from a3dgen.engine.parts import share_out
from a3dgen.engine.progress import Quiet
from a3dgen.engine.shrinking import Consent
from a3dgen.engine.tasks import Task, run_task

PEOPLE = {"ingest": {"people": 11, "refuse": 2}, "render": {"reject": ["toy/2/v0"]}}


def toy(
    out: Path, workers: int, run: Callable[[Task], dict[str, Any]] = run_task, size: int = 4, **tree: Any
) -> Ledger:
    """Build the toy stages in this process, as if there were ``workers``."""
    how = {"out": str(out), "workers": workers, "shard_size": size}
    config = build_config({"sources": {}, **PEOPLE, **tree}, "toy", "toy.yaml", TABLE, how)
    return Build(config, lambda: Inline(run), Quiet(), lambda: "body", table=TABLE, consent=Consent(True)).run()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    toy(out, 0)
    return out


def test_parts_make_the_same_shards(tmp_path: Path, whole: Path) -> None:
    seen: list[Task] = []

    def run(task: Task) -> dict[str, Any]:
        seen.append(task)
        return run_task(task)

    ledger = toy(tmp_path / "out", 2, run)
    parts = [task for task in seen if task.part]
    assert {task.spec.name for task in parts} == {"background", "render"}
    assert len(parts) > 6
    check_same(tmp_path / "out", whole)
    assert ledger.stages["render"].made == 2  # shards, not parts
    assert toy(tmp_path / "out", 2, run).made == 0


def test_the_files_of_parts_are_known(tmp_path: Path) -> None:
    """What a part wrote goes when it is needed no more, as with whole shards."""
    toy(tmp_path / "out", 2, amputate={"variants": 2})
    many = len(list((tmp_path / "out" / "render" / "Images").glob("*.png")))
    toy(tmp_path / "out", 2, amputate={"variants": 1})
    assert 0 < len(list((tmp_path / "out" / "render" / "Images").glob("*.png"))) < many


def test_a_part_that_fails_is_tried_again(tmp_path: Path, whole: Path) -> None:
    failed: set[tuple[str, ...]] = set()

    def run(task: Task) -> dict[str, Any]:
        if task.part and task.spec.name == "render" and task.shard == 1 and not failed:
            failed.add(task.part)
            run_task(task)  # its pictures are there, its rows are lost
            raise MemoryError
        return run_task(task)

    toy(tmp_path / "out", 2, run)
    assert failed
    check_same(tmp_path / "out", whole)


def test_a_shard_whose_parts_keep_failing_is_made_whole(tmp_path: Path, whole: Path) -> None:
    def run(task: Task) -> dict[str, Any]:
        if task.part and task.spec.name == "render" and task.shard == 1:
            raise MemoryError
        return run_task(task)

    toy(tmp_path / "out", 2, run)
    check_same(tmp_path / "out", whole)


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([1, 1, 1, 1], 2, [2, 2]),
        ([1, 1, 1], 2, [2, 1]),
        ([5, 1, 1], 2, [5, 2]),
        ([1, 1, 5], 2, [2, 5]),
        ([2, 2], 4, [2, 2]),
        ([3], 4, [3]),
        ([], 4, []),
        ([1] * 7, 3, [2, 3, 2]),
    ],
)
def test_groups_are_shared_out_in_order(sizes: list[int], most: int, expected: list[int]) -> None:
    groups = [[f"{i}.{k}" for k in range(n)] for i, n in enumerate(sizes)]
    runs = share_out(groups, most)
    assert [len(run) for run in runs] == expected
    assert [key for run in runs for key in run] == [key for group in groups for key in group]
