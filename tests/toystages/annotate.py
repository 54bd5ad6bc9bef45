from __future__ import annotations

import json
from dataclasses import dataclass

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
    write_json(context.out / "A3D_Dataset" / "dataset.json", {"strict": config.strict, "rows": rows})
    return {"rows": len(rows)}
