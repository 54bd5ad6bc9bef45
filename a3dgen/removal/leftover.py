"""Measures what a plate still shows of the removed person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.geometry.camera import undistort_mask
from a3dgen.io import images
from a3dgen.io import rle as masks


def left_over(person: Mapping[str, Any], plate: Mapping[str, Any], out: Path) -> int:
    """Count the pixels of a person's own outline that a plate takes from the photo.

    The plate is the photo outside its hole, and what stands in front of the person is put back on top of a sample. A
    pixel of the outline is accounted for if it lies in the hole, or if another person's outline claims it too: then it
    is theirs.

    Args:
        person, plate: rows of Persons and Plates. out: the build folder.

    Returns:
        Pixels; 0 for people without an outline of their own: those are removed by the fitted body.

    Raises:
        DataError: if a picture of the plate cannot be read.
    """
    own = _decoded(person, masks.from_json(str(person["mask"])))
    if own is None:
        return 0
    hole = images.read_mask(out / plate["mask"])
    front = images.read_mask(out / plate["occluders"]) if plate["occluders"] else np.zeros_like(hole)
    if own.shape != hole.shape:
        return int(own.sum())
    claimed = np.zeros_like(own)
    for rle in [*json.loads(str(person["others"]) or "[]"), *json.loads(str(person["objects"]) or "[]")]:
        other = _decoded(person, masks.decode(rle))
        if other is not None and other.shape == own.shape:
            claimed |= other
    return int((own & ~claimed & (~hole | front)).sum())


def _decoded(person: Mapping[str, Any], mask: Bool[ndarray, "h w"] | None) -> Bool[ndarray, "h w"] | None:
    """Return a mask as the plate sees it, lens distortion removed."""
    if mask is None:
        return None
    return undistort_mask(mask, person["K"], np.asarray(person["dist"]))
