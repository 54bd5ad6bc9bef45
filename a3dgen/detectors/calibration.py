"""From a detector's confidence to the confidence that the fitter expects.

The fitter gives a point the standard deviation ``noise * size / sqrt(confidence)``, where ``noise`` (share of the
person's size) is that of a plainly visible click. ``calibration.json`` holds the standard deviation that a detector's
points really have at each of its confidences, measured on annotated photos; dividing one by the other gives the
confidence to hand on. How the table was made stands in it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.fit.noise import PIXEL_FACTOR
from a3dgen.geometry.skeleton import ANATOMICAL

CLICK = 0.01
"""Standard deviation of a click, share of the person's size (the default of ``fit.noise``)."""
LEAST = 0.05
"""The fitter's least confidence."""


@cache
def tables() -> dict[str, Any]:
    """Return ``calibration.json``."""
    return json.loads((resources.files("a3dgen") / "detectors" / "calibration.json").read_text("utf-8"))


def table_of(detector: str) -> dict[str, Any]:
    """Return a detector's table, or the one for detectors nobody has measured."""
    found = tables()["detectors"]
    return found.get(detector, found["default"])


def point_sd(confidence: Float[ndarray, "44"], detector: str) -> Float[ndarray, "44"]:
    """Return the standard deviation of every row's point, share of the person's size."""
    table = table_of(detector)
    base = np.interp(confidence, table["confidence"], table["sd"])
    factor = np.array([table["factor"].get(name.split("_")[-1], 1.0) for name in ANATOMICAL])
    return base * factor


def calibrate(keypoints: Float[ndarray, "44 3"], detector: str) -> tuple[Float[ndarray, "44 3"], UInt8[ndarray, "44"]]:
    """Return keypoints with the fitter's confidence, and their states.

    Points below the table's ``least`` confidence are dropped; those below ``seen`` are taken for hidden.
    """
    table = table_of(detector)
    raw = keypoints[:, 2]
    state = np.where(raw >= table["seen"], VISIBLE, OCCLUDED).astype(np.uint8)
    state[(raw <= 0) | (raw < table["least"])] = UNLABELLED
    wanted = point_sd(raw, detector)
    # the fitter doubles the deviation of hidden points and widens some rows itself: not twice
    given = CLICK * PIXEL_FACTOR * np.where(state == OCCLUDED, 2.0, 1.0)
    out = keypoints.copy()
    out[:, 2] = np.clip((given / wanted) ** 2, LEAST, 1.0)
    out[state == UNLABELLED] = 0
    return out, state
