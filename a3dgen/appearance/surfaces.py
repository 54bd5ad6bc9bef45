"""Operations on open surfaces such as cloth: boundaries, smoothing, hems, texture coordinates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from a3dgen.core.compiled import kernel
from a3dgen.core.pool import Cache
from a3dgen.geometry.limbs import OFF_LIMB
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals


def boundary_loops(faces: Integer[ndarray, "f 3"]) -> list[ndarray]:
    """Return the boundaries of a surface as ordered vertex loops (l,) that run as the faces' own half-edges do."""
    a, b = _lone_half_edges(np.ascontiguousarray(faces), int(faces.max()) + 1 if len(faces) else 0)
    following = dict(zip(a.tolist(), b.tolist(), strict=True))
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (step := following.pop(loop[-1], start)) != start:
            loop.append(step)
        loops.append(np.array(loop))
    return loops


@kernel
def _lone_half_edges(faces: ndarray, count: int) -> tuple[ndarray, ndarray]:
    """Return start and end of the half-edges without an opposite, in the order of the faces."""
    total = 3 * len(faces)
    start = np.zeros(count + 1, np.int64)
    for f in range(len(faces)):
        for k in range(3):
            start[faces[f, k] + 1] += 1
    for v in range(count):
        start[v + 1] += start[v]
    ends, fill = np.empty(total, np.int64), start[:count].copy()
    for f in range(len(faces)):
        for k in range(3):
            v = faces[f, k]
            ends[fill[v]] = faces[f, (k + 1) % 3]
            fill[v] += 1
    a, b, n = np.empty(total, np.int64), np.empty(total, np.int64), 0
    for f in range(len(faces)):
        for k in range(3):
            v, w = faces[f, k], faces[f, (k + 1) % 3]
            lone = True
            for i in range(start[w], start[w + 1]):
                if ends[i] == v:
                    lone = False
                    break
            if lone:
                a[n], b[n] = v, w
                n += 1
    return a[:n].copy(), b[:n].copy()


def _averaging(faces: Integer[ndarray, "f 3"], count: int, fixed: Integer[ndarray, " n"]) -> csr_matrix:
    """Row-stochastic operator: the mean of a vertex's neighbours; fixed vertices stay."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    a, b = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    adjacency = csr_matrix((np.ones(len(a), np.float32), (a, b)), shape=(count, count))
    adjacency.data[:] = 1
    free = np.ones(count, np.float32)
    free[fixed] = 0
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return diags(free / degree) @ adjacency + diags(1 - free)


def averaged(faces: Integer[ndarray, "f 3"], values: Float[ndarray, "v n"], passes: int) -> Float[ndarray, "v n"]:
    """Return values of vertices, each half its own and half its neighbours' mean, ``passes`` times over."""
    average = _averaging(faces, len(values), np.zeros(0, np.int64))
    for _ in range(passes):
        values = 0.5 * values + 0.5 * (average @ values)
    return values


def _packed(mesh: SkinnedMesh) -> Float[ndarray, "v n"]:
    count = len(mesh.vertices)
    return np.concatenate([mesh.vertices, mesh.shape_dirs.reshape(count, -1), mesh.weights], 1).astype(np.float32)


def _unpacked(mesh: SkinnedMesh, packed: Float[ndarray, "w n"]) -> SkinnedMesh:
    dirs = mesh.shape_dirs.shape[1:]
    n = 3 + int(np.prod(dirs))
    return replace(
        mesh,
        vertices=np.ascontiguousarray(packed[:, :3]),
        shape_dirs=np.ascontiguousarray(packed[:, 3:n]).reshape(len(packed), *dirs),
        weights=np.ascontiguousarray(packed[:, n:]),
        pose_dirs=None,
    )


def drape(mesh: SkinnedMesh, offset: Float[ndarray, " v"], passes: int, clearance: float) -> SkinnedMesh:
    """Lift a surface off what it was modelled on and let it span hollows as cloth does.

    Vertices move outwards by ``offset`` (m), interior ones are averaged ``passes`` times, boundaries are smoothed along
    themselves, and what sank nearer than ``clearance`` (m) to the start is lifted again. Weights and shape directions
    stay those of the surface below, so that cloth and skin keep their distance in every shape and pose.
    """
    normals = vertex_normals(mesh.vertices, mesh.faces)
    loops = boundary_loops(mesh.faces)
    points = mesh.vertices + normals * offset[:, None]
    edge = np.concatenate(loops) if loops else np.zeros(0, np.int64)
    average = _averaging(mesh.faces, len(points), edge)
    for _ in range(passes):
        points = average @ points
    for loop in loops:
        for _ in range(4):
            points[loop] = 0.5 * points[loop] + 0.25 * (points[np.roll(loop, 1)] + points[np.roll(loop, -1)])
    lift = np.einsum("vc,vc->v", points - mesh.vertices, normals)
    points += normals * np.maximum(clearance - lift, 0)[:, None]
    return replace(mesh, vertices=points.astype(np.float32), pose_dirs=None)


_TREES = Cache(2)


def _shown(skin: SkinnedMesh) -> tuple[Integer[ndarray, " n"], cKDTree, Float[ndarray, "n 3"]]:
    """Return the vertices of what can be seen of a skin, a tree of them, and their normals."""
    shown = np.unique(skin.faces[~skin.hidden])
    return shown, cKDTree(skin.vertices[shown]), vertex_normals(skin.vertices, skin.faces)[shown]


def clear_of(mesh: SkinnedMesh, skin: SkinnedMesh, clearance: Float[ndarray, " v"]) -> SkinnedMesh:
    """Push a surface out until it is ``clearance`` (m) outside the nearest vertices of the skin (both in rest)."""
    shown, tree, normals = _TREES.get(skin, "tree", lambda: _shown(skin))
    points = mesh.vertices.astype(np.float64)
    average = _averaging(mesh.faces, len(points), np.zeros(0, np.int64))
    nearest, moved = np.zeros(len(points), np.int64), np.ones(len(points), bool)
    for _ in range(3):
        nearest[moved] = tree.query(points[moved])[1]
        direction = normals[nearest]
        lack = clearance - np.einsum("vc,vc->v", points - skin.vertices[shown[nearest]], direction)
        push = direction * np.clip(lack, 0, 0.03)[:, None]
        step = np.where((lack > 0)[:, None], push, 0.7 * (average @ push))  # neighbours give way, too
        points += step
        moved = step.any(1)
        if not moved.any():
            break
    return replace(mesh, vertices=points.astype(np.float32))


def snapped(
    mesh: SkinnedMesh, values: Float[ndarray, "v n"], column: int, level: float
) -> tuple[SkinnedMesh, Float[ndarray, "v n"]]:
    """Move vertices along edges so that a level set of a field runs along edges, as a seam does.

    Of every edge that crosses the level the nearer end slides to the crossing, by half an edge at most; weights, shape
    and all fields are interpolated.

    Args:
        mesh: the surface. values: fields at its vertices. column: of the field. level: its value along the seam.

    Returns:
        The mesh and the fields.
    """
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    height = values[:, column].astype(np.float64) - level
    a, b = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    usable = (values[a, column] > OFF_LIMB) & (values[b, column] > OFF_LIMB)
    crossing = (height[a] * height[b] < 0) & (np.abs(height[a]) <= np.abs(height[b])) & usable
    a, b = a[crossing], b[crossing]
    share = height[a] / (height[a] - height[b])
    first = np.lexsort((share, a))
    a, b, share = a[first], b[first], share[first]
    chosen = np.unique(a, return_index=True)[1]
    a, b, share = a[chosen], b[chosen], share[chosen, None]
    packed, fields = _packed(mesh), values.copy()
    packed[a] += share * (packed[b] - packed[a])
    fields[a] += share * (fields[b] - fields[a])
    return _unpacked(mesh, packed), fields


def subdivided(mesh: SkinnedMesh) -> SkinnedMesh:
    """Split every face into four at the midpoints of its edges (texture and pose directions are dropped)."""
    a, b = mesh.faces.ravel().astype(np.int64), np.roll(mesh.faces, -1, axis=1).ravel().astype(np.int64)
    count = len(mesh.vertices)
    edges, index = np.unique(np.minimum(a, b) * count + np.maximum(a, b), return_inverse=True)
    ends = np.stack([edges // count, edges % count], 1)
    middle = (count + index).reshape(-1, 3)
    f, m = mesh.faces, middle
    faces = np.concatenate([
        np.stack([f[:, 0], m[:, 0], m[:, 2]], 1), np.stack([m[:, 0], f[:, 1], m[:, 1]], 1),
        np.stack([m[:, 2], m[:, 1], f[:, 2]], 1), m,
    ]).astype(np.int32)  # fmt: skip

    def grow(values: ndarray) -> ndarray:
        return np.concatenate([values, values[ends].mean(1)]).astype(values.dtype)

    return replace(
        mesh,
        vertices=grow(mesh.vertices),
        shape_dirs=grow(mesh.shape_dirs),
        weights=grow(mesh.weights),
        faces=faces,
        face_uv=np.zeros_like(faces),
        uv=np.zeros((1, 2), np.float32),
        pose_dirs=None,
        face_part=np.tile(mesh.face_part, 4),
        hidden=np.tile(mesh.hidden, 4),
    )


def with_rings(
    mesh: SkinnedMesh, loops: list[ndarray], positions: list[ndarray]
) -> tuple[SkinnedMesh, Integer[ndarray, " w"]]:
    """Sew one more ring of vertices to each boundary loop (l,) at its positions (l, 3) m; they take weights and shape
    from the loop.

    Returns:
        The mesh (texture coordinates are left to the caller), and for each of its vertices the one it came from.
    """
    count, faces, part, hidden = len(mesh.vertices), [mesh.faces], [mesh.face_part], [mesh.hidden]
    owner = np.concatenate([np.arange(count), *loops])
    a, f = mesh.faces.ravel(), np.repeat(np.arange(len(mesh.faces)), 3)
    around = np.zeros(count, np.int64)
    around[a] = f
    for loop in loops:
        ring = count + np.arange(len(loop))
        faces.append(strip(loop, ring))
        part.append(np.tile(mesh.face_part[around[loop]], 2))
        hidden.append(np.zeros(2 * len(loop), bool))
        count += len(loop)
    packed = _packed(mesh)[owner]
    if positions:
        packed[len(mesh.vertices) :, :3] = np.concatenate(positions)
    faces_all = np.concatenate(faces).astype(np.int32)
    grown = replace(
        mesh, faces=faces_all, face_uv=faces_all, face_part=np.concatenate(part), hidden=np.concatenate(hidden)
    )
    return _unpacked(grown, packed), owner


def strip(loop: Integer[ndarray, " l"], ring: Integer[ndarray, " l"]) -> Integer[ndarray, "g 3"]:
    """Return the faces between a boundary loop and a ring of as many vertices beyond it, wound as the surface."""
    loop_next, ring_next = np.roll(loop, -1), np.roll(ring, -1)
    return np.concatenate([np.stack([loop_next, loop, ring], 1), np.stack([loop_next, ring, ring_next], 1)])


def cylinder_uv(
    corners: Float[ndarray, "f 3 3"], origin: Float[ndarray, "3"], axis: Float[ndarray, "3"], tile: float
) -> Float[ndarray, "f 3 2"]:
    """Unroll face corners (m) around an axis: u in whole tiles around, v in tiles along; faces never wrap.

    Args:
        corners: positions of the corners of the faces.
        origin, axis: a point on the axis and its unit direction (v grows along it).
        tile: size of a texture tile, m.
    """
    across = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    q = corners - origin
    x, y = q @ np.cross(across, axis), q @ across
    angle = np.arctan2(y, x)
    angle -= 2 * np.pi * np.round((angle - angle[:, :1]) / (2 * np.pi))
    around = max(1, round(2 * np.pi * float(np.median(np.hypot(x, y))) / tile))
    return np.stack([angle / (2 * np.pi) * around, (q @ axis) / tile], -1)
