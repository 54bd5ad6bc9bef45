"""Digests of photos whose people asked to be forgotten; no name or key is kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from a3dgen.core.errors import DataError
from a3dgen.io.images import replace_file

FILE = "forgotten.json"


def fact(kind: str, value: str) -> str:
    """Return the digest under which ``value`` is remembered as forgotten."""
    return hashlib.blake2b(f"{kind}\0{value}".encode("utf-8", "replace"), digest_size=16).hexdigest()


def facts_of(image: str, subset: str, stem: str, group: str) -> set[str]:
    """Return the digests of a photo: its file, its name in the dataset, the instant it shows (several cameras).

    Frames of one video share a name.
    """
    found = {fact("image", image), fact("stem", f"{subset}/{shot_of(stem)}")}
    return found | ({fact("group", group)} if group else set())


def shot_of(stem: str) -> str:
    """Return a photo's name in the dataset; of a video frame, the video's."""
    start, mark, number = stem.rpartition("-f")
    return start if mark and len(number) == 6 and number.isdigit() else stem


def read_forgotten(out: Path) -> frozenset[str]:
    """Return the digests kept in a build folder; none if nobody was forgotten.

    Raises:
        DataError: if the file is damaged: it must not be mistaken for an empty one.
    """
    path = out / FILE
    if not path.is_file():
        return frozenset()
    try:
        photos = json.loads(path.read_text())["photos"]
        if not isinstance(photos, list) or not all(isinstance(p, str) for p in photos):
            raise ValueError
        return frozenset(photos)
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{path}: damaged; restore it, or people who were forgotten would come back") from None


def add_forgotten(out: Path, facts: set[str]) -> None:
    """Remember digests in a build folder."""
    everything = sorted(read_forgotten(out) | facts)
    replace_file(out / FILE, json.dumps({"photos": everything}, indent=1).encode())
