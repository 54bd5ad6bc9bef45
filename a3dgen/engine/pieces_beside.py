"""Pieces of recordings that go on in the next shard: what the fit of one shard must know of the shards beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.pieces import piece_beside
from a3dgen.core.records import Persons
from a3dgen.engine.digests import digest
from a3dgen.io.shards import read_shard, read_sidecar

ENDS = "clips"
"""In the sidecar of an ingest shard: the clips of its first and its last row."""


def ends(persons: Persons) -> list[str]:
    """Return the clips of the first and the last row."""
    return [str(persons.clip[0]), str(persons.clip[-1])] if len(persons) else ["", ""]


def pieces_beside(before: Persons | None, here: Persons, after: Persons | None) -> Persons | None:
    """Return the people of the piece before this shard's first and of the one after its last, None if nobody."""
    first, last = ends(here)
    parts = [
        some.take(np.flatnonzero(some.clip == clip))
        for some, clip, end in ((before, piece_beside(first, -1), -1), (after, piece_beside(last, 1), 0))
        if some is not None and clip and len(some) and some.clip[end] == clip
    ]
    return Persons.concat(parts) if parts else None


def read_beside(folder: Path, shard: int) -> Persons | None:
    """Return what ``pieces_beside`` finds in the shards of ingest around one.

    Raises:
        DataError: if one of them cannot be read.
    """
    sides = [read_shard(p)["Persons"] if p is not None else None for p in _joined(folder, shard)]
    if sides == [None, None]:
        return None
    return pieces_beside(sides[0], read_shard(_path(folder, shard))["Persons"], sides[1])


def digest_beside(folder: Path, shard: int) -> str:
    """Return a hash of the shards of ingest that the fit of one depends on besides its own."""
    paths = _joined(folder, shard)
    return digest([(read_sidecar(p) or {}).get("sha256", "") if p is not None else "" for p in paths])


def _joined(folder: Path, shard: int) -> tuple[Path | None, Path | None]:
    """Return the shards before and after one, each None unless a recording goes on there."""
    first, last = _ends(folder, shard)
    before, after = _ends(folder, shard - 1)[1], _ends(folder, shard + 1)[0]
    return (
        _path(folder, shard - 1) if before and before == piece_beside(first, -1) else None,
        _path(folder, shard + 1) if after and after == piece_beside(last, 1) else None,
    )


def _ends(folder: Path, shard: int) -> tuple[str, str]:
    facts: Mapping[str, Any] = (read_sidecar(_path(folder, shard)) if shard >= 0 else None) or {}
    first, last = facts.get(ENDS, ("", ""))
    return first, last


def _path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:06d}.h5"
