"""Plate files: images, masks and sidecars, so that a plate is made once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.files import write_whole
from a3dgen.core.stage import Context
from a3dgen.io import images
from a3dgen.io.file_list import sha256_of
from a3dgen.removal.masks import Removal

KINDS = ("images", "masks", "occluders", "doubts")
_FILES = ("image", "mask", "occluders", "doubt")


def safe_name(key: str) -> str:
    """Return a file stem for a key: readable, and unique even where two keys differ only in odd characters."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", key)[:120].strip("._")
    return f"{readable}-{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"


def write_plate(
    context: Context,
    key: str,
    plate: UInt8[ndarray, "h w 3"],
    removal: Removal,
    doubt: UInt8[ndarray, "h w"],
    method: str,
) -> dict[str, Any]:
    """Write a person's plate and masks; return the row of Plates. ``doubt``: see ``removal.doubt``."""
    folder, name = context.folder, safe_name(key)
    paths = {kind: folder / kind / f"{name}.png" for kind in KINDS}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(paths["images"], plate)
    images.write_mask(paths["masks"], removal.hole)
    if removal.front.any():
        images.write_mask(paths["occluders"], removal.front)
    if doubt.any():
        images.write_labels(paths["doubts"], doubt)
    relative = {kind: path.relative_to(context.out).as_posix() for kind, path in paths.items()}
    return {
        "key": key,
        "image": relative["images"],
        "mask": relative["masks"],
        "occluders": relative["occluders"] if removal.front.any() else "",
        "doubt": relative["doubts"] if doubt.any() else "",
        "filled": float(removal.hole.mean()),
        "method": method,
    }


def facts_path(context: Context, key: str) -> Path:
    """Return where a plate's row and digest are kept."""
    return context.folder / "images" / f"{safe_name(key)}.json"


def plate_digest(
    facts: list[Any],
    person: dict[str, Any],
    body: dict[str, Any],
    beside: Sequence[tuple[dict[str, Any], dict[str, Any] | None]] = (),
) -> str:
    """Return a digest of everything a plate depends on: settings, rows, those of others in the photo, its bytes.

    Raises:
        Rejected: if the photo cannot be read.
    """
    mix = hashlib.blake2b(digest_size=16)
    mix.update(json.dumps(facts).encode())
    for row in (person, body, *(r for known in beside for r in known if r is not None)):
        for column in sorted(row.keys() - {"image"}):  # where a photo lies does not matter, only what it holds
            value = row[column]
            mix.update(column.encode())
            mix.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    try:
        mix.update(Path(person["image"]).read_bytes())
    except OSError as error:
        raise Rejected(f"photo cannot be read: {person['image']} ({error.strerror})") from None
    return mix.hexdigest()


def cached_row(facts: Path, digest: str, out: Path) -> dict[str, Any] | None:
    """Return the row written earlier, if it was made from the same inputs and its files are what they were."""
    try:
        stored = json.loads(facts.read_text())
        row = stored["row"]
        files = {row[c] for c in _FILES if row[c]}
        same = stored["digest"] == digest and files == stored["sha256"].keys()
        return row if same and all(sha256_of(out / f) == sha for f, sha in stored["sha256"].items()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no cache, or one cut short: the plate is simply made anew


def store_row(facts: Path, digest: str, row: dict[str, Any], out: Path) -> None:
    """Keep a row with the digests of its files; a reader sees all of it or none."""
    files = {row[c]: sha256_of(out / row[c]) for c in _FILES if row[c]}
    write_whole(facts, json.dumps({"digest": digest, "sha256": files, "row": row}).encode())
