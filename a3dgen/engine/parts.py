"""Parts of a shard: one stage's work on some of its keys, so that several workers can share the last shards of a build.

A part writes its pictures, which it lists as a whole shard does, and returns its rows; who handed the parts out puts
them together in order and writes the shard. Until then it does not exist: whatever dies, all of it is made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from a3dgen.core.files import Recorder
from a3dgen.core.records import Outcome
from a3dgen.core.stage import Output
from a3dgen.engine.tasks import Task, require_folder, shard_path, storage_error, write_result
from a3dgen.io.file_list import list_path
from a3dgen.io.shards import read_shard

SPLIT = ("background", "render")
"""Stages that treat their people one by one."""


def split(task: Task, most: int) -> list[Task]:
    """Return a task in at most so many parts, or as it is.

    People of one photo stay together where their plates are made, which takes knowledge of each other, and all samples
    of a person where they are drawn.
    """
    if most < 2 or task.repair or task.part or task.spec.name not in SPLIT:
        return [task]
    runs = share_out(_together(task), most)
    return [replace(task, part=tuple(keys)) for keys in runs] if len(runs) > 1 else [task]


def _together(task: Task) -> list[list[str]]:
    """Return the keys of a stage in order, in groups that stay together."""
    out, shard = task.context.out, task.shard
    plans: Any = read_shard(shard_path(out, "amputate", shard), ["Plans"])["Plans"]
    if task.spec.name == "render":
        return [[key for key, _ in group] for _, group in groupby(zip(plans.key, plans.parent, strict=True), _second)]
    persons: Any = read_shard(shard_path(out, "ingest", shard), ["Persons"])["Persons"]
    photo = dict(zip(persons.key, persons.image, strict=True))
    people = list(dict.fromkeys(str(p) for p in plans.parent))
    return [list(group) for _, group in groupby(people, photo.__getitem__)]


def _second(pair: tuple[str, str]) -> str:
    return pair[1]


def share_out(groups: Sequence[Sequence[str]], most: int) -> list[list[str]]:
    """Return groups in at most ``most`` runs of about as many keys; the order stays."""
    whole = sum(map(len, groups))
    runs: list[list[str]] = []
    before = 0
    for group in groups:
        if not runs or before + len(group) / 2 > len(runs) * whole / most:
            runs.append([])
        runs[-1] += group
        before += len(group)
    return runs


@dataclass
class Parts:
    """What has been split, and what has come of it.

    Attributes:
        tasks: stage and shard -> the whole task. found: stage and shard -> keys of a part -> its facts, None so far.
    """

    tasks: dict[tuple[str, int], Task] = field(default_factory=dict)
    found: dict[tuple[str, int], dict[tuple[str, ...], Mapping[str, Any] | None]] = field(default_factory=dict)

    def add(self, task: Task, parts: Sequence[Task]) -> None:
        """Begin with a task that has been split."""
        name = task.spec.name, task.shard
        self.tasks[name], self.found[name] = task, {part.part: None for part in parts}

    def has(self, part: Task) -> bool:
        """Whether the shard of a part is still made in parts."""
        return (part.spec.name, part.shard) in self.tasks

    def take(self, part: Task, facts: Mapping[str, Any]) -> tuple[Task, dict[str, Any]] | None:
        """Take what a part has returned; return the whole task and the facts of its shard if none is missing any more.

        Raises:
            StorageError: if the shard cannot be written.
        """
        if not self.has(part):  # given up: the shard is made in one piece
            return None
        parts = self.found[part.spec.name, part.shard]
        parts[part.part] = facts
        found = [f for f in parts.values() if f is not None]
        if len(found) < len(parts):
            return None
        whole = self.give_up(part)
        return whole, put_together(whole, found)

    def give_up(self, part: Task) -> Task:
        """Forget the parts of a shard; return the whole task."""
        name = part.spec.name, part.shard
        del self.found[name]
        return self.tasks.pop(name)


def put_together(task: Task, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write the shard of a task from what its parts have returned, in order; return what ``run_task`` would.

    Raises:
        StorageError: if it cannot be written.
    """
    out, path = task.context.out, shard_path(task.context.out, task.spec.name, task.shard)
    results = [facts["result"] for facts in found]
    record = type(results[0].record).concat([r.record for r in results])
    result = Output(record, Outcome.concat([r.outcome for r in results]))
    made = {name: facts for part in found for name, facts in part["made"].items()}
    plans: Any = read_shard(shard_path(out, "amputate", task.shard), ["Plans"])["Plans"]
    try:
        require_folder(out)
        facts = write_result(task, plans, result, Recorder(out, list_path(path), made))
    except OSError as error:
        raise storage_error(out, error) from error
    return {**facts, "seconds": sum(part["seconds"] for part in found)}
