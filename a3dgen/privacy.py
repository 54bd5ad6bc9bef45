"""Forget a person: their photo leaves the build, everything made of it is deleted, the rest is brought up to date."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from a3dgen.config import BuildConfig, build_config
from a3dgen.errors import ConfigError, nearest
from a3dgen.folder import folder_lock
from a3dgen.formats.npz_read import read
from a3dgen.freshness import DONE, read_done
from a3dgen.io.forgotten import add_forgotten, facts_of, shot_of
from a3dgen.io.images import replace_file
from a3dgen.io.shards import read_shard
from a3dgen.stages.background import safe_name

DATASET, REPORT = "A3D_Dataset", "report.html"
LINES = (".jsonl", ".log", ".csv")
"""Text files of which lines are dropped; others hold no line that could be missed."""


def stored_config(out: Path, workers: int | None) -> BuildConfig:
    """Return the configuration a finished build was made with.

    Raises:
        ConfigError: if the folder is no finished build.
    """
    try:
        tree = json.loads((out / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(f"{out}: no build there; give the folder that holds A3D_Dataset") from None
    done = read_done(out, "ingest")
    if done is None:
        raise ConfigError(f"{out}: the build is not finished; run it to its end first")
    size = int(done.get("shard_size", 64))
    run = {"out": str(out), "shard_size": size} | ({} if workers is None else {"workers": workers})
    return build_config(tree, out.name, str(out / "config.json"), run=run)


def words_of(out: Path, key: str) -> tuple[set[str], set[str]]:
    """Find a person in a build.

    Returns:
        Texts that name the person or the photo (keys, names, file names), and the digests of the photo.

    Raises:
        ConfigError: if nobody has this key.
    """
    shards = sorted((out / "ingest").glob("[0-9]*.h5"))
    every: list[dict[str, Any]] = []
    for path in shards:
        persons = read_shard(path)["Persons"]
        columns = ("key", "image", "subset", "stem", "group")
        every += [{c: str(getattr(persons, c)[i]) for c in columns} for i in range(len(persons))]
    mine = next((row for row in every if row["key"] == key), None)
    if mine is None:
        raise ConfigError(f"{out}: nobody is called '{key}'{nearest(key, [r['key'] for r in every][:10_000])}")
    digests = facts_of(mine["image"], mine["subset"], mine["stem"], mine["group"])
    same = [r for r in every if facts_of(r["image"], r["subset"], r["stem"], r["group"]) & digests]
    words = {w for r in same for w in (r["key"], r["image"], safe_name(r["key"]))}
    stems = {shot_of(r["stem"]) for r in same}
    words |= _photo_names(out, stems)
    for row in same:
        digests |= facts_of(row["image"], row["subset"], row["stem"], row["group"])
    return words, digests


def _photo_names(out: Path, stems: Iterable[str]) -> set[str]:
    """Return what the list of names of a photo folder says of these photos."""
    path = out / "ingest" / "photos" / "names.csv"
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if shot_of(row["stem"]) in set(stems)]
    return {row["photo"].partition("@")[0] for row in rows} | {row["stem"] for row in rows}


def forget(out: Path, key: str, workers: int | None, build: Callable[[BuildConfig], Any]) -> dict[str, Any]:
    """Remove a person from a build.

    Every sample of the photo is dropped, other people's too: they show the person in the background. The photo itself,
    where it lies, is the user's to delete.

    Args:
        out: the build folder. key: of the person. workers: processes. build: brings a configuration up to date.

    Returns:
        ``photo`` (path), ``people`` (keys on the photo), ``left`` (files that still name the person: should be none).

    Raises:
        ConfigError: if there is no such build or person.
    """
    config = stored_config(out, workers)
    words, digests = words_of(out, key)
    with folder_lock(out):
        add_forgotten(out, digests)
        # A dataset with the person in it must not outlive this line, even if the build is interrupted.
        shutil.rmtree(out / DATASET, ignore_errors=True)
        (out / REPORT).unlink(missing_ok=True)
        (out / "ingest" / DONE).unlink(missing_ok=True)
        scrub(out, words)
    ledger = build(config)
    with folder_lock(out):
        scrub(out, words)
    return {"words": words, "ledger": ledger, "left": traces(out, words)}


def scrub(out: Path, words: set[str]) -> None:
    """Delete pictures and facts named after the person or photo, and lines of text files that name them."""
    long = {w for w in words if len(w) >= 4}
    for root, _, files in os.walk(out):
        for name in files:
            path = Path(root) / name
            if any(w in name for w in long if "/" not in w) and path.suffix != ".h5":
                path.unlink()
            elif path.suffix in LINES:
                text = path.read_text(encoding="utf-8", errors="replace")
                lines = [line for line in text.splitlines(keepends=True) if not any(w in line for w in long)]
                if len(lines) != text.count("\n") + (not text.endswith("\n") and bool(text)):
                    replace_file(path, "".join(lines).encode())


def traces(out: Path, words: set[str]) -> list[str]:
    """Return the files of a build that still hold one of these texts in their name, their bytes or their records."""
    long = {w.encode() for w in words if len(w) >= 4}
    found = []
    for root, _, files in os.walk(out):
        for name in files:
            path = Path(root) / name
            content = path.read_bytes() + name.encode()
            if path.suffix == ".h5":
                content += _texts(path)
            elif path.suffix == ".npz":
                texts = [v for v in read(path).values() if v.dtype.kind in "UO"]
                content += "\n".join(str(t) for v in texts for t in v.ravel()).encode()
            if any(word in content for word in long):
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
