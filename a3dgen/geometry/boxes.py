"""Boxes x0, y0, x1, y1 in px: around masks and points, and how far two of them overlap; turned squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray


@dataclass(frozen=True)
class Square:
    """A turned square of the picture: centre (px from its outer corner), side (px), angle (rad, clockwise)."""

    centre: tuple[float, float]
    size: float
    angle: float


def mask_box(mask: Bool[ndarray, "h w"]) -> Float[ndarray, "4"]:
    """Return the box around a mask's pixels, their edges included (zeros if it is empty)."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([cols[0], rows[0], cols[-1] + 1.0, rows[-1] + 1.0]) if len(rows) else np.zeros(4)


def points_box(points: Float[ndarray, "n 2"]) -> Float[ndarray, "4"]:
    """Return the box around at least one point."""
    return np.concatenate([points.min(0), points.max(0)])


def overlap(a: Float[ndarray, "4"], b: Float[ndarray, "4"]) -> float:
    """Return the intersection over union of two boxes."""
    shared = float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))
    whole = sum(float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (a, b)) - shared
    return shared / whole if whole > 0 else 0.0
