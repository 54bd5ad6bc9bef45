"""Residual limbs measured in a person's point cloud, with the really cut and capped mesh; part of stage ``fit``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray

from a3dgen.amputation.rebuild import DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.fit.fitter import Fit, Fitter, Observation, Solution
from a3dgen.fit.stump_length import StumpLength, stump_length
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, most_proximal

GUESS = 0.55
"""Residual fraction that is assumed of stumps until they are measured."""


def assumed(seen: Observation) -> Observation:
    """Return an observation whose stumps have the length that is assumed before they are measured."""
    if seen.removed is None or not seen.removed.any():
        return seen
    cuttable = np.array([r.cuttable for r in REGIONS])
    return replace(seen, residual=np.where(seen.removed & cuttable, GUESS, 1.0))


def measure_stumps(fitter: Fitter, seen: Observation, fit: Fit) -> Fit:
    """Return a fit with the residual limbs that its cloud shows, and solved once more with these lengths."""
    cloud = fit.cloud
    if cloud is None or not cloud.used or seen.removed is None or not seen.removed.any():
        return fit
    found = _measured(fitter, seen, fit.best, cloud.points)
    if not found:
        return fit
    residual = np.ones(NUM_REGIONS) if seen.residual is None else seen.residual.copy()
    for index, stump in found.items():
        residual[index] = stump.residual
    again = fitter.clouds.again(replace(seen, residual=residual), fit)
    stumps = tuple((index, s.residual, s.sd) for index, s in found.items())
    return replace(again, cloud=replace(again.cloud or cloud, stumps=stumps))


def _measured(fitter: Fitter, seen: Observation, found: Solution, points: ndarray) -> dict[int, StumpLength]:
    assert seen.removed is not None
    body, fit = fitter.body, BodyFit(found.pose, found.betas, found.transl)
    stumps = np.tile(DEFAULT_STUMP, (NUM_REGIONS, 1))
    origin = np.zeros(3) if seen.cloud_origin is None else np.asarray(seen.cloud_origin, np.float64)
    out: dict[int, StumpLength] = {}
    for index in most_proximal(np.flatnonzero(seen.removed).tolist()):
        region = REGIONS[index]
        if not region.cuttable:
            continue

        def cut(residual: float, index: int = index) -> tuple[ndarray, ndarray]:
            lengths = np.where(seen.removed, GUESS, 1.0)
            lengths[index] = residual
            lengths[[r.index for r in REGIONS if not r.cuttable]] = 1.0
            made = rebuild(body, fit, Cut(seen.removed, lengths, RESIDUAL, stumps))
            return made.vertices, made.mesh.faces

        start, end = found.joints[list(region.segment)]
        length = stump_length(cut, start, end, points, seen.cloud_sd, origin)
        if length is not None:
            out[index] = length
    return out
