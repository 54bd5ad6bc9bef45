"""Rules of the manifest: every file is, to the byte, what it was when the dataset was written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from a3dgen.core.errors import DataError
from a3dgen.core.machine import cores
from a3dgen.formats.validation.findings import Findings
from a3dgen.io.dataset_folder import MANIFEST, read_manifest
from a3dgen.io.regular import open_regular

RULE = "manifest"
_AT_ONCE = 1024


def check_manifest(root: Path, expected: bool, quick: bool, found: Findings) -> None:
    """Compare the files of a dataset with its manifest.

    Args:
        root: the dataset. expected: dataset.json says that there is a manifest. quick: leave it out.
        found: takes the findings.
    """
    path = root / MANIFEST
    if not path.is_file():
        if expected:
            found.error(RULE, MANIFEST, "is missing: nothing tells damaged files from sound ones")
        else:
            found.skip(RULE, f"there is no {MANIFEST}; whether files are damaged was not checked")
        return
    if quick:
        found.skip(RULE, "left out (--quick)")
        return
    known: set[int] = set()
    try:
        _compare(root, read_manifest(path), known, found)
    except (DataError, ValueError) as error:
        found.error(RULE, MANIFEST, str(error).removeprefix(f"{path}: "))
        return
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if name != MANIFEST and file.is_file() and hash(name) not in known:
            found.error(RULE, name, f"is not in {MANIFEST}")


def _compare(root: Path, lines: Iterator[tuple[str, str]], known: set[int], found: Findings) -> None:
    """Read every file that is listed; add a hash of its name to ``known``."""
    with ThreadPoolExecutor(cores()) as pool:  # reading and hashing run outside Python
        while some := list(islice(lines, _AT_ONCE)):
            known.update(hash(name) for _, name in some)
            for (_, name), why in zip(some, pool.map(lambda line: _wrong(root, *line), some), strict=True):
                if why:
                    found.error(RULE, name, why)


def _wrong(root: Path, sha256: str, name: str) -> str:
    """Say what is wrong with one file; nothing if it is sound."""
    import hashlib

    try:
        if not (root / name).resolve().is_relative_to(root.resolve()):
            return "is a link that leaves the dataset"
        with open_regular(root / name) as file:
            total = hashlib.sha256()
            while piece := file.read(1 << 20):
                total.update(piece)
        same = total.hexdigest() == sha256
        return "" if same else f"is damaged: its content is not what {MANIFEST} says"
    except FileNotFoundError:
        return f"is missing; {MANIFEST} lists it"
    except (OSError, DataError) as error:
        return f"cannot be read ({error})"
