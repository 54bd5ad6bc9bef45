"""Fits of one picture that also heed the depths which the pose network sees, so that bodies are not taken inside out.

One view cannot tell whether a limb points towards the camera or away from it, and the fewer limbs a body has, the less
tells its heading: the cheapest minimum is then often not the right one, and sometimes the search misses a cheaper one.
BlazePose guesses the body in metres, to some 10 cm. That is too rough to draw the fit there (it then gets worse where
it was good), but it names further minima to start from, and says which of several is meant.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.fit.fitter import DIFFERENT, MAX_ALTERNATIVES, Fitter, widened
from a3dgen.fit.inverted import fit_upright_or_inverted
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.geometry.body import pose_body

LOOKED_FOR_SD = (0.08, 0.04, 0.16)
"""Standard deviations (m) of the network's points while minima are looked for with them."""
POINT_SD = 0.07
"""And when minima are compared."""
WEIGHT = 2.0
"""Errors of one person's points go together: all coordinates count as four independent ones would."""
FARTHEST = 9.0
"""What a coordinate can cost at most, standard deviations squared."""
MARGIN = 12.0
"""Minima that cost so much more than the cheapest (natural-log units) are compared, too."""


def fit_with_depths(
    fitter: Fitter, seen: Observation, first: ndarray | None, points: Float[ndarray, "44 3"], used: Bool[ndarray, "44"]
) -> tuple[Observation, Fit]:
    """Fit one person, as ``fit_upright_or_inverted`` does, and choose among the minima by depth as well.

    Args:
        points: (44, 3) m, where the network sees the rows, along the camera's axes, from any origin. used: (44,) which
            rows those are; they must be of limbs that are there.

    Raises:
        Rejected: if no start leads to a body.
    """
    searcher = fitter.with_options(margin=MARGIN)
    labels, plain = fit_upright_or_inverted(searcher, seen, first)
    if not used.any():
        return labels, plain
    here = _rows(fitter, plain.best, used)
    placed = np.where(used[:, None], points + (here - points[used]).mean(0), 0.0)
    fits = [plain]
    for sd in LOOKED_FOR_SD:
        drawn = searcher.fit(replace(labels, points=placed, point_sd=np.where(used, sd, np.inf)), first)
        starts = np.stack([s.x for s in (drawn.best, *drawn.alternatives)])
        fits.append(searcher.with_options(starts=0).fit(labels, starts))
    found = [s for fit in fits for s in (fit.best, *fit.alternatives)]
    price = [s.cost + price_of(_rows(fitter, s, used), points[used]) for s in found]
    order = [found[i] for i in np.argsort(price, kind="stable") if price[i] <= min(price) + fitter.options.margin]
    apart: list[Solution] = []
    for one in order:
        if len(apart) <= MAX_ALTERNATIVES and all(_distance(one, other) > DIFFERENT for other in apart):
            apart.append(one)
    return labels, Fit(widened(apart[0], apart), tuple(apart[1:]), sum(fit.evaluations for fit in fits))


def price_of(points: Float[ndarray, "n 3"], expected: Float[ndarray, "n 3"]) -> float:
    """Return what points (m) that differ from the expected ones cost, both about their mean, natural-log units."""
    off = (points - points.mean(0)) - (expected - expected.mean(0))
    return float(WEIGHT * np.minimum((off / POINT_SD) ** 2, FARTHEST).mean())


def _rows(fitter: Fitter, found: Solution, used: Bool[ndarray, "44"]) -> Float[ndarray, "n 3"]:
    return np.asarray(pose_body(fitter.body, found.pose, found.betas, found.transl).keypoints[used])


def _distance(a: Solution, b: Solution) -> float:
    """Return how far two bodies are apart, m, root mean square over the joints, pelvis on pelvis."""
    off = (a.joints - a.joints[0]) - (b.joints - b.joints[0])
    return float(np.sqrt((off**2).sum() / len(off)))
