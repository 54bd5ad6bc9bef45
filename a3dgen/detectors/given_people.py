"""People from lists of keypoints in a known layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.detectors import Person
from a3dgen.detectors.keypoint_rows import extent
from a3dgen.geometry.keypoint_names import LAYOUT_OF_COUNT, rows_of_count
from a3dgen.geometry.skeleton import NUM_ROWS

Rows = Sequence[int | None]


def make_person(
    points: Float[ndarray, "n 3"],
    score: float,
    box: Float[ndarray, "4"] | None,
    mask: Any = None,
    rows: Rows | None = None,
) -> Person:
    """Return a person from points (px, px, confidence).

    Args:
        points: in the order of ``rows``. score: of the person. box: x0, y0, x1, y1 px, or None = around the points.
        mask: the person's pixels, or None.
        rows: row of each point, None = not used; if None, the layout that has as many points.

    Raises:
        ValueError: for a number of points that no layout has.
    """
    rows = rows_of_count(len(points)) if rows is None else rows
    if rows is None:
        raise ValueError(f"{len(points)} keypoints a person; known are {', '.join(map(str, sorted(LAYOUT_OF_COUNT)))}")
    out = np.zeros((NUM_ROWS, 3))
    for row, point in zip(rows, points, strict=True):
        if row is not None and np.isfinite(point).all() and point[2] > 0 and point[:2].any():
            out[row] = point
    out[:, 2] = np.minimum(out[:, 2], 1.0)
    found = box if box is not None and np.isfinite(box).all() else box_around(out)
    return Person(np.asarray(found, np.float64), out, float(np.clip(score, 0, 1)), mask)


def box_around(keypoints: Float[ndarray, "44 3"]) -> Float[ndarray, "4"]:
    """Return the box around points with confidence, a tenth wider; zeros if there are none."""
    points = keypoints[keypoints[:, 2] > 0, :2]
    if not len(points):
        return np.zeros(4)
    margin = 0.1 * extent(points)
    return np.concatenate([points.min(0) - margin, points.max(0) + margin])
