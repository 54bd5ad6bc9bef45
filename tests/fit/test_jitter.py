"""Keypoints that a detector places anew in every frame count less than it says; motion and honest noise do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.fit.jitter import jitter, with_jitter
from a3dgen.fit.observation import Observation

FPS, FRAMES = 25.0, 40
HIP, WRIST = 9, 4


def seen(pixels: np.ndarray, sd: float) -> list[Observation | None]:
    """Observations of a hip and a wrist (T, 2, 2) px."""
    out: list[Observation | None] = []
    for here in pixels:
        all_pixels, all_sd = np.zeros((44, 2)), np.full(44, np.inf)
        all_pixels[[HIP, WRIST]], all_sd[[HIP, WRIST]] = here, sd
        out.append(Observation(all_pixels, all_sd, np.eye(3), 200.0))
    return out


def swing(noise: float) -> np.ndarray:
    """A hip and a wrist (T, 2, 2) px that move 30 px to and fro in a second, with white noise."""
    t = np.arange(FRAMES) / FPS
    way = 30 * np.stack([np.sin(2 * np.pi * t), np.cos(2 * np.pi * t)], 1)
    return way[:, None] + noise * np.random.default_rng(0).standard_normal((FRAMES, 2, 2))


def test_noise_is_told_whatever_is_missing():
    points, frames = swing(3.0)[:, 0], np.delete(np.arange(FRAMES), [5, 6, 20])
    found = jitter(points[frames], frames, FPS, 200.0)
    assert np.median(found) == pytest.approx(3.0, rel=0.25)
    assert not jitter(points[:4], np.arange(4), FPS, 200.0).any()


def test_motion_and_noise_as_it_is_said_to_be_change_nothing():
    some = seen(swing(2.0), 3.0)
    some[7] = None
    assert all(a is b for a, b in zip(with_jitter(some, FPS), some, strict=True))


def test_a_wrist_placed_anew_in_every_frame_counts_less_and_only_there():
    points = swing(1.0)
    points[20:30, 1] += 20 * np.random.default_rng(1).standard_normal((10, 2))
    some = seen(points, 2.0)
    made = with_jitter(some, FPS)
    wrist = np.array([s.pixel_sd[WRIST] for s in made if s is not None])
    assert (wrist[22:28] > 10).all()
    assert (wrist[:14] == 2).all()
    assert (wrist[36:] == 2).all()
    assert all(s.pixel_sd[HIP] == 2 for s in made if s is not None)
    assert all(np.isinf(np.delete(s.pixel_sd, [HIP, WRIST])).all() for s in made if s is not None)


def test_frames_too_far_apart_tell_nothing():
    some = seen(swing(20.0), 2.0)
    assert with_jitter(some, 10.0) == some


def test_in_few_frames_what_moves_faster_than_people_do_counts_less():
    points = swing(0.0)[:12]
    points[5, 1] += [60, 0]  # 7.5 times the size of the person a second
    some = seen(points, 2.0)
    gone = [*some[:4], None, None, None, *some[4:6], *[None] * 6, some[6]]  # two frames that are far from others
    made = with_jitter(gone, FPS)
    wrist = [s.pixel_sd[WRIST] for s in made if s is not None]
    assert (np.array(wrist[4:6]) > 20).all()
    assert wrist[:4] + wrist[6:] == [2.0] * 5
    assert all(s.pixel_sd[HIP] == 2 for s in made if s is not None)
    slow = [None if s is None else replace(s, size=600.0) for s in gone]
    assert with_jitter(slow, FPS) == slow, "the same way of somebody large in the picture"
