"""The pictures of a shard: what they held when they were written, and whether they still do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.columns import Record
from a3dgen.core.errors import DataError
from a3dgen.core.files import Recorder, append_names
from a3dgen.core.records import Pictures
from a3dgen.io.file_list import damage, list_path, read_list, sha256_of, times_of
from a3dgen.io.shards import read_shard

FILE_COLUMNS = {"Plates": ("image", "mask", "occluders", "doubt"), "Renders": ("image", "mask", "parts", "device_mask")}
"""Columns that name files below the build folder, which belong to the shard as much as its rows."""


def files_of(record: Record) -> list[str]:
    """Return the files, below the build folder, that belong to a record."""
    columns = FILE_COLUMNS.get(type(record).__name__, ())
    return list(dict.fromkeys(path for name in columns for path in getattr(record, name).tolist() if path))


def describe(record: Record, out: Path, made: Recorder) -> Pictures:
    """Return what the pictures of a record hold: as they were written just now, or as they lie there since earlier."""
    return Pictures.from_rows([{"key": name, **_digest(out, name, made)} for name in files_of(record)])


def _digest(out: Path, name: str, made: Recorder) -> dict[str, Any]:
    if name in made.made:
        sha256, size = made.made[name]
        return {"sha256": sha256, "size": size}
    try:
        return {"sha256": sha256_of(out / name), "size": (out / name).stat().st_size}
    except FileNotFoundError as error:
        raise DataError(f"{out / name}: named in a record but not written") from error


def vouch(shard: Path, out: Path, names: Iterable[str]) -> None:
    """Note in a shard's list that these files are its own, and their times."""
    sidecars = [str(Path(name).with_suffix(".json")) for name in names]
    for name, time in times_of(out, [*names, *sidecars]).items():
        if time is not None:
            append_names(list_path(shard), [name], time)


def doubt(shard: Path) -> None:
    """Note in a shard's list that none of its files is known to be needed: those that are will be vouched for."""
    if list_path(shard).exists():
        append_names(list_path(shard), read_list(list_path(shard)))


def damaged(shard: Path, out: Path, thorough: bool) -> tuple[dict[str, str], list[str], bool] | None:
    """Compare the pictures of a shard with what they held.

    Args:
        shard: its path. out: the build folder. thorough: read every picture, not only those of another time.

    Returns:
        Name -> ``missing`` or ``damaged``, the names of the others, and whether the time of one of those was another;
        None if the shard does not say what its pictures held: an earlier version made it.

    Raises:
        DataError: if the shard cannot be read.
    """
    records = read_shard(shard)
    if "Pictures" not in records:
        return None
    pictures, times = records["Pictures"], read_list(list_path(shard))
    assert isinstance(pictures, Pictures)
    found, sound, touched = {}, [], False
    for name, sha256, size in zip(pictures.key, pictures.sha256, pictures.size, strict=True):
        time = times.get(name)
        wrong = damage(out / name, sha256, int(size), time, thorough)
        if wrong:
            found[name] = wrong
        else:
            sound.append(name)
            touched |= time is None or times_of(out, [name])[name] != time
    return found, sound, touched


def keys_of(shard: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the rows that these pictures belong to."""
    wanted, found = set(names), []
    if not wanted:
        return ()
    for record in read_shard(shard).values():
        columns = [getattr(record, c) for c in FILE_COLUMNS.get(type(record).__name__, ())]
        found += [str(key) for i, key in enumerate(record.key) if any(c[i] in wanted for c in columns)]
    return tuple(found)


def same_rows(one: Record, other: Record) -> bool:
    """Whether two records hold the same rows, to the bit."""
    if type(one) is not type(other) or len(one) != len(other):
        return False
    for name, spec in type(one).columns().items():
        a, b = getattr(one, name), getattr(other, name)
        if spec.ragged:
            same = all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        else:
            same = a.tolist() == b.tolist() if spec.is_text else a.tobytes() == b.tobytes()
        if not same:
            return False
    return True
