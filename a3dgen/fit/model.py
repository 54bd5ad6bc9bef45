"""The body as flat arrays for the fitter: kinematic tree, shape directions and keypoints as pruned blends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import NUM_JOINTS, NUM_ROWS, PARENTS

POSE = 3 * NUM_JOINTS
"""Number of pose variables. The variables of a person are pose (72), betas (B), translation (3), log focal scale."""
MIN_SHARE = 2e-3
"""Joint shares of a keypoint below this are dropped and the others rescaled: an error of 0.04 mm."""


class FitModel(NamedTuple):
    """One body model, packed for compiled code.

    Attributes:
        joints: (24, 3) m rest joints at betas = 0. joint_dirs: (24, 3, B) m.
        parents: (24,) joint tree.
        start: (45,) pairs of keypoint row k are start[k]:start[k + 1].
        joint: (P,) joint of each pair. weight: (P,) its share. offset: (P, 3) m, dirs: (P, 3, B) m, as in
            ``geometry.body.KeypointBlends``.
    """

    joints: ndarray
    joint_dirs: ndarray
    parents: ndarray
    start: ndarray
    joint: ndarray
    weight: ndarray
    offset: ndarray
    dirs: ndarray


def pack(body: BodyData) -> FitModel:
    """Pack a body for the fitter, its keypoints pruned to the joint shares that matter."""
    k = body.keypoints
    keep = np.flatnonzero(k.weight > MIN_SHARE)
    keep = keep[np.argsort(k.row[keep], kind="stable")]
    total = np.bincount(k.row[keep], k.weight[keep], NUM_ROWS)[k.row[keep]]
    start = np.concatenate([[0], np.cumsum(np.bincount(k.row[keep], minlength=NUM_ROWS))])
    flat = lambda a: np.ascontiguousarray(a, np.float64)  # noqa: E731
    return FitModel(
        joints=flat(body.joints_template),
        joint_dirs=flat(body.joint_dirs),
        parents=np.asarray(PARENTS, np.int64),
        start=start.astype(np.int64),
        joint=np.asarray(k.joint[keep], np.int64),
        weight=flat(k.weight[keep] / total),
        offset=flat(k.offset[keep] / total[:, None]),
        dirs=flat(k.dirs[keep] / total[:, None, None]),
    )


def num_betas(model: FitModel) -> int:
    """Return B, the number of shape coefficients."""
    return model.joint_dirs.shape[2]


def num_variables(model: FitModel) -> int:
    """Return the length of a person's vector of variables: 72 + B + 3 + 1."""
    return POSE + num_betas(model) + 4
