"""Whose heads are blurred, and where a head is when no detector has a point of the face."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from a3dgen.core.errors import MissingDependency
from a3dgen.detectors import Person, faces
from a3dgen.detectors.faces import believed, blur, head_circles, of_others, on_legs, own_limbs
from a3dgen.geometry.skeleton import ROW

NONE = np.zeros((0, 3))


def standing(x, face=True, top=False, shoulders=True, hips=True, mask=None):
    """A person of 200 px whose head is around (x, 30)."""
    keypoints = np.zeros((44, 3))

    def put(name, dx, y):
        keypoints[ROW[name]] = (x + dx, y, 0.9)

    if face:
        for name, dx, y in (("nose", 0, 32), ("left_eye", 5, 28), ("right_eye", -5, 28)):
            put(f"body_{name}", dx, y)
    if top:
        put("extra_head_top_lsp", 0, 10)
        put("extra_neck_lsp", 0, 48)
    if shoulders:
        put("extra_left_shoulder", 20, 55)
        put("extra_right_shoulder", -20, 55)
    if hips:
        put("extra_left_hip", 14, 120)
        put("extra_right_hip", -14, 120)
        put("extra_left_ankle", 14, 210)
    return Person(np.array([x - 30.0, 5, x + 30, 215]), keypoints, 0.9, mask)


@pytest.mark.parametrize(
    "known",
    [
        {"face": True},
        {"face": False, "top": True},
        {"face": False},
        {"face": False, "shoulders": False},
        {"face": False, "shoulders": False, "hips": False},
    ],
)
def test_every_detected_person_has_a_head(known):
    ((x, y, radius),) = head_circles([standing(100, **known)])
    assert np.hypot(x - 100, y - 30) + 12 < radius + 8
    assert 10 < radius < 60


def test_everybody_but_the_person_is_blurred():
    mask = np.zeros((220, 600), bool)
    mask[40:215, 70:130] = True
    own, other = standing(100, mask=mask), standing(300)
    seen = np.array([[100.0, 30, 14], [301, 31, 12], [450, 60, 10], [100, 120, 15], [95, 30, 20], [100, 160, 20]])
    circles = of_others(own, [other], seen)
    at = {tuple(np.round(c[:2]).astype(int)) for c in circles}
    # their own head, and what lies on their own outline, is left
    assert at >= {(301, 31), (450, 60)}
    assert not at & {(100, 30), (95, 30), (100, 120), (100, 160)}
    assert of_others(own, [], NONE).shape == (0, 3)


def test_knees_and_feet_are_no_faces_but_a_head_before_a_leg_is():
    tall, small = standing(100), standing(300)
    for side, dx in (("left", 10), ("right", -10)):
        for joint, y in (("hip", 120), ("knee", 175), ("ankle", 225)):
            tall.keypoints[ROW[f"extra_{side}_{joint}"]] = (100 + dx, y, 0.9)
    small.keypoints[:, :2] += (-190, 150)  # their head, around (110, 180), is before the knee
    seen = np.array([[112, 176, 15], [92, 230, 12], [150, 176, 15], [110, 125, 10]], float)
    assert on_legs([tall], seen).tolist() == [True, True, False, False]
    assert on_legs([tall, small], seen).tolist() == [False, True, False, False]
    assert not on_legs([tall], NONE).size


def test_the_near_range_detector_is_believed_on_people_at_the_size_of_heads():
    region = np.zeros((200, 200), bool)
    region[:100] = True
    near = np.array([
        [50, 50, 20, 0.4], [52, 50, 21, 0.4],  # seen twice
        [150, 50, 20, 0.7], [150, 90, 20, 0.5],  # once plainly, once not
        [100, 20, 60, 0.7], [20, 20, 60, 0.9],  # large: only if certain
        [50, 150, 20, 0.9],  # on nobody
    ])  # fmt: skip
    assert believed(near, region, 20.0).tolist() == [True, True, True, False, False, True, False]
    assert believed(near, region, 0.0)[4]


def test_blurring_goes_on_at_the_border():
    rgb = np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8)
    out = blur(rgb, np.array([[0.0, 0, 20], [59, 49, 8], [-40, 10, 5]]))
    assert out[:10, :10].std() < 0.4 * rgb[:10, :10].std()
    np.testing.assert_array_equal(out[25:35, 25:35], rgb[25:35, 25:35])


def test_the_persons_own_limbs_are_never_blurred():
    own = standing(100)
    own.keypoints[ROW["extra_left_elbow"]] = (150, 90, 0.9)
    own.keypoints[ROW["extra_left_wrist"]] = (200, 90, 0.9)
    limbs = own_limbs(own, 220, 300)
    assert limbs[72, 135]
    assert limbs[90, 215]  # the hand, beyond the wrist
    assert not limbs[90, 235]
    assert not limbs[30, 100]
    rgb = np.random.default_rng(0).integers(0, 255, (220, 300, 3), np.uint8)
    out = blur(rgb, np.array([[140.0, 75, 30]]), limbs)
    assert (out[limbs] == rgb[limbs]).all()
    assert (out[60:70, 150:160] != rgb[60:70, 150:160]).any()


def test_what_is_not_seen_again_on_a_close_crop_is_no_face(monkeypatch):
    rgb = np.zeros((200, 300, 3), np.uint8)
    centred = SimpleNamespace(box=np.array([0.3, 0.3, 0.7, 0.7]))
    monkeypatch.setattr(faces, "find_faces", lambda part, kind, least: [centred])
    assert faces.face_again(rgb, np.array([100.0, 90, 15]))
    aside = SimpleNamespace(box=np.array([0.0, 0.0, 0.2, 0.2]))
    monkeypatch.setattr(faces, "find_faces", lambda part, kind, least: [aside])
    assert not faces.face_again(rgb, np.array([100.0, 90, 15]))


def test_without_mediapipe_the_option_is_named(monkeypatch):
    def missing():
        raise MissingDependency("mediapipe", "the detector mediapipe")

    monkeypatch.setattr(faces, "folder", missing)
    with pytest.raises(MissingDependency, match=r"privacy\.blur_bystanders needs .* set it to false"):
        faces.possible_faces(np.zeros((40, 40, 3), np.uint8), [])


@pytest.mark.samples
@pytest.mark.slow
def test_faces_of_people_nobody_detected_are_found(samples):
    from a3dgen.detectors import DetectorConfig, get_detector
    from a3dgen.detectors.faces import possible_faces
    from a3dgen.io.images import read_rgb

    rgb = read_rgb(samples / "coco" / "val2017" / "000000197388.jpg")
    people = get_detector(DetectorConfig()).detect(rgb)
    seen = possible_faces(rgb, people)
    # the skier in red behind the one in blue is in no detection of the default detector
    circles = of_others(people[0], people[1:], seen)
    assert any(np.hypot(x - 343, y - 85) < radius for x, y, radius in circles)
