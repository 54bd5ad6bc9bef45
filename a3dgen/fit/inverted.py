"""People on their head or hands: gravity is taken the other way where the labels are explained better so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Fit, Observation
from a3dgen.geometry.skeleton import ANATOMICAL

_HIPS = [i for i, name in enumerate(ANATOMICAL) if name in ("left_hip", "right_hip")]
_SHOULDERS = [i for i, name in enumerate(ANATOMICAL) if name in ("left_shoulder", "right_shoulder")]
TRUNK_DOWN = 0.3
"""The shoulders are so far below the hips, share of the trunk's length in the picture, before anybody is thought to be
upside down; who bends forwards has them there, too."""
RARE = 4.0
"""What being upside down costs against being upright, natural log: one in fifty of those whose shoulders are lower."""


def fit_upright_or_inverted(fitter: Fitter, seen: Observation, first: ndarray | None = None) -> tuple[Observation, Fit]:
    """Fit one person; where the shoulders are below the hips, upside down as well.

    Returns:
        The observation, ``inverted`` if that explains the labels better, and its fit.

    Raises:
        Rejected: if no start leads to a body, either way.
    """
    if not shoulders_below_hips(seen):
        return seen, fitter.fit(seen, first)
    other = replace(seen, inverted=True)
    found: list[tuple[float, Observation, Fit]] = []
    reason: Rejected | None = None
    for one, price in ((seen, 0.0), (other, RARE)):
        try:
            fit = fitter.fit(one, first)
        except Rejected as error:
            reason = reason or error
            continue
        found.append((fit.best.cost + price, one, fit))
    if not found:
        assert reason is not None
        raise reason
    _, one, fit = min(found, key=lambda f: f[0])
    return one, fit


def shoulders_below_hips(seen: Observation) -> bool:
    """Return whether the picture shows the shoulders below the hips; false where either is not labelled."""
    ends = []
    for rows in (_SHOULDERS, _HIPS):
        known = [r for r in rows if np.isfinite(seen.pixel_sd[r])]
        if not known:
            return False
        ends.append(seen.pixels[known].mean(0))
    trunk = ends[0] - ends[1]
    return bool(trunk[1] > TRUNK_DOWN * np.linalg.norm(trunk) and np.linalg.norm(trunk) > 0.05 * seen.size)
