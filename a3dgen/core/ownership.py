"""Whose folder is it? A marker in a folder says that a3dgen made it, and for what; no other folder is written into.

The marker ``.a3dgen`` is a text file of JSON lines: first ``{"a3dgen": version, "purpose": ...}``, then, of an
export, the name of each file, written before the file appears.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import a3dgen
from a3dgen.core import files
from a3dgen.core.errors import ConfigError, DataError

MARKER = ".a3dgen"
BUILD = "build"
NOTHING = (".lock", "lost+found")
"""A folder that holds no more than these is empty: a lock not yet followed by a marker, a fresh file system."""
OURS, NEW, ADOPTED = "ours", "new", "adopted"


def read_marker(folder: Path) -> tuple[str, list[str]] | None:
    """Return the purpose of a folder that a3dgen made and the names its marker lists; None if it has no marker.

    Raises:
        DataError: if the marker is damaged.
    """
    path = folder / MARKER
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    try:
        purpose = json.loads(lines[0])["purpose"]
        if not isinstance(purpose, str):
            raise ValueError
        return purpose, [name for name in map(_name, lines[1:]) if name]
    except (IndexError, ValueError, KeyError, TypeError):
        raise DataError(
            f"{path}: the marker that says what this folder is for is damaged; nothing was touched. If the folder is "
            f'a3dgen\'s own, write {{"a3dgen": "{a3dgen.__version__}", "purpose": "{BUILD}"}} into it'
        ) from None


def _name(line: str) -> str:
    """Return the name in a line; a line cut short by a full disk names a file that was not begun."""
    try:
        name = json.loads(line)
    except ValueError:
        return ""
    return name if isinstance(name, str) else ""


def write_marker(folder: Path, purpose: str, names: Iterable[str] = ()) -> None:
    """Say that a folder is a3dgen's."""
    lines = [{"a3dgen": a3dgen.__version__, "purpose": purpose}, *names]
    files.write_whole(folder / MARKER, "".join(f"{json.dumps(line)}\n" for line in lines).encode(), sync=True)


def check_owner(
    folder: Path,
    purpose: str,
    names: Iterable[str] = (),
    force: bool = False,
    proof: Callable[[Path], bool] = lambda _: False,
) -> str:
    """Tell whether a folder may be written into; touches nothing.

    Args:
        folder: need not be there. purpose: what the folder is to be for.
        names: what will be made in it. force: accept a folder of somebody else's in which none of these is taken.
        proof: tells whether a folder without a marker was made by an earlier version.

    Returns:
        ``OURS``, ``NEW`` or ``ADOPTED``.

    Raises:
        ConfigError: if it is somebody else's. DataError: if its marker is damaged.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: a file; --out must name a folder")
    found = read_marker(folder)
    if found is not None:
        if found[0] != purpose:
            raise ConfigError(f"{folder}: holds another thing of a3dgen's ({found[0]}), not a {purpose}; name another")
        return OURS
    there = sorted(p.name for p in folder.iterdir() if p.name not in NOTHING) if folder.is_dir() else []
    if not there:
        return NEW
    if proof(folder):
        return ADOPTED
    shown = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
    if not force:
        raise ConfigError(
            f"{folder}: holds {shown}, and a3dgen has not made it; nothing was touched. Name an empty or new folder, "
            f"or add --force to write beside what is there"
        )
    taken = sorted(set(names) & set(there))
    if taken:
        raise ConfigError(
            f"{folder}: {', '.join(taken[:3])} is somebody else's and has the name of what would be written; nothing "
            f"was touched. Move it away or name another folder"
        )
    return NEW


@dataclass
class ExportFolder:
    """A folder that holds an export; ``take`` gives the path of each file before it is written."""

    folder: Path
    before: set[str]
    taken: list[str] = field(default_factory=list)

    def take(self, name: str) -> Path:
        """Return where to write a file.

        Raises:
            ConfigError: if a file of somebody else's has this name.
        """
        path = self.folder / files.inside(name)
        if name not in self.before:
            if path.exists() or path.is_symlink():
                raise ConfigError(f"{path}: somebody else's file has the name of what would be written; move it away")
            with open(self.folder / MARKER, "a", encoding="utf-8") as marker:
                marker.write(f"{json.dumps(name)}\n")
            self.before.add(name)
        self.taken.append(name)
        return path


@contextmanager
def export_folder(out: Path, purpose: str, force: bool = False, complete: bool = True) -> Iterator[ExportFolder]:
    """Let an export write into a folder that is new, empty, or of an earlier export of the kind.

    Args:
        out: the folder. purpose: names the format. force: also beside files of somebody else's.
        complete: files of an earlier export that are not made again go at the end.

    Raises:
        ConfigError: if the folder is somebody else's.
    """
    if check_owner(out, purpose, (), force) != OURS:
        out.mkdir(parents=True, exist_ok=True)
        write_marker(out, purpose)
    found = read_marker(out)
    export = ExportFolder(out, set(found[1] if found else ()))
    files.sweep(out)
    yield export
    gone = export.before - set(export.taken) if complete else set()
    files.remove_listed(out, sorted(gone))
    write_marker(out, purpose, sorted(export.before - gone))
