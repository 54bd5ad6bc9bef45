"""Depths that the pose network sees: where they come from, and how they choose among the minima of a fit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a3dgen.core.rng import generator_for
from a3dgen.detectors.blazepose import LANDMARKS
from a3dgen.detectors.networks import network
from a3dgen.detectors.pose_features import DETAIL, SUMMARY, PoseTensors, body_points
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.boxes import Square
from a3dgen.geometry.camera import project
from a3dgen.recovery.seen_depths import FARTHEST, POINT_SD, WEIGHT, fit_with_depths, price_of

K = np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]])
MIRROR = np.array([-1.0, 1.0, 1.0])


def _look(body: np.ndarray, mirrored: bool, square: Square) -> PoseTensors:
    empty = [np.zeros(s) for s in ((64, 64, 39), (256, 256))]
    maps = [np.zeros(s) for s in ((64, 64, 48), (32, 32, 48), (16, 16, 88), (8, 8, 144), (2, 2, 288))]
    return PoseTensors(square, mirrored, np.zeros((33, 5)), 1.0, *empty, body, *maps)


def test_points_of_both_looks_agree_and_lie_along_the_camera():
    body = generator_for(1, "body", "").normal(0, 0.4, (33, 3))
    swapped = body.copy()
    swapped[11:] = body[11:].reshape(11, 2, 3)[:, ::-1].reshape(22, 3)
    swapped[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] = body[[4, 5, 6, 1, 2, 3, 8, 7, 10, 9]]
    straight = Square((320.5, 240.5), 200.0, 0.0)
    looks = {False: _look(body, False, straight), True: _look(swapped * MIRROR, True, straight)}
    assert np.allclose(body_points(looks, K), body)
    aside = Square((320.5 + 900 * np.tan(0.3), 240.5), 200.0, 0.0)
    looks = {m: _look(t.body, m, aside) for m, t in looks.items()}
    ray = body_points(looks, K) @ cv2.Rodrigues(np.array([0.0, 0.3, 0.0]))[0]  # turned about y by 0.3
    assert np.allclose(ray, body, atol=1e-9)


@pytest.fixture(scope="module")
def ambiguous(body):
    """Keypoints with more than one explanation, and the fit's minima."""
    fitter = Fitter(body)
    for seed in range(12):
        rng = generator_for(seed, "person", "")
        pose = np.zeros((24, 3))
        pose[0] = (np.pi, 0, 0)
        pose[1:20] = rng.normal(0, 0.35, (19, 3))
        posed = pose_body(body, pose, np.zeros(body.num_betas), np.array([0.0, 0.0, 4.0]))
        sd = np.where(np.arange(44) < 25, 4.0, np.inf)
        pixels = project(posed.keypoints, K)
        seen = Observation(pixels, sd, K, float(np.ptp(pixels[:, 1])))
        fit = fitter.fit(seen)
        if fit.alternatives:
            return fitter, seen, fit
    raise AssertionError("no person with a near-tie")


def test_depths_say_which_of_two_minima_is_meant(body, ambiguous):
    fitter, seen, plain = ambiguous
    used = np.arange(44) < 15
    meant = plain.alternatives[0]
    points = pose_body(body, meant.pose, meant.betas, meant.transl).keypoints
    moved = points + np.array([3.0, -1.0, 7.0])  # from any origin
    found = fit_with_depths(fitter, seen, None, moved, used)[1].best
    away = [np.linalg.norm((s.joints - s.joints[0]) - (meant.joints - meant.joints[0]), axis=1).mean()
            for s in (found, plain.best)]  # fmt: skip
    assert away[0] < 0.5 * away[1]
    unseen = fit_with_depths(fitter, seen, None, points, np.zeros(44, bool))[1].best
    assert np.array_equal(unseen.x, plain.best.x) or unseen.cost <= plain.best.cost


def test_points_cost_nothing_up_to_their_mean_and_never_much():
    points = generator_for(2, "points", "").normal(size=(12, 3))
    assert price_of(points, points + 5.0) == pytest.approx(0.0, abs=1e-9)
    one = np.zeros((2, 3))
    one[:, 2] = POINT_SD, -POINT_SD
    assert price_of(one, np.zeros((2, 3))) == pytest.approx(WEIGHT / 3)
    assert price_of(points, -9 * points) <= WEIGHT * FARTHEST


def test_inner_tensors_come_after_the_outputs_and_change_none():
    pixels = generator_for(3, "pixels", "").random((1, 256, 256, 3)).astype(np.float32)
    plain, more = network(LANDMARKS)(pixels), network(LANDMARKS, (DETAIL, SUMMARY))(pixels)
    assert len(more) == len(plain) + 2
    assert all(np.array_equal(a, b) for a, b in zip(plain, more, strict=False))
    assert more[-2].shape == (1, 64, 64, 48)
    assert np.ptp(more[-1]) > 0
