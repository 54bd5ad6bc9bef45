"""Moves the fitted limbs onto the photo's keypoints and into its outline: labels must be those of its own limbs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit
from a3dgen.core.pool import Cache
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.geometry.body import BodyData, forward_kinematics, keypoints_from_joints, rest_joints
from a3dgen.geometry.camera import project
from a3dgen.geometry.limbs import LIMB_JOINTS
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import IS_BELOW, ROW

LIMB_ROWS: dict[str, tuple[int, int, int]] = {
    f"{side}_{limb}": tuple(ROW[f"extra_{side}_{name}"] for name in names)  # type: ignore[misc]
    for side in ("left", "right")
    for limb, names in (("arm", ("shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle")))
}
"""Limb -> keypoint rows of (root, mid, end) joint."""
_MOVED = tuple(j for limb in LIMB_JOINTS.values() for j in limb)
_ROWS = tuple(r for rows in LIMB_ROWS.values() for r in rows[1:])
_CLICK, _HIDDEN = 0.008, 0.03
"""Standard deviation of a click on a visible and on a hidden joint, share of the person's height."""
_TURN = np.repeat([0.12, 0.12, 0.5] * len(LIMB_JOINTS), 3)
"""How far root, mid and end joint of the fit may be wrong, rad: the prior that keeps the depth as it was. Keypoints say
nothing of hands and feet."""
_INSIDE, _SLACK = 0.02, 1.5
"""Standard deviation of skin outside the outline, share of the height, and what an outline is too narrow, px."""
_FARTHEST = 0.12
"""Skin farther outside than this share of the height pulls no more."""
_POINTS = 20
"""Points of skin looked at on each part of a limb."""
_FAR = 0.08
"""A click farther from the fit than this share of the height pulls no more than one that is as far."""
_ROUNDS = 5
_STEP = 1e-4


def refit(
    body: BodyData,
    fit: BodyFit,
    keypoints: Float[ndarray, "44 2"],
    state: Integer[ndarray, "44"],
    K: Float[ndarray, "3 3"],
    height: float,
    inside: Bool[ndarray, "h w"] | None = None,
) -> BodyFit:
    """Turn the limbs' joints so that elbows, wrists, knees and ankles project onto their clicks, and skin into the
    outline.

    Gauss-Newton on the rotations of shoulder, elbow and wrist, hip, knee and ankle with a Gaussian prior at the fit;
    everything else stays.

    Args:
        keypoints: px, of the picture that ``K`` is for. state: of the 44 rows. height: of the person, px.
        inside: where limbs may be seen or hidden, the person's outline and other people; None if unknown.
    """
    rows = np.array([r for r in _ROWS if state[r] in (VISIBLE, OCCLUDED)], int)
    skin = None if inside is None or not inside.any() else _Skin.of(body, fit, inside, height)
    if not len(rows) and skin is None:
        return fit
    sigma = height * np.where(state[rows] == VISIBLE, _CLICK, _HIDDEN)[:, None]
    betas = np.asarray(fit.betas, np.float64)
    at_rest = rest_joints(body, betas)
    pose = np.array(fit.pose, np.float64)

    def misses(turns: Float[ndarray, "n 24 3"]) -> tuple[ndarray, ndarray]:
        """Return what is missing to the clicks (n, r, 2), px, and weighted distances outside the outline (n, s)."""
        posed, joints = forward_kinematics(rotvec_to_matrix(turns), np.broadcast_to(at_rest, turns.shape))
        points = keypoints_from_joints(body, posed, joints, np.broadcast_to(betas, (len(turns), len(betas))))
        all_K = np.broadcast_to(K, (len(turns), 3, 3))
        off = keypoints[rows] - project(points[:, rows] + fit.transl, all_K)
        outside = np.zeros((len(turns), 0))
        if skin is not None:
            outside = skin.outside(project(skin.placed(posed, joints) + fit.transl, all_K))
        return off, outside

    moved = list(_MOVED)
    size = 3 * len(moved)
    for _ in range(_ROUNDS):
        probes = np.repeat(pose[None], size + 1, 0)
        for i in range(size):
            probes[i + 1, moved[i // 3], i % 3] += _STEP
        off, outside = misses(probes)
        if not np.isfinite(off).all() or not np.isfinite(outside).all():
            return fit
        length = np.linalg.norm(off[0], axis=1, keepdims=True)
        weight = np.sqrt(np.minimum(1, _FAR * height / np.maximum(length, 1e-6))) / sigma
        error = np.concatenate([(off * weight).reshape(size + 1, -1), outside], 1)
        jacobian = ((error[1:] - error[0]) / _STEP).T
        away = (pose - fit.pose)[moved].reshape(-1)
        normal = jacobian.T @ jacobian + np.diag(1 / _TURN**2)
        step = -np.linalg.solve(normal, jacobian.T @ error[0] + away / _TURN**2)
        pose[moved] += np.clip(step, -0.3, 0.3).reshape(-1, 3)
    return replace(fit, pose=pose)


@dataclass(frozen=True)
class _Skin:
    """Points on the limbs' skin, each rigid with its part; how far every pixel is outside the outline, px."""

    part: Integer[ndarray, " s"]
    offset: Float[ndarray, "s 3"]
    distance: Float[ndarray, "h w"]
    height: float

    @classmethod
    def of(cls, body: BodyData, fit: BodyFit, inside: Bool[ndarray, "h w"], height: float) -> _Skin:
        betas = np.asarray(fit.betas, np.float64)
        owner = _owners(body)
        limbs = np.flatnonzero(IS_BELOW[list(_MOVED)].any(0))
        chosen = []
        for part in limbs:
            own = np.flatnonzero(owner == part)
            chosen.append(own[:: max(1, len(own) // _POINTS)])
        index = np.concatenate(chosen)
        part = owner[index]
        rest = body.mesh.shaped(betas)[index].astype(np.float64)
        away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
        away = np.clip(away - _SLACK, 0, _FARTHEST * height)
        return cls(part, rest - rest_joints(body, betas)[part], away, height)

    def placed(self, posed: Float[ndarray, "n 24 3 3"], joints: Float[ndarray, "n 24 3"]) -> Float[ndarray, "n s 3"]:
        """Return the points (n, s, 3) of posed bodies, m."""
        return np.einsum("nsij,sj->nsi", posed[:, self.part], self.offset) + joints[:, self.part]

    def outside(self, pixels: Float[ndarray, "n s 2"]) -> Float[ndarray, "n s"]:
        """Return the weighted distances outside the outline; points outside the picture do not count."""
        h, w = self.distance.shape
        x, y = pixels[..., 0], pixels[..., 1]
        seen = np.isfinite(x) & np.isfinite(y) & (x >= 0) & (y >= 0) & (x < w - 1) & (y < h - 1)
        x, y = np.where(seen, x, 0.0), np.where(seen, y, 0.0)
        i, j = x.astype(int), y.astype(int)
        a, b, d = x - i, y - j, self.distance
        i, j = np.minimum(i, w - 2), np.minimum(j, h - 2)
        value = (1 - b) * ((1 - a) * d[j, i] + a * d[j, i + 1]) + b * ((1 - a) * d[j + 1, i] + a * d[j + 1, i + 1])
        return np.where(seen, value, 0.0) / (_INSIDE * self.height)


_OWNERS = Cache(2)


def _owners(body: BodyData) -> Integer[ndarray, " v"]:
    """Return the joint that moves each vertex of the body most (once a process)."""
    return _OWNERS.get(body.mesh, "owners", lambda: body.mesh.weights.argmax(1))


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
