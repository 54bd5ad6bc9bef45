"""Residual limbs measured in a person's point cloud, with the really cut and capped mesh; part of stage ``fit``.

Length and pose depend on each other: a limb that is taken for too long is pulled off its own points. So the body is
solved once for each of a few lengths, and the cheapest body whose own scan of lengths comes back to its length counts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.amputation.rebuild import DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.fit.stump_length import StumpLength, stump_length
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, most_proximal

GUESS = 0.55
"""Residual fraction that is assumed of stumps until they are measured."""
HYPOTHESES, STEPS, AGREES = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9), 8, 0.2
"""Residual fractions for each of which the body is solved, its trial steps, and how far a scan may end from them."""


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
    found = _measured(fitter, seen, fit)
    if not found:
        return fit
    residual = np.ones(NUM_REGIONS) if seen.residual is None else seen.residual.copy()
    for index, stump in found.items():
        residual[index] = stump.residual
    again = fitter.clouds.again(replace(seen, residual=residual), fit)
    stumps = tuple((index, s.residual, s.sd) for index, s in found.items())
    return replace(again, cloud=replace(again.cloud or cloud, stumps=stumps))


def _measured(fitter: Fitter, seen: Observation, fit: Fit) -> dict[int, StumpLength]:
    """Return the residual limbs that the cloud shows, by region."""
    assert seen.removed is not None
    out: dict[int, StumpLength] = {}
    for index in most_proximal(np.flatnonzero(seen.removed).tolist()):
        length = _of_cheapest(fitter, seen, fit, index) if REGIONS[index].cuttable else None
        if length is not None:
            out[index] = length
    return out


def _of_cheapest(fitter: Fitter, seen: Observation, fit: Fit, index: int) -> StumpLength | None:
    """Return the length of one stump by the cheapest body that agrees with itself."""
    assert fit.cloud is not None
    solved: list[tuple[float, float, Solution]] = []
    for length in HYPOTHESES:
        residual = np.ones(NUM_REGIONS) if seen.residual is None else seen.residual.copy()
        residual[index] = length
        best = fitter.clouds.again(replace(seen, residual=residual), fit, STEPS).best
        solved.append((best.cost, length, best))
    for _, length, best in sorted(solved, key=lambda s: s[:2]):
        found = _scanned(fitter, seen, best, fit.cloud.points, index)
        if found is not None and abs(found.residual - length) <= AGREES:
            return found
    return None


def _scanned(
    fitter: Fitter, seen: Observation, found: Solution, points: Float[ndarray, "m 3"], index: int
) -> StumpLength | None:
    """Return the length of one stump on a body that stays as it is."""
    removed = seen.removed
    assert removed is not None
    body, fit = fitter.body, BodyFit(found.pose, found.betas, found.transl)
    stumps, cuttable = np.tile(DEFAULT_STUMP, (NUM_REGIONS, 1)), np.array([r.cuttable for r in REGIONS])

    def cut(residual: float) -> tuple[ndarray, ndarray]:
        lengths = np.where(removed & cuttable, GUESS, 1.0)
        lengths[index] = residual
        made = rebuild(body, fit, Cut(removed, lengths, RESIDUAL, stumps))
        return made.vertices, made.mesh.faces

    origin = np.zeros(3) if seen.cloud_origin is None else np.asarray(seen.cloud_origin, np.float64)
    start, end = found.joints[list(REGIONS[index].segment)]
    return stump_length(cut, start, end, points, seen.cloud_sd, origin)
