"""A record: a frozen struct of NumPy arrays, N rows, whose columns say their dtype, shape, unit and meaning.

Validation, the HDF5 layout (``io/shards.py``) and the documentation are derived from those declarations. All floats are
stored as declared; strings are object arrays of ``str``. A shape entry is a number, a letter (the same length in every
column of one record that names it) or ``None`` in first place for a ragged column (an object array holding one array a
row).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from a3dgen.core.errors import DataError

Row = TypeVar("Row", bound="Record")


@dataclass(frozen=True)
class Column:
    """Declaration of one column: dtype (``"str"`` for text), shape of one row, unit, meaning, default of a row."""

    dtype: str
    shape: tuple[int | str | None, ...]
    unit: str
    doc: str
    fill: Any

    @property
    def ragged(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    @property
    def is_text(self) -> bool:
        return self.dtype == "str"


def column(dtype: str, *shape: int | str | None, unit: str = "", doc: str = "", fill: Any = None) -> Any:
    """Declare a column of a record. ``fill`` (if not None) is used for rows that do not give the column."""
    return field(metadata={"column": Column(dtype, shape, unit, doc, fill)})


@dataclass(frozen=True)
class Record:
    """Base of all records: N rows, one array a column, checked on construction."""

    key: np.ndarray = column("str", doc="stable name of the row")

    @classmethod
    def columns(cls) -> dict[str, Column]:
        """Return name -> declaration, in order."""
        return {f.name: f.metadata["column"] for f in fields(cls)}

    def __post_init__(self) -> None:
        letters: dict[str, int] = {}
        for name, spec in self.columns().items():
            array = _as_column(type(self).__name__, name, spec, getattr(self, name))
            object.__setattr__(self, name, array)
            if len(array) != len(self.key):
                raise DataError(f"{type(self).__name__}.{name}: {len(array)} rows, but key has {len(self.key)}")
            if not spec.ragged:
                _check_shape(type(self).__name__, name, spec, array, letters)
        if len(set(self.key.tolist())) != len(self.key):
            raise DataError(f"{type(self).__name__}: duplicate keys")

    def __len__(self) -> int:
        return len(self.key)

    def copy(self: Row) -> Row:
        """Return the same rows in arrays of their own."""
        out = object.__new__(type(self))  # checked already
        for name, spec in self.columns().items():
            array = getattr(self, name).copy()
            if spec.ragged:
                array[:] = [row.copy() for row in array]
            object.__setattr__(out, name, array)
        return out

    def take(self: Row, rows: Sequence[int] | np.ndarray) -> Row:
        """Return the rows with these indices (or this boolean mask), in that order."""
        index = np.asarray(rows)
        if index.dtype != bool:
            index = index.astype(np.int64)
        return type(self)(**{name: getattr(self, name)[index] for name in self.columns()})

    def spread(self, rows: Sequence[int] | np.ndarray) -> SimpleNamespace:
        """Return the columns at these rows, which may repeat: one parent's facts beside each of its samples."""
        index = np.asarray(rows, np.int64)
        return SimpleNamespace(**{name: getattr(self, name)[index] for name in self.columns()})

    def row(self, index: int) -> dict[str, Any]:
        """Return one row as a dict of scalars and arrays."""
        return {name: getattr(self, name)[index] for name in self.columns()}

    def index(self) -> dict[str, int]:
        """Return key -> row number."""
        return {str(k): i for i, k in enumerate(self.key)}

    @classmethod
    def from_rows(cls: type[Row], rows: Iterable[Mapping[str, Any]], **letters: int) -> Row:
        """Build a record from dicts; a missing column takes its ``fill``.

        Args:
            rows: one mapping a row.
            letters: lengths of lettered dimensions (``B=10``), needed only where there are no rows.

        Raises:
            DataError: if a row lacks a column without a fill, or names an unknown one.
        """
        rows = list(rows)
        specs = cls.columns()
        for row in rows:
            unknown = set(row) - set(specs)
            if unknown:
                raise DataError(f"{cls.__name__} has no column {sorted(unknown)}")
        return cls(**{name: _gather(cls.__name__, name, spec, rows, letters) for name, spec in specs.items()})

    @classmethod
    def concat(cls: type[Row], parts: Sequence[Row], **letters: int) -> Row:
        """Return all rows of ``parts`` in order; no parts give an empty record (``letters`` as in from_rows)."""
        if not parts:
            return cls.from_rows([], **letters)
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in cls.columns()})

    @classmethod
    def describe(cls) -> str:
        """Return the columns as a Markdown table, for the documentation."""
        lines = [f"### {cls.__name__}", "", "| column | dtype | row shape | unit | meaning |", "|---|---|---|---|---|"]
        for name, c in cls.columns().items():
            shape = "×".join("n" if s is None else str(s) for s in c.shape) or "-"
            lines.append(f"| {name} | {c.dtype} | {shape} | {c.unit or '-'} | {c.doc} |")
        return "\n".join(lines)


def _as_column(record: str, name: str, spec: Column, value: Any) -> np.ndarray:
    if spec.ragged:
        rows = [np.asarray(v, spec.dtype) for v in value]
        out = np.empty(len(rows), object)
        for i, row in enumerate(rows):
            if row.shape[1:] != spec.shape[1:]:
                raise DataError(f"{record}.{name}: row {i} has shape {row.shape}, wanted (n, {spec.shape[1:]})")
            out[i] = row
        return out
    if spec.is_text:
        array = np.empty(len(value), object)
        array[:] = [str(v) for v in value]
        return array
    return np.ascontiguousarray(value, dtype=spec.dtype)


def _check_shape(record: str, name: str, spec: Column, array: np.ndarray, letters: dict[str, int]) -> None:
    got = array.shape[1:]
    ok = len(got) == len(spec.shape)
    for size, want in zip(got, spec.shape, strict=False):
        ok = ok and size == (letters.setdefault(want, size) if isinstance(want, str) else want)
    if not ok:
        raise DataError(f"{record}.{name}: row shape {got}, declared {spec.shape}")


def _gather(record: str, name: str, spec: Column, rows: list, letters: Mapping[str, int]) -> Any:
    if not rows:
        shape = tuple(letters.get(s, 0) if isinstance(s, str) else s or 0 for s in spec.shape)
        plain = spec.ragged or spec.is_text
        return np.empty(0, object) if plain else np.empty((0, *shape), spec.dtype)
    values = []
    for row in rows:
        value = row.get(name, spec.fill)
        if value is None:
            raise DataError(f"{record}: row '{row.get('key', '?')}' lacks the column '{name}'")
        values.append(value)
    if spec.ragged or spec.is_text:
        return _as_column(record, name, spec, values)
    shapes = [s for s in spec.shape if isinstance(s, int)]
    if len(shapes) == len(spec.shape):  # scalars such as fill=0 spread over the declared row shape
        return np.stack([np.broadcast_to(np.asarray(v, spec.dtype), shapes) for v in values])
    return np.stack([np.asarray(v, spec.dtype) for v in values])
