"""Paths below the build folder, written so that a build copied or moved elsewhere is still the same build."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from a3dgen.core.records import Persons

OUT_TOKEN = "${out}"
"""Stands for the build folder, in the paths of a configuration and in the column ``image`` of Persons."""


def portable(path: str, out: Path) -> str:
    """Return a path with the build folder replaced by its token; one that lies elsewhere as it is."""
    try:
        return f"{OUT_TOKEN}/{Path(path).relative_to(out).as_posix()}"
    except ValueError:
        return path


def resolved(path: str, out: Path) -> str:
    """Return a path as it is on this machine."""
    return f"{out}{path.removeprefix(OUT_TOKEN)}" if path.startswith(OUT_TOKEN) else path


def with_paths(persons: Persons, out: Path) -> Persons:
    """Return people whose photos are named as they lie on this machine."""
    if not any(path.startswith(OUT_TOKEN) for path in persons.image):
        return persons
    return dataclasses.replace(persons, image=np.array([resolved(p, out) for p in persons.image], object))
