"""Remove what no shard refers to any more: shards beyond the last one, and pictures that a changed plan left behind."""

from __future__ import annotations

import os
from pathlib import Path

from a3dgen.io.shards import read_shard, remove_shard, sidecar_path
from a3dgen.stage_table import StageSpec
from a3dgen.tasks import FILE_COLUMNS, files_of, shard_path

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def remove_shards_from(folder: Path, first: int) -> int:
    """Delete the shards numbered ``first`` and up of one stage; return how many."""
    removed = 0
    for path in folder.glob("[0-9]*.h5") if folder.is_dir() else ():
        if path.stem.isdigit() and int(path.stem) >= first:
            remove_shard(path)
            removed += 1
    for path in folder.glob("[0-9]*.json") if folder.is_dir() else ():
        if path.stem.isdigit() and int(path.stem) >= first:
            path.unlink()
    return removed


def remove_orphans(out: Path, spec: StageSpec, count: int) -> int:
    """Delete pictures in a stage's folder that none of its ``count`` shards names; return how many.

    A sidecar ``<picture>.json`` goes with its picture. Only hashes of the names are held.
    """
    if spec.produces is None or spec.produces.__name__ not in FILE_COLUMNS:
        return 0
    named: set[int] = set()
    for shard in range(count):
        for record in read_shard(shard_path(out, spec.name, shard)).values():
            named.update(hash(name) for name in files_of(record))
    removed = 0
    for root, _, files in os.walk(out / spec.name):
        for name in files:
            path = Path(root) / name
            if path.suffix.lower() in PICTURES and hash(str(path.relative_to(out))) not in named:
                path.unlink()
                sidecar_path(path).unlink(missing_ok=True)
                removed += 1
    return removed
