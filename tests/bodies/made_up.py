"""SMPL-format files that the tests write themselves, so that no licensed file is needed."""

from __future__ import annotations

import heapq
import pickle
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import NUM_JOINTS, PARENTS

KINTREE = np.stack([np.where(PARENTS < 0, 2**32 - 1, PARENTS), np.arange(NUM_JOINTS)]).astype(np.int64)


def coarser(vertices: np.ndarray, faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Collapse the shortest edges of a closed mesh until ``count`` vertices are left.

    Returns:
        The kept vertex indices (count,) and the new faces over them; the mesh stays closed and manifold.
    """
    around = [set() for _ in vertices]
    faces_at = [set() for _ in vertices]
    triangles = [list(f) for f in faces.tolist()]
    for i, f in enumerate(triangles):
        for k in range(3):
            around[f[k]] |= {f[k - 1], f[k - 2]}
            faces_at[f[k]].add(i)
    heap = [
        (float(np.linalg.norm(vertices[a] - vertices[b])), a, b) for a in range(len(around)) for b in around[a] if a < b
    ]
    heapq.heapify(heap)
    alive, left = np.ones(len(vertices), bool), len(vertices)
    while left > count:
        _, a, b = heapq.heappop(heap)
        if not (alive[a] and alive[b] and b in around[a]) or len(around[a] & around[b]) != 2:
            continue
        for i in list(faces_at[b]):
            f = triangles[i]
            for v in f:
                faces_at[v].discard(i)
            if a not in f:
                triangles[i] = [a if v == b else v for v in f]
                for v in triangles[i]:
                    faces_at[v].add(i)
        for n in around[b]:
            around[n].discard(b)
            if n != a:
                around[n].add(a)
                around[a].add(n)
                heapq.heappush(heap, (float(np.linalg.norm(vertices[a] - vertices[n])), a, n))
        alive[b], left = False, left - 1
    kept = np.flatnonzero(alive)
    new = np.full(len(vertices), -1)
    new[kept] = np.arange(count)
    used = sorted({i for v in kept for i in faces_at[v]})
    return kept, new[np.array([triangles[i] for i in used])]


def regressor(vertices: np.ndarray, joints: np.ndarray, nearest: int = 300) -> np.ndarray:
    """Minimum-norm joint regressor (24, V) over the vertices nearest to each joint."""
    out = np.zeros((len(joints), len(vertices)))
    tree = cKDTree(vertices)
    for j, joint in enumerate(joints):
        ids = tree.query(joint, nearest)[1]
        system = np.vstack([vertices[ids].T - joint[:, None], np.ones(nearest)])
        out[j, ids] = np.linalg.pinv(system) @ [0, 0, 0, 1]
    return out


def smpl_dict(body: BodyData, count: int, key: str = "smpl", pose_size: float = 0.01) -> dict:
    """An SMPL-format model with ``count`` vertices: the open body's skin, coarser, larger and moved, with random pose
    blend shapes."""
    rng = generator_for(0, "made_up", key)
    mesh = body.mesh
    kept, faces = coarser(mesh.vertices.astype(np.float64), mesh.faces, count)
    offset, size = np.array([0.003, -0.22, 0.03]), 1.04
    vertices = mesh.vertices[kept].astype(np.float64) * size + offset
    return {
        "v_template": vertices,
        "shapedirs": mesh.shape_dirs[kept].astype(np.float64),
        "posedirs": pose_size * rng.normal(size=(count, 3, 207)),
        "weights": mesh.weights[kept].astype(np.float64),
        "J_regressor": regressor(vertices, body.joints_template * size + offset),
        "f": faces.astype(np.uint32),
        "kintree_table": KINTREE,
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def write_pickle(path: Path, model: dict, protocol: int = 2) -> Path:
    """Write as the releases do: sparse regressor, protocol 2."""
    content = dict(model, J_regressor=sp.csc_matrix(model["J_regressor"]))
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def write_chumpy(path: Path, model: dict) -> Path:
    """Write ``shapedirs`` and ``posedirs`` as chumpy arrays, as the first releases hold them, without chumpy."""
    module = types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})

    def wrapped(array: np.ndarray) -> object:
        made = module.Ch()
        made.__dict__.update({"x": array, "_dirty_vars": set(), "_itr": None})
        return made

    with mock.patch.dict(sys.modules, {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": module}):
        return write_pickle(path, {**model, **{k: wrapped(model[k]) for k in ("shapedirs", "posedirs")}})


def write_npz(path: Path, model: dict) -> Path:
    np.savez(path, **model)
    return path
