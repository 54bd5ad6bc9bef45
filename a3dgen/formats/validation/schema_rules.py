"""Rules on one npz alone: keys, dtypes, shapes, row counts, finite numbers, names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from a3dgen.formats.schema import DEVICE_KEYS, EXTENSION_KEYS, MODE_KEYS, TRACK_KEYS, Key, keys_of
from a3dgen.formats.validation.findings import Findings

MIN_ROWS = 2
NAME = re.compile(r"(?:amp_(?P<region>\d+)|(?P<full>full))_.+_v\d+\.(?:jpg|jpeg|png)$", re.IGNORECASE)
READER_LABEL = re.compile(r"amp_(\d+)")


def check_schema(data: Mapping[str, np.ndarray], subset: str, file: str, found: Findings) -> bool:
    """Check keys, dtypes, shapes and finiteness; return whether the other rules can run on this file."""
    required = keys_of(subset, strict=True)
    has_extension = any(k in data for k in EXTENSION_KEYS)
    modes, devices, tracks = (any(k in data for k in keys) for keys in (MODE_KEYS, DEVICE_KEYS, TRACK_KEYS))
    wanted = keys_of(subset, modes=modes, devices=devices, tracks=tracks) if has_extension else required
    usable = True
    for name in wanted:
        if name not in data:
            found.error("keys", file, f"the key '{name}' is missing")
            usable = False
    for name in sorted(set(data) - set(keys_of(subset, modes=True, devices=True, tracks=True))):
        found.warn("keys", file, f"the key '{name}' is not part of the format")
    lengths = {len(v) if v.ndim else -1 for v in data.values()}
    if len(lengths) != 1 or -1 in lengths:
        found.error("rows", file, f"keys have different numbers of rows: {sorted(lengths)}")
        return False
    if lengths.pop() < MIN_ROWS:
        found.error("rows", file, f"has fewer than {MIN_ROWS} rows; readers of this format fail on it")
        usable = usable and len(next(iter(data.values()))) > 0
    for name, key in wanted.items():
        if name in data:
            usable = _check_key(name, key, data[name], file, found) and usable
    if not has_extension:
        found.skip("extension keys", f"{file} has none: projection, state, twin and stump rules need them")
    return usable


def _check_key(name: str, key: Key, value: np.ndarray, file: str, found: Findings) -> bool:
    text = key.dtype == "object" or key.dtype.startswith("U")
    if text:
        good = value.dtype == object if key.dtype == "object" else value.dtype.kind == "U"
        if key.dtype == "U44" and good and value.dtype.itemsize < np.dtype("<U44").itemsize:
            good = False
    else:
        good = value.dtype == np.dtype(key.dtype)
    if not good:
        found.error("dtype", file, f"'{name}' is {value.dtype}, wanted {key.dtype}")
    shape = value.shape[1:]
    fits = len(shape) == len(key.shape) and all(
        isinstance(w, str) or w == s for s, w in zip(shape, key.shape, strict=True)
    )
    if not fits:
        found.error("shape", file, f"'{name}' has row shape {shape}, wanted {key.shape}")
    if fits and value.dtype.kind == "f" and not np.isfinite(value).all():
        rows = np.flatnonzero(~np.isfinite(value).reshape(len(value), -1).all(1))
        found.error("finite", file, f"'{name}' holds NaN or infinity in rows {rows[:5].tolist()}")
        return False
    return fits and (text or value.dtype.kind in "fiub")


def check_names(names: list[str], labels: np.ndarray, subset: str, file: str, found: Findings) -> None:
    """Check every ``imgname``: stays below Images/, follows the pattern, is unique, and says the right label.

    Args:
        names: the imgname column.
        labels: (n,) AJAHR label of each row, 12 = intact.
    """
    seen: set[str] = set()
    for i, name in enumerate(names):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not name or "\x00" in name:
            found.error("imgname", file, f"row {i}: '{name[:80]}' leaves the Images folder")
            continue
        if name in seen:
            found.error("duplicates", file, f"row {i}: '{name}' occurs twice")
        seen.add(name)
        match = NAME.match(path.name)
        if not match:
            found.error("imgname", file, f"row {i}: '{name}' does not follow (amp_<k>|full)_<stem>_v<n>.<ext>")
            continue
        says = int(match["region"]) if match["region"] else 12
        reads = READER_LABEL.findall(name)
        if len(reads) != (says != 12):
            found.error("imgname", file, f"row {i}: '{name}' reads as amputated {len(reads)} times")
        if says > 12 or (match["region"] and says == 12):
            found.error("imgname", file, f"row {i}: '{name}': {says} is no AJAHR region")
        elif says != labels[i]:
            found.error("label", file, f"row {i}: '{name}' says label {says}, the arrays say {labels[i]}")
        if subset.startswith("H36M/") and path.parts[0] != subset.split("/")[1]:
            found.error("imgname", file, f"row {i}: '{name}' is not in the subject's folder")
