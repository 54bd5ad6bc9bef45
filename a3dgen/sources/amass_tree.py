"""Finds the sequences of an AMASS folder, and says of every other file why it is none."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from a3dgen.core.errors import ConfigError, nearest

COMPANIONS = {"shape.npz": "the subject's shape, not a sequence", "_stagei.npz": "stage one of the fit, not a sequence"}
"""Ending of a file's name -> what it is; AMASS ships these beside the sequences."""


@dataclass(frozen=True, order=True)
class SequenceFile:
    """One file of the tree: ``dataset/subject/stem``, and where it lies."""

    dataset: str
    subject: str
    stem: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.stem}"


@dataclass(frozen=True)
class Tree:
    """``sequences`` in order; ``others``: (path below the folder, reason) of every other file."""

    sequences: list[SequenceFile]
    others: list[tuple[str, str]]


def find_sequences(root: Path, datasets: Collection[str] = ()) -> Tree:
    """List ``root/<dataset>/<subject>/<sequence>.npz``.

    A folder that holds sequences is a subject, and the first folder below ``root`` on the way to it is its dataset; a
    wrapper ``<dataset>/<dataset>/<subject>`` needs no rule of its own, and neither does a dataset of one subject. Where
    ``root`` holds subjects only, it is a dataset itself. Links to folders are followed, each folder once.

    Args:
        datasets: only these; all if empty.

    Raises:
        ConfigError: if there is no such folder, dataset, or no sequence in it.
    """
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; give the folder that holds AMASS's datasets")
    sequences, others = [], []
    for path in _files(root):
        parts = path.relative_to(root).parts
        if why := _no_sequence(path):
            others.append((parts, why))
        else:
            sequences.append((parts, path))
    nested = any(len(parts) > 2 for parts, _ in sequences)
    placed = sorted(SequenceFile(*_place(root, parts, nested), path.name.removesuffix(".npz"), path)
                    for parts, path in sequences)  # fmt: skip
    known = {s.dataset for s in placed}
    for name in datasets:
        if name not in known:
            raise ConfigError(f"--datasets: '{name}' is not in {root}{nearest(name, known)}")
    kept = [s for s in placed if not datasets or s.dataset in datasets]
    unique: dict[str, SequenceFile] = {}
    doubles = []
    for s in kept:
        if (first := unique.setdefault(s.name, s)) is not s:
            doubles.append((s.path.relative_to(root).parts,
                            f"same subject and name as {first.path.relative_to(root)}"))  # fmt: skip
    if datasets:
        others = [(parts, why) for parts, why in others if parts[0] in datasets]
    if not unique:
        raise ConfigError(f"{root}: no sequence in it; wanted <dataset>/<subject>/<sequence>.npz of AMASS")
    return Tree(list(unique.values()), sorted(("/".join(parts), why) for parts, why in others + doubles))


def _files(root: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        facts = os.stat(folder)
        if (facts.st_dev, facts.st_ino) in seen:
            inner.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        inner.sort()
        yield from (Path(folder) / name for name in sorted(files))


def _no_sequence(path: Path) -> str:
    if path.suffix != ".npz":
        return "not an .npz file"
    for ending, why in COMPANIONS.items():
        if path.name.endswith(ending):
            return why
    return "" if path.is_file() else "a link that leads nowhere, or no ordinary file"


def _place(root: Path, parts: tuple[str, ...], nested: bool) -> tuple[str, str]:
    """Return dataset and subject of a file; ``nested``: whether other files lie deeper than in folders of ``root``."""
    here = root.resolve()
    if len(parts) > 2:
        return parts[0], parts[-2]
    if len(parts) == 2:
        return (parts[0], parts[0]) if nested else (here.name, parts[0])
    return (here.name, here.name) if nested else (here.parent.name or here.name, here.name)
