"""``a3dgen uplift``: Fit3D's npz in and out, a folder of OpenPose files, what is said where there is nobody."""

from __future__ import annotations

import json

import numpy as np
import pytest

from a3dgen.cli import parse
from a3dgen.commands import uplift
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.formats.fit3d import write_fit3d
from a3dgen.geometry.skeleton import JOINT, NUM_BODY_ROWS
from a3dgen.sources.motion_files import read_motions
from a3dgen.sources.tracks2d import Camera, fit3d
from benchmarks.uplift import make_clips

FRAMES = 5


@pytest.fixture(scope="module")
def clip(body):
    (made,) = make_clips(body, 1, first=4000)
    return made


def run(*arguments):
    return uplift.run(parse(["uplift", *map(str, arguments), "--quiet"]))


def joints_2d(clip):
    """The true joints' pixels, in the order of SMPL-X."""
    K, joints = clip.seen[0].K, clip.joints[:FRAMES, :22]
    pixels = np.zeros((FRAMES, 26, 2), np.float32)
    pixels[:, :22] = joints[..., :2] / joints[..., 2:] * K[0, 0] + K[:2, 2]
    return pixels


def test_fit3d_in_and_out(clip, tmp_path, capsys):
    K = clip.seen[0].K
    camera = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    source = tmp_path / "in.npz"
    np.savez(source, positions_2d=np.array({"s1": {"walk": [joints_2d(clip)]}}, object),
             cameras=np.array({"s1": {"walk": [camera]}}, object))  # fmt: skip
    assert run(source, "--out", tmp_path / "out", "--format", "fit3d") == 0
    assert json.loads(capsys.readouterr().out)["lifted"] == FRAMES
    (made,) = read_motions(tmp_path / "out" / "uplift.npz", 25.0).values()
    there = made.present
    assert there.tolist() == [True] * 22 + [False] * 4
    a, b = (j - j[:, :1] for j in (made.joints[:, :22], clip.joints[:FRAMES, :22]))
    assert np.linalg.norm(a - b, axis=2).mean() < 0.12
    loaded = np.load(tmp_path / "out" / "uplift.npz", allow_pickle=True)["positions_2d"].item()
    np.testing.assert_allclose(loaded["s1"]["walk"][0][:, 16:22], joints_2d(clip)[:, 16:22], atol=8)


def test_openpose_folder_of_somebody_without_a_leg(clip, tmp_path, capsys):
    for t, seen in enumerate(clip.seen[:FRAMES]):
        points = np.concatenate([seen.pixels, np.isfinite(seen.pixel_sd)[:, None]], 1)[:NUM_BODY_ROWS]
        people = {"people": [{"pose_keypoints_2d": points.ravel().tolist()}]}
        (tmp_path / f"f{t:03d}_keypoints.json").write_text(json.dumps(people))
    out = tmp_path / "out"
    assert run(tmp_path, "--out", out, "--size", "1000x1000", "--removed", "left_knee", "--refine", "none") == 0
    (path,) = out.glob("*.npz")
    found = np.load(path)
    assert found["pose"].shape == (FRAMES, 24, 3)
    assert found["ok"].all()
    assert not found["present"][JOINT["left_ankle"]]
    assert found["present"][JOINT["right_ankle"]]
    assert (found["joints3d"][:, 14, 3] == 0).all()
    assert found["imgname"].tolist()[0] == "f000"
    assert (found["sigma"] > 0).all()


def test_frames_where_nobody_was_seen_are_called_so(clip, tmp_path, capsys):
    for t, seen in enumerate(clip.seen[:4]):
        points = np.concatenate([seen.pixels, np.isfinite(seen.pixel_sd)[:, None]], 1)[:NUM_BODY_ROWS]
        if t == 3:
            points[3:, 2] = 0
        if t != 1:
            people = {"people": [{"person_id": [7], "pose_keypoints_2d": points.ravel().tolist()}]}
            (tmp_path / f"f{t:03d}_keypoints.json").write_text(json.dumps(people))
    assert run(tmp_path, "--out", tmp_path / "out", "--size", "1000x1000") == 0
    assert json.loads(capsys.readouterr().out)["lifted"] == 2
    (track,) = json.loads((tmp_path / "out" / "report.json").read_text())
    assert track["reasons"].pop(uplift.UNSEEN) == 1
    assert list(track["reasons"].values()) == [1]


def test_what_is_missing_is_said(clip, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        run(tmp_path / "none")
    (tmp_path / "a_keypoints.json").write_text(json.dumps({"people": []}))
    with pytest.raises(ConfigError, match="--size WIDTHxHEIGHT"):
        run(tmp_path)
    with pytest.raises(DataError, match="nobody is seen"):
        run(tmp_path, "--size", "10x10", "--out", tmp_path / "o")
    write_fit3d(
        tmp_path / "x.npz", {"positions_2d": {"s": {"a": [np.zeros((3, 4, 2), np.float32)]}}}, np.ones(26, bool)
    )
    with pytest.raises(DataError, match="22 or more joints"):
        list(fit3d(tmp_path / "x.npz", Camera((10, 10), None, 25.0)))
