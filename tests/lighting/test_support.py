"""The ground under a body: what nearly touches it does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a3dgen.geometry.body import pose_body
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.support import ground_below

UP = np.array([0.0, -1.0, 0.0])


def _body(body, tilt: float, **joints: tuple[float, float, float]):
    """Return vertices and joints of somebody upright, with gravity turned by ``tilt`` degrees about the view."""
    pose = np.zeros((24, 3))
    pose[0] = (Rotation.from_euler("z", tilt, degrees=True) * Rotation.from_euler("x", 180, degrees=True)).as_rotvec()
    for name, turn in joints.items():
        pose[JOINT[name]] = turn
    posed = pose_body(body, pose, np.zeros(body.num_betas), np.array([0.0, 0.0, 4.0]))
    return posed.vertices(body.mesh, np.zeros(body.num_betas)), posed.joints


def _feet(body, vertices: np.ndarray) -> list[np.ndarray]:
    owner = body.mesh.owner
    return [vertices[np.isin(owner, [JOINT[f"{s}_ankle"], JOINT[f"{s}_foot"]])] for s in ("left", "right")]


def _feet_apart(joints: np.ndarray, up: np.ndarray) -> float:
    return abs(float((joints[JOINT["left_foot"]] - joints[JOINT["right_foot"]]) @ up))


def test_both_feet_stand_on_the_ground_though_gravity_is_some_degrees_wrong(body) -> None:
    vertices, joints = _body(body, 6.0)
    assert _feet_apart(joints, UP) > 0.015
    up = ground_below(vertices, joints, UP, _feet(body, vertices)).up
    assert _feet_apart(joints, up) < 0.004
    assert 4 < np.degrees(np.arccos(up @ UP)) < 8


def test_who_lifts_a_leg_or_leans_far_rests_on_no_face(body) -> None:
    for vertices, joints in (_body(body, 0.0, left_hip=(-1.2, 0, 0), left_knee=(1.2, 0, 0)), _body(body, 25.0)):
        np.testing.assert_array_equal(ground_below(vertices, joints, UP, _feet(body, vertices)).up, UP)
    flat = np.zeros((60, 3))
    np.testing.assert_array_equal(ground_below(flat, joints, UP, [flat, flat]).up, UP)


def _box(x: float, height: float) -> np.ndarray:
    """Return a grid of points of a small box whose underside is so high above the ground, 1 m below the camera."""
    side = np.linspace(-0.05, 0.05, 9)
    points = np.stack(np.meshgrid(side, side, side), -1).reshape(-1, 3)
    return points + (x, 1.0 - height - 0.05, 4.0)


def test_the_ground_turns_to_lie_under_both_feet_of_who_does_not_rest() -> None:
    joints = np.tile([0.0, -0.2, 2.5], (24, 1))  # the weight is far before the feet
    feet = [_box(-0.3, 0.0), _box(0.3, 0.05)]
    ground = ground_below(np.concatenate(feet), joints, UP, feet)
    heights = [float((foot @ ground.up).min()) - ground.level for foot in feet]
    assert heights == pytest.approx([0, 0], abs=0.02)
    assert np.degrees(np.arccos(ground.up @ UP)) == pytest.approx(np.degrees(np.arcsin(0.05 / 0.6)), abs=0.2)
    feet[1] = _box(0.3, 0.2)
    np.testing.assert_array_equal(ground_below(np.concatenate(feet), joints, UP, feet).up, UP)


def test_who_rests_is_not_turned_once_more(body) -> None:
    """The face found lies under the soles: a second turn, by two feet of unequal points, would lift some of them."""
    vertices, joints = _body(body, 5.0)
    face = ground_below(vertices, joints, UP, _feet(body, vertices))
    odd = [_feet(body, vertices)[0][:40], _feet(body, vertices)[1]]
    np.testing.assert_array_equal(ground_below(vertices, joints, UP, odd).up, face.up)
