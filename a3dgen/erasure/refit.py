"""Moves the fitted limbs onto the photo's keypoints: the labels of an erased photo must be those of its own limbs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.geometry.body import BodyData, forward_kinematics, keypoints_from_joints, rest_joints
from a3dgen.geometry.camera import project
from a3dgen.geometry.limbs import LIMB_JOINTS
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import ROW

LIMB_ROWS: dict[str, tuple[int, int, int]] = {
    f"{side}_{limb}": tuple(ROW[f"extra_{side}_{name}"] for name in names)  # type: ignore[misc]
    for side in ("left", "right")
    for limb, names in (("arm", ("shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle")))
}
"""Limb -> keypoint rows of (root, mid, end) joint."""
_MOVED = tuple(j for limb in LIMB_JOINTS.values() for j in limb[:2])
_ROWS = tuple(r for rows in LIMB_ROWS.values() for r in rows[1:])
_CLICK, _HIDDEN = 0.008, 0.03
"""Standard deviation of a click on a visible and on a hidden joint, share of the person's height."""
_TURN = 0.12
"""How far a joint of the fit may be wrong, rad: the prior that keeps the depth as it was."""
_FAR = 0.08
"""A click farther from the fit than this share of the height pulls no more than one that is as far."""
_ROUNDS = 4
_STEP = 1e-4


def refit(
    body: BodyData,
    fit: BodyFit,
    keypoints: Float[ndarray, "44 2"],
    state: Integer[ndarray, "44"],
    K: Float[ndarray, "3 3"],
    height: float,
) -> BodyFit:
    """Turn shoulders, elbows, hips and knees so that elbows, wrists, knees and ankles project onto their clicks.

    Gauss-Newton on the rotations of these eight joints with a Gaussian prior at the fit; everything else stays.

    Args:
        keypoints: px, of the picture that ``K`` is for. state: of the 44 rows. height: of the person, px.
    """
    rows = np.array([r for r in _ROWS if state[r] in (VISIBLE, OCCLUDED)])
    if not len(rows):
        return fit
    sigma = height * np.where(state[rows] == VISIBLE, _CLICK, _HIDDEN)[:, None]
    betas = np.asarray(fit.betas, np.float64)
    at_rest = rest_joints(body, betas)
    pose = np.array(fit.pose, np.float64)

    def places(turns: Float[ndarray, "n 24 3"]) -> Float[ndarray, "n r 2"]:
        posed, joints = forward_kinematics(rotvec_to_matrix(turns), np.broadcast_to(at_rest, turns.shape))
        points = keypoints_from_joints(body, posed, joints, np.broadcast_to(betas, (len(turns), len(betas))))
        return project(points[:, rows] + fit.transl, np.broadcast_to(K, (len(turns), 3, 3)))

    size = 3 * len(_MOVED)
    for _ in range(_ROUNDS):
        probes = np.repeat(pose[None], size + 1, 0)
        for i in range(size):
            probes[i + 1, _MOVED[i // 3], i % 3] += _STEP
        found = places(probes)
        if not np.isfinite(found).all():
            return fit
        miss = keypoints[rows] - found[0]
        length = np.linalg.norm(miss, axis=1, keepdims=True)
        weight = np.sqrt(np.minimum(1, _FAR * height / np.maximum(length, 1e-6))) / sigma
        jacobian = ((found[1:] - found[0]) / _STEP * weight).reshape(size, -1).T
        moved = (pose - fit.pose)[list(_MOVED)].reshape(-1)
        normal = jacobian.T @ jacobian + np.eye(size) / _TURN**2
        step = np.linalg.solve(normal, jacobian.T @ (miss * weight).reshape(-1) - moved / _TURN**2)
        pose[list(_MOVED)] += np.clip(step, -0.3, 0.3).reshape(-1, 3)
    return replace(fit, pose=pose)


def residuals(
    projected: Float[ndarray, "44 2"], keypoints: Float[ndarray, "44 2"], state: Integer[ndarray, "44"], height: float
) -> dict[str, float]:
    """Return limb -> largest distance of its fit from the visible clicks on mid and end joint, shares of the height (0
    without clicks). The root joints are not moved, and clicks on hips mean no joint's centre."""
    away = np.linalg.norm(projected - keypoints, axis=1) / height
    return {
        limb: float(max((away[r] for r in rows[1:] if state[r] == VISIBLE), default=0.0))
        for limb, rows in LIMB_ROWS.items()
    }
