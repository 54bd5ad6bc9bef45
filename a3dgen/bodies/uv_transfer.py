"""Texture coordinates for a mesh that has none, read off a registered mesh that has them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from a3dgen.bodies.registration import closest_of, closest_points
from a3dgen.geometry.mesh import SkinnedMesh, face_normals

_SPREAD = 4.0
"""A face's corners may lie this many times further apart in UV than the chart's scale explains; beyond, a seam of
the chart runs through the face."""
_NEAREST, _CANDIDATES = 48, 24
"""Faces nearest in UV to the right side of a seam, and those of them, nearest to a corner, that it is sought on."""


def transfer_uv(
    mesh: SkinnedMesh, moved: Float[ndarray, "v 3"], target: Float[ndarray, "w 3"], faces: Integer[ndarray, "g 3"]
) -> tuple[Float[ndarray, "t 2"], Integer[ndarray, "g 3"]]:
    """Return texture coordinates (T, 2) f4 and their rows per face corner (G, 3) for a target mesh.

    The chart of a face is that of the surface closest to its centre; its corners are sought in that chart, and on
    the centre's side of the chart's seams, so that no face is smeared over the texture.

    Args:
        mesh: the mesh with UVs. moved: its vertices on the target's surface.
    """
    usable = np.flatnonzero(~mesh.hidden)
    source_faces, source_uv = mesh.faces[usable], mesh.face_uv[usable]
    chart = _charts(source_uv, len(mesh.uv))
    normals = face_normals(target, faces)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)
    centres = target[faces].mean(1)
    near = closest_points(centres, moved, source_faces, normals)
    centre_uv = _read(mesh, source_uv, near.face, near.shares)
    corners = np.empty((len(faces), 3, 2))
    for c in np.unique(chart[near.face]):
        rows = np.flatnonzero(chart[near.face] == c)
        inside = np.flatnonzero(chart == c)
        points = target[faces[rows]].reshape(-1, 3)
        on = closest_points(points, moved, source_faces[inside])
        corners[rows] = _read(mesh, source_uv, inside[on.face], on.shares).reshape(-1, 3, 2)
    _mend_seams(mesh, moved, usable, chart, target[faces], corners, centre_uv, chart[near.face])
    flat = np.round(corners.reshape(-1, 2) * 2**16).astype(np.int64)
    unique, index = np.unique(flat, axis=0, return_inverse=True)
    return (unique / 2**16).astype(np.float32), index.reshape(-1, 3).astype(np.int32)


def _charts(face_uv: ndarray, count: int) -> ndarray:
    """Return the chart (F,) of every face: faces joined through shared texture coordinates."""
    a, b = face_uv[:, [0, 1]].ravel(), face_uv[:, [1, 2]].ravel()
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    return connected_components(graph, directed=False)[1][face_uv[:, 0]]


def _read(mesh: SkinnedMesh, face_uv: ndarray, face: ndarray, shares: ndarray) -> ndarray:
    return np.einsum("nk,nkc->nc", shares, mesh.uv[face_uv[face]].astype(np.float64))


def _mend_seams(
    mesh: SkinnedMesh,
    moved: ndarray,
    usable: ndarray,
    chart: ndarray,
    triangles: ndarray,
    corners: ndarray,
    centre_uv: ndarray,
    owner: ndarray,
) -> None:
    """Seek corners again, among the faces nearest to the centre in UV, where they lie too far from it in UV."""
    source_faces, source_uv = mesh.faces[usable], mesh.face_uv[usable]
    middle = mesh.uv[source_uv].astype(np.float64).mean(1)
    scale = _scale(mesh, moved, source_faces, source_uv)
    reach = np.linalg.norm(triangles - triangles.mean(1, keepdims=True), axis=-1).max(1)
    spread = np.linalg.norm(corners - centre_uv[:, None], axis=-1).max(1)
    median = {c: np.median(scale[chart == c]) for c in np.unique(owner)}
    expected = np.array([median[c] for c in owner]) * reach
    wrong = np.flatnonzero(spread > _SPREAD * expected)
    surface = moved[source_faces]
    centres = surface.mean(1)
    for c in np.unique(owner[wrong]):
        rows, inside = wrong[owner[wrong] == c], np.flatnonzero(chart == c)
        near = cKDTree(middle[inside]).query(centre_uv[rows], min(_NEAREST, len(inside)))[1].reshape(len(rows), -1)
        points, local = triangles[rows].reshape(-1, 3), np.repeat(inside[near], 3, 0)
        apart = np.linalg.norm(centres[local] - points[:, None], axis=-1)
        local = np.take_along_axis(local, apart.argsort(1, kind="stable")[:, :_CANDIDATES], 1)
        on = closest_of(points, surface, local)
        corners[rows] = _read(mesh, source_uv, on.face, on.shares).reshape(-1, 3, 2)


def _scale(mesh: SkinnedMesh, moved: ndarray, faces: ndarray, face_uv: ndarray) -> ndarray:
    """UV length per metre of every face."""
    uv = mesh.uv[face_uv].astype(np.float64)
    u, v = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = np.linalg.norm(face_normals(moved, faces), axis=1)
    return np.sqrt(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / np.maximum(area, 1e-12))
