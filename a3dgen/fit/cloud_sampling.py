"""Skin points spread evenly over a body, and clouds made ready for the objective: cleaned, thinned, measured."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.fit.cloud_space import BONES, CloudBlock, Skin
from a3dgen.fit.simd import LANES, padded
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import vertex_normals

FINE, COARSE, SPARSE = 0.04, 0.08, 0.09
"""Side (m) of the cubes that give one skin point a side each: of the final solve, of comparisons, and of the points
that are asked whether the cloud covers them."""
PATCH = 24
"""Skin points that lie together in one patch, at most."""
LEAST_SHARE = 0.04
"""Bones that carry a skin point by less than this are left out."""
FLOOR_SD = 0.01
"""m: what clothes and the sampling of the skin add to a sensor's own noise."""
ACROSS = 0.3
"""Share of a point's pull that is not along the normal of its skin."""
REVERSE = 0.15
"""Weight of skin that misses the cloud, all of it together, relative to the points."""
ISOLATED = 2.5
"""A point whose third neighbour lies this many times farther than usual belongs to nobody."""
NEIGHBOUR = 3


def spread_skin(body: BodyData, cell: float) -> tuple[Skin, Integer[ndarray, " v"]]:
    """Return points spread evenly over the visible skin, and the vertices of the mesh that they are.

    Args:
        cell: m, side of the cubes that give a point each.
    """
    mesh = body.mesh
    seen = np.zeros(len(mesh.vertices), bool)
    seen[mesh.faces[~mesh.hidden]] = True
    normals = vertex_normals(mesh.vertices.astype(np.float64), mesh.faces)
    chosen = _one_a_cube(mesh.vertices, normals, np.flatnonzero(seen), cell)
    patches, order = _patches(mesh.vertices[chosen])
    chosen = chosen[order]
    few = np.isin(chosen, _one_a_cube(mesh.vertices, normals, np.sort(chosen), SPARSE))
    bones = np.argsort(-mesh.weights[chosen], axis=1, kind="stable")[:, :BONES]
    shares = np.take_along_axis(mesh.weights[chosen], bones, 1).astype(np.float64)
    shares[shares < LEAST_SHARE] = 0
    flat = lambda a: np.ascontiguousarray(a, np.float64)  # noqa: E731
    places, dirs = mesh.vertices[chosen], mesh.shape_dirs[chosen]
    count, betas = len(chosen), dirs.shape[2]
    shapes = np.zeros((1 + betas, padded(3 * count)), np.float32)
    shapes[0, : 3 * count], shapes[1:, : 3 * count] = places.ravel(), dirs.reshape(-1, betas).T
    wide = np.zeros((count, 3, padded(LANES + betas + 4) - LANES), np.float32)
    wide[:, :, :betas] = dirs
    skin = Skin(
        shapes, wide, flat(normals[chosen]), np.ascontiguousarray(bones, np.int64),
        flat(shares / shares.sum(1, keepdims=True)), patches, few, *_bone_pairs(bones, shares > 0),
    )  # fmt: skip
    return skin, chosen


def _bone_pairs(bones: ndarray, used: ndarray) -> tuple[Integer[ndarray, "p 2"], Integer[ndarray, "v k k"]]:
    """Return the pairs of bones that carry points together, and the number of every point's own."""
    both = np.triu(used[:, :, None] & used[:, None], 1)
    codes = 24 * bones[:, :, None] + bones[:, None]
    distinct = np.unique(codes[both])
    number = np.where(both, np.searchsorted(distinct, codes), 0)
    return np.stack(np.divmod(distinct, 24), 1).astype(np.int64), np.ascontiguousarray(number, np.int64)


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


def thinned(cloud: Float[ndarray, "m 3"], most: int) -> Float[ndarray, "n 3"]:
    """Return at most so many points, evenly in their order."""
    return cloud if len(cloud) <= most else cloud[np.linspace(0, len(cloud) - 1, most).round().astype(int)]


def neighbour_gap(cloud: Float[ndarray, "m 3"]) -> Float[ndarray, " m"]:
    """Return the distance (m) of every point to its third neighbour."""
    return cKDTree(cloud).query(cloud, k=min(NEIGHBOUR + 1, len(cloud)))[0][:, -1]


def without_strays(cloud: Float[ndarray, "m 3"]) -> Float[ndarray, "n 3"]:
    """Leave out points that have no company."""
    gap = neighbour_gap(cloud)
    return cloud[gap <= ISOLATED * np.median(gap)]


def make_block(
    cloud: Float[ndarray, "m 3"], sd: float, origin: Float[ndarray, "3"], exists: Bool[ndarray, " v"], robust: float
) -> CloudBlock:
    """Return a cloud as the compiled objective reads it.

    Args:
        cloud: m, camera frame, at least two points. sd: m, noise of a point.
        origin: m, where the sensor is; NaN if there were several, so that any skin may have been seen.
        exists: skin the person has. robust: Geman-McClure scale, in sigmas.
    """
    spacing = max(float(np.median(neighbour_gap(cloud))), 1e-4)
    sigma = float(np.hypot(sd, FLOOR_SD))
    culled = bool(np.isfinite(origin).all())
    at = np.where(culled, origin, 0.0).astype(np.float64)
    axes, far = view_axes(np.median(cloud, axis=0) - at)
    return CloudBlock(
        np.ascontiguousarray(cloud, np.float64), at, culled, exists, axes, far, float(np.sqrt(1 - ACROSS) / sigma),
        float(np.sqrt(ACROSS) / (sigma + spacing / 2)), spacing, REVERSE, 1 / (sigma + spacing), float(robust),
    )  # fmt: skip


def view_axes(towards: Float[ndarray, "3"]) -> tuple[Float[ndarray, "3 3"], float]:
    """Return unit vectors across, down and along a direction, and its length."""
    far = max(float(np.linalg.norm(towards)), 1e-3)
    along = towards / far
    up = np.array([0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [1.0, 0.0, 0.0])
    across = _cross(up, along)
    across /= np.linalg.norm(across)
    return np.stack([across, _cross(along, across), along]), far


def _cross(a: ndarray, b: ndarray) -> ndarray:
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def clusters(cloud: Float[ndarray, "m 3"], gap: float, least: int) -> list[Integer[ndarray, " n"]]:
    """Split points where their distances from the camera leave a gap (m); return the groups of at least so many."""
    far = np.linalg.norm(cloud, axis=1)
    order = np.argsort(far, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(far[order]) > gap) + 1)
    return [np.sort(p) for p in pieces if len(p) >= least]
