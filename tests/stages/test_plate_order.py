"""Who stands in front of whom, and what unknown thing stands in front of somebody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.removal.config import Config
from a3dgen.removal.label_map import Figure
from a3dgen.removal.masks import plan_removal
from a3dgen.removal.order import before, hidden_by_nothing, order_of_masks, require_known_front
from a3dgen.removal.photo import CERTAIN, RemovalScene

H, W = 200, 260
FRONT, BACK = slice(60, 110), slice(95, 150)


def _box(columns: slice, rows: slice = slice(30, 180)) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[rows, columns] = True
    return out


def _figure(rough: np.ndarray, mask: np.ndarray, points: dict[str, tuple[float, float, int]]) -> Figure:
    keypoints, state = np.zeros((NUM_ROWS, 3)), np.full(NUM_ROWS, UNLABELLED, np.uint8)
    for name, (x, y, seen) in points.items():
        keypoints[ROW[name]], state[ROW[name]] = (x, y, 1), seen
    return Figure(mask, rough, keypoints, state, 150.0)


def _pair() -> tuple[Figure, Figure]:
    front = _figure(_box(FRONT), _box(FRONT), {"extra_right_wrist": (103, 100, VISIBLE)})
    back = _figure(_box(BACK), _box(BACK) & ~_box(FRONT), {"extra_left_wrist": (104, 90, OCCLUDED)})
    return front, back


def test_masks_keypoints_and_feet_say_who_is_in_front() -> None:
    front, back = _pair()
    assert before(front, back, front.mask, back.mask) > CERTAIN
    assert before(back, front, back.mask, front.mask) < -CERTAIN
    alike = _figure(_box(FRONT), _box(FRONT), {}), _figure(_box(slice(120, 170)), _box(slice(120, 170)), {})
    assert before(*alike, alike[0].mask, alike[1].mask) == 0, "nothing tells"
    low = _figure(_box(FRONT), _box(FRONT), {"extra_left_ankle": (80, 178, VISIBLE)})
    high = _figure(_box(slice(120, 170)), _box(slice(120, 170)), {"extra_left_ankle": (140, 150, VISIBLE)})
    assert 0 < before(low, high, low.mask, high.mask) < CERTAIN, "feet alone are a hint"
    crowd = _box(slice(200, 240))
    assert order_of_masks([back.mask, crowd], [front, back], 0) == [before(front, back, front.mask, back.mask), 0.0]


def test_who_stands_behind_hides_nothing() -> None:
    front, back = _pair()
    rgb = np.full((H, W, 3), 150, np.uint8)
    rgb[back.mask], rgb[front.mask] = (40, 60, 160), (200, 60, 40)
    body = _box(slice(60, 125))  # the fitted body is too wide, and reaches over the one behind
    scene = RemovalScene(rgb, front.mask, [back.mask], [], body, front.keypoints[:, :2], front.state, 150.0)
    for score, hides in ((0.0, True), (3.0, False), (-3.0, True)):
        found = plan_removal(Config(), replace(scene, nearer=(score,)))
        assert bool((found.front & back.mask).any()) == hides
        assert not (found.hole & back.mask).any(), "whoever is in front, nobody else is filled"


@pytest.fixture
def hidden_legs(body) -> tuple[RemovalScene, dict]:
    """Somebody who stands free by their fit, with both knees, ankles and a wrist labelled hidden."""
    K = np.array([[300.0, 0, W / 2], [0, 300.0, H / 2], [0, 0, 1]])
    pose, transl = np.zeros((24, 3)), np.array([0.0, 0.1, 3.8])
    pose[0] = (np.pi, 0, 0)
    posed = pose_body(body, pose, np.zeros(body.num_betas), transl)
    points = project(posed.keypoints, K)
    state = np.full(NUM_ROWS, VISIBLE, np.uint8)
    names = ("left_knee", "right_knee", "left_ankle", "right_ankle", "left_wrist")
    state[[ROW[f"extra_{n}"] for n in names]] = OCCLUDED
    none = np.zeros((H, W), bool)
    scene = RemovalScene(np.zeros((H, W, 3), np.uint8), none, [], [], none, points, state, 150.0)
    return scene, {"pose": pose, "betas": np.zeros(body.num_betas), "transl": transl, "K": K}


def test_something_unknown_in_front_is_a_reason_to_refuse(hidden_legs) -> None:
    scene, row = hidden_legs
    names = ["left_ankle", "left_knee", "left_wrist", "right_ankle", "right_knee"]
    assert hidden_by_nothing(scene, row, BodyConfig()) == names
    with pytest.raises(Rejected, match="no mask outlines stands in front of the person: their left ankle"):
        require_known_front(scene, row, BodyConfig(), 2)
    table = _box(slice(0, W), slice(int(scene.keypoints[ROW["extra_left_knee"], 1]) - 6, H))
    outlined = replace(scene, objects=[table])
    assert hidden_by_nothing(outlined, row, BodyConfig()) == ["left_wrist"]
    require_known_front(outlined, row, BodyConfig(), 2)
