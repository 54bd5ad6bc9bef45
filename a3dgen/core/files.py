"""The one module that deletes files, renames them or writes over them; every other one asks it.

What may go: a file that the caller names because its own records list it, and temporaries, which carry a name that
nobody else gives (``.<name>.<number>.a3dgen.tmp``). A folder goes only when it is empty. Whatever else lies there is
somebody else's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from a3dgen.core.errors import DataError

TEMPORARY = ".a3dgen.tmp"
"""End of the name of a file or folder that is being written; it begins with a dot."""
_TEMPORARY = re.compile(r"\..+" + re.escape(TEMPORARY), re.DOTALL)


@dataclass
class Recorder:
    """Notes what is written below a folder while it is active.

    Attributes:
        root: names are relative to it. journal: file to which each name is appended before the file appears.
        made: name -> SHA-256 and size.
    """

    root: Path
    journal: Path
    made: dict[str, tuple[str, int]] = field(default_factory=dict)

    def note(self, path: Path, data: bytes) -> None:
        """Note a file that is about to be put in place; what lies elsewhere is not noted."""
        try:
            name = path.relative_to(self.root).as_posix()
        except ValueError:
            return
        append_names(self.journal, [name])
        self.made[name] = (hashlib.sha256(data).hexdigest(), len(data))


_recorder: Recorder | None = None


@contextlib.contextmanager
def recording(root: Path, journal: Path) -> Iterator[Recorder]:
    """Note every file that this process writes whole below ``root``, by name in ``journal`` before it appears."""
    global _recorder
    before, _recorder = _recorder, Recorder(root, journal)
    try:
        yield _recorder
    finally:
        _recorder = before


def append_names(journal: Path, names: Iterable[str], time: int | None = None) -> None:
    """Append names to a journal of files, one JSON line ``[mtime in ns or null, name]`` each."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with open(journal, "a", encoding="utf-8") as file:
        file.write("".join(f"{json.dumps([time, name])}\n" for name in names))


def temporary(path: Path) -> Path:
    """Return the name of a temporary beside ``path``, new at every call."""
    return path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is one of ours that nobody finished."""
    return _TEMPORARY.fullmatch(name) is not None


@contextlib.contextmanager
def whole_file(path: str | Path, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of ``path`` when the block ends without an error.

    Args:
        path: its folder is made if it is missing. sync: flush to the disk first.

    Raises:
        OSError: if the disk is full or read-only; the old file is then untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary(path)
    try:
        with open(partial, "xb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_whole(path: str | Path, data: bytes, sync: bool = False) -> None:
    """Put ``data`` at ``path`` so that a reader sees the old file, the new one or none, but never half of one."""
    with whole_file(path, sync) as file:
        file.write(data)
        if _recorder is not None:
            _recorder.note(Path(path), data)


def remove(path: str | Path) -> bool:
    """Delete one file that the caller's records list; return whether it was there. A link goes, not what it names."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def remove_listed(root: Path, names: Iterable[str]) -> int:
    """Delete files below ``root`` by name, and folders that are empty then; return how many files there were.

    Args:
        names: relative, with slashes, from records of ours.

    Raises:
        DataError: if a name leads out of ``root``: the record is damaged, and nothing is deleted by it.
    """
    removed = 0
    folders: set[Path] = set()
    for name in names:
        path = root / inside(name)
        if not leads_out(root, path):
            removed += remove(path)
            folders.update(p for p in path.parents if p != root and root in p.parents)
    for folder in sorted(folders, key=lambda p: -len(p.parts)):
        remove_empty(folder)
    return removed


def inside(name: str) -> PurePosixPath:
    """Return a relative name.

    Raises:
        DataError: if it leads out of the folder that it is relative to.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise DataError(f"'{name}' leads out of its folder: the list it stands in is damaged")
    return path


def leads_out(root: Path, path: Path) -> bool:
    """Whether a folder between ``root`` and a file is a link: what lies behind it belongs to somebody else."""
    return any(p.is_symlink() for p in path.parents if root in p.parents)


def remove_empty(folder: Path) -> bool:
    """Delete a folder that holds nothing; return whether it did."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def remove_temporary(folder: Path) -> None:
    """Delete a folder of ours that was never finished, with all that is in it.

    Raises:
        ValueError: if its name is not that of a temporary: a bug.
    """
    if not is_temporary(folder.name):
        raise ValueError(f"{folder} is no temporary")
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def sweep(folder: Path, deep: bool = True) -> int:
    """Delete temporaries that a killed process left in ``folder`` (and, if ``deep``, anywhere below).

    Returns:
        How many there were.
    """
    swept = 0
    for root, folders, files in os.walk(folder):
        for name in filter(is_temporary, files):
            swept += remove(Path(root) / name)
        for name in [n for n in folders if is_temporary(n)]:
            remove_temporary(Path(root) / name)
            folders.remove(name)
            swept += 1
        if not deep:
            break
    return swept


def move_over(source: Path, target: Path) -> None:
    """Move a file of ours into the place of another one of ours."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)


def put_folder(fresh: Path, target: Path, listed: Iterable[str]) -> list[str]:
    """Move a finished folder into place; the files of the old one go once the new one stands there.

    Killed half way, it is finished by the next call with the same list.

    Args:
        fresh: the new folder. target: where it belongs.
        listed: names below ``target``, old and new, that records of ours list; the old files go. Other files there
            are somebody else's and lie in the new folder as they did in the old one or, where their name is taken
            now, in ``<target>.kept``.

    Returns:
        Names of the files that are somebody else's.

    Raises:
        DataError: if ``target`` is a link or a file.
    """
    old, names = target.with_name(f".{target.name}.old"), list(listed)
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise DataError(f"{target}: not a folder of this build; move it away and run again")
    if old.exists() and not target.exists():
        os.rename(old, target)
    kept = _carry_over(old, target, names)
    if target.exists():
        os.rename(target, old)
    os.rename(fresh, target)
    return sorted({*kept, *_carry_over(old, target, names)})


def _carry_over(old: Path, target: Path, listed: list[str]) -> list[str]:
    """Delete the listed files of a folder and move the others into another one; return their names."""
    if not old.is_dir():
        return []
    remove_listed(old, listed)
    kept = []
    for root, folders, files in os.walk(old, topdown=False):
        folder = Path(root)
        for path in [folder / n for n in (*files, *(f for f in folders if (folder / f).is_symlink()))]:
            name = path.relative_to(old)
            place = target / name
            if os.path.lexists(place):
                place = target.with_name(f"{target.name}.kept") / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(place):
                os.rename(path, place)
                kept.append(name.as_posix())
        remove_empty(folder)
    return sorted(kept)
