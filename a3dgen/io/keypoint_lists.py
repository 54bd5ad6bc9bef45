"""Keypoints of one annotation in the forms people write them, onto the 44 rows; a point's fault costs the point."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE
from a3dgen.geometry.keypoint_names import LAYOUT_OF_COUNT, row_of_name, rows_of_count, rows_of_names
from a3dgen.io.coco_categories import label_of

Rows = tuple[int | None, ...]
_NO_NAME = re.compile(r"[^a-z0-9]*(?:(?:new|key|kp|pt|point|joint|label|node)[^a-z0-9]*)*\d*", re.IGNORECASE)
"""What tools call points that nobody named: 7, kp_7, new-point-7."""

_FLAGS = ("v", "visible", "visibility", "flag", "score", "confidence", "c")
"""Members of a point's object that say whether it is seen, the most usual first."""
_FLAG_WORDS = {
    "": 0.0,
    "true": 2.0,
    "false": 0.0,
    "yes": 2.0,
    "no": 0.0,
    "visible": 2.0,
    "occluded": 1.0,
    "hidden": 1.0,
}
FARTHEST = 1e5
"""No picture is larger (px): a point beyond is nowhere."""
IN_SHARES = (
    "all keypoints lie within one pixel: they look like shares of the picture's size; multiply x by its width and y by "
    "its height"
)


def in_shares(points: Float[ndarray, "n 2"]) -> bool:
    """Whether a person's labelled points look like shares of the picture's width and height instead of pixels."""
    return len(points) >= 4 and bool((points >= 0).all() and (points <= 1).all() and (points % 1 != 0).any())


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
            left = [n for n, row in zip(self.names, self.rows, strict=True) if row is None]
            unknown = [n for n in left if row_of_name(n) is None]
            twice = [n for n in left if n not in unknown]
            if twice:
                self.notes[f"keypoints left out, an earlier column is the same point: {', '.join(twice)}"] += 1
            if unknown and len(unknown) < 60:  # 133 and 136 points: faces and hands, by the dozen
                self.notes[f"keypoints left out, no row for them: {', '.join(unknown)}"] += 1

    def of_count(self, count: int, say: bool = True) -> Rows:
        """Return the rows of ``count`` columns: by name, else by their number, which is then said.

        Raises:
            Rejected: for another number than the file names, or one that nobody knows.
        """
        if self.rows is not None:
            if count > len(self.rows):
                raise Rejected(f"keypoints: {count} points, but {len(self.rows)} names; nothing tells which is which")
            if count < len(self.rows):
                raise Rejected(f"keypoints: {count} of {len(self.rows)} points; nothing tells which are missing")
            return self.rows
        guess = rows_of_count(count)
        if guess is None:
            known = ", ".join(map(str, sorted(LAYOUT_OF_COUNT)))
            raise Rejected(
                f"{count} keypoints without names: give them in categories[].keypoints or keypoints.map (known without "
                f"names: {known})"
            )
        if say:
            self.notes[
                f"the file names no keypoints; {count} are taken for {LAYOUT_OF_COUNT[count]}'s (keypoints.map)"
            ] += 1
        return guess

    def read(self, value: Any) -> tuple[tuple[int, ...], Float[ndarray, "n 2"], Integer[ndarray, " n"]]:
        """Return row, place (px) and state of every used column of an annotation.

        Args:
            value: a flat list, a list of [x, y, flag], [x, y] or objects, or a mapping of names to these.

        Raises:
            Rejected: if it is none of these.
        """
        rows, points = self._columns(value)
        states = self._states(points)
        used = self._used(rows)
        if in_shares(points[states != UNLABELLED, :2]):
            raise Rejected(IN_SHARES)
        return tuple(rows[i] for i in used), points[used, :2], states[used]  # type: ignore[misc]

    def scored(self, value: Any) -> tuple[Rows, Float[ndarray, "n 3"]]:
        """Return the row of every column of a detection, and its x, y (px) and confidence; forms as in ``read``.

        Raises:
            Rejected: as ``read``.
        """
        rows, points = self._columns(value, say=False)
        self._used(rows)
        return rows, points

    def _used(self, rows: Rows) -> list[int]:
        used = [i for i, row in enumerate(rows) if row is not None]
        if not used and rows:
            few = ", ".join(self.names[:3])
            raise Rejected(f"none of the {len(rows)} names of keypoints is known ({few} ...): give keypoints.map")
        return used

    def _columns(self, value: Any, say: bool = True) -> tuple[Rows, Float[ndarray, "n 3"]]:
        """Return the row and the three numbers of every column, whatever form it is written in."""
        if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
            try:
                value = json.loads(value)
            except ValueError:
                raise Rejected("keypoints: a text that is no list") from None
        if isinstance(value, Mapping):
            return rows_of_names([str(n) for n in value]), triples(list(value.values()), self.notes)
        if not isinstance(value, list | tuple):
            raise Rejected(f"keypoints: {_kind(value)}, wanted a list")
        nested = 2 * sum(isinstance(v, list | tuple | Mapping) for v in value) > len(value)
        if nested and any(isinstance(v, Mapping) for v in value):
            labels = [label_of(v) if isinstance(v, Mapping) else "" for v in value]
            rows = rows_of_names(labels)
            named = any(row is not None for row in rows)
            return rows if named else self.of_count(len(value), say), triples(value, self.notes)
        if nested:
            rows = self.of_count(len(value), say)
            return rows, triples(value, self.notes)
        return self._flat(value, say)

    def _flat(self, value: Sequence[Any], say: bool) -> tuple[Rows, Float[ndarray, "n 3"]]:
        count = len(value)
        wanted = 3 * len(self.rows) if self.rows is not None else 0
        pairs = count == 2 * wanted // 3 if wanted else count % 3 and not count % 2 and rows_of_count(count // 2)
        if pairs and count != wanted:
            self.notes["keypoints are x, y without flags: all of them count as visible"] += 1
            rows = self.of_count(count // 2, say)
            return rows, triples([value[i : i + 2] for i in range(0, count, 2)], self.notes)
        if count % 3:
            raise Rejected(f"keypoints: {count} numbers are no list of x, y, flag")
        rows = self.of_count(count // 3, say)
        return rows, triples([value[i : i + 3] for i in range(0, count, 3)], self.notes)

    def _states(self, points: Float[ndarray, "n 3"]) -> Integer[ndarray, " n"]:
        """Turn flags into states: 0, 1, 2 are COCO's, 3 is outside the picture, fractions are scores."""
        flags = points[:, 2]
        finite = np.isfinite(points[:, :2]).all(1)
        states = np.full(len(points), UNLABELLED, np.int64)
        whole = np.isfinite(flags) & (flags == np.round(flags))
        known = flags[np.isfinite(flags)]
        shares = len(known) and not whole[np.isfinite(flags)].all() and known.max() <= 1.0001
        if shares or (known > 3).sum() > 0.5 * (known > 0).sum():  # 0..1, or percent and heights of heat maps
            self.notes["flags look like scores: points above 0 count as visible"] += 1
            states[np.nan_to_num(flags) > 0] = VISIBLE
        else:
            states[flags == 1], states[flags == 2], states[flags == 3] = OCCLUDED, VISIBLE, OUTSIDE
            strange = whole & ~np.isin(flags, (0, 1, 2, 3)) | np.isfinite(flags) & ~whole
            if strange.any():
                self.notes[f"points with a flag such as {flags[strange][0]:g} are left out"] += int(strange.sum())
        nowhere = (states != UNLABELLED) & ~finite
        if nowhere.any():
            self.notes["points without usable coordinates are left out"] += int(nowhere.sum())
        origin = (states != UNLABELLED) & finite & (points[:, :2] == 0).all(1)
        if origin.any():
            self.notes["points at exactly (0, 0) are taken as not there"] += int(origin.sum())
        unset = (states != UNLABELLED) & (points[:, :2] == -1).all(1)
        if unset.any():
            self.notes["points at exactly (-1, -1) are taken as not there"] += int(unset.sum())
        states[nowhere | origin | unset] = UNLABELLED
        return states


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def triples(values: Sequence[Any], notes: Counter[str]) -> Float[ndarray, "n 3"]:
    """Return x, y, flag of points; NaN for null, and for a point that is none, which is noted.

    Raises:
        Rejected: if all of them are none.
    """
    found = [point_of(value) for value in values]
    bad = [value for value, point in zip(values, found, strict=True) if point is None]
    if bad and len(bad) == len(values):
        raise Rejected(f"keypoints: {_short(bad[0])} is no point x, y, flag")
    if bad:
        notes[f"points that are no x, y, flag are left out, such as {_short(bad[0])}"] += len(bad)
    return np.array([(np.nan,) * 3 if point is None else point for point in found]).reshape(-1, 3)


def _short(value: Any) -> str:
    return json.dumps(value, default=str)[:40]


def point_of(value: Any) -> tuple[float, float, float] | None:
    """Return x, y, flag of one point: NaN for null, 2 for a missing flag; None if it is no point."""
    if value is None or (isinstance(value, list | tuple) and not value):
        return (np.nan, np.nan, 0.0)
    if isinstance(value, Mapping):
        flag = next((value[k] for k in _FLAGS if k in value), 2)
        value = (value.get("x"), value.get("y"), flag)
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        return None
    x, y = _number(value[0]), _number(value[1])
    flag = flag_of(value[2]) if len(value) == 3 else 2.0
    return None if x is None or y is None or flag is None else (x, y, flag)


def _number(value: Any) -> float | None:
    """Return a coordinate, NaN for null and for what no picture is large enough for, None for what is no number."""
    if value is None:
        return np.nan
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan if isinstance(value, int) else None
    return number if abs(number) < FARTHEST else np.nan


def flag_of(value: Any) -> float | None:
    """Return a flag as a number: true and false, and words, are 2 and 0."""
    if isinstance(value, bool):
        return 2.0 * value
    if isinstance(value, str) and value.strip().lower() in _FLAG_WORDS:
        return _FLAG_WORDS[value.strip().lower()]
    return 0.0 if value is None else _number(value)
