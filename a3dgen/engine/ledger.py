"""Run statistics: ok, rejected and failed counts, timings, sizes; run.json and the final table."""

from __future__ import annotations

import datetime
import json
import logging
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import a3dgen
from a3dgen.core import machine
from a3dgen.core.errors import DataError
from a3dgen.core.records import FAILED, OK, REJECTED
from a3dgen.core.typed import plain
from a3dgen.io.shards import write_json

RUN = "run.json"
LOG = "log.jsonl"
FEEDS = {
    "fit": ("ingest", "Persons"),
    "amputate": ("fit", "Bodies"),
    "background": ("amputate", ""),
    "render": ("amputate", "Plans"),
}
"""Stage -> the stage and record whose rows are its input keys; no record: the keys that stage could use."""


@dataclass
class StageBook:
    """Totals of one stage over all shards.

    Attributes:
        made, kept: shards that were made in this run, and that were up to date.
        seconds: time spent in the stage, added up over workers. bytes: size of shards and pictures made.
        counts: keys by status. reasons: status -> masked reason -> [keys, one example]. rows: record -> rows.
        regions: finished samples by AJAHR region. facts: what a gathering stage returned.
    """

    made: int = 0
    kept: int = 0
    seconds: float = 0.0
    bytes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Keys that went in."""
        return sum(self.counts.values())


class Ledger:
    """Adds up a run."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.stages: dict[str, StageBook] = {}
        self.events: list[str] = []
        self._start = time.time()

    def add(self, stage: str, facts: Mapping[str, Any], made: bool) -> None:
        """Book one shard, from its sidecar."""
        book = self.stages.setdefault(stage, StageBook())
        book.made += made
        book.kept += not made
        book.counts.update(facts["counts"])
        book.rows.update(facts["rows"])
        book.regions.update(facts.get("regions", {}))
        for status, group in facts["reasons"].items():
            for masked, (n, example) in group.items():
                book.reasons.setdefault(status, {}).setdefault(masked, [0, example])[0] += n
        if made:
            self.event("shard", stage=stage, **{k: facts[k] for k in ("shard", "seconds", "bytes", "counts")})
            book.seconds += facts["seconds"]
            book.bytes += facts["bytes"] + facts.get("file_bytes", 0)

    def event(self, kind: str, **facts: Any) -> None:
        """Append one line to the JSON-lines log; notable ones (``note``) also go to run.json."""
        line = json.dumps({"time": _stamp(time.time()), "event": kind, **facts}, ensure_ascii=False)
        with open(self.out / LOG, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        if "note" in facts:
            self.events.append(str(facts["note"]))

    def add_whole(self, stage: str, facts: Mapping[str, Any], made: bool, seconds: float = 0.0, size: int = 0) -> None:
        """Book a gathering stage or the demo."""
        book = StageBook(made=int(made), kept=int(not made), seconds=seconds, bytes=size, facts=dict(facts))
        self.stages[stage] = book
        if made:
            self.event("stage", stage=stage, seconds=seconds, bytes=size)

    @property
    def made(self) -> int:
        """Shards and whole stages made in this run."""
        return sum(book.made for book in self.stages.values())

    @property
    def failed(self) -> int:
        """Keys that failed in any stage."""
        return sum(book.counts[FAILED] for book in self.stages.values())

    def check_balance(self) -> None:
        """Raise DataError unless every key that went into a stage came out of it with one status."""
        for stage, (source, record) in FEEDS.items():
            if stage in self.stages and source in self.stages:
                before = self.stages[source]
                wanted, found = before.rows[record] if record else before.counts[OK], self.stages[stage].read
                if wanted != found:
                    left = f"{source} left {wanted} {record or 'people'}"
                    raise DataError(f"the books do not balance: {left}, {stage} accounts for {found}")
        people = self.people()
        if people["read"] != people[OK] + people[REJECTED] + people[FAILED]:
            raise DataError(f"the books do not balance: {people}")

    def people(self) -> dict[str, int]:
        """Return people read, and by what became of them in the stages that work on people."""
        books = [self.stages[s] for s in ("ingest", "fit", "amputate", "background") if s in self.stages]
        if not books:
            return {"read": 0, OK: 0, REJECTED: 0, FAILED: 0}
        return {
            "read": books[0].read,
            OK: books[-1].counts[OK],
            REJECTED: sum(b.counts[REJECTED] for b in books),
            FAILED: sum(b.counts[FAILED] for b in books),
        }

    def write(self, how: str) -> dict[str, Any]:
        """Write run.json: times, hosts, seconds and bytes per stage. A stage that made nothing keeps its old times."""
        before = _previous(self.out)
        stages = {}
        for name, book in self.stages.items():
            entry = {k: v for k, v in plain(book).items() if v or k in ("made", "kept", "seconds", "bytes")}
            old = before.get(name, {})
            if not book.made and isinstance(old.get("seconds"), int | float):
                entry["seconds"], entry["bytes"] = old["seconds"], old.get("bytes", 0)
                book.seconds, book.bytes = entry["seconds"], entry["bytes"]
            stages[name] = entry
        facts = {
            "version": a3dgen.__version__,
            "started": _stamp(self._start),
            "finished": _stamp(time.time()),
            "seconds": round(time.time() - self._start, 3),
            "host": platform.node(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cores": machine.cores(),
            "ran": how,
            "people": self.people(),
            "events": self.events,
            "stages": {name: _rounded(entry) for name, entry in stages.items()},
        }
        write_json(self.out / RUN, facts)
        return facts


def fed(source: str, facts: Mapping[str, Any], stage: str) -> int:
    """Return how many keys a shard of ``source`` gives to ``stage``; 0 if it does not feed it."""
    feeder, record = FEEDS.get(stage, ("", ""))
    if feeder != source:
        return 0
    return facts["rows"][record] if record else facts["counts"][OK]


def _previous(out: Path) -> dict[str, Any]:
    try:
        stages = json.loads((out / RUN).read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return stages if isinstance(stages, dict) else {}


def _stamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "seconds": round(entry["seconds"], 3)}


def final_table(ledger: Ledger, order: Sequence[str]) -> Any:
    """Return what the build ends with, as a Rich renderable."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    stages = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stage", "in", "ok", "rejected", "failed", "made", "kept", "seconds", "MB"):
        stages.add_column(name, justify="left" if name == "stage" else "right")
    for name in [n for n in order if n in ledger.stages]:
        book = ledger.stages[name]
        numbers = [str(book.read), *(str(book.counts[s]) for s in (OK, REJECTED, FAILED))] if book.counts else [""] * 4
        stages.add_row(name, *numbers, str(book.made), str(book.kept), f"{book.seconds:.1f}", f"{book.bytes / 1e6:.1f}")
    parts: list[Any] = [stages]
    reasons = _reasons(ledger, order)
    if reasons:
        parts += ["", *[Text(line) for line in reasons]]
    if "render" in ledger.stages and ledger.stages["render"].regions:
        shown = ", ".join(f"{name} {n}" for name, n in ledger.stages["render"].regions.items() if n)
        parts += ["", Text(f"samples by region: {shown}")]
    return Group(*parts, "", Text(_bottom_line(ledger)))


def _bottom_line(ledger: Ledger) -> str:
    people = ledger.people()
    line = f"{people['read']} people read"
    if "fit" in ledger.stages:
        line += f", {ledger.stages['fit'].counts[OK]} fitted"
    line += f", {people[REJECTED]} rejected, {people[FAILED]} failed"
    if "render" in ledger.stages:
        render = ledger.stages["render"]
        line += f"; {render.read} samples planned, {render.rows['Renders']} made"
        line += f", {render.counts[REJECTED]} rejected, {render.counts[FAILED]} failed"
    return line


def _reasons(ledger: Ledger, order: Sequence[str]) -> list[str]:
    lines = []
    for name in [n for n in order if n in ledger.stages]:
        for status, group in ledger.stages[name].reasons.items():
            for n, example in sorted(group.values(), key=lambda item: -item[0]):
                lines.append(f"{name}: {n} {status}: {example if n == 1 else 'e.g. ' + example}")
    return lines


class _Remarks(logging.Handler):
    """Writes the package's warnings into the log of the build."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(logging.WARNING)
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        self._ledger.event("remark", text=record.getMessage())


@contextmanager
def remarks_kept(ledger: Ledger) -> Iterator[None]:
    """Keep what is said about the data in ``log.jsonl`` while the block runs (``forget`` finds it there)."""
    handler, logger = _Remarks(ledger), logging.getLogger("a3dgen")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
