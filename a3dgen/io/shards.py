"""Shards: the records of one slice of a build in one HDF5 file, made valid by a JSON sidecar that is written last.

Layout, derived from ``Record.columns()``: one group a record; a plain column is a dataset of its declared dtype and
shape; text is a group ``{bytes, lengths}`` of concatenated UTF-8; a ragged column is a group ``{flat, lengths}``.
The same records give the same bytes. The sidecar ``<shard>.json`` holds the SHA-256 and size of the HDF5 file besides
what the caller adds (what it ``depends`` on, counts). A shard without a sidecar that matches it does not exist.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a3dgen.core.columns import Column, Record
from a3dgen.core.errors import DataError
from a3dgen.core.files import remove, write_whole
from a3dgen.core.pool import Pool
from a3dgen.core.records import RECORDS, SCHEMA_VERSION
from a3dgen.io.hdf5 import numbers

MAX_BYTES = 16 << 30
"""Of one column; a build folder may come from somebody else."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_COMPRESS_FROM = 2048
_CACHED_BYTES = 4 << 20
"""Larger shards are read anew each time."""
_READ: Pool[Record] = Pool(24)
"""Records by the digest of their file: every stage of a shard reads those before it again, mostly in one process."""


def write_shard(path: Path, records: Mapping[str, Record], sidecar: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write records and, last, their sidecar, each through a temporary and ``os.replace``.

    Args:
        path: ``*.h5``; its folder is made if it is missing.
        records: class name -> record, e.g. ``{"Persons": persons, "Outcome": outcome}``.
        sidecar: plain JSON facts to keep beside the shard (``depends``, counts).

    Returns:
        The sidecar as written.

    Raises:
        OSError: if the disk is full or read-only; what was there before is then gone or whole, never half.
    """
    path = Path(path)
    data = _image(records)
    facts = {
        **(sidecar or {}),
        "schema": SCHEMA_VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "rows": {name: len(record) for name, record in records.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(sidecar_path(path))
    write_bytes(path, data)
    write_json(sidecar_path(path), facts)
    _remember(facts["sha256"], len(data), records)
    return facts


def read_shard(path: Path, names: Iterable[str] | None = None) -> dict[str, Record]:
    """Return the records of a shard, checked against its sidecar.

    Args:
        path: ``*.h5``.
        names: read only these records; all by default.

    Raises:
        DataError: if the sidecar is missing or unreadable, or the file is not the one it describes.
    """
    path = Path(path)
    facts = read_sidecar(path)
    if facts is None:
        raise DataError(f"{path}: no valid sidecar beside the shard; run the build again to remake it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the shard ({error.strerror}); run the build again") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != facts["sha256"]:
        raise DataError(f"{path}: the shard is corrupted (its digest differs); run the build again to remake it")
    wanted = list(facts["rows"] if names is None else names) if isinstance(facts.get("rows"), dict) else None
    if wanted is not None and all((digest, name) in _READ for name in wanted):
        return {name: _READ[digest, name].copy() for name in wanted}
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            found = {name: _read_record(file[name], name) for name in (list(file) if names is None else names)}
    except (OSError, KeyError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{path}: not a shard of this version ({error}); run the build again") from error
    _remember(digest, len(data), found)
    return found


def _remember(digest: str, size: int, records: Mapping[str, Record]) -> None:
    if size <= _CACHED_BYTES:
        for name, record in records.items():
            _READ.get((digest, name), record.copy)


def sidecar_path(path: Path) -> Path:
    """Return the path of a shard's sidecar."""
    return Path(path).with_suffix(".json")


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Return a shard's sidecar, or None if there is none that this version can use."""
    try:
        facts = json.loads(sidecar_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA_VERSION:
        return None
    return facts if isinstance(facts.get("sha256"), str) else None


def is_intact(path: Path, facts: Mapping[str, Any]) -> bool:
    """Tell whether the HDF5 file is, byte for byte, the one its sidecar describes."""
    try:
        if os.path.getsize(path) != facts.get("bytes"):
            return False
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == facts["sha256"]
    except OSError:
        return False


def remove_shard(path: Path) -> None:
    """Delete a shard, its sidecar first."""
    remove(sidecar_path(path))
    remove(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` whole or not at all, and on the disk before it appears."""
    write_whole(path, data, sync=True)


def write_json(path: Path, facts: Any) -> None:
    """Write plain JSON atomically, keys in the order given, one line a top-level key.

    Bytes of a path that are no UTF-8 (which Python keeps as lone surrogates) are written as escapes, and read back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode())


def _image(records: Mapping[str, Record]) -> bytes:
    """Return the HDF5 file as bytes: built in memory, so that a full disk shows as a plain OSError."""
    with h5py.File("shard.h5", "w", driver="core", backing_store=False, libver="earliest") as file:
        for name, record in records.items():
            group = file.create_group(name)
            for column, spec in record.columns().items():
                _write_column(group, column, spec, getattr(record, column))
        file.flush()
        return file.id.get_file_image()


def _write_column(group: h5py.Group, name: str, spec: Column, array: np.ndarray) -> None:
    if spec.is_text:
        parts = [text.encode("utf-8", "surrogatepass") for text in array]
        _write_pieces(group, name, "bytes", np.frombuffer(b"".join(parts), np.uint8), [len(p) for p in parts])
    elif spec.ragged:
        flat = (
            np.concatenate(list(array))
            if len(array)
            else np.zeros((0, *(s for s in spec.shape[1:] if isinstance(s, int))), spec.dtype)
        )
        _write_pieces(group, name, "flat", flat, [len(row) for row in array])
    else:
        _write_array(group, name, array)
    group[name].attrs["unit"] = spec.unit


def _write_pieces(group: h5py.Group, name: str, what: str, flat: np.ndarray, lengths: list[int]) -> None:
    pieces = group.create_group(name)
    _write_array(pieces, what, flat)
    _write_array(pieces, "lengths", np.asarray(lengths, np.int64))


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.nbytes >= _COMPRESS_FROM else {}
    dataset = group.create_dataset(name, data=array, track_times=False, **packed)
    dataset.flush()  # not when its last reference goes: whoever looks at frames (Dask's profiler) may hold one longer


def _read_record(group: h5py.Group, name: str) -> Record:
    cls = RECORDS[name]
    return cls(**{column: _read_column(group[column], spec) for column, spec in cls.columns().items()})


def _read_column(node: h5py.Group | h5py.Dataset, spec: Column) -> np.ndarray:
    if not isinstance(node, h5py.Group):
        return numbers(node, max_bytes=MAX_BYTES)
    lengths = numbers(node["lengths"], max_bytes=MAX_BYTES)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    flat = numbers(node["bytes" if spec.is_text else "flat"], max_bytes=MAX_BYTES)
    text = flat.tobytes() if spec.is_text else b""
    rows = np.empty(len(ends), object)
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        rows[i] = text[start:end].decode("utf-8", "surrogatepass") if spec.is_text else flat[start:end]
    return rows
