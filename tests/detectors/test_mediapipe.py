"""The default detector: on a real frame, on nothing, against MediaPipe itself, and where its networks come from."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from a3dgen.cli import main
from a3dgen.core.errors import MissingDependency
from a3dgen.detectors import DetectorConfig, blazepose, get_detector, networks, ssd
from a3dgen.geometry.skeleton import ROW
from a3dgen.io.images import read_rgb


@pytest.mark.samples
def test_a_skier_is_found_once_with_a_mask(samples):
    rgb = read_rgb(samples / "coco" / "val2017" / "000000000785.jpg")[20:, 200:540]
    people = get_detector(DetectorConfig()).detect(rgb)
    assert len(people) == 1
    person = people[0]
    assert person.mask is not None
    x, y = person.keypoints[ROW["extra_left_hip"], :2]
    assert person.mask[int(y), int(x)]
    assert 0.02 < person.mask.mean() < 0.5
    assert person.keypoints[ROW["extra_left_ankle"], 1] > person.keypoints[ROW["extra_left_hip"], 1]
    assert person.keypoints[ROW["body_left_heel"], 2] > 0


def test_nobody_is_found_in_noise():
    rgb = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    assert get_detector(DetectorConfig()).detect(rgb) == []


RESULTS = Path(__file__).with_name("mediapipe_results.json")
"""What mediapipe 0.10.21 itself says of the picture below; ``measure`` wrote it, in a process of its own."""


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A portrait that comes with matplotlib (public domain), and the same lying on its side."""
    rgb = read_rgb(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    return np.ascontiguousarray(rgb)


def views(rgb: np.ndarray) -> list[np.ndarray]:
    """The picture whole, its upper part, and turned by a quarter: three shapes, three angles."""
    return [rgb, np.ascontiguousarray(rgb[:350, 40:]), np.ascontiguousarray(np.rot90(rgb))]


def described(landmarks: np.ndarray, segmentation: np.ndarray, faces: list[list[list[float]]]) -> dict:
    height, width = segmentation.shape
    coarse = [[float(segmentation[i, j]) for j in range(5, width, 40)] for i in range(5, height, 40)]
    return {"landmarks": landmarks.tolist(), "segmentation": coarse, "faces": faces}


def measure(path: str) -> None:
    """Write ``RESULTS`` with mediapipe itself (Python 3.11 or 3.12)."""
    from mediapipe.python.solutions.face_detection import FaceDetection
    from mediapipe.python.solutions.pose import Pose

    rgb = read_rgb(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    pose = Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True, min_detection_confidence=0.3)
    detectors, out = [FaceDetection(model_selection=k) for k in (0, 1)], []
    for view in views(rgb):
        found = pose.process(view)
        marks = np.array([[m.x, m.y, m.visibility] for m in found.pose_landmarks.landmark])
        faces = []
        for detector in detectors:
            boxes = [
                (d.score[0], d.location_data.relative_bounding_box) for d in detector.process(view).detections or ()
            ]
            faces.append([[s, b.xmin, b.ymin, b.xmin + b.width, b.ymin + b.height] for s, b in boxes])
        out.append(described(marks, np.asarray(found.segmentation_mask), faces))
    Path(path).write_text(json.dumps(out) + "\n")


def compare(portrait: np.ndarray, results: list[dict]) -> None:
    for view, want in zip(views(portrait), results, strict=True):
        pose = blazepose.find_pose(view)
        assert pose is not None
        faces = [[[f.score, *f.box] for f in blazepose.find_faces(view, k, (0.5, 0.6)[k])] for k in (0, 1)]
        found = described(pose.landmarks, pose.segmentation, faces)
        marks, size = np.array(want["landmarks"]), np.array(view.shape[1::-1])
        distance = np.linalg.norm((pose.landmarks - marks)[:, :2] * size, axis=1)
        assert np.median(distance) < 0.2, "px"
        assert np.percentile(distance, 90) < 1.0, "px; a heat map's part may move by one cell"
        assert np.abs((pose.landmarks - marks)[:, 2]).max() < 0.01
        apart = np.abs(np.array(found["segmentation"]) - want["segmentation"])
        assert np.median(apart) < 1e-3
        assert apart.max() < 0.1
        for ours, theirs in zip(found["faces"], want["faces"], strict=True):
            assert len(ours) == len(theirs)
            np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_results_are_those_of_mediapipe(portrait):
    results = json.loads(RESULTS.read_text())
    assert sum(len(faces) for view in results for faces in view["faces"]) >= 3
    compare(portrait, results)


@pytest.mark.slow
def test_results_are_those_of_mediapipe_here(portrait, tmp_path):
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("mediapipe is not installed (there is none for Python 3.13)")
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_mediapipe import measure\n"
    subprocess.run([sys.executable, "-c", f"{script}measure({str(tmp_path / 'r.json')!r})"], check=True)
    compare(portrait, json.loads((tmp_path / "r.json").read_text()))


def test_anchors_are_counted_as_the_networks_count_them():
    assert [len(ssd.anchor_centres(layout)) for layout in (ssd.POSE, ssd.FACE_NEAR, ssd.FACE_FAR)] == [2254, 896, 2304]


def test_boxes_that_overlap_are_merged_by_their_scores():
    boxes = np.array([[[0, 0], [2, 2]], [[0.2, 0], [2.2, 2]], [[5, 5], [6, 6]]], np.float32)
    (first, second) = ssd.merge(boxes, np.array([0.9, 0.3, 0.5], np.float32))
    np.testing.assert_allclose(first[0], [[0.05, 0], [2.05, 2]], atol=1e-6)
    assert (first[1], second[1]) == pytest.approx((0.9, 0.5))


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A cache folder without networks, and no mediapipe on this machine."""
    monkeypatch.setenv("A3DGEN_HOME", str(tmp_path / "home"))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mediapipe" else find(name))
    return tmp_path / "home"


def wheel_of_the_networks(path: Path, spoil: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = networks.folder() if not spoil else None
    with zipfile.ZipFile(path, "w") as archive:
        for name in networks.DIGESTS:
            data = b"no network" if source is None else (source / Path(name).name).read_bytes()
            archive.writestr(f"mediapipe/modules/{name}", data)
    return path


def test_networks_are_taken_from_a_wheel_in_the_cache_folder(tmp_path, request):
    wheel = wheel_of_the_networks(tmp_path / "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl")
    home = request.getfixturevalue("own_home")
    assert not networks.available()
    (home / "networks").mkdir(parents=True)
    wheel.rename(home / "networks" / wheel.name)
    assert networks.available()
    for name, digest in networks.DIGESTS.items():
        assert hashlib.sha256((networks.folder() / Path(name).name).read_bytes()).hexdigest() == digest


def test_networks_of_the_environment_serve_every_user(tmp_path, request, monkeypatch):
    wheel = wheel_of_the_networks(tmp_path / "w.whl")
    request.getfixturevalue("own_home")
    monkeypatch.setattr(networks.sys, "prefix", str(tmp_path / "environment"))
    assert not networks.available()
    shared = tmp_path / "environment/share/a3dgen/networks/mediapipe-0.10.21"
    assert networks.take(wheel, shared)
    assert networks.available()
    assert networks.folder() == shared


def test_the_command_takes_them_from_a_wheel_and_from_nothing_else(tmp_path, request, capsys):
    wheel, other = wheel_of_the_networks(tmp_path / "a.whl"), wheel_of_the_networks(tmp_path / "b.whl", spoil=True)
    home = request.getfixturevalue("own_home")
    assert main(["networks", "--wheel", str(other)]) == 2
    assert "does not hold the networks" in capsys.readouterr().err
    assert main(["networks", "--wheel", str(wheel)]) == 0
    assert capsys.readouterr().out.strip() == str(home / "networks" / "mediapipe-0.10.21")


def test_networks_are_loaded_without_a_word(capfd):
    networks.network.__wrapped__("face_detection/face_detection_short_range.tflite")
    assert capfd.readouterr().err == ""


def test_other_files_are_not_taken_for_the_networks(tmp_path):
    wheel = wheel_of_the_networks(tmp_path / "w.whl", spoil=True)
    assert not networks.take(wheel, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_without_a_way_to_the_networks_the_one_command_is_named(own_home, monkeypatch):
    monkeypatch.setitem(os.environ, "PIP_NO_INDEX", "1")
    with pytest.raises(MissingDependency, match=r"pip download .* mediapipe==0\.10\.21 --dest .*networks"):
        networks.folder()
