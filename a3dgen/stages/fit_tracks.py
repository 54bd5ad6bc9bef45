"""Fits the frames of a recording together: which rows belong to one person, and their fits."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from a3dgen.core import interrupts
from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons
from a3dgen.core.user_paths import user_path
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.lifted import Lift
from a3dgen.fit.multi_view import Member, together
from a3dgen.fit.observation import Anchor, Fit, Observation
from a3dgen.fit.observe import observe
from a3dgen.fit.sequence import fit_sequence
from a3dgen.learning.lifter import DEFAULT_WEIGHTS, Lifter

LEAST = 3
"""Fewer frames than this are fitted one by one."""
GAP = 1.0
"""s; a track is cut where nobody was seen for longer, and where no two frames are closer."""
NONE = "none"
"""Value of ``fit.lifter`` for no lifter."""


@dataclass(frozen=True)
class Instant:
    """What was seen of one person at one time: row of Persons (of the first camera, if there are several), and makes
    the observation."""

    row: int
    seconds: float
    observe: Callable[[], Observation]


Fits = Callable[[int], Fit | None]
"""Row -> its fit in a sequence; None if it is in none, or has no fit there."""


def find_lifter(config: Config) -> Lift | None:
    """Return the lifter that a configuration names.

    Raises:
        DataError: if its file cannot be read.
    """
    if config.lifter == NONE or not (config.lifter or DEFAULT_WEIGHTS.is_file()):
        return None
    return Lifter.load(user_path(config.lifter) if config.lifter else None)


def track_fits(
    config: Config,
    persons: Persons,
    fitter_of: Callable[[int], Fitter],
    groups: list[list[Member]],
    anchors: dict[int, Anchor | None],
) -> Fits:
    """Return the fits of all rows that follow each other in a recording; each sequence is fitted when it is first asked
    for.

    Args:
        fitter_of: the fitter of a row. groups: cameras that share an instant. anchors: known shapes.
    """
    sequences = [s for track in _tracks(config, persons, groups, anchors) for s in cut(track)]
    of_row = {instant.row: n for n, sequence in enumerate(sequences) for instant in sequence}

    @functools.cache
    def fitted(n: int) -> dict[int, Fit]:
        sequence = sequences[n]
        return _fitted(fitter_of(sequence[0].row), sequence, find_lifter(config))

    return lambda row: fitted(of_row[row]).get(row) if row in of_row else None


def _tracks(
    config: Config, persons: Persons, groups: list[list[Member]], anchors: dict[int, Anchor | None]
) -> Iterator[list[Instant]]:
    """Yield the instants of every track of one clip, in the order of time."""
    shared = {member.row for group in groups for member in group}
    tracks: dict[tuple[str, str, bool, int], list[Instant]] = {}

    def add(row: int, look: Callable[[], Observation], cameras: int) -> None:
        if persons.track[row]:
            name = (str(persons.clip[row]), str(persons.track[row]), bool(persons.K_known[row]), cameras)
            tracks.setdefault(name, []).append(Instant(row, float(persons.seconds[row]), look))

    def seen(row: int) -> Observation:
        return replace(observe(config, persons, row), **known(row))

    def known(row: int) -> dict[str, Any]:
        return {"anchor": anchors[row], "cloud": None, "removed": persons.present_removed[row]}

    for group in groups:
        first = group[0].row
        add(first, functools.partial(replace, together(group), **known(first)), len(group))
    for row in range(len(persons)):
        if row not in shared:
            add(row, functools.partial(seen, row), 1)
    for track in tracks.values():
        yield sorted(track, key=lambda instant: instant.seconds)


def cut(track: list[Instant]) -> Iterator[list[Instant]]:
    """Cut a track where it has gaps; pieces too short, or without two frames close in time, are left out."""
    starts = [0, *(n for n in range(1, len(track)) if track[n].seconds - track[n - 1].seconds > GAP), len(track)]
    for start, end in itertools.pairwise(starts):
        piece = track[start:end]
        times = [instant.seconds for instant in piece]
        if len(piece) >= LEAST and len(set(times)) == len(times) and float(np.median(np.diff(times))) < GAP:
            yield piece


def _fitted(fitter: Fitter, sequence: list[Instant], lifter: Lift | None) -> dict[int, Fit]:
    times = np.array([instant.seconds for instant in sequence])
    step = float(np.median(np.diff(times)))
    places = np.round((times - times[0]) / step).astype(int)
    if (np.diff(places) < 1).any():  # two frames closer than half a step: take them as they come
        places = np.arange(len(times))
    seen: list[Observation | None] = [None] * (int(places[-1]) + 1)
    for instant, place in zip(sequence, places, strict=True):
        try:
            seen[place] = instant.observe()
        except Rejected:
            continue  # the row's own fit finds the same reason again and reports it
    if sum(s is not None for s in seen) < LEAST:
        return {}
    found = fit_sequence(fitter, seen, 1 / step, run=_checked, lifter=lifter)
    fits = ((instant.row, found[place]) for instant, place in zip(sequence, places, strict=True))
    return {row: fit for row, fit in fits if fit is not None}


def _checked(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    return map(function, interrupts.checked(items))
