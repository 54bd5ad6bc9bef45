from __future__ import annotations

import json
from dataclasses import dataclass

from a3dgen.core.files import TEMPORARY
from a3dgen.io.dataset_folder import DATASET_LIST, publish, write_manifest
from a3dgen.io.shards import write_json

VERSION = 1


@dataclass(frozen=True)
class Config:
    """``strict`` changes the dataset."""

    strict: bool = False


def run(config, context, shards):
    rows = {}
    for shard in shards:
        for key, image in zip(shard.renders.key, shard.renders.image, strict=True):
            rows[key] = json.loads((context.out / image).read_text())
    fresh = context.out / f".A3D_Dataset{TEMPORARY}"
    write_json(fresh / "dataset.json", {"strict": config.strict, "rows": rows})
    write_manifest(fresh, [], ["dataset.json"])
    publish(fresh, context.out / "A3D_Dataset", context.out / DATASET_LIST)
    return {"rows": len(rows)}
