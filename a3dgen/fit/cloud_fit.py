"""Fits with a point cloud: every near-tied 2D minimum moves to the cloud, and the cheapest of all evidence wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.fit.cloud import BONES, CloudBlock, Skin, cloud_space, minimise_cloud, slide
from a3dgen.fit.kinematics import forward
from a3dgen.fit.model import num_variables
from a3dgen.fit.search import distinct_minima, search
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import vertex_normals

CELL, COARSE_CELL, SPARSE_CELL = 0.027, 0.06, 0.08
"""Side (m) of the cubes of which each gives at most one skin point a side, and of those for fewer points."""
PATCH = 24
"""Skin points that lie together in one patch, at most."""


def spread_skin(body: BodyData, cell: float = CELL, sparse: float = SPARSE_CELL) -> tuple[Skin, Integer[ndarray, " v"]]:
    """Return points spread evenly over the visible skin, and the vertices of the mesh that they are.

    Args:
        cell, sparse: m, sides of the cubes that give a point each.
    """
    mesh = body.mesh
    seen = np.zeros(len(mesh.vertices), bool)
    seen[mesh.faces[~mesh.hidden]] = True
    normals = vertex_normals(mesh.vertices.astype(np.float64), mesh.faces)
    chosen = _one_a_cube(mesh.vertices, normals, np.flatnonzero(seen), cell)
    patches, order = _patches(mesh.vertices[chosen])
    chosen = chosen[order]
    few = np.isin(chosen, _one_a_cube(mesh.vertices, normals, np.sort(chosen), sparse))
    bones = np.argsort(-mesh.weights[chosen], axis=1, kind="stable")[:, :BONES]
    shares = np.take_along_axis(mesh.weights[chosen], bones, 1).astype(np.float64)
    flat = lambda a: np.ascontiguousarray(a, np.float64)  # noqa: E731
    skin = Skin(
        flat(mesh.vertices[chosen]), flat(mesh.shape_dirs[chosen]), flat(normals[chosen]),
        np.ascontiguousarray(bones, np.int64), flat(shares / shares.sum(1, keepdims=True)), patches, few,
    )  # fmt: skip
    return skin, chosen


def _one_a_cube(places: ndarray, normals: ndarray, rows: ndarray, cell: float) -> Integer[ndarray, " v"]:
    """Return the first of ``rows`` in every cube and octant of normals: two sides of a hand lie in one cube."""
    cube = np.floor(places[rows] / cell).astype(np.int64)
    octant = (normals[rows] > 0) @ np.array([1, 2, 4])
    return rows[np.sort(np.unique(np.column_stack([cube, octant]), axis=0, return_index=True)[1])]


def _patches(places: ndarray) -> tuple[Integer[ndarray, " p"], Integer[ndarray, " v"]]:
    """Halve the points along their longest side until each piece is small; return where pieces start, and an order."""
    pieces, todo = [], [np.arange(len(places))]
    while todo:
        rows = todo.pop()
        if len(rows) <= PATCH:
            pieces.append(rows)
            continue
        axis = int(np.ptp(places[rows], axis=0).argmax())
        rows = rows[np.argsort(places[rows, axis], kind="stable")]
        todo += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
    return np.cumsum([0, *map(len, pieces)]), np.concatenate(pieces)



FLOOR_SD = 0.01
"""m: what clothes and the sampling of the skin add to a sensor's own noise."""
ACROSS = 0.15
"""Share of a point's pull that is not along the normal of its skin."""
REVERSE = 0.3
"""Weight of skin that misses the cloud, all of it together, relative to the points."""


@dataclass(frozen=True)
class CloudOptions:
    """How a cloud is used.

    Attributes:
        sd: m, noise of a point where the cloud does not say. robust: Geman-McClure scale, in sigmas.
        min_points: a smaller cloud is not used. max_points: a larger one is thinned out.
        rough_points, rough_steps: of the rounds in which minima are compared. minima: how many of them.
        margin: 2D minima that cost at most this much more than the best are compared. kept: headings solved in full.
        steps: trial steps of the final solve. solved: minima that get it.
    """

    sd: float = 0.02
    robust: float = 3.0
    min_points: int = 20
    max_points: int = 1000
    rough_points: int = 150
    rough_steps: int = 5
    minima: int = 4
    margin: float = 40.0
    kept: int = 4
    steps: int = 14
    solved: int = 1


class CloudSolver:
    """What does not depend on the person: two skins, fine and coarse, of a fitter's body."""

    def __init__(self, fitter, options: CloudOptions | None = None) -> None:
        self.fitter, self.options = fitter, options or CloudOptions()
        self.fine, self.vertices = spread_skin(fitter.body)
        self.coarse, self.coarse_vertices = spread_skin(fitter.body, COARSE_CELL, SPARSE_CELL)

    def solve(self, seen, starts, cloud, sd, origin, exists=None):
        """Return [(cost, x)] cheapest first."""
        o, f = self.options, self.fitter
        w, ev = f.workspace(), f.evidence(seen)
        everything = lambda skin: np.ones(len(skin.rest), bool)  # noqa: E731
        few = thinned(cloud, o.rough_points)
        rough = make_block(few, sd, origin, everything(self.coarse) if exists is None else exists[self.coarse_vertices], o.robust)
        space = cloud_space(self.coarse, len(few), w)
        far = float(np.median(np.linalg.norm(few, axis=1)))
        found = []
        for x in starts:
            x = x.copy()
            forward(f.model, x, w)
            slide(f.model, self.coarse, rough, far, x, 5, w, space)
            cost, _ = minimise_cloud(f.model, f.prior, ev, self.coarse, rough, x, o.rough_steps, 1e-2, w, space)
            found.append((cost, x))
        found.sort(key=lambda c: c[0])
        block = make_block(cloud, sd, origin, everything(self.fine) if exists is None else exists[self.vertices], o.robust)
        space = cloud_space(self.fine, len(cloud), w)
        out = []
        for _, x in found[: o.solved]:
            cost, _ = minimise_cloud(f.model, f.prior, ev, self.fine, block, x, o.steps, 1e-3, w, space)
            out.append((cost, x))
        out.sort(key=lambda c: c[0])
        return out

    def minima(self, seen, first=None):
        o, f = self.options, self.fitter
        how = f.settings._replace(kept=max(o.kept, f.settings.kept), margin=o.margin)
        first = np.zeros((0, num_variables(f.model))) if first is None else first
        pool = search(f.model, f.prior, f.evidence(seen), f.starts, float(seen.size), how, first)
        return [pool.variables[i] for i in distinct_minima(pool, 0.04, o.minima)]


def thinned(cloud, most):
    """Return at most so many points, evenly in their order."""
    return cloud if len(cloud) <= most else cloud[np.linspace(0, len(cloud) - 1, most).round().astype(int)]


def make_block(cloud, sd, origin, exists, robust):
    gap = cKDTree(cloud).query(cloud, k=min(4, len(cloud)))[0][:, -1]
    spacing = float(np.median(gap))
    s = float(np.hypot(sd, FLOOR_SD))
    culled = bool(np.isfinite(origin).all())
    at = np.where(culled, origin, 0.0).astype(np.float64)
    view = np.median(cloud, axis=0) - at
    far = float(np.linalg.norm(view))
    along = view / far
    across = np.cross([0.0, 1.0, 0.0], along) if abs(along[1]) < 0.9 else np.cross([1.0, 0.0, 0.0], along)
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(along, across), along])
    return CloudBlock(
        np.ascontiguousarray(cloud, np.float64), at, culled, exists, axes, far,
        float(np.sqrt(1 - ACROSS) / s), float(np.sqrt(ACROSS) / (s + spacing / 2)), spacing, REVERSE,
        1 / (s + spacing), float(robust),
    )
