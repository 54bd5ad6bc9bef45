"""Builds of versions that left no marker: told by their own records, and listed as their records name their files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from a3dgen.core.errors import DataError
from a3dgen.core.files import append_names
from a3dgen.engine.pictures import files_of
from a3dgen.io.dataset_folder import DATASET_LIST
from a3dgen.io.file_list import list_path
from a3dgen.io.shards import read_shard, sidecar_path
from a3dgen.stages.table import DATASET_FOLDER, STAGES


def is_old_build(out: Path) -> bool:
    """Whether a folder without a marker is a build: a shard of ours lies in it, or the truth of the demo's people.

    A folder that merely holds an ``A3D_Dataset`` or a ``report.html`` is not: others have such ones.
    """
    if isinstance(_json(out / "truth" / "demo.json").get("digest"), str) and (out / "raw").is_dir():
        return True
    wanted = {"stage", "shard", "depends", "schema", "sha256", "rows"}
    for stage in STAGES:
        for path in (out / stage).glob("[0-9]*.json"):
            facts = _json(path)
            if wanted <= facts.keys() and facts["stage"] == stage:
                return True
    return False


def list_old_files(out: Path) -> None:
    """Write the lists of files that the earlier version did not keep, by its shards and its dataset."""
    for stage in STAGES:
        for shard in (out / stage).glob("[0-9]*.h5"):
            if list_path(shard).exists() or not sidecar_path(shard).exists():
                continue
            names = [p.relative_to(out).as_posix() for p in (shard, sidecar_path(shard))]
            try:
                for record in read_shard(shard).values():
                    names += [n for f in files_of(record) for n in (f, str(Path(f).with_suffix(".json")))]
            except DataError:
                pass  # what it named is not known, so it stays
            append_names(list_path(shard), names)
    dataset = out / DATASET_FOLDER
    found = [
        (Path(root) / name).relative_to(dataset).as_posix() for root, _, names in os.walk(dataset) for name in names
    ]
    if found and len(found) == _json(out / "annotate" / "done.json").get("files"):
        append_names(out / DATASET_LIST, found)


def _json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
