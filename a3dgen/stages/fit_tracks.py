"""Fits the frames of a recording together: which rows belong to one person, and their fits."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.core import interrupts
from a3dgen.core.errors import Rejected
from a3dgen.core.pieces import piece_beside
from a3dgen.core.records import Persons
from a3dgen.core.user_paths import user_path
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.lifted import Lift
from a3dgen.fit.multi_view import Member, find_groups, together
from a3dgen.fit.observation import Anchor, Fit, Observation
from a3dgen.fit.observe import observe
from a3dgen.fit.sequence import fit_sequence
from a3dgen.learning.lifter import DEFAULT_WEIGHTS, Lifter
from a3dgen.motion.tracks import frame_places

LEAST = 3
"""Fewer frames than this are fitted one by one."""
GAP = 1.0
"""s; a track is cut where nobody was seen for longer, and where no two frames are closer."""
OVERLAP = 10
"""Frames on either side of the joint of two pieces that both know."""
HELD = 3
"""Of those, the frames on either side that are the same in both: as far as neighbours reach."""
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
    beside: Persons | None,
    fitter_of: Callable[[bool], Fitter],
    shape_of: Callable[[Persons, int], Anchor | None],
) -> Fits:
    """Return the fits of all rows that follow each other in a recording; each piece of a track is fitted when it is
    first asked for.

    Where two pieces meet, the ``OVERLAP`` frames on either side are fitted on their own first; of those the nearest to
    the joint are held in both pieces, so that these fit each other although neither knows the other.

    Args:
        beside: people of the pieces before and after those of ``persons``, as far as other shards have them.
        fitter_of: the fitter by whether the camera is known. shape_of: the known shape of a row.
    """
    rows = persons if beside is None else Persons.concat([persons, beside])
    groups = find_groups(config, rows)
    tracks = _tracks(config, rows, groups, {i: shape_of(rows, i) for i in range(len(rows))})
    of_row = {instant.row: name for name, track in tracks.items() for instant in track}
    lifter = functools.cache(lambda: find_lifter(config))

    def solved(name: Name, sequence: list[Instant], held: Mapping[int, ndarray]) -> dict[int, Fit]:
        return _fitted(fitter_of(name[2]), sequence, lifter(), held)

    @functools.cache
    def joint(before: Name, after: Name) -> tuple[list[Instant], dict[int, ndarray]]:
        """Return the frames that are held where two pieces meet, and the variables of each row."""
        if before not in tracks or after not in tracks or not OVERLAP:
            return [], {}
        ends = tracks[before][-OVERLAP:], tracks[after][:OVERLAP]
        for sequence in cut([*ends[0], *ends[1]]):
            if sequence[0].row in {i.row for i in ends[0]} and sequence[-1].row in {i.row for i in ends[1]}:
                found = solved(before, sequence, {})
                near = [i for i in (*ends[0][-HELD:], *ends[1][:HELD]) if i in sequence and i.row in found]
                return near, {i.row: found[i.row].best.x for i in near}
        return [], {}

    @functools.cache
    def fitted(name: Name) -> dict[int, Fit]:
        clip, *rest = name
        last, first = (piece_beside(clip, step) for step in (-1, 1))
        joints = [joint((last, *rest), name), joint(name, (first, *rest))]
        own = {i.row for i in tracks[name]}
        around = [[i for i in near if i.row not in own] for near, _ in joints]
        held = {row: x for _, found in joints for row, x in found.items()}
        out: dict[int, Fit] = {}
        for sequence in cut([*around[0], *tracks[name], *around[1]]):
            out |= solved(name, sequence, held)
        return out

    return lambda row: fitted(of_row[row]).get(row) if row in of_row else None


Name = tuple[str, str, bool, int]
"""Of the piece of a track: clip, track, whether the camera is known, and how many cameras share an instant."""


def _tracks(
    config: Config, persons: Persons, groups: list[list[Member]], anchors: dict[int, Anchor | None]
) -> dict[Name, list[Instant]]:
    """Return the instants of every track, piece by piece of its recording, in the order of time."""
    shared = {member.row for group in groups for member in group}
    tracks: dict[Name, list[Instant]] = {}

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
    return {name: sorted(track, key=lambda instant: instant.seconds) for name, track in tracks.items()}


def cut(track: list[Instant]) -> Iterator[list[Instant]]:
    """Cut a track where it has gaps; pieces too short, or without two frames close in time, are left out."""
    starts = [0, *(n for n in range(1, len(track)) if track[n].seconds - track[n - 1].seconds > GAP), len(track)]
    for start, end in itertools.pairwise(starts):
        piece = track[start:end]
        times = [instant.seconds for instant in piece]
        if len(piece) >= LEAST and len(set(times)) == len(times) and float(np.median(np.diff(times))) < GAP:
            yield piece


def _fitted(
    fitter: Fitter, sequence: list[Instant], lifter: Lift | None, held: Mapping[int, ndarray]
) -> dict[int, Fit]:
    """Return the fits of a sequence by row. held: row -> its variables."""
    times = np.array([instant.seconds for instant in sequence])
    places, step = frame_places(times)
    seen: list[Observation | None] = [None] * (int(places[-1]) + 1)
    for instant, place in zip(sequence, places, strict=True):
        try:
            seen[place] = instant.observe()
        except Rejected:
            continue  # the row's own fit finds the same reason again and reports it
    if sum(s is not None for s in seen) < LEAST:
        return {}
    known = {int(n): held[i.row] for i, n in zip(sequence, places, strict=True) if i.row in held}
    found = fit_sequence(fitter, seen, 1 / step, run=_checked, lifter=lifter, held=known)
    fits = ((instant.row, found[place]) for instant, place in zip(sequence, places, strict=True))
    return {row: fit for row, fit in fits if fit is not None}


def _checked(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    return map(function, interrupts.checked(items))
