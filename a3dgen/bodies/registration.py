"""Brings the open body's surface onto another body in the T-pose: articulated, then non-rigid closest points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from a3dgen.geometry.mesh import face_normals, vertex_normals
from a3dgen.geometry.skeleton import JOINT, NUM_JOINTS, PARENTS

_STIFFNESS = (30.0, 10.0, 3.0, 1.0, 0.5, 0.2, 0.1, 0.05)
"""Weight of the membrane energy in each round of closest points."""
_REACH, _FACING = 0.08, 0.3
"""Closest points further away (m), or whose normals agree less (cosine), are not followed."""
_WRONG_SIDE = 0.03
"""Distance (m) that a candidate facing the wrong way is charged."""


@dataclass(frozen=True)
class Attachment:
    """Points on a mesh's surface: (n,) face indices and (n, 3) barycentric shares of its corners; distances (n,) m."""

    face: Integer[ndarray, " n"]
    shares: Float[ndarray, "n 3"]
    distance: Float[ndarray, " n"]

    def apply(self, values: ndarray, faces: Integer[ndarray, "f 3"]) -> ndarray:
        """Interpolate per-vertex values (V, ...) to (n, ...)."""
        corners = values[faces[self.face]]
        return np.einsum("nk,nk...->n...", self.shares.astype(values.dtype), corners)


def closest_points(
    points: Float[ndarray, "n 3"],
    vertices: Float[ndarray, "v 3"],
    faces: Integer[ndarray, "f 3"],
    normals: Float[ndarray, "n 3"] | None = None,
    candidates: int = 24,
) -> Attachment:
    """Find the closest point of a surface for each point, among the faces with the nearest centres.

    Args:
        normals: unit normals of the points; faces turned away from them are charged ``_WRONG_SIDE``.
    """
    corners = vertices[faces]
    tree = cKDTree(corners.mean(1))
    k = min(candidates, len(faces))
    nearby = tree.query(points, k)[1].reshape(len(points), k)
    facing = None
    if normals is not None:
        facing = face_normals(vertices, faces)
        facing = facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-15)
        facing = np.einsum("nkc,nc->nk", facing[nearby], normals)
    return closest_of(points, corners, nearby, facing)


def closest_of(
    points: Float[ndarray, "n 3"],
    corners: Float[ndarray, "f 3 3"],
    nearby: Integer[ndarray, "n k"],
    facing: Float[ndarray, "n k"] | None = None,
) -> Attachment:
    """Find the closest point of a surface for each point, among the faces ``nearby`` that each may lie on.

    Args:
        corners: of all faces. facing: how far a point's normal agrees with each of its faces'; see ``closest_points``.
    """
    k = nearby.shape[1]
    flat = nearby.ravel()
    shares = triangle_shares(np.repeat(points, k, 0), corners[flat])
    found = np.einsum("nk,nkc->nc", shares, corners[flat]).reshape(len(points), k, 3)
    distance = np.linalg.norm(found - points[:, None], axis=-1)
    best = (distance if facing is None else distance + _WRONG_SIDE * (facing < 0)).argmin(1)
    rows = np.arange(len(points))
    return Attachment(nearby[rows, best], shares.reshape(len(points), k, 3)[rows, best], distance[rows, best])


def triangle_shares(points: Float[ndarray, "n 3"], corners: Float[ndarray, "n 3 3"]) -> Float[ndarray, "n 3"]:
    """Return barycentric shares of the point of each triangle closest to each point.

    Source: Ericson, Real-Time Collision Detection (2005), section 5.1.5.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac = b - a, c - a
    dot = lambda u, v: np.einsum("nc,nc->n", u, v)  # noqa: E731
    d1, d2 = dot(ab, points - a), dot(ac, points - a)
    d3, d4 = dot(ab, points - b), dot(ac, points - b)
    d5, d6 = dot(ab, points - c), dot(ac, points - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    safe = lambda x: np.where(np.abs(x) < 1e-30, 1e-30, x)  # noqa: E731
    total = safe(va + vb + vc)
    v, w = vb / total, vc / total
    zero, one = np.zeros_like(v), np.ones_like(v)
    bc = (d4 - d3) / safe((d4 - d3) + (d5 - d6))
    rules = [
        ((d1 <= 0) & (d2 <= 0), zero, zero),
        ((d3 >= 0) & (d4 <= d3), one, zero),
        ((d6 >= 0) & (d5 <= d6), zero, one),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), d1 / safe(d1 - d3), zero),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), zero, d2 / safe(d2 - d6)),
        ((va <= 0) & (d4 >= d3) & (d5 >= d6), 1 - bc, bc),
    ]
    v = np.select([r[0] for r in rules], [r[1] for r in rules], v)
    w = np.select([r[0] for r in rules], [r[2] for r in rules], w)
    return np.clip(np.stack([1 - v - w, v, w], 1), 0, 1)


def joint_maps(joints: Float[ndarray, "24 3"], target: Float[ndarray, "24 3"]) -> Float[ndarray, "24 3 4"]:
    """Return affine maps that take each joint's surroundings from one skeleton in the T-pose to another.

    Limb bones are turned and stretched onto their counterparts; everything else is scaled by the skeletons' sizes.
    """
    size = np.linalg.norm(target - target.mean(0)) / np.linalg.norm(joints - joints.mean(0))
    out = np.zeros((NUM_JOINTS, 3, 4))
    for j in range(NUM_JOINTS):
        children = np.flatnonzero(j == PARENTS)
        linear = size * np.eye(3)
        if len(children) == 1 and j != JOINT["neck"]:
            bone, wanted = joints[children[0]] - joints[j], target[children[0]] - target[j]
            along = bone / np.linalg.norm(bone)
            stretch = linear + (np.linalg.norm(wanted) / np.linalg.norm(bone) - size) * np.outer(along, along)
            linear = _turn(along, wanted / np.linalg.norm(wanted)) @ stretch
        elif len(children) == 0:
            linear = size * out[PARENTS[j], :, :3] / np.cbrt(max(np.linalg.det(out[PARENTS[j], :, :3]), 1e-9))
        out[j, :, :3] = linear
        out[j, :, 3] = target[j] - linear @ joints[j]
    return out


def _turn(a: ndarray, b: ndarray) -> ndarray:
    axis = np.cross(a, b)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + k + k @ k / (1 + a @ b)


def register(
    source: Float[ndarray, "v 3"],
    source_faces: Integer[ndarray, "f 3"],
    follows: Bool[ndarray, " v"],
    target: Float[ndarray, "w 3"],
    target_faces: Integer[ndarray, "g 3"],
) -> Float[ndarray, "v 3"]:
    """Move source vertices onto a target surface.

    Rounds of closest points in both directions; the rest of the mesh follows by a membrane energy that weakens.

    Args:
        follows: vertices that seek the target (visible skin); all others are only dragged along.
    """
    laplacian = _laplacian(source_faces, len(source))
    moved = np.array(source, np.float64)
    for stiffness in _STIFFNESS:
        normals = vertex_normals(moved, source_faces)
        near = closest_points(moved, target, target_faces, normals)
        goal = near.apply(target, target_faces)
        facing = vertex_normals(target, target_faces)
        agree = np.einsum("nc,nc->n", near.apply(facing, target_faces), normals)
        trust = (follows & (near.distance < _REACH) & (agree > _FACING)).astype(float)
        system = sp.diags(trust + 1e-6) + stiffness * laplacian
        moved = moved + splu(system.tocsc()).solve(trust[:, None] * (goal - moved))
    return moved


def _laplacian(faces: ndarray, count: int) -> sp.csr_matrix:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ones = np.ones(2 * len(edges))
    both = sp.coo_matrix((ones, (edges.ravel("F"), edges[:, ::-1].ravel("F"))), shape=(count, count)).tocsr()
    both.data[:] = 1
    return sp.diags(np.asarray(both.sum(1)).ravel()) - both
