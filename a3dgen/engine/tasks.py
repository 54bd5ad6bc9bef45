"""A worker's task: run one stage on one shard, write the result, return a summary."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core import files
from a3dgen.core.columns import Record
from a3dgen.core.errors import A3dgenError, DataError
from a3dgen.core.records import FAILED, OK, Outcome, Persons, Pictures, Plans
from a3dgen.core.stage import Context, Inputs, Output
from a3dgen.core.threads import limit_threads
from a3dgen.core.worker_memory import keep_freed_memory, release_holes
from a3dgen.engine.pictures import FILE_COLUMNS, describe, doubt, files_of, same_rows, vouch
from a3dgen.engine.pieces_beside import read_beside
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.io.file_list import list_path
from a3dgen.io.portable import with_paths
from a3dgen.io.shards import read_shard, read_sidecar, write_shard
from a3dgen.stages.table import StageSpec

FIELD_OF = {"ingest": "persons", "fit": "bodies", "amputate": "plans", "background": "plates", "render": "renders"}
INTACT = "intact"
LOCK = ".lock"
"""In the build folder while and after something is built there."""
MAX_REASONS = 30
RESUME = "fix it and run again to resume"


class StorageError(A3dgenError):
    """The build folder cannot be written any more. What is finished stays; the build resumes."""


@dataclass(frozen=True)
class Task:
    """One stage on one shard.

    Attributes:
        spec, shard: which.
        config: the stage's Config.
        context: what every stage may know.
        depends: what the result depends on; goes into the sidecar.
        only: run on these input keys alone and write no shard: a search for what kills the process.
        poison: input keys to leave out, with the reason they are recorded as failed for.
        repair: draw the pictures of these input keys again and leave the shard as it is, if they come out the same.
        part: run on these input keys alone and return their rows and files, see ``parts``.
    """

    spec: StageSpec
    shard: int
    config: Any
    context: Context
    depends: Mapping[str, Any]
    only: tuple[str, ...] | None = None
    poison: Mapping[str, str] = field(default_factory=dict)
    repair: tuple[str, ...] = ()
    part: tuple[str, ...] = ()


def shard_path(out: Path, stage: str, shard: int) -> Path:
    """Return the path of one stage's shard."""
    return out / stage / f"{shard:06d}.h5"


def shape_path(out: Path) -> Path:
    """Return the path of the shapes of subjects, which the fit stage finds before its shards."""
    return out / "fit" / "shape.h5"


def trial_path(task: Task) -> Path:
    """Return the file that stands while a search for what kills the process is under way on a shard."""
    return task.context.folder / f".trial.{task.shard:06d}{files.TEMPORARY}"


def run_task(task: Task) -> dict[str, Any]:
    """Run one task.

    Returns:
        The shard's sidecar, plus ``seconds`` and ``file_bytes`` (size of the pictures it wrote); of a part, its
        ``result``, the files it ``made``, and ``seconds``.

    Raises:
        StorageError: if the disk is full, read-only or gone.
        A3dgenError: whatever the stage cannot work around.
    """
    limit_threads()
    keep_freed_memory()
    start = time.perf_counter()
    spec, out = task.spec, task.context.out
    try:
        require_folder(out)
        inputs = load_inputs(out, task.shard, spec.needs)
        if spec.name == "fit" and shape_path(out).exists():
            inputs = replace(inputs, shapes=read_shard(shape_path(out))["Shapes"])
        if spec.name == "fit" and getattr(task.config, "temporal", "off") == "on":
            inputs = replace(inputs, beside=read_beside(out / "ingest", task.shard))
        keys = input_keys(spec.name, inputs)
        wanted = [k for k in keys if k not in task.poison] if task.only is None else list(task.only)
        wanted = list(task.part) or wanted
        part = inputs if len(wanted) == len(keys) else take_keys(inputs, spec.name, set(wanted))
        task.context.folder.mkdir(parents=True, exist_ok=True)
        with files.recording(out, list_path(shard_path(out, spec.name, task.shard))) as made:
            if task.only is not None:
                return _trial(task, part)
            facts = _repaired(task, inputs, made) if task.repair else None
            if facts is None:
                doubt(shard_path(out, spec.name, task.shard))
                result = spec.code().run(task.config, part, task.context)
                check_outcome(spec, wanted, result)
                require_folder(out)
                if task.part:
                    facts = {"result": result, "made": made.made}
                else:
                    facts = write_result(task, inputs.plans, with_poison(result, task.poison), made)
        return {**facts, "seconds": time.perf_counter() - start}
    except OSError as error:
        raise storage_error(out, error) from error
    finally:
        release_holes()


def _repaired(task: Task, inputs: Inputs, made: files.Recorder) -> dict[str, Any] | None:
    """Draw damaged pictures again; return the shard's sidecar, None if something else came out than it says."""
    out, path = task.context.out, shard_path(task.context.out, task.spec.name, task.shard)
    result = task.spec.code().run(task.config, take_keys(inputs, task.spec.name, set(task.repair)), task.context)
    stored = read_shard(path)
    record, pictures = stored[type(result.record).__name__], stored["Pictures"]
    rows, known = record.index(), pictures.index()
    names = files_of(result.record)
    if any(str(k) not in rows for k in result.record.key) or any(n not in known for n in names):
        return None
    drawn = describe(result.record, out, made)
    if not same_rows(result.record, record.take([rows[str(k)] for k in result.record.key])):
        return None
    if not same_rows(drawn, pictures.take([known[n] for n in names])):
        return None
    vouch(path, out, names)
    return {**(read_sidecar(path) or {}), "file_bytes": int(drawn.size.sum())}


def _trial(task: Task, part: Inputs) -> dict[str, Any]:
    """Run a stage for what it does to the process; a file says, if the process dies, that it had begun."""
    mark = trial_path(task)
    mark.touch()
    try:
        check_outcome(task.spec, list(task.only or ()), task.spec.code().run(task.config, part, task.context))
    finally:
        files.remove(mark)
    return {}


def require_folder(out: Path) -> None:
    """Raise StorageError if the build folder is not there any more, rather than make it anew below a lost mount."""
    if not (out / LOCK).exists():
        raise StorageError(f"{out}: the build folder has vanished (unmounted?); finished shards are safe: {RESUME}")


def storage_error(out: Path, error: OSError) -> StorageError:
    """Return the one line for an error of the disk below the build."""
    where = error.filename or out
    return StorageError(f"{where}: {error.strerror or error}; finished shards are safe: {RESUME}")


def load_inputs(out: Path, shard: int, needs: Iterable[str], pictures: bool = False) -> Inputs:
    """Read what earlier stages wrote for one shard; with the digests of its pictures only if asked to."""
    fields: dict[str, Any] = {}
    outcomes: dict[str, Outcome] = {}
    digests: dict[str, str] = {}
    for stage in needs:
        if stage not in FIELD_OF:
            continue  # annotate leaves no shards
        for record in read_shard(shard_path(out, stage, shard)).values():
            if isinstance(record, Outcome):
                outcomes[stage] = record
            elif isinstance(record, Pictures):
                digests |= dict(zip(record.key, record.sha256, strict=True)) if pictures else {}
            else:
                fields[FIELD_OF[stage]] = with_paths(record, out) if isinstance(record, Persons) else record
    return Inputs(**fields, outcomes=outcomes, pictures=digests)


def input_keys(stage: str, inputs: Inputs) -> list[str]:
    """Return the keys that a stage must account for, each once: people, or samples for ``render``."""
    if stage == "fit":
        return inputs.persons.key.tolist()
    if stage == "amputate":
        return inputs.bodies.key.tolist()
    if stage == "background":
        return list(dict.fromkeys(inputs.plans.parent.tolist()))
    return inputs.plans.key.tolist()


def take_keys(inputs: Inputs, stage: str, keys: set[str]) -> Inputs:
    """Return the inputs of a stage cut down to some of its input keys."""
    last = {"fit": "persons", "amputate": "bodies", "background": "plans"}.get(stage, "plans")
    record = getattr(inputs, last)
    column = record.parent if stage == "background" else record.key
    return replace(inputs, **{last: record.take([i for i, key in enumerate(column) if key in keys])})


def check_outcome(spec: StageSpec, keys: list[str], result: Output) -> None:
    """Raise DataError if a stage lost a key or invented one: every person has exactly one outcome."""
    found = result.outcome.key.tolist()
    if sorted(found) != sorted(keys):
        odd = sorted(set(found) ^ set(keys))
        raise DataError(f"stage {spec.name} must give one outcome for every key it was given; wrong for {odd[:3]}")
    if spec.produces is not None and not isinstance(result.record, spec.produces):
        raise DataError(f"stage {spec.name} must give {spec.produces.__name__}, not {type(result.record).__name__}")


def with_poison(result: Output, poison: Mapping[str, str]) -> Output:
    """Add people who were left out, because they kill the process, to the outcome as failed."""
    if not poison:
        return result
    rows = [{"key": key, "status": FAILED, "reason": reason} for key, reason in poison.items()]
    return Output(result.record, Outcome.concat([result.outcome, Outcome.from_rows(rows)]))


def write_result(task: Task, plans: Plans | None, result: Output, made: files.Recorder) -> dict[str, Any]:
    """Write a stage's shard and sidecar; return the sidecar and ``file_bytes``, the size of its pictures.

    Args:
        plans: of the shard, where its samples are drawn. result: of the stage. made: the files it has written.
    """
    out, path = task.context.out, shard_path(task.context.out, task.spec.name, task.shard)
    names = files_of(result.record)
    facts = {"stage": task.spec.name, "shard": task.shard, "depends": dict(task.depends), "files": len(names)}
    facts.update(summary(result.outcome))
    if plans is not None and result.record.__class__.__name__ == "Renders":
        facts["regions"] = count_regions(plans, result.record)
    records: dict[str, Record] = {type(result.record).__name__: result.record, "Outcome": result.outcome}
    bytes_written = 0
    if type(result.record).__name__ in FILE_COLUMNS:
        pictures = describe(result.record, out, made)
        records["Pictures"], bytes_written = pictures, int(pictures.size.sum())
    written = write_shard(path, records, facts)
    vouch(path, out, [*names, path.relative_to(out).as_posix()])
    return {**written, "file_bytes": bytes_written}


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return counts by status, and by reason with one full example each; names and numbers are masked to group."""
    reasons: dict[str, dict[str, list[Any]]] = {}
    for status, reason in zip(outcome.status, outcome.reason, strict=True):
        if status != OK:
            group = reasons.setdefault(status, {})
            masked = mask_reason(reason)
            if masked not in group and len(group) >= MAX_REASONS:
                masked = "other reasons"
            group.setdefault(masked, [0, reason])[0] += 1
    return {"counts": outcome.counts(), "reasons": reasons}


def mask_reason(reason: str) -> str:
    """Return a reason without what is particular to one person: quoted names, paths and numbers."""
    text = re.sub(r"'[^']*'", "'…'", reason)
    text = re.sub(r"\S*/\S*", "…", text)
    return re.sub(r"\d+(\.\d+)?", "#", text)


def count_regions(plans: Plans, renders: Record) -> dict[str, int]:
    """Return the number of finished samples of each region; a sample of several limbs counts in each."""
    at = plans.index()
    removed = plans.removed[[at[k] for k in renders.key]].reshape(-1, len(REGION_NAMES))
    counts = {name: int(n) for name, n in zip(REGION_NAMES, removed.sum(0), strict=True)}
    return {**counts, INTACT: int(np.sum(~removed.any(1)))}


def cut_shards(rows: Iterable[Any], size: int, clips: bool = False) -> Iterator[Output]:
    """Cut the stream of an ingest into shards of at least one and about ``size`` people.

    A run of rows with the same ``group`` is never split, nor are people of one photo who follow each other; with
    ``clips`` none with the same ``clip``. Refused people travel with the shard they were read in.

    Raises:
        DataError: if a key comes twice, or a group comes back after it ended.
    """
    people: list[Mapping[str, Any]] = []
    refused: list[tuple[str, str]] = []
    seen: set[int] = set()
    groups: set[int] = set()
    last = ""
    for row in rows:
        person = row if isinstance(row, Mapping) else None
        key = str(person["key"] if person is not None else row[0])
        group = last if person is None else str((clips and person.get("clip")) or person.get("group", ""))
        full = len(people) + len(refused) >= 16 * size or (person is not None and len(people) >= size)
        beside = person is not None and bool(people) and bool(person.get("image")) and same_photo(person, people[-1])
        if full and not (group and group == last) and not beside:
            yield _shard(people, refused)
            people, refused = [], []
        _once(seen, key, f"two people are both called '{key}': give each source its own name, or remove one copy")
        if person is None:
            refused.append((key, row[1]))
            continue
        if group and group != last:
            _once(groups, group, f"the group '{group}' is not read in one piece; its source must keep it together")
        people.append(person)
        last = group
    if people or refused:
        yield _shard(people, refused)


def same_photo(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two people are in one photo: their plates are made with knowledge of each other."""
    return str(a.get("image")) == str(b.get("image"))


def _once(seen: set[int], name: str, problem: str) -> None:
    """Remember a name by its 64-bit hash, so that a million of them stay small; a repeat is an error."""
    code = hash(name)
    if code in seen:
        raise DataError(problem)
    seen.add(code)


def _shard(people: list[Mapping[str, Any]], refused: list[tuple[str, str]]) -> Output:
    persons = Persons.from_rows(people)
    rows = [{"key": key, "status": OK} for key in persons.key]
    rows += [{"key": key, "status": "rejected", "reason": reason} for key, reason in refused]
    return Output(persons, Outcome.from_rows(rows))
