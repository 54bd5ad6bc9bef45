"""Posing: keypoints without vertices equal those of the mesh, collapse, batches, single vertices."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.errors import DataError
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import (
    forward_kinematics,
    keypoints_from_joints,
    pose_body,
    pose_feature,
    rest_joints,
    skinning_transforms,
)
from a3dgen.geometry.camera import inside_image, near_mask
from a3dgen.geometry.mesh import add_directions, skin, skin_batch
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import IS_BELOW, JOINT, ROW, ROW_JOINT


def random_body(body, key):
    rng = generator_for(0, "test_body", key)
    return rng.normal(size=(24, 3)) * 0.5, rng.normal(size=body.num_betas), rng.normal(size=3) + [0, 0, 4]


@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_joint_rows_are_the_joints(body, key):
    pose, betas, transl = random_body(body, key)
    posed = pose_body(body, pose, betas, transl)
    for row, joint in ROW_JOINT.items():
        np.testing.assert_array_equal(posed.keypoints[row], posed.joints[joint])
    np.testing.assert_array_equal(posed.keypoints[ROW["extra_pelvis_mpii"]], posed.joints[JOINT["pelvis"]])


def test_a_zero_pose_is_the_rest_body_moved(body):
    betas = np.linspace(-1, 1, body.num_betas)
    posed = pose_body(body, np.zeros((24, 3)), betas, np.array([1.0, 2, 3]))
    np.testing.assert_allclose(posed.vertices(body.mesh, betas), body.mesh.shaped(betas) + [1, 2, 3], atol=2e-6)
    np.testing.assert_allclose(posed.joints, rest_joints(body, betas) + [1, 2, 3], atol=1e-12)


def test_the_pelvis_turns_in_place(body):
    pose, betas, _ = random_body(body, "turn")
    posed = pose_body(body, pose, betas, np.zeros(3))
    np.testing.assert_allclose(posed.joints[0], rest_joints(body, betas)[0])


def test_bones_keep_their_lengths(body):
    pose, betas, transl = random_body(body, "bones")
    rest = rest_joints(body, betas)
    joints = pose_body(body, pose, betas, transl).joints
    for a, b in ((1, 4), (4, 7), (16, 18), (18, 20), (12, 15)):
        assert np.linalg.norm(joints[a] - joints[b]) == pytest.approx(np.linalg.norm(rest[a] - rest[b]))


def test_zero_matrices_collapse_everything_below_a_joint(body):
    pose, betas, transl = random_body(body, "collapse")
    knee = JOINT["left_knee"]
    rotations = rotvec_to_matrix(pose)
    rotations[knee] = 0
    posed = pose_body(body, pose, betas, transl, rotations=rotations)
    intact = pose_body(body, pose, betas, transl)
    below = IS_BELOW[knee]
    np.testing.assert_allclose(posed.joints[below], np.broadcast_to(intact.joints[knee], (below.sum(), 3)), atol=1e-12)
    np.testing.assert_array_equal(posed.joints[~below], intact.joints[~below])
    own = body.mesh.weights[:, below].sum(1) == 1
    vertices = posed.vertices(body.mesh, betas)[own]
    assert own.sum() > 500
    np.testing.assert_allclose(vertices, np.broadcast_to(posed.joints[knee], vertices.shape), atol=2e-6)


def test_batched_joints_and_keypoints_equal_single_ones(body):
    rng = generator_for(0, "test_body", "batch")
    rotations = rotvec_to_matrix(rng.normal(size=(2, 3, 24, 3)) * 0.4)
    betas = rng.normal(size=(2, 3, body.num_betas))
    rest = rest_joints(body, betas)
    posed, joints = forward_kinematics(rotations, rest)
    keypoints = keypoints_from_joints(body, posed, joints, betas)
    transforms = skinning_transforms(posed, joints, rest)
    one = pose_body(body, np.zeros((24, 3)), betas[1, 2], np.zeros(3), rotations=rotations[1, 2])
    np.testing.assert_allclose(keypoints[1, 2], one.keypoints, atol=1e-12)
    np.testing.assert_allclose(transforms[1, 2], one.transforms, atol=1e-12)


def test_skinning_is_the_weighted_sum_of_transforms(body):
    pose, betas, transl = random_body(body, "skin")
    posed = pose_body(body, pose, betas, transl)
    rest = body.mesh.shaped(betas).astype(np.float64)
    blended = np.einsum("vj,jab->vab", body.mesh.weights.astype(np.float64), posed.transforms)
    expected = np.einsum("vab,vb->va", blended[:, :, :3], rest) + blended[:, :, 3]
    np.testing.assert_allclose(posed.vertices(body.mesh, betas), expected, atol=5e-6)


def test_a_vertex_does_not_depend_on_its_neighbours(body):
    pose, betas, transl = random_body(body, "subset")
    posed = pose_body(body, pose, betas, transl)
    rest, some = body.mesh.shaped(betas), np.arange(5, 9000, 7)
    whole = skin(rest, body.mesh.weights, posed.transforms)
    np.testing.assert_array_equal(skin(rest[some], body.mesh.weights[some], posed.transforms), whole[some])
    part = add_directions(body.mesh.vertices[some], body.mesh.shape_dirs[some], betas)
    np.testing.assert_array_equal(part, rest[some])
    batch = skin_batch(rest[None], body.mesh.weights, np.stack([posed.transforms] * 3))
    np.testing.assert_array_equal(batch[2], whole)


def test_fewer_betas_count_as_zeros(body):
    some = np.array([1.0, -2.0, 0.5])
    padded = np.r_[some, np.zeros(body.num_betas - 3)]
    np.testing.assert_array_equal(body.mesh.shaped(some), body.mesh.shaped(padded))
    np.testing.assert_allclose(rest_joints(body, some), rest_joints(body, padded))


def test_more_betas_than_the_body_has_are_refused(body):
    many = np.zeros(body.num_betas + 1)
    for call in (
        lambda: body.mesh.shaped(many),
        lambda: rest_joints(body, many),
        lambda: pose_body(body, np.zeros((24, 3)), many, np.zeros(3)),
    ):
        with pytest.raises(DataError, match="11 betas were given to a body that has 10"):
            call()


def test_the_pose_feature_holds_local_rotations(body):
    pose, betas, _ = random_body(body, "feature")
    local = rotvec_to_matrix(pose)
    feature = pose_feature(forward_kinematics(local, rest_joints(body, betas))[0])
    np.testing.assert_allclose(feature.reshape(23, 3, 3), local[1:] - np.eye(3), atol=1e-6)


def test_a_pixel_reaches_half_a_pixel_around_its_centre():
    """Pixel centres are integers: the image of 4 x 3 px covers -0.5 to 3.5 by -0.5 to 2.5, edges included."""
    inside = np.array([[0, 0], [3, 2], [-0.5, -0.5], [3.5, 2.5], [-0.4, 2.4], [3.4, -0.4]])
    outside = np.array([[-0.6, 0], [0, -0.6], [3.6, 0], [0, 2.6], [4, 2], [3, 3], [np.nan, 0], [0, np.nan]])
    assert inside_image(inside, 4, 3).all()
    assert not inside_image(outside, 4, 3).any()


def test_near_a_mask_is_within_its_margin_and_nothing_is_said_outside_the_image() -> None:
    mask = np.zeros((20, 30), bool)
    mask[10, 10] = True
    pixels = np.array([[10.0, 10], [13, 7], [13.6, 10], [10, 14], [-4, 10], [-3, 10], [29, 23]])
    assert near_mask(pixels, mask).tolist() == [True, True, False, False, True, False, True]
