"""Left and right that a detector takes for one another: undone where labels jump, left alone where people turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a3dgen.detectors import Person
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import EXCHANGES, ROW
from a3dgen.motion.sides import exchange, exchanged_sides
from a3dgen.sources.photos.config import Config
from a3dgen.sources.photos.files import PhotoFile
from a3dgen.sources.photos.followed import follow
from a3dgen.sources.photos.kinds import VIDEO
from a3dgen.sources.photos.propose import Proposal
from a3dgen.sources.photos.shots import Shot
from a3dgen.sources.tracks2d import Camera, linked

FPS, FRAMES = 25.0, 50
SECONDS = np.arange(FRAMES) / FPS
PLACE = {"shoulder": (0.12, -0.5), "elbow": (0.15, -0.3), "wrist": (0.16, -0.12), "hip": (0.09, 0.0),
         "knee": (0.08, 0.25), "ankle": (0.08, 0.48)}  # fmt: skip
"""Half width and height of each joint, of the person's height."""


def walk(turn: float = 0.0, noise: float = 0.5, heading: float = 0.3, seconds: np.ndarray = SECONDS) -> np.ndarray:
    """Return keypoints (T, 44, 3) of a person of 300 px who walks and turns by so many rad in two seconds."""
    out, rng = np.zeros((FRAMES, 44, 3)), np.random.default_rng(0)
    heading = heading + turn * seconds / SECONDS[-1]
    swing = np.sin(2 * np.pi * seconds)
    for joint, (wide, low) in PLACE.items():
        for side, sign in (("left", 1), ("right", -1)):
            forward = sign * swing * {"wrist": 0.12, "elbow": 0.05, "ankle": 0.15, "knee": 0.07}.get(joint, 0.0)
            x = sign * wide * np.cos(heading) + forward * np.sin(heading)
            out[:, ROW[f"extra_{side}_{joint}"]] = np.stack([300 * x + 400, np.full(FRAMES, 300 * low + 400),
                                                             np.ones(FRAMES)], 1)  # fmt: skip
    out[..., :2] += noise * rng.standard_normal(out.shape[:2] + (2,)) * out[..., 2:]
    return out


@pytest.mark.parametrize("turn", [0.0, np.pi, -2 * np.pi])
def test_people_who_walk_and_turn_are_left_alone(turn):
    assert exchanged_sides(walk(turn), SECONDS) == [""] * FRAMES


@pytest.mark.parametrize("fps", [2.0, 5.0, 100.0])
@pytest.mark.parametrize("turn", [0.0, np.pi])
def test_people_seen_from_the_side_are_left_alone_at_any_frame_rate(fps, turn):
    seconds = np.arange(FRAMES) / fps
    seen = walk(turn / seconds[-1] * SECONDS[-1], noise=3.0, heading=np.pi / 2, seconds=seconds)
    assert exchanged_sides(seen, seconds) == [""] * FRAMES


def test_people_who_spin_or_are_seen_badly_are_left_alone():
    assert exchanged_sides(walk(5 * np.pi), SECONDS) == [""] * FRAMES
    seen, rng = walk(np.pi, noise=6.0), np.random.default_rng(1)
    lost = rng.random((FRAMES, 44)) < 0.15
    seen[lost] = 0
    wrong = (rng.random((FRAMES, 44)) < 0.04) & ~lost & (seen[..., 2] > 0)
    seen[wrong, :2] += 60 * rng.standard_normal((int(wrong.sum()), 2))
    assert exchanged_sides(seen, SECONDS) == [""] * FRAMES


@pytest.mark.parametrize("which", list(EXCHANGES))
def test_what_is_exchanged_is_put_right(which):
    truth = [which if n in (10, 11, 12, 30, 40, 41) else "" for n in range(FRAMES)]
    keypoints = walk()
    seen = exchange(keypoints, truth)
    found = exchanged_sides(seen, SECONDS)
    assert found == truth
    np.testing.assert_array_equal(exchange(seen, found), keypoints)


def test_frames_where_nobody_is_seen_are_passed_over_and_long_gaps_tell_nothing():
    truth = ["labels" if n in (20, 21) else "" for n in range(FRAMES)]
    seen = exchange(walk(), truth)
    seen[15:19] = 0
    assert exchanged_sides(seen, SECONDS) == truth
    alone = seen[[20, 40]]
    assert exchanged_sides(alone, np.array([0.0, 2.0])) == ["", ""], "frames far apart are believed"
    assert exchanged_sides(np.zeros((3, 44, 3)), SECONDS[:3]) == [""] * 3


def people(keypoints: np.ndarray) -> list[Person]:
    return [Person(np.array([300.0, 200, 500, 600]), frame, 1.0) for frame in keypoints]


def test_tracks_say_what_was_exchanged_and_detections_can_be_believed():
    truth = ["labels" if n in (5, 6) else "" for n in range(FRAMES)]
    keypoints = walk()
    found = [[person] for person in people(exchange(keypoints, truth))]
    names = [f"{n:03d}.jpg" for n in range(FRAMES)]
    (track,) = linked("walk", names, found, Camera(None, None, FPS), (800, 800))
    assert track.exchanged == truth
    np.testing.assert_array_equal(track.pixels, keypoints[..., :2])
    (kept,) = linked("walk", names, found, Camera(None, None, FPS, sides=False), (800, 800))
    assert not kept.exchanged
    assert not np.array_equal(kept.pixels, keypoints[..., :2])


def test_frames_of_a_video_are_put_right_with_what_is_proposed_of_them(tmp_path):
    truth = ["labels" if n == 5 else "arms" if n == 20 else "" for n in range(FRAMES)]
    keypoints = walk()
    knee, hand = (REGION_NAMES.index(f"left_{level}") for level in ("knee", "hand"))
    shots = [
        Shot(f"walk.mp4@{n}", f"walk_{n}", (800, 800), [Path("a.jpg")], [person], [None], "", [""], float(SECONDS[n]),
             [[Proposal(knee, 0.9), Proposal(hand, 0.9)]])
        for n, person in enumerate(people(exchange(keypoints, truth)))
    ]  # fmt: skip
    video = PhotoFile(tmp_path / "walk.mp4", "walk.mp4", "0" * 64, "walk", kind=VIDEO)
    right, ways = follow(Config(root=str(tmp_path)), video, shots)
    assert [ways[shot.name, 1]["exchanged"] for shot in shots] == truth
    np.testing.assert_array_equal([shot.people[0].keypoints for shot in right], keypoints)
    sides = [[REGION_NAMES[p.region].split("_")[0] for p in shot.proposals(1)] for shot in right]
    assert sides[5] == ["right", "right"]
    assert sides[20] == ["left", "right"]
    assert sides[6] == ["left", "left"]
    as_it_was, ways = follow(Config(root=str(tmp_path), video_sides=False), video, shots)
    assert as_it_was == shots
    assert {way["exchanged"] for way in ways.values()} == {""}
