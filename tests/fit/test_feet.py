"""Feet that nobody labelled stand flat where they carry the body; nothing else of a fit moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a3dgen.fit.feet import with_feet_flat
from a3dgen.fit.limits import joint_limits
from a3dgen.fit.observation import Fit, Observation, Solution, Support
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT, JOINTS, ROW

DOWN = Rotation.from_euler("x", 8, degrees=True).apply([0.0, 1.0, 0.0])
FEET = [JOINT[f"{s}_{n}"] for s in ("left", "right") for n in ("ankle", "foot")]


def _case(body, **turns: tuple[float, float, float]):
    """Return an observation that ends at the ankles and a fit, upright against ``DOWN``, with some joints turned."""
    pose = np.zeros((24, 3))
    up = Rotation.from_euler("x", 8, degrees=True) * Rotation.from_euler("x", 180, degrees=True)
    pose[0] = (up * Rotation.from_euler("y", 35, degrees=True)).as_rotvec()
    for name, turn in turns.items():
        pose[JOINT[name]] = turn
    betas, transl = np.full(body.num_betas, 0.4), np.array([0.2, 0.1, 4.0])
    joints = pose_body(body, pose, betas, transl).joints
    x = np.concatenate([pose.ravel(), betas, transl, [0.0]])
    best = Solution(pose, betas, transl, 1.0, 3.0, joints, np.full(24, 0.02), x)
    sd = np.full(44, np.inf)
    sd[list(COCO_ROWS)] = 3.0
    seen = Observation(np.zeros((44, 2)), sd, np.eye(3), 300.0, support=Support(DOWN, 1.4, np.full(44, np.inf)))
    return seen, Fit(best, (), 1)


def _soles(body, fit: Fit) -> dict[str, np.ndarray]:
    """Return the heights (m, of heel and toes above the lowest of all) of each foot."""
    best = fit.best
    skin = pose_body(body, best.pose, best.betas, best.transl).vertices(body.mesh, best.betas)
    rest = body.mesh.shaped(best.betas)
    out = {}
    for side in ("left", "right"):
        own = np.isin(body.mesh.owner, [JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]])
        sole = own & (rest[:, 1] < rest[own, 1].min() + 0.01)
        back, front = np.quantile(rest[sole, 2], (0.15, 0.85))
        ends = sole & (rest[:, 2] < back), sole & (rest[:, 2] > front)
        out[side] = np.array([-(skin[end] @ DOWN).mean() for end in ends])
    lowest = min(v.min() for v in out.values())
    return {side: v - lowest for side, v in out.items()}


def test_hanging_feet_stand_flat_and_nothing_else_moves(body) -> None:
    seen, fit = _case(body, left_ankle=(0.5, 0.1, 0.1), right_ankle=(0.4, 0, 0), right_foot=(0.5, 0, 0))
    assert max(np.ptp(v) for v in _soles(body, fit).values()) > 0.05
    found = with_feet_flat(body, seen, fit)
    for heights in _soles(body, found).values():
        assert heights.max() < 0.02
    others = np.setdiff1d(np.arange(24), FEET)
    np.testing.assert_array_equal(found.best.pose[others], fit.best.pose[others])
    kept = [j for j in range(24) if "foot" not in JOINTS[j]]
    np.testing.assert_allclose(found.best.joints[kept], fit.best.joints[kept], atol=1e-9)
    np.testing.assert_array_equal(found.best.x[:72], found.best.pose.ravel())
    again = pose_body(body, found.best.pose, found.best.betas, found.best.transl)
    np.testing.assert_allclose(again.joints, found.best.joints, atol=1e-9)
    low, high = (limit.reshape(-1, 3) for limit in joint_limits())
    for joint in FEET:
        assert (found.best.pose[joint] > low[joint - 1] - 1e-9).all()
        assert (found.best.pose[joint] < high[joint - 1] + 1e-9).all()


def test_a_lifted_foot_reaches_the_ground_with_its_toes_and_no_further(body) -> None:
    lifted = {"right_hip": (-0.25, 0, 0), "right_knee": (0.55, 0, 0)}  # some eight centimetres
    seen, fit = _case(body, right_ankle=(0.85, 0, 0), **lifted)
    assert _soles(body, fit)["left"].min() > 0.03, "the toes are below the other sole"
    heel, toes = _soles(body, with_feet_flat(body, seen, fit))["right"]
    assert toes < 0.015
    assert heel > 0.035
    high = {"right_hip": (-0.9, 0, 0), "right_knee": (1.2, 0, 0)}
    seen, fit = _case(body, right_ankle=(0.5, 0, 0), **high)
    assert with_feet_flat(body, seen, fit) is fit


@pytest.mark.parametrize("how", ["labelled", "no ground", "upside down", "kneels"])
def test_feet_stay_where_something_else_is_known_of_them(body, how: str) -> None:
    turns = {"left_ankle": (0.5, 0, 0), "right_ankle": (0.5, 0, 0)}
    if how == "kneels":
        turns |= {"left_knee": (1.5, 0, 0), "right_knee": (1.5, 0, 0)}
    seen, fit = _case(body, **turns)
    assert how == "kneels" or with_feet_flat(body, seen, fit) is not fit
    sd = seen.pixel_sd.copy()
    sd[[ROW["body_left_heel"], ROW["body_right_big_toe"]]] = 3.0
    changes = {"labelled": {"pixel_sd": sd}, "no ground": {"support": None}, "upside down": {"inverted": True}}
    assert with_feet_flat(body, replace(seen, **changes.get(how, {})), fit) is fit
