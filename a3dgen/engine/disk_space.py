"""Checks free disk space before a build starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import A3dgenError
from a3dgen.core.records import Persons
from a3dgen.engine.tasks import shard_path
from a3dgen.io.shards import sidecar_path

PLATE_BYTES = 2.0
"""Of a plate and its masks, per pixel of the photo: lossless pictures of photographic noise."""
SAMPLE_BYTES = 0.7
"""Of a sample's picture, mask and part labels, per pixel of the photo. The dataset links to them."""
ROW_BYTES = 20_000
"""Of everything else of one person or sample: rows of shards and of the dataset."""
SMALL = 1 << 30
"""Builds that need less are not worth asking for."""


def count_pixels(persons: Persons) -> int:
    """Return the pixels of all people's photos, each counted as often as people are in it: each gets a plate."""
    return int(np.prod(persons.image_size.astype(np.int64), axis=1).sum())


def needed(people: int, pixels: int, amputate: Any) -> int:
    """Estimate the bytes a build writes (from builds of COCO frames; within about a third).

    Args:
        people: who are read. pixels: see ``count_pixels``.
        amputate: the configuration of that stage, which tells how many samples a person gets.
    """
    samples = getattr(amputate, "per_person", 1) * (1 if getattr(amputate, "twins", "none") == "none" else 2)
    return int(pixels * (PLATE_BYTES + samples * SAMPLE_BYTES) + people * (1 + samples) * ROW_BYTES)


def require_space(out: Path, whole: int, shards: int) -> None:
    """Stop a build that would fill the disk.

    Args:
        out: the build folder. whole: bytes of the whole build. shards: how many it has; those that are rendered
            already need nothing more.

    Raises:
        A3dgenError: if there is less room than needed.
    """
    left = sum(not sidecar_path(shard_path(out, "render", shard)).exists() for shard in range(shards))
    bytes_needed, free = whole * left // shards, shutil.disk_usage(out).free
    if bytes_needed > max(free, SMALL):
        raise A3dgenError(
            f"{out}: the build needs about {bytes_needed / 1e9:.0f} GB, {free / 1e9:.1f} GB are free; make room, use "
            f"--out, take fewer samples (amputate.per_person), or go on anyway with --set check_space=false"
        )
