"""Cut a skinned mesh along a level set of any per-vertex field; everything at the new vertices is interpolated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.geometry.mesh import SkinnedMesh, renumber

SNAP = 0.03
"""A crossing nearer to a vertex than this share of its edge is moved to the vertex, so that no sliver arises."""


@dataclass(frozen=True)
class Origin:
    """Where the vertices of a derived mesh come from: (1 - t) a + t b of the vertices before.

    Attributes:
        a, b: (V',) vertices of the old mesh, equal for vertices taken over as they were.
        t: (V',) f4 share of ``b``; exactly 0 for those.
        faces: (F',) face of the old mesh each face is a piece of (for a cap: the nearest face at its ring).
    """

    a: Integer[ndarray, " w"]
    b: Integer[ndarray, " w"]
    t: Float[ndarray, " w"]
    faces: Integer[ndarray, " g"]

    def apply(self, values: ndarray) -> ndarray:
        """Carry any per-vertex array (V, ...) over to the new mesh (V', ...); untouched rows are copied bit by bit."""
        out = values[self.a]
        new = np.flatnonzero(self.t)
        t = self.t[new].reshape(-1, *([1] * (values.ndim - 1)))
        mixed = (1 - t) * values[self.a[new]] + t * values[self.b[new]]
        out[new] = mixed if np.issubdtype(values.dtype, np.floating) else np.round(mixed)
        return out


@dataclass(frozen=True)
class Clipped:
    """A clipped mesh.

    Attributes:
        mesh: what was kept, vertices renumbered in their old order, new ones last.
        loops: boundaries made by this clip, each an ordered cycle of vertices that runs as the half-edges of the
            kept faces do (an open mesh may give open chains, in the same order).
        origin: how to carry further per-vertex arrays over.
        boundary: (V',) bool vertices on the cut.
    """

    mesh: SkinnedMesh
    loops: list[ndarray]
    origin: Origin
    boundary: Bool[ndarray, " w"]


def clip(mesh: SkinnedMesh, field: Float[ndarray, " v"], threshold: float, snap: float = SNAP) -> Clipped:
    """Keep the part of ``mesh`` where ``field`` <= ``threshold``.

    New vertices lie on the level set by linear interpolation along the cut edges, with weights, shape and pose
    directions and texture coordinates (per chart, so seams stay seams). Vertices within ``snap`` of the level set,
    measured along an edge, become boundary vertices themselves. Winding is kept.

    Args:
        mesh: any rest-pose mesh, open or closed.
        field: (V,) value per vertex.
        threshold: level of the cut.
        snap: see above; 0 disables it.
    """
    distance = np.asarray(field, np.float64) - threshold
    sign = _signs(mesh.faces, distance, snap)
    whole, cut = _kinds(mesh.faces, sign, distance)

    edges = _Crossings(len(mesh.vertices), len(mesh.uv), distance)
    pieces = _split(mesh, cut, sign, edges)
    faces = np.concatenate([mesh.faces[whole], *(p[0] for p in pieces)])
    face_uv = np.concatenate([mesh.face_uv[whole], *(p[1] for p in pieces)])
    source = np.concatenate([whole, *(p[2] for p in pieces)])

    total = len(mesh.vertices) + len(edges.a)
    on_cut = np.ones(total, bool)
    on_cut[: len(mesh.vertices)] = sign == 0
    kept, faces = renumber(faces, total)
    identity = np.arange(len(mesh.vertices))
    origin = Origin(
        np.concatenate([identity, edges.a])[kept],
        np.concatenate([identity, edges.b])[kept],
        np.concatenate([np.zeros(len(identity)), edges.t])[kept].astype(np.float32),
        source,
    )
    boundary = on_cut[kept]
    uv = np.concatenate([mesh.uv, edges.uv(mesh.uv)]).astype(np.float32)
    return Clipped(
        apply_origin(mesh, origin, faces, uv, face_uv.astype(np.int32)), _loops(faces, boundary), origin, boundary
    )


def apply_origin(
    mesh: SkinnedMesh,
    origin: Origin,
    faces: Integer[ndarray, "g 3"],
    uv: Float[ndarray, "t 2"],
    face_uv: Integer[ndarray, "g 3"],
) -> SkinnedMesh:
    """Return the mesh with these faces whose per-vertex and per-face arrays are carried over by ``origin``."""
    return replace(
        mesh,
        vertices=origin.apply(mesh.vertices),
        shape_dirs=origin.apply(mesh.shape_dirs),
        weights=origin.apply(mesh.weights),
        pose_dirs=None if mesh.pose_dirs is None else origin.apply(mesh.pose_dirs),
        faces=faces,
        uv=uv,
        face_uv=face_uv,
        face_part=mesh.face_part[origin.faces],
        hidden=mesh.hidden[origin.faces],
    )


@kernel
def _signs(faces: ndarray, distance: ndarray, snap: float) -> ndarray:
    """Return (V,) -1 kept, 0 on the cut, 1 removed, with crossings near a vertex snapped to it."""
    sign = np.sign(distance).astype(np.int8)
    out = sign.copy()
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            if sign[a] * sign[b] < 0:
                t = distance[a] / (distance[a] - distance[b])
                if t < snap:
                    out[a] = 0
                if t > 1 - snap:
                    out[b] = 0
    return out


@kernel
def _kinds(faces: ndarray, sign: ndarray, distance: ndarray) -> tuple[ndarray, ndarray]:
    """Return the faces that are kept whole, and those that are cut."""
    whole, cut = np.empty(len(faces), np.int64), np.empty(len(faces), np.int64)
    wholes, cuts = 0, 0
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        low, high = min(sign[a], sign[b], sign[c]), max(sign[a], sign[b], sign[c])
        if (high <= 0 and low < 0) or (low == 0 and high == 0 and distance[a] + distance[b] + distance[c] <= 0):
            whole[wholes] = f
            wholes += 1
        elif low < 0 and high > 0:
            cut[cuts] = f
            cuts += 1
    return whole[:wholes].copy(), cut[:cuts].copy()


class _Crossings:
    """Numbers the crossings of the level set: one vertex an edge, one texture coordinate an edge and chart."""

    def __init__(self, vertices: int, texels: int, distance: ndarray) -> None:
        self._vertices, self._texels, self._distance = vertices, texels, distance
        self.a, self.b = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.t = np.zeros(0)
        self._uv_a, self._uv_b, self._uv_t = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)

    def number(self, va: ndarray, vb: ndarray, ta: ndarray, tb: ndarray) -> tuple[ndarray, ndarray]:
        """Return the new vertex and texture numbers of edges va-vb with texture rows ta-tb (called once)."""
        swap = va > vb
        va, vb = np.where(swap, vb, va), np.where(swap, va, vb)
        ta, tb = np.where(swap, tb, ta), np.where(swap, ta, tb)
        edge, index = np.unique(va * self._vertices + vb, return_inverse=True)
        self.a, self.b = edge // self._vertices, edge % self._vertices
        da, db = self._distance[self.a], self._distance[self.b]
        self.t = da / (da - db)
        chart = np.stack([index, ta, tb], 1)
        pairs, texel = np.unique(chart, axis=0, return_inverse=True)
        self._uv_a, self._uv_b, self._uv_t = pairs[:, 1], pairs[:, 2], self.t[pairs[:, 0]]
        return self._vertices + index, self._texels + texel.reshape(-1)

    def uv(self, uv: ndarray) -> ndarray:
        t = self._uv_t[:, None]
        return (1 - t) * uv[self._uv_a] + t * uv[self._uv_b]


def _split(mesh: SkinnedMesh, cut: ndarray, sign: ndarray, edges: _Crossings) -> list[tuple[ndarray, ndarray, ndarray]]:
    """Return the kept pieces of the cut faces: (faces, face_uv, source face) of each kind."""
    if not len(cut):
        return []
    f, t = mesh.faces[cut].astype(np.int64), mesh.face_uv[cut].astype(np.int64)
    corner = sign[f]
    two_kept = (corner < 0).sum(1) == 2
    apex_sign = np.where(two_kept, 1, -1)  # turn each face so that its lone corner comes first
    turn = np.argmax(corner == apex_sign[:, None], axis=1)
    order = (turn[:, None] + np.arange(3)) % 3
    f, t, corner = (np.take_along_axis(x, order, 1) for x in (f, t, corner))

    ends = np.stack([f[:, 1], f[:, 2]], 1)
    end_uv = np.stack([t[:, 1], t[:, 2]], 1)
    crosses = corner[:, 1:] == -apex_sign[:, None]  # false where the other corner lies on the cut itself
    apex, apex_uv = np.repeat(f[:, :1], 2, 1), np.repeat(t[:, :1], 2, 1)
    points, texels = ends.copy(), end_uv.copy()
    points[crosses], texels[crosses] = edges.number(apex[crosses], ends[crosses], apex_uv[crosses], end_uv[crosses])

    one = ~two_kept
    tip = (
        np.stack([f[one, 0], points[one, 0], points[one, 1]], 1),
        np.stack([t[one, 0], texels[one, 0], texels[one, 1]], 1),
        cut[one],
    )
    p, q = points[two_kept], texels[two_kept]
    b, b_uv = ends[two_kept], end_uv[two_kept]
    position = _positions(mesh, edges)
    swap = _length(position, p[:, 0], b[:, 1]) > _length(position, p[:, 1], b[:, 0])  # split along the shorter diagonal
    first = np.where(swap[:, None], _rows(p[:, 0], b[:, 0], p[:, 1]), _rows(p[:, 0], b[:, 0], b[:, 1]))
    second = np.where(swap[:, None], _rows(b[:, 0], b[:, 1], p[:, 1]), _rows(p[:, 0], b[:, 1], p[:, 1]))
    first_uv = np.where(swap[:, None], _rows(q[:, 0], b_uv[:, 0], q[:, 1]), _rows(q[:, 0], b_uv[:, 0], b_uv[:, 1]))
    second_uv = np.where(swap[:, None], _rows(b_uv[:, 0], b_uv[:, 1], q[:, 1]), _rows(q[:, 0], b_uv[:, 1], q[:, 1]))
    return [tip, (first, first_uv, cut[two_kept]), (second, second_uv, cut[two_kept])]


def _rows(a: ndarray, b: ndarray, c: ndarray) -> ndarray:
    return np.stack([a, b, c], 1)


def _positions(mesh: SkinnedMesh, edges: _Crossings) -> ndarray:
    t = edges.t[:, None]
    return np.concatenate([mesh.vertices, (1 - t) * mesh.vertices[edges.a] + t * mesh.vertices[edges.b]])


def _length(position: ndarray, a: ndarray, b: ndarray) -> ndarray:
    return np.linalg.norm(position[a] - position[b], axis=1)


@kernel
def _half_edges(faces: ndarray, boundary: ndarray) -> tuple[ndarray, ndarray]:
    """Return start and end of the half-edges between vertices on the cut."""
    count = 0
    a, b = np.empty(3 * len(faces), np.int64), np.empty(3 * len(faces), np.int64)
    for f in range(len(faces)):
        for k in range(3):
            start, end = faces[f, k], faces[f, (k + 1) % 3]
            if boundary[start] and boundary[end]:
                a[count], b[count] = start, end
                count += 1
    return a[:count].copy(), b[:count].copy()


def _loops(faces: ndarray, boundary: ndarray) -> list[ndarray]:
    """Chain the half-edges along the cut that have no opposite into ordered loops, longest first."""
    a, b = _half_edges(faces, boundary)
    lone = ~np.isin(a * len(boundary) + b, b * len(boundary) + a)
    following: dict[int, list[int]] = {}
    for start, end in zip(a[lone].tolist(), b[lone].tolist(), strict=True):
        following.setdefault(start, []).append(end)
    heads = sorted(set(following) - set(b[lone].tolist()))  # open chains must be walked from their first vertex
    loops = []
    for start in [*heads, *sorted(following)]:
        if not following.get(start):
            continue
        loop = [start]
        while following.get(loop[-1]):
            step = following[loop[-1]].pop()
            if step == start:
                break
            loop.append(step)
        loops.append(np.array(loop))
    return sorted(loops, key=len, reverse=True)
