"""Brings a build folder up to date: runs every stage on every shard that is missing or stale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from a3dgen.config import BuildConfig
from a3dgen.core import interrupts
from a3dgen.core.errors import A3dgenError
from a3dgen.core.files import remove
from a3dgen.core.ownership import BUILD, check_owner
from a3dgen.core.stage import Context
from a3dgen.engine.adoption import is_old_build
from a3dgen.engine.build_folder import (
    RAW,
    TRUTH,
    Shards,
    has_leftovers,
    held,
    own_names,
    remove_orphans,
    size_of,
    sweep_folder,
)
from a3dgen.engine.digests import digest
from a3dgen.engine.disk_space import needed, require_space
from a3dgen.engine.executor import Crew, Executor
from a3dgen.engine.freshness import DONE, Freshness, count_files
from a3dgen.engine.ledger import Ledger, fed, remarks_kept
from a3dgen.engine.load_ahead import LoadAhead
from a3dgen.engine.progress import Progress
from a3dgen.engine.schedule import Flow
from a3dgen.engine.shrinking import PEOPLE, SAMPLES, Consent, require_consent
from a3dgen.engine.source_shards import SourceShards
from a3dgen.engine.subject_shapes import ShapePass
from a3dgen.engine.tasks import cut_shards, storage_error
from a3dgen.engine.warmup import WarmUp
from a3dgen.io.file_list import sha256_of
from a3dgen.io.shards import write_json
from a3dgen.stages.table import DATASET_FOLDER, GATHER, SHARD, STAGE_TABLE, StageSpec, StageTable

PHOTOS = "photos"
"""What the bar is called while people are looked for."""


@dataclass
class Build:
    """One run over a build folder.

    Attributes:
        config: what to build.
        make_executor: called when the first shard must be made, so that a finished build starts no process.
        progress: shows how far it is.
        body_digest: returns the hash of the body model.
        force: stages to run again even if nothing they depend on has changed.
        until: last stage to bring up to date; all stages if empty.
        retry_failed: also remake shards in which a key failed.
        table: the stages.
        beside: build in a folder that holds things of somebody else's, as long as no name is taken.
        consent: who says that a dataset may lose most of its samples.
        verify: read every file to see whether it is what was written, not only those of another size or time.
        stop_if_nobody: go no further than the first stage if it finds nobody: what there is of later ones stays.
    """

    config: BuildConfig
    make_executor: Callable[[], Executor]
    progress: Progress
    body_digest: Callable[[], str]
    force: frozenset[str] = frozenset()
    until: str = ""
    retry_failed: bool = False
    table: StageTable = field(default_factory=lambda: STAGE_TABLE)
    beside: bool = False
    consent: Consent = field(default_factory=Consent)
    verify: bool = False
    stop_if_nobody: bool = False

    def __post_init__(self) -> None:
        names = list(self.table)
        wanted = names[: names.index(self.until) + 1] if self.until else names
        self._stages = [self.table[name] for name in wanted]
        self._chain = [spec for spec in self._stages if spec.kind == SHARD]
        self.out = self.config.out
        self.ledger = Ledger(self.out)
        self.fresh = Freshness(self.config, self.table, self.body_digest, self.verify, keep_times=True)
        self._crew = Crew(self.make_executor, self.progress.tell)
        self._pool = self._crew.executor
        self._warm_up = WarmUp(self.progress)
        self._ahead = LoadAhead([s for s in self._stages if s.kind == GATHER], self._context)
        self._totals: dict[str, int] = {}
        self._pixels = 0

    def run(self) -> Ledger:
        """Make everything that is missing or out of date.

        Returns:
            What became of everybody, what was made and what was kept.

        Raises:
            A3dgenError: for what the user must fix; what is finished by then stays valid.
            KeyboardInterrupt: on Ctrl-C or SIGTERM; run again to resume.
        """
        try:
            check_owner(self.out, BUILD, own_names(self.table), self.beside, is_old_build)
            depends = None if self.config.demo is not None else self.fresh.ingest_depends(self._stages[0])
            with held(self.out, self.table, self.beside, self.progress.say), remarks_kept(self.ledger):
                sweep_folder(self.out, self.table)
                self.ledger.event("start", config=self.config.name, settings=digest(self.config.settings()))
                if self._must_fit():
                    self._warm_up.start(self._pool, draws=self._draws())
                if self._chain:
                    self.fresh.body_digest()  # bakes the body, once and with a line of its own, before any bar shows
                if self.config.demo is not None:
                    if not (self.out / RAW).is_dir():
                        self._summon()
                    self.make_demo()
                count = self._ingest(self._stages[0], depends or self.fresh.ingest_depends(self._stages[0]))
                if self.stop_if_nobody and not self.ledger.stages[self._stages[0].name].rows["Persons"]:
                    self._stages, self._chain = self._stages[:1], []
                write_json(self.out / "config.json", self.config.settings())
                self._check_space(count)
                self._shard_stages(count)
                self.ledger.check_balance()
                self._crew.dismiss()
                self._gather_stages(count)
                self.ledger.write(self._crew.describe())
                self.ledger.event("end", made=self.ledger.made, people=self.ledger.people())
                return self.ledger
        except OSError as error:
            raise storage_error(self.out, error) from error
        finally:
            self.close()

    def _must_fit(self) -> bool:
        """Whether nobody has been fitted here yet (with the real stage: tests run others under its name)."""
        spec = self.table.get("fit")
        real = spec is not None and spec in self._chain and spec.module == "a3dgen.stages.fit"
        return real and not (self.out / "fit").is_dir()

    def _draws(self) -> bool:
        """Whether the real stage ``render`` is to run."""
        return any(spec.module == "a3dgen.stages.render" for spec in self._chain)

    def close(self) -> None:
        """End the workers, if any were started."""
        self._crew.close()

    def _context(self, spec: StageSpec) -> Context:
        # Only gathering stages get the settings: a shard must not depend on keys of other stages.
        settings = self.config.settings() if spec.kind == GATHER else {}
        return Context(self.config.seed, self.config.body, self.out, self.out / spec.name, settings)

    def make_demo(self) -> dict[str, Any]:
        """Write the demo's raw trees and truth unless they are there; return the facts of the demo module."""
        from a3dgen import demo

        self.progress.start("demo")
        seen = 0

        def report(done: int, total: int) -> None:
            nonlocal seen
            interrupts.check()
            self.progress.start("demo", total)
            self.progress.advance("demo", done - seen)
            seen = done

        raw, truth = self.out / RAW, self.out / TRUTH
        facts = demo.build(
            self.config.demo,
            raw,
            truth,
            self.config.seed,
            self.config.body,
            lambda function, shots: self._pool().map(function, shots),
            report,
        )
        interrupts.check()
        self.ledger.add_whole("demo", facts, facts["made"], facts["seconds"])
        self.progress.finish("demo", "" if facts["made"] else "up to date")
        return facts

    # -- ingest

    def _ingest(self, spec: StageSpec, depends: Mapping[str, Any]) -> int:
        """Read the sources into shards unless that is done; return the number of shards."""
        self.progress.start(spec.name)
        verdict = self.fresh.ingest(spec, depends)
        if verdict.damage:
            self._trouble(f"{spec.name}, {verdict.why}; it is made again")
        facts = None if spec.name in self.force else verdict.facts
        if facts is not None:
            for shard in range(facts["shards"]):
                self._book(spec, self.fresh.sidecar(spec, shard), made=False)
            self.progress.finish(spec.name, "up to date")
            return facts["shards"]
        self._summon()
        shards = SourceShards(self.out, spec.name, depends, self.config.temporal)
        for made in shards.write(self._read_people(spec)):
            self._book(spec, made, made=True)
        try:
            require_consent(self.out, PEOPLE, shards.people, self.consent)
        except A3dgenError:
            shards.withdraw()
            raise
        shards.commit(self.table, self.config.run.shard_size)
        self.progress.finish(spec.name)
        return shards.count

    def _summon(self) -> None:
        """Let workers of this machine start while people are read; jobs and other machines would only wait."""
        run = self.config.run
        if self._chain and run.workers and not run.scheduler and not run.cluster:
            self._crew.summon()

    def _read_people(self, spec: StageSpec) -> Iterator[Any]:
        config, code = self.config.ingest_config(), spec.code()
        if hasattr(code, "prepare"):
            self._prepare(code, config)
        found = code.run(config, self._context(spec))
        return cut_shards(interrupts.checked(found), self.config.run.shard_size, self.config.temporal)

    def _prepare(self, code: Any, config: Any) -> None:
        """Let the workers do what takes long before anybody is read: looking for people in photos."""
        seen = -1

        def report(done: int, total: int) -> None:
            nonlocal seen
            interrupts.check()
            self.progress.start(PHOTOS, total)
            self.progress.advance(PHOTOS, done - max(seen, 0))
            seen = done

        code.prepare(config, lambda function, items: self._pool().map(function, items), report)
        if seen >= 0:
            self.progress.finish(PHOTOS)

    def _check_space(self, count: int) -> None:
        """Stop if what is still to be written will not find room; what an earlier run has written needs none."""
        if self.config.run.check_space and any(spec.name == "render" for spec in self._chain):
            people = self.ledger.stages[self._stages[0].name].rows["Persons"]
            require_space(self.out, needed(people, self._pixels, self.config.stages["amputate"]), count)

    # -- shard stages

    def _shard_stages(self, count: int) -> None:
        if not self._chain:
            return
        for spec in self._chain:
            self.progress.start(spec.name, self._totals.get(spec.name))
        self._warm_up.wait()
        self._find_shapes(count)
        Flow(
            self.config,
            self._chain,
            self.fresh,
            self._context,
            self._at_work,
            self._book,
            self._trouble,
            self.force,
            self.retry_failed,
        ).run(count)
        for spec in self._chain:
            book = self.ledger.stages.get(spec.name)
            if (
                (book is not None and book.made)
                or spec.name in self.fresh.doubtful
                or (has_leftovers(self.out, spec.name, count))
            ):
                remove_orphans(self.out, spec.name, count)
            self.progress.finish(spec.name, "" if book is not None and book.made else "up to date")

    def _at_work(self) -> Executor:
        """Return where shards are made; while others make them, this process loads what gathering them takes."""
        if self.config.run.workers:
            self._ahead.start()
        return self._pool()

    def _find_shapes(self, count: int) -> None:
        """Find the shapes of subjects before any shard that depends on them."""
        if "fit" in self.table and self.table["fit"] in self._chain:
            spec = self.table["fit"]
            shapes = ShapePass(self.fresh, spec, self._context(spec), count)
            if shapes.due() or (shapes.inputs and spec.name in self.force):
                start = time.perf_counter()
                facts = shapes.run(self._pool())
                self.ledger.event("shapes", subjects=len(facts["shapes"]), seconds=time.perf_counter() - start)

    def _book(self, spec: StageSpec, facts: Mapping[str, Any], made: bool) -> None:
        """Add a shard to the ledger and to the bars, and to the total of the stages that its rows feed."""
        self.ledger.add(spec.name, facts, made)
        self._pixels += facts.get("pixels", 0)
        self.progress.advance(spec.name, sum(facts["counts"].values()))
        for later in self._chain:
            keys = fed(spec.name, facts, later.name)
            if keys:
                self._totals[later.name] = self._totals.get(later.name, 0) + keys
                self.progress.start(later.name, self._totals[later.name])

    def _trouble(self, text: str) -> None:
        self.ledger.event("trouble", note=text)
        self.progress.say(text)

    # -- gathering stages

    def _gather_stages(self, count: int) -> None:
        for spec in [s for s in self._stages if s.kind == GATHER]:
            self.progress.start(spec.name, count)
            depends = self.fresh.gather_depends(spec, count)
            verdict = self.fresh.gather(spec, depends)
            if verdict.damage:
                self._trouble(f"{spec.name}: {verdict.why}; it is made again")
            facts = None if spec.name in self.force else verdict.facts
            made, start = facts is None, time.perf_counter()
            if facts is None:
                if spec.output == DATASET_FOLDER:
                    require_consent(self.out, SAMPLES, self._samples(), self.consent)
                self.ledger.write(self._crew.describe())
                facts = self._gather(spec, count, depends or {})
            else:
                self.progress.advance(spec.name, count)
            self.ledger.add_whole(spec.name, facts["facts"], made, time.perf_counter() - start, facts["bytes"])
            self.progress.finish(spec.name, "" if made else "up to date")

    def _samples(self) -> int:
        return self.ledger.stages["render"].rows["Renders"] if "render" in self.ledger.stages else 0

    def _gather(self, spec: StageSpec, count: int, depends: Mapping[str, Any]) -> dict[str, Any]:
        folder = self.out / spec.name
        folder.mkdir(parents=True, exist_ok=True)
        remove(folder / DONE)
        shards = Shards(self.out, spec, count, lambda: self.progress.advance(spec.name))
        found = spec.code().run(self.config.stages[spec.name], self._context(spec), shards)
        output = self.out / spec.output
        facts = {"depends": dict(depends), "facts": found, "files": count_files(output), "bytes": size_of(output)}
        if output.is_file():
            facts["sha256"] = sha256_of(output)
        if spec.output == DATASET_FOLDER:
            facts |= {SAMPLES: self._samples(), PEOPLE: self.ledger.stages[self._stages[0].name].rows["Persons"]}
        write_json(folder / DONE, facts)
        return facts
