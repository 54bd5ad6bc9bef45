"""Motion capture to joints: sequences as parallel tasks, one file a dataset, resumed after any interruption."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import a3dgen
from a3dgen.amputation.sampling import PlanConfig
from a3dgen.core import files
from a3dgen.core.errors import ConfigError
from a3dgen.core.ownership import MARKER, OURS, ExportFolder, check_owner, export_folder, read_marker
from a3dgen.core.run_config import RunConfig
from a3dgen.engine.build_folder import folder_lock
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.digests import digest
from a3dgen.engine.executor import Crew
from a3dgen.engine.mocap_config import MocapConfig, body_of
from a3dgen.engine.mocap_files import Copies, write_dataset
from a3dgen.engine.mocap_job import (
    FAILED,
    OK,
    SKIPPED,
    VERSION,
    Job,
    part_files,
    part_name,
    run_job,
)
from a3dgen.engine.progress import Progress, Quiet
from a3dgen.motion.rates import rational
from a3dgen.sources.amass_tree import SequenceFile, Tree, find_sequences
from a3dgen.sources.mocap_files import AMPUTEES_SUFFIX, ROTATIONS_SUFFIX

PARTS, REPORT = ".parts", "report.json"
PURPOSE = "motion capture export"
WRITING, INCOMPLETE, DONE = "writing", "incomplete", "done"
"""State of a dataset; incomplete: a sequence failed, and is tried again by the next run."""
INLINE_BYTES = 64 << 20
"""Less input than this is converted in this process: workers would take longer to start."""


@dataclass(frozen=True)
class Report:
    """What became of every file: ``rows`` as in ``report.json``, one a sequence or other file, and the results."""

    path: Path
    rows: list[dict[str, Any]]
    files: list[Path] = field(default_factory=list)

    def count(self, status: str) -> int:
        return sum(row["status"] == status for row in self.rows)

    def total(self, name: str) -> int:
        """Return the sum of ``frames_in`` or ``frames_out``."""
        return sum(row.get(name, 0) for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0, or 1 if a sequence failed by a fault of the program; files that are no sequences are no failure."""
        return int(self.count(FAILED) > 0)


def convert(config: MocapConfig, progress: Progress | None = None) -> Report:
    """Convert a tree of AMASS sequences; called again, it goes on where it was stopped, and gives the same bytes.

    Raises:
        ConfigError: if an option or path is wrong, the folder is somebody else's, or a result exists that these
            settings and files did not make.
        DataError: if a model cannot be used.
    """
    tree = find_sequences(Path(config.amass_dir), config.datasets)
    out = Path(config.out)
    run = _Run(config, out, tree)
    check_owner(out, PURPOSE, run.names(), config.force)
    with folder_lock(out):
        if check_owner(out, PURPOSE, run.names(), config.force) == OURS:
            run.refuse_what_exists()
        with export_folder(out, PURPOSE, config.force, complete=False) as target:
            rows, results = run.convert(target, progress or Quiet())
            return Report(run.report(target, rows), rows, results)


class _Run:
    """One call of ``convert``: what is there, what is to be done, and the results."""

    def __init__(self, config: MocapConfig, out: Path, tree: Tree) -> None:
        self.config, self.out, self.tree = config, out, tree
        self.fps = rational(config.fps)
        self.body = body_of(config)
        self.depends = digest([VERSION, a3dgen.__version__, self.body.digest(), str(self.fps), config.interp,
                               config.rotations or config.amputees > 0, config.amputees > 0])  # fmt: skip
        copies = [config.amputees, config.regions, config.residual, config.absent, config.seed, config.rotations]
        self.settings = digest([self.depends, copies])
        self.datasets: dict[str, list[SequenceFile]] = {}
        for file in tree.sequences:
            self.datasets.setdefault(file.dataset, []).append(file)
        self.records = {name: self._record(name) for name in self.datasets}

    def results(self, dataset: str) -> dict[str, Path]:
        """Return the files that a dataset is written to, by what they hold."""
        found = {"joints": self.out / f"{dataset}.npz"}
        if self.config.rotations:
            found["rotations"] = self.out / f"{dataset}{ROTATIONS_SUFFIX}.npz"
        if self.config.amputees:
            found["amputees"] = self.out / f"{dataset}{AMPUTEES_SUFFIX}.npz"
        return found

    def names(self) -> list[str]:
        """Return the name of everything that is written into the folder.

        Raises:
            ConfigError: if two results have one name.
        """
        results = [path.name for name in self.datasets for path in self.results(name).values()]
        twice = next((name for name in results if results.count(name) > 1), None)
        if twice:
            raise ConfigError(f"two datasets would be written to {twice}: convert them apart, with --datasets")
        return [MARKER, PARTS, REPORT, *results]

    def refuse_what_exists(self) -> None:
        """Raise ConfigError if a result of other settings or files, or somebody else's file, stands where one goes."""
        marker = read_marker(self.out)
        listed = marker[1] if marker else []
        results = [(name, path) for name in self.datasets for path in self.results(name).values()]
        there = [(name, path) for name, path in [*results, ("", self.out / REPORT)] if os.path.lexists(path)]
        for _, path in there:
            if path.name not in listed:
                raise ConfigError(f"{path}: somebody else's file has the name of what would be written; move it away")
        stale = [path for name, path in there if name and not self._is_ours(name)]
        if stale and not self.config.overwrite:
            more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
            raise ConfigError(
                f"{stale[0]}{more}: exists, and was not made from these files with these settings; "
                "--overwrite replaces it, or use another --out"
            )

    def _is_ours(self, dataset: str) -> bool:
        """Whether a dataset is up to date, or was being written by these settings when the process ended."""
        record = self.records[dataset]
        return self._is_done(dataset) or (
            record is not None and record["settings"] == self.settings and record["state"] in (WRITING, INCOMPLETE)
        )

    def _is_done(self, dataset: str) -> bool:
        record = self.records[dataset]
        if record is None or record["settings"] != self.settings or record["state"] != DONE:
            return False
        return record["inputs"] == self._inputs(dataset) and all(
            (self.out / name).is_file() and (self.out / name).stat().st_size == size
            for name, size in record["files"].items()
        )

    def _inputs(self, dataset: str) -> list[list[Any]]:
        facts = [(file, file.path.stat()) for file in self.datasets[dataset]]
        return [[file.name, stat.st_size, stat.st_mtime_ns] for file, stat in facts]

    def _record(self, dataset: str) -> dict[str, Any] | None:
        try:
            record = json.loads(self._record_path(dataset).read_bytes())
            return record if {"settings", "state", "inputs", "files", "rows"} <= set(record) else None
        except (OSError, ValueError, TypeError):
            return None

    def _record_path(self, dataset: str) -> Path:
        return self.out / PARTS / f"{dataset}.json"

    def _job(self, file: SequenceFile) -> Job:
        config = self.config
        return Job(
            file, self.out / PARTS / file.dataset / part_name(file.subject, file.stem), self.body, self.depends,
            self.fps, config.interp, config.rotations or config.amputees > 0, config.amputees > 0, config.block,
        )  # fmt: skip

    def convert(self, target: ExportFolder, progress: Progress) -> tuple[list[dict[str, Any]], list[Path]]:
        """Convert what is not done; return all rows of the report, and the results."""
        for name in self.datasets:  # an earlier run may have ended just before
            self._remove_parts(name)
        todo = [name for name in self.datasets if not self._is_done(name)]
        jobs = [self._job(file) for name in todo for file in self.datasets[name]]
        progress.start("mocap", len(jobs))
        crew = Crew(lambda: make_executor(RunConfig(workers=self._workers(jobs)), self.out / PARTS), progress.tell)
        try:
            results = iter(crew.executor().map(run_job, jobs)) if jobs else iter(())
            for name in todo:
                rows = []
                for _ in self.datasets[name]:
                    rows.append(next(results))
                    progress.advance("mocap")
                self._finish(target, name, rows)
                self._remove_parts(name)
        finally:
            crew.close()
        progress.finish("mocap")
        done = [(name, self.records[name] or {}) for name in self.datasets]
        others = [{"sequence": name, "status": SKIPPED, "reason": why} for name, why in self.tree.others]
        rows = [row for _, record in done for row in record["rows"]]
        paths = [self.out / name for _, record in done for name in record["files"]]
        return sorted(rows + others, key=lambda row: row["sequence"]), paths

    def _workers(self, jobs: Iterable[Job]) -> int:
        size = sum(job.file.path.stat().st_size for job in jobs)
        return 0 if self.config.workers < 0 and size < INLINE_BYTES else self.config.workers

    def _finish(self, target: ExportFolder, dataset: str, rows: list[dict[str, Any]]) -> None:
        """Write a dataset's files from its parts, which go afterwards, and remember of what they were made."""
        inputs = self._inputs(dataset)
        record = {"settings": self.settings, "state": WRITING, "inputs": inputs, "files": {}, "rows": []}
        self._remember(dataset, record)  # from here on, what stands under the results' names is ours
        done = [(self._job(file), row) for file, row in zip(self.datasets[dataset], rows, strict=True)]
        plan = PlanConfig(regions=self.config.regions, residual=self.config.residual)
        copies = Copies(self.config.amputees, plan, self.config.absent, self.config.seed)
        results = {kind: target.take(path.name) for kind, path in self.results(dataset).items()}
        wrote = write_dataset(results, [d for d in done if d[1]["status"] == OK], copies)
        kept = [{k: v for k, v in row.items() if k != "arrays"} for row in rows]
        whole = all(row["status"] != FAILED for row in rows)
        sizes = {path.name: path.stat().st_size for path in wrote}
        self._remember(dataset, record | {"state": DONE if whole else INCOMPLETE, "files": sizes, "rows": kept})

    def _remove_parts(self, dataset: str) -> None:
        """Delete the parts of a dataset, if it is finished."""
        folder = self.out / PARTS / dataset
        if folder.is_dir() and self._is_done(dataset):
            for file in self.datasets[dataset]:
                for path in part_files(self._job(file).part):
                    files.remove(path)
            files.remove_empty(folder)

    def _remember(self, dataset: str, record: dict[str, Any]) -> None:
        self.records[dataset] = record
        files.write_whole(self._record_path(dataset), json.dumps(record).encode())

    def report(self, target: ExportFolder, rows: list[dict[str, Any]]) -> Path:
        """Write ``report.json``, a line a file; datasets of earlier runs into the same folder stay in it."""
        config = self.config
        earlier = {path.stem for path in (self.out / PARTS).glob("*.json")} - set(self.datasets)
        more = [row for name in sorted(earlier) for row in (self._record(name) or {"rows": []})["rows"]]
        lines = sorted([*rows, *more], key=lambda row: row["sequence"])
        settings = {
            "fps": str(self.fps), "body": config.body, "interp": config.interp, "amputees": config.amputees,
            "regions": config.regions, "residual": config.residual, "absent": config.absent, "seed": config.seed,
        }  # fmt: skip
        counts = {status: sum(r["status"] == status for r in lines) for status in (OK, SKIPPED, FAILED)}
        head = json.dumps({"a3dgen": a3dgen.__version__, "settings": settings, "counts": counts})[:-1]
        body = ",\n".join(json.dumps(row, ensure_ascii=False) for row in lines)
        text = f'{head}, "files": [\n{body}\n]}}\n'
        path = target.take(REPORT)
        files.write_whole(path, text.encode("utf-8", "backslashreplace"))
        return path
