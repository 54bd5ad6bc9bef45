"""Moves the fit onto the photo's keypoints and outline: labels must be those of its own limbs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.erasure.silhouette import Silhouette, gaps
from a3dgen.erasure.skin_points import SkinPoints
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
_MOVED = (0, *(j for limb in LIMB_JOINTS.values() for j in limb))
_ROWS = tuple(r for rows in LIMB_ROWS.values() for r in rows[1:])
_ROOTS = tuple(rows[0] for rows in LIMB_ROWS.values())
_CLICK, _HIDDEN = 0.008, 0.03
"""Standard deviation of a click on a visible and on a hidden joint, share of the person's height."""
_ROOT_CLICK = 0.012
"""The same of shoulders and hips, where no click means a joint's centre."""
_TURN = np.concatenate([np.full(3, 0.06), np.repeat([0.12, 0.12, 0.5] * len(LIMB_JOINTS), 3)])
"""How far the pelvis and root, mid and end joint of the fit may be wrong, rad: the prior that keeps the depth.
Keypoints say nothing of hands and feet."""
_MOVE = np.array([0.03, 0.03, 0.06])
"""How far the fit may stand elsewhere (x, y, depth), m."""
_INSIDE, _SLACK = 0.02, 1.5
"""Standard deviation of skin outside the outline, share of the height, and what an outline is too narrow, px."""
_FARTHEST = 0.12
"""Skin farther outside than this share of the height pulls no more."""
_POINTS = 20
"""Points of skin looked at on each part of a limb."""
_FAR = 0.025
"""A click farther from the fit than this share of the height pulls less and less (Geman and McClure 1987): people who
click make slips."""
_ROUNDS = 6
_STEP = 1e-4


def refit(
    body: BodyData,
    fit: BodyFit,
    keypoints: Float[ndarray, "44 2"],
    state: Integer[ndarray, "44"],
    K: Float[ndarray, "3 3"],
    height: float,
    inside: Bool[ndarray, "h w"] | None = None,
    silhouette: Silhouette | None = None,
) -> BodyFit:
    """Turn the limbs' joints and move the body so that the joints project onto their clicks, skin into the outline, and
    the body's rim onto it.

    Gauss-Newton on place and turn of the pelvis and the rotations of shoulder, elbow and wrist, hip, knee and ankle,
    with a Gaussian prior at the fit; everything else stays. Demo people's joints come nearer the truth by a third
    through the silhouette: annotators slip, and it tells where limbs end.

    Args:
        keypoints: px, of the picture that ``K`` is for. state: of the 44 rows. height: of the person, px.
        inside: where limbs may be seen or hidden, the person's outline and other people; None if unknown.
        silhouette: the person's own outline; None if unknown.
    """
    clicks = _Clicks.of(keypoints, state, height)
    skin = None if inside is None or not inside.any() else _Skin.of(body, fit, inside, height)
    if not len(clicks.rows) and skin is None:
        return fit
    problem = _Problem(body, np.asarray(fit.betas, np.float64), K, clicks, skin, silhouette)
    start = np.concatenate([np.asarray(fit.pose, np.float64)[list(_MOVED)].reshape(-1), fit.transl])
    prior, at = np.concatenate([_TURN, _MOVE]), start.copy()
    pose = np.array(fit.pose, np.float64)
    for _ in range(_ROUNDS):
        error, jacobian = problem.linear(pose, at)
        if not np.isfinite(error).all() or not np.isfinite(jacobian).all():
            return fit
        normal = jacobian.T @ jacobian + np.diag(1 / prior**2)
        step = -np.linalg.solve(normal, jacobian.T @ error + (at - start) / prior**2)
        at = at + np.clip(step, -0.3, 0.3)
    pose[list(_MOVED)] = at[:-3].reshape(-1, 3)
    return replace(fit, pose=pose, transl=at[-3:])


@dataclass(frozen=True)
class _Clicks:
    """Rows of the labelled joints, their places (px) and standard deviations, px."""

    rows: Integer[ndarray, " r"]
    at: Float[ndarray, "r 2"]
    sigma: Float[ndarray, " r"]
    height: float

    @classmethod
    def of(cls, keypoints: Float[ndarray, "44 2"], state: Integer[ndarray, "44"], height: float) -> _Clicks:
        rows = np.array([r for r in (*_ROWS, *_ROOTS) if state[r] in (VISIBLE, OCCLUDED)], int)
        sigma = np.where(state[rows] == VISIBLE, _CLICK, _HIDDEN)
        sigma = np.maximum(sigma, np.where(np.isin(rows, _ROOTS), _ROOT_CLICK, 0))
        return cls(rows, keypoints[rows], height * sigma, height)

    def misses(self, pixels: Float[ndarray, "n r 2"]) -> Float[ndarray, "n r2"]:
        """Return what is missing to the clicks in standard deviations, weighted by the first row's distances."""
        off = self.at - pixels
        far = np.linalg.norm(off[0], axis=1) / (_FAR * self.height)
        return (off / (self.sigma * (1 + far**2))[:, None]).reshape(len(off), -1)


@dataclass(frozen=True)
class _Problem:
    """What the photo says against a pose: clicks, skin outside the outline, rim off it."""

    body: BodyData
    betas: Float[ndarray, " b"]
    K: Float[ndarray, "3 3"]
    clicks: _Clicks
    skin: _Skin | None
    silhouette: Silhouette | None

    def linear(self, pose: Float[ndarray, "24 3"], at: Float[ndarray, " d"]) -> tuple[ndarray, ndarray]:
        """Return the weighted errors (e,) and their derivatives (e, d) by the moved joints' rotations and place."""
        probes = np.repeat(at[None], len(at) + 1, 0)
        probes[1:] += _STEP * np.eye(len(at))
        turns = np.repeat(pose[None], len(probes), 0)
        turns[:, list(_MOVED)] = probes[:, :-3].reshape(len(probes), -1, 3)
        at_rest = rest_joints(self.body, self.betas)
        posed, joints = forward_kinematics(rotvec_to_matrix(turns), np.broadcast_to(at_rest, turns.shape))
        transl, all_K = probes[:, None, -3:], np.broadcast_to(self.K, (len(probes), 3, 3))
        many = np.broadcast_to(self.betas, (len(probes), len(self.betas)))
        points = keypoints_from_joints(self.body, posed, joints, many)[:, self.clicks.rows]
        errors = [self.clicks.misses(project(points + transl, all_K))]
        if self.skin is not None:
            errors.append(self.skin.outside(project(self.skin.points.placed(posed, joints) + transl, all_K)))
        if self.silhouette is not None:
            found = self.silhouette.matched(posed[0], joints[0], at[-3:], self.K)
            places = self.silhouette.skin.placed(posed, joints, found.index) + transl
            errors.append(gaps(found, project(places, all_K)))
        error = np.concatenate(errors, 1)
        return error[0], ((error[1:] - error[0]) / _STEP).T


@dataclass(frozen=True)
class _Skin:
    """Points on the limbs' skin; how far every pixel is outside the outline, px."""

    points: SkinPoints
    distance: Float[ndarray, "h w"]
    height: float

    @classmethod
    def of(cls, body: BodyData, fit: BodyFit, inside: Bool[ndarray, "h w"], height: float) -> _Skin:
        limbs = np.flatnonzero(IS_BELOW[list(_MOVED[1:])].any(0)).tolist()
        points = SkinPoints.of(body, np.asarray(fit.betas, np.float64), limbs, _POINTS)
        away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
        return cls(points, np.clip(away - _SLACK, 0, _FARTHEST * height), height)

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


def residuals(
    projected: Float[ndarray, "44 2"], keypoints: Float[ndarray, "44 2"], state: Integer[ndarray, "44"], height: float
) -> dict[str, Float[ndarray, "3"]]:
    """Return limb -> distances of its root, mid and end joint from their visible clicks, shares of the height (0
    without a click)."""
    away = np.where(state == VISIBLE, np.linalg.norm(projected - keypoints, axis=1) / height, 0.0)
    return {limb: away[list(rows)] for limb, rows in LIMB_ROWS.items()}


def joints_at(level: float) -> slice:
    """Return which of a limb's joints (mid, end) a cut at a limb coordinate lies between or before: its place hangs on
    them. Clicks on shoulders and hips (the root) mean no joint's centre."""
    return slice(1, 3 if level >= 1 else 2)
