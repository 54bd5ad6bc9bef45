"""How long a residual limb is: the length whose really cut and capped skin explains the point cloud best.

Candidates are compared by truncated squared distances, from the points near the limb to the skin that the sensor could
see, and from that skin of the limb to the cloud beyond what the cloud's own spacing explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.fit.cloud_sampling import FLOOR_SD, neighbour_gap, view_axes
from a3dgen.geometry.mesh import vertex_normals

Cut = Callable[[float], tuple[Float[ndarray, "v 3"], Integer[ndarray, "f 3"]]]
"""Residual fraction -> posed vertices (m, camera frame) and faces of the body with the limb cut and capped there."""
SHORTEST, LONGEST, STEP, FINE_STEP = 0.1, 1.0, 0.1, 0.025
REACH = 0.2
"""m: points farther than this from the whole segment say nothing of the stump."""
TRUNCATED = 0.12
"""m: a larger distance is an outlier's."""
SPACING_SHARE = 0.8
"""Skin within this share of the cloud's spacing of a point is seen."""
FACING = -0.2
"""Skin that faces the sensor less than this (cosine) need not be hit."""
LEAST_POINTS = 8
CELL, BEHIND = 0.04, 0.08
"""Squares (m) of the depth map, and how far (m) behind other skin skin is hidden."""
LEAST_GAIN = 1.0
"""Natural-log units by which the best length must beat the shortest or the longest, to count as seen."""


@dataclass(frozen=True)
class StumpLength:
    """Place of the stump's tip along its segment (0 = proximal joint, 1 = distal joint), and standard deviation."""

    residual: float
    sd: float


def stump_length(
    cut: Cut,
    start: Float[ndarray, "3"],
    end: Float[ndarray, "3"],
    cloud: Float[ndarray, "m 3"],
    sd: float,
    origin: Float[ndarray, "3"],
) -> StumpLength | None:
    """Measure one residual limb.

    Args:
        cut: makes the candidates. start, end: (3,) m, joints of the segment that carries the stump, end absent.
        cloud: m, the points of the fit. sd: m, their noise. origin: (3,) m of the sensor, NaN = several.

    Returns:
        None if the cloud does not see the stump.
    """
    near = cloud[_from_segment(cloud, start, end) < REACH]
    if len(near) < LEAST_POINTS:
        return None
    scene = _Scene(near, float(np.median(neighbour_gap(cloud))), float(np.hypot(sd, FLOOR_SD)), origin, start, end)
    tried: dict[float, float] = {}

    def cost(residual: float) -> float:
        key = round(residual, 3)
        if key not in tried:
            tried[key] = scene.cost(*cut(key))
        return tried[key]

    for residual in np.arange(SHORTEST, LONGEST + 1e-9, STEP):
        cost(float(residual))
    best = min(tried, key=tried.__getitem__)
    for step in (-2, -1, 1, 2):
        cost(float(np.clip(best + step * FINE_STEP, SHORTEST, LONGEST)))
    best = min(tried, key=tried.__getitem__)
    sides = [[v for k, v in tried.items() if (k < best) == shorter and k != best] for shorter in (True, False)]
    if not min(max(side, default=np.inf) for side in sides) - tried[best] > LEAST_GAIN:
        return None
    return _refined(np.array(sorted(tried)), np.array([tried[k] for k in sorted(tried)]), best)


def _from_segment(points: ndarray, start: ndarray, end: ndarray) -> ndarray:
    along = np.clip((points - start) @ (end - start) / max(((end - start) ** 2).sum(), 1e-9), 0, 1)
    return np.linalg.norm(points - start - along[:, None] * (end - start), axis=1)


def _refined(places: ndarray, costs: ndarray, best: float) -> StumpLength:
    """Fit a parabola around the best candidate; its curvature gives the standard deviation."""
    close = np.abs(places - best) < 1.5 * STEP
    x, y = places[close] - best, costs[close]
    a, b, _ = np.polyfit(x, y, 2) if len(x) >= 3 else (0.0, 0.0, 0.0)
    if not a > 1e-6:
        return StumpLength(best, STEP)
    return StumpLength(
        float(np.clip(best + np.clip(-b / (2 * a), -STEP / 2, STEP / 2), SHORTEST, LONGEST)), float(1 / np.sqrt(2 * a))
    )


class _Scene:
    """The points near a limb, and what a candidate costs."""

    def __init__(
        self, points: ndarray, spacing: float, sigma: float, origin: ndarray, start: ndarray, end: ndarray
    ) -> None:
        self.points, self.tree, self.spacing, self.sigma = points, cKDTree(points), spacing, sigma
        self.origin, self.start, self.end = origin, start, end

    def cost(self, vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"]) -> float:
        """Return half the sum of truncated squared distances in sigmas."""
        normals = vertex_normals(vertices.astype(np.float64), faces)
        shown = np.ones(len(vertices), bool)
        if np.isfinite(self.origin).all():
            rays = vertices - self.origin
            shown = (normals * rays).sum(1) < FACING * np.linalg.norm(rays, axis=1)
        if not shown.any():
            return np.inf
        skin = vertices[shown]
        gap, nearest = cKDTree(skin).query(self.points)
        plane = np.abs(((skin[nearest] - self.points) * normals[shown][nearest]).sum(1))
        off = np.where(gap < self.spacing, plane, gap)
        points = np.minimum(off, TRUNCATED) ** 2
        limb = skin[(_from_segment(skin, self.start, self.end) < REACH) & ~self._hidden(skin)]
        miss = np.clip(self.tree.query(limb)[0] - SPACING_SHARE * self.spacing, 0, TRUNCATED) ** 2
        share = len(self.points) / max(len(limb), 1)
        return float(points.sum() + share * miss.sum()) / (2 * self.sigma**2)

    def _hidden(self, skin: Float[ndarray, "v 3"]) -> ndarray:
        """Return which skin that faces the sensor lies behind other such skin, by a coarse depth map."""
        if not np.isfinite(self.origin).all():
            return np.zeros(len(skin), bool)
        axes, far = view_axes(np.median(self.points, axis=0) - self.origin)
        seen = (skin - self.origin) @ axes.T
        cell = np.floor(seen[:, :2] / np.maximum(seen[:, 2:], 0.1) * far / CELL).astype(np.int64)
        _, square = np.unique(cell, axis=0, return_inverse=True)
        nearest = np.full(square.max() + 1, np.inf)
        np.minimum.at(nearest, square.ravel(), seen[:, 2])
        return nearest[square.ravel()] < seen[:, 2] - BEHIND
