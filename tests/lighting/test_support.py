"""The ground under a body: what nearly touches it does."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.geometry.body import pose_body
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.support import resting_up

UP = np.array([0.0, -1.0, 0.0])


def _body(body, tilt: float, **joints: tuple[float, float, float]):
    """Return vertices and joints of somebody upright, with gravity turned by ``tilt`` degrees about the view."""
    pose = np.zeros((24, 3))
    pose[0] = (Rotation.from_euler("z", tilt, degrees=True) * Rotation.from_euler("x", 180, degrees=True)).as_rotvec()
    for name, turn in joints.items():
        pose[JOINT[name]] = turn
    posed = pose_body(body, pose, np.zeros(body.num_betas), np.array([0.0, 0.0, 4.0]))
    return posed.vertices(body.mesh, np.zeros(body.num_betas)), posed.joints


def _feet_apart(joints: np.ndarray, up: np.ndarray) -> float:
    return abs(float((joints[JOINT["left_foot"]] - joints[JOINT["right_foot"]]) @ up))


def test_both_feet_stand_on_the_ground_though_gravity_is_some_degrees_wrong(body) -> None:
    vertices, joints = _body(body, 6.0)
    assert _feet_apart(joints, UP) > 0.015
    up = resting_up(vertices, joints, UP)
    assert _feet_apart(joints, up) < 0.004
    assert 4 < np.degrees(np.arccos(up @ UP)) < 8


def test_who_lifts_a_leg_or_leans_far_rests_on_no_face(body) -> None:
    for vertices, joints in (_body(body, 0.0, left_hip=(-1.2, 0, 0), left_knee=(1.2, 0, 0)), _body(body, 25.0)):
        np.testing.assert_array_equal(resting_up(vertices, joints, UP), UP)
    flat = np.zeros((60, 3))
    np.testing.assert_array_equal(resting_up(flat, joints, UP), UP)
