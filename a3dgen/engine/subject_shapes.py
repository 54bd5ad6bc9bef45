"""Betas of a subject, fitted once from some of its frames before all frames.

``<build>/fit/shape.h5`` holds them. A shard of the fit stage depends on the shapes of its own subjects only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from a3dgen.core.records import Persons, Shapes
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context
from a3dgen.engine.digests import changed, dependencies
from a3dgen.engine.executor import Executor
from a3dgen.engine.freshness import Freshness
from a3dgen.engine.tasks import shape_path, shard_path
from a3dgen.io.shards import is_intact, read_shard, read_sidecar, remove_shard, write_shard
from a3dgen.stages.table import StageSpec

FRAMES = 64
"""Frames of a subject that its shape is found from, at most."""


def count_subjects(persons: Persons) -> dict[str, int]:
    """Return subject -> frames of it that have 3D joints; those without a subject do not count."""
    counted = (persons.subject != "") & (persons.joints3d[:, :, 3] > 0).any(1)
    return dict(sorted(Counter(persons.subject[counted].tolist()).items()))


class ShapePass:
    """Brings the shapes of all subjects up to date.

    Args:
        fresh: of the build. spec: the fit stage. context: what that stage may know. count: number of shards.
    """

    def __init__(self, fresh: Freshness, spec: StageSpec, context: Context, count: int) -> None:
        self.fresh, self.spec, self.context = fresh, spec, context
        self.path = shape_path(context.out)
        sidecars = [fresh.sidecar(fresh.table["ingest"], shard) for shard in range(count)]
        self.frames = [s.get("subjects", {}) for s in sidecars]
        self.inputs = {f"ingest/{i}": s["sha256"] for i, s in enumerate(sidecars) if s.get("subjects")}

    def depends(self) -> dict[str, Any]:
        """Return what the shapes depend on: the shards that hold subjects, and the fit stage's settings."""
        config, seed = self.fresh.config.stages[self.spec.name], self.fresh.config.seed
        version, more = self.spec.code().VERSION, self.fresh.user_files(self.spec.name)
        return dependencies(version, config, seed, self.fresh.body_digest(), self.inputs, **more)

    def due(self) -> bool:
        """Tell whether shapes must be found; shapes without any subject are removed."""
        if not self.inputs:
            remove_shard(self.path)
            return False
        facts = read_sidecar(self.path)
        return facts is None or bool(changed(facts.get("depends"), self.depends())) or not is_intact(self.path, facts)

    def run(self, pool: Executor) -> dict[str, Any]:
        """Fit the drawn frames of every subject, subjects in parallel, and write the shard; return its sidecar."""
        config, code = self.fresh.config.stages[self.spec.name], self.spec.module
        jobs = ((code, config, self.context, *item) for item in self.drawn())
        rows = [row for row in pool.map(find_shape, jobs) if row is not None]
        shapes = Shapes.from_rows(rows, B=0)
        digests = {
            str(k): hashlib.sha256(b.tobytes()).hexdigest() for k, b in zip(shapes.key, shapes.betas, strict=True)
        }
        return write_shard(self.path, {"Shapes": shapes}, {"depends": self.depends(), "shapes": digests})

    def drawn(self) -> Iterator[tuple[str, Persons]]:
        """Yield every subject with its frames, drawn by their order in the sources: the same for any shard size."""
        totals: Counter[str] = Counter()
        for counts in self.frames:
            totals.update(counts)
        for subject, total in sorted(totals.items()):
            rng = generator_for(self.fresh.config.seed, "shape", subject)
            wanted = np.arange(total) if total <= FRAMES else np.sort(rng.choice(total, FRAMES, replace=False))
            yield subject, self._take(subject, wanted)

    def _take(self, subject: str, wanted: np.ndarray) -> Persons:
        parts, before = [], 0
        for shard, counts in enumerate(self.frames):
            here = wanted[(wanted >= before) & (wanted < before + counts.get(subject, 0))] - before
            before += counts.get(subject, 0)
            if len(here):
                persons = read_shard(shard_path(self.context.out, "ingest", shard))["Persons"]
                rows = np.flatnonzero((persons.subject == subject) & (persons.joints3d[:, :, 3] > 0).any(1))
                parts.append(persons.take(rows[here]))
        return Persons.concat(parts)


def find_shape(job: tuple[str, Any, Context, str, Persons]) -> Mapping[str, Any] | None:
    """Run the fit stage's ``shape`` for one subject; top-level, so that workers can be sent it."""
    import importlib

    module, config, context, subject, persons = job
    return importlib.import_module(module).shape(config, context, subject, persons)
