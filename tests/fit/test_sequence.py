"""Frames fitted together: steadier and not worse than one by one, whatever runs them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import a3dgen
from a3dgen.core.errors import DataError
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.search import FLIPS
from a3dgen.fit.sequence import SequenceOptions, consistent, fit_sequence, key_frames
from a3dgen.fit.smoothing import Frames, Ties, between, neighbours, next_branch
from a3dgen.geometry.body import pose_body
from benchmarks.uplift import FPS, errors, make_clips, one_by_one

FRAMES = 12


@pytest.fixture(scope="module")
def fitter(body):
    return Fitter(body)


@pytest.fixture(scope="module")
def clip(body):
    (made,) = make_clips(body, 1)
    return replace(made, joints=made.joints[:FRAMES], rotations=made.rotations[:FRAMES], seen=made.seen[:FRAMES])


@pytest.fixture(scope="module")
def found(fitter, clip):
    return fit_sequence(fitter, clip.seen, FPS)


def test_steadier_and_not_worse_than_frame_by_frame(fitter, clip, found):
    best = [f.best for f in found]
    poses = np.stack([b.joints for b in best]), np.stack([b.pose for b in best]), np.stack([b.sigma for b in best])
    alone, together = errors(clip, *one_by_one(fitter, clip.seen)), errors(clip, *poses)
    assert together["acceleration"] < 0.5 * alone["acceleration"]
    assert together["mpjpe_mm"] < 1.05 * alone["mpjpe_mm"]
    assert together["mpjae_deg"] < 1.05 * alone["mpjae_deg"]
    shapes = np.stack([f.best.betas for f in found])
    assert shapes.std(0).max() < 0.1


def test_threads_change_no_byte(fitter, clip, found):
    with ThreadPoolExecutor(3) as pool:
        again = fit_sequence(fitter, clip.seen, FPS, run=pool.map)
    for a, b in zip(found, again, strict=True):
        assert a.best.x.tobytes() == b.best.x.tobytes()
        assert a.best.sigma.tobytes() == b.best.sigma.tobytes()


def test_a_frame_without_a_body_is_left_out_and_its_neighbours_are_not(fitter, clip):
    behind = replace(clip.seen[3], pixels=np.full((44, 2), np.nan), pixel_sd=np.full(44, np.inf))
    few = fit_sequence(fitter, [*clip.seen[:3], behind, clip.seen[4], None], FPS, SequenceOptions(sweeps=1))
    assert [f is None for f in few] == [n in (3, 5) for n in range(6)]
    assert fit_sequence(fitter, [behind, None], FPS) == [None, None]


def path(*frames):
    """The turns that are taken: of each frame (angle about y, cost) of its candidates."""
    x = [np.zeros((len(f), 86)) for f in frames]
    for rows, frame in zip(x, frames, strict=True):
        rows[:, 1] = [angle for angle, _ in frame]
    costs = [np.array([cost for _, cost in frame]) for frame in frames]
    return consistent(x, costs, np.ones(len(frames) - 1), 0.15)[:, 1]


def test_one_frame_that_turned_round_is_taken_as_its_neighbours_are():
    near = path([(0.0, 1.0), (3.0, 2.0)], [(3.1, 1.0), (0.05, 3.0)], [(0.1, 1.0), (3.0, 2.0)])
    np.testing.assert_allclose(near, [0, 0.05, 0.1])
    dear = path([(0.0, 1.0)], [(3.1, 1.0), (0.05, 99.0)], [(0.1, 1.0)])  # unless that costs more than the turns
    np.testing.assert_allclose(dear, [0, 3.1, 0.1])


def test_key_frames_leave_no_long_step_where_there_are_frames():
    assert key_frames(list(range(8)), 3) == [0, 3, 6, 7]
    assert key_frames([0, 1, 5, 6, 7, 20], 3) == [0, 1, 5, 7, 20]
    assert key_frames([4], 3) == [4]
    assert key_frames([2, 3, 4], 1) == [2, 3, 4]


def test_frames_between_turn_evenly_over_the_branch_and_key_frames_stay_as_they_are():
    x = np.zeros((3, 86))
    x[:, 1], x[:, -4] = [3.1, 2 * np.pi - 3.1, 3.1], [0.0, 3.0, 3.0]  # 3.1 and -3.1: 0.083 rad apart
    x[1, 1] -= 2 * np.pi
    made = between(x, np.array([0, 3, 4]), np.array([0, 1, 2, 3, 4, 6]))
    np.testing.assert_allclose(made[:3, 1], 3.1 + np.arange(3) * (2 * np.pi - 6.2) / 3)
    np.testing.assert_allclose(made[:3, -4], [0, 1, 2])
    assert made[[0, 3, 4, 5]].tobytes() == x[[0, 1, 2, 2]].tobytes()


def test_a_limb_in_the_wrong_depth_costs_more_once_it_is_smoothed(fitter, clip, found):
    x = np.stack([f.best.x for f in found])
    frames = Frames(fitter, clip.seen, np.arange(FRAMES), FPS, Ties())
    posed = lambda v: pose_body(fitter.body, v[:72].reshape(24, 3), v[72:-4], v[-4:-1]).joints  # noqa: E731
    turned = [(frames.reflected(x, joint, child), joint, child) for joint, child in FLIPS.tolist()]
    wrong, joint, child = max(turned, key=lambda t: np.abs(posed(t[0][0]) - posed(x[0])).max())
    bones = [j[child] - j[joint] for j in (posed(x[0]), posed(wrong[0]))]
    assert np.linalg.norm(bones[0]) == pytest.approx(np.linalg.norm(bones[1]))
    assert np.linalg.norm(bones[0] - bones[1]) > 0.05
    ray = posed(x[0])[joint] / np.linalg.norm(posed(x[0])[joint])
    assert bones[0] @ ray == pytest.approx(-(bones[1] @ ray))
    costs = [sum(frames.cost(n, v) for n, v in enumerate(frames.smooth(some, 2))) for some in (x, wrong)]
    assert costs[0] < costs[1]


def test_neighbours_are_those_in_time_and_a_frame_alone_has_none():
    x = np.zeros((4, 86))
    x[:, 1] = [0.1, 0.3, 0.9, 2.0]
    x[:, -4] = [1.0, 2.0, 4.0, 8.0]
    turns, places, known = neighbours(x, np.array([0, 1, 3, 40]), (0.8, 0.4))
    assert known.tolist() == [True, True, True, False]
    np.testing.assert_allclose(places[:, 0], [2.0, (0.8 * 1 + 0.4 * 4) / 1.2, 2.0, 8.0])
    np.testing.assert_allclose(turns[[0, 2, 3], 0, 1], [0.3, 0.3, 2.0], atol=1e-12)
    q = Rotation.from_rotvec([[0, 0.1, 0], [0, 0.9, 0]]).as_quat()
    mean = Rotation.from_quat(0.8 * q[0] + 0.4 * q[1]).as_rotvec()
    np.testing.assert_allclose(turns[1, 0], mean, atol=1e-12)


def test_the_other_branch_is_the_same_rotation_and_nearer():
    v, near = np.array([[0, 3.0, 0], [0, 0.2, 0], [0, 0, 0.0]]), np.array([[0, -3.1, 0], [0, 0.3, 0], [0, 0, 0.1]])
    found = next_branch(v, near)
    np.testing.assert_allclose(Rotation.from_rotvec(found).as_matrix(), Rotation.from_rotvec(v).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(found, [[0, 3.0 - 2 * np.pi, 0], [0, 0.2, 0], [0, 0, 0]])


def test_a_frame_rate_is_above_zero(fitter, clip):
    with pytest.raises(ValueError, match="above 0"):
        fit_sequence(fitter, clip.seen, 0.0)


def test_the_public_call_fits_a_track_and_leaves_empty_frames_out(clip):
    keypoints = np.stack([np.concatenate([s.pixels, np.isfinite(s.pixel_sd)[:, None]], 1) for s in clip.seen[:4]])
    keypoints[2] = 0
    bodies = a3dgen.fit_sequence(keypoints, (1000, 1000), 25.0, clip.seen[0].K)
    assert bodies.key.tolist() == ["0", "1", "3"]
    assert bodies.betas.std(0).max() < 0.1
    with pytest.raises(DataError, match="none of 2 frames"):
        a3dgen.fit_sequence(np.zeros((2, 17, 3)), (640, 480), 25.0)
