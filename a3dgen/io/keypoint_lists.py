"""Keypoints of one annotation in the forms people write them, onto the 44 rows; a point's fault costs the point."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE
from a3dgen.geometry.keypoint_names import LAYOUT_OF_COUNT, rows_of_count, rows_of_names

Rows = tuple[int | None, ...]
_NO_NAME = re.compile(r"[^a-z0-9]*(?:(?:new|key|kp|pt|point|joint|label|node)[^a-z0-9]*)*\d*", re.IGNORECASE)
"""What tools call points that nobody named: 7, kp_7, new-point-7."""


class Layout:
    """Which row each column of a file's keypoints is, and what was noticed while reading them.

    Attributes:
        names: the file's own names, or empty. rows: row of each column, None = not used.
        notes: remark -> how often; to be said once a file.
    """

    def __init__(self, names: Sequence[Any]) -> None:
        """Read ``categories[].keypoints``, or a list of names from the configuration."""
        named = any(not _NO_NAME.fullmatch(str(name)) for name in names)
        self.names = [str(name) for name in names] if named else []
        self.notes: Counter[str] = Counter()
        self.rows: Rows | None = rows_of_names(self.names) if named else None
        if self.rows is not None:
            unknown = [n for n, row in zip(self.names, self.rows, strict=True) if row is None]
            if unknown and len(unknown) < 60:  # 133 and 136 points: faces and hands, by the dozen
                self.notes[f"keypoints left out, no row for them: {', '.join(unknown)}"] += 1

    def of_count(self, count: int) -> Rows:
        """Return the rows of ``count`` columns: by name, else by their number, which is then said.

        Raises:
            Rejected: for another number than the file names, or one that nobody knows.
        """
        if self.rows is not None:
            if count != len(self.rows):
                raise Rejected(f"keypoints: {count} of {len(self.rows)} points; nothing tells which are missing")
            return self.rows
        guess = rows_of_count(count)
        if guess is None:
            known = ", ".join(map(str, sorted(LAYOUT_OF_COUNT)))
            raise Rejected(
                f"{count} keypoints without names: give them in categories[].keypoints or keypoints.map (known without "
                f"names: {known})"
            )
        self.notes[
            f"the file names no keypoints; {count} are taken for {LAYOUT_OF_COUNT[count]}'s (keypoints.map)"
        ] += 1
        return guess

    def read(self, value: Any) -> tuple[Rows, Float[ndarray, "n 2"], Integer[ndarray, " n"]]:
        """Return row, place (px) and state of every used column.

        Args:
            value: a flat list, a list of [x, y, flag] or [x, y], or a mapping of names to these.

        Raises:
            Rejected: if it is none of these.
        """
        if isinstance(value, Mapping):
            names = list(value)
            rows, points = rows_of_names([str(n) for n in names]), _triples(list(value.values()), len(names))
        else:
            if not isinstance(value, list | tuple):
                raise Rejected(f"keypoints: {_kind(value)}, wanted a list")
            nested = bool(value) and all(isinstance(v, list | tuple) for v in value)
            if nested:
                points = _triples(value, len(value))
                rows = self.of_count(len(points))
            else:
                points, rows = self._flat(value)
        states = self._states(points)
        used = [i for i, row in enumerate(rows) if row is not None]
        if not used and rows:
            few = ", ".join(self.names[:3])
            raise Rejected(f"none of the {len(rows)} names of keypoints is known ({few} ...): give keypoints.map")
        return tuple(rows[i] for i in used), points[used, :2], states[used]

    def _flat(self, value: Sequence[Any]) -> tuple[Float[ndarray, "n 3"], Rows]:
        count = len(value)
        if self.rows is not None and count == 2 * len(self.rows) and count != 3 * len(self.rows):
            pairs = [value[i : i + 2] for i in range(0, count, 2)]
            self.notes["keypoints are x, y without flags: all of them count as visible"] += 1
            return _triples(pairs, len(pairs)), self.rows
        if count % 3:
            raise Rejected(f"keypoints: {count} numbers are no list of x, y, flag")
        points = _triples([value[i : i + 3] for i in range(0, count, 3)], count // 3)
        return points, self.of_count(len(points))

    def _states(self, points: Float[ndarray, "n 3"]) -> Integer[ndarray, " n"]:
        """Turn flags into states: 0, 1, 2 are COCO's, 3 is outside the picture, fractions are scores."""
        flags = points[:, 2]
        finite = np.isfinite(points[:, :2]).all(1)
        states = np.full(len(points), UNLABELLED, np.int64)
        whole = np.isfinite(flags) & (flags == np.round(flags))
        if np.isfinite(flags).any() and not whole[np.isfinite(flags)].all() and np.nanmax(flags) <= 1.0001:
            self.notes["flags look like scores: points above 0 count as visible"] += 1
            states[np.nan_to_num(flags) > 0] = VISIBLE
        else:
            states[flags == 1], states[flags == 2], states[flags == 3] = OCCLUDED, VISIBLE, OUTSIDE
            strange = whole & ~np.isin(flags, (0, 1, 2, 3)) | np.isfinite(flags) & ~whole
            if strange.any():
                self.notes[f"points with a flag such as {flags[strange][0]:g} are left out"] += int(strange.sum())
        nowhere = (states != UNLABELLED) & ~finite
        if nowhere.any():
            self.notes["points without finite coordinates are left out"] += int(nowhere.sum())
        origin = (states != UNLABELLED) & finite & (points[:, :2] == 0).all(1)
        if origin.any():
            self.notes["points at exactly (0, 0) are taken as not there"] += int(origin.sum())
        states[nowhere | origin] = UNLABELLED
        return states


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _triples(values: Sequence[Any], count: int) -> Float[ndarray, "n 3"]:
    """Return (n, 3) numbers; null becomes NaN, a missing flag 2, true and false 2 and 0."""
    out = np.full((count, 3), np.nan)
    for i, value in enumerate(values):
        if value is None or (isinstance(value, list | tuple) and not value):
            out[i] = (np.nan, np.nan, 0)
            continue
        if not isinstance(value, list | tuple) or len(value) not in (2, 3):
            raise Rejected(f"keypoints: {str(value)[:40]} is no point x, y, flag")
        out[i, 2] = 2
        for k, number in enumerate(value):
            if number is None:
                out[i, k] = np.nan if k < 2 else 0
            elif isinstance(number, bool) and k == 2:
                out[i, k] = 2.0 * number
            elif isinstance(number, int | float) and not isinstance(number, bool):
                out[i, k] = float(number) if abs(number) < 1e300 or number != number else np.nan
            else:
                raise Rejected(f"keypoints: {str(number)[:40]!r} is no number")
    return out
