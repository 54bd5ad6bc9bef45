"""Person segmentation by an optional detector, for sources without masks."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.errors import MissingDependency

MARGIN = 0.25
"""Context around the person given to the detector, share of the box."""


def segment_person(
    rgb: UInt8[ndarray, "h w 3"], near: Bool[ndarray, "h w"], segmenter: str
) -> Bool[ndarray, "h w"] | None:
    """Return the detector's mask of the person around ``near``, or None if there is no detector or it finds nobody.

    Args:
        rgb: photo. near: rough outline of the person; the detector sees its box only.
        segmenter: ``none``, ``auto`` (if installed) or ``mediapipe``.

    Raises:
        MissingDependency: ``mediapipe`` is asked for and not installed.
    """
    if segmenter == "none" or not near.any():
        return None
    pose = _mediapipe()
    if pose is None:
        if segmenter == "mediapipe":
            raise MissingDependency("mediapipe", "background.segmenter=mediapipe", "pip install 'a3dgen[mediapipe]'")
        return None
    rows, cols = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    dy, dx = MARGIN * (rows[-1] - rows[0] + 1), MARGIN * (cols[-1] - cols[0] + 1)
    h, w = near.shape
    y0, y1 = int(max(0, rows[0] - dy)), int(min(h, rows[-1] + 1 + dy))
    x0, x1 = int(max(0, cols[0] - dx)), int(min(w, cols[-1] + 1 + dx))
    result = pose.process(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
    if result.segmentation_mask is None:
        return None
    out = np.zeros((h, w), bool)
    out[y0:y1, x0:x1] = np.asarray(result.segmentation_mask) > 0.4
    return out


def segmenter_name() -> str:
    """Return ``mediapipe`` if it can be used here, else an empty string, without importing it."""
    return "mediapipe" if importlib.util.find_spec("mediapipe") else ""


@cache
def _mediapipe() -> Any:
    """Return one pose detector per process, or None where mediapipe is not installed."""
    try:
        from mediapipe.python.solutions.pose import Pose
    except ImportError:
        return None
    return Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True)
