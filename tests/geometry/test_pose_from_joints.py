"""Rotations from places of joints: the same body's joints come back exactly, whatever the pose."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.geometry.body import forward_kinematics, rest_joints
from a3dgen.geometry.pose_from_joints import pose_from_joints
from a3dgen.geometry.skeleton import JOINT


def test_joints_come_back_where_they_were(body):
    rng = np.random.default_rng(3)
    turned = Rotation.from_rotvec(rng.normal(0, 0.8, (20 * 24, 3))).as_matrix().reshape(20, 24, 3, 3)
    rest = rest_joints(body, np.zeros(body.num_betas))
    _, joints = forward_kinematics(turned, np.broadcast_to(rest, (20, 24, 3)))
    found = pose_from_joints(joints + [1.0, 2.0, 3.0], rest)
    np.testing.assert_allclose(np.linalg.det(found), 1)
    _, again = forward_kinematics(found, np.broadcast_to(rest, (20, 24, 3)))
    np.testing.assert_allclose(again, joints - joints[:, :1] + again[:, :1], atol=1e-9)
    np.testing.assert_allclose(found[:, 0], turned[:, 0], atol=1e-9)  # three bones tell all of a rotation


def test_a_bone_that_points_the_other_way_and_bones_that_have_no_length(body):
    rest = rest_joints(body, np.zeros(body.num_betas))
    other = rest.copy()
    other[JOINT["left_ankle"]] = 2 * rest[JOINT["left_knee"]] - rest[JOINT["left_ankle"]]
    found = pose_from_joints(np.stack([other, np.zeros((24, 3)), rest]), rest)
    bone = rest[JOINT["left_ankle"]] - rest[JOINT["left_knee"]]
    np.testing.assert_allclose(found[0, JOINT["left_knee"]] @ bone, -bone, atol=1e-12)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[2], np.tile(np.eye(3), (24, 1, 1)), atol=1e-12)
    anywhere = np.random.default_rng(0).normal(size=(50, 24, 3))  # no body's joints: a rotation all the same
    np.testing.assert_allclose(np.linalg.det(pose_from_joints(anywhere, rest)), 1)
