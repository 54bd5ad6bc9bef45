"""The compiled objective: kinematics against the body's own, derivatives against differences, the solver."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from toy import toy_body

from a3dgen.fit.evidence import Evidence, Views
from a3dgen.fit.kinematics import forward, keypoint, workspace
from a3dgen.fit.lm import cholesky, minimise, solve_factored
from a3dgen.fit.mixture import Mixture
from a3dgen.fit.model import num_variables, pack
from a3dgen.fit.residuals import evaluate
from a3dgen.fit.simd import padded
from a3dgen.fit.uncertainty import joint_rows, laplace
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.rotations import rotvec_to_matrix


@pytest.fixture(scope="module")
def scene():
    body = toy_body()
    model = pack(body)
    rng = np.random.default_rng(0)
    d = num_variables(model)
    x = rng.normal(0, 0.4, d)
    x[-4:] = 0.1, 0.2, 4.0, 0.05
    posed = pose_body(body, x[:72].reshape(24, 3), x[72:76], x[76:79])
    a = rng.normal(size=(3, 72, 72))
    covariances = np.linalg.inv(a @ a.transpose(0, 2, 1) / 72 + np.eye(72))
    prior = Mixture(np.array([0.5, 0.3, 0.2]), rng.normal(0, 0.3, (3, 72)), covariances).arrays()
    turn, shift = rotvec_to_matrix(np.array([0.2, 1.5, -0.1])), np.array([-4.0, 0.3, 4.5])
    there = posed.keypoints @ turn.T + shift
    views = Views(
        turn[None], shift[None], np.array([[600.0, 610, 480, 510]]),
        (there[:, :2] * 600 / there[:, 2:] + 490 + rng.normal(0, 5, (44, 2)))[None], rng.uniform(0.2, 0.5, (1, 44)),
    )  # fmt: skip
    ev = Evidence(
        pixels=posed.keypoints[:, :2] * 500 / posed.keypoints[:, 2:] + 500 + rng.normal(0, 5, (44, 2)),
        pixel_weight=rng.uniform(0.2, 0.5, 44), camera=np.array([500.0, 520, 500, 500]),
        points=posed.keypoints + rng.normal(0, 0.03, (44, 3)), point_weight=rng.uniform(10, 30, 44), robust=8.0,
        down=np.array([0.0, 1, 0]), anchor=rng.normal(size=d), anchor_weight=rng.uniform(0, 2, d),
        free=np.ones(d, bool), prior_weight=0.7, views=views,
        ground=np.array([0.1, 0.97, 0.22, np.median(posed.keypoints @ (0.1, 0.97, 0.22))]),
        contact_weight=rng.uniform(2, 10, 44) * (np.arange(44) % 3 == 0),
    )  # fmt: skip
    return body, model, prior, ev, x, posed


def test_keypoints_and_joints_are_the_bodys_own(scene):
    _, model, _, _, x, posed = scene
    w = workspace(model)
    forward(model, x, w)
    for row in range(44):
        keypoint(model, x, row, w)
    np.testing.assert_allclose(w.points + x[76:79], posed.keypoints, atol=1e-12)
    np.testing.assert_allclose(w.joints + x[76:79], posed.joints, atol=1e-12)


def test_gradient_of_every_block_matches_differences(scene):
    _, model, prior, ev, x, _ = scene
    w = workspace(model)
    evaluate(model, prior, ev, x, w)
    gradient = w.gradient.copy()
    numeric = np.zeros_like(gradient)
    for i in range(len(x)):
        e = np.zeros(len(x))
        e[i] = 1e-4
        numeric[i] = (evaluate(model, prior, ev, x + e, w) - evaluate(model, prior, ev, x - e, w)) / 2e-4
    np.testing.assert_allclose(gradient, numeric, atol=2e-5 * np.abs(gradient).max() + 0.05)


def test_normal_matrix_is_that_of_the_jacobian(scene):
    """Against J'J from differences of the residuals of a scene without priors; blends, views and 3D points included."""
    _, model, prior, ev, x, _ = scene
    w, d = workspace(model), len(x)
    sunk = np.append(ev.ground[:3], -9.0)  # all below the ground, where the robust scale is that of the labels
    plain = ev._replace(robust=1e9, anchor_weight=np.zeros(d), prior_weight=0.0, ground=sunk)
    inside = np.clip(x, np.r_[[-9] * 3, prior.lower, [-9] * (d - 72)], np.r_[[9] * 3, prior.upper, [9] * (d - 72)])
    evaluate(model, prior, plain, inside, w)
    found = np.triu(w.normal[:, :d].astype(float))

    def residuals(y):
        forward(model, y, w)
        for row in range(44):
            keypoint(model, y, row, w)
        p = w.points + y[-4:-1]
        pixel = p[:, :2] / p[:, 2:] * ev.camera[:2] * np.exp(y[-1]) * ev.pixel_weight[:, None]
        there = p @ ev.views.R[0].T + ev.views.t[0]
        other = there[:, :2] / there[:, 2:] * ev.views.cameras[0, :2] * ev.views.pixel_weight[0][:, None]
        deep = (p @ sunk[:3] - sunk[3]) * ev.contact_weight
        return np.concatenate([a.ravel() for a in (pixel, p * ev.point_weight[:, None], other, deep)])

    jacobian = np.stack([(residuals(inside + e) - residuals(inside - e)) / 2e-6 for e in 1e-6 * np.eye(d)], 1)
    wanted = np.triu(jacobian.T @ jacobian)
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


def test_held_betas_leave_the_other_blocks_alone(scene):
    _, model, prior, ev, x, _ = scene
    w, d = workspace(model), len(x)
    evaluate(model, prior, ev, x, w)
    full, slope = w.normal[:, :d].copy(), w.gradient.copy()
    free = np.ones(d, bool)
    free[72:-4] = False
    evaluate(model, prior, ev._replace(free=free), x, w)
    upper = np.triu(np.ones((d, d), bool)) & free[:, None] & free
    np.testing.assert_allclose(w.normal[:, :d][upper], full[upper], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(w.gradient[free], slope[free], rtol=1e-5, atol=1e-2)


def test_uncertainty_is_that_of_the_normal_matrix(scene):
    _, model, prior, ev, x, _ = scene
    w, d = workspace(model), len(x)
    evaluate(model, prior, ev, x, w)
    normal = np.triu(w.normal[:, :d].astype(float))
    normal += np.triu(normal, 1).T + 1e-6 * np.eye(d)
    rows, joints, sigma = np.empty((d, 72), np.float32), np.empty((24, 3)), np.empty(24)
    joint_rows(model.parents, w, rows)
    laplace(ev, model.parents, x, w, joints, sigma)
    variance = np.einsum("dj,de,ej->j", rows, np.linalg.inv(normal), rows).reshape(24, 3).sum(1)
    np.testing.assert_allclose(sigma, np.sqrt(variance), rtol=1e-3)
    for joint in (0, 7, 15, 20):
        for i in (1, 4, 14, 40, 59, 73, 77):
            places = []
            for sign in (1, -1):
                y = x + sign * 1e-6 * (np.arange(d) == i)
                forward(model, y, w)
                places.append(w.joints[joint] + (y[-4:-1] if joint == 0 else -w.joints[0]))
            difference = (places[0] - places[1]) / 2e-6
            np.testing.assert_allclose(rows[i, 3 * joint : 3 * joint + 3], difference, atol=1e-5)


def test_cholesky_solves_and_refuses_indefinite():
    rng = np.random.default_rng(1)
    for n in (1, 3, 4, 7, 30):
        a = rng.normal(size=(n, n))
        a = a @ a.T + np.eye(n)
        rhs = rng.normal(size=n)
        u, y = np.zeros((n, padded(n + 8)), np.float32), np.zeros((1, padded(n + 8)), np.float32)
        u[:, :n], y[0, :n] = a, rhs
        assert cholesky(u, n)
        solve_factored(u, y, n)
        np.testing.assert_allclose(a @ y[0, :n], rhs, atol=1e-4)
    assert not cholesky(np.pad(-np.eye(5, dtype=np.float32), ((0, 0), (0, 11))), 5)


def test_minimise_lowers_the_cost_and_keeps_frozen_variables(scene):
    _, model, prior, ev, x, _ = scene
    w = workspace(model)
    free = np.ones(len(x), bool)
    free[[5, len(x) - 1]] = False
    held = ev._replace(free=free)
    start = x + 0.2
    y = start.copy()
    cost, _ = minimise(model, prior, held, np.flatnonzero(free), y, 60, 1e-9, np.inf, w)
    assert cost < 0.5 * evaluate(model, prior, held, start, w)
    assert y[5] == start[5]
    assert y[-1] == start[-1]
    evaluate(model, prior, held, y, w)
    assert np.abs(w.gradient[free]).max() < 1.0  # flat, against thousands at the start
