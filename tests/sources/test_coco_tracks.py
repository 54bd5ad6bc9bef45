"""COCO's ``track_id``: people over frames in the source, and in ``a3dgen uplift``; a file without is as it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
from raw_trees import H, W, coco_person, photo

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.engine.tasks import cut_shards
from a3dgen.sources.coco import Config, read
from a3dgen.sources.coco_config import CocoFile
from a3dgen.sources.tracks2d import Camera, detections

NAMES = ["a/000008", "b/000001", "a/000010", "b/000003"]
"""Two recordings whose frames come in turn."""


def write(path, images, people):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}))


@pytest.fixture
def root(tmp_path):
    images = [{"id": i, "file_name": f"{n}.jpg", "width": W, "height": H} for i, n in enumerate(NAMES, 1)]
    people = [coco_person(i, i, track_id=4) for i in range(1, 5)]
    people += [coco_person(10, 1), coco_person(11, 3, track_id="x")]
    for name in NAMES:
        photo(tmp_path / f"{name}.jpg")
    write(tmp_path / "mine.json", images, people)
    return tmp_path


def rows_of(root, **settings):
    config = Config(str(root), files=(CocoFile("mine.json"),), **settings)
    return [row for row in read(config) if isinstance(row, dict)]


def test_people_of_a_recording_come_together_with_their_times(root):
    rows = rows_of(root, fps=5.0)
    said = [(r["key"].rpartition("/")[2], r.get("track"), r.get("seconds")) for r in rows]
    assert said == [
        ("1", "coco/mine/a/4", 0.0), ("10", None, None), ("3", "coco/mine/a/4", 0.4), ("11", "coco/mine/a/x", 0.4),
        ("2", "coco/mine/b/4", 0.0), ("4", "coco/mine/b/4", 0.4),
    ]  # fmt: skip
    assert [r["clip"] for r in rows] == ["coco/mine/a/0"] * 4 + ["coco/mine/b/0"] * 2
    shards = list(cut_shards(rows, 1, clips=True))
    assert [len(s.record) for s in shards] == [4, 2]
    with pytest.raises(ConfigError, match="above 0"):
        rows_of(root, fps=0.0)


def test_a_file_without_tracks_is_as_it_was(root):
    content = json.loads((root / "mine.json").read_text())
    for person in content["annotations"]:
        person.pop("track_id", None)
    (root / "mine.json").write_text(json.dumps(content))
    rows = rows_of(root)
    assert [r["key"].rpartition("/")[2] for r in rows] == ["1", "10", "2", "3", "11", "4"]
    assert not any(r.keys() & {"track", "seconds", "clip"} for r in rows)


def test_uplift_follows_the_tracks_of_a_file_through_gaps(tmp_path):
    names = [f"v/{n}" for n in (1, 2, 3, 5, 12)]
    images = [{"id": i, "file_name": f"{n}.jpg"} for i, n in enumerate(names)]
    far = [v for x in range(17) for v in (5.0 * x + 2000, 9.0 * x, 2)]
    people = []
    for i in range(5):  # the two change places: only the ids tell who is who
        here, there = (7, 8) if i % 2 else (8, 7)
        people += [coco_person(10 + i, i, track_id=here), coco_person(20 + i, i, track_id=there, keypoints=far)]
    people += [coco_person(30 + i, i) for i in range(3)]
    write(tmp_path / "a.json", images, people)
    found = {t.name: t for t in detections(tmp_path / "a.json", Camera((W, H), None, 25.0))}
    assert set(found) == {"a/v/7", "a/v/8", "a/v/unnamed_0"}
    track = found["a/v/7"]
    assert track.images[:5] == ["v/1.jpg", "v/2.jpg", "v/3.jpg", "", "v/5.jpg"]
    assert len(track.images) == 12
    seen = track.conf.any(1)
    assert np.flatnonzero(seen).tolist() == [0, 1, 2, 4, 11]
    assert (track.pixels[seen, :, 0].max(1) > 1000).tolist() == [True, False, True, False, True]
    assert len(found["a/v/unnamed_0"].images) == 3
    write(tmp_path / "a.json", images, [*people, coco_person(40, 2, track_id=7)])
    with pytest.raises(DataError, match=r"a/v: track 7 is twice in v/3\.jpg"):
        list(detections(tmp_path / "a.json", Camera((W, H), None, 25.0)))


def test_folders_of_openpose_are_recordings_of_their_own_and_somebody_is_lost_and_found(tmp_path):
    body = np.random.default_rng(0).uniform(0, 100, (25, 2))

    def frame(name, *shifts):
        people = [{"person_id": [-1], "pose_keypoints_2d": np.c_[body + s, np.ones(25)].ravel().tolist()}
                  for s in shifts]  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}_keypoints.json").write_text(json.dumps({"people": people}))

    for n in range(12):  # unpadded numbers; the one on the left is not seen in frames 4 to 8
        frame(f"one/f{n}", *([2.0 * n] if not 4 <= n <= 8 else []), 500.0 - n)
        frame(f"two/f{n}", 3.0 * n)
    frame("two/f12")
    found = {t.name.partition("/")[2]: t for t in detections(tmp_path, Camera((1000, 500), None, 25.0))}
    assert set(found) == {"one/0", "one/1", "two/0"}
    left = found["one/0"]
    assert left.conf.any(1).tolist() == [n < 4 or n > 8 for n in range(12)]
    np.testing.assert_allclose(left.pixels[11, 0], body[0] + 22)
    assert left.images[2] == "one/f2"
    assert len(found["two/0"].images) == 12
