"""The compiled objective: kinematics against the body's own, derivatives against differences, the solver."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from toy import toy_body

from a3dgen.fit.evidence import Evidence, Views
from a3dgen.fit.kinematics import forward, joint_jacobian, keypoint, workspace
from a3dgen.fit.lm import cholesky, minimise, solve_factored
from a3dgen.fit.mixture import Mixture
from a3dgen.fit.model import num_variables, pack
from a3dgen.fit.residuals import evaluate
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


def test_joint_jacobian_matches_differences(scene):
    _, model, prior, ev, x, _ = scene
    w = workspace(model)
    for joint in (0, 7, 15, 20):
        evaluate(model, prior, ev, x, w)
        joint_jacobian(model.parents, joint, w)
        rows = w.rows.astype(float)
        for i in (1, 4, 14, 40, 59, 73, 77):
            e = np.zeros(len(x))
            e[i] = 1e-6
            forward(model, x + e, w)
            above = w.joints[joint] + (x + e)[76:79]
            forward(model, x - e, w)
            np.testing.assert_allclose(rows[:, i], (above - w.joints[joint] - (x - e)[76:79]) / 2e-6, atol=1e-5)


def test_cholesky_solves_and_refuses_indefinite():
    rng = np.random.default_rng(1)
    for n in (1, 3, 4, 7, 30):
        a = rng.normal(size=(n, n))
        a = a @ a.T + np.eye(n)
        u, rhs = a.copy(), rng.normal(size=n)
        y = rhs.copy()
        assert cholesky(u, n)
        solve_factored(u, y, n)
        np.testing.assert_allclose(a @ y, rhs, atol=1e-9)
    assert not cholesky(-np.eye(5), 5)


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
