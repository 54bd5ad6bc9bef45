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
from a3dgen.engine.pictures import damaged, vouch
from a3dgen.engine.pieces_beside import digest_beside
from a3dgen.engine.tasks import shape_path, shard_path
from a3dgen.io.dataset_folder import DATASET_LIST, first_damage
from a3dgen.io.file_digest import contents
from a3dgen.io.file_list import damage, forget_hashes, list_path, read_list
from a3dgen.io.shards import is_intact, read_sidecar, sidecar_path
from a3dgen.stages.table import GATHER, StageSpec, StageTable

NOT_MADE, NOT_FINISHED = "not made yet", "not finished"
DONE = "done.json"
"""In the folder of ingest and of every gathering stage: written last, holds what it depends on and its facts."""


@dataclass(frozen=True)
class Kept:
    """Whether a result can be kept: its facts if so, else None and the reason.

    ``damage`` if it was made, for these settings, and something happened to it since; ``pictures`` if that is all that
    happened to: these only need to be made again.
    """

    facts: dict[str, Any] | None
    why: str = ""
    damage: bool = False
    pictures: tuple[str, ...] = ()


class Freshness:
    """Compares what lies in a build folder with what a configuration asks for.

    Args:
        config: the build.
        table: its stages.
        body_digest: returns the hash of the body model's arrays; called once, at the first stage that needs it.
        thorough: read every file, also those whose size and time are as they were.
        keep_times: note the new time of a picture that was touched, copied or moved but holds what it did.

    Attributes:
        doubtful: stages in whose lists files stand that may be needed no more.
    """

    def __init__(
        self,
        config: BuildConfig,
        table: StageTable,
        body_digest: Callable[[], str],
        thorough: bool = False,
        keep_times: bool = False,
    ) -> None:
        if thorough:
            forget_hashes()
        self.thorough, self.keep_times = thorough, keep_times
        self.doubtful: set[str] = set()
        self.config = config
        self.table = table
        self.out = config.out
        self.body_digest = functools.cache(body_digest)

    # -- ingest

    def ingest_depends(self, spec: StageSpec) -> dict[str, Any]:
        """Return what the shards' first content depends on: sources, their files, the shard size."""
        config, code = self.config.portable_ingest_config(), spec.code()
        files, shards = code.fingerprint(self.config.ingest_config()), {"shard_size": self.config.run.shard_size}
        if self.config.temporal:
            shards["clips"] = "joined"
        return dependencies(code.VERSION, config, self.config.seed, "", {}, files=files, shards=shards)

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
            inputs[need] = sidecar["sha256"]
            if spec.name == "fit" and sidecar.get("subjects"):
                inputs["shape"] = self._shapes(sidecar["subjects"])
        config, code = self.config.stages[spec.name], spec.code()
        more: dict[str, Any] = self.user_files(spec.name)
        if spec.name == "fit" and self.config.temporal:
            more["neighbours"] = digest_beside(self.out / "ingest", shard)
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
        return self._pictures(spec, path, facts)

    def _pictures(self, spec: StageSpec, path: Path, facts: dict[str, Any]) -> Kept:
        """Tell whether the pictures of a shard that is itself intact are."""
        own = [path.relative_to(self.out).as_posix()]
        listed = read_list(list_path(path))
        unsure = None in listed.values() or own[0] not in listed
        if unsure:
            self.doubtful.add(spec.name)
        if not facts.get("files"):
            if unsure and self.keep_times:
                vouch(path, self.out, own)
            return Kept(facts)
        try:
            found = damaged(path, self.out, self.thorough)
        except DataError as error:
            return Kept(None, str(error), damage=True)
        if found is None:
            return Kept(None, "made by another version")
        wrong, sound, touched = found
        if self.keep_times and (touched or unsure):
            vouch(path, self.out, [*sound, *own])
        if not wrong:
            return Kept(facts)
        name, what = next(iter(wrong.items()))
        more = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
        return Kept(None, f"{name} is {what}{more}", damage=True, pictures=tuple(wrong))

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
        if why:
            return Kept(None, why)
        why = self._output(spec, facts) if spec.output else ""
        return Kept(None, why, damage=True) if why else Kept(facts)

    def _output(self, spec: StageSpec, facts: Mapping[str, Any]) -> str:
        """Say what happened to the file or folder that a gathering stage left; nothing if it is as it was."""
        output = self.out / spec.output
        if isinstance(facts.get("sha256"), str):
            wrong = damage(output, facts["sha256"], facts["bytes"], None, self.thorough)
            return f"{spec.output} is {wrong}" if wrong else ""
        if not (self.out / DATASET_LIST).is_file():
            return f"the list of files of {spec.output} is missing"
        name, wrong = first_damage(output, self.out / DATASET_LIST, self.thorough)
        if wrong == "missing":
            return f"files of {spec.output} are missing"
        return f"{spec.output}/{name} is {wrong}" if wrong else ""

    def _all_shards(self, stage: str, count: int) -> str | None:
        shas = []
        for shard in range(count):
            sidecar = read_sidecar(shard_path(self.out, stage, shard))
            if sidecar is None:
                return None
            shas.append(sidecar["sha256"])
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


def plan(
    config: BuildConfig, table: StageTable, body_digest: Callable[[], str], thorough: bool = False
) -> dict[str, list[str]]:
    """Return stage -> for every shard (or the one result of a gathering stage) why it must be made; "" = it is kept.

    What follows a result that must be made is only made if that result turns out different.
    """
    fresh = Freshness(config, table, body_digest, thorough)
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
