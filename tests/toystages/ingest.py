from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

VERSION = 1


@dataclass(frozen=True)
class Config:
    """``people`` made up, every ``refuse``-th of them refused; ``group`` in a row belong together; of ``subjects``
    in turn."""

    sources: dict[str, Any] = field(default_factory=dict)
    people: int = 10
    refuse: int = 5
    group: int = 1
    subjects: int = 0
    stop_at: int = -1


def fingerprint(config):
    return "unchanged"


def run(config, context):
    for i in range(config.people):
        if i == config.stop_at:
            raise OSError(28, "No space left on device", "somewhere")
        key = f"toy/{i}"
        if config.refuse and i % config.refuse == config.refuse - 1:
            yield key, f"only {i} keypoints"
            continue
        yield {
            "key": key,
            "subset": "MPII",
            "stem": f"{i:04d}",
            "group": f"g{i // config.group}" if config.group > 1 else "",
            "subject": f"S{i % config.subjects}" if config.subjects else "",
            "joints3d": np.full((44, 4), 1.0 if config.subjects else 0.0),
            "image": f"{i}.jpg",
            "image_size": (64, 48),
            "bbox": (0, 0, 9, 9),
            "keypoints": np.full((44, 3), i),
            "state": np.zeros(44),
            "K": np.eye(3),
        }
