"""``a3dgen custom`` and ``a3dgen forget`` up to where bodies are fitted; the whole way is marked slow."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from a3dgen.cli import main
from a3dgen.config import load_config
from a3dgen.core.errors import ConfigError
from a3dgen.core.files import append_names
from a3dgen.core.records import AMPUTATED, OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.detectors import Person
from a3dgen.detectors.calibration import calibrate, point_sd, tables
from a3dgen.detectors.faces import blur, head_circles
from a3dgen.detectors.keypoint_rows import pose_distance, thin, windows
from a3dgen.engine.forget import Traces, scrub, traces
from a3dgen.engine.ledger import Ledger, StageBook
from a3dgen.engine.photo_build import build_photos, configure_photos
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import ROW
from a3dgen.io.forgotten import add_forgotten, facts_of, read_forgotten, shot_of
from a3dgen.io.npz import read
from a3dgen.io.shards import read_shard


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "wall.png")
    (tmp_path / "none.json").write_text("[]")
    return folder


def test_a_folder_with_nobody_in_it_ends_with_one_line(tmp_path, photos, capsys):
    out = tmp_path / "out"
    arguments = ["custom", str(photos), "--out", str(out), "--keypoints", str(tmp_path / "none.json"), "--quiet"]
    assert main([*arguments, "--workers", "0"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "nobody found" in printed.out
    assert not list(out.rglob("*.npz"))


def test_people_are_looked_for_once(tmp_path, photos, monkeypatch):
    """The progress counted them twice, once for each of two builds."""
    runs = []

    def run(config):
        runs.append(config)
        ledger = Ledger(tmp_path)
        ledger.stages["ingest"] = StageBook(rows=Counter(Persons=2))
        return ledger

    monkeypatch.setattr("a3dgen.engine.photo_build.write_review", lambda out, table: 2)
    done = build_photos(configure_photos(str(photos), {}, out=str(tmp_path / "out")), str(photos), "", run)
    assert (len(runs), done.people) == (1, 2)


def test_forgetting_the_only_person_leaves_nobody(tmp_path, photos, capsys):
    points = [v for k in range(17) for v in (60 + 2 * (k % 4), 20 + 5 * k, 0.9)]
    (tmp_path / "one.json").write_text(json.dumps([{"image_id": "wall.png", "keypoints": points, "score": 0.9}]))
    out, keys = tmp_path / "out", (f"root={photos}", f"keypoints={tmp_path / 'one.json'}")
    sets = [word for key in keys for word in ("--set", f"sources.photos.{key}")]
    assert main(["ingest", "--only", "--config", "custom", *sets, "--out", str(out), "--workers", "0", "--quiet"]) == 0
    (shard,) = (out / "ingest").glob("*.h5")
    (key,) = read_shard(shard)["Persons"].key
    words = Traces(frozenset({key.split("/")[2]}))
    assert traces(out, words)
    assert main(["forget", str(out), key, "--workers", "0", "--quiet"]) == 0
    assert not list(out.rglob("*.h5"))
    assert traces(out, words) == []


def test_a_missing_folder_is_a_usage_error(tmp_path, capsys):
    assert main(["custom", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "vitpos"], "--detector: unknown detector 'vitpos'; did you mean 'vitpose'?"),
        (["--regions", "left_nee"], "--regions: unknown amputation region 'left_nee'"),
        (["--residual", "0.3-0.6"], "--residual '0.3-0.6'"),
        (["--keypoints", "nowhere.json"], "--keypoints: no file or folder"),
        (["--present-regions", "none.csv"], "--present-regions: no file"),
        (["--detector", "vitpose", "--weights", "nowhere"], "--weights: no folder"),
    ],
)
def test_mistakes_are_said_in_the_words_of_the_command(tmp_path, photos, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["custom", str(photos), "--out", str(tmp_path / "out"), "--workers", "0", *options]) == 2
    printed = capsys.readouterr().err
    assert f"a3dgen: {message}" in printed
    assert "Traceback" not in printed
    assert "custom.yaml" not in printed


def test_a_folder_without_photos_is_a_usage_error_and_nothing_is_touched(tmp_path, capsys):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    (tmp_path / "out" / "A3D_Dataset").mkdir(parents=True)
    (tmp_path / "out" / "A3D_Dataset" / "dataset.json").write_text("{}")
    assert main(["custom", str(tmp_path / "notes"), "--out", str(tmp_path / "out")]) == 2
    assert main(["custom", str(tmp_path / "notes"), "--out", str(tmp_path / "new")]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("no photo or video in it") == 2
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["A3D_Dataset", "dataset.json"]
    assert not (tmp_path / "new").exists()
    (tmp_path / "one.jpg").write_bytes(b"x")
    assert main(["custom", str(tmp_path / "one.jpg"), "--out", str(tmp_path / "out")]) == 2


def test_privacy_is_on_for_custom_and_needs_photos():
    photos = load_config("custom").sources["photos"]
    assert photos.hash_names
    assert photos.blur_bystanders
    off = load_config("custom", ["privacy.hash_names=false"]).sources["photos"]
    assert not off.hash_names
    with pytest.raises(ConfigError, match="photo folders"):
        load_config("coco", ["privacy.hash_names=true"])


def test_blurred_faces_keep_nothing_and_touch_nothing_else():
    rgb = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    out = blur(rgb, np.array([[100.0, 80.0, 30.0]]))
    yy, xx = np.mgrid[:200, :200]
    disc = (xx - 100) ** 2 + (yy - 80) ** 2 <= 30**2
    np.testing.assert_array_equal(out[~disc], rgb[~disc])
    assert out[disc].std() < 0.2 * rgb[disc].std()
    keypoints = np.zeros((44, 3))
    keypoints[ROW["body_nose"]] = (100, 80, 0.9)
    keypoints[ROW["extra_left_shoulder"]] = (120, 110, 0.9)
    keypoints[ROW["extra_right_shoulder"]] = (80, 110, 0.9)
    (circle,) = head_circles([Person(np.zeros(4), keypoints, 1.0)])
    np.testing.assert_allclose(circle[:2], (100, 80))


@pytest.mark.parametrize("detector", ["mediapipe", "default", "vitpose"])
def test_less_confident_points_get_larger_deviations(detector):
    low, high = (point_sd(np.full(44, c), detector) for c in (0.2, 0.95))
    assert (low > high).all()
    keypoints = np.column_stack([np.ones((44, 2)), np.linspace(0, 1, 44)])
    out, state = calibrate(keypoints, detector)
    assert set(state) == {UNLABELLED, OCCLUDED, VISIBLE}
    assert ((out[:, 2] > 0) == (state != UNLABELLED)).all()
    assert out[:, 2].max() <= 1
    assert all(np.all(np.diff(t["sd"]) <= 0) for t in tables()["detectors"].values())


def test_pose_suppression_keeps_the_best_of_what_agrees():
    rng = np.random.default_rng(2)
    one, two = rng.uniform(0, 100, (12, 2)), rng.uniform(200, 300, (12, 2))
    poses = [one, one + 1, two, one - 2]
    kept = thin(poses, np.array([0.5, 0.9, 0.4, 0.6]), 0.15)
    assert [(i, sorted(same.tolist())) for i, same in kept] == [(1, [0, 1, 3]), (2, [2])]
    assert pose_distance(one, one) == 0


def test_windows_cover_the_picture():
    for size in ((640, 480), (100, 700)):
        seen = np.zeros(size[::-1], int)
        for x0, y0, x1, y1 in list(windows(*size, (0.4,)))[1:]:
            assert 0 <= x0 < x1 <= size[0]
            seen[y0:y1, x0:x1] += 1
        assert seen.min() >= 1


def test_the_forgotten_are_remembered_without_a_name(tmp_path):
    assert read_forgotten(tmp_path) == frozenset()
    facts = facts_of("/data/jane.jpg", "CUSTOM/x", "jane-f000012", "")
    add_forgotten(tmp_path, facts)
    assert facts <= read_forgotten(tmp_path)
    assert "jane" not in (tmp_path / "forgotten.json").read_text()
    assert facts & facts_of("/other", "CUSTOM/x", "jane-f000099", "")
    assert shot_of("jane-f000012") == "jane"
    assert shot_of("jane-f1") == "jane-f1"


def test_scrubbing_drops_lines_and_files(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"a": "custom/x/jane/1"}\n{"b": 2}\n')
    for name in ("render/jane_1.png", "mine/jane_1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    append_names(tmp_path / "render" / "000000.files", ["render/jane_1.png"])
    words = Traces(frozenset({"custom/x/jane/1", "jane"}))
    assert traces(tmp_path, words) == ["log.jsonl", "mine/jane_1.png", "render/000000.files", "render/jane_1.png"]
    scrub(tmp_path, words)
    assert traces(tmp_path, words) == ["mine/jane_1.png"]  # the user's own: told, not deleted
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"b": 2}


def test_scrubbing_spares_people_of_similar_names(tmp_path):
    for name in ("IMG_1", "IMG_10", "IMG_1_b", "XIMG_1"):
        (tmp_path / f"amp_7_{name}_1_v0.jpg").write_bytes(b"x")
        append_names(tmp_path / "render" / "000000.files", [f"amp_7_{name}_1_v0.jpg"])
    (tmp_path / "review.csv").write_text(
        "key,photo\nc/IMG_1/1,IMG_1.jpg\nc/IMG_10/1,IMG_10.jpg\nc/IMG_1_b/1,IMG_1_b.jpg\n"
    )
    words = Traces(frozenset({"c/IMG_1/1", "IMG_1", "IMG_1.jpg"})).of_others({"IMG_1_b", "IMG_1_b.jpg", "c/IMG_1_b/1"})
    scrub(tmp_path, words)
    assert sorted(p.name for p in tmp_path.glob("*.jpg")) == [
        f"amp_7_{n}_1_v0.jpg" for n in ("IMG_10", "IMG_1_b", "XIMG_1")
    ]
    assert (tmp_path / "review.csv").read_text().count("\n") == 3
    assert traces(tmp_path, words) == []


def stage_files(out, *stages):
    """Bytes and time of every file of these stages."""
    return {
        p.relative_to(out).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns)
        for stage in stages
        for p in sorted((out / stage).rglob("*"))
        if p.is_file()
    }


def review_rows(out):
    with (out / "review.csv").open() as file:
        return list(csv.DictReader(file))


def write_review(out, rows):
    with (out / "review.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.slow
@pytest.mark.samples
def test_the_review_table_changes_whom_it_names_and_nobody_else(tmp_path, samples):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in ("000000000785", "000000196141"):
        shutil.copy(samples / "coco" / "val2017" / f"{name}.jpg", photos)
    arguments = ["custom", str(photos), "--out", str(out), "--workers", "0", "--per-person", "1", "--quiet"]
    assert main(arguments) == 0
    assert main(["validate", "--strict", str(out / "A3D_Dataset")]) == 0
    names = [p.name for p in (out / "A3D_Dataset").rglob("*.jpg")]
    assert names
    assert not any("000000" in n for n in names)
    assert not any(Image.open(p).getexif() for p in (out / "A3D_Dataset").rglob("*.jpg"))
    assert str(tmp_path) not in (out / "A3D_Dataset" / "dataset.json").read_text()

    stages = ("fit", "amputate", "background", "render")
    before, rows = stage_files(out, *stages), review_rows(out)
    assert len(rows) >= 4
    rows[1]["keep"] = "no"
    rows[2]["removed"], rows[2]["residual"] = "left_transtibial", "0.5"
    write_review(out, rows)
    assert main(arguments) == 0
    after = stage_files(out, *stages)
    touched = ("000001.", "000002.", *(rows[i]["key"].rpartition("/")[0].rpartition("/")[2] for i in (1, 2)))
    theirs = [f"{rows[i]['key'].split('/')[2]}_{rows[i]['key'].split('/')[3]}" for i in (1, 2)]
    changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    assert changed
    for name in changed:
        assert any(text in name for text in (*touched[:2], *theirs)), name
    assert not [n for n in after if theirs[0] in n and n.startswith(("render", "background"))]

    facts = [read(p) for p in (out / "A3D_Dataset").rglob("*.npz")]
    keys = np.concatenate([f["a3dgen_parent"] for f in facts]).astype(str)
    removed = np.concatenate([f["a3dgen_removed"] for f in facts]).astype(bool)
    state = np.concatenate([f["a3dgen_state"] for f in facts])
    assert rows[1]["key"] not in keys
    lacking = keys == rows[2]["key"]
    assert lacking.any()
    foot = REGION_NAMES.index("left_foot")
    assert (removed[lacking][:, [foot, REGION_NAMES.index("left_knee"), REGION_NAMES.index("left_hip")]]).any(1).all()
    assert (state[lacking][:, ROW["extra_left_ankle"]] == AMPUTATED).all()
    assert main(["validate", "--strict", str(out / "A3D_Dataset")]) == 0


@pytest.mark.slow
@pytest.mark.samples
@pytest.mark.parametrize("hashed", ["true", "false"])
def test_nothing_is_left_of_somebody_forgotten_in_a_shard_of_several(tmp_path, samples, hashed):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    shutil.copy(samples / "coco" / "val2017" / "000000000785.jpg", photos / "IMG_1.jpg")
    shutil.copy(samples / "coco" / "val2017" / "000000000785.jpg", photos / "Jane.jpg")
    shutil.copy(samples / "h36m" / "images" / "S1" / "S1_Directions_1.54138969" /
                "S1_Directions_1.54138969_000001.jpg", photos / "IMG_10.jpg")  # fmt: skip
    arguments = ["custom", str(photos), "--out", str(out), "--workers", "0", "--per-person", "1", "--quiet"]
    assert main([*arguments, "--set", "shard_size=4", "--set", f"privacy.hash_names={hashed}"]) == 0
    rows = {row["photo"]: row["key"] for row in review_rows(out)}
    stem = rows["IMG_1.jpg"].split("/")[2]
    words = Traces(frozenset({"IMG_1", "IMG_1.jpg", "Jane", "Jane.jpg", stem, rows["IMG_1.jpg"]}))
    words = words.of_others({"IMG_10.jpg", rows["IMG_10.jpg"]})
    assert len(traces(out, words)) > 10
    assert main(["forget", str(out), rows["IMG_1.jpg"], "--workers", "0", "--quiet"]) == 0
    assert traces(out, words) == []
    assert main(["validate", "--strict", str(out / "A3D_Dataset")]) == 0
    assert list((out / "A3D_Dataset").rglob("*.jpg"))
    (photos / "IMG_1.jpg").unlink()
    assert main([*arguments, "--set", "shard_size=4", "--set", f"privacy.hash_names={hashed}"]) == 0
    assert traces(out, words) == []
