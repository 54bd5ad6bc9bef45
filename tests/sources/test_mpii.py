"""MPII: MATLAB pixels, missing against occluded, and the official file with all its gaps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from raw_trees import H, W, photo, split_found
from scipy.io import savemat

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE, Persons
from a3dgen.geometry.skeleton import MPII_ROWS, ROW
from a3dgen.io import rle
from a3dgen.io.orientation import upright_points
from a3dgen.sources.mpii import Config, fingerprint, read
from a3dgen.sources.mpii_json import read_json

POINTS = np.array([(10 + 2 * i, 40 - 2 * i) for i in range(16)])
"""0-based pixels; the files hold them plus one."""


def _record(image="000000001.jpg", joints=None, vis=None):
    joints = (POINTS + 1.0).tolist() if joints is None else joints
    return {"image": image, "center": [5, 5], "scale": 1.0, "joints": joints, "joints_vis": vis or [1] * 16}


@pytest.fixture
def root(tmp_path):
    for i in (1, 2):
        photo(tmp_path / "images" / f"{i:09d}.jpg")
    return tmp_path


def _write(root, records, name="annot/valid.json"):
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(records))


def _read(root, **settings_):
    return split_found(read(Config(root=str(root), **settings_)))


def test_json_pixels_start_at_one_and_missing_is_not_occluded(root):
    joints = (POINTS + 1.0).tolist()
    joints[0], joints[5] = [-1, -1], [50.0, H + 4.0]
    _write(root, [_record(joints=joints, vis=[0] + [1] * 15)])
    rows, refused = _read(root)
    assert not refused
    row = rows["mpii/000000001/0"]
    assert (row["subset"], row["stem"], row["person_id"], row["image_size"]) == ("MPII", "000000001", "0", (W, H))
    assert np.array_equal(row["keypoints"][list(MPII_ROWS[1:5]), :2], POINTS[1:5])
    assert row["state"][ROW["extra_right_ankle"]] == UNLABELLED
    assert not row["keypoints"][ROW["extra_right_ankle"]].any()
    assert row["state"][ROW["extra_left_ankle"]] == OUTSIDE
    assert row["keypoints"][ROW["extra_left_ankle"]].tolist() == [49, H + 3, 0]
    assert row["state"][ROW["extra_head_top_lsp"]] == VISIBLE
    x0, y0, x1, y1 = row["bbox"]
    seen = row["keypoints"][row["keypoints"][:, 2] > 0, :2]
    assert (seen >= (x0, y0)).all()
    assert (seen <= (x1, y1)).all()
    assert 0 <= x0 < x1 <= W
    assert 0 <= y0 < y1 <= H
    Persons.from_rows([row])


def test_person_id_counts_records_of_a_photo(root):
    _write(root, [_record(), _record("000000002.jpg"), _record(), {"image": "000000001.jpg"}, _record()])
    rows, refused = _read(root)
    assert list(rows) == ["mpii/000000001/0", "mpii/000000002/0", "mpii/000000001/1", "mpii/000000001/3"]
    assert refused == {"mpii/000000001/2": "no keypoints"}


@pytest.mark.parametrize(
    "name", ["annot/valid.json", "annot/train.json", "annotations/mpii_val.json", "mpii_trainval.json"]
)
def test_names_of_the_json_files(root, name):
    _write(root, [_record()], name)
    assert len(_read(root)[0]) == 1
    assert len(_read(root, annotations=(name,))[0]) == 1


def test_trainval_replaces_train_and_valid(root):
    for part in ("train", "valid", "trainval"):
        _write(root, [_record()], f"annot/{part}.json")
    assert len(_read(root)[0]) == 1


@pytest.mark.parametrize(
    ("record", "word"),
    [
        (_record(joints=[[1, 2]] * 3), "3 joints, MPII has 16"), (_record(joints=[["a", "b"]] * 16), "is no x, y"),
        (_record(joints=[[float("nan")] * 2] * 16), "no keypoints"), (_record(vis=[0] * 16), "no keypoints"),
        (_record("missing.jpg"), "missing"), (_record("../x.jpg"), "no 'x.jpg' below"), (_record(3), "file name"),
        (_record(joints=[[-1, -1]] * 16), "no keypoints"), (_record(joints=[[900, 900]] * 16), "fewer than two"),
    ],
)  # fmt: skip
def test_a_bad_record_costs_one_person(root, record, word):
    _write(root, [record, _record("000000002.jpg")])
    rows, refused = _read(root)
    assert set(rows) == {"mpii/000000002/0"}
    assert word in next(iter(refused.values()))


@pytest.mark.parametrize("content", [{"a": 1}, [1], [{"joints": []}], "text"])
def test_json_that_is_not_mpii(root, content):
    _write(root, content)
    with pytest.raises(DataError, match=r"valid\.json"):
        _read(root)


def test_wrong_set_up(tmp_path):
    with pytest.raises(ConfigError, match=r"trainval,train,valid.*\.mat"):
        _read(tmp_path)
    with pytest.raises(ConfigError, match="no file"):
        _read(tmp_path, annotations=("x.json",))


# -- one bad item costs that item; records as other writers make them


@pytest.mark.parametrize("joint", [None, [], [float("nan")] * 2, [None, 4], [-1, -1], [0, 0], [1e400, 3],
                                   "none", [3], ["a", "b"], {"x": None}, [5, 5, 5, 5]])  # fmt: skip
def test_a_bad_joint_costs_the_joint(root, joint):
    joints = (POINTS + 1.0).tolist()
    joints[4] = joint
    _write(root, [_record(joints=joints)])
    rows, refused = _read(root)
    assert not refused
    state = rows["mpii/000000001/0"]["state"][list(MPII_ROWS)]
    assert [i for i in range(16) if state[i] != VISIBLE] == [4]
    assert not rows["mpii/000000001/0"]["keypoints"][MPII_ROWS[4]].any()


HIDDEN = 6
_FLAGS = [i != HIDDEN for i in range(16)]
_PIXELS = (POINTS + 1.0).tolist()


def _triples(flag) -> list[list[float]]:
    return [[*p, flag(f)] for p, f in zip(_PIXELS, _FLAGS, strict=True)]


@pytest.mark.parametrize(
    ("record", "hidden"),
    [
        (_record(vis=_FLAGS), UNLABELLED), (_record(vis=[[int(f), int(f)] for f in _FLAGS]), UNLABELLED),
        (_record(vis=[None if not f else 1.0 for f in _FLAGS]), UNLABELLED),
        ({"image": "000000001.jpg", "joints": _triples(int)}, UNLABELLED),
        ({"image": "000000001.jpg", "joints": _triples(lambda seen: 1 + seen)}, OCCLUDED),
        ({"img_paths": "000000001.jpg", "joint_self": _triples(float)}, OCCLUDED),
        ({"image": "000000001.jpg", "joints": _PIXELS}, VISIBLE),
        ({"image": "000000001.jpg", "joints": [v for p in _PIXELS for v in p], "joints_vis": [1] * 16}, VISIBLE),
        ({"image": "D:\\mpii\\images\\000000001.JPG", "joints": _PIXELS}, VISIBLE),
    ],
)  # fmt: skip
def test_records_of_other_writers(root, record, hidden):
    _write(root, [record])
    rows, refused = _read(root)
    assert not refused
    row = rows["mpii/000000001/0"]
    state = row["state"][list(MPII_ROWS)].tolist()
    assert state == [hidden if i == HIDDEN else VISIBLE for i in range(16)]
    known = [r for r, s in zip(MPII_ROWS, state, strict=True) if s != UNLABELLED]
    assert np.array_equal(row["keypoints"][known, :2], POINTS[np.array(state) != UNLABELLED])


@pytest.mark.parametrize("wrap", [lambda r: r, lambda r: {"root": r}, lambda r: [None, "x", *r, {"joints": []}]])
def test_cpm_file_is_found_and_strays_cost_themselves(root, wrap, caplog):
    missing = [[0.0, 0.0, 0.0]] + [[x + 1.0, y + 1.0, 1.0] for x, y in POINTS[1:].tolist()]
    record = {"dataset": "MPI", "img_paths": "000000002.jpg", "joint_self": missing, "joint_others": []}
    _write(root, wrap([record]), "annot/mpii_annotations.json")
    rows, refused = _read(root)
    assert rows["mpii/000000002/0"]["state"][list(MPII_ROWS)].tolist() == [UNLABELLED] + [VISIBLE] * 15
    strays = 3 if isinstance(wrap([0]), list) and len(wrap([0])) > 1 else 0
    assert set(refused) == {f"mpii/?/{i}" for i in range(strays)}
    assert all("names no image" in reason for reason in refused.values())


def test_files_that_are_something_else_are_named(root):
    _write(root, {"images": [{"id": 1}], "annotations": [{"id": 1, "keypoints": []}]}, "annot/train.json")
    with pytest.raises(DataError, match=r"a COCO file, not MPII's; name it in sources\.coco\.files"):
        _read(root)
    (root / "annot" / "train.json").rename(root / "annot" / "mine.json")
    with pytest.raises(
        ConfigError, match=r"there are: annot/mine\.json.*sources\.mpii\.annotations=\[annot/mine\.json"
    ):
        _read(root)


# -- the official MATLAB file


def _struct(rows: list[dict]) -> np.ndarray:
    """Return a MATLAB struct array; absent fields are empty, as MATLAB leaves them."""
    names = list(dict.fromkeys(n for row in rows for n in row)) or ["x1"]
    out = np.empty((1, len(rows)), [(n, object) for n in names])
    for i, row in enumerate(rows):
        for name in names:
            out[0, i][name] = row.get(name, np.zeros((0, 0)))
    return out


def _points(ids, flags=None):
    rows = [{"x": POINTS[i, 0] + 1.0, "y": POINTS[i, 1] + 1.0, "id": float(i)} for i in ids]
    for row, flag in zip(rows, flags or [], strict=False):
        row["is_visible"] = flag
    return {"point": _struct(rows)}


def _save(root, annolist, train):
    release = {"annolist": annolist, "img_train": np.array(train), "version": "12"}
    savemat(root / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release}, long_field_names=True)


def _photo(number, rectangles):
    return {"image": {"name": f"{number:09d}.jpg"}, "annorect": rectangles, "vidx": 1.0}


def test_official_file_with_its_gaps(root):
    ids = [*range(15, -1, -1)]  # points come in any order
    flags = [1.0, 0.0, "1", "0", np.zeros((0, 0))] + [1.0] * 11
    full = {"x1": 1.0, "scale": 2.0, "objpos": {"x": 3.0, "y": 3.0}, "annopoints": _points(ids, flags)}
    head_only = {"x1": 1.0, "y1": 2.0}
    lone_point = {"annopoints": {"point": {"x": 5.0, "y": 6.0, "id": 9.0}}}
    no_flags = {"annopoints": _points(range(16))}
    _save(
        root,
        _struct(
            [
                _photo(1, _struct([full, head_only, lone_point, no_flags])),
                _photo(2, full),  # a single rectangle is a struct, not an array
                _photo(2, np.zeros((0, 0))),
                {"image": {"name": "000000001.jpg"}},
                _photo(1, full),
            ]
        ),
        [1, 1, 1, 1, 0],
    )
    found = list(read(Config(root=str(root))))
    rows = [f for f in found if isinstance(f, dict)]
    refused = [f for f in found if isinstance(f, tuple)]
    assert [r["key"] for r in rows] == ["mpii/000000001/0", "mpii/000000001/3", "mpii/000000002/0"]
    assert refused == [
        ("mpii/000000001/1", "no keypoints"),
        ("mpii/000000001/2", "fewer than two keypoints in the image"),
        ("mpii/000000001/0", "no keypoints (a test photo)"),
    ]
    state, keypoints = rows[0]["state"], rows[0]["keypoints"]
    wanted = {15: VISIBLE, 14: OCCLUDED, 13: VISIBLE, 12: OCCLUDED, 11: VISIBLE, 0: VISIBLE}
    assert {i: state[MPII_ROWS[i]] for i in wanted} == wanted
    assert np.array_equal(keypoints[list(MPII_ROWS), :2], POINTS)
    assert (rows[1]["state"][list(MPII_ROWS)] == VISIBLE).all()
    Persons.from_rows(rows[1:])


def test_one_photo_alone(root):
    _save(root, _struct([_photo(1, _struct([{"annopoints": _points(range(16))}]))]), [1])
    assert len(_read(root)[0]) == 1


def test_points_without_place(root):
    bad = {"annopoints": {"point": _struct([{"x": 5.0, "y": 6.0, "id": 99.0}, {"x": 5.0, "id": 1.0}])}}
    _save(root, _struct([_photo(1, bad)]), [1])
    assert "no joint has a usable id" in _read(root)[1]["mpii/000000001/0"]
    bad["annopoints"]["point"] = _struct(
        [{"x": POINTS[i, 0] + 1.0, "y": np.nan if i == 3 else POINTS[i, 1] + 1.0, "id": i + 0.0} for i in range(16)]
    )
    _save(root, _struct([_photo(1, bad)]), [1])
    state = _read(root)[0]["mpii/000000001/0"]["state"][list(MPII_ROWS)]
    assert [i for i in range(16) if state[i] != VISIBLE] == [3]


def test_foreign_mat_files(root):
    path = root / "mpii_human_pose_v1_u12_1.mat"
    savemat(path, {"x": 1})
    with pytest.raises(DataError, match="RELEASE"):
        _read(root)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\0" * 600)
    with pytest.raises(DataError, match="MATLAB"):
        _read(root)
    path.write_bytes(b"junk")
    with pytest.raises(DataError, match="MATLAB"):
        _read(root)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes(root, data):
    if data.draw(st.booleans()):
        _write(root, [_record(), _record("000000002.jpg")])
        path = root / "annot" / "valid.json"
    else:
        _save(root, _struct([_photo(1, _struct([{"annopoints": _points(range(16))}]))]), [1])
        path = root / "mpii_human_pose_v1_u12_1.mat"
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    try:
        found = list(read(Config(root=str(root), annotations=(str(path),))))
    except (DataError, ConfigError):
        return
    assert all(isinstance(f, dict | tuple) for f in found)


def test_fingerprint(root):
    _write(root, [_record()])
    first = fingerprint(Config(root=str(root)))
    _write(root, [_record(), _record()])
    assert first != fingerprint(Config(root=str(root)))


# files as people have them


@pytest.mark.parametrize("name", ["C:\\mpii\\images\\000000002.jpg", "/data/images/000000002.jpg", "000000002.JPG"])
def test_names_from_another_machine(root, name):
    _write(root, [_record(name)])
    rows, refused = _read(root)
    assert not refused
    assert [Path(r["image"]).name for r in rows.values()] == ["000000002.jpg"]


@pytest.mark.parametrize("form", ["bool", "triples", "triples of flags 0", "cpm"])
def test_forms_of_flags(root, form):
    plain = _record("000000002.jpg")
    _write(root, [plain])
    wanted = next(iter(_read(root)[0].values()))
    joints, flags = plain["joints"], [1] * 16
    record = dict(plain)
    if form == "bool":
        record["joints_vis"] = [True] * 16
    else:
        record["joints"] = [[*j, f] for j, f in zip(joints, flags, strict=True)]
        del record["joints_vis"]
    if form == "triples of flags 0":
        record["joints"] = [[*j, int(i != 3)] for i, j in enumerate(joints)]
    if form == "cpm":
        record = {"img_paths": record["image"], "joint_self": record["joints"], "dataset": "MPI"}
    _write(root, [record])
    rows, refused = _read(root)
    assert not refused
    found = next(iter(rows.values()))
    same = found["state"] == wanted["state"]
    assert same.all() if form != "triples of flags 0" else (~same).sum() == 1
    assert (found["keypoints"][same] == wanted["keypoints"][same]).all()


def test_a_joint_that_is_nowhere_costs_the_joint(root):
    record = _record("000000002.jpg")
    record["joints"] = [[float("nan"), 3] if i == 5 else j for i, j in enumerate(record["joints"])]
    _write(root, [record])
    assert len(_read(root)[0]) == 1


def test_other_json_files_are_named(root):
    for path in (root / "annot").glob("*.json"):
        path.unlink()
    (root / "annot").mkdir(exist_ok=True)
    (root / "annot" / "mpii_test_labels.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"there are: annot/mpii_test_labels\.json"):
        _read(root)


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("setting", ["stored", "shown", "auto"])
def test_labels_follow_the_pixels_they_are_in(root, orientation, setting, caplog):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(root / "images" / "000000001.jpg") as image:
        stored = image.size
        image.save(root / "images" / "000000001.jpg", exif=exif)
    wide = np.array([(46 + i, 10 + 2 * i) for i in range(16)], float)  # beyond H, on the stored picture alone
    _write(root, [_record(joints=(wide + 1).tolist())])
    turned = setting == "stored" or (setting == "auto" and orientation >= 5)
    rows, _ = _read(root, exif=setting)
    wanted = upright_points(wide, orientation, stored) if turned else wide
    assert np.allclose(next(iter(rows.values()))["keypoints"][list(MPII_ROWS), :2], wanted)
    assert bool(caplog.text) == (setting == "auto")


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_outlines_of_the_others_follow_their_labels(root, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(root / "images" / "000000001.jpg") as image:
        stored = image.size
        image.save(root / "images" / "000000001.jpg", exif=exif)
    places = np.array([(10 + i, 4 + i / 2) for i in range(16)], float)
    _write(root, [_record(), _record(joints=(places + 1).tolist())])
    rows, _ = _read(root, exif="stored")
    (others,) = (json.loads(row["others"]) for row in rows.values() if row["key"].endswith("/0"))
    mask = rle.decode(others[0])
    assert mask.shape == rows["mpii/000000001/0"]["image_size"][::-1]
    middle = np.argwhere(mask).mean(0)[::-1]
    assert np.linalg.norm(middle - upright_points(places, orientation, stored).mean(0)) < 3


def test_an_empty_list_is_a_file_of_nobody(tmp_path):
    # what a demo of two people writes, none of whom is MPII's
    (tmp_path / "train.json").write_text("[]")
    assert list(read_json(tmp_path / "train.json", lambda *row: row)) == []
    (tmp_path / "other.json").write_text('[{"a": 1}, 2]')
    with pytest.raises(DataError, match="not MPII's list"):
        list(read_json(tmp_path / "other.json", lambda *row: row))
