"""Finds the people who make a shard fail, by bisection, so that only they are recorded as failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from a3dgen.core.errors import A3dgenError
from a3dgen.core.files import remove
from a3dgen.engine.executor import Done, Executor
from a3dgen.engine.tasks import Task, input_keys, load_inputs, trial_path

POLL_SECONDS = 0.5
TRIALS = 2
"""A person is recorded as failed after failing this often alone: once may be an accident of the machine."""
MOST_TRIALS = 6
"""Trials in all; one whose worker died before it began proves nothing and is repeated."""
DIED = "the worker process died (killed, or out of memory)"


@dataclass
class Isolation:
    """Runs suspicious shards with nothing else under way.

    Attributes:
        pool: where to run.
        report: told of everybody who is found.
    """

    pool: Executor
    report: Callable[[str], None]

    def finish(self, task: Task) -> Done:
        """Run a shard without the people who make it fail; return its result.

        Raises:
            A3dgenError: if it fails without them, too.
        """
        done = self._alone(task)
        if done.facts is None:
            keys = input_keys(task.spec.name, load_inputs(task.context.out, task.shard, task.spec.needs))
            poison = self._among(task, keys)
            for key, reason in poison.items():
                self.report(f"{task.spec.name}: '{key}' failed: {reason}")
            done = self._alone(replace(task, poison=poison))
        if done.facts is None:
            raise A3dgenError(
                f"stage {task.spec.name} keeps failing on shard {task.shard} ({done.error}); "
                f"rerun with --workers 0 to see where"
            )
        return done

    def _among(self, task: Task, keys: list[str]) -> dict[str, str]:
        """Return key -> reason of those who fail among ``keys``, who are known to fail together."""
        if len(keys) < 2:
            return {key: reason for key in keys if (reason := self._convict(task, key))}
        half = len(keys) // 2
        found: dict[str, str] = {}
        for part in (keys[:half], keys[half:]):
            if len(part) == 1 or self._alone(replace(task, only=tuple(part))).facts is None:
                found.update(self._among(task, part))
        return found

    def _convict(self, task: Task, key: str) -> str:
        """Return the reason why one person fails; empty if they pass a single trial."""
        failed = 0
        done: Any = None
        for _ in range(MOST_TRIALS):
            done = self._alone(replace(task, only=(key,)))
            if done.facts is not None:
                return ""
            # A worker that is going down anyway takes whoever is sent to it next: only what had begun counts.
            failed += not done.died or trial_path(task).exists()
            if failed == TRIALS:
                break
        return DIED if done.died else f"{type(done.error).__name__}: {done.error}"

    def _alone(self, task: Task) -> Done:
        remove(trial_path(task))
        self.pool.submit(task)
        while True:
            done = self.pool.next(POLL_SECONDS)
            if done is not None:
                if isinstance(done.error, A3dgenError):
                    raise done.error
                return done
