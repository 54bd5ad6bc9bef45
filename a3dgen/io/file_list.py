"""Lists of the files that a build has made, kept beside what names them: what may be deleted, and what to look at.

One JSON line a file: ``[mtime in ns, or null while it is being written, name below the build folder]``. The last line
of a name counts; a line cut short by a full disk names a file that was not begun. Times differ from run to run, so
lists are no part of what must be the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from a3dgen.core.files import write_whole

SUFFIX = ".files"
_hashes: dict[tuple[int, int, int, int], str] = {}
"""SHA-256 by device, inode, size and time: a file with two names is read once."""


def list_path(path: Path) -> Path:
    """Return the path of the list that belongs to a shard."""
    return path.with_suffix(SUFFIX)


def read_list(path: Path) -> dict[str, int | None]:
    """Return name -> mtime of what is listed, None where it is not known; empty if there is no list.

    A line may say more of its file (``dataset_folder``: size and SHA-256).
    """
    found: dict[str, int | None] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            time, name, *_ = json.loads(line)
        except (ValueError, TypeError):
            continue
        if isinstance(name, str) and (time is None or isinstance(time, int)):
            found[name] = time
    return found


def write_list(path: Path, times: Mapping[str, int | None]) -> None:
    """Write a list anew, sorted by name."""
    lines = (f"{json.dumps([time, name])}\n" for name, time in sorted(times.items()))
    write_whole(path, "".join(lines).encode())


def times_of(root: Path, names: Iterable[str]) -> dict[str, int | None]:
    """Return name -> mtime in ns of files below ``root``, None for one that is not there."""
    return {name: _mtime(root / name) for name in names}


def _mtime(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Raises:
        OSError: if it cannot be read.
    """
    facts = path.stat()
    key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if key not in _hashes:
        if len(_hashes) > 1_000_000:
            _hashes.clear()
        with open(path, "rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]


def forget_hashes() -> None:
    """Read every file anew from now on: bits may rot without a new time."""
    _hashes.clear()


def damage(path: Path, sha256: str, size: int, time: int | None, thorough: bool) -> str:
    """Say what happened to a file since it was written: ``missing``, ``damaged`` or nothing.

    Args:
        sha256, size, time: as recorded; a file of another time is read. thorough: read it in any case.
    """
    try:
        facts = os.stat(path)
        if facts.st_size != size:
            return "damaged"
        if not thorough and time == facts.st_mtime_ns:
            return ""
        return "" if sha256_of(path) == sha256 else "damaged"
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "damaged"
