"""Fit one person: from keypoints, 3D joints and a camera to a body, its uncertainty and its near-tied alternatives."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.fit.cloud_result import CloudFit, CloudOptions
from a3dgen.fit.evidence import Evidence, Views, no_views
from a3dgen.fit.initial import Starts, make_starts, place, place_points, turned
from a3dgen.fit.kinematics import Workspace, workspace
from a3dgen.fit.mixture import Mixture, load_mixture
from a3dgen.fit.model import num_betas, num_variables, pack
from a3dgen.fit.pose_prior import prior_energy
from a3dgen.fit.prediction import as_start
from a3dgen.fit.residuals import evaluate
from a3dgen.fit.search import Search, Settings, distinct_minima, search
from a3dgen.fit.uncertainty import laplace
from a3dgen.geometry.body import BodyData, pose_body

DOWN = np.array([0.0, 1.0, 0.0])
"""Photos are taken more or less upright: gravity in the camera frame. How far they tilt is part of the prior."""
MAX_ALTERNATIVES = 3
DIFFERENT = 0.04
"""Two minima are different bodies if their joints differ by more than this (m, root mean square, root-aligned)."""


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


class Fitter:
    """Fits people to one body model under one pose prior. Results depend on the observation alone."""

    def __init__(
        self,
        body: BodyData,
        prior: Mixture | None = None,
        options: FitOptions | None = None,
        cloud_options: CloudOptions | None = None,
    ) -> None:
        self.body = body
        self.options = options or FitOptions()
        self.cloud_options = cloud_options
        self.model = pack(body)
        self.prior = (prior or load_mixture()).arrays()
        self.starts = make_starts(self.model, self.prior, DOWN)
        o = self.options
        self.settings = Settings(o.starts, o.rough_steps, o.kept, o.steps, o.tolerance, o.flip_steps, o.margin, o.wide)

    def evidence(self, seen: Observation) -> Evidence:
        """Return an observation as the compiled objective reads it."""
        d, b = num_variables(self.model), num_betas(self.model)
        anchor, weight, free = np.zeros(d), np.zeros(d), np.ones(d, bool)
        weight[72 : 72 + b] = 1.0
        if seen.anchor is not None:
            self._anchor(seen.anchor, anchor, weight, free)
        if self.options.focal_sd > 0:
            weight[-1] = 1 / self.options.focal_sd**2
        else:
            free[-1] = False
        flat = lambda a: np.ascontiguousarray(a, np.float64)  # noqa: E731
        down, ground, contact = _support(seen)
        return Evidence(
            pixels=flat(np.nan_to_num(seen.pixels)),
            pixel_weight=flat(1 / seen.pixel_sd),
            camera=_camera(seen.K),
            points=flat(np.nan_to_num(seen.points)),
            point_weight=flat(1 / seen.point_sd),
            robust=float(self.options.robust),
            down=down,
            anchor=anchor,
            anchor_weight=weight,
            free=free,
            prior_weight=float(self.options.prior_weight),
            ground=ground,
            contact_weight=contact,
            views=_views(seen.others),
        )

    def _anchor(self, known: Anchor, anchor: ndarray, weight: ndarray, free: ndarray) -> None:
        b = num_betas(self.model)
        for part, value, sd in (
            (slice(0, 72), known.pose, known.pose_sd),
            (slice(72, 72 + b), known.betas, known.betas_sd),
            (slice(72 + b, 75 + b), known.transl, known.transl_sd),
        ):
            if value is not None:
                anchor[part] = np.ravel(value)
                sds = np.broadcast_to(np.ravel(sd), anchor[part].shape)
                free[part] = sds > 0
                weight[part] = np.where(sds > 0, 1 / np.square(np.where(sds > 0, sds, 1)), 0)

    def fit(self, seen: Observation, first: Float[ndarray, "s d"] | None = None, quick: bool = False) -> Fit:
        """Fit one person.

        Args:
            first: starts from outside, as rows of variables (``variables``), tried besides the headings.
            quick: fewer headings and no reflections, where only the cost matters.
        """
        ev = self.evidence(seen)
        first = np.zeros((0, num_variables(self.model))) if first is None else np.ascontiguousarray(first, np.float64)
        how = (
            self.settings._replace(starts=min(3, self.settings.starts), kept=1, flip_steps=0)
            if quick
            else self.settings
        )
        pool = search(self.model, self.prior, ev, self.starts_for(seen), float(seen.size), how, first)
        found = self.collect(pool)
        return found if seen.cloud is None or quick else self.clouds.fit(seen, found, first)

    def starts_for(self, seen: Observation) -> Starts:
        """Return the headings to search from: upright, or upside down, in the gravity that is known."""
        starts = self._inverted_starts if seen.inverted else self.starts
        return starts if seen.support is None else turned(starts, self.model, DOWN, seen.support.down)

    @functools.cached_property
    def _inverted_starts(self) -> Starts:
        return make_starts(self.model, self.prior, -DOWN)

    @functools.cached_property
    def clouds(self) -> Any:
        """The part that fits point clouds, made when the first one comes."""
        from a3dgen.fit.cloud_fit import CloudFitter

        return CloudFitter(self, self.cloud_options)

    def collect(self, pool: Search) -> Fit:
        """Return the result of a finished search.

        Raises:
            Rejected: if no start led anywhere.
        """
        if not pool.costs:
            raise Rejected("no start leads to a body in front of the camera")
        distinct = [
            self.solution(pool.ev, pool.variables[i], pool.w)
            for i in distinct_minima(pool, DIFFERENT, MAX_ALTERNATIVES + 1)
        ]
        best = distinct[0]
        return Fit(widened(best, distinct), tuple(distinct[1:]), pool.spent)

    def solution(self, ev: Evidence, x: Float[ndarray, " d"], w: Workspace) -> Solution:
        """Return variables as a solution, with its cost and uncertainty under the evidence."""
        joints, sigma = np.zeros((24, 3)), np.zeros(24)
        cost = evaluate(self.model, self.prior, ev, x, w)
        laplace(ev, self.model.parents, x, w, joints, sigma)
        b = num_betas(self.model)
        return Solution(
            x[:72].reshape(24, 3).copy(), x[72 : 72 + b].copy(), x[72 + b : 75 + b].copy(), float(np.exp(x[-1])),
            float(cost), joints, sigma, x.copy(),
        )  # fmt: skip

    def with_options(self, **changes: Any) -> Fitter:
        """Return a fitter of the same body and prior with other ``FitOptions``."""
        other = copy.copy(self)
        other.options = o = replace(self.options, **changes)
        other.settings = Settings(o.starts, o.rough_steps, o.kept, o.steps, o.tolerance, o.flip_steps, o.margin, o.wide)
        return other

    def workspace(self) -> Workspace:
        """Return new scratch arrays for one search."""
        return workspace(self.model)

    def placed(
        self, seen: Observation, pose: Float[ndarray, "24 3"], betas: Float[ndarray, " k"]
    ) -> Float[ndarray, " d"]:
        """Return the variables of a predicted pose, translated to where the keypoints are."""
        x = self.variables(pose, betas, np.zeros(3))
        b = num_betas(self.model)
        points = pose_body(self.body, pose, x[72 : 72 + b], np.zeros(3)).keypoints
        ev, start = self.evidence(seen), as_start(x, points)
        cost, shift = np.empty(1), np.empty((1, 3))
        if ev.point_weight.max() > 0:
            place_points(start, ev, cost, shift)
        else:
            place(start, ev, float(seen.size), cost, shift)
        x[72 + b : 75 + b] = shift[0]
        return x

    def prior_energy(self, seen: Observation, found: Solution) -> float:
        """Return what the pose prior charges for a solution, limits included, in natural-log units."""
        return float(prior_energy(self.model, self.prior, self.evidence(seen), found.x, workspace(self.model)))

    def variables(
        self, pose: Float[ndarray, "24 3"], betas: Float[ndarray, " b"], transl: Float[ndarray, "3"]
    ) -> Float[ndarray, " d"]:
        """Return one row of variables; betas the model lacks are dropped, missing ones are zero."""
        x = np.zeros(num_variables(self.model))
        b = num_betas(self.model)
        x[:72] = np.ravel(pose)
        x[72 : 72 + min(b, len(betas))] = betas[:b]
        x[72 + b : 75 + b] = transl
        return x


def _support(seen: Observation) -> tuple[ndarray, ndarray, ndarray]:
    """Return gravity (3,), the ground (4,) and the weights (44,) of what touches it, as ``Evidence`` has them."""
    known = seen.support or Support(DOWN, 0.0, np.full(44, np.inf))
    down = np.asarray(known.down, np.float64)
    if seen.inverted:
        return -down, np.array([*down, known.level]), np.zeros(44)
    return down, np.array([*down, known.level]), 1 / known.sd


def _camera(K: Float[ndarray, "3 3"]) -> Float[ndarray, "4"]:
    return np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], np.float64)


def _views(others: tuple[View, ...]) -> Views:
    if not others:
        return no_views()
    stack = lambda rows: np.ascontiguousarray(np.stack(rows), np.float64)  # noqa: E731
    return Views(
        stack([o.R for o in others]), stack([o.t for o in others]), stack([_camera(o.K) for o in others]),
        stack([np.nan_to_num(o.pixels) for o in others]), stack([1 / o.pixel_sd for o in others]),
    )  # fmt: skip


def _rooted(s: Solution) -> Float[ndarray, "24 3"]:
    return s.joints - s.joints[0]


def widened(best: Solution, all_of_them: list[Solution]) -> Solution:
    """Return a solution with the spread of near-ties, each weighing exp(-cost), added to its variance."""
    if len(all_of_them) == 1:
        return best
    costs = np.array([s.cost for s in all_of_them])
    weight = np.exp(costs.min() - costs)
    weight /= weight.sum()
    variance = sum(w * s.sigma**2 for w, s in zip(weight, all_of_them, strict=True))
    where = np.stack([_rooted(s) + (np.arange(24) == 0)[:, None] * s.joints[0] for s in all_of_them])
    mean = np.einsum("s,sjc->jc", weight, where)
    variance = variance + np.einsum("s,sjc->j", weight, (where - mean) ** 2)
    return Solution(
        best.pose, best.betas, best.transl, best.focal_scale, best.cost, best.joints, np.sqrt(variance), best.x
    )
