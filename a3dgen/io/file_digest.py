"""Digests of file contents: the user's own files (priors, textures, networks) and the pictures that stages write."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path


def contents(paths: Iterable[str | Path]) -> list[str]:
    """Return name and SHA-256 of each file that is there; one that is not is complained of by who reads it."""
    found = []
    for path in map(Path, paths):
        if path.is_file():
            facts = path.stat()
            found.append(f"{path.name} {_sha256(path, facts.st_mtime_ns, facts.st_size)}")
    return found


@functools.lru_cache(maxsize=1024)
def _sha256(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
