"""One plan for all frames of a track: which limb can be removed visibly in most of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from a3dgen.core.stage import Inputs

ASKED = 5
"""Frames of a track that are asked, spread over its length."""

WhyNot = Callable[[int, float], str]
"""Says of (region, residual) why that cannot be removed, or ""."""


@dataclass(frozen=True)
class Tracks:
    """The fitted rows (person, fit) of every track of a shard, in the order of time."""

    rows: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]
    questions: dict[str, WhyNot] = field(default_factory=dict)

    def question(self, track: str, ask: Callable[[dict[str, Any], dict[str, Any]], WhyNot]) -> WhyNot:
        """Return why a limb cannot be removed from a track: what most of the frames asked say.

        Args:
            ask: makes the question of one frame.
        """
        if track not in self.questions:
            rows = self.rows[track]
            chosen = np.unique(np.linspace(0, len(rows) - 1, min(ASKED, len(rows))).round().astype(int))
            single = [ask(*rows[i]) for i in chosen]

            def most(region: int, residual: float) -> str:
                reasons = [why for q in single if (why := q(region, residual))]
                return max(reasons, key=reasons.count) if 2 * len(reasons) > len(single) else ""

            self.questions[track] = most
        return self.questions[track]


def rows_of_tracks(inputs: Inputs) -> Tracks:
    """Return the tracks of a shard; frames without a fit are left out."""
    persons, bodies = inputs.persons, inputs.bodies
    at = persons.index()
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for i, key in enumerate(() if bodies is None else bodies.key.tolist()):
        person = persons.row(at[str(key)])
        if person["track"] and bodies is not None:
            found.setdefault(str(person["track"]), []).append((person, bodies.row(i)))
    return Tracks({track: sorted(rows, key=lambda r: float(r[0]["seconds"])) for track, rows in found.items()})
