"""Recordings longer than a piece, built by the engine: the same bodies for any number of workers and size of shards."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from h36m_trees import write_cameras_json, write_npz
from scipy.spatial.transform import Rotation

from a3dgen.cli import main
from a3dgen.detectors import networks
from a3dgen.geometry.skeleton import NUM_BODY_ROWS
from a3dgen.io.shards import read_shard
from a3dgen.sources.h36m import common
from a3dgen.sources.h36m.cameras import CAMERA_IDS
from a3dgen.sources.photos import followed
from benchmarks.uplift import make_clips

PIECE, FRAMES, SMALLER = 7, 16, 5
"""Frames of a piece and of a recording: two pieces and a short one; how much smaller the video is than the clip."""
FACE = np.isin(np.arange(NUM_BODY_ROWS), [0, 15, 16, 17, 18])
"""Seen from behind too, so that nobody's face may be said to be visible."""


@pytest.fixture(scope="module")
def video(body, tmp_path_factory):
    """A video of two people, and OpenPose's files of it."""
    root = tmp_path_factory.mktemp("long")
    clips = make_clips(body, 2, first=3000)
    for name in ("videos", "found"):
        (root / name).mkdir()
    writer = cv2.VideoWriter(str(root / "videos" / "walk.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (200, 200))
    for t in range(FRAMES):
        people, picture = [], np.full((200, 200, 3), 90, np.uint8)
        for clip in clips:
            points = np.c_[clip.seen[t].pixels[:NUM_BODY_ROWS] / SMALLER, ~FACE]
            people.append({"pose_keypoints_2d": points.ravel().tolist()})
            for x, y, _ in points:
                cv2.circle(picture, (round(x), round(y)), 3, (230, 230, 230), -1)
        writer.write(picture)
        (root / "found" / f"walk@{t}_keypoints.json").write_text(json.dumps({"people": people}))
    writer.release()
    return root


def fitted(out: Path, workers: int, size: int, *sets: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Build up to the fit; return the number of shards and the rows of all bodies by key."""
    words = [*sets, "fit.temporal=on", f"shard_size={size}", "--out", str(out), "--workers", str(workers)]
    assert main(["fit", "--only", "--quiet", *words]) == 0
    found = [read_shard(path)["Bodies"] for path in sorted((out / "fit").glob("0*.h5"))]
    return len(found), {str(row["key"]): row for some in found for row in map(some.row, range(len(some)))}


def bytes_of(bodies: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    return {f"{key} {name}": np.asarray(value).tobytes() for key, row in bodies.items() for name, value in row.items()}


def turn(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest angle (rad) that a joint turns from one pose to the other."""
    return float((Rotation.from_rotvec(a[:22]).inv() * Rotation.from_rotvec(b[:22])).magnitude().max())


def test_a_long_video_has_the_same_bodies_however_it_is_built(video, tmp_path, monkeypatch):
    monkeypatch.setattr(followed, "CLIP_FRAMES", PIECE)
    monkeypatch.setattr(networks, "available", lambda: False)  # neither outlines nor faces are needed here
    keys = (f"root={video / 'videos'}", f"keypoints={video / 'found'}", "propose=false", "video_fps=25")
    sets = ("--config", "custom", "privacy.blur_bystanders=false", *(f"sources.photos.{key}" for key in keys))
    one, whole = fitted(tmp_path / "whole", 0, 1000, *sets)
    many, split = fitted(tmp_path / "split", 2, 1, *sets)
    assert (one, many, len(whole)) == (1, 3, 2 * FRAMES)
    assert bytes_of(split) == bytes_of(whole)
    poses = {key: row["pose"] for key, row in whole.items()}
    for number in (1, 2):
        track = [pose for key, pose in poses.items() if key.endswith(f"/{number}")]
        turns = [turn(a, b) for a, b in itertools.pairwise(track)]
        assert max(turns[PIECE - 1], turns[2 * PIECE - 1]) < 1.5 * max(turns[: PIECE - 1]), "pieces meet"


def test_a_long_take_of_human36m_has_the_same_bodies_however_it_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "CLIP_FRAMES", 2 * PIECE)
    cameras = CAMERA_IDS[:2]
    root = tmp_path / "h36m"
    write_npz(root, [("S1", "Walking_1", camera, n) for camera in cameras for n in range(1, 2 * FRAMES, 2)])
    write_cameras_json(root / "cameras.json")
    sets = ("--config", "h36m", f"sources.h36m.root={root}", "sources.h36m.every=2")
    one, whole = fitted(tmp_path / "whole", 0, 1000, *sets)
    many, split = fitted(tmp_path / "split", 0, 1, *sets)
    assert (one, many, len(whole)) == (1, 3, 2 * FRAMES)
    assert bytes_of(split) == bytes_of(whole)
