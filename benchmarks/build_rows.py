"""Rows of a finished build's shards, for benchmarks that draw its samples again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from a3dgen.core.records import Persons
from a3dgen.io.portable import with_paths
from a3dgen.io.shards import read_shard

Rows = dict[str, dict[str, dict[str, Any]]]


def read_build(build: Path, records: Mapping[str, str]) -> Rows:
    """Return record -> key -> row of what a build's shards hold, photos named as they lie on this machine.

    Args:
        records: name of a record -> the stage that writes it.
    """
    out: Rows = {}
    for record, stage in records.items():
        out[record] = {}
        for path in sorted((build / stage).glob("**/[0-9]*.h5")):
            table = read_shard(path)[record]
            table = with_paths(table, build) if isinstance(table, Persons) else table
            out[record].update({str(k): table.row(i) for i, k in enumerate(table.key)})
    return out
