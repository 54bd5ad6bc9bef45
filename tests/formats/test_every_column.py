"""A change of 1 %, one flag or one swap in any column, in any row, is found from the other columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a3dgen.formats.schema import annotation_path, keys_of
from a3dgen.formats.validation import validate
from a3dgen.formats.validation.body_rules import check_body
from a3dgen.formats.validation.columns import view
from a3dgen.formats.validation.file_rules import check_files
from a3dgen.formats.validation.findings import Findings
from a3dgen.formats.validation.row_rules import check_rows
from a3dgen.formats.validation.schema_rules import check_names, check_schema
from a3dgen.io.npz import read

COCO, H36M = "COCO_train", "H36M/S1"
ROWS = (0, 2)
"""An amputee and an intact sample."""
IMPLIED_BY_NOTHING = {
    "a3dgen_removed_visible": "measured on the picture: only its range is known",
    "a3dgen_stump_girth_m": "depends on the drawn shape of the stump, which is in the pixels alone",
}
"""Columns of which a change in one row contradicts nothing in the file, and why. (A person's own numbers, as fit_px,
fit_sigma_m, skin or source_license, are found where the person has another row.)"""


def scaled(value: np.ndarray, row: int) -> None:
    value[row] = value[row] * 1.01


def largest(value: np.ndarray, row: int) -> None:
    flat = value[row].reshape(-1)
    at = np.abs(flat).argmax()
    flat[at] *= 1.01
    value[row] = flat.reshape(value[row].shape)


def flipped(value: np.ndarray, row: int) -> None:
    flat = value[row : row + 1].reshape(-1)
    flat[-1] = not flat[-1] if value.dtype.kind == "b" else 1 - flat[-1] if flat[-1] in (0, 1) else flat[-1] + 1
    value[row] = flat.reshape(value[row].shape)


def swapped(value: np.ndarray, row: int) -> None:
    other = next((i for i in range(len(value))[::-1] if np.any(value[i] != value[row])), None)
    if other is not None:
        value[[row, other]] = value[[other, row]]


def renamed(value: np.ndarray, row: int) -> None:
    text = str(value[row])
    value[row] = text[:-1] + "!" if text else "x"


def damages(value: np.ndarray) -> list:
    if value.dtype.kind in "OU":
        return [swapped, renamed]
    return [scaled, largest, swapped] if value.dtype.kind == "f" and not is_flag(value) else [flipped, swapped]


def is_flag(value: np.ndarray) -> bool:
    return bool(np.isin(value, (0, 1)).all())


def confidences(name: str, value: np.ndarray) -> np.ndarray | None:
    """Return the view on the flags in the last columns of keypoints."""
    return value[..., -1:] if "kpts" in name or "keypoints" in name or "ends" in name else None


@pytest.mark.parametrize(
    ("subset", "name"), [(s, n) for s in (COCO, H36M) for n in keys_of(s) if n not in IMPLIED_BY_NOTHING]
)
def test_a_small_change_is_found(written: Path, body, subset: str, name: str) -> None:
    data = read(written / annotation_path(subset))
    tried = 0
    for row in ROWS:
        for damage in damages(data[name]):
            tried += _try(written, body, data, subset, name, damage, row)
        if confidences(name, data[name]) is not None:
            tried += _try(written, body, data, subset, name, lambda v, i: flipped(v[..., -1:], i), row)
    assert tried


def _try(root, body, data, subset, name, damage, row) -> int:
    value = data[name].astype("<U200") if data[name].dtype.kind == "U" else data[name].copy()
    damage(value, row)
    if (value == data[name]).all():
        return 0
    assert _found(root, body, data | {name: value}, subset), f"{name}: a change of row {row} is found by nothing"
    return 1


def _found(root, body, data, subset) -> bool:
    """Run the validator's rules on one npz, the quick ones first, until one finds something."""
    found = Findings()
    if not check_schema(data, subset, "x.npz", found):
        return True
    columns = view(data, subset, "x.npz")
    for rules in (
        lambda: check_names(columns.names, columns.labels, subset, "x.npz", found),
        lambda: check_rows(columns, False, found),
        lambda: check_files(columns, root, found),
        lambda: check_body(columns, body, False, found),
    ):
        rules()
        if found.items:
            return True
    return False


@pytest.mark.parametrize("subset", [COCO, H36M])
def test_the_whole_file_breaks_no_rule(written: Path, body, subset: str) -> None:
    assert not _found(written, body, read(written / annotation_path(subset)), subset)


def test_what_nothing_implies_is_bounded(dataset: Path) -> None:
    path = dataset / annotation_path(COCO)
    whole = dict(np.load(path, allow_pickle=True))
    for name, value in (("a3dgen_removed_visible", 1.5), ("a3dgen_stump_girth_m", -0.1)):
        assert name in IMPLIED_BY_NOTHING
        np.savez(path, **(whole | {name: np.full_like(whole[name], value)}))
        assert validate(dataset).failed(strict=False)
