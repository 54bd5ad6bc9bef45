"""CPU time of a finished sample through all stages, start-up apart, beside a plain pyrender frame of the same minute.

One process, one thread, two builds: the first (another seed) starts everything up and makes what all samples share
(garments, weaves, hair), the second is measured stage by stage. With ``--profile`` a third one names what each stage
spends its time in. pyrender draws its plain textured body (``benchmarks.render``) in a process of its own just before
and just after.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np

from a3dgen.config import load_config
from a3dgen.core.home import home
from a3dgen.engine.build import Build
from a3dgen.engine.executor import Inline
from a3dgen.engine.progress import Quiet
from a3dgen.engine.tasks import Task, run_task
from a3dgen.erasure.config import ERASE
from a3dgen.io.shards import read_shard
from a3dgen.stages.table import SHARD, STAGE_TABLE, StageSpec
from benchmarks.render import pyrender_apart

PYRENDER_SIDE = 512
COSTLIEST = 10
BY_PERSON = ("ingest", "fit", "background")
"""Stages whose cost goes with people; that of the others with samples, but for the report, which is made once."""
ONCE = ("report",)
ROOT = Path(__file__).resolve().parents[1]
KINDS: dict[str, dict[str, Any]] = {
    "overlay": {},
    "erase": {"render": {"mode": "erase"}},
    "devices": {"devices": {"use": "balanced", "prosthesis": 0.5, "aid": 0.3}},
    "demo": {},
}
"""Kind -> settings. In ``erase`` the limbs that a photo does not admit are drawn over, as in a user's build."""


@dataclass
class Clock:
    """CPU seconds by stage and, if asked for, a profile of each."""

    profiled: bool = False
    spent: dict[str, float] = field(default_factory=dict)
    profiles: dict[str, cProfile.Profile] = field(default_factory=dict)

    @contextmanager
    def watch(self, stage: str) -> Iterator[None]:
        """Add what the block takes to a stage."""
        profile = self.profiles.setdefault(stage, cProfile.Profile()) if self.profiled else None
        start = time.process_time()
        if profile is not None:
            profile.enable()
        try:
            yield
        finally:
            if profile is not None:
                profile.disable()
            self.spent[stage] = self.spent.get(stage, 0.0) + time.process_time() - start

    def run(self, task: Task) -> dict[str, Any]:
        """Run a shard's task: reading its inputs and writing its files belong to the stage."""
        with self.watch(task.spec.name):
            return run_task(task)

    def table(self) -> dict[str, StageSpec]:
        """Return the stages, those that run in the coordinator with their time taken."""
        return {
            name: spec if spec.kind == SHARD else _Timed(spec.name, spec.module, spec.kind, spec.needs, spec.produces,
                                                        spec.output, self)
            for name, spec in STAGE_TABLE.items()
        }  # fmt: skip

    def costliest(self) -> dict[str, list[dict[str, Any]]]:
        """Return stage -> the functions with most time of their own; compiled loops count to whoever calls them."""
        out: dict[str, list[dict[str, Any]]] = {}
        for stage, profile in self.profiles.items():
            stats = cast("dict[tuple[str, int, str], tuple[int, int, float, float, Any]]", pstats.Stats(profile).stats)  # type: ignore[attr-defined]
            top = sorted(stats.items(), key=lambda item: -item[1][2])[:COSTLIEST]
            whole = sum(row[2] for row in stats.values()) or 1.0
            out[stage] = [
                {
                    "function": _function_name(*where),
                    "calls": calls,
                    "own_s": round(own, 3),
                    "with_called_s": round(total, 3),
                    "share": round(own / whole, 3),
                }
                for where, (_, calls, own, total, _callers) in top
            ]
        return out


@dataclass(frozen=True)
class _Timed(StageSpec):
    """A stage of the coordinator whose ``run`` is timed."""

    clock: Clock = field(default_factory=Clock)

    def code(self) -> ModuleType:
        module = super().code()

        def run(*arguments: Any) -> Any:
            with self.clock.watch(self.name):
                found = module.run(*arguments)
            return self._rows(found) if isinstance(found, Iterator) else found

        return cast(ModuleType, SimpleNamespace(**{**vars(module), "run": run}))

    def _rows(self, rows: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.clock.watch(self.name):
                row = next(rows, None)
            if row is None:
                return
            yield row


def _function_name(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    path = Path(file)
    known = path.is_relative_to(ROOT)
    return f"{path.relative_to(ROOT).as_posix() if known else '/'.join(path.parts[-2:])}:{line} {name}"


@dataclass(frozen=True)
class Built:
    """What one build made, and its CPU seconds."""

    people: int
    samples: int
    erased: int
    cpu_s: float


def build_in_process(config: Path, out: Path, clock: Clock, overrides: list[str]) -> Built:
    """Build from nothing in this process and take it away again."""
    from a3dgen.bodies import body_digest

    shutil.rmtree(out, ignore_errors=True)
    settings = load_config(str(config), overrides, out=str(out), workers=0)
    start = time.process_time()
    build = Build(settings, lambda: Inline(clock.run), Quiet(), lambda: body_digest(settings.body), table=clock.table())
    stages = build.run().stages
    spent = time.process_time() - start
    modes = [str(mode) for path in (out / "render").glob("[0-9]*.h5") for mode in read_shard(path)["Renders"].mode]
    shutil.rmtree(out)
    return Built(stages["ingest"].rows["Persons"], stages["render"].rows["Renders"], modes.count(ERASE), spent)


def steady_state(config: Path, work: Path, profiled: bool) -> dict[str, Any]:
    """Return the figures of one configuration; run it in a fresh process, whose start is part of them."""
    first = build_in_process(config, work, Clock(), ["seed=1001"])
    began = time.process_time()  # counted from the first import on
    clock = Clock()
    built = build_in_process(config, work, clock, ["seed=1002"])
    clock.spent["rest"] = built.cpu_s - sum(clock.spent.values())
    made = max(built.samples, 1)
    figures = {
        "people": built.people,
        "samples": built.samples,
        "erased": built.erased,
        "sample_cpu_ms": round(1e3 * built.cpu_s / made, 1),
        "stage_ms": {name: round(1e3 * s / made, 2) for name, s in clock.spent.items()},
        "start_cpu_s": round(began - _expected(clock.spent, first, built), 2),
    }
    if profiled:
        with_profile = Clock(profiled=True)
        build_in_process(config, work, with_profile, ["seed=1003"])
        figures["costliest"] = with_profile.costliest()
    return figures


def _expected(spent: Mapping[str, float], small: Built, large: Built) -> float:
    """Return what ``small`` would have taken after ``large``, by the measured cost of the stages."""
    share = {
        stage: 1.0 if stage in ONCE else small.people / max(large.people, 1) if stage in BY_PERSON
        else small.samples / max(large.samples, 1) for stage in spent
    }  # fmt: skip
    return sum(seconds * share[stage] for stage, seconds in spent.items())


def beside_pyrender(measure: Callable[[], dict[str, Any]], pyrender: bool) -> dict[str, Any]:
    """Measure something with pyrender just before and just after; add its frame and the ratio (None without it)."""
    frames = [pyrender_apart((PYRENDER_SIDE,))] if pyrender else []
    figures = measure()
    frames += [pyrender_apart((PYRENDER_SIDE,))] if pyrender else []
    times = [found[str(PYRENDER_SIDE)] for found in frames if found]
    frame = round(float(np.mean(times)), 1) if times else None
    ratio = round(figures["sample_cpu_ms"] / frame, 3) if frame else None
    return {**figures, "pyrender_frame_ms": frame, "ratio": ratio}


def user_environment() -> dict[str, str]:
    """Return the environment of what is timed: Python keeps the bytecode of what it imports, as a user's does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {"PYTHONPYCACHEPREFIX": str(home() / "bench_bytecode"), **kept}


def measure_apart(config: Path, work: Path, profiled: bool) -> dict[str, Any]:
    """Run ``steady_state`` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pipeline_samples", str(config), str(work)]
    done = subprocess.run(
        [*command, *(["--profile"] if profiled else [])],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=user_environment(),
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Print the figures of one configuration as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline_samples")
    parser.add_argument("config", type=Path)
    parser.add_argument("work", type=Path, help="folder for the builds; it is removed")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    print(json.dumps(steady_state(args.config, args.work, args.profile)))


if __name__ == "__main__":
    main()
