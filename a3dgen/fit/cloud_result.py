"""How a point cloud is used in a fit, and what a fit says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class CloudOptions:
    """How a cloud is used.

    Attributes:
        robust: Geman-McClure scale, in sigmas.
        min_points: a smaller cloud is not used. max_points: a larger one is thinned out.
        rough_points, rough_steps: of the rounds in which minima are compared. minima: how many of them.
        margin: 2D minima that cost at most this much more than the best are compared. kept: headings solved in full.
        steps: trial steps of the final solve. solved: minima that get it.
    """

    robust: float = 1.6
    min_points: int = 20
    max_points: int = 1000
    rough_points: int = 120
    rough_steps: int = 5
    minima: int = 4
    margin: float = 40.0
    kept: int = 4
    steps: int = 14
    solved: int = 2


@dataclass(frozen=True)
class CloudFit:
    """What became of a cloud.

    Attributes:
        used: the fit rests on it. remark: why it does not, or what was odd; empty if all is well.
        points: (M, 3) m, the points that were used. distance: (M,) m, of each from the skin that the sensor sees.
        inliers: share of them on the skin.
        stumps: (region, residual fraction, standard deviation) of every residual limb that was measured.
    """

    used: bool
    remark: str
    points: Float[ndarray, "m 3"]
    distance: Float[ndarray, " m"]
    inliers: float
    stumps: tuple[tuple[int, float, float], ...] = ()

    @property
    def median(self) -> float:
        """Median distance (m) of the points from the skin; NaN without points."""
        return float(np.median(self.distance)) if len(self.distance) else float("nan")


def left_aside(remark: str) -> CloudFit:
    """Return what is said of a cloud that is not used."""
    return CloudFit(False, f"{remark}; fitted without it", np.zeros((0, 3)), np.zeros(0), 0.0)
