"""Fits with a point cloud: every near-tied 2D minimum moves to the cloud, and the cheapest of all evidence wins.

A cloud that does not belong to the person is left aside, with the reason.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.fit.cloud import evaluate_cloud, minimise_cloud
from a3dgen.fit.cloud_result import CloudFit, CloudOptions, left_aside
from a3dgen.fit.cloud_sampling import COARSE, FINE, clusters, make_block, spread_skin, thinned, without_strays
from a3dgen.fit.cloud_skin import slide
from a3dgen.fit.cloud_space import CloudBlock, Skin, cloud_space
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.kinematics import Workspace, forward
from a3dgen.fit.limb_skin import skin_exists
from a3dgen.fit.model import num_betas, num_variables
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.fit.residuals import evaluate
from a3dgen.fit.search import distinct_minima, search
from a3dgen.fit.uncertainty import laplace

DIFFERENT = 0.04
"""Two minima are different bodies if their joints differ by more than this (m, root mean square, root-aligned)."""
ROUNDS, ROUGH = 3, 1e-2
"""Rounds of moving a body to its cloud before it bends, and the tolerance while minima are compared."""
HOPELESS, UNLIKELY = 40.0, 8.0
"""A minimum is given up once it cannot come within HOPELESS of the best one, and not solved in full if it ends up
farther than UNLIKELY from it."""
TIE = 1.0
"""Natural-log units: of minima that are this close, the one that is most like the fit without the cloud is taken."""
MINIMA_STEPS = 8
"""Trial steps in which minima of the labels are found, from where the cloud leads them on."""
DEPTH_GAP = 0.4
"""m: points farther apart than this along the view are of different things."""
CANDIDATES = 3
"""Groups of points of which each may be the person."""
FAR_OFF = 2.0
"""A cloud this many times as far as the keypoints say, or as near, has another unit, frame or person."""
INSIDE, MARGIN = 0.5, 0.25
"""Share of a cloud that must lie in the person's box, widened on every side by this share of the person's size."""
INLIERS = 0.45
"""Share of the points that must lie on the body."""
ON_SKIN = 2.7
"""A point nearer to the skin than this many sigmas of its pull along the normal lies on the body."""
LABELS_GIVE = 25.0
"""Natural-log units that labels and priors may lose to a cloud, or what they cost without it if that is more (they are
noisier then than was said). More, and the cloud is somebody else's or a wall (measured: own clouds 0 to 21)."""
REFUSED = 1e9


class CloudFitter:
    """Fits clouds with a ``Fitter``: its objective, prior and search, and two samplings of its body's skin."""

    def __init__(self, fitter: Fitter, options: CloudOptions | None = None) -> None:
        self.fitter, self.options = fitter, options or CloudOptions()
        self.fine, self.fine_vertices = spread_skin(fitter.body, FINE)
        self.coarse, self.coarse_vertices = spread_skin(fitter.body, COARSE)

    def fit(self, seen: Observation, plain: Fit, first: Float[ndarray, "s d"] | None = None) -> Fit:
        """Fit one person with its cloud.

        Args:
            seen: what is known, cloud included. plain: the fit without the cloud, which is the answer if the cloud
                cannot be used. first: starts from outside, as in ``Fitter.fit``.

        Returns:
            A fit whose ``cloud`` says what was used.
        """
        assert seen.cloud is not None
        cloud, remark = self.usable(seen, plain)
        if remark:
            return replace(plain, cloud=left_aside(remark))
        minima, results = self.minima(seen, first), []
        for rows in self._candidates(cloud):
            solved = self.solve(seen, minima, thinned(cloud[rows], self.options.max_points))
            if solved:
                results.append(self._checked(seen, plain, solved))
        if not results:
            return replace(plain, cloud=left_aside("the body cannot be moved to the point cloud"))
        return min(results, key=lambda r: r[0])[1]

    def again(self, seen: Observation, fit: Fit, steps: int | None = None) -> Fit:
        """Return a fit solved once more from where it is, with what is known of stumps by now, in so many steps."""
        assert fit.cloud is not None
        f, w, points = self.fitter, self.fitter.workspace(), fit.cloud.points
        block, x = self.block(seen, points, self.fine, self.fine_vertices), fit.best.x.copy()
        space = cloud_space(self.fine, len(points))
        cost, _ = minimise_cloud(
            f.model, f.prior, f.evidence(seen), self.fine, block, x, steps or self.options.steps, f.settings.tolerance,
            np.inf, w, space,
        )  # fmt: skip
        if not np.isfinite(cost):
            return fit
        solution, distance = self._solution(seen, x, cost, block, w)
        inliers = float((distance < ON_SKIN / block.along).mean())
        return replace(fit, best=solution, cloud=replace(fit.cloud, distance=distance, inliers=inliers))

    def usable(self, seen: Observation, plain: Fit) -> tuple[Float[ndarray, "m 3"], str]:
        """Return the points that may be the person's, or none and why."""
        given = np.asarray(seen.cloud, np.float64).reshape(-1, 3)
        nothing = given[:0]
        cloud = given[np.isfinite(given).all(1) & (np.abs(given) > 0).any(1)]
        least = max(self.options.min_points, 4)
        if len(cloud) < least:
            return nothing, f"the point cloud has {len(cloud)} finite points, {least} needed"
        cloud = thinned(cloud, 4 * self.options.max_points)
        away = float(np.median(np.linalg.norm(cloud, axis=1))) / float(np.linalg.norm(plain.best.joints[0]))
        if away > 100:
            return nothing, f"the point cloud lies {away:.0f} times as far as the person: is it in millimetres?"
        inside = self._in_box(seen, cloud)
        if inside.sum() < least or inside.mean() < INSIDE:
            return nothing, (
                f"{100 * inside.mean():.0f} % of the point cloud lies where the photo shows the person: "
                "another frame, or somebody else's"
            )
        if not 1 / FAR_OFF < away < FAR_OFF:
            return nothing, f"the point cloud lies {away:.1f} times as far as the keypoints say: somebody else's"
        return cloud[inside], ""

    def _in_box(self, seen: Observation, cloud: Float[ndarray, "m 3"]) -> Bool[ndarray, " m"]:
        used = np.isfinite(seen.pixel_sd)
        if not used.any():
            return cloud[:, 2] > 0
        low, high = seen.pixels[used].min(0), seen.pixels[used].max(0)
        pixels = cloud @ seen.K.T
        pixels = pixels[:, :2] / np.where(pixels[:, 2:] > 0, pixels[:, 2:], np.nan)
        margin = MARGIN * max(seen.size, float((high - low).max()))
        with np.errstate(invalid="ignore"):
            return ((pixels > low - margin) & (pixels < high + margin)).all(1)

    def _candidates(self, cloud: Float[ndarray, "m 3"]) -> list[ndarray]:
        found = clusters(cloud, DEPTH_GAP, max(self.options.min_points, 4, len(cloud) // 10))
        return sorted(found, key=len)[::-1][:CANDIDATES] or [np.arange(len(cloud))]

    def minima(self, seen: Observation, first: Float[ndarray, "s d"] | None) -> list[Float[ndarray, " d"]]:
        """Return the near-tied minima of the labels alone, cheapest first; starts from outside are among them."""
        o, f = self.options, self.fitter
        how = f.settings._replace(
            kept=max(o.kept, f.settings.kept), margin=max(o.margin, f.settings.margin),
            steps=min(MINIMA_STEPS, f.settings.steps), tolerance=max(ROUGH, f.settings.tolerance),
        )  # fmt: skip
        first = np.zeros((0, num_variables(f.model))) if first is None else np.ascontiguousarray(first, np.float64)
        pool = search(f.model, f.prior, f.evidence(seen), f.starts_for(seen), float(seen.size), how, first)
        found = [pool.variables[i] for i in distinct_minima(pool, DIFFERENT, o.minima)] if pool.costs else []
        return [*found, *first]

    def solve(
        self, seen: Observation, minima: list[Float[ndarray, " d"]], points: Float[ndarray, "m 3"]
    ) -> list[tuple[float, Float[ndarray, " d"], CloudBlock]]:
        """Return minima of all the evidence as (cost, variables, cloud), cheapest first.

        Args:
            minima: variables to start from. points: those taken for the person's.
        """
        o, f = self.options, self.fitter
        w, ev = f.workspace(), f.evidence(seen)
        points = without_strays(points)
        few = thinned(points, o.rough_points)
        block = self.block(seen, few, self.coarse, self.coarse_vertices)
        space, far = cloud_space(self.coarse, len(few)), float(np.median(np.linalg.norm(few, axis=1)))
        found: list[tuple[float, ndarray]] = []
        least = np.inf
        for start in minima:
            x = start.copy()
            forward(f.model, x, w)
            slide(f.model, self.coarse, block, far, x, ROUNDS, w, space)
            limit = least + HOPELESS
            cost, _ = minimise_cloud(f.model, f.prior, ev, self.coarse, block, x, o.rough_steps, ROUGH, limit, w, space)
            if np.isfinite(cost):
                found.append((cost, x))
                least = min(least, cost)
        block = self.block(seen, points, self.fine, self.fine_vertices)
        space, tolerance, out = cloud_space(self.fine, len(points)), f.settings.tolerance, []
        for rough, x in sorted(found, key=lambda m: m[0])[: o.solved]:
            if rough > least + UNLIKELY:
                break
            cost, _ = minimise_cloud(f.model, f.prior, ev, self.fine, block, x, o.steps, tolerance, np.inf, w, space)
            out.append((cost, x, block))
        return sorted(out, key=lambda m: m[0])

    def block(self, seen: Observation, points: Float[ndarray, "m 3"], skin: Skin, vertices: ndarray) -> CloudBlock:
        """Return points as the objective reads them; skin beyond a stump does not exist."""
        origin = np.zeros(3) if seen.cloud_origin is None else np.asarray(seen.cloud_origin, np.float64)
        exists = np.ones(len(vertices), bool)
        if seen.removed is not None and seen.removed.any():
            residual = np.ones(12) if seen.residual is None else seen.residual
            exists = skin_exists(self.fitter.body, seen.removed, residual)[vertices]
        return make_block(points, seen.cloud_sd, origin, exists, self.options.robust)

    def _checked(
        self, seen: Observation, plain: Fit, solved: list[tuple[float, ndarray, CloudBlock]]
    ) -> tuple[float, Fit]:
        """Return what the labels lose to the cloud, and the fit with it, or the one without if the cloud contradicts
        the labels or does not lie on the body."""
        f, w = self.fitter, self.fitter.workspace()
        ties = [m for m in solved if m[0] <= solved[0][0] + TIE]
        cost, x, block = min(ties, key=lambda m: self._gap2(m[1], plain.best, w))
        lost = float(evaluate(f.model, f.prior, f.evidence(seen), x, w)) - plain.best.cost
        solution, distance = self._solution(seen, x, cost, block, w)
        inliers = float((distance < ON_SKIN / block.along).mean())
        refused = REFUSED - inliers
        if inliers < INLIERS:
            share = f"{100 * inliers:.0f} % of the point cloud lies on the body that fits it best"
            why = f"{share}, {100 * INLIERS:.0f} % needed"
            return refused, replace(plain, cloud=left_aside(why))
        if lost > max(LABELS_GIVE, plain.best.cost) or not solution.joints[:, 2].min() > 0:
            why = "the point cloud contradicts the keypoints: no body fits both"
            return refused, replace(plain, cloud=left_aside(why))
        others = []
        for other, y, points in solved:
            if y is not x and other <= cost + f.settings.margin and self._apart(y, solution, w):
                others.append(self._solution(seen, y, other, points, w)[0])
        used = CloudFit(True, "", block.points, distance, inliers)
        return lost, Fit(solution, tuple(others), plain.evaluations, used)

    def _apart(self, y: Float[ndarray, " d"], solution: Solution, w: Workspace) -> bool:
        return self._gap2(y, solution, w) > 24 * DIFFERENT**2

    def _gap2(self, y: Float[ndarray, " d"], solution: Solution, w: Workspace) -> float:
        """Return the sum of squared distances (m2) of the joints of two bodies, pelvis on pelvis."""
        forward(self.fitter.model, y, w)
        gap = (w.joints - w.joints[0]) - (solution.joints - solution.joints[0])
        return float((gap**2).sum())

    def _solution(
        self, seen: Observation, x: Float[ndarray, " d"], cost: float, block: CloudBlock, w: Workspace
    ) -> tuple[Solution, Float[ndarray, " m"]]:
        """Return variables as a solution, its sigma with the cloud's share, and the distance of points to skin."""
        f = self.fitter
        ev, space = f.evidence(seen), cloud_space(self.fine, len(block.points))
        joints, sigma = np.zeros((24, 3)), np.zeros(24)
        evaluate_cloud(f.model, f.prior, ev, self.fine, block, x, w, space)
        laplace(ev, f.model.parents, x, w, joints, sigma)
        gap = space.vertices[space.match] - block.points
        normal = np.abs((space.normals[space.match] * gap).sum(1))
        distance = np.where(space.distance2 < (2 * block.spacing + 0.03) ** 2, normal, np.sqrt(space.distance2))
        b = num_betas(f.model)
        return Solution(
            x[:72].reshape(24, 3).copy(), x[72 : 72 + b].copy(), x[72 + b : 75 + b].copy(), float(np.exp(x[-1])),
            float(cost), joints, sigma, x.copy(),
        ), distance  # fmt: skip
