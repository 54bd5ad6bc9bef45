from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np

from a3dgen.core.errors import Rejected
from a3dgen.core.records import Renders
from a3dgen.core.stage import each
from a3dgen.io.shards import write_bytes

VERSION = 1


@dataclass(frozen=True)
class Config:
    """``gain`` changes every picture; ``reject`` names samples; ``pause`` is how many seconds one takes."""

    gain: int = 1
    reject: tuple[str, ...] = ()
    pause: float = 0.0


def run(config, inputs, context):
    bodies = inputs.bodies.index()
    at = inputs.plans.index()

    def work(key):
        if key in config.reject:
            raise Rejected("nothing to see")
        time.sleep(config.pause)
        plan = inputs.plans.row(at[key])
        path = context.folder / "Images" / f"{key.replace('/', '_')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pose = inputs.bodies.pose[bodies[plan["parent"]]]
        write_bytes(path, json.dumps([config.gain, float(pose.sum()), int(plan["variant"])]).encode())
        name = str(path.relative_to(context.out))
        return {
            "key": key,
            "image": name,
            "mask": "",
            "state": np.zeros(44),
            "keypoints": np.zeros((44, 3)),
            "visible": np.zeros(12),
            "residual_end_state": np.zeros(8),
            "height": 1.7,
            "segment": np.zeros(12),
        }

    return each(inputs.plans.key.tolist(), work, Renders)
