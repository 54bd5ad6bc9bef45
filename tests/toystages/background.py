from __future__ import annotations

from dataclasses import dataclass

from a3dgen.core.records import Plates
from a3dgen.core.stage import each
from a3dgen.io.shards import write_bytes

VERSION = 1


@dataclass(frozen=True)
class Config:
    """``tone`` is what every plate holds."""

    tone: int = 1


def run(config, inputs, context):
    def work(key):
        path = context.folder / f"{key.replace('/', '_')}.png"
        write_bytes(path, bytes([config.tone]) * 8)
        name = str(path.relative_to(context.out))
        return {"key": key, "image": name, "mask": name, "occluders": "", "filled": 0.5, "method": "toy"}

    return each(dict.fromkeys(inputs.plans.parent.tolist()), work, Plates)
