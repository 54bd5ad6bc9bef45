"""Fit one person: from keypoints, 3D joints and a camera to a body, its uncertainty and its near-tied alternatives."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.fit.cloud_result import CloudOptions
from a3dgen.fit.evidence import Evidence, Views, no_views
from a3dgen.fit.initial import Starts, make_starts, place, place_points, turned
from a3dgen.fit.kinematics import Workspace, workspace
from a3dgen.fit.mixture import Mixture, load_mixture
from a3dgen.fit.model import num_betas, num_variables, pack
from a3dgen.fit.observation import Anchor, Fit, FitOptions, Observation, Solution, Support, View
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
