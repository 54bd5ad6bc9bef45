"""The user's corrections: people to leave out, limbs they lack."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.sampling import SHORTEST
from a3dgen.core.errors import ConfigError
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.regions import NUM_REGIONS, find_region, most_proximal
from a3dgen.io.tables import read_table

COLUMNS = ("key", "photo", "keep", "removed", "residual", "proposed", "found", "status", "reason")
"""Columns of review.csv; only keep, removed and residual are the user's to change."""
THROUGH, AT_JOINT = 0.6, 1.0
UNSAID = (THROUGH, AT_JOINT)
"""Residual fraction of a region whose length nobody has said: through a segment, and at its joint."""
_NO = ("no", "n", "0", "false", "drop")
_YES = ("", "yes", "y", "1", "true", "keep")


@dataclass(frozen=True)
class ReviewEntry:
    """What is said of one person: dropped, and the regions they lack with the place of the stump's tip (12,).

    ``whole``: said to lack nothing (``none`` under removed, or what was proposed there taken away), whatever another
    file says.
    """

    drop: bool = False
    removed: Bool[ndarray, "12"] = field(default_factory=lambda: np.zeros(NUM_REGIONS, bool))
    residual: Float[ndarray, "12"] = field(default_factory=lambda: np.ones(NUM_REGIONS))
    whole: bool = False

    def plain(self) -> list[object]:
        """Return it as JSON."""
        return [self.drop, np.flatnonzero(self.removed).tolist(), self.residual[self.removed].tolist()]


class Verdicts:
    """Everything said of people, by key, by photo (if it shows one person) or by ``photo#n`` (n from 1, left to right).

    Args:
        present: CSV with the columns key, removed, residual; empty = none.
        review: CSV with the columns key, keep, removed, residual, which wins; a file that is not there says nothing.

    Raises:
        ConfigError: naming file and line of what cannot be understood.
    """

    def __init__(self, present: str, review: str) -> None:
        self._by_name: dict[str, ReviewEntry] = {}
        self._used: set[str] = set()
        if present:
            if not user_path(present).is_file():
                raise ConfigError(f"--present-regions: no file '{present}'")
            self._by_name.update(_read(user_path(present)))
        path = user_path(review)
        if review and path.is_file():
            self._by_name.update(_read(path))

    def of(self, key: str, photo: str, number: int, people: int) -> ReviewEntry:
        """Return what is said of one person of a photo."""
        names = [key, f"{photo}#{number}", *([photo] if people == 1 else [])]
        said = [name for name in names if name in self._by_name]
        self._used.update(said)
        return self._by_name[said[0]] if said else ReviewEntry()

    def unused(self) -> list[str]:
        """Return names that no person asked for, where they said something."""
        return sorted(set(self._by_name) - self._used)

    def digest(self) -> str:
        """Return a digest of what is said; a new note in another column changes nothing."""
        facts = {n: v.plain() for n, v in sorted(self._by_name.items())}
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path) -> dict[str, ReviewEntry]:
    rows = read_table(path)
    if rows and "key" not in rows[0]:
        raise ConfigError(f"{path}: the first line must name the columns, 'key' among them: {', '.join(COLUMNS[:5])}")
    found: dict[str, ReviewEntry] = {}
    for line, row in enumerate(rows, 2):
        where = f"{path}:{line}"
        key = (row.get("key") or "").strip()
        if not key:
            raise ConfigError(f"{where}: the column 'key' is empty")
        if key in found:
            raise ConfigError(f"{where}: '{key}' comes twice")
        found[key] = _verdict(row, where)
    return {n: v for n, v in found.items() if v.drop or v.whole or v.removed.any()}


def _verdict(row: dict[str, str], where: str) -> ReviewEntry:
    keep = (row.get("keep") or "").strip().lower()
    if keep not in (*_YES, *_NO):
        raise ConfigError(f"{where}: keep is '{keep}'; write yes or no")
    names = [n.strip() for n in (row.get("removed") or "").replace("+", ";").replace(",", ";").split(";") if n.strip()]
    refused = not names and bool((row.get("proposed") or "").strip())
    whole = refused or [n.lower() for n in names] == ["none"]
    regions = []
    for name in [] if whole else names:
        try:
            regions.append(find_region(name))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    tips = _tips(row.get("residual") or "", len(regions), where)
    removed, residual = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS)
    for (region, through), tip in zip(regions, tips, strict=True):
        removed[region.index] = True
        cut = region.cuttable and through is not False
        residual[region.index] = (tip if tip is not None else (THROUGH if through else AT_JOINT)) if cut else AT_JOINT
    kept = most_proximal(np.flatnonzero(removed).tolist())
    removed = np.isin(np.arange(NUM_REGIONS), kept)
    return ReviewEntry(keep in _NO, removed, np.where(removed, residual, 1.0), whole)


def _tips(text: str, count: int, where: str) -> list[float | None]:
    parts = [p.strip() for p in text.replace(",", ";").split(";") if p.strip()]
    if not parts:
        return [None] * count
    try:
        tips: list[float] = [float(p) for p in parts]
    except ValueError:
        raise ConfigError(
            f"{where}: residual is '{text}'; write a number from {SHORTEST:g} to 1 for each region"
        ) from None
    if any(not SHORTEST <= t <= 1 for t in tips) or len(tips) not in (1, count):
        raise ConfigError(
            f"{where}: residual is '{text}'; write one number from {SHORTEST:g} (the shortest stump there is) to 1, or "
            f"one for each region"
        )
    spread: list[float | None] = [*tips * count] if len(tips) == 1 else [*tips]
    return spread[:count]
