"""Every kind of file with finished detections, and what they are matched by."""

from __future__ import annotations

import json

import numpy as np
import pytest

from a3dgen.core.errors import ConfigError, DataError, MissingDependency
from a3dgen.detectors import DETECTORS, DetectorConfig, get_detector
from a3dgen.geometry.skeleton import COCO_FOOT_ROWS, COCO_ROWS, ROW

RGB = np.zeros((100, 100, 3), np.uint8)


def points(count):
    return np.column_stack([np.arange(count) + 1.0, np.arange(count) + 30.0, np.full(count, 0.8)])


def detector(path):
    return get_detector(DetectorConfig("given", keypoints=str(path)))


def written(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("image", ["a/IMG_7.jpg", "IMG_7.jpg", "IMG_7", "a/IMG_7", 7])
@pytest.mark.parametrize("count", [17, 133])
def test_coco_results(tmp_path, image, count):
    row = {"image_id": image, "category_id": 1, "keypoints": points(count).ravel().tolist(), "score": 0.7}
    (person,) = detector(written(tmp_path / "d.json", [row])).detect(RGB, "a/IMG_7.jpg")
    np.testing.assert_allclose(person.keypoints[list(COCO_ROWS)], points(17))
    assert person.score == pytest.approx(0.7)
    assert (person.keypoints[list(COCO_FOOT_ROWS), 2] > 0).all() == (count == 133)


def test_coco_annotations_with_an_images_table(tmp_path):
    flags = points(17)
    flags[:, 2] = 2
    flags[0, 2] = 0
    data = {
        "images": [{"id": 3, "file_name": "x.png"}],
        "annotations": [{"image_id": 3, "keypoints": flags.ravel().tolist(), "bbox": [1, 2, 30, 40]}],
    }
    (person,) = detector(written(tmp_path / "d.json", data)).detect(RGB, "x.png")
    np.testing.assert_allclose(person.box, [1, 2, 31, 42])
    assert person.keypoints[COCO_ROWS[0]].sum() == 0
    assert person.keypoints[COCO_ROWS[1], 2] == 1


@pytest.mark.parametrize("count", [25, 18])
def test_openpose_folder(tmp_path, count):
    data = {"version": 1.3, "people": [{"pose_keypoints_2d": points(count).ravel().tolist()}]}
    written(tmp_path / "op" / "day" / "x_keypoints.json", data)
    (person,) = detector(tmp_path / "op").detect(RGB, "day/x.jpg")
    assert person.keypoints[ROW["extra_right_wrist"], 0] == points(count)[4, 0]
    assert person.keypoints[ROW["extra_left_ankle"], 0] == points(count)[14 if count == 25 else 13, 0]
    assert person.keypoints[ROW["body_right_shoulder"], 2] == 0
    assert (person.keypoints[ROW["body_left_big_toe"], 2] > 0) == (count == 25)


def test_mmpose_predictions(tmp_path):
    one = {
        "keypoints": points(17)[:, :2].tolist(),
        "keypoint_scores": [0.8] * 17,
        "bbox": [[0, 0, 50, 60]],
        "bbox_score": 0.9,
    }
    written(tmp_path / "preds" / "x.json", [one])
    (person,) = detector(tmp_path / "preds").detect(RGB, "x.jpg")
    np.testing.assert_allclose(person.keypoints[list(COCO_ROWS)], points(17))
    np.testing.assert_allclose(person.box, [0, 0, 50, 60])
    written(tmp_path / "v" / "walk.json", {"instance_info": [{"frame_id": 10, "instances": [one]}]})
    assert len(detector(tmp_path / "v").detect(RGB, "walk.mp4@10")) == 1


def test_detectron2_results_have_heights_of_heat_maps_for_confidences(tmp_path):
    peaks = points(17)
    peaks[:, 2] = np.linspace(0.01, 1.6, 17)
    row = {
        "image_id": 785,
        "category_id": 1,
        "score": 0.99,
        "bbox": [1, 2, 30, 40],
        "keypoints": peaks.ravel().tolist(),
    }
    path = written(tmp_path / "coco_instances_results.json", [row, {"image_id": 785, "bbox": [0, 0, 1, 1]}])
    (person,) = detector(path).detect(RGB, "000000000785.jpg")
    confidence = person.keypoints[list(COCO_ROWS), 2]
    assert confidence[np.searchsorted(peaks[:, 2], 0.1)] >= 0.5
    assert confidence.max() <= 1


def test_halpe_points_bring_feet(tmp_path):
    one = {"keypoints": points(26)[:, :2].tolist(), "keypoint_scores": [0.8] * 26}
    (person,) = detector(written(tmp_path / "x.json", [one])).detect(RGB, "x.jpg")
    np.testing.assert_allclose(person.keypoints[ROW["body_right_small_toe"]], points(26)[23])
    np.testing.assert_allclose(person.keypoints[ROW["body_left_heel"]], points(26)[24])


def test_photos_without_detections_hold_nobody(tmp_path):
    assert detector(written(tmp_path / "d.json", [])).detect(RGB, "x.jpg") == []


@pytest.mark.parametrize("data", ["hello", {"a": 1}, [{"image_id": 1, "keypoints": [1, 2, 3]}], [[1]]])
def test_other_files_are_one_line(tmp_path, data):
    with pytest.raises(DataError, match=r"d\.json"):
        detector(written(tmp_path / "d.json", data))


def test_missing_files_and_packages_say_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="no file or folder"):
        detector(tmp_path / "none.json")
    onnx = tmp_path / "pose.onnx"
    onnx.write_bytes(b"x")
    for name in ("rtmlib", "detectron2", "mmpose"):
        try:
            __import__(name)
        except ImportError:
            with pytest.raises(MissingDependency, match="pip install"):
                get_detector(DetectorConfig(name, weights=str(onnx)))
    with pytest.raises(ConfigError, match="unknown detector"):
        get_detector(DetectorConfig("mediapip"))
    assert "mediapipe" in DETECTORS
