"""People from lists of keypoints in a known layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.detectors import Person
from a3dgen.detectors.keypoint_rows import extent
from a3dgen.geometry.keypoint_names import LAYOUT_OF_COUNT, rows_of_count
from a3dgen.geometry.skeleton import NUM_ROWS
from a3dgen.io.keypoint_lists import FARTHEST, IN_SHARES, in_shares

Rows = Sequence[int | None]
Found = Iterator[tuple[str, Person]]
"""(what a file calls a photo, one person on it)."""
ITEM_FAULTS = (Rejected, DataError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What a malformed item can raise: it costs the item."""


def said(error: Exception) -> str:
    """Return what a fault says, in words."""
    if isinstance(error, KeyError):
        return f"no {error.args[0]!r} in it" if error.args else "something is missing in it"
    if isinstance(error, Rejected | DataError | ValueError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: {error}"


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
        ValueError: for a number of points that no layout has, or points in shares of the picture's size.
    """
    rows = rows_of_count(len(points)) if rows is None else rows
    if rows is None:
        raise ValueError(f"{len(points)} keypoints a person; known are {', '.join(map(str, sorted(LAYOUT_OF_COUNT)))}")
    out = np.zeros((NUM_ROWS, 3))
    for row, point, there in zip(rows, points, placed(points), strict=True):
        if row is not None and there:
            out[row] = point
    if in_shares(out[out[:, 2] > 0, :2]):
        raise ValueError(IN_SHARES)
    out[:, 2] = np.minimum(out[:, 2], 1.0)
    found = box if box is not None and np.isfinite(box).all() else box_around(out)
    return Person(np.asarray(found, np.float64), out, float(np.clip(score, 0, 1)), mask)


def placed(points: Float[ndarray, "n 3"]) -> Bool[ndarray, " n"]:
    """Whether points have a confidence and a place; (0, 0) and (-1, -1) are none, and none lies beyond any picture."""
    known = np.isfinite(points).all(1) & (np.nan_to_num(points[:, 2]) > 0)
    places = np.nan_to_num(points[:, :2])
    return known & places.any(1) & (places != -1).any(1) & (np.abs(places) < FARTHEST).all(1)


def box_around(keypoints: Float[ndarray, "44 3"]) -> Float[ndarray, "4"]:
    """Return the box around points with confidence, a tenth wider; zeros if there are none."""
    points = keypoints[keypoints[:, 2] > 0, :2]
    if not len(points):
        return np.zeros(4)
    margin = 0.1 * extent(points)
    return np.concatenate([points.min(0) - margin, points.max(0) + margin])
