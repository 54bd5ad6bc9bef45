"""The 44 keypoint rows of a body, as sparse blends of joint transforms.

Joint rows are their joint's centre. Face and foot rows are fixed mixtures of skin vertices. The seven extra rows have
geometric definitions, checked against labels of Human3.6M and MPII (distances along the trunk of upright people):

- ``neck_lsp``: halfway between the neck joint and the collar joints. MPII's upper neck lies 2 to 5 % of the distance
  from pelvis to head top above the middle of the shoulders, Human3.6M's neck 4 to 6 cm above it.
- ``head_top_lsp``: the skin within 6 mm of the highest point of the head.
- ``pelvis_mpii``: the pelvis joint. ``spine_h36m``: the joint spine2, about halfway from pelvis to neck.
- ``thorax_mpii``: the middle of the shoulders, which is how MPII places it.
- ``jaw_h36m``: halfway between the neck joint and the middle of the lips, inside the chin.
- ``head_h36m``: halfway between the ears, the middle of the skull; it is not the top of the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.geometry.body import KeypointBlends
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT, NUM_JOINTS, NUM_ROWS, ROW, ROW_JOINT

_NEGLIGIBLE = 1e-5
"""Shares of a row below this are dropped; a metre of bone then moves the point by under 0.01 mm."""
_TOP = 0.006
"""Depth of the skin cap whose mean is the head top, m."""


@dataclass(frozen=True)
class PointBlend:
    """A point as shares of skin vertices and of joint centres; all shares together sum to 1.

    Attributes:
        vertices: (n,) vertex indices. shares: (n,). joints: joint name -> share.
    """

    vertices: Integer[ndarray, " n"] = field(default_factory=lambda: np.zeros(0, np.int64))
    shares: Float[ndarray, " n"] = field(default_factory=lambda: np.zeros(0))
    joints: Mapping[str, float] = field(default_factory=dict)

    def joint_shares(self) -> Float[ndarray, "24"]:
        out = np.zeros(NUM_JOINTS)
        for name, share in self.joints.items():
            out[JOINT[name]] = share
        return out

    def scaled(self, factor: float) -> PointBlend:
        """Return the mixture with every share multiplied."""
        return PointBlend(self.vertices, self.shares * factor, {k: v * factor for k, v in self.joints.items()})

    def plus(self, other: PointBlend) -> PointBlend:
        """Return the sum of two mixtures."""
        names = [*self.joints, *other.joints]
        return PointBlend(
            np.concatenate([self.vertices, other.vertices]),
            np.concatenate([self.shares, other.shares]),
            {n: self.joints.get(n, 0.0) + other.joints.get(n, 0.0) for n in names},
        )


def mean_of(vertices: ndarray) -> PointBlend:
    """Return the mean of skin vertices as a mixture."""
    return PointBlend(vertices.astype(np.int64), np.full(len(vertices), 1.0 / len(vertices)))


def extra_mixtures(mesh: SkinnedMesh, ears: Sequence[PointBlend], lips: ndarray) -> dict[int, PointBlend]:
    """Return the mixtures of the rows that no joint and no landmark gives (module text).

    Args:
        mesh: the skin, T-pose. ears: the two ear landmarks. lips: indices of lip vertices.
    """
    height = np.where(mesh.weights[:, JOINT["head"]] > 0.5, mesh.vertices[:, 1], -np.inf)
    return {
        ROW["extra_neck_lsp"]: PointBlend(joints={"neck": 0.5, "left_collar": 0.25, "right_collar": 0.25}),
        ROW["extra_head_top_lsp"]: mean_of(np.flatnonzero(height > height.max() - _TOP)),
        ROW["extra_pelvis_mpii"]: PointBlend(joints={"pelvis": 1.0}),
        ROW["extra_thorax_mpii"]: PointBlend(joints={"left_shoulder": 0.5, "right_shoulder": 0.5}),
        ROW["extra_spine_h36m"]: PointBlend(joints={"spine2": 1.0}),
        ROW["extra_jaw_h36m"]: mean_of(lips).scaled(0.5).plus(PointBlend(joints={"neck": 0.5})),
        ROW["extra_head_h36m"]: ears[0].scaled(0.5).plus(ears[1].scaled(0.5)),
    }


def blend_rows(
    mesh: SkinnedMesh,
    joints: Float[ndarray, "24 3"],
    joint_dirs: Float[ndarray, "24 3 b"],
    mixtures: Mapping[int, PointBlend],
) -> KeypointBlends:
    """Bake keypoint rows; those of ``ROW_JOINT`` are their joint's centre, all others must be in ``mixtures``.

    Args:
        mesh: the skin, T-pose. joints: rest joints (m). joint_dirs: their shape directions.
    """
    rows, owners, weights, offsets, dirs = [], [], [], [], []
    for row in range(NUM_ROWS):
        mix = PointBlend(joints={n: 1.0 for n, j in JOINT.items() if ROW_JOINT.get(row) == j})
        mix = mixtures.get(row, mix)
        share = mesh.weights[mix.vertices].astype(np.float64) * mix.shares[:, None]  # (n, 24)
        centre = mix.joint_shares()
        total = share.sum(0) + centre
        keep = np.flatnonzero(np.abs(total) > _NEGLIGIBLE)
        scale = 1.0 / total[keep].sum()
        share, skin = share[:, keep] * scale, share[:, keep].sum(0) * scale
        points = mesh.vertices[mix.vertices].astype(np.float64)
        shapes = mesh.shape_dirs[mix.vertices].astype(np.float64)
        rows += [row] * len(keep)
        owners += keep.tolist()
        weights.append(total[keep] * scale)
        offsets.append(share.T @ points - skin[:, None] * joints[keep])
        dirs.append(np.einsum("nj,ncb->jcb", share, shapes) - skin[:, None, None] * joint_dirs[keep])
    return KeypointBlends(
        row=np.array(rows, np.int32),
        joint=np.array(owners, np.int32),
        weight=np.concatenate(weights),
        offset=np.concatenate(offsets),
        dirs=np.concatenate(dirs),
    )
