"""Motion capture to joints: sequences as parallel tasks, one file a dataset, resumed after any interruption."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import a3dgen
from a3dgen.amputation.sampling import PlanConfig
from a3dgen.config import RunConfig
from a3dgen.core import files
from a3dgen.core.errors import ConfigError
from a3dgen.engine.build_folder import folder_lock
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.digests import digest
from a3dgen.engine.executor import Crew
from a3dgen.engine.mocap_files import Copies, write_dataset
from a3dgen.engine.mocap_job import (
    FAILED,
    OK,
    SKIPPED,
    VERSION,
    BodySpec,
    Job,
    part_files,
    part_name,
    run_job,
)
from a3dgen.engine.progress import Progress, Quiet
from a3dgen.motion.amputees import ABSENT
from a3dgen.motion.convert import BLOCK, INTERPOLATIONS
from a3dgen.motion.rates import rational
from a3dgen.sources.amass_tree import SequenceFile, Tree, find_sequences
from a3dgen.sources.mocap_files import AMPUTEES_SUFFIX, ROTATIONS_SUFFIX

PARTS, REPORT = ".parts", "report.json"
WRITING, INCOMPLETE, DONE = "writing", "incomplete", "done"
"""State of a dataset; incomplete: a sequence failed, and is tried again by the next run."""
INLINE_BYTES = 64 << 20
"""Less input than this is converted in this process: workers would take longer to start."""


@dataclass(frozen=True)
class MocapConfig:
    """What is converted, and how.

    Attributes:
        amass_dir: folder of AMASS's datasets. out: folder for the results.
        regressor: .npy file (J, V) of the joints wanted; needed unless ``body`` is ``anny``.
        smplh: folder that holds ``smplh/{female,male,neutral}/model.npz``, and ``dmpls/`` (and ``smplx/``) if any.
        body: ``smplh``, or ``anny``: the open body in its own shape, with Human3.6M's 17 joints.
        datasets: only these; all if empty.
        fps: of the result.
        interp: ``linear`` between joints, or ``slerp`` between poses, which keeps the lengths of bones.
        rotations: write ``<dataset>_rot.npz`` too.
        amputees: copies with limb loss of each sequence, in ``<dataset>_amp.npz``.
        regions, residual: what the copies lose, as ``amputate.regions`` and ``amputate.residual`` of a build.
        absent: what rows of absent joints hold: ``tip`` of the residual limb, ``nan`` or ``zero``.
        seed: of the drawing of regions.
        workers: processes; 0 = in this one, -1 = one a core, none for little input.
        block: source frames in memory at a time.
        overwrite: replace files in ``out`` that exist.

    Raises:
        ConfigError: for values that cannot be.
    """

    amass_dir: Path
    out: Path
    regressor: Path | None = None
    smplh: Path | None = None
    body: Literal["smplh", "anny"] = "smplh"
    datasets: tuple[str, ...] = ()
    fps: float = 50.0
    interp: Literal["linear", "slerp"] = "linear"
    rotations: bool = False
    amputees: int = 0
    regions: str | tuple[str, ...] = "uniform"
    residual: str | float = "clinical"
    absent: Literal["tip", "nan", "zero"] = "tip"
    seed: int = 0
    workers: int = -1
    block: int = BLOCK
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, value, valid in (("interp", self.interp, INTERPOLATIONS), ("absent", self.absent, ABSENT),
                                   ("body", self.body, ("smplh", "anny"))):  # fmt: skip
            if value not in valid:
                raise ConfigError(f"--{name} {value}: one of {', '.join(valid)}")
        if self.amputees < 0 or self.block < 2 or self.workers < -1:
            raise ConfigError("--amputees: at least 0, --batch_size: at least 2, --workers: at least -1")
        try:
            rational(self.fps)
        except ValueError as error:
            raise ConfigError(f"--fps: {error}") from None
        PlanConfig(regions=self.regions, residual=self.residual)


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
        ConfigError: if an option or path is wrong, or a result exists that these settings and files did not make.
        DataError: if a model cannot be used.
    """
    tree = find_sequences(Path(config.amass_dir), config.datasets)
    out = Path(config.out)
    with folder_lock(out):
        run = _Run(config, out, tree)
        run.refuse_what_exists()
        rows, results = run.convert(progress or Quiet())
        return Report(run.report(rows), rows, results)


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

    def refuse_what_exists(self) -> None:
        """Raise ConfigError if something else stands where the results go, or two results have one name."""
        results = [path for name in self.datasets for path in self.results(name).values()]
        twice = next((path for path in results if results.count(path) > 1), None)
        if twice:
            raise ConfigError(f"two datasets would be written to {twice.name}: convert them apart, with --datasets")
        report = self.out / REPORT
        existing = [p for name in self.datasets if not self._is_ours(name)
                    for p in self.results(name).values() if p.exists()]  # fmt: skip
        existing += [report] if report.exists() and '"a3dgen"' not in _head(report) else []
        if existing and not self.config.overwrite:
            more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
            raise ConfigError(
                f"{existing[0]}{more}: exists, and was not made from these files with these settings; "
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

    def convert(self, progress: Progress) -> tuple[list[dict[str, Any]], list[Path]]:
        """Convert what is not done; return all rows of the report, and the results."""
        todo = [name for name in self.datasets if not self._is_done(name)]
        jobs = [self._job(file) for name in todo for file in self.datasets[name]]
        progress.start("mocap", len(jobs))
        crew = Crew(lambda: make_executor(RunConfig(workers=self._workers(jobs)), self.out / PARTS), progress.say)
        try:
            results = iter(crew.executor().map(run_job, jobs)) if jobs else iter(())
            for name in todo:
                rows = []
                for _ in self.datasets[name]:
                    rows.append(next(results))
                    progress.advance("mocap")
                self._finish(name, rows)
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

    def _finish(self, dataset: str, rows: list[dict[str, Any]]) -> None:
        """Write a dataset's files from its parts, which go afterwards, and remember of what they were made."""
        inputs = self._inputs(dataset)
        record = {"settings": self.settings, "state": WRITING, "inputs": inputs, "files": {}, "rows": []}
        self._remember(dataset, record)  # from here on, what stands under the results' names is ours
        done = [(self._job(file), row) for file, row in zip(self.datasets[dataset], rows, strict=True)]
        plan = PlanConfig(regions=self.config.regions, residual=self.config.residual)
        copies = Copies(self.config.amputees, plan, self.config.absent, self.config.seed)
        wrote = write_dataset(self.results(dataset), [d for d in done if d[1]["status"] == OK], copies)
        kept = [{k: v for k, v in row.items() if k != "arrays"} for row in rows]
        whole = all(row["status"] != FAILED for row in rows)
        sizes = {path.name: path.stat().st_size for path in wrote}
        self._remember(dataset, record | {"state": DONE if whole else INCOMPLETE, "files": sizes, "rows": kept})
        if whole:
            for job, _ in done:
                for path in part_files(job.part):
                    files.remove(path)
            files.remove_empty(self.out / PARTS / dataset)

    def _remember(self, dataset: str, record: dict[str, Any]) -> None:
        self.records[dataset] = record
        files.write_whole(self._record_path(dataset), json.dumps(record).encode())

    def report(self, rows: list[dict[str, Any]]) -> Path:
        """Write ``report.json``, a line a file; datasets of earlier runs into the same folder stay in it."""
        config = self.config
        earlier = {path.stem for path in (self.out / PARTS).glob("*.json")} - set(self.datasets)
        more = [row for name in sorted(earlier) for row in (self._record(name) or {"rows": []})["rows"]]
        lines = sorted([*rows, *more], key=lambda row: row["sequence"])
        settings = {
            "fps": str(self.fps), "body": config.body, "interp": config.interp, "amputees": config.amputees,
            "absent": config.absent, "seed": config.seed,
        }  # fmt: skip
        counts = {status: sum(r["status"] == status for r in lines) for status in (OK, SKIPPED, FAILED)}
        head = json.dumps({"a3dgen": a3dgen.__version__, "settings": settings, "counts": counts})[:-1]
        body = ",\n".join(json.dumps(row, ensure_ascii=False) for row in lines)
        text = f'{head}, "files": [\n{body}\n]}}\n'
        files.write_whole(self.out / REPORT, text.encode("utf-8", "backslashreplace"))
        return self.out / REPORT


def body_of(config: MocapConfig) -> BodySpec:
    """Return the body that a configuration names.

    Raises:
        ConfigError: if its files are not there.
    """
    regressor = Path(config.regressor).expanduser() if config.regressor else None
    if regressor is not None and not regressor.is_file():
        raise ConfigError(f"--regressor {regressor}: no such file")
    if config.body == "anny":
        return BodySpec("anny", "", str(regressor.resolve()) if regressor else "")
    folder = Path(config.smplh).expanduser() if config.smplh else Path("body_models")
    if not folder.is_dir():
        raise ConfigError(
            f"--smplh {folder}: no such folder; it holds smplh/{{female,male,neutral}}/model.npz (download SMPL+H from "
            "mano.is.tue.mpg.de), or use --body anny, which needs no licensed file"
        )
    if regressor is None:
        raise ConfigError("--regressor: name the .npy file (J, 6890) of the joints, or use --body anny")
    return BodySpec("smplh", str(folder.resolve()), str(regressor.resolve()))


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(100).decode("utf-8", "replace")
