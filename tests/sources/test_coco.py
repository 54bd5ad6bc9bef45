"""COCO: every trap of the format, and everybody accounted for."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_trees import COCO_POINTS, H, W, coco_file, coco_person, photo, split_found

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE, Persons
from a3dgen.geometry.skeleton import COCO_ROWS, ROW
from a3dgen.io import rle
from a3dgen.sources.coco import Config, fingerprint, read


def _read(coco, **settings_):
    return split_found(read(Config(root=str(coco.root), **settings_)))


def test_one_person(coco):
    coco.write([coco_person(71, 7)])
    rows, refused = _read(coco)
    assert not refused
    row = rows["coco/val2017/7/71"]
    persons = Persons.from_rows([row])
    assert (row["subset"], row["stem"], row["person_id"]) == ("COCO_val", "000000000007", "71")
    assert row["license"] == "By (http://by)"
    assert persons.image_size.tolist() == [[W, H]]
    assert persons.bbox.tolist() == [[15, 5, 45, 45]]
    assert np.array_equal(persons.keypoints[0][list(COCO_ROWS), :2], COCO_POINTS)
    assert (persons.state[0][list(COCO_ROWS)] == VISIBLE).all()
    assert persons.state[0].astype(bool).sum() == 17
    assert persons.keypoints[0, ROW["extra_left_shoulder"]].tolist() == [38, 14, 1]
    assert persons.state[0, ROW["body_left_shoulder"]] == UNLABELLED
    assert not persons.K_known[0]
    assert not persons.dist.any()
    mask = rle.from_json(row["mask"])
    assert mask.shape == (H, W)
    assert mask[20, 30]
    assert not mask[2, 2]
    assert json.loads(row["others"]) == []


def test_occluded_unlabelled_and_outside(coco):
    keypoints = [v for x, y in COCO_POINTS for v in (x, y, 2)]
    keypoints[3 * 9 : 3 * 9 + 3] = [44, 26, 1]
    keypoints[3 * 10 : 3 * 10 + 3] = [0, 0, 0]
    keypoints[3 * 15 : 3 * 15 + 3] = [37, H + 3, 2]
    coco.write([coco_person(1, 7, keypoints=keypoints)])
    row = _read(coco)[0]["coco/val2017/7/1"]
    wrist, other, ankle = (ROW[f"extra_{n}"] for n in ("left_wrist", "right_wrist", "left_ankle"))
    assert row["state"][[wrist, other, ankle]].tolist() == [OCCLUDED, UNLABELLED, OUTSIDE]
    assert row["keypoints"][wrist].tolist() == [44, 26, 1]
    assert row["keypoints"][other].tolist() == [0, 0, 0]
    assert row["keypoints"][ankle].tolist() == [37, H + 3, 0]


def test_crowd_and_keypointless_are_refused_and_still_hide_others(coco):
    crowd = {"size": [H, W], "counts": [0, 2 * H, H * (W - 2)]}
    coco.write(
        [
            coco_person(1, 7),
            coco_person(2, 7, iscrowd=1, segmentation=crowd, keypoints=[0] * 51),
            coco_person(3, 7, keypoints=[0] * 51, num_keypoints=0, segmentation=[[50, 5, 60, 5, 60, 15]]),
        ]
    )
    rows, refused = _read(coco)
    assert refused == {"coco/val2017/7/2": "a crowd, not a person", "coco/val2017/7/3": "no keypoints"}
    others = rle.union_from_json(rows["coco/val2017/7/1"]["others"], W, H)
    assert others[:, :2].all()
    assert others[8, 57]
    assert not others[20, 30]


def test_all_kinds_of_segmentation(coco):
    mask = np.zeros((H, W), bool)
    mask[10:20, 30:40] = True
    compressed = rle.encode(mask)
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    plain = {"size": [H, W], "counts": np.diff([0, *edges, len(flat)]).tolist()}
    kinds = [compressed, plain, [[1, 1, 2]], None, {"size": [2, 2], "counts": "oops"}, [["a"] * 6]]
    coco.write([coco_person(i, 7, segmentation=s) for i, s in enumerate(kinds)])
    rows, refused = _read(coco)
    assert not refused
    found = [rows[f"coco/val2017/7/{i}"]["mask"] for i in range(len(kinds))]
    assert np.array_equal(rle.from_json(found[0]), mask)
    assert found[1] == found[0]
    assert found[2:] == [""] * 4
    assert len(json.loads(rows["coco/val2017/7/3"]["others"])) == 2


def test_image_ids_of_val_never_reach_train(coco):
    for image in (7, 9):
        photo(coco.root / "train2017" / f"{image:012d}.jpg")
        photo(coco.root / "train2014" / f"COCO_train2014_{image:012d}.jpg")
    coco.write([coco_person(71, 7), coco_person(81, 8)])
    coco.write([coco_person(71, 7), coco_person(91, 9)], "train2017", (7, 9))
    coco.write([coco_person(71, 7), coco_person(91, 9)], "train2014", (7, 9))
    rows, refused = _read(coco)
    assert set(rows) == {"coco/val2017/7/71", "coco/val2017/8/81", "coco/train2017/9/91"}
    assert [r["subset"] for r in rows.values()] == ["COCO_val", "COCO_val", "COCO_train"]
    assert refused == {
        "coco/train2017/7/71": "the image is already in val2017: 000000000007.jpg",
        "coco/train2014/7/71": "the image is already in val2017: COCO_train2014_000000000007.jpg",
        "coco/train2014/9/91": "the image is already in train2017: COCO_train2014_000000000009.jpg",
    }
    assert set(_read(coco, splits=("train2014",))[0]) == {"coco/train2014/7/71", "coco/train2014/9/91"}


@pytest.mark.parametrize("layout", ["val2014", "images/val2014", "images", "."])
def test_image_layouts_of_2014(coco, layout):
    photo(coco.root / layout / "COCO_val2014_000000000011.jpg")
    coco.write([coco_person(1, 11)], "val2014", (11,))
    rows, _ = _read(coco, splits=("val2014",))
    assert rows["coco/val2014/11/1"]["stem"] == "COCO_val2014_000000000011"


def test_images_folder_elsewhere_and_linked(coco, tmp_path):
    photo(tmp_path / "disk" / "val2017" / f"{5:012d}.jpg")
    os.symlink(tmp_path / "disk", coco.root / "linked")
    coco.write([coco_person(1, 5)], images=(5,))
    assert len(_read(coco, images="linked")[0]) == 1
    assert len(_read(coco, images=str(tmp_path / "disk"))[0]) == 1


def test_licences(coco):
    coco.write([coco_person(1, 7), coco_person(2, 8)])
    rows, refused = _read(coco, licenses=(4,))
    assert set(rows) == {"coco/val2017/7/1"}
    assert refused == {"coco/val2017/8/2": "image licence 1 is not among sources.coco.licenses"}
    with pytest.raises(ConfigError, match=r"no licence 3 .* 1 By-NC"):
        _read(coco, licenses=(3,))


def test_feet_of_wholebody(coco):
    feet = [v for i in range(6) for v in (30 + i, 40, 2 if i else 0)]
    coco.write([coco_person(1, 7), coco_person(2, 8)])
    whole = coco.root / "annotations" / "coco_wholebody_val_v1.0.json"
    coco_file(whole, [7, 8], [coco_person(1, 7, foot_kpts=feet, foot_valid=True)])
    rows, _ = _read(coco)
    row = rows["coco/val2017/7/1"]
    assert row["state"][ROW["body_left_big_toe"]] == UNLABELLED
    assert row["keypoints"][ROW["body_right_heel"]].tolist() == [35, 40, 1]
    assert row["state"].astype(bool).sum() == 22
    assert rows["coco/val2017/8/2"]["state"].astype(bool).sum() == 17
    assert _read(coco, wholebody="off")[0]["coco/val2017/7/1"]["state"].astype(bool).sum() == 17
    assert len(_read(coco, wholebody="annotations/coco_wholebody_val_v1.0.json")[0]) == 2
    with pytest.raises(ConfigError, match=r"wholebody.*nothing\.json"):
        _read(coco, wholebody="nothing.json")


def test_objects_beside_the_keypoints(coco):
    coco.write([coco_person(1, 7)])
    objects = [
        coco_person(1, 7),
        coco_person(5, 7, category_id=40, segmentation=[[0, 0, 9, 0, 9, 9, 0, 9]]),
        coco_person(6, 8, category_id=41),
    ]
    coco_file(coco.root / "annotations" / "instances_val2017.json", [7, 8], objects)
    row = _read(coco)[0]["coco/val2017/7/1"]
    assert len(json.loads(row["objects"])) == 1
    assert rle.union_from_json(row["objects"], W, H)[4, 4]
    assert _read(coco, objects="off")[0]["coco/val2017/7/1"]["objects"] == "[]"
    with pytest.raises(ConfigError, match="objects"):
        _read(coco, objects="maybe")


def _bad_people():
    text = ["x", 1, 2] * 17
    return {
        '["x", 1, 2] is no point': {"keypoints": text}, "4 keypoints without names": {"keypoints": [1, 1, 2] * 4},
        "no list of x, y, flag": {"keypoints": [1, 1, 2, 1]}, "int, wanted a list": {"keypoints": 5},
        "no keypoints": {"keypoints": None}, "not listed": {"image_id": 999}, "a crowd": {"iscrowd": 1},
    }  # fmt: skip


@pytest.mark.parametrize("word", _bad_people())
def test_a_bad_annotation_costs_one_person(coco, word):
    coco.write([coco_person(1, 7, **_bad_people()[word]), coco_person(2, 7)])
    rows, refused = _read(coco)
    assert set(rows) == {"coco/val2017/7/2"}
    assert len(refused) == 1
    assert word in next(iter(refused.values()))


def test_annotations_without_ids_are_counted(coco):
    coco.write([coco_person(1, 7), 5, coco_person("x", 7), coco_person(2, None), coco_person(3.0, 7.0)])
    rows, refused = _read(coco)
    assert set(rows) == {"coco/val2017/7/1", "coco/val2017/7/x", "coco/val2017/7/3"}
    assert refused == {
        "coco/val2017/?/1": "the annotation is not an object", "coco/val2017/?/3": "the annotation has no image_id"
    }  # fmt: skip


def test_images_that_are_missing_wrong_or_outside(coco):
    coco.write([coco_person(i, i) for i in (7, 8, 9, 10, 11)], images=(7, 8, 9, 10, 11))
    path = coco.root / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(path.read_text())
    content["images"][0]["width"] = W + 1
    content["images"][2]["file_name"] = "../../secret.jpg"
    content["images"][3]["file_name"] = "/etc/passwd"
    path.write_text(json.dumps(content))
    photo(coco.root / "val2017" / f"{11:012d}.jpg")
    whole = (coco.root / "val2017" / f"{11:012d}.jpg").read_bytes()
    (coco.root / "val2017" / f"{11:012d}.jpg").write_bytes(whole[:-20])
    rows, refused = _read(coco)
    assert set(rows) == {"coco/val2017/8/8"}
    reasons = [refused[f"coco/val2017/{i}/{i}"] for i in (7, 9, 10, 11)]
    for reason, word in zip(
        reasons, ("64x48 px, but", "missing: no 'secret.jpg'", "missing: no 'passwd'", "truncated"), strict=True
    ):
        assert word in reason
    (coco.root / "val2017" / f"{8:012d}.jpg").unlink()
    assert "missing" in _read(coco)[1]["coco/val2017/8/8"]


def test_exif_rotated_copy_contradicts_its_annotation(coco):
    from PIL import Image

    coco.write([coco_person(1, 7)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(coco.root / "val2017" / f"{7:012d}.jpg", exif=exif.tobytes())
    row = _read(coco)[0]["coco/val2017/7/1"]  # labels in stored pixels: turned as the picture is
    assert row["image_size"] == (H, W)
    x, y = COCO_POINTS[0]
    assert row["keypoints"][ROW["body_nose"], :2].tolist() == [H - 1 - y, x]
    assert _read(coco, exif="shown")[0]["coco/val2017/7/1"]["keypoints"][ROW["body_nose"], 0] == x


def test_wrong_set_up_is_one_clear_line(coco, tmp_path):
    for settings_, word in (
        ({"root": ""}, "not set"),
        ({"root": str(tmp_path / "nowhere")}, "nowhere"),
        ({"root": str(tmp_path)}, "person_keypoints"),
        ({"root": str(coco.root), "splits": ("val2016",)}, "did you mean 'val2017'"),
        ({"root": str(coco.root), "splits": ("val2017",)}, "person_keypoints_val2017.json"),
    ):
        with pytest.raises(ConfigError, match=r"sources\.coco") as error:
            list(read(Config(**settings_)))
        assert word in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"info": 3}', "[1, 2]", '{"annotations": [', "\x00\x01"])
def test_files_that_are_not_coco(coco, text):
    coco.write([])
    (coco.root / "annotations" / "person_keypoints_val2017.json").write_text(text)
    with pytest.raises(DataError, match=r"person_keypoints_val2017\.json"):
        _read(coco)


def test_no_people_is_no_error(coco):
    coco.write([])
    assert _read(coco) == ({}, {})


def test_fingerprint_follows_the_content(coco):
    coco.write([coco_person(1, 7)])
    config = Config(root=str(coco.root))
    first = fingerprint(config)
    coco.write([coco_person(1, 7)])
    assert fingerprint(config) == first
    coco_file(coco.root / "annotations" / "instances_val2017.json", [7], [])
    second = fingerprint(config)
    coco.write([coco_person(1, 7, bbox=[15, 5, 30, 41])])
    assert len({first, second, fingerprint(config)}) == 3


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_gives_rows_refusals_or_a_data_error(coco, data):
    person = coco_person(1, 7)
    for field in data.draw(st.lists(st.sampled_from(sorted(person)), max_size=3)):
        person[field] = data.draw(JUNK)
    changes = {}
    if data.draw(st.booleans()):
        changes[data.draw(st.sampled_from(["images", "annotations", "licenses"]))] = data.draw(JUNK)
    coco.write([person, coco_person(2, 7)], changes=changes)
    path = coco.root / "annotations" / "person_keypoints_val2017.json"
    if data.draw(st.booleans()):
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(raw))
    try:
        rows, _ = _read(coco)
    except (DataError, ConfigError):
        return
    Persons.from_rows(rows.values())
