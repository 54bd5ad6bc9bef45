"""Skinned meshes in the rest pose, and the operations every one of them shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray


@dataclass(frozen=True)
class SkinnedMesh:
    """A rest-pose triangle mesh that follows shape coefficients and joints: the body, a garment shell, hair.

    Attributes:
        vertices: (V, 3) f4 rest positions at betas = 0, m, SMPL axes (Y up, facing +Z).
        shape_dirs: (V, 3, B) f4 displacement per unit beta, m.
        weights: (V, 24) f4 linear-blend-skinning weights; rows sum to 1.
        faces: (F, 3) i4, counter-clockwise seen from outside.
        uv: (T, 2) f4 texture coordinates, origin bottom left.
        face_uv: (F, 3) i4 rows of ``uv`` per face corner.
        face_part: (F,) u1 SMPL joint that owns the face.
        hidden: (F,) bool faces that can never be seen (mouth cavity, tongue, backs of the eyes).
        pose_dirs: (V, 3, 207) f4 pose blend shapes, or None where the model has none.
    """

    vertices: Float[ndarray, "v 3"]
    shape_dirs: Float[ndarray, "v 3 b"]
    weights: Float[ndarray, "v 24"]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    face_part: Integer[ndarray, " f"]
    hidden: Bool[ndarray, " f"]
    pose_dirs: Float[ndarray, "v 3 207"] | None = None

    def shaped(self, betas: Float[ndarray, " k"]) -> Float[ndarray, "v 3"]:
        """Return rest vertices (V, 3) f4 under betas; fewer betas than the mesh has count as zeros."""
        k = len(betas)
        flat = self.shape_dirs[..., :k].reshape(-1, k)
        return self.vertices + (flat @ np.asarray(betas, np.float32)).reshape(-1, 3)


def skin(
    rest: Float[ndarray, "v 3"], weights: Float[ndarray, "v 24"], transforms: Float[ndarray, "24 3 4"]
) -> Float[ndarray, "v 3"]:
    """Pose rest vertices (m) by linear blend skinning with per-joint rest-to-posed transforms."""
    blended = (weights @ transforms.reshape(24, 12).astype(weights.dtype)).reshape(-1, 3, 4)
    return np.einsum("vij,vj->vi", blended[:, :, :3], rest) + blended[:, :, 3]


def face_normals(vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"]) -> Float[ndarray, "f 3"]:
    """Return face normals (F, 3) whose length is twice the face's area."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.cross(b - a, c - a)


def vertex_normals(vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"]) -> Float[ndarray, "v 3"]:
    """Return area-weighted unit vertex normals (V, 3)."""
    normals = face_normals(vertices, faces)
    out = np.zeros_like(vertices)
    for axis in range(3):
        for corner in range(3):
            out[:, axis] += np.bincount(faces[:, corner], normals[:, axis], len(vertices))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
