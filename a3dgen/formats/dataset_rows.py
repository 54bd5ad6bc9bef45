"""Read a finished dataset row by row in common terms, for exports and statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError, nearest
from a3dgen.formats.schema import (
    DEVICE_KEYS,
    EXTENSION_KEYS,
    MODE_KEYS,
    TRACK_KEYS,
    annotation_path,
    dataset_folder,
    image_root,
)
from a3dgen.formats.validation.columns import Columns, view
from a3dgen.formats.validation.findings import Findings
from a3dgen.formats.validation.schema_rules import check_schema
from a3dgen.io.npz import read
from a3dgen.io.regular import inside


@dataclass(frozen=True)
class Row:
    """One sample: its subset's columns and its row in them."""

    columns: Columns
    index: int
    folder: Path

    @property
    def name(self) -> str:
        return self.columns.names[self.index]

    @property
    def image(self) -> Path:
        """Path of the picture.

        Raises:
            DataError: if it is a link out of the dataset.
        """
        return inside(self.folder, self.folder / image_root(self.columns.subset) / "Images" / self.name)

    @property
    def mask(self) -> Path:
        """Path of the person mask."""
        return inside(self.folder, self.folder / image_root(self.columns.subset) / "Masks" / str(self.extra("mask")))

    @property
    def device_mask(self) -> Path:
        """Path of the mask of device instances."""
        name = str(self.extra("device_mask"))
        return inside(self.folder, self.folder / image_root(self.columns.subset) / "Masks" / name)

    def extra(self, key: str) -> Any:
        """Return this row of an extension key (without its prefix).

        Raises:
            DataError: if the dataset was written without extension keys.
        """
        if key not in self.columns.extra:
            raise DataError(f"{self.columns.file}: has no a3dgen_{key}; write the dataset with annotate.strict=false")
        return self.columns.extra[key][self.index]

    @property
    def removed(self) -> np.ndarray:
        return self.columns.removed[self.index]


def find_subsets(folder: str | Path) -> list[str]:
    """Return the subsets that have an annotation file, sorted.

    Raises:
        DataError: if there is none.
    """
    root, found = dataset_folder(folder), []
    for path in sorted(root.rglob("annotation/*.npz")):
        owner = path.parent.parent.relative_to(root).as_posix()
        found.append(f"{owner}/{path.stem}" if owner == "H36M" else owner)
    if not found:
        raise DataError(f"{folder}: no <subset>/annotation/*.npz below it; give the path of an A3D_Dataset")
    return found


def load_subset(folder: Path, subset: str) -> Columns:
    """Return the columns of one subset.

    Raises:
        DataError: if there is no such subset, its file breaks the format, or a name leaves its folder.
    """
    folder = dataset_folder(folder)
    there = find_subsets(folder)
    if subset not in there:
        raise DataError(f"{folder}: no subset '{subset}'{nearest(subset, there)}")
    path = folder / annotation_path(subset)
    data, found = read(inside(Path(folder), path)), Findings()
    if not check_schema(data, subset, str(path), found):
        raise DataError(f"{found.items[0].line()}; run 'a3dgen validate {folder}'")
    known = EXTENSION_KEYS | MODE_KEYS | DEVICE_KEYS | TRACK_KEYS
    columns = view({k: v for k, v in data.items() if not k.startswith("a3dgen_") or k in known}, subset, str(path))
    for name in columns.names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"{path}: '{name[:80]}' leaves the Images folder")
    return columns


def betas_are_smpl(folder: str | Path) -> bool:
    """Whether dataset.json names SMPL as the body model; a dataset without one was made with SMPL."""
    return _fact(Path(folder), "body_model", "smpl") == "smpl"


def keeps_occluded(folder: str | Path) -> bool:
    """Whether occluded 2D points of a dataset keep their place and confidence (``annotate.occluded: keep``)."""
    return "kept" in str(dict(_fact(Path(folder), "conventions", {})).get("occluded_keypoints", ""))


def _fact(folder: Path, name: str, without: Any) -> Any:
    """Return an entry of dataset.json, or ``without`` if there is no such file."""
    path = dataset_folder(folder) / "dataset.json"
    if not path.is_file():
        return without
    try:
        return json.loads(path.read_text())[name]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def rows(folder: str | Path, subsets: list[str] | None = None) -> Iterator[Row]:
    """Iterate the samples of a dataset, subset by subset."""
    root = dataset_folder(folder)
    for subset in subsets or find_subsets(root):
        columns = load_subset(root, subset)
        for i in range(len(columns.names)):
            yield Row(columns, i, root)
