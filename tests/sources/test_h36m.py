"""Human3.6M in all its forms: the same made-up take must come out of each."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import struct
from types import SimpleNamespace

import cv2
import h5py
import numpy as np
import pytest
from h36m_trees import (
    HEIGHT,
    LEFT_FIRST,
    RIGHT_FIRST,
    WIDTH,
    camera_table,
    cameras,
    observed,
    write_cameras_json,
    write_metadata,
    write_npz,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_trees import photo, split_found

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.records import OUTSIDE, VISIBLE, Persons
from a3dgen.geometry.camera import project_distorted
from a3dgen.geometry.skeleton import H36M_RIGHT_FIRST_ROWS, ROW, SPIN_ROWS
from a3dgen.io import rle
from a3dgen.sources.h36m import Config, fingerprint, read
from a3dgen.sources.h36m.cameras import CAMERA_IDS, load_cameras, read_metadata
from a3dgen.sources.h36m.common import KNOWN_BAD_FETCH, H36mFrame, refuse_known_bad
from a3dgen.sources.h36m.official import read_pose

FIRST, SECOND = CAMERA_IDS[:2]
FRAMES = [("S1", "Walking_1", camera, n) for camera in (FIRST, SECOND) for n in (1, 2, 6)]


def _read(root, **settings_):
    return split_found(read(Config(root=str(root), **settings_)))


def _check(row, camera, number, pixels=1e-6, calibrated=True):
    wanted_2d, wanted_3d = observed(camera, number)
    rows = list(H36M_RIGHT_FIRST_ROWS)
    assert np.abs(row["keypoints"][rows, :2] - wanted_2d[RIGHT_FIRST]).max() < pixels
    assert np.abs(row["joints3d"][rows, :3] - wanted_3d[RIGHT_FIRST] * 1e-3).max() < 1e-6
    assert row["joints3d"][:, 3].sum() == 17
    assert (row["state"][rows] == VISIBLE).all()
    assert row["K_known"]
    assert row["image_size"] == (WIDTH, HEIGHT)
    if calibrated:
        again = project_distorted(row["joints3d"][rows, :3], row["K"], row["dist"])
        assert np.abs(again - row["keypoints"][rows, :2]).max() < 1e-3
    Persons.from_rows([row])


@pytest.fixture
def root(tmp_path):
    write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "annotation_body3d" / "cameras.json")
    return tmp_path


# -- mmpose


def test_npz(root):
    rows, refused = _read(root)
    assert not refused
    # one instant after the other, its cameras side by side
    assert list(rows) == [f"h36m/S1/Walking_1/{n:06d}/{c}" for n in (1, 2, 6) for c in (FIRST, SECOND)]
    row = rows[f"h36m/S1/Walking_1/000006/{SECOND}"]
    _check(row, SECOND, 6)
    assert (row["subset"], row["subject"], row["stem"]) == ("H36M/S1", "S1", f"Walking_1.{SECOND}_000006")
    assert row["group"] == "h36m/S1/Walking_1/000006"
    assert row.get("person_id", "") == ""
    camera = cameras()[SECOND][0]
    assert np.allclose(row["K"], camera.K)
    assert row["dist"].tolist() == [-0.2, 0.24, -0.001, -0.0014, -0.003]


@pytest.mark.parametrize("order", ["auto", "left_first"])
def test_left_first_order(tmp_path, order):
    write_npz(tmp_path, FRAMES, LEFT_FIRST)
    write_cameras_json(tmp_path / "cameras.json")
    rows, _ = _read(tmp_path, order=order)
    _check(rows[f"h36m/S1/Walking_1/000001/{FIRST}"], FIRST, 1)
    wrong = _read(tmp_path, order="right_first")[0][f"h36m/S1/Walking_1/000001/{FIRST}"]
    right = rows[f"h36m/S1/Walking_1/000001/{FIRST}"]
    swapped = wrong["keypoints"][ROW["extra_left_knee"]], right["keypoints"][ROW["extra_right_knee"]]
    assert np.array_equal(*swapped)


def test_selection(root):
    assert len(_read(root, every=5)[0]) == 4
    assert len(_read(root, camera_ids=(SECOND,))[0]) == 3
    assert _read(root, subjects=("S9",)) == ({}, {})


def test_camera_pickle_is_read_without_executing_it(root):
    (root / "annotation_body3d" / "cameras.json").unlink()
    path = root / "annotation_body3d" / "cameras.pkl"
    path.write_bytes(pickle.dumps(camera_table()))
    _check(_read(root)[0][f"h36m/S1/Walking_1/000001/{FIRST}"], FIRST, 1)
    path.write_bytes(b"cos\nsystem\n(S'touch /tmp/a3dgen-executed'\ntR.")
    with pytest.raises(DataError, match=r"cameras\.pkl"):
        _read(root)


def test_cameras_missing_wrong_or_elsewhere(root):
    path = root / "annotation_body3d" / "cameras.json"
    path.rename(root / "mine.json")
    with pytest.raises(ConfigError, match=r"neither cameras\.pkl nor"):
        _read(root)
    assert len(_read(root, cameras="mine.json")[0]) == 6
    with pytest.raises(ConfigError, match=r"nothing\.json"):
        _read(root, cameras="nothing.json")
    for text in ("{", "[]", "{}", '{"S1_1": 3}', '{"S1_1": {"f": [1, 1], "c": [1, 1], "k": [1], "p": [0, 0]}}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"cameras\.json"):
            _read(root)
    path.write_text('{"S1_1": {"f": [1, 1], "c": [1, 1], "k": [1, 1, 1], "p": [0, 0]}}')
    assert f"no camera S1 {FIRST} in cameras.json" in _read(root)[1].values()


def test_known_bad_takes(tmp_path):
    good, bad = ("Greeting_1", "SittingDown", "Waiting"), ("Greeting", "SittingDown_1", "Waiting_1")
    write_npz(tmp_path, [("S9", take, FIRST, 1) for take in good + bad])
    write_cameras_json(tmp_path / "cameras.json")
    rows, refused = _read(tmp_path)
    assert set(rows) == {f"h36m/S9/{take}/000001/{FIRST}" for take in good}
    for take in bad:
        assert "shifted" in refused[f"h36m/S9/{take}/000001/{FIRST}"]
    assert len(_read(tmp_path, keep_known_bad=True)[0]) == 6


@pytest.mark.parametrize(("take", "bad"), [("Greeting_2", True), ("SittingDown_1", False), ("Waiting_1", True)])
def test_known_bad_takes_by_subaction(take, bad):
    frame = H36mFrame("S9", take, FIRST, 1)
    config = SimpleNamespace(keep_known_bad=False)
    with pytest.raises(Rejected, match="shifted") if bad else contextlib.nullcontext():
        refuse_known_bad(config, frame, KNOWN_BAD_FETCH)


def test_bad_rows_cost_one_person(tmp_path):
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    arrays["imgname"][0] = "../secret/S7_Nowhere_1.54138969_000001.jpg"
    arrays["imgname"][1] = "S1/no_frame.jpg"
    arrays["imgname"][2] = f"S1/S1_Walking_1.{FIRST}_000007.jpg"
    arrays["part"][3, :, 0] = np.nan
    arrays["S"][4, :, 2] = 0  # root-centred, as SPIN writes it
    arrays["part"][5, :, 0] += 50
    np.savez(path, **arrays)
    rows, refused = _read(tmp_path)
    assert not rows
    assert [r.split(":")[0] for r in refused.values()] == [
        "no frame in the image name 'S1/no_frame.jpg'",
        "no joint is finite in 2D and in 3D",
        "the 3D joints lie behind the camera",
        "the 3D joints project 50 px away from the 2D joints",
        "the image file is missing",
        f"no camera S7 {FIRST} in cameras.json",
    ]


def test_joint_off_the_image_is_kept_as_outside(tmp_path):
    write_npz(tmp_path, [("S1", "Walking_1", FIRST, 130)])
    write_cameras_json(tmp_path / "cameras.json")
    row = _read(tmp_path)[0][f"h36m/S1/Walking_1/000130/{FIRST}"]
    assert (row["state"] == OUTSIDE).sum() > 0
    assert (row["keypoints"][row["state"] == OUTSIDE, 2] == 1).all()
    assert row["bbox"][2] <= WIDTH


@pytest.mark.parametrize("how", ["compressed", "bytes", "object", "fortran"])
def test_kinds_of_npz(root, how):
    path, arrays = write_npz(root, FRAMES)
    if how == "compressed":
        np.savez_compressed(path, **arrays)
    elif how == "fortran":
        np.savez(path, **arrays | {"part": np.asfortranarray(arrays["part"])})
    else:
        np.savez(path, **arrays | {"imgname": arrays["imgname"].astype("S" if how == "bytes" else object)})
    _check(_read(root)[0][f"h36m/S1/Walking_1/000002/{SECOND}"], SECOND, 2)


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_npz_that_are_refused(root, capsys):
    path, arrays = write_npz(root, FRAMES)
    evil = np.empty(6, object)
    evil[:] = _Evil()
    for change, words in (
        ({"imgname": evil}, "imgname"), ({"part": np.zeros((6, 24, 3))}, "17"), ({"S": np.zeros((5, 17, 4))}, "'S'"),
        ({"part": np.zeros((6, 17, 3), "U3")}, "part"), ({"imgname": np.arange(6)}, "imgname"),
        ({"imgname": np.array("x")}, "part"),
    ):  # fmt: skip
        np.savez(path, **arrays | change)
        with pytest.raises(DataError, match=words):
            _read(root)
    np.savez(path, part=arrays["part"])
    with pytest.raises(DataError, match="no array 'S'"):
        _read(root)
    path.write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(DataError, match="npz"):
        _read(root)
    assert "executed" not in capsys.readouterr().out


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_npz(root, data):
    path = root / "annotation_body3d" / "fps50" / "h36m_train.npz"
    _, arrays = write_npz(root, FRAMES[:2])
    if data.draw(st.booleans()):
        np.savez_compressed(path, **arrays)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    try:
        _read(root)
    except (DataError, ConfigError):
        return


def test_two_files_and_frame_rates(tmp_path):
    write_npz(tmp_path, FRAMES[:1], name="fps10/h36m_test.npz")
    write_npz(tmp_path, FRAMES[3:4], name="fps10/h36m_train.npz")
    write_npz(tmp_path, FRAMES, name="fps50/h36m_train.npz")
    write_cameras_json(tmp_path / "cameras.json")
    rows, _ = _read(tmp_path)
    assert list(rows) == [f"h36m/S1/Walking_1/000001/{c}" for c in (FIRST, SECOND)]
    assert len(_read(tmp_path, annotations=("annotation_body3d/fps50/h36m_train.npz",))[0]) == 6


def test_wrong_set_up(tmp_path, root):
    (tmp_path / "empty").mkdir()
    for settings_, words in (
        ({"root": str(tmp_path / "empty")}, "no h36m_"),
        ({"root": str(root), "format": "fetch"}, r"no S\*/<take>/annot.h5 below"),
        ({"root": str(root), "format": "fetch", "annotations": ("x",)}, "only for format mmpose"),
    ):
        with pytest.raises(ConfigError, match=words):
            list(read(Config(**settings_)))
    with pytest.raises(ConfigError, match=r"format: unknown value 'mmpse'; did you mean 'mmpose'"):
        Config(format="mmpse")


def test_fingerprint_follows_cameras_too(root):
    config = Config(root=str(root))
    first = fingerprint(config)
    path = root / "annotation_body3d" / "cameras.json"
    path.write_text(path.read_text() + " ")
    assert fingerprint(config) != first


def test_frame_names():
    assert H36mFrame.parse("a/S11_Eating 1.60457274_000123.png") == H36mFrame("S11", "Eating_1", "60457274", 123)
    for name in ("S1_Walking.5413896_000001.jpg", "S1_Walking.54138969_1.jpg", "x.jpg", ""):
        assert H36mFrame.parse(name) is None


# -- h36m-fetch


def _write_fetch(root, frames=(1, 2, 6)):
    folder = root / "processed" / "S1" / "Walking-1"
    rows = [(c, n) for c in (FIRST, SECOND) for n in frames]
    for c, n in rows:
        photo(folder / "imageSequence" / c / f"img_{n:06d}.jpg", WIDTH, HEIGHT)
    seen = [observed(c, n) for c, n in rows]
    with h5py.File(folder / "annot.h5", "w") as file:
        file["pose/2d"] = np.array([s[0] for s in seen])
        file["pose/3d"] = np.array([s[1] for s in seen])
        file["pose/3d-univ"] = np.array([s[1] for s in seen])
        file["frame"] = np.array([n for _, n in rows])
        file["camera"] = np.array([int(c) for c, _ in rows])
        file["subject"] = np.ones(len(rows), int)
        for c in (FIRST, SECOND):
            K = cameras()[c][0].K
            file[f"intrinsics/{c}"] = np.array([K[0, 0], K[0, 2], K[1, 1], K[1, 2]])
    return folder


def test_fetch(tmp_path):
    _write_fetch(tmp_path)
    rows, refused = _read(tmp_path)
    assert not refused
    assert list(rows) == [f"h36m/S1/Walking_1/{n:06d}/{c}" for n in (1, 2, 6) for c in (FIRST, SECOND)]
    row = rows[f"h36m/S1/Walking_1/000006/{SECOND}"]
    _check(row, SECOND, 6, calibrated=False)
    assert not row["dist"].any()
    assert row["K"][0].tolist() == [231.0, 0.0, 100.5]
    write_metadata(tmp_path / "metadata.xml")
    _check(_read(tmp_path)[0][f"h36m/S1/Walking_1/000006/{SECOND}"], SECOND, 6)
    assert len(_read(tmp_path, every=5, camera_ids=(FIRST,))[0]) == 2


def test_fetch_with_gaps(tmp_path):
    folder = _write_fetch(tmp_path)
    (folder / "imageSequence" / FIRST / "img_000002.jpg").unlink()
    with h5py.File(folder / "annot.h5", "a") as file:
        del file[f"intrinsics/{SECOND}"]
    rows, refused = _read(tmp_path)
    assert len(rows) == 2
    assert "missing" in refused[f"h36m/S1/Walking_1/000002/{FIRST}"]
    assert refused[f"h36m/S1/Walking_1/000001/{SECOND}"] == f"no camera {SECOND} in annot.h5"
    with h5py.File(folder / "annot.h5", "a") as file:
        del file["pose/2d"]
    with pytest.raises(DataError, match=r"annot\.h5"):
        _read(tmp_path)
    (folder / "annot.h5").write_bytes(b"junk")
    with pytest.raises(DataError, match="HDF5"):
        _read(tmp_path)


# -- the official tree


def _write_cdf(path, pose):
    cdfwrite = pytest.importorskip("cdflib.cdfwrite", reason="cdflib is not installed")
    path.parent.mkdir(parents=True, exist_ok=True)
    cdf = cdfwrite.CDF(path, {"Majority": "row_major", "Encoding": 6})
    spec = {
        "Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": list(pose.shape[1:]),
    }  # fmt: skip
    cdf.write_var(spec, var_data=pose.astype(np.float32))
    cdf.close()


def _write_video(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 50, (WIDTH, HEIGHT))
    for n in range(1, frames + 1):
        writer.write(np.full((HEIGHT, WIDTH, 3), 10 * n, np.uint8))
    writer.release()


def _write_official(root, frames=12, video=12):
    for c in (FIRST, SECOND):
        seen = [observed(c, n) for n in range(1, frames + 1)]
        poses = root / "S1" / "MyPoseFeatures"
        for kind, i in (("D2_Positions", 0), ("D3_Positions_mono", 1)):
            pose = np.array([s[i].ravel() for s in seen])[None]
            _write_cdf(poses / kind / f"Walking 1.{c}.cdf", pose)
        _write_video(root / "S1" / "Videos" / f"Walking 1.{c}.mp4", video)
    _write_cdf(root / "S1" / "MyPoseFeatures" / "D2_Positions" / f"_ALL.{FIRST}.cdf", np.zeros((1, 2, 64)))
    write_metadata(root / "metadata.xml")
    return {"root": root, "frames": str(root / "frames")}


def test_official_tree(tmp_path):
    config = _write_official(tmp_path)
    rows, refused = _read(**config)
    assert not refused
    assert list(rows) == [f"h36m/S1/Walking_1/{n:06d}/{c}" for n in (1, 6, 11) for c in (FIRST, SECOND)]
    row = rows[f"h36m/S1/Walking_1/000006/{SECOND}"]
    _check(row, SECOND, 6, pixels=1e-4)
    image = cv2.imread(row["image"])
    assert abs(int(image[100, 100, 0]) - 60) < 5  # the sixth frame, not its neighbour
    assert row["image"].endswith(f"frames/S1/S1_Walking_1.{SECOND}/S1_Walking_1.{SECOND}_000006.jpg")
    assert row["mask"] == ""
    for video in tmp_path.glob("S1/Videos/*.mp4"):
        video.unlink()
    assert list(_read(**config)[0]) == list(rows)  # from the frames kept
    assert len(_read(**config, every=4)[1]) == 4


def test_official_world_positions_serve_without_camera_ones(tmp_path):
    from h36m_trees import joints_world

    config = _write_official(tmp_path)
    poses = tmp_path / "S1" / "MyPoseFeatures"
    for path in (poses / "D3_Positions_mono").iterdir():
        path.unlink()
    _, refused = _read(**config)
    assert "no 3D joints" in next(iter(refused.values()))
    world = np.array([joints_world(n).ravel() for n in range(1, 13)])[None]
    _write_cdf(poses / "D3_Positions" / "Walking 1.cdf", world)
    rows, _ = _read(**config)
    assert len(rows) == 6
    row = rows[f"h36m/S1/Walking_1/000011/{FIRST}"]
    wanted = observed(FIRST, 11)[1][RIGHT_FIRST] * 1e-3
    assert np.abs(row["joints3d"][list(H36M_RIGHT_FIRST_ROWS), :3] - wanted).max() < 1e-5


def test_official_video_that_ends_early(tmp_path):
    rows, refused = _read(**_write_official(tmp_path, video=8))
    assert len(rows) == 4
    assert set(refused.values()) == {f"the video ends after 8 frames: Walking 1.{c}.mp4" for c in (FIRST, SECOND)}


def test_official_silhouettes(tmp_path):
    config = _write_official(tmp_path)
    path = tmp_path / "S1" / "MySegmentsMat" / "ground_truth_bs" / f"Walking 1.{FIRST}.mat"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        references = []
        for n in range(12):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[20:40, n : n + 5] = 1
            file[f"#refs#/{n}"] = mask.T
            references.append(file[f"#refs#/{n}"].ref)
        data = file.create_dataset("Masks", (12, 1), h5py.ref_dtype)
        data[:, 0] = references

    rows, _ = _read(**config)
    mask = rle.from_json(rows[f"h36m/S1/Walking_1/000006/{FIRST}"]["mask"])
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask[30, 5:10].all()
    assert mask.sum() == 100
    assert rows[f"h36m/S1/Walking_1/000006/{SECOND}"]["mask"] == ""


def test_official_set_up_errors(tmp_path):
    config = _write_official(tmp_path)
    (tmp_path / "metadata.xml").write_text("<metadata><w0>[1 2 3]</w0></metadata>")
    with pytest.raises(DataError, match="holds 3 finite numbers, wanted 300"):
        _read(**config)
    for text in ("<metadata>", "<!DOCTYPE x [<!ENTITY a 'b'>]><m><w0>1</w0></m>", "<w0>one</w0>"):
        (tmp_path / "metadata.xml").write_text(text)
        with pytest.raises(DataError, match=r"metadata\.xml"):
            _read(**config)
    (tmp_path / "metadata.xml").unlink()
    with pytest.raises(ConfigError, match=r"neither metadata\.xml nor"):
        _read(**config)
    write_metadata(tmp_path / "metadata.xml")
    path = tmp_path / "S1" / "MyPoseFeatures" / "D2_Positions" / f"Walking 1.{FIRST}.cdf"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"Walking 1\.54138969\.cdf"):
        _read(**config)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_cdf(tmp_path, data):
    path = tmp_path / "pose.cdf"
    path.unlink(missing_ok=True)
    _write_cdf(path, np.zeros((1, 3, 64)))
    assert read_pose(path, 2).shape == (3, 17, 2)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    with contextlib.suppress(DataError):
        read_pose(path, 2)


def test_cdf_with_endless_lists_is_refused_at_once(tmp_path):
    path = tmp_path / "pose.cdf"
    _write_cdf(path, np.zeros((1, 3, 64)))
    whole = path.read_bytes()
    (general,) = struct.unpack_from(">q", whole, 20)
    for offset, value in ((44, 1), (48, 2**30), (56, 2**30), (60, 2**30), (0, -1)):
        raw = bytearray(whole)
        struct.pack_into(">i", raw, general + offset, value)
        path.write_bytes(bytes(raw))
        with pytest.raises(DataError, match="damaged"):
            read_pose(path, 2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_annot_h5(tmp_path, data):
    shutil.rmtree(tmp_path / "processed", ignore_errors=True)
    path = _write_fetch(tmp_path, (1,)) / "annot.h5"
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    with contextlib.suppress(DataError):
        _read(tmp_path)


def test_without_cdflib_the_command_is_named(tmp_path, monkeypatch):
    config = _write_official(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "cdflib", None)
    with pytest.raises(ConfigError, match=r"pip install 'a3dgen\[cdf\]'"):
        _read(**config)


def test_metadata_agrees_with_the_camera_table(tmp_path):
    write_metadata(tmp_path / "metadata.xml")
    write_cameras_json(tmp_path / "cameras.json")
    from_xml, from_json = load_cameras(tmp_path / "metadata.xml"), load_cameras(tmp_path / "cameras.json")
    assert len(from_xml) == 44
    for pair, camera in from_json.items():
        assert np.allclose(from_xml[pair].K, camera.K)
        assert np.allclose(from_xml[pair].dist, camera.dist)


@pytest.mark.samples
def test_angles_of_real_cameras_follow_the_xyz_convention(samples, tmp_path):
    """R of the real S1 camera must split into three angles about x, y and z and come back through metadata.xml."""
    import json

    entry = json.loads((samples / "h36m" / "annotation_body3d" / "cameras.json").read_text())["S1_54138969"]
    R = np.array(entry["R"]).T
    angles = [np.arctan2(-R[1, 2], R[2, 2]), np.arcsin(R[0, 2]), np.arctan2(-R[0, 1], R[0, 0])]
    numbers = [*angles, *(np.array(entry["T"]).ravel() * 1e3)] * 44
    numbers += [*np.ravel(entry["f"]), *np.ravel(entry["c"]), *np.ravel(entry["k"]), *np.ravel(entry["p"])] * 4
    (tmp_path / "metadata.xml").write_text(f"<m><w0>[{' '.join(map(repr, map(float, numbers)))}]</w0></m>")
    camera, place = read_metadata(tmp_path / "metadata.xml")["S1", "54138969"]
    assert np.allclose(place.R, R, atol=1e-9)
    assert np.allclose(place.T, np.ravel(entry["T"]))
    assert camera.dist[2:4].tolist() == np.ravel(entry["p"]).tolist()


@pytest.mark.parametrize(
    "prefix", ["S1\\\\", "D:\\\\h36m\\\\images\\\\S1\\\\", "/data/h36m/images/S1/", "../images/S1/"]
)
def test_names_from_another_machine(tmp_path, prefix):
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    wanted = _read(tmp_path)[0]
    names = [str(n) for n in arrays["imgname"]]
    arrays["imgname"] = np.array([prefix.replace("\\\\", "\\") + n.rpartition("/")[2] for n in names])
    np.savez(path, **arrays)
    rows, refused = _read(tmp_path)
    assert not refused
    assert {k: r["image"] for k, r in rows.items()} == {k: r["image"] for k, r in wanted.items()}


def test_millimetres_are_noticed_and_said(tmp_path, caplog):
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    wanted = _read(tmp_path)[0]
    arrays["S"][..., :3] *= 1000
    np.savez(path, **arrays)
    rows, refused = _read(tmp_path)
    assert not refused
    assert "millimetres" in caplog.text
    for key, row in rows.items():
        np.testing.assert_allclose(row["joints3d"], wanted[key]["joints3d"], atol=1e-9)


def test_the_24_joints_of_spin(tmp_path):
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    wanted = _read(tmp_path)[0]
    rows17 = next(iter(wanted.values()))["keypoints"][:, 2] > 0
    spin = list(SPIN_ROWS)
    part, joints = np.zeros((len(FRAMES), 24, 3)), np.zeros((len(FRAMES), 24, 4))
    order = {row: i for i, row in enumerate(H36M_RIGHT_FIRST_ROWS)}
    for at, row in enumerate(spin):
        if row in order:
            part[:, at, :2], part[:, at, 2] = arrays["part"][:, order[row], :2], 1
            joints[:, at, :3], joints[:, at, 3] = arrays["S"][:, order[row], :3], 1
    np.savez(path, **(dict(arrays) | {"part": part, "S": joints}))
    rows, refused = _read(tmp_path)
    assert not refused
    for key, row in rows.items():
        assert ((row["keypoints"][:, 2] > 0) == rows17).all()
        np.testing.assert_allclose(row["joints3d"], wanted[key]["joints3d"])


@pytest.mark.parametrize("name", ["S1_Walking_1.{}_{:06d}.jpg", "/mnt/x/S1/Images/s1_Walking 1.{}_{:06d}.JPG",
                                  "S1\\\\S1_Walking_1.{}\\\\S1_Walking_1.{}_{:06d}.jpg"])  # fmt: skip
def test_frames_are_found_at_their_usual_place(tmp_path, name):
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    wanted = _read(tmp_path)[0]
    name = name.replace("\\\\", "\\")
    old, suffix = "S1/S1_Walking_1.{0}/", ".jpg"
    names = [name.format(*([c] * (name.count("{}"))), n) for _, _, c, n in FRAMES]
    arrays["imgname"] = np.array(names)
    for _, _, camera, number in FRAMES:  # the usual place has the file under the name in the npz
        folder = tmp_path / "images" / old.format(camera)
        for text in names:
            stem = text.replace("\\", "/").rpartition("/")[2]
            if f"{camera}_{number:06d}" in stem and not (folder / stem).exists():
                (folder / f"S1_Walking_1.{camera}_{number:06d}{suffix}").rename(folder / stem)
    np.savez(path, **arrays)
    rows, refused = _read(tmp_path)
    assert not refused
    assert rows.keys() == wanted.keys()


def test_names_never_leave_the_folder(tmp_path):
    root = tmp_path / "h36m"
    path, arrays = write_npz(root, FRAMES[:1])
    write_cameras_json(root / "cameras.json")
    secret = f"S9_Nowhere_1.{FIRST}_000001.jpg"
    photo(tmp_path / secret, WIDTH, HEIGHT)
    for name in (f"../{secret}", str(tmp_path / secret), f"images/../../{secret}"):
        np.savez(path, **arrays | {"imgname": np.array([name])})
        rows, refused = _read(root)
        assert not rows
        assert all("missing" in reason for reason in refused.values())


@pytest.mark.parametrize("change", [("part", np.nan), ("S", np.nan), ("S", np.inf)])
def test_a_joint_that_is_nowhere_costs_the_joint(tmp_path, change):
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    wanted = _read(tmp_path)[0]
    name, value = change
    arrays[name][0, 13, 0] = value
    np.savez(path, **arrays)
    rows, refused = _read(tmp_path)
    assert not refused
    key = f"h36m/S1/Walking_1/000001/{FIRST}"
    gone = np.flatnonzero(rows[key]["state"] != wanted[key]["state"])
    assert gone.tolist() == [H36M_RIGHT_FIRST_ROWS[13]]
    assert not rows[key]["joints3d"][gone].any()
    others = [k for k in rows if k != key]
    assert all(np.array_equal(rows[k]["joints3d"], wanted[k]["joints3d"]) for k in others)


@pytest.mark.parametrize("unit", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("from_root", [False, True])
def test_units_and_origin_of_the_joints(tmp_path, unit, from_root, caplog):
    """The same people in metres, centimetres and millimetres, before the camera or from the pelvis on."""
    path, arrays = write_npz(tmp_path, FRAMES)
    write_cameras_json(tmp_path / "cameras.json")
    wanted = _read(tmp_path)[0]
    caplog.clear()
    if from_root:
        arrays["S"][..., :3] -= arrays["S"][:, :1, :3]
    arrays["S"][..., :3] *= unit
    np.savez(path, **arrays)
    rows, refused = _read(tmp_path)
    assert not refused
    for key, row in rows.items():
        assert np.abs(row["joints3d"][:, :3] - wanted[key]["joints3d"][:, :3]).max() < 1e-6
    assert ("taken for" in caplog.text, "from the pelvis on" in caplog.text) == (unit > 1, from_root)


def test_spin_rows_without_confidence_have_no_keypoints(tmp_path):
    path, arrays = write_npz(tmp_path, FRAMES[:2])
    write_cameras_json(tmp_path / "cameras.json")
    np.savez(path, **arrays | {"part": np.zeros((2, 24, 3)), "S": np.zeros((2, 24, 4))})
    rows, refused = _read(tmp_path)
    assert not rows
    assert set(refused.values()) == {"no keypoints"}


def test_a_damaged_camera_costs_its_frames(root, caplog):
    path = root / "annotation_body3d" / "cameras.json"
    table = json.loads(path.read_text())
    table[f"S1_{FIRST}"]["f"] = [0, float("nan")]
    table["note"] = 3
    path.write_text(json.dumps(table))
    rows, refused = _read(root)
    assert {k.rpartition("/")[2] for k in rows} == {SECOND}
    assert set(refused.values()) == {f"no camera S1 {FIRST} in cameras.json"}
    assert f"camera 'S1_{FIRST}' needs f, c, k and p, all finite" in caplog.text


@pytest.mark.parametrize("name", ["cameras.json", "cameras.pkl", "metadata.xml"])
def test_camera_files_that_are_something_else_are_named(root, name):
    (root / "annotation_body3d" / "cameras.json").unlink()
    for content, what in (
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
    ):
        (root / "annotation_body3d" / name).write_bytes(content)
        with pytest.raises(DataError, match=what):
            _read(root)
