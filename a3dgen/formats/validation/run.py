"""Walks a dataset folder and applies every rule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.formats.schema import annotation_path, dataset_folder, image_root
from a3dgen.formats.validation.body_rules import body_of, check_body
from a3dgen.formats.validation.columns import view
from a3dgen.formats.validation.file_rules import check_files, check_links, check_stray
from a3dgen.formats.validation.findings import Findings
from a3dgen.formats.validation.manifest_rules import check_manifest
from a3dgen.formats.validation.row_rules import check_rows
from a3dgen.formats.validation.schema_rules import check_names, check_schema
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.io.npz import read
from a3dgen.io.regular import leaves


def validate(folder: str | Path, smpl: str = "", quick: bool = False) -> Findings:
    """Check a dataset that a3dgen, or anybody else, wrote.

    Args:
        folder: an A3D_Dataset folder.
        smpl: the SMPL file of a dataset made with one; without it, rules that need the body are not checked.
        quick: do not read every file to compare it with the manifest.

    Raises:
        DataError: if the folder does not exist or holds no annotation file.
    """
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: no such folder; give the path of an A3D_Dataset")
    root = dataset_folder(folder)
    paths = sorted(root.rglob("annotation/*.npz"))
    if not paths:
        raise DataError(f"{root}: no <subset>/annotation/*.npz below it; give the path of an A3D_Dataset")
    found = Findings()
    facts = _facts(root, found)
    made = _Made(
        "kept" in str(facts["conventions"].get("occluded_keypoints", "")) if facts else False,
        "collapse" in str(facts["conventions"].get("geometry", "")) if facts else False,
        body_of(facts, smpl, found),
    )
    rows: dict[str, int] = {}
    regions = np.zeros(len(REGION_NAMES), int)
    for path in paths:
        subset = _subset(path.relative_to(root))
        rows[subset], removed = _check_npz(root, path, subset, made, found)
        regions += removed
    check_stray(root, list(rows), found)
    check_links(root, found)
    check_manifest(root, bool(facts and facts.get("manifest")), quick, found)
    if facts is not None:
        _check_facts(facts, rows, regions, found)
    return found


def _subset(relative: Path) -> str:
    """``COCO_train/annotation/COCO_train.npz`` -> ``COCO_train``; ``H36M/annotation/S1.npz`` -> ``H36M/S1``."""
    owner = relative.parent.parent.as_posix()
    return f"{owner}/{relative.stem}" if owner == "H36M" else owner


@dataclass(frozen=True)
class _Made:
    """How a dataset was made: occluded keypoints kept, limbs collapsed, and the body model, if it can be had."""

    keeps_occluded: bool
    collapsed: bool
    body: BodyData | None


def _check_npz(root: Path, path: Path, subset: str, made: _Made, found: Findings) -> tuple[int, np.ndarray]:
    file = path.relative_to(root).as_posix()
    none = np.zeros(len(REGION_NAMES), int)
    if file != annotation_path(subset):
        found.error("tree", file, f"the annotation of {subset} is called {annotation_path(subset)}")
    if not (root / image_root(subset) / "Images").is_dir():
        found.error("tree", file, f"{image_root(subset)}/Images is missing")
    if leaves(root, path):
        return 0, none  # reported with all links
    try:
        data = read(path)
    except DataError as error:
        found.error("read", file, str(error).removeprefix(f"{path}: "))
        return 0, none
    if not check_schema(data, subset, file, found):
        found.skip("rows and files", f"{file} breaks the schema")
        return (len(next(iter(data.values()))) if data else 0), none
    columns = view(data, subset, file)
    found.samples += len(columns.names)
    check_names(columns.names, columns.labels, subset, file, found)
    check_rows(columns, made.keeps_occluded, found, made.collapsed)
    if made.body is not None and "removed" in columns.extra:
        check_body(columns, made.body, made.collapsed, found)
    check_files(columns, root, found)
    return len(columns.names), columns.removed.sum(0)


def _facts(root: Path, found: Findings) -> dict[str, Any] | None:
    path = root / "dataset.json"
    if not path.is_file() or leaves(root, path):
        found.skip("dataset.json", "the file is missing; conventions and counts were not checked")
        return None
    try:
        facts = json.loads(path.read_text())
        if not isinstance(facts, dict) or not isinstance(facts.get("conventions"), dict):
            raise ValueError("no conventions in it")
    except (ValueError, UnicodeDecodeError) as error:
        found.error("dataset.json", "dataset.json", f"cannot be read ({str(error)[:60]})")
        return None
    if not (root / "README.md").is_file():
        found.error("tree", "README.md", "the datasheet is missing")
    return facts


def _check_facts(facts: dict[str, Any], rows: dict[str, int], regions: np.ndarray, found: Findings) -> None:
    counts = facts.get("counts", {})
    if counts.get("samples") != dict(sorted(rows.items())):
        found.error("counts", "dataset.json", f"states samples {counts.get('samples')}, the files hold {rows}")
    stated = counts.get("regions", {})
    wrong = [n for n, r in zip(REGION_NAMES, regions, strict=True) if n in stated and stated[n] != r]
    if wrong:
        found.error("counts", "dataset.json", f"region counts differ from the files: {', '.join(wrong)}")


def main(folder: str | Path, strict: bool = False, as_json: bool = False) -> int:
    """Print the findings on ``folder``; return 0 if it is valid, else 1."""
    found = validate(folder)
    print(found.as_json(strict) if as_json else found.text(strict))
    return int(found.failed(strict))
