"""Cloth that moves with the skin it lies on, and skin that gives way under it: none comes through in a bent pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.appearance.garment_bounds import Measure, Spec, bounds, levels
from a3dgen.appearance.surfaces import averaged
from a3dgen.core.pool import Cache
from a3dgen.geometry.limbs import LIMB_JOINTS, smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals

SINK_M = 0.012
"""How far skin is drawn in where a garment covers it, m."""
START_M, RAMP_M = 0.001, 0.014
"""How far inside a hem skin begins to be drawn in, and over what distance it is drawn in fully, m."""
NEIGHBOURS = 4
"""Vertices of the skin that a vertex of the cloth follows."""
TURNED = 0.2
"""Least cosine between the normals of cloth and of the skin it follows: not that of the other side of an armpit."""
SMOOTHING = 4
"""Passes that even out what cloth follows where it spans a hollow."""
_TREES = Cache(2)


def follow_skin(mesh: SkinnedMesh, skin: SkinnedMesh) -> SkinnedMesh:
    """Give a surface around the body the shape directions and skinning weights of the skin below it.

    Args:
        mesh: the surface, a few millimetres off the skin, both in the rest pose. skin: the body.
    """
    rows, share = _below(mesh, skin)
    weights = np.einsum("vk,vkj->vj", share, skin.weights[rows])
    dirs = np.einsum("vk,vkcb->vcb", share, skin.shape_dirs[rows])
    count = len(weights)
    packed = np.concatenate([weights, dirs.reshape(count, -1)], 1)
    packed = averaged(mesh.faces, packed, SMOOTHING)
    weights = packed[:, : weights.shape[1]]
    weights /= weights.sum(1, keepdims=True)
    return replace(
        mesh,
        weights=weights.astype(np.float32),
        shape_dirs=packed[:, weights.shape[1] :].reshape(dirs.shape).astype(np.float32),
    )


def _below(mesh: SkinnedMesh, skin: SkinnedMesh) -> tuple[Integer[ndarray, "v k"], Float[ndarray, "v k"]]:
    """Return the vertices of the skin below every vertex of a surface, and the share of each; shares add up to 1."""
    shown, tree, skin_normals = _TREES.get(skin, "tree", lambda: _tree(skin))
    normals = vertex_normals(mesh.vertices, mesh.faces)
    distance, found = tree.query(mesh.vertices, 4 * NEIGHBOURS)
    facing = np.einsum("vkc,vc->vk", skin_normals[found], normals)
    share = np.where(facing > TURNED, 1.0, 1e-6) / (distance**2 + 1e-8)
    best = np.argsort(-share, axis=1, kind="stable")[:, :NEIGHBOURS]
    share = np.take_along_axis(share, best, 1)
    return shown[np.take_along_axis(found, best, 1)], share / share.sum(1, keepdims=True)


def _tree(skin: SkinnedMesh) -> tuple[Integer[ndarray, " n"], cKDTree, Float[ndarray, "n 3"]]:
    shown = np.unique(skin.faces[~skin.hidden])
    return shown, cKDTree(skin.vertices[shown]), vertex_normals(skin.vertices, skin.faces)[shown]


def sunk_depth(
    spec: Spec, m: Measure, joints: Float[ndarray, "24 3"], ends: Mapping[str, float]
) -> Float[ndarray, " v"]:
    """Return how far a garment draws in the skin below it, m: nothing at its hems, ``SINK_M`` inside them.

    Args:
        spec: the garment. m: the skin. joints: rest joints (24, 3), m.
        ends: limb -> coordinate instead of the garment's own, where a stump changes it; inf = the whole limb.
    """
    if spec.kind == "shoe":
        return np.zeros(len(m.points))
    inside = np.min([-field for field, _ in bounds(spec, m, joints)], axis=0)
    for limb, level in (levels(spec) | dict(ends)).items():
        root, mid, end = (joints[j] for j in LIMB_JOINTS[limb])
        segment = 0.5 * (np.linalg.norm(mid - root) + np.linalg.norm(end - mid))
        inside = np.minimum(inside, (level - m.limbs[limb]) * segment)
    return SINK_M * smoothstep((inside - START_M) / RAMP_M)
