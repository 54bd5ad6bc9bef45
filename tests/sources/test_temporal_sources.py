"""``fit.temporal`` from the sources on: COCO's tracks whatever the shards, and takes of Human3.6M."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from h36m_trees import write_cameras_json, write_npz
from raw_trees import photo, split_found

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Bodies, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.engine.pieces_beside import pieces_beside
from a3dgen.engine.tasks import cut_shards
from a3dgen.geometry.skeleton import COCO_ROWS, ROW, ROWS
from a3dgen.sources import coco_tracks
from a3dgen.sources.coco import Config as CocoConfig
from a3dgen.sources.coco import read as read_coco
from a3dgen.sources.coco_config import CocoFile
from a3dgen.sources.h36m import Config, read
from a3dgen.sources.h36m.cameras import CAMERA_IDS
from a3dgen.stages import fit
from benchmarks.uplift import make_clips

FRAMES = 4


@pytest.fixture(scope="module")
def recordings(body, tmp_path_factory):
    """Two recordings of a person each, labelled with COCO's points and a ``track_id``."""
    root = tmp_path_factory.mktemp("recordings")
    names = [ROWS[row].split("_", 1)[1] for row in COCO_ROWS]
    rows, images, people = [ROW[f"body_{name}"] for name in names], [], []
    for n, clip in enumerate(make_clips(body, 2, first=3000)):
        for t in range(FRAMES):
            number, points = len(images) + 1, clip.seen[t].pixels[rows]
            name = f"{'ab'[n]}/{t:03d}.jpg"
            photo(root / name, 1000, 1000)
            images.append({"id": number, "file_name": name, "width": 1000, "height": 1000})
            flags = np.where(np.arange(17) < 5, 1, 2)  # faces may be seen from behind: they are said to be hidden
            people.append({"id": number, "image_id": number, "category_id": 1, "track_id": 3,
                           "keypoints": np.c_[points, flags].ravel().tolist()})  # fmt: skip
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person", "keypoints": names}]}
    (root / "mine.json").write_text(json.dumps(content))
    return root


def fits(rows: list[dict[str, Any]], size: int, temporal: str = "on") -> tuple[int, Persons, Bodies]:
    """Fit shard by shard, as a build does; return the number of shards, people and bodies in the order of rows."""
    shards = [shard.record for shard in cut_shards(rows, size, clips=temporal == "on")]
    context = Context(0, BodyConfig(), Path("/none"), Path("/none"))
    beside = [pieces_beside(a, b, c) for a, b, c in zip([None, *shards], shards, [*shards[1:], None], strict=False)]
    config = fit.Config(temporal=temporal, ground="off")
    inputs = [Inputs(b, beside=s if temporal == "on" else None) for b, s in zip(shards, beside, strict=True)]
    made = [fit.run(config, some, context) for some in inputs]
    assert {status for output in made for status in output.outcome.status} == {"ok"}, [o.outcome.reason for o in made]
    bodies = {row["key"]: row for output in made for row in map(output.record.row, range(len(output.record)))}
    people = {row["key"]: row for persons in shards for row in map(persons.row, range(len(persons)))}
    keys = [row["key"] for row in rows]
    return (
        len(shards),
        Persons.from_rows([people[key] for key in keys]),
        Bodies.from_rows([bodies[key] for key in keys], B=made[0].record.betas.shape[1]),
    )


def shake(values: np.ndarray) -> float:
    return float(np.abs(np.diff(values, n=2, axis=0)).mean())


def test_sequences_split_over_other_shards_have_the_same_bytes(recordings, monkeypatch):
    monkeypatch.setattr(coco_tracks, "CLIP_FRAMES", 2)
    config = CocoConfig(str(recordings), files=(CocoFile("mine.json"),))
    rows = [row for row in read_coco(config) if isinstance(row, dict)]
    many, _, a = fits(rows, 1)
    one, _, b = fits(rows, 100)
    assert (many, one, len(list(cut_shards(rows, 1)))) == (4, 1, 8), "a shard a piece, joined to that beside it"
    assert len(a.key) == 2 * FRAMES
    for name in ("key", "pose", "betas", "transl", "K", "sigma", "cost", "alt_pose", "alt_cost"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    for some in (slice(0, FRAMES), slice(FRAMES, None)):
        assert a.betas[some].std(0).max() < 0.1


def test_a_take_of_human36m_holds_still_and_its_cameras_share_a_body(tmp_path):
    cameras = CAMERA_IDS[:2]
    write_npz(tmp_path, [("S1", "Walking_1", camera, n) for camera in cameras for n in range(1, 15, 2)])
    write_cameras_json(tmp_path / "cameras.json")
    rows, refused = split_found(read(Config(root=str(tmp_path), every=2)))
    assert not refused
    rng, noise = np.random.default_rng(0), {}
    for row in rows.values():  # what the cameras of an instant see is one body
        here = noise.setdefault(row["group"], rng.normal(0, 0.01, (44, 3)))
        row["joints3d"][:, :3] += here * (row["joints3d"][:, 3:] > 0)
    (one, persons, on), (_, _, off) = fits(list(rows.values()), 3), fits(list(rows.values()), 100, "off")
    assert one == 1, "a take is not split"
    by_camera = [np.flatnonzero(persons.track == f"h36m/S1/Walking_1/{camera}") for camera in cameras]
    assert persons.seconds[by_camera[0]].tolist() == pytest.approx([0.04 * n for n in range(7)])
    assert on.pose[by_camera[0], 1:].tobytes() == on.pose[by_camera[1], 1:].tobytes(), "one body an instant"
    for some in by_camera:
        assert shake(on.pose[some, 1:22]) < 0.75 * shake(off.pose[some, 1:22])
