"""Joints of a skinned body without its vertices: a regressor folded into sums over joints, exactly.

A regressed joint r is a fixed combination of skinned vertices. With G_k, q_k the posed rotation and place of joint k
and rest_k its place at rest, linear blend skinning gives

    r = sum_k G_k (a_rk - W_rk rest_k) + W_rk q_k,   W_rk = sum_v reg_rv w_vk,   a_rk = sum_v reg_rv w_vk v(v),

and a_rk is linear in betas, pose feature and soft-tissue coefficients (DMPL), so that the sums over the vertices are
taken once, before any pose. Sources: SMPL (Loper et al. 2015, eq. 2-9), DMPL (the same, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.geometry.skeleton import NUM_JOINTS

_ROWS = 512
"""Vertices whose blend shapes are taken at a time."""


class FoldedModel(NamedTuple):
    """What the compiled loops need of one body shape.

    parents: (K,) i8. turned: (T,) joints whose rotation matters, ascending. chained: (C,) joints to chain, ascending.
    joints: (K, 3) f8 m at rest, betas added. joint_soft: (K, 3, D) f8, of the DMPLs.
    row, joint: (P,) i8 pairs, weight: (P,) f8 W_rk. base: (3P,) f4 a_rk at the identity pose, betas added.
    linear: (F, 3P) f4: by the pose feature of the turned joints below the root (9 each; none if the body has no pose
        blend shapes), then by the DMPLs.
    """

    parents: ndarray
    turned: ndarray
    chained: ndarray
    joints: ndarray
    joint_soft: ndarray
    row: ndarray
    joint: ndarray
    weight: ndarray
    base: ndarray
    linear: ndarray


@dataclass(frozen=True)
class JointModel:
    """A regressor folded into one body model of K joints; betas are still free.

    Attributes:
        parents: (K,), -1 at the root. smpl: (24,) which of them stand for SMPL's joints.
        rows: J, the rows of the regressor.
        joints, joint_shape, joint_soft: (K, 3), (K, 3, S), (K, 3, D) rest joints and their directions, m.
        row, joint, weight: (P,) pairs with W_rk.
        base, base_shape: (P, 3), (P, 3, S) a_rk at the identity pose.
        linear: (F, 3 P) f4 a_rk by the pose feature (9 (K - 1) lines, or none) and by the DMPLs (D lines).
    """

    parents: Integer[ndarray, " k"]
    smpl: Integer[ndarray, "24"]
    rows: int
    joints: Float[ndarray, "k 3"]
    joint_shape: Float[ndarray, "k 3 s"]
    joint_soft: Float[ndarray, "k 3 d"]
    row: Integer[ndarray, " p"]
    joint: Integer[ndarray, " p"]
    weight: Float[ndarray, " p"]
    base: Float[ndarray, "p 3"]
    base_shape: Float[ndarray, "p 3 s"]
    linear: Float[ndarray, "f q"]

    @property
    def num_betas(self) -> int:
        return self.joint_shape.shape[-1]

    @property
    def num_soft(self) -> int:
        """Number of DMPL coefficients."""
        return self.joint_soft.shape[-1]

    def shaped(self, betas: Float[ndarray, " b"]) -> FoldedModel:
        """Return the model of one shape; missing betas count as zeros, further ones are left out."""
        b = np.zeros(self.num_betas)
        b[: len(betas)] = betas[: self.num_betas]
        joints = self.joints + self.joint_shape @ b
        base = (self.base + self.base_shape @ b).astype(np.float32).ravel()
        count = len(self.parents)
        pose, soft = np.split(self.linear, [len(self.linear) - self.num_soft])
        pose = pose.reshape(-1, 9, self.linear.shape[1])
        deforms, chained = np.zeros(count, bool), np.zeros(count, bool)
        deforms[1 : 1 + len(pose)] = pose.any((1, 2))
        chained[self.smpl] = chained[self.joint] = True
        for j in range(count - 1, 0, -1):
            chained[self.parents[j]] |= chained[j]
        turned = np.flatnonzero(deforms | chained)
        kept = pose[turned[1:] - 1] if len(pose) else pose
        return FoldedModel(
            self.parents.astype(np.int64), turned, np.flatnonzero(chained), joints, self.joint_soft,
            self.row.astype(np.int64), self.joint.astype(np.int64), self.weight, base,
            np.ascontiguousarray(np.concatenate([kept.reshape(-1, self.linear.shape[1]), soft])),
        )  # fmt: skip


def fold(
    regressor: Float[ndarray, "j v"],
    weights: Float[ndarray, "v k"],
    template: Float[ndarray, "v 3"],
    shape_dirs: Float[ndarray, "v 3 s"],
    soft_dirs: Float[ndarray, "v 3 d"],
    pose_dirs: ndarray | None,
    joint_regressor: ndarray | scipy.sparse.csr_matrix,
    parents: Integer[ndarray, " k"],
    smpl: Integer[ndarray, "24"],
) -> JointModel:
    """Fold a regressor (J, V) into a skinned body.

    Args:
        weights: skinning weights. template: m. shape_dirs, soft_dirs: m per beta and DMPL.
        pose_dirs: (V, 3, 9 (K - 1)) m per entry of the pose feature (rotation minus identity), or None.
        joint_regressor: (K, V), dense or sparse, of the model's own joints; DMPLs move these too.
        parents: -1 at the root, each joint after its parent. smpl: the joints that stand for SMPL's 24.

    Raises:
        ValueError: if a joint comes before its parent.
    """
    if parents[0] != -1 or (parents[1:] < 0).any() or (parents[1:] >= np.arange(1, len(parents))).any():
        raise ValueError("joints must come after their parents, the root first")
    assert len(smpl) == NUM_JOINTS
    share = regressor @ weights
    touched = (regressor != 0).astype(np.float32) @ (weights != 0).astype(np.float32) > 0
    row, joint = np.nonzero(touched)

    def folded(dirs: ndarray) -> ndarray:
        flat, out = dirs.reshape(len(dirs), -1), []
        for r in range(len(regressor)):  # one row at a time: pose blend shapes are the largest array of the model
            used = np.flatnonzero(regressor[r])
            mixture = regressor[r, used] * weights[np.ix_(used, np.flatnonzero(touched[r]))].T
            out.append(_product(mixture, flat, used))
        return np.concatenate(out).reshape(len(row), *dirs.shape[1:])

    def regressed(dirs: ndarray) -> ndarray:
        return np.asarray(joint_regressor @ dirs.reshape(len(dirs), -1)).reshape(len(parents), *dirs.shape[1:])

    pose = np.zeros((len(row), 3, 0)) if pose_dirs is None else folded(pose_dirs)
    linear = np.concatenate([pose, folded(soft_dirs)], 2).reshape(3 * len(row), -1).T
    return JointModel(
        parents, smpl, len(regressor), regressed(template), regressed(shape_dirs), regressed(soft_dirs),
        row, joint, share[row, joint], folded(template), folded(shape_dirs), np.ascontiguousarray(linear, np.float32),
    )  # fmt: skip


def _product(mixture: Float[ndarray, "p u"], flat: Float[ndarray, "v n"], used: Integer[ndarray, " u"]) -> ndarray:
    """Return mixture @ flat[used] without a copy of much of ``flat``."""
    return sum((mixture[:, i : i + _ROWS] @ flat[used[i : i + _ROWS]] for i in range(0, len(used), _ROWS)),
               np.zeros((len(mixture), flat.shape[1])))  # fmt: skip
