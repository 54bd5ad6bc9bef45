from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a3dgen.core.records import Plans
from a3dgen.core.stage import each

VERSION = 1


@dataclass(frozen=True)
class Config:
    """``variants`` samples of each person, the first intact."""

    variants: int = 2


def run(config, inputs, context):
    def work(key):
        rows = []
        for v in range(config.variants):
            removed = np.zeros(12, bool)
            removed[v % 12] = v > 0
            rows.append(
                {"key": f"{key}/v{v}", "parent": key, "variant": v, "removed": removed, "skin": 3, "garments": "[]"}
            )
        return rows

    return each(inputs.bodies.key.tolist(), work, Plans)
