"""The 44 keypoint rows of a body, as sparse blends of joint transforms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.body import KeypointBlends
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT, NUM_JOINTS, NUM_ROWS, ROW, ROW_JOINT

_NEGLIGIBLE = 1e-5
"""Shares of a row below this are dropped; a metre of bone then moves the point by under 0.01 mm."""

EXTRA_JOINT_MIX: dict[str, dict[str, float]] = {
    "extra_neck_lsp": {"neck": 1.0},
    "extra_pelvis_mpii": {"pelvis": 1.0},
    "extra_thorax_mpii": {"left_shoulder": 0.35, "right_shoulder": 0.35, "neck": 0.3},
    "extra_spine_h36m": {"spine1": 0.5, "spine2": 0.5},
    "extra_jaw_h36m": {"head": 1.0},
}
"""Rows that are fixed mixtures of joint centres."""


def blend_rows(
    mesh: SkinnedMesh,
    joints: Float[ndarray, "24 3"],
    joint_dirs: Float[ndarray, "24 3 b"],
    vertex_rows: Mapping[int, tuple[ndarray, ndarray]],
    joint_rows: Mapping[int, ndarray],
) -> KeypointBlends:
    """Bake keypoint rows.

    Args:
        mesh: the skin, T-pose. joints: rest joints (m). joint_dirs: their shape directions.
        vertex_rows: row -> (vertex ids, shares summing to 1): a fixed mixture of skinned vertices.
        joint_rows: row -> (24,) shares: a fixed mixture of joint centres, for the rows that are no joint
            themselves (``ROW_JOINT`` rows are always their joint's centre).
    """
    rows, owners, weights, offsets, dirs = [], [], [], [], []
    betas = joint_dirs.shape[-1]
    for row in range(NUM_ROWS):
        if row in vertex_rows:
            ids, shares = vertex_rows[row]
            share = mesh.weights[ids].astype(np.float64) * (shares / shares.sum())[:, None]  # (k, 24)
            total = share.sum(0)
            keep = np.flatnonzero(total > _NEGLIGIBLE)
            share = share[:, keep] / total[keep].sum()
            total = share.sum(0)
            offset = share.T @ mesh.vertices[ids].astype(np.float64) - total[:, None] * joints[keep]
            shape = np.einsum("kj,kcb->jcb", share, mesh.shape_dirs[ids].astype(np.float64))
            shape = shape[..., :betas] - total[:, None, None] * joint_dirs[keep]
        else:
            mix = joint_rows[row] if row in joint_rows else np.eye(NUM_JOINTS)[ROW_JOINT[row]]
            keep = np.flatnonzero(mix)
            total = mix[keep]
            offset, shape = np.zeros((len(keep), 3)), np.zeros((len(keep), 3, betas))
        rows += [row] * len(keep)
        owners += keep.tolist()
        weights.append(total)
        offsets.append(offset)
        dirs.append(shape)
    return KeypointBlends(
        row=np.array(rows, np.int32),
        joint=np.array(owners, np.int32),
        weight=np.concatenate(weights),
        offset=np.concatenate(offsets),
        dirs=np.concatenate(dirs),
    )


def joint_mixtures() -> dict[int, ndarray]:
    """Return row -> (24,) shares for the documented mixtures of joint centres."""
    out = {}
    for row, mix in EXTRA_JOINT_MIX.items():
        shares = np.zeros(NUM_JOINTS)
        for joint, share in mix.items():
            shares[JOINT[joint]] = share
        out[ROW[row]] = shares
    return out


def geometric_head_rows(mesh: SkinnedMesh, head: Float[ndarray, "3"]) -> dict[int, tuple[ndarray, ndarray]]:
    """Return the rows at the top of the head as mixtures of skin vertices.

    ``head_top_lsp``: the vertices within 15 mm of the highest point of the head (T-pose, mean shape).
    ``head_h36m``: the mean of the vertices 20 to 60 mm below it, which lies inside the skull's crown, where
    Human3.6M's head-top marker cluster is centred.
    """
    on_head = mesh.weights[:, JOINT["head"]] > 0.5
    top = mesh.vertices[on_head, 1].max()
    below = np.where(on_head, top - mesh.vertices[:, 1], np.inf)
    out = {}
    for name, low, high in (("extra_head_top_lsp", 0.0, 0.006), ("extra_head_h36m", 0.02, 0.06)):
        ids = np.flatnonzero((below >= low) & (below <= high))
        out[ROW[name]] = (ids, np.full(len(ids), 1.0 / len(ids)))
    return out
