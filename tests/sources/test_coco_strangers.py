"""One COCO file as strangers write it, through both roads: the source ``coco`` and finished detections (``given``)."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import numpy as np
import pytest
from raw_trees import COCO_POINTS, H, W, coco_person, split_found

from a3dgen.core.errors import DataError
from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.geometry.skeleton import COCO_ROWS, ROW
from a3dgen.sources.coco import Config, read

NAMES = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
         "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
         "right_ankle"]  # fmt: skip
FLAT = [v for x, y in COCO_POINTS for v in (x, y, 2)]
BACK = [v for x, y in reversed(COCO_POINTS) for v in (x, y, 2)]
TURNED = NAMES[::-1]
PHOTO = "000000000007.jpg"


class Both:
    """What both readers make of the same file.

    Attributes:
        points: (44, 2) places of the one person by reader, NaN where there is none. boxes: by reader.
        refused: reasons of the source. said: all remarks.
    """

    def __init__(self, coco: Any, caplog: Any, photo: str = PHOTO) -> None:
        path = coco.root / "annotations" / "person_keypoints_val2017.json"
        self.points, self.boxes = [], []
        rows, self.refused = split_found(read(Config(root=str(coco.root))))
        people = [(r["keypoints"], r["state"] > 0, r["bbox"]) for r in rows.values()]
        detector = get_detector(DetectorConfig("given", keypoints=str(path)))
        people += [
            (p.keypoints, p.keypoints[:, 2] > 0, p.box) for p in detector.detect(np.zeros((H, W, 3), np.uint8), photo)
        ]
        for keypoints, there, box in people:
            self.points.append(np.where(there[:, None], keypoints[:, :2], np.nan))
            self.boxes.append(np.asarray(box).tolist())
        self.said = caplog.text


def both(coco, caplog, *people, photo=PHOTO, keypoints: Any = NAMES, **changes) -> Both:
    categories = [{"id": 1, "name": "person", "keypoints": keypoints}]
    coco.write(list(people) or [coco_person(1, 7)], changes={"categories": categories, **changes})
    return Both(coco, caplog, photo)


def assert_right(found: Both, without: int | None = None, people: int = 2) -> None:
    """Everybody stands where the person stands, all points but one column."""
    assert not found.refused
    assert len(found.points) == people
    wanted = np.array(COCO_POINTS, float)
    if without is not None:
        wanted[without] = np.nan
    for points in found.points:
        assert np.array_equal(points[list(COCO_ROWS)], wanted, equal_nan=True)


@pytest.mark.parametrize(
    "names",
    [", ".join(TURNED), {str(i): n for i, n in enumerate(TURNED)}, {n: i for i, n in enumerate(TURNED)},
     [{"id": i, "name": n} for i, n in enumerate(TURNED)], [f"{n} (v)" for n in TURNED],
     [f"{i}: {n.replace('_', ' ')}" for i, n in enumerate(TURNED)]],
)  # fmt: skip
def test_1_names_in_every_form_say_what_each_column_is(coco, caplog, names):
    assert_right(both(coco, caplog, coco_person(1, 7, keypoints=BACK), keypoints=names))


def test_1_a_name_given_twice_is_said(coco, caplog):
    found = both(coco, caplog, keypoints=[*NAMES[:-1], "left_ankle"])
    assert_right(found, without=16)
    assert "an earlier column is the same point: left_ankle" in found.said


def test_1_toes_of_mediapipe(coco, caplog):
    found = both(coco, caplog, coco_person(1, 7, keypoints=[*FLAT, 9, 40, 2]), keypoints=[*NAMES, "left_foot_index"])
    assert [p[ROW["body_left_big_toe"]].tolist() for p in found.points] == [[9, 40]] * 2


def test_1_more_points_than_names_is_no_lack_of_points(coco):
    coco.write([coco_person(1, 7)], changes={"categories": [{"id": 1, "name": "person", "keypoints": NAMES[:16]}]})
    assert list(split_found(read(Config(root=str(coco.root))))[1].values()) == [
        "keypoints: 17 points, but 16 names; nothing tells which is which"
    ]


def points(i: int, *values: Any) -> list[Any]:
    return [*FLAT[: 3 * i], *values, *FLAT[3 * i + 3 :]]


@pytest.mark.parametrize(
    "value",
    [["n/a", "n/a", 0], ["x", 4, 2], [-1, -1, 2], [1e12, 5, 2], [True, False, True], [{}, [], 2]],
)  # fmt: skip
def test_2_a_strange_point_costs_the_point(coco, caplog, value):
    found = both(coco, caplog, coco_person(1, 7, keypoints=points(4, *value)))
    assert_right(found, without=4)
    assert found.said


@pytest.mark.parametrize("point", [[26], "none", 5, {"v": 2}])
def test_2_a_strange_point_in_a_list_of_points_costs_the_point(coco, caplog, point):
    nested = [FLAT[3 * i : 3 * i + 3] if i != 4 else point for i in range(17)]
    assert_right(both(coco, caplog, coco_person(1, 7, keypoints=nested)), without=4)


@pytest.mark.parametrize(
    "value",
    [[str(v) for v in FLAT], [v if i % 3 < 2 else "visible" for i, v in enumerate(FLAT)], json.dumps(FLAT),
     {n: {"x": x, "y": y, "v": 2} for n, (x, y) in zip(NAMES, COCO_POINTS, strict=True)},
     [{"label": n, "x": x, "y": y, "visible": True} for n, (x, y) in zip(TURNED, COCO_POINTS[::-1], strict=True)],
     [v if i % 3 < 2 else 87.5 for i, v in enumerate(FLAT)], [v for p in COCO_POINTS for v in p]],
)  # fmt: skip
def test_2_forms_of_keypoints(coco, caplog, value):
    assert_right(both(coco, caplog, coco_person(1, 7, keypoints=value)))


@pytest.mark.parametrize("crowd", ["0", "false", None, 0.0])
def test_2_what_is_no_crowd(coco, caplog, crowd):
    assert_right(both(coco, caplog, coco_person(1, 7, iscrowd=crowd)))


def test_2_shares_of_the_picture_are_told_from_pixels(coco):
    shares = [v for x, y in COCO_POINTS for v in (x / W, y / H, 2)]
    coco.write([coco_person(1, 7, keypoints=shares), coco_person(2, 7)])
    rows, refused = split_found(read(Config(root=str(coco.root))))
    assert set(rows) == {"coco/val2017/7/2"}
    assert "multiply x by its width" in refused["coco/val2017/7/1"]


DOG = {"id": 2, "name": "dog", "keypoints": ["muzzle", "tail"]}


def _dog(kind: Any) -> dict[str, Any]:
    return coco_person(2, 7, category_id=kind, keypoints=[1, 1, 2, 3, 3, 2])


@pytest.mark.parametrize(
    ("categories", "people"),
    [
        ([{"id": 5, "name": "person", "keypoints": NAMES}], [coco_person(1, 7, category_id=None)]),
        ([{"id": 5, "name": "person", "keypoints": NAMES}],
         [{k: v for k, v in coco_person(1, 7).items() if k != "category_id"}]),
        ([{"id": "c1", "name": "person", "keypoints": NAMES}, DOG | {"id": "c2"}],
         [coco_person(1, 7, category_id="c1"), _dog("c2")]),
        ([{"id": 0, "name": "person", "keypoints": NAMES}, {"id": 1, "name": "person", "keypoints": NAMES}],
         [coco_person(1, 7)]),
        ([DOG, {"id": 3, "name": "People", "keypoints": NAMES}], [coco_person(1, 7, category_id=3), _dog(2)]),
        ([DOG, {"id": 3, "name": "athlete", "keypoints": NAMES}], [coco_person(1, 7, category_id=3), _dog(2)]),
        ([{"id": 1.0, "name": "person", "keypoints": NAMES}], [coco_person(1.0, 7.0, category_id=1.0)]),
    ],
)  # fmt: skip
def test_3_the_category_of_people(coco, caplog, categories, people):
    assert_right(both(coco, caplog, *people, categories=categories))


@pytest.mark.parametrize(
    ("told", "own"),
    [
        (unicodedata.normalize("NFC", "Zoé.jpg"), unicodedata.normalize("NFD", "Zoé.jpg")),
        ("/data/upload/1/my%20photo.jpg", "my photo.jpg"),
        ("file:///home/me/val2017/my%20photo.jpg", "my photo.jpg"),
        ("s3://bucket/set/a.jpg", "a.jpg"),
        ("https://x.y/z/a.jpg?sig=b/c.png", "a.jpg"),
        ("/data/local-files/?d=day/a.jpg", "a.jpg"),
        (" a.jpg ", "a.jpg"),
    ],
)
@pytest.mark.parametrize("member", ["file_name", "path"])
def test_4_names_of_pictures(coco, caplog, told, own, member):
    (coco.root / "val2017" / PHOTO).rename(coco.root / "val2017" / own)
    images = [{"id": 7, member: told, "width": W, "height": H}]
    assert_right(both(coco, caplog, images=images, photo=own))


def test_4_a_picture_without_a_name_is_not_called_unlisted(coco):
    coco.write([coco_person(1, 7)], changes={"images": [{"id": 7, "file_name": 7}]})
    assert list(split_found(read(Config(root=str(coco.root))))[1].values()) == ["the image has no usable file name"]


@pytest.mark.parametrize(
    ("box", "wanted"),
    [(["15", "5", "30", "40"], [15, 5, 45, 45]), ([15, 5, 45, 45], [12, 2, 48, 48]), ({"x": 15}, [12, 2, 48, 48]),
     ("15 5 30 40", [12, 2, 48, 48]), ([15, 5, 30, None], [12, 2, 48, 48])],
)  # fmt: skip
def test_6_forms_of_boxes(coco, caplog, box, wanted):
    found = both(coco, caplog, coco_person(1, 7, bbox=box))
    assert_right(found)
    assert np.allclose(found.boxes, [wanted] * 2, atol=1)
    assert ("boxes" in found.said) == (wanted != [15, 5, 45, 45])


def test_7_swapped_width_and_height_are_noticed_where_the_points_tell(coco, caplog):
    tall = [v for i, (x, y) in enumerate(COCO_POINTS) for v in (x + (18 if i == 9 else 0), y, 2)]  # 62 > 48
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "width": H, "height": W} for i in (7, 8)]
    coco.write([coco_person(1, 7, keypoints=tall), coco_person(2, 8)], changes={"images": images})
    rows, refused = split_found(read(Config(root=str(coco.root))))
    assert set(rows) == {"coco/val2017/7/1"}
    assert "its annotation says 48x64" in refused["coco/val2017/8/2"]
    assert "width and height are swapped" in caplog.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "\n".join(json.dumps(a) for a in json.loads(text)["annotations"]), "JSON Lines"),
        (lambda text: repr(json.loads(text)), "single quotes"),
        (lambda text: text[:900], "the file ends in the middle"),
        (lambda text: text.encode("utf-16-le"), "UTF-16"),
        (lambda text: b"\x80\x04\x95abc", "a pickle"),
        (lambda text: "<?xml version='1.0'?><annotations/>", "XML"),
        (lambda text: json.dumps(json.loads(text) | {"annotations": {"1": coco_person(1, 7)}}), "'annotations' is"),
    ],
)
def test_8_what_is_no_coco_file_is_called_what_it_is(coco, change, says):
    coco.write([coco_person(1, 7), coco_person(2, 7)])
    path = coco.root / "annotations" / "person_keypoints_val2017.json"
    changed = change(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    with pytest.raises(DataError, match=says):
        list(read(Config(root=str(coco.root))))
    with pytest.raises(DataError, match=says):
        get_detector(DetectorConfig("given", keypoints=str(path)))


def test_8_latin_1_is_read(coco, caplog):
    coco.write([coco_person(1, 7)])
    path = coco.root / "annotations" / "person_keypoints_val2017.json"
    path.write_bytes(json.dumps(json.loads(path.read_text()) | {"info": "Zoé"}, ensure_ascii=False).encode("latin-1"))
    assert_right(Both(coco, caplog))
