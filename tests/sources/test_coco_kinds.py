"""COCO files as annotation tools and people's scripts write them: each kind, in forms of the project's own."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from PIL import Image
from raw_trees import COCO_POINTS, H, W, coco_file, coco_person, photo, split_found

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE
from a3dgen.geometry.keypoint_names import H36M_NAMES
from a3dgen.geometry.skeleton import COCO_ROWS, ROW
from a3dgen.io import rle
from a3dgen.sources.coco import Config, read
from a3dgen.sources.coco_config import CocoFile, KeypointsConfig

NAMES = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
         "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
         "right_ankle"]  # fmt: skip
FLAT = [v for x, y in COCO_POINTS for v in (x, y, 2)]


def found(coco, **settings):
    return split_found(read(Config(root=str(coco.root), **settings)))


def write(coco, people, names=NAMES, **changes):
    categories = [{"id": 1, "name": "person", **({"keypoints": names} if names else {})}]
    coco.write(people, changes={"categories": categories, **changes})


def only(coco, **settings):
    rows, refused = found(coco, **settings)
    assert not refused
    return next(iter(rows.values()))


def places(row, rows=COCO_ROWS):
    return row["keypoints"][list(rows), :2].tolist()


@pytest.fixture
def reference(coco):
    write(coco, [coco_person(1, 7)])
    return only(coco)


# 1. names of keypoints


SPELLINGS = [str, str.upper, lambda n: n.title().replace("_", ""), lambda n: n.replace("left_", "L")]


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("order", [range(16, -1, -1), [3, 16, 0, *range(4, 16), 1, 2]])
def test_names_say_what_each_column_is(coco, reference, spell, order):
    order = list(order)
    points = [v for i in order for v in FLAT[3 * i : 3 * i + 3]]
    write(coco, [coco_person(1, 7, keypoints=points)], [spell(NAMES[i]) for i in order])
    assert places(only(coco)) == places(reference)


def test_any_count_with_names_and_unknown_ones_said_once(coco, reference, caplog):
    names = [*NAMES[5:], "tail", "head", "neck"]
    points = [*FLAT[15:], 1, 1, 2, 2, 2, 2, 20, 9, 2]
    write(coco, [coco_person(i, 7, keypoints=points) for i in (1, 2)], names)
    with caplog.at_level(logging.WARNING):
        rows, _ = found(coco)
    row = rows["coco/val2017/7/1"]
    assert places(row, COCO_ROWS[5:]) == places(reference, COCO_ROWS[5:])
    assert row["keypoints"][ROW["extra_neck_lsp"]].tolist() == [20, 9, 1]
    assert row["state"][list(COCO_ROWS[:5])].tolist() == [UNLABELLED] * 5
    said = [r.getMessage() for r in caplog.records]
    assert [s for s in said if "tail, head" in s] == said


def test_human36m_joints_in_a_coco_file(coco):
    points = [v for i in range(17) for v in (5 + 2 * i, 3 + 2 * i, 2)]
    write(coco, [coco_person(1, 7, keypoints=points)], H36M_NAMES)
    row = only(coco)
    assert row["keypoints"][ROW["extra_right_ankle"], :2].tolist() == [11, 9]
    assert row["keypoints"][ROW["extra_head_h36m"], :2].tolist() == [25, 23]


@pytest.mark.parametrize(("count", "layout"), [(14, "CrowdPose"), (16, "MPII"), (26, "Halpe-26"), (133, "WholeBody")])
def test_without_names_the_count_is_taken_and_said(coco, caplog, count, layout):
    points = [v for i in range(count) for v in (5 + i % 30, 5 + i % 35, 2)]
    write(coco, [coco_person(1, 7, keypoints=points)], None)
    with caplog.at_level(logging.WARNING):
        only(coco)
    assert any(layout in r.getMessage() for r in caplog.records)


def test_a_map_names_the_columns_of_a_file_without_names(coco, reference):
    points = [v for i in range(16, -1, -1) for v in FLAT[3 * i : 3 * i + 3]]
    write(coco, [coco_person(1, 7, keypoints=points)], None)
    assert places(only(coco, keypoints=KeypointsConfig(map=tuple(NAMES[::-1])))) == places(reference)


# 2. one bad point or item


@pytest.mark.parametrize("bad", [(0, 0, 2), (0, 0, 1), (None, None, 0), (float("nan"), 3, 2), (5, float("inf"), 2),
                                 (4, 4, 7), (None, 4, 2), (4, 4, -1)])  # fmt: skip
def test_a_bad_point_costs_the_point(coco, reference, bad):
    points = [*FLAT]
    points[27:30] = bad
    write(coco, [coco_person(1, 7, keypoints=points)])
    row = only(coco)
    assert row["state"][COCO_ROWS[9]] == UNLABELLED
    rest = [r for i, r in enumerate(COCO_ROWS) if i != 9]
    assert places(row, rest) == places(reference, rest)


def test_flag_3_is_outside_the_picture(coco):
    points = [*FLAT]
    points[27:30] = [W + 30, 20, 3]
    write(coco, [coco_person(1, 7, keypoints=points)])
    row = only(coco)
    assert row["state"][COCO_ROWS[9]] == OUTSIDE
    assert row["keypoints"][COCO_ROWS[9], 2] == 0


@pytest.mark.parametrize(
    "value",
    [[list(p) for p in zip(FLAT[::3], FLAT[1::3], FLAT[2::3], strict=True)], [[x, y] for x, y in COCO_POINTS],
     {n: [x, y, 2] for n, (x, y) in zip(NAMES, COCO_POINTS, strict=True)}, [v for p in COCO_POINTS for v in p],
     [float(v) for v in FLAT], [v if i % 3 < 2 else True for i, v in enumerate(FLAT)],
     [v if i % 3 < 2 else 0.83 for i, v in enumerate(FLAT)]],
)  # fmt: skip
def test_forms_of_the_list(coco, reference, value):
    write(coco, [coco_person(1, 7, keypoints=value)])
    row = only(coco)
    assert places(row) == places(reference)
    assert (row["state"][list(COCO_ROWS)] == VISIBLE).all()


@pytest.mark.parametrize(("value", "reason"), [([], "no keypoints"), (None, "no keypoints"), ("", "str, wanted"),
                                               (FLAT[:45], "15 of 17 points"), (FLAT[:-1], "no list of x, y, flag"),
                                               ([0] * 51, "no keypoints"), ([[1]] * 17, "no point x, y")])  # fmt: skip
def test_a_bad_person_costs_the_person(coco, value, reason):
    write(coco, [coco_person(1, 7, keypoints=value), coco_person(2, 8)])
    rows, refused = found(coco)
    assert set(rows) == {"coco/val2017/8/2"}
    assert reason in refused["coco/val2017/7/1"]


def test_coco_flags_stay_what_they_are(coco):
    points = [*FLAT]
    points[2], points[5] = 1, 0
    write(coco, [coco_person(1, 7, keypoints=points)])
    assert only(coco)["state"][list(COCO_ROWS[:3])].tolist() == [OCCLUDED, UNLABELLED, VISIBLE]


# 3. categories


@pytest.mark.parametrize(
    "categories",
    [[{"id": 0, "name": "Person", "keypoints": NAMES}],
     [{"id": 9, "name": "athlete", "keypoints": NAMES}, {"id": 1, "name": "ball"}],
     [{"id": 1, "name": "dog", "keypoints": ["nose", "tail"]}, {"id": 5, "name": "person", "keypoints": NAMES}],
     [{"id": 0, "name": "people", "supercategory": "none"}, {"id": "3", "name": "person", "keypoints": NAMES}]],
)  # fmt: skip
def test_the_category_of_people_whatever_its_id(coco, reference, categories, caplog):
    chosen = next(c for c in categories if len(c.get("keypoints", ())) == 17)
    people = [coco_person(1, 7, category_id=int(chosen["id"])), coco_person(2, 8, category_id=77, keypoints=[1, 1, 2])]
    coco.write(people, changes={"categories": categories})
    with caplog.at_level(logging.WARNING):
        rows, refused = found(coco)
    assert (set(rows), refused) == ({"coco/val2017/7/1"}, {})
    assert places(rows["coco/val2017/7/1"]) == places(reference)
    assert any("no people are left out: 1 of category 77" in r.getMessage() for r in caplog.records)


def test_no_category_of_people_lists_what_there_is(coco):
    categories = [{"id": i, "name": n, "keypoints": ["a", "b"]} for i, n in ((1, "cat"), (2, "dog"))]
    coco.write([coco_person(1, 7)], changes={"categories": categories})
    with pytest.raises(DataError, match=r"cat \(2 keypoints\), dog \(2 keypoints\)"):
        found(coco)


# 4. names of pictures


@pytest.mark.parametrize(
    "name",
    ["C:\\Users\\me\\val2017\\000000000007.jpg", "/mnt/data/coco/val2017/000000000007.jpg",
     "../val2017/000000000007.jpg", "000000000007.JPG",
     "deep/er/val2017/000000000007.jpg", "..\\..\\000000000007.jpg", "./000000000007.jpg"],
)  # fmt: skip
def test_names_from_another_machine(coco, name):
    image = {"id": 7, "file_name": name, "width": W, "height": H}
    write(coco, [coco_person(1, 7)], images=[image])
    assert only(coco)["image"] == str(coco.root / "val2017" / "000000000007.jpg")


def test_a_url_names_the_picture_and_its_size_is_read(coco):
    write(coco, [coco_person(1, 7)], images=[{"id": 7, "coco_url": "http://images/x/000000000007.jpg?s=1", "width": 0}])
    assert only(coco)["image_size"] == (W, H)


def test_the_longest_common_end_wins_or_both_are_named(coco):
    for folder in ("site_a/cam1", "site_b/cam1", "site_b/cam2"):
        photo(coco.root / folder / "x.jpg")
    write(
        coco, [coco_person(1, 7)], images=[{"id": 7, "file_name": "D:/rec/site_b/cam1/x.jpg", "width": W, "height": H}]
    )
    assert only(coco)["image"] == str(coco.root / "site_b" / "cam1" / "x.jpg")
    write(coco, [coco_person(1, 7)], images=[{"id": 7, "file_name": "D:/rec/cam1/x.jpg", "width": W, "height": H}])
    assert "fits several files: site_a/cam1/x.jpg, site_b/cam1/x.jpg" in found(coco)[1]["coco/val2017/7/1"]


def test_names_never_leave_the_root(coco, tmp_path):
    photo(tmp_path / "secret.jpg")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "val2017/../../secret.jpg"):
        write(coco, [coco_person(1, 7)], images=[{"id": 7, "file_name": name, "width": W, "height": H}])
        assert "missing: no 'secret.jpg' below coco/" in found(coco)[1]["coco/val2017/7/1"]


# 6. files of one's own


def test_files_of_ones_own_with_ids_that_restart(coco, reference):
    for split in ("train", "valid"):
        photo(coco.root / split / f"{split}.jpg")
        if split == "valid":  # another picture under the same id
            Image.fromarray(np.full((H, W, 3), 90, np.uint8)).save(coco.root / split / f"{split}.jpg")
        image = {"id": 0, "file_name": f"{split}.jpg", "width": W, "height": H}
        person = coco_person(0, 0)
        coco_file(coco.root / split / "_annotations.coco.json", [], [person], images=[image])
    files = tuple(CocoFile(f"{d}/_annotations.coco.json", d, s) for d, s in (("train", "train"), ("valid", "val")))
    rows, refused = found(coco, files=files)
    assert not refused
    assert {k: r["subset"] for k, r in rows.items()} == {
        "coco/_annotations.coco/0/0": "COCO_train", "coco/valid__annotations.coco/0/0": "COCO_val"
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"no file '.*nothing\.json'"):
        found(coco, files=(CocoFile("nothing.json"),))
    with pytest.raises(ConfigError, match="neither train nor val"):
        CocoFile("x.json", split="test")


def test_other_layouts_are_named(coco):
    coco_file(coco.root / "annotations" / "instances_default.json", [7], [coco_person(1, 7)])
    (coco.root / "annotations" / "a.json").write_text('{"shard": 1}')
    with pytest.raises(ConfigError, match=r"JSON files there: annotations/instances_default\.json; name them"):
        found(coco)
    with pytest.raises(ConfigError, match="is a file; name the folder that holds it"):
        list(read(Config(root=str(coco.root / "annotations" / "a.json"))))


@pytest.mark.parametrize("box", [None, [], [0, 0, 0, 0], [1, 2], ["a"] * 4, [5, 5, -3, 9], [float("nan")] * 4])
def test_without_a_box_the_points_have_one(coco, box):
    write(coco, [coco_person(1, 7, bbox=box)])
    x0, y0, x1, y1 = only(coco)["bbox"]
    x, y = np.array(COCO_POINTS).T
    assert x0 < x.min() < x.max() < x1
    assert y0 < y.min() < y.max() < y1


def test_a_box_of_two_corners_is_noticed(coco, caplog):
    x, y = np.array(COCO_POINTS).T
    shift = float(W - 4 - x.max())
    points = [v for px, py in COCO_POINTS for v in (float(px + shift), float(py), 2)]
    corners = [x.min() + shift - 2, max(y.min() - 2, 0), x.max() + shift + 2, min(y.max() + 2, H)]
    write(coco, [coco_person(1, 7, keypoints=points, bbox=[float(v) for v in corners])])
    with caplog.at_level(logging.WARNING):
        assert only(coco)["bbox"][2] <= W
    assert any("x0, y0, x1, y1" in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize("ids", [[1, 1, 1], [None, None, None], [4, None, 4]])
def test_ids_that_repeat_or_lack_are_places_in_the_file(coco, ids):
    people = [coco_person(i, image) for i, image in zip(ids, (7, 8, 8), strict=True)]
    write(coco, [{k: v for k, v in p.items() if v is not None} for p in people])
    rows, refused = found(coco)
    assert not refused
    assert set(rows) == {"coco/val2017/7/0", "coco/val2017/8/1", "coco/val2017/8/2"}


def test_ids_may_be_text(coco):
    image = {"id": "IMG_7", "file_name": "000000000007.jpg", "width": W, "height": H}
    write(coco, [coco_person("a1", "IMG_7"), coco_person("0012", "IMG_7")], images=[image])
    assert set(found(coco)[0]) == {"coco/val2017/IMG_7/a1", "coco/val2017/IMG_7/12"}


def test_an_image_listed_twice_with_two_files_is_refused(coco):
    images = [{"id": 7, "file_name": f"{n:012d}.jpg", "width": W, "height": H} for n in (7, 8)]
    write(coco, [coco_person(1, 7)], images=images)
    assert "listed more than once" in found(coco)[1]["coco/val2017/7/1"]


# 7. EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("said", ["shown", "stored", None])
def test_labels_follow_the_pixels_they_are_in(coco, orientation, said, caplog):
    """A dot in the picture stays under its label, whichever pixels the labels are in."""
    upright = np.zeros((H, W, 3), np.uint8)
    x, y = 40, 12
    upright[y - 2 : y + 3, x - 2 : x + 3] = 255
    stored = upright
    for undo in {1: [], 2: [2], 3: [3], 4: [4], 5: [5], 6: [8], 7: [7], 8: [6]}[orientation]:
        stored = np.asarray(_transposed(Image.fromarray(stored), undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(coco.root / "val2017" / f"{7:012d}.jpg", exif=exif.tobytes(), quality=95)
    rows, columns = np.nonzero(stored[..., 0] > 128)
    at = (columns.mean(), rows.mean()) if said == "stored" else (x, y)
    size = {"shown": (W, H), "stored": stored.shape[1::-1], None: (None, None)}[said]
    points = [v for _ in range(17) for v in (*at, 2)]
    mask = np.zeros(stored.shape[:2] if said == "stored" else (H, W), bool)
    mask[int(at[1]), int(at[0])] = True
    person = coco_person(1, 7, keypoints=points, bbox=None, segmentation=rle.encode(mask))
    write(coco, [person], images=[{"id": 7, "file_name": f"{7:012d}.jpg", "width": size[0], "height": size[1]}])
    how = "auto" if orientation >= 5 or said != "stored" else "stored"
    row = only(coco, exif=how)
    assert row["image_size"] == (W, H)
    assert row["keypoints"][COCO_ROWS[0], :2] == pytest.approx((x, y), abs=0.6)
    shown = rle.from_json(row["mask"])
    assert shown.shape == (H, W)
    assert shown[y - 1 : y + 2, x - 1 : x + 2].any()


def _transposed(image, orientation):
    how = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
           5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
           8: Image.Transpose.ROTATE_90}  # fmt: skip
    return image.transpose(how[orientation])


def test_wrong_settings_of_exif_name_the_right_ones():
    with pytest.raises(ConfigError, match="did you mean 'stored'"):
        Config(root="x", exif="store")


# 8. reasons, and what a file is


@pytest.mark.parametrize(
    ("data", "what"),
    [("{}".encode("utf-16"), "UTF-16"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
     (b"<!DOCTYPE html><html>", "web page"), (b"PK\x03\x04rest", "zip archive"), (b"\x1f\x8b\x08", "gzip")],
)  # fmt: skip
def test_what_is_no_json_is_named(coco, data, what):
    write(coco, [])
    (coco.root / "annotations" / "person_keypoints_val2017.json").write_bytes(data)
    with pytest.raises(DataError, match=what):
        found(coco)


def test_a_byte_order_mark_is_passed_over(coco, reference):
    path = coco.root / "annotations" / "person_keypoints_val2017.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert places(only(coco)) == places(reference)
    assert json.loads(path.read_text("utf-8-sig"))["images"]
