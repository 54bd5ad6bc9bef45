"""Feet that nobody labelled: they stand flat on what the labelled ankles say the ground is, and do not hang below it.

Sources that end at the ankle say nothing of the foot, and the pose prior lets it hang: it is learnt from feet that
walk and jump as well. Toes that hang are the lowest points of the body, so that the ground drawn under them lies too
low, and the soles seem to float.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.pool import Cache
from a3dgen.fit.limits import joint_limits
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.geometry.body import BodyData, PosedBody, keypoints_from_joints, pose_body, rest_joints
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT, ROW

STEEP = np.cos(np.radians(62.0))
"""A shin that leans further from the vertical carries nobody: who kneels, lies or lifts the leg keeps the foot."""
BELOW = 0.01
"""Soles may be this much lower than the ground, m."""
STEPS = 12
"""Halvings of the turn that a lifted foot keeps: to a four thousandth."""
_SIDES = ("left", "right")
_GAPS = Cache(4)


@dataclass(frozen=True)
class _Foot:
    """One foot at rest: points of the sole below the heel (1, 3), from the ankle, and below the toes (2, 3), from the
    toe joint; from the ankle to that joint (3,), m, y up."""

    heel: Float[ndarray, "1 3"]
    toes: Float[ndarray, "2 3"]
    bone: Float[ndarray, "3"]

    @property
    def height(self) -> float:
        """How high the ankle is above the ground when the foot stands flat, m."""
        return -float(min(self.heel[:, 1].min(), (self.toes + self.bone)[:, 1].min()))

    def lowest(self, ankle: Float[ndarray, "3 3"], toe: Float[ndarray, "3 3"], down: Float[ndarray, "3"]) -> float:
        """Return how far below the ankle the sole reaches; the rotations are those of ankle and toes in the world."""
        points = np.concatenate([self.heel @ ankle.T, self.toes @ toe.T + ankle @ self.bone])
        return float((points @ down).max())


def with_feet_flat(body: BodyData, seen: Observation, fit: Fit) -> Fit:
    """Return the fit with unlabelled feet turned about the ankle and the toe joint: flat where the leg carries the
    person, elsewhere no lower than the ground. All other joints stay where they are.

    The ground is the lower of the two soles, if both feet were flat. A foot turns on the way to flat only as far as it
    must. Nothing changes without known gravity, with labelled feet, and for people upside down.
    """
    if seen.support is None or seen.inverted:
        return fit
    free = [s for s in _SIDES if not _labelled(seen, s)]
    if not free:
        return fit
    best, down = fit.best, np.asarray(seen.support.down, np.float64)
    posed = pose_body(body, best.pose, best.betas, best.transl)
    feet = _feet(body, best.betas)
    standing = [s for s in _SIDES if _shin(posed, s) @ down > STEEP]
    ground = max((_ankle(posed, s) @ down + feet[s].height for s in standing), default=-np.inf)
    pose = best.pose.copy()
    for side in (s for s in standing if s in free):
        room = float(ground - _ankle(posed, side) @ down) + BELOW
        _turn(pose, posed, feet[side], side, down, room)
    return fit if np.array_equal(pose, best.pose) else replace(fit, best=_reposed(body, best, pose))


def _turn(pose: ndarray, posed: PosedBody, foot: _Foot, side: str, down: ndarray, room: float) -> None:
    """Turn one foot in place, from as it is towards flat, until it reaches at most ``room`` m below the ankle."""
    knee, ankle, toe = (JOINT[f"{side}_{n}"] for n in ("knee", "ankle", "foot"))
    if foot.lowest(posed.rotations[ankle], posed.rotations[toe], down) <= room:
        return
    now = posed.rotations[ankle]
    turn = _to(now[:, 1], -down)  # the rest pose stands flat, y up
    least, most = 0.0, 1.0

    def turned(share: float) -> tuple[ndarray, ndarray]:
        return rotvec_to_matrix(share * turn) @ now, rotvec_to_matrix((1 - share) * pose[toe])

    for _ in range(STEPS):
        share = (least + most) / 2
        world, bent = turned(share)
        least, most = (least, share) if foot.lowest(world, world @ bent, down) <= room else (share, most)
    world, bent = turned(most)
    pose[ankle] = _within(matrix_to_rotvec(posed.rotations[knee].T @ world), ankle, pose[ankle])
    pose[toe] = matrix_to_rotvec(bent)


def _within(turn: Float[ndarray, "3"], joint: int, before: Float[ndarray, "3"]) -> Float[ndarray, "3"]:
    """Return a turn within the joint's range of motion, or no further out of it than it was."""
    low, high = (limit.reshape(-1, 3)[joint - 1] for limit in joint_limits())
    return np.clip(turn, np.minimum(low, before), np.maximum(high, before))


def _to(a: Float[ndarray, "3"], b: Float[ndarray, "3"]) -> Float[ndarray, "3"]:
    """Return the smallest turn (rotation vector) of one unit vector to another."""
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    return axis / max(sine, 1e-12) * np.arctan2(sine, float(a @ b))


def _labelled(seen: Observation, side: str) -> bool:
    rows = [ROW[f"body_{side}_{n}"] for n in ("heel", "big_toe", "small_toe")]
    known = np.isfinite(seen.pixel_sd[rows]) | np.isfinite(seen.point_sd[rows])
    return bool(known.any() or any(np.isfinite(view.pixel_sd[rows]).any() for view in seen.others))


def _ankle(posed: PosedBody, side: str) -> Float[ndarray, "3"]:
    return posed.joints[JOINT[f"{side}_ankle"]]


def _shin(posed: PosedBody, side: str) -> Float[ndarray, "3"]:
    bone = _ankle(posed, side) - posed.joints[JOINT[f"{side}_knee"]]
    return bone / max(float(np.linalg.norm(bone)), 1e-9)


def _feet(body: BodyData, betas: Float[ndarray, " k"]) -> dict[str, _Foot]:
    """Return both feet of a shape at rest."""
    joints = rest_joints(body, betas)
    points = keypoints_from_joints(body, np.broadcast_to(np.eye(3), (24, 3, 3)), joints, betas)
    gaps = _GAPS.get(body, "soles", lambda: _gaps(body))
    out = {}
    for side in _SIDES:
        ankle, toe = joints[JOINT[f"{side}_ankle"]], joints[JOINT[f"{side}_foot"]]
        rows = [ROW[f"body_{side}_{n}"] for n in ("heel", "big_toe", "small_toe")]
        sole = points[rows] - np.outer(gaps[side], (0.0, 1.0, 0.0))
        out[side] = _Foot(sole[:1] - ankle, sole[1:] - toe, toe - ankle)
    return out


def _gaps(body: BodyData) -> dict[str, Float[ndarray, "3"]]:
    """Return how high heel and toes' keypoints lie above the sole of the mean body at rest, m."""
    joints, none = rest_joints(body, np.zeros(0)), np.zeros(0)
    points = keypoints_from_joints(body, np.broadcast_to(np.eye(3), (24, 3, 3)), joints, none)
    out = {}
    for side in _SIDES:
        own = np.isin(body.mesh.owner, [JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]])
        sole = float(body.mesh.vertices[own, 1].min())
        out[side] = points[[ROW[f"body_{side}_{n}"] for n in ("heel", "big_toe", "small_toe")], 1] - sole
    return out


def _reposed(body: BodyData, best: Solution, pose: Float[ndarray, "24 3"]) -> Solution:
    """Return a solution in another pose: its joints and variables follow, cost and uncertainty are of the minimum."""
    x = best.x.copy()
    x[:72] = pose.ravel()
    return replace(best, pose=pose, joints=pose_body(body, pose, best.betas, best.transl).joints, x=x)
