"""What a fit is given and what it returns: options, observation, prior around a prediction, support, solution, fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.fit.cloud_result import CloudFit


@dataclass(frozen=True)
class FitOptions:
    """The solver's own settings.

    Attributes:
        starts: headings that are tried. rough_steps: trial steps of each of them.
        kept: headings solved in full. steps: trial steps of a full solve. tolerance: relative gain at convergence.
        flip_steps: trial steps after each limb was reflected in depth; 0 leaves reflections out.
        margin: minima that cost at most this much more (in natural-log units) are near-ties.
        robust: Geman-McClure scale, in sigmas. wide: factor of it while headings are compared.
        prior_weight: factor of the pose prior.
        focal_sd: standard deviation of the logarithm of the focal length; 0 keeps the camera as it is.
    """

    starts: int = 6
    rough_steps: int = 6
    kept: int = 2
    steps: int = 20
    tolerance: float = 1e-3
    flip_steps: int = 5
    margin: float = 4.0
    robust: float = 8.0
    wide: float = 5.0
    prior_weight: float = 1.0
    focal_sd: float = 0.0


@dataclass(frozen=True)
class Anchor:
    """A prior around an outside prediction: expected values and standard deviations (inf = says nothing, 0 = exact).

    pose: (24, 3) rad. betas: (B,). transl: (3,) m.
    """

    pose: Float[ndarray, "24 3"] | None = None
    pose_sd: Float[ndarray, "24 3"] | float = 0.3
    betas: Float[ndarray, " b"] | None = None
    betas_sd: Float[ndarray, " b"] | float = 1.0
    transl: Float[ndarray, "3"] | None = None
    transl_sd: Float[ndarray, "3"] | float = 1.0


@dataclass(frozen=True)
class Support:
    """What a person stands on.

    Attributes:
        down: (3,) unit, direction of gravity in the camera frame. level: m, down . X on the ground.
        sd: (44,) m, how close to the ground a point is; inf = it is not known to touch it.
    """

    down: Float[ndarray, "3"]
    level: float
    sd: Float[ndarray, "44"]


@dataclass(frozen=True)
class View:
    """The same person at the same instant in another calibrated camera.

    Attributes:
        R, t: a point X (m) of the first camera's frame is R X + t in this one's.
        pixels, pixel_sd, K: as in ``Observation``.
    """

    R: Float[ndarray, "3 3"]
    t: Float[ndarray, "3"]
    pixels: Float[ndarray, "44 2"]
    pixel_sd: Float[ndarray, "44"]
    K: Float[ndarray, "3 3"]


@dataclass(frozen=True)
class Observation:
    """What is known of one person.

    Attributes:
        pixels: (44, 2) undistorted px. pixel_sd: (44,) px, inf = not used.
        K: (3, 3) px. size: the person's size in px (longer side of the box).
        points: (44, 3) m in the camera frame. point_sd: (44,) m, inf = not used.
        anchor: an outside prediction, if there is one.
        cloud: (M, 3) m in the camera frame, points of the person and perhaps of what is around. cloud_sd: m, their
            noise. cloud_origin: (3,) m, where the sensor was; None = in the camera, NaN = several sensors.
        removed, residual: (12,) limbs the person lacks, and where their stumps end; they matter for clouds only.
        others: what further cameras saw at the same instant; only where the focal length is known.
        support: gravity and ground, where they are known; else gravity is ``DOWN``.
        inverted: the person stands on their head or hands: starts and prior take gravity the other way.
    """

    pixels: Float[ndarray, "44 2"]
    pixel_sd: Float[ndarray, "44"]
    K: Float[ndarray, "3 3"]
    size: float
    points: Float[ndarray, "44 3"] = field(default_factory=lambda: np.zeros((44, 3)))
    point_sd: Float[ndarray, "44"] = field(default_factory=lambda: np.full(44, np.inf))
    anchor: Anchor | None = None
    others: tuple[View, ...] = ()
    cloud: Float[ndarray, "m 3"] | None = None
    cloud_sd: float = 0.02
    cloud_origin: Float[ndarray, "3"] | None = None
    removed: Bool[ndarray, "12"] | None = None
    residual: Float[ndarray, "12"] | None = None
    inverted: bool = False
    support: Support | None = None


@dataclass(frozen=True)
class Solution:
    """One minimum: pose (24, 3) rad, betas (B,), transl (3,) m, factor of the focal length, cost, joints (24, 3) m in
    the camera frame, sigma (24,) m (entry 0 of the pelvis, the others relative to it), x: all variables."""

    pose: Float[ndarray, "24 3"]
    betas: Float[ndarray, " b"]
    transl: Float[ndarray, "3"]
    focal_scale: float
    cost: float
    joints: Float[ndarray, "24 3"]
    sigma: Float[ndarray, "24"]
    x: Float[ndarray, " d"]


@dataclass(frozen=True)
class Fit:
    """The best minimum with sigma widened by the spread of its near-ties, those near-ties (at most 3, cheapest
    first), the number of evaluations of the objective, what became of the point cloud if there was one, and, where
    the best is not the cheapest (frames fitted together), what the cheapest minimum of the frame alone costs."""

    best: Solution
    alternatives: tuple[Solution, ...]
    evaluations: int
    cloud: CloudFit | None = None
    least: float | None = None
