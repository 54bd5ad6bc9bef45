"""Skinned meshes in the rest pose, and the operations every one of them shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.errors import DataError


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
        """Return rest vertices (V, 3) f4 under betas; fewer betas than the mesh has count as zeros.

        Raises:
            DataError: for more betas than the mesh has.
        """
        check_betas(len(betas), self.shape_dirs.shape[-1])
        return _add_dirs(self.vertices, self.shape_dirs, np.asarray(betas, np.float32))


def check_betas(given: int, available: int) -> None:
    """Raise DataError if there are more betas than a body has: they are another body's, or mean something else."""
    if given > available:
        raise DataError(f"{given} betas were given to a body that has {available}: set body.betas to {given} if it can")


def skin(
    rest: Float[ndarray, "v 3"], weights: Float[ndarray, "v 24"], transforms: Float[ndarray, "24 3 4"]
) -> Float[ndarray, "v 3"]:
    """Pose rest vertices (m) by linear blend skinning with per-joint rest-to-posed transforms.

    A vertex's result depends on its own row alone, so that cutting a mesh leaves the other vertices bit-identical.
    """
    return skin_batch(rest[None], weights, transforms[None])[0]


def skin_batch(
    rest: Float[ndarray, "#n v 3"], weights: Float[ndarray, "v 24"], transforms: Float[ndarray, "#n 24 3 4"]
) -> Float[ndarray, "_ v 3"]:
    """Pose n bodies at once: rest vertices (n, V, 3), or (1, V, 3) shared by all, to (n, V, 3) f4 m."""
    out = np.empty((len(transforms), *rest.shape[1:]), np.float32)
    _skin(
        np.ascontiguousarray(rest, np.float32),
        np.ascontiguousarray(weights, np.float32),
        np.ascontiguousarray(transforms, np.float32),
        out,
    )
    return out


def add_directions(
    base: Float[ndarray, "v 3"], dirs: Float[ndarray, "v 3 k"], values: Float[ndarray, " j"]
) -> Float[ndarray, "v 3"]:
    """Return base + dirs @ values (f4) for j <= k values, each vertex on its own as in ``skin``."""
    return _add_dirs(base, dirs, np.asarray(values, np.float32))


@kernel
def _skin(rest: ndarray, weights: ndarray, transforms: ndarray, out: ndarray) -> None:
    count, bodies = len(weights), len(transforms)
    shared = len(rest) == 1
    used = np.empty(weights.shape[1], np.int64)
    for v in range(count):
        n = 0
        for j in range(weights.shape[1]):
            if weights[v, j] != 0:
                used[n] = j
                n += 1
        for b in range(bodies):
            x = rest[0 if shared else b, v, 0]
            y = rest[0 if shared else b, v, 1]
            z = rest[0 if shared else b, v, 2]
            for r in range(3):
                total = np.float32(0)
                for i in range(n):
                    t = transforms[b, used[i], r]
                    total += weights[v, used[i]] * (t[0] * x + t[1] * y + t[2] * z + t[3])
                out[b, v, r] = total


@kernel
def _add_dirs(base: ndarray, dirs: ndarray, values: ndarray) -> ndarray:
    out = np.empty_like(base)
    for v in range(len(base)):
        x, y, z = np.float32(0), np.float32(0), np.float32(0)
        for k in range(len(values)):
            x += dirs[v, 0, k] * values[k]
            y += dirs[v, 1, k] * values[k]
            z += dirs[v, 2, k] * values[k]
        out[v, 0], out[v, 1], out[v, 2] = base[v, 0] + x, base[v, 1] + y, base[v, 2] + z
    return out


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
