"""Fits one person in consecutive frames together, as rows of Bodies; ``a3dgen.fit_sequence`` calls it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons
from a3dgen.fit.config import Config
from a3dgen.fit.observation import Observation
from a3dgen.fit.observe import observe
from a3dgen.fit.sequence import fit_sequence
from a3dgen.stages.fit_fitters import get_fitter
from a3dgen.stages.fit_rows import row_of
from a3dgen.stages.fit_tracks import find_lifter


def sequence_rows(
    config: Config, body: BodyConfig, persons: Persons, fps: float
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Fit one person in consecutive frames together.

    Args:
        persons: the frames in order, of one camera.

    Returns:
        Rows of Bodies of the frames that can be fitted, and by key why the others cannot.
    """
    fitter = get_fitter(config, body, bool(persons.K_known.all()))
    seen: list[Observation | None] = []
    reasons: dict[str, str] = {}
    for i, key in enumerate(persons.key.tolist()):
        try:
            seen.append(replace(observe(config, persons, i), removed=persons.present_removed[i]))
        except Rejected as error:
            seen.append(None)
            reasons[key] = str(error)
    rows = []
    for i, fit in enumerate(fit_sequence(fitter, seen, fps, lifter=find_lifter(config))):
        key, observation = str(persons.key[i]), seen[i]
        if observation is None:
            continue
        try:
            if fit is None:
                raise Rejected("no start leads to a body in front of the camera")
            rows.append(row_of(config, fitter, persons, i, observation, fit))
        except Rejected as error:
            reasons[key] = str(error)
    return rows, reasons
