"""Ingest: everybody accounted for, keys once, minimum of keypoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.records import OUTSIDE, Persons
from a3dgen.core.stage import Context
from a3dgen.geometry.camera import project_distorted
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.sources import SOURCES, open_source
from a3dgen.sources.mpii import Config as Mpii
from a3dgen.stages import ingest
from a3dgen.stages.ingest import Config, require_keypoints, run


def _context(tmp_path: Path) -> Context:
    return Context(1, BodyConfig(), tmp_path, tmp_path / "ingest")


def _keypoints(*names: str) -> np.ndarray:
    keypoints = np.zeros((NUM_ROWS, 3))
    keypoints[[ROW[n] for n in names], 2] = 1
    return keypoints


@pytest.fixture
def mpii(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "1.jpg")
    joints = [[10 + i, 20 + i] for i in range(16)]
    few = [int(i < 7) for i in range(16)]
    records = [{"image": "1.jpg", "joints": joints, "joints_vis": v} for v in ([1] * 16, few)]
    (tmp_path / "annot").mkdir()
    (tmp_path / "annot" / "valid.json").write_text(json.dumps(records))
    return tmp_path


SHOULDERS = ("extra_left_shoulder", "extra_right_shoulder")
FIVE = ("body_nose", "extra_left_elbow", "extra_right_elbow", "extra_left_wrist", "extra_right_wrist")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((*FIVE, *SHOULDERS, "body_neck"), None),
        ((*FIVE, *SHOULDERS), "7 keypoints labelled, 8 needed"),
        # the body and the extra row of one joint are one point
        ((*FIVE, *SHOULDERS, "body_left_elbow"), "7 keypoints labelled, 8 needed"),
        ((*FIVE, SHOULDERS[0], "extra_left_hip", "body_neck"), "neither both hips nor both shoulders"),
        ((*FIVE, "body_neck", "extra_left_hip", "body_right_hip"), None),
        ((), "0 keypoints labelled"),
        (("body_nose",), "1 keypoint labelled"),
    ],
)
def test_minimum_of_keypoints(names, reason):
    if reason is None:
        require_keypoints(_keypoints(*names), 8, True)
    else:
        with pytest.raises(Rejected, match=reason):
            require_keypoints(_keypoints(*names), 8, True)


def test_everybody_is_accounted_for(mpii, tmp_path):
    found = list(run(Config(sources={"mpii": {"root": str(mpii)}}), _context(tmp_path)))
    assert [f["key"] if isinstance(f, dict) else f for f in found] == [
        "mpii/1/0",
        ("mpii/1/1", "7 keypoints labelled, 8 needed"),
    ]
    both = list(run(Config(sources={"mpii": Mpii(root=str(mpii))}, min_keypoints=7), _context(tmp_path)))
    assert len(Persons.from_rows(both)) == 2


def test_a_person_read_twice_is_refused_once(mpii, tmp_path):
    sources = {"mpii": {"root": str(mpii)}, "again": {"kind": "mpii", "root": str(mpii)}}
    found = list(run(Config(sources=sources), _context(tmp_path)))
    keys = [f["key"] if isinstance(f, dict) else f[0] for f in found]
    assert keys == ["mpii/1/0", "mpii/1/1", "mpii/1/0#2", "mpii/1/1#2"]
    assert found[2][1] == "the person 'mpii/1/0' was already read"


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({}, "no sources"),
        ({"koko": {"root": "."}}, "did you mean 'coco'"),
        ({"coco": {"rot": "."}}, "did you mean 'root'"),
        ({"x": {"kind": "mpi"}}, "did you mean 'mpii'"),
        ({"coco": None}, "wanted a mapping"),
        ({"coco": {"root": ["a"]}}, "must be text"),
        ({"coco": {"root": ".", "splits": {"a": 1}}}, "must be a list"),
        ({"h36m": {"root": ".", "every": "five"}}, "must be a whole number"),
        ({"h36m": {"order": "up"}}, "order"),
        ({"coco": {}}, "not set"),
        ({"coco": {"root": "/nowhere/at/all"}}, "/nowhere/at/all"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, sources, words):
    config = Config(sources=sources)
    for call in (lambda: list(run(config, _context(tmp_path))), lambda: ingest.fingerprint(config)):
        with pytest.raises(ConfigError, match=words) as error:
            call()
        assert "\n" not in str(error.value)


def test_settings_become_the_config_of_their_kind(mpii):
    _, config = open_source("coco", {"root": "x", "licenses": [4], "splits": ["val2017"]})
    assert (config.licenses, config.splits) == ((4,), ("val2017",))
    with pytest.raises(ConfigError, match="no source"):
        open_source("coco", _context(mpii))


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_keeps_the_contract(kind, tmp_path):
    source, config = open_source(kind, {"root": str(tmp_path)})
    with pytest.raises(ConfigError, match=f"sources.{kind}.root: n.*'{tmp_path}"):
        list(source.read(config))
    with pytest.raises(ConfigError, match=f"sources.{kind}.root"):
        source.fingerprint(config)
    with pytest.raises(ConfigError, match=f"sources.{kind}.root is not set"):
        list(source.read(source.Config()))


def test_fingerprint_follows_the_annotations(mpii):
    config = Config(sources={"mpii": {"root": str(mpii)}})
    first = ingest.fingerprint(config)
    (mpii / "annot" / "valid.json").write_text("[]")
    assert ingest.fingerprint(config) != first


@pytest.mark.samples
def test_all_17_people_of_the_samples(samples, tmp_path):
    sources = {kind: {"root": str(samples / kind)} for kind in ("coco", "mpii", "h36m")}
    found = list(run(Config(sources=sources), _context(tmp_path)))
    persons = Persons.from_rows([f for f in found if isinstance(f, dict)])
    assert [f for f in found if isinstance(f, tuple)] == [("coco/val2017/196141/508900", "no keypoints")]
    subsets, counts = np.unique(persons.subset.astype(str), return_counts=True)
    assert dict(zip(subsets, counts, strict=True)) == {
        "COCO_val": 10, "MPII": 3, "H36M/S1": 1, "H36M/S5": 1, "H36M/S7": 1,
    }  # fmt: skip
    assert not (persons.state == OUTSIDE).any()
    for i in np.flatnonzero(persons.subset == "COCO_val"):
        assert persons.mask[i]


@pytest.mark.samples
def test_h36m_samples_project_within_a_quarter_pixel(samples, tmp_path):
    found = list(run(Config(sources={"h36m": {"root": str(samples / "h36m")}}), _context(tmp_path)))
    persons = Persons.from_rows(found)
    assert persons.group.tolist() == [
        "h36m/S1/Directions_1/000001",
        "h36m/S5/SittingDown/002061",
        "h36m/S7/Greeting/000396",
    ]
    assert persons.image_size.tolist() == [[1000, 1002]] * 3
    for i in range(3):
        rows = np.flatnonzero(persons.joints3d[i, :, 3])
        assert len(rows) == 17
        pixels = project_distorted(persons.joints3d[i, rows, :3], persons.K[i], persons.dist[i])
        error = np.linalg.norm(pixels - persons.keypoints[i, rows, :2], axis=-1)
        assert error.max() < 0.25
