"""A dataset folder: its manifest, which ``sha256sum -c SHA256SUMS`` reads, and how a new one takes its place.

Beside the folder the build keeps a list of its own: what may be deleted, and what each file was like. One JSON line a
file: ``[mtime in ns, name, size, SHA-256]``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from a3dgen.core.errors import DataError
from a3dgen.core.files import append_names, inside, put_folder, write_whole
from a3dgen.io.file_list import damage, read_list, sha256_of

MANIFEST = "SHA256SUMS"
DATASET_LIST = Path("annotate") / "dataset.files"
"""Below the build folder: the build's list of the files of the dataset."""
_LINE = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
log = logging.getLogger("a3dgen")


def manifest_line(sha256: str, name: str) -> str:
    """Return a line as sha256sum writes it: odd names are escaped, and the line says so by its first character."""
    escaped = "".join(_ESCAPES.get(ch, ch) for ch in name)
    return f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n"


def read_manifest(path: Path) -> Iterator[tuple[str, str]]:
    """Yield SHA-256 and name of every file that a manifest lists.

    Raises:
        DataError: if it cannot be read, or a name leads out of its folder.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, 1):
                found = _LINE.fullmatch(line.rstrip("\n"))
                if found is None:
                    raise DataError(f"{path}: line {number} is not one of sha256sum's")
                name = found[3]
                if found[1]:
                    name = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), name)
                yield found[2], inside(name).as_posix()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def publish(fresh: Path, target: Path, listed: Path) -> None:
    """Move a finished dataset, manifest included, into place; files of somebody else's in the old one stay.

    Args:
        fresh: the new folder. target: where it belongs. listed: the build's list of the files below ``target``.
    """
    names = [name for _, name in read_manifest(fresh / MANIFEST)]
    old = list(read_list(listed))
    append_names(listed, [*names, MANIFEST])
    kept = put_folder(fresh, target, [*old, *names, MANIFEST])
    if kept:
        some = ", ".join(kept[:3]) + (f" and {len(kept) - 3} more" if len(kept) > 3 else "")
        log.warning("%s: not made by this build, so kept: %s", target.name, some)
    lines = []
    for sha256, name in [*read_manifest(target / MANIFEST), (sha256_of(target / MANIFEST), MANIFEST)]:
        facts = (target / name).stat()
        lines.append(f"{json.dumps([facts.st_mtime_ns, name, facts.st_size, sha256])}\n")
    write_whole(listed, "".join(lines).encode())


def write_manifest(folder: Path, parts: Iterable[Path], names: Iterable[str]) -> None:
    """Write the manifest of a new dataset.

    Args:
        folder: the dataset. parts: files of finished lines, in order. names: further files, which are read.
    """
    with open(folder / MANIFEST, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for part in parts:
            file.write(part.read_text(encoding="utf-8", errors="surrogateescape"))
        for name in names:
            file.write(manifest_line(sha256_of(folder / name), name))


def first_damage(folder: Path, listed: Path, thorough: bool = False) -> tuple[str, str]:
    """Return the name of the first file that is not as it was written, and what is wrong; two empty texts if none.

    Args:
        folder: the dataset. listed: the build's list. thorough: read every file, not only those of another time.
    """
    for line in listed.read_text(encoding="utf-8").splitlines():
        try:
            time, name, size, sha256 = json.loads(line)
        except (ValueError, TypeError):
            return MANIFEST, "not finished"
        wrong = damage(folder / name, sha256, size, time, thorough)
        if wrong:
            return name, wrong
    return "", ""
