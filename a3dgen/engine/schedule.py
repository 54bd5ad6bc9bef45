"""Schedules shards through the shard stages: keeps what is fresh, submits what is not."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from a3dgen.config import BuildConfig
from a3dgen.core import interrupts
from a3dgen.core.errors import A3dgenError
from a3dgen.core.machine import default_workers
from a3dgen.core.stage import Context
from a3dgen.engine.executor import Done, Executor
from a3dgen.engine.freshness import Freshness
from a3dgen.engine.isolation import Isolation
from a3dgen.engine.ledger import fed
from a3dgen.engine.parts import Parts, split
from a3dgen.engine.pictures import doubt, keys_of
from a3dgen.engine.tasks import Task, shard_path
from a3dgen.stages.table import StageSpec

POLL_SECONDS = 0.5
Turn = tuple[int, int, int, int]
"""What comes first is less."""
_END, _PARTS = 2, 4
"""Shards a worker that make up the end of a build; parts a worker that these are split into."""


@dataclass
class Flow:
    """One pass over all shards.

    Attributes:
        config, chain, fresh: the build's settings, the stages in order, and what can be kept.
        context: returns what a stage may know.
        pool: returns where to run; called when the first task must run.
        book: takes the facts of a finished shard, and whether it was made now.
        trouble: told of dead workers and failed attempts.
        force: stages to run again even if nothing they depend on has changed.
        retry_failed: also remake shards in which a key failed.
    """

    config: BuildConfig
    chain: list[StageSpec]
    fresh: Freshness
    context: Callable[[StageSpec], Context]
    pool: Callable[[], Executor]
    book: Callable[[StageSpec, Mapping[str, Any], bool], None]
    trouble: Callable[[str], None]
    force: frozenset[str] = frozenset()
    retry_failed: bool = False
    _queue: list[tuple[Turn, int, Task]] = field(default_factory=list)
    _queued: int = 0
    _count: int = 0
    _keys: dict[tuple[int, str], int] = field(default_factory=dict)
    _parts: Parts = field(default_factory=Parts)
    _under_way: int = 0
    _tries: dict[tuple[str, int], int] = field(default_factory=dict)
    _suspects: list[Task] = field(default_factory=list)

    def run(self, count: int) -> None:
        """Bring ``count`` shards up to date.

        Raises:
            A3dgenError: for what the user must fix; what is finished by then stays valid.
        """
        self._count = count
        for shard in interrupts.checked(range(count)):
            self._advance(shard, 0)
        while self._queue or self._under_way or self._suspects:
            if not self._queue and not self._under_way:
                task = self._suspects.pop(0)
                self._finish(task, Isolation(self.pool(), self.trouble).finish(task))
                continue
            self._fill()
            done = self.pool().next(POLL_SECONDS)
            if done is not None:
                self._under_way -= 1
                self._handle(done)

    def _advance(self, shard: int, position: int) -> None:
        """Keep what is up to date of a shard's chain from ``position`` on, and queue the first stage that is not."""
        for at in range(position, len(self.chain)):
            spec = self.chain[at]
            depends = self.fresh.shard_depends(spec, shard)
            facts, repair = self._keep(spec, shard, depends)
            if facts is None:
                config = self.config.stages[spec.name]
                task = Task(spec, shard, config, self.context(spec), depends or {}, repair=repair)
                self._begin(task)
                return
            self._note(spec, shard, facts, False)

    def _note(self, spec: StageSpec, shard: int, facts: Mapping[str, Any], made: bool) -> None:
        """Book a finished shard, and remember how many keys it gives to later stages."""
        self.book(spec, facts, made)
        for later in self.chain:
            self._keys[shard, later.name] = self._keys.get((shard, later.name), 0) + fed(spec.name, facts, later.name)

    def _begin(self, task: Task) -> None:
        """Put a task in its turn; at the end of a build in parts, if several workers of this machine can share it."""
        most = 1
        end = self._first_of_the_end()
        if task.shard >= end and self._workers() > 1 and self._here() and not self.config.temporal:
            most = math.ceil(_PARTS * self._workers() / max(1, self._count - max(0, end)))
        parts = split(task, most)
        if len(parts) > 1:
            doubt(shard_path(self.fresh.out, task.spec.name, task.shard))
            self._parts.add(task, parts)
        for part in parts:
            self._enqueue(part)

    def _enqueue(self, task: Task) -> None:
        """Put a task in its turn; the heap must never compare tasks."""
        keys = len(task.part) or self._keys.get((task.shard, task.spec.name), 0)
        turn = turn_of(task.shard, self.chain.index(task.spec), keys, self._first_of_the_end())
        self._queued += 1
        heapq.heappush(self._queue, (turn, self._queued, task))

    def _first_of_the_end(self) -> int:
        return self._count - _END * self._workers()

    def _here(self) -> bool:
        run = self.config.run
        return not run.scheduler and not run.cluster and run.workers != 0

    def _workers(self) -> int:
        return default_workers() if self.config.run.workers < 0 else max(1, self.config.run.workers)

    def _keep(
        self, spec: StageSpec, shard: int, depends: Mapping[str, Any] | None
    ) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
        """Return the facts of a shard that can be kept, or None and the keys whose pictures are all that is damaged.

        Damage is told, what merely changed is not.
        """
        if spec.name in self.force:
            return None, ()
        verdict = self.fresh.shard(spec, shard, depends)
        if verdict.damage:
            self.trouble(f"{spec.name}, shard {shard}: {verdict.why}; it is made again")
        failed = verdict.facts is not None and verdict.facts["counts"].get("failed")
        if self.retry_failed and failed:
            return None, ()
        return verdict.facts, keys_of(shard_path(self.fresh.out, spec.name, shard), verdict.pictures)

    def _fill(self) -> None:
        """Hand out tasks, each in its turn, a few more than there are workers.

        Of the last ones no more than there are workers: what waits behind another could be with whoever is free.
        """
        pool = self.pool()
        while self._queue and self._under_way < _handed_out(pool.slots(), len(self._queue)):
            pool.submit(heapq.heappop(self._queue)[2])
            self._under_way += 1

    def _handle(self, done: Done) -> None:
        task = done.task
        if done.facts is not None and task.part:
            self._take(task, done.facts)
            return
        if done.facts is not None:
            self._finish(task, done)
            return
        if isinstance(done.error, A3dgenError):
            raise done.error
        if task.part and not self._parts.has(task):
            return
        tries = self._tries[task.spec.name, task.shard] = self._tries.get((task.spec.name, task.shard), 0) + 1
        what = "its worker died" if done.died else f"{type(done.error).__name__}: {done.error}"
        self.trouble(f"{task.spec.name}, shard {task.shard}: {what} (attempt {tries})")
        if tries <= self.config.run.max_shard_retries:
            self._enqueue(task)
        else:
            whole = self._parts.give_up(task) if task.part else task
            self._suspects.append(replace(whole, repair=()))

    def _take(self, part: Task, facts: Mapping[str, Any]) -> None:
        """Keep what a part has made, or finish its shard."""
        finished = self._parts.take(part, facts)
        if finished is not None:
            whole, of_all = finished
            self._finish(whole, Done(whole, of_all))

    def _finish(self, task: Task, done: Done) -> None:
        self._note(task.spec, task.shard, done.facts or {}, True)
        self._advance(task.shard, self.chain.index(task.spec) + 1)


def _handed_out(slots: int, waiting: int) -> int:
    """Return how many tasks to have under way, of two slots a worker, with so many more waiting."""
    return slots if waiting > slots else max(1, slots // 2)


def turn_of(shard: int, position: int, keys: int, end: int) -> Turn:
    """Return when a task comes: first shards first and whole chains before new ones; at the end of a build stage by
    stage and the largest tasks first, so that no worker is left with a whole chain while the others have nothing to do.

    Args:
        shard: its number. position: of the stage in the chain. keys: how many people or samples it has. end: number of
            the first shard that belongs to the end.
    """
    return (0, shard, position, 0) if shard < end else (1, position, -keys, shard)
