"""Skinned meshes in the rest pose, and the operations every one of them shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.core.errors import DataError


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

    @cached_property
    def owner(self) -> Integer[ndarray, " v"]:
        """The joint that moves each vertex most."""
        return self.weights.argmax(1)


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


def renumber(rows: Integer[ndarray, "f n"], count: int) -> tuple[Integer[ndarray, " w"], Integer[ndarray, "f n"]]:
    """Return the numbers below ``count`` that occur, in order, and the rows in terms of their places there, i4."""
    return _renumber(np.ascontiguousarray(rows, np.int32), count)


@kernel
def _renumber(rows: ndarray, count: int) -> tuple[ndarray, ndarray]:
    place = np.zeros(count, np.int32)
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            place[rows[i, k]] = 1
    used = np.empty(count, np.int64)
    n = 0
    for v in range(count):
        if place[v]:
            used[n] = v
            place[v] = n
            n += 1
    out = np.empty(rows.shape, np.int32)
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            out[i, k] = place[rows[i, k]]
    return used[:n].copy(), out


def faces_within(faces: Integer[ndarray, "f 3"], inside: Bool[ndarray, " v"]) -> Bool[ndarray, " f"]:
    """Return (F,) bool: faces all of whose corners are inside."""
    return _faces_within(np.ascontiguousarray(faces, np.int32), np.ascontiguousarray(inside))


@kernel
def _faces_within(faces: ndarray, inside: ndarray) -> ndarray:
    out = np.empty(len(faces), np.bool_)
    for f in range(len(faces)):
        out[f] = inside[faces[f, 0]] and inside[faces[f, 1]] and inside[faces[f, 2]]
    return out


def faces_touching(faces: Integer[ndarray, "f 3"], chosen: Bool[ndarray, " v"]) -> Integer[ndarray, " g"]:
    """Return the faces that have a chosen corner, in order."""
    return _faces_touching(np.ascontiguousarray(faces, np.int32), np.ascontiguousarray(chosen))


@kernel
def _faces_touching(faces: ndarray, chosen: ndarray) -> ndarray:
    out, n = np.empty(len(faces), np.int64), 0
    for f in range(len(faces)):
        if chosen[faces[f, 0]] or chosen[faces[f, 1]] or chosen[faces[f, 2]]:
            out[n] = f
            n += 1
    return out[:n].copy()


def index_uv(corners: Float[ndarray, "f 3 2"], faces: Integer[ndarray, "f 3"]) -> tuple[ndarray, ndarray]:
    """Return (uv (T, 2) f4, face_uv (F, 3) i4) for per-corner coordinates, one row per distinct vertex and place."""
    place = np.round(corners * 4096).astype(np.int64).reshape(-1, 2)
    count = int(faces.max()) + 1 if len(faces) else 0
    first, number = _distinct(np.ascontiguousarray(faces, np.int32).reshape(-1), place, count)
    return (place[first] / 4096).astype(np.float32), number.reshape(-1, 3)


@kernel
def _distinct(vertex: ndarray, place: ndarray, count: int) -> tuple[ndarray, ndarray]:
    """Number the distinct (vertex, column, row) in their order; return one corner of each, and each corner's number."""
    total = len(vertex)
    start = np.zeros(count + 1, np.int64)
    for i in range(total):
        start[vertex[i] + 1] += 1
    for v in range(count):
        start[v + 1] += start[v]
    order, fill = np.empty(total, np.int64), start[:count].copy()
    for i in range(total):
        v = vertex[i]
        k = fill[v]
        fill[v] += 1
        while k > start[v]:  # the few corners of a vertex are kept sorted
            j = order[k - 1]
            if place[j, 0] < place[i, 0] or (place[j, 0] == place[i, 0] and place[j, 1] <= place[i, 1]):
                break
            order[k] = j
            k -= 1
        order[k] = i
    first, number, n = np.empty(total, np.int64), np.empty(total, np.int32), -1
    for k in range(total):
        i = order[k]
        if k > 0:
            j = order[k - 1]
        if k == 0 or vertex[i] != vertex[j] or place[i, 0] != place[j, 0] or place[i, 1] != place[j, 1]:
            n += 1
            first[n] = i
        number[i] = n
    return first[: n + 1].copy(), number
