"""What of a build folder is up to date, what is not, and why."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a3dgen.config import BuildConfig
from a3dgen.core.errors import A3dgenError, DataError
from a3dgen.core.records import SCHEMA_VERSION
from a3dgen.engine.digests import changed, dependencies, digest
from a3dgen.engine.tasks import files_of, result_digest, shape_path, shard_path
from a3dgen.io.file_digest import contents
from a3dgen.io.shards import is_intact, read_shard, read_sidecar, sidecar_path
from a3dgen.stages.table import GATHER, StageSpec, StageTable

NOT_MADE, NOT_FINISHED = "not made yet", "not finished"
DONE = "done.json"
"""In the folder of ingest and of every gathering stage: written last, holds what it depends on and its facts."""


@dataclass(frozen=True)
class Kept:
    """Whether a result can be kept: its facts if so, else None and the reason.

    ``damage`` if it was made, for these settings, and something happened to it since.
    """

    facts: dict[str, Any] | None
    why: str = ""
    damage: bool = False


class Freshness:
    """Compares what lies in a build folder with what a configuration asks for.

    Args:
        config: the build.
        table: its stages.
        body_digest: returns the hash of the body model's arrays; called once, at the first stage that needs it.
    """

    def __init__(self, config: BuildConfig, table: StageTable, body_digest: Callable[[], str]) -> None:
        self.config = config
        self.table = table
        self.out = config.out
        self.body_digest = functools.cache(body_digest)

    # -- ingest

    def ingest_depends(self, spec: StageSpec) -> dict[str, Any]:
        """Return what the shards' first content depends on: sources, their files, the shard size."""
        config, code = self.config.ingest_config(), spec.code()
        shards = {"shard_size": self.config.run.shard_size}
        return dependencies(
            code.VERSION, config, self.config.seed, "", {}, files=code.fingerprint(config), shards=shards
        )

    def ingest(self, spec: StageSpec, depends: Mapping[str, Any]) -> Kept:
        """Tell whether ingest is complete; its facts hold the number of ``shards``."""
        facts = read_done(self.out, spec.name)
        if facts is None:
            return Kept(None, NOT_FINISHED if (self.out / spec.name).is_dir() else NOT_MADE)
        why = changed(facts.get("depends"), depends)
        if why:
            return Kept(None, why)
        for shard in range(facts["shards"]):
            path = shard_path(self.out, spec.name, shard)
            sidecar = read_sidecar(path)
            if sidecar is None or not is_intact(path, sidecar):
                found = problem(path)
                return Kept(None, f"shard {shard}: {found.why}", damage=found.damage)
        return Kept(facts)

    def sidecar(self, spec: StageSpec, shard: int) -> dict[str, Any]:
        """Return the sidecar of a shard that is known to be there."""
        return read_sidecar(shard_path(self.out, spec.name, shard)) or {}

    # -- shard stages

    def shard_depends(self, spec: StageSpec, shard: int) -> dict[str, Any] | None:
        """Return what a stage's result on one shard depends on, None while an input is missing."""
        inputs = {}
        for need in spec.needs:
            sidecar = read_sidecar(shard_path(self.out, need, shard))
            if sidecar is None:
                return None
            inputs[need] = result_digest(sidecar)
            if spec.name == "fit" and sidecar.get("subjects"):
                inputs["shape"] = self._shapes(sidecar["subjects"])
        config, code = self.config.stages[spec.name], spec.code()
        more = self.user_files(spec.name)
        return dependencies(code.VERSION, config, self.config.seed, self.body_digest(), inputs, **more)

    def user_files(self, stage: str) -> dict[str, list[str]]:
        """Return what a result depends on because the stage's configuration names files of the user; may be empty."""
        return {"files": self._user_files[stage]} if self._user_files[stage] else {}

    @functools.cached_property
    def _user_files(self) -> dict[str, list[str]]:
        """Stage -> hashes of the user's files that its configuration names (priors, textures, networks).

        A stage's module names them in ``user_files(config)``; a file that is not there is the stage's to complain of.
        """
        found = {}
        for name, spec in self.table.items():
            listed = getattr(spec.code(), "user_files", None)
            found[name] = contents(listed(self.config.stages[name])) if listed is not None else []
        return found

    def _shapes(self, subjects: Mapping[str, int]) -> str:
        """Return a hash of the shapes of these subjects, as far as they are known."""
        known = (read_sidecar(shape_path(self.out)) or {}).get("shapes", {})
        return digest({name: known.get(name, "") for name in subjects})

    def shard(self, spec: StageSpec, shard: int, depends: Mapping[str, Any] | None) -> Kept:
        """Tell whether one shard of a stage, and every picture it names, can be kept."""
        path = shard_path(self.out, spec.name, shard)
        facts = read_sidecar(path)
        if facts is None:
            return problem(path)
        why = changed(facts.get("depends"), depends) if depends is not None else "an earlier stage is missing"
        if why:
            return Kept(None, why)
        if not is_intact(path, facts):
            return problem(path)
        why = self._missing_file(path, facts)
        return Kept(None, why, damage=True) if why else Kept(facts)

    def _missing_file(self, path: Path, facts: Mapping[str, Any]) -> str:
        if not facts.get("files"):
            return ""
        try:
            records = read_shard(path)
        except DataError as error:
            return str(error)
        for record in records.values():
            for name in files_of(record):
                if not (self.out / name).is_file():
                    return f"{name} is missing"
        return ""

    # -- gathering stages

    def gather_depends(self, spec: StageSpec, count: int) -> dict[str, Any] | None:
        """Return what a gathering stage's result depends on, None while an input is missing."""
        inputs = {}
        for need in spec.needs:
            if self.table[need].kind == GATHER:
                facts = read_done(self.out, need)
                found = None if facts is None else digest(facts["depends"])
            else:
                found = self._all_shards(need, count)
            if found is None:
                return None
            inputs[need] = found
        config, settings = self.config.stages[spec.name], self.config.settings()
        version = spec.code().VERSION
        return dependencies(version, config, self.config.seed, self.body_digest(), inputs, settings=settings)

    def gather(self, spec: StageSpec, depends: Mapping[str, Any] | None) -> Kept:
        """Tell whether a gathering stage's result can be kept."""
        facts = read_done(self.out, spec.name)
        if facts is None:
            return Kept(None, NOT_MADE)
        why = changed(facts.get("depends"), depends) if depends is not None else "an earlier stage is missing"
        if not why and spec.output and count_files(self.out / spec.output) != facts.get("files"):
            return Kept(None, f"files of {spec.output} are missing", damage=True)
        return Kept(None, why) if why else Kept(facts)

    def _all_shards(self, stage: str, count: int) -> str | None:
        shas = []
        for shard in range(count):
            sidecar = read_sidecar(shard_path(self.out, stage, shard))
            if sidecar is None:
                return None
            shas.append(result_digest(sidecar))
        return digest(shas)


def problem(path: Path) -> Kept:
    """Say what is wrong with a shard that cannot be kept."""
    sidecar = sidecar_path(path)
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Kept(None, NOT_FINISHED if path.exists() else NOT_MADE)
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or not {"schema", "sha256"} <= set(facts):
        return Kept(None, f"{sidecar.name} is truncated or damaged", damage=True)
    if facts["schema"] != SCHEMA_VERSION:
        return Kept(None, f"made by another version (schema {facts['schema']}, now {SCHEMA_VERSION})")
    return Kept(None, f"{path.name} is {'corrupted' if path.exists() else 'missing'}", damage=True)


def plan(config: BuildConfig, table: StageTable, body_digest: Callable[[], str]) -> dict[str, list[str]]:
    """Return stage -> for every shard (or the one result of a gathering stage) why it must be made; "" = it is kept.

    What follows a result that must be made is only made if that result turns out different.
    """
    fresh = Freshness(config, table, body_digest)
    specs = list(table.values())
    try:
        ingest = fresh.ingest(specs[0], fresh.ingest_depends(specs[0]))
    except A3dgenError:
        if config.demo is None:
            raise
        ingest = Kept(None, "follows demo")
    found: dict[str, list[str]] = {specs[0].name: [ingest.why]}
    count = ingest.facts["shards"] if ingest.facts else 0
    stale: dict[int, str] = {}
    for spec in specs[1:]:
        if not ingest.facts:
            found[spec.name] = [f"follows {specs[0].name}"]
        elif spec.kind == GATHER:
            first = next((name for name, whys in found.items() if any(whys)), "")
            why = f"follows {first}" if first else fresh.gather(spec, fresh.gather_depends(spec, count)).why
            found[spec.name] = [why]
        else:
            found[spec.name] = []
            for shard in range(count):
                why = f"follows {stale[shard]}" if shard in stale else ""
                if not why:
                    why = fresh.shard(spec, shard, fresh.shard_depends(spec, shard)).why
                    if why:
                        stale[shard] = spec.name
                found[spec.name].append(why)
    return found


def read_done(out: Path, name: str) -> dict[str, Any] | None:
    """Return what a finished stage wrote last, None if it did not finish."""
    try:
        facts = json.loads((out / name / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and isinstance(facts.get("depends"), dict) else None


def count_files(path: Path) -> int:
    """Return the number of files at or below ``path``."""
    if path.is_file():
        return 1
    return sum(len(files) for _, _, files in os.walk(path))
