"""Forget a person: their photo leaves the build, everything made of it is deleted, the rest is brought up to date."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from a3dgen.config import BuildConfig
from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.files import remove, remove_empty, remove_listed
from a3dgen.core.ownership import BUILD, check_owner
from a3dgen.engine.adoption import is_old_build
from a3dgen.engine.build_folder import held, remove_orphans, remove_shards_from
from a3dgen.engine.freshness import DONE, read_done
from a3dgen.engine.stored_config import stored_config
from a3dgen.engine.tasks import shape_path
from a3dgen.io.dataset_folder import DATASET_LIST
from a3dgen.io.file_list import SUFFIX, read_list, write_list
from a3dgen.io.forgotten import add_forgotten, fact, facts_of, shot_of
from a3dgen.io.images import replace_file
from a3dgen.io.npz import read
from a3dgen.io.portable import resolved
from a3dgen.io.shards import read_shard, remove_shard
from a3dgen.io.tables import read_table
from a3dgen.stages.background import safe_name
from a3dgen.stages.table import DATASET_FOLDER, REPORT_FILE, STAGE_TABLE

log = logging.getLogger("a3dgen")
TEXTS = ("log.jsonl", "workers.log", "review.csv", "ingest/photos/names.csv")
"""Text files of which lines are dropped; others hold no line that could be missed."""
PHOTO_FILES = Path("ingest") / "photos" / "made.files"


@dataclass(frozen=True)
class Traces:
    """Texts that name a person or photo, and how to tell them from other people's.

    Attributes:
        words: keys, names and file names of the person and the photo.
        others: the same of everybody else, as far as one of ``words`` stands in them: ``IMG_1_b`` is not ``IMG_1``.
        samples: middles of the names of the person's samples, which are theirs whatever else is called alike.
    """

    words: frozenset[str]
    others: frozenset[str] = frozenset()
    samples: frozenset[str] = frozenset()

    def of_others(self, every: Iterable[str]) -> Traces:
        """Return this with the texts among ``every`` that only look like one of ours."""
        alike = {text for text in every if text not in self.words and any(w in text for w in self.words)}
        return replace(self, others=frozenset(alike))

    def __contains__(self, text: str) -> bool:
        """Whether a text names the person: one of the words in it, whole, and not as a part of another's name."""
        if any(sample in text for sample in self.samples):
            return True
        for other in sorted(self.others, key=len, reverse=True):
            text = text.replace(other, " ")
        return any(pattern.search(text) for pattern in self._patterns)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        # shorter words (a photo called "a1.jpg") stand in too many texts by chance; their rows and files go by key
        spelled = {text for w in self.words if len(w) >= 4 for text in (w, json.dumps(w)[1:-1])}
        long = [re.escape(w) for w in sorted(spelled)]
        return [re.compile(rf"(?<![A-Za-z0-9]){w}(?![A-Za-z0-9])") for w in long]


def words_of(out: Path, key: str) -> tuple[Traces, set[str]]:
    """Find a person in a build, or somebody who was detected on a photo but refused.

    Returns:
        What names the person or the photo (keys, names, file names, copies), and the digests of the photo.

    Raises:
        ConfigError: if nobody has this key.
    """
    every: list[dict[str, str]] = []
    refused: set[str] = set()
    for path in sorted((out / "ingest").glob("[0-9]*.h5")):
        records = read_shard(path)
        persons = records["Persons"]
        columns = ("key", "image", "subset", "stem", "group", "person_id")
        rows = [{c: str(getattr(persons, c)[i]) for c in columns} for i in range(len(persons))]
        every += [{**row, "place": resolved(row["image"], out)} for row in rows]
        refused |= {str(k) for k in records["Outcome"].key}
    mine = next((row for row in every if row["key"] == key), None)
    mine = mine or (_refused(out, key) if key in refused else None)
    if mine is None:
        raise ConfigError(f"{out}: nobody is called '{key}'{nearest(key, [r['key'] for r in every][:10_000])}")
    digests = facts_of(mine["image"], mine["subset"], mine["stem"], mine["group"])
    same = [r for r in every if facts_of(r["image"], r["subset"], r["stem"], r["group"]) & digests]
    for row in same:
        digests |= facts_of(row["image"], row["subset"], row["stem"], row["group"])
    keys, stems = {row["key"] for row in same}, {shot_of(r["stem"]) for r in [mine, *same]}
    photos = [row for row in _listed(out) if shot_of(row["stem"]) in stems]
    digests |= {fact("photo", row["sha256"]) for row in photos if row.get("sha256")}
    rest = [row for row in _listed(out) if shot_of(row["stem"]) not in stems]
    samples = {f"_{row['stem']}_{row['person_id']}_v" for row in same if row["person_id"]}
    found = Traces(frozenset(_names([mine, *same], photos) | stems), samples=frozenset(samples))
    return found.of_others(_names([r for r in every if r["key"] not in keys], rest)), digests


def _names(rows: Iterable[Mapping[str, str]], photos: Iterable[Mapping[str, str]]) -> set[str]:
    names = {w for r in rows for w in (r["key"], r["image"], r.get("place", ""), safe_name(r["key"])) if w}
    return names | {w for p in photos for w in (p["photo"].partition("@")[0], p["stem"])}


def _refused(out: Path, key: str) -> dict[str, str] | None:
    """Return what is known of a photo of which nobody was kept; None if the key is of no photo folder."""
    parts = key.split("/", 2)
    if parts[0] != "custom" or len(parts) < 3:
        return None
    for row in _listed(out):
        if parts[2] in (row["stem"], row["photo"]) or parts[2].rpartition("/")[0] == row["stem"]:
            nothing = {"image": "", "group": "", "person_id": ""}
            return {"key": key, "subset": f"CUSTOM/{parts[1]}", "stem": row["stem"], **nothing}
    return None


def _listed(out: Path) -> list[dict[str, str]]:
    """Return the list of names of a photo folder: stem, photo, people, remark, sha256."""
    return read_table(out / "ingest" / "photos" / "names.csv")


def forget(out: Path, key: str, workers: int | None, build: Callable[[BuildConfig], Any]) -> dict[str, Any]:
    """Remove a person from a build.

    Every sample of the photo is dropped, other people's too: they show the person in the background. The photo itself,
    where it lies, is the user's to delete.

    Args:
        out: the build folder. key: of the person. workers: processes. build: brings a configuration up to date.

    Returns:
        ``words`` (what names the person), ``ledger`` of the build, ``left``: files that still name the person. There
        should be none.

    Raises:
        ConfigError: if there is no such build or person.
    """
    check_owner(out, BUILD, proof=is_old_build)
    config = stored_config(out, workers=workers)
    if read_done(out, "ingest") is None:
        raise ConfigError(f"{out}: the build is not finished; run it to its end first")
    words, digests = words_of(out, key)
    with held(out, STAGE_TABLE, False, log.warning):
        add_forgotten(out, digests)
        # A dataset with the person in it must not outlive this line, even if the build is interrupted.
        drop_dataset(out)
        remove(out / "ingest" / DONE)
        scrub(out, words)
    ledger = build(config)
    with held(out, STAGE_TABLE, False, log.warning):
        scrub(out, words)
    return {"words": words, "ledger": ledger, "left": traces(out, words)}


def drop_dataset(out: Path) -> None:
    """Delete the dataset and the report of a build, and nothing that somebody else put beside their files."""
    if read_done(out, "annotate") is not None or (out / DATASET_LIST).is_file():
        remove_listed(out / DATASET_FOLDER, read_list(out / DATASET_LIST))
        remove_empty(out / DATASET_FOLDER)
        remove(out / REPORT_FILE)
    for stage in ("annotate", "report"):
        remove(out / stage / DONE)


def drop_results(out: Path, read: bool = False) -> None:
    """Delete everything that was made of people, dataset and report included: nobody is left.

    Args:
        out: the build folder. read: also what was read of them.
    """
    with held(out, STAGE_TABLE, False, log.warning):
        for stage in [name for name in STAGE_TABLE if read or name != "ingest"]:
            remove_shards_from(out / stage, 0)
            remove_orphans(out, stage, 0)
        remove_shard(shape_path(out))
        drop_dataset(out)


def scrub(out: Path, words: Traces) -> None:
    """Delete pictures and facts named after the person or photo, and lines of the build's text files that name them.

    Only files in the build's own lists go.
    """
    for listed in sorted(out.rglob(f"*{SUFFIX}")):
        below = {DATASET_LIST: out / DATASET_FOLDER, PHOTO_FILES: listed.parent}.get(listed.relative_to(out), out)
        times = read_list(listed)
        mine = [n for n in times if PurePosixPath(n).name in words and not n.endswith(".h5")]
        if mine:
            remove_listed(below, mine)
            write_list(listed, {n: time for n, time in times.items() if n not in mine})
    for path in [out / name for name in TEXTS]:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            lines = [line for line in text.splitlines(keepends=True) if line not in words]
            if len(lines) != text.count("\n") + (not text.endswith("\n") and bool(text)):
                replace_file(path, "".join(lines).encode())


def traces(out: Path, words: Traces) -> list[str]:
    """Return the files of a build that still name the person in their name, their bytes or their records."""
    found = []
    for root, _, files in os.walk(out):
        for name in files:
            path = Path(root) / name
            content = path.read_bytes() + b"\n" + name.encode() + b"\n"
            if path.suffix == ".h5":
                content += _texts(path)
            elif path.suffix == ".npz":
                texts = [v for v in read(path).values() if v.dtype.kind in "UO"]
                content += "\n".join(str(t) for v in texts for t in v.ravel()).encode()
            if content.decode("utf-8", "replace") in words:
                found.append(path.relative_to(out).as_posix())
    return sorted(found)


def _texts(path: Path) -> bytes:
    """Return all texts of a shard."""
    parts = []
    for record in read_shard(path).values():
        for name, spec in type(record).columns().items():
            if spec.is_text:
                parts += [str(v) for v in getattr(record, name)]
    return "\n".join(parts).encode("utf-8", "replace")
