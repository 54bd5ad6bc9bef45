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


# files as people have them


NAMES = ["left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
         "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "top_head", "neck"]  # fmt: skip


def flags(count):
    found = points(count)
    found[:, 2] = 2
    return found.ravel().tolist()


def coco_of(people, names=(), photo="x.jpg", category=1, **more):
    categories = [{"id": category, "name": "person", "keypoints": list(names)}]
    people = [{"image_id": 3, "category_id": category, **p} for p in people]
    return {"images": [{"id": 3, "file_name": photo}], "annotations": people, "categories": categories, **more}


@pytest.mark.parametrize("order", [1, -1])
def test_names_say_what_each_column_is(tmp_path, order):
    data = coco_of([{"keypoints": flags(14)}], NAMES[::order])
    (person,) = detector(written(tmp_path / "d.json", data)).detect(RGB, "x.jpg")
    at = 10 if order == 1 else 3
    assert person.keypoints[ROW["extra_left_ankle"], 0] == points(14)[at, 0]
    assert person.keypoints[ROW["body_nose"], 2] == 0


def test_a_map_names_columns_of_results(tmp_path):
    row = {"image_id": "x.jpg", "keypoints": points(14).ravel().tolist(), "score": 1.0}
    path = written(tmp_path / "d.json", [row])
    found = get_detector(DetectorConfig("given", keypoints=str(path), keypoints_map=tuple(NAMES[::-1])))
    assert found.detect(RGB, "x.jpg")[0].keypoints[ROW["extra_neck_lsp"], 0] == 1


@pytest.mark.parametrize("bad", [{"keypoints": []}, {"keypoints": None}, {"keypoints": [1, 2]}, {"keypoints": "a"},
                                 {"keypoints": [1] * 12}, {"keypoints": {"a": 1}},
                                 {"image_id": None, "keypoints": [[]]},
                                 {"category_id": 9, "keypoints": [1, 1, 2]}, 7, None])  # fmt: skip
def test_one_bad_person_costs_that_person(tmp_path, bad):
    data = coco_of([{"keypoints": flags(17)}])
    data["annotations"].insert(0, {"image_id": 3, "category_id": 1, **bad} if isinstance(bad, dict) else bad)
    assert len(detector(written(tmp_path / "d.json", data)).detect(RGB, "x.jpg")) == 1


@pytest.mark.parametrize("bad", [(0, 0, 2), (None, None, 0), (float("nan"), 1, 2), (1, 1, 3)])
def test_one_bad_point_costs_the_point(tmp_path, bad):
    values = flags(17)
    values[3:6] = bad
    (person,) = detector(written(tmp_path / "d.json", coco_of([{"keypoints": values}]))).detect(RGB, "x.jpg")
    assert person.keypoints[COCO_ROWS[1], 2] == 0
    assert (person.keypoints[list(COCO_ROWS[2:]), 2] > 0).all()


@pytest.mark.parametrize("mask", [{"size": [2, 2], "counts": "zz"}, {"size": [9, 9], "counts": [5]}, {"counts": []}])
def test_a_damaged_mask_costs_the_mask(tmp_path, mask):
    data = coco_of([{"keypoints": flags(17), "segmentation": mask}])
    (person,) = detector(written(tmp_path / "d.json", data)).detect(RGB, "x.jpg")
    assert person.mask is None


@pytest.mark.parametrize("name", ["C:\\Users\\me\\day\\x.jpg", "/data/day/x.jpg", "set/images/day/x.JPG", "day\\x.jpg"])
def test_names_from_another_machine(tmp_path, name):
    found = detector(written(tmp_path / "d.json", coco_of([{"keypoints": flags(17)}], photo=name)))
    assert len(found.detect(RGB, "day/x.jpg")) == 1
    assert found.detect(RGB, "other/x.jpg") == []
    assert not found.knows("day/y.jpg")


def test_two_entries_that_end_alike_are_named_and_not_used(tmp_path, caplog):
    data = coco_of([{"keypoints": flags(17)}, {"image_id": 4, "keypoints": flags(17)}], photo="/a/x.jpg")
    data["images"].append({"id": 4, "file_name": "/b/x.jpg"})
    assert detector(written(tmp_path / "d.json", data)).detect(RGB, "x.jpg") == []
    assert "/a/x.jpg, /b/x.jpg" in caplog.text


@pytest.mark.parametrize("key", ["pose_keypoints_2d", "pose_keypoints"])
def test_openpose_folders_hold_other_things_too(tmp_path, key, caplog):
    folder = tmp_path / "op"
    hands = {key: [], "hand_left_keypoints_2d": [1, 2, 3]}
    written(folder / "x_keypoints.json", {"people": [hands, {key: points(25).ravel().tolist()}]})
    (folder / "._x_keypoints.json").write_bytes(b"\x00\x05\x16\x07Mac")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x_keypoints.json").write_bytes(b"junk")
    written(folder / "settings.json", {"net_resolution": "-1x368"})
    (folder / "broken.json").write_text("{")
    assert len(detector(folder).detect(RGB, "x.jpg")) == 1
    assert "settings.json" in caplog.text
    assert "broken.json" in caplog.text
    assert "hands or face only" in caplog.text
    (folder / "x_keypoints.json").unlink()
    with pytest.raises(DataError, match="none of 2 JSON files"):
        detector(folder)


def test_results_of_alphapose_and_ultralytics(tmp_path):
    alpha = [{"image_id": "x.jpg", "keypoints": points(136).ravel().tolist(), "score": 2.8, "box": [1, 2, 3, 4]}]
    (person,) = detector(written(tmp_path / "a.json", alpha)).detect(RGB, "x.jpg")
    assert person.keypoints[ROW["body_left_big_toe"], 0] == 21
    x, y, c = points(17).T.tolist()
    box = {"x1": 1, "y1": 2, "x2": 50, "y2": 60}
    one = {"name": "person", "class": 0, "confidence": 0.9, "box": box, "keypoints": {"x": x, "y": y, "visible": c}}
    ball = {"name": "ball", "class": 32, "confidence": 0.9, "box": box}
    (person,) = detector(written(tmp_path / "x.json", [ball, one])).detect(RGB, "x.jpg")
    np.testing.assert_allclose(person.keypoints[list(COCO_ROWS)], points(17))
    np.testing.assert_allclose(person.box, [1, 2, 50, 60])


@pytest.mark.parametrize(
    ("data", "what"),
    [("\ufeff" + json.dumps([]), ""), (json.dumps([]).encode("utf-16"), "UTF-16"),
     (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"<!doctype html>", "web page")],
)  # fmt: skip
def test_what_the_file_is(tmp_path, data, what):
    path = tmp_path / "d.json"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    if not what:
        assert detector(path).names == set()
        return
    with pytest.raises(DataError, match=what):
        detector(path)


def test_single_points_are_no_skeletons(tmp_path):
    categories = [{"id": k, "name": n, "keypoints": []} for k, n in enumerate(NAMES, 1)]
    rows = [{"image_id": 3, "category_id": k, "keypoints": [k, k, 2]} for k in range(1, 15)]
    data = {"images": [{"id": 3, "file_name": "x.jpg"}], "annotations": rows, "categories": categories}
    with pytest.raises(DataError, match="single points, not skeletons"):
        detector(written(tmp_path / "d.json", data))


BODY25 = [v for i in range(25) for v in (10 + i, 5 + i, 0.9)]
PLACES = [[10 + i, 5 + i] for i in range(17)]
SURE = [0.9] * 17
RESULT = {"image_id": "x.jpg", "score": 0.7, "keypoints": [v for x, y in PLACES for v in (x, y, 0.9)]}


def ultralytics(**changes):
    x, y = zip(*PLACES, strict=True)
    return {"name": "person", "class": 0, "confidence": 0.8, "keypoints": {"x": x, "y": y, "visible": SURE}} | changes


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ({"people": [{"pose_keypoints_2d": [BODY25[3 * i : 3 * i + 3] for i in range(25)]}]}, 23),
        ({"people": [{"pose_keypoints_2d": ["a", "b", 0.5, *BODY25[3:]]}]}, 22),
        ({"people": [{"pose_keypoints_2d": [-1, -1, 0.5, *BODY25[3:]]}, None, {"pose_keypoints_2d": 5}]}, 22),
        ({"x.jpg": {"version": "AlphaPose", "people": [{"pose_keypoints_2d": BODY25[:54]}]}}, 17),
        ({"x.jpg": {"version": "AlphaPose", "bodies": [{"joints": BODY25[:54]}]}}, 17),
        ([{"keypoints": PLACES, "keypoint_scores": [None, *SURE[1:]], "bbox_score": None}], 16),
        ([{"keypoints": PLACES[:5], "keypoint_scores": SURE}, {"keypoints": PLACES, "keypoint_scores": SURE}], 17),
        ([{"keypoints": [["x", 1], *PLACES[1:]], "keypoint_scores": SURE}], 16),
        ([ultralytics(keypoints=None), ultralytics()], 17),
        ([ultralytics(keypoints={"x": [1, 2], "y": [1]}), ultralytics()], 17),
        ([RESULT | {"score": None}, RESULT | {"keypoints": [1, 1, 1]}], 17),
        ({"info": {}, "results": [RESULT | {"score": "0.8"}]}, 17),
    ],
)  # fmt: skip
def test_what_detectors_write_in_other_forms(tmp_path, data, count):
    """One bad item costs that item, in every kind of file."""
    people = detector(written(tmp_path / "x.json", data)).detect(RGB, "x.jpg")
    assert [int((p.keypoints[:, 2] > 0).sum()) for p in people] == [count]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"people": [{"pose_keypoints_2d": [v / 100 if i % 3 < 2 else v for i, v in enumerate(BODY25)]}]}, "shares"),
        ([ultralytics(keypoints={"x": [0.1] * 17, "y": [0.2] * 17})], "shares"),
        (
            [ultralytics(keypoints={"x": [1] * 17, "y": [2] * 17, "visible": [1] * 9})],
            "17 keypoints, but 9 confidences",
        ),
        ([{k: v for k, v in ultralytics().items() if k != "keypoints"}], "no pose model?"),
        ({"version": "5", "shapes": [], "imagePath": "x.jpg"}, "labelme"),
        ([{"id": 1, "data": {}, "annotations": []}], "Label Studio's own JSON"),
    ],
)
def test_what_is_left_out_is_said(tmp_path, caplog, data, says):
    path, said = written(tmp_path / "x.json", data), ""
    try:
        assert not detector(path).detect(RGB, "x.jpg")
    except DataError as error:
        said = str(error)
    assert says in said + caplog.text


@pytest.mark.parametrize(
    "categories",
    [
        [{"id": 0, "name": "Person", "keypoints": NAMES}],
        [{"id": 3, "name": "dog", "keypoints": NAMES[:9]}, {"id": 0, "name": "person", "keypoints": NAMES}],
        [{"id": 0, "name": "skater", "keypoints": NAMES}, {"id": 3, "name": "ball"}],
        [{"id": 3, "name": "dog", "keypoints": NAMES}, {"id": 0, "name": "Pedestrians", "keypoints": NAMES}],
    ],
)
def test_the_category_of_people_whatever_its_id_and_name(tmp_path, categories):
    people = [{"image_id": 3, "category_id": 0, "keypoints": flags(14)}]
    others = [(c["id"], len(c.get("keypoints", []))) for c in categories if c["id"]]
    people += [{"image_id": 3, "category_id": k, "bbox": [0, 0, 5, 5], "keypoints": flags(n)} for k, n in others]
    data = coco_of([]) | {"categories": categories, "annotations": people}
    (person,) = detector(written(tmp_path / "d.json", data)).detect(RGB, "x.jpg")
    assert person.keypoints[ROW["extra_left_ankle"], 0] == points(14)[10, 0]


def test_without_a_category_of_people_the_file_says_what_it_has(tmp_path):
    categories = [{"id": 1, "name": "cup"}, {"id": 2, "name": "ball"}]
    people = [{"image_id": 3, "category_id": k, "bbox": [0, 0, 5, 5]} for k in (1, 2)]
    data = coco_of([]) | {"categories": categories, "annotations": people}
    with pytest.raises(DataError, match=r"cup.*ball"):
        detector(written(tmp_path / "d.json", data)).detect(RGB, "x.jpg")
