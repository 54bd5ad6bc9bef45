"""Fitting: accuracy on made-up people, uncertainty, alternatives, anchors, prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.core.errors import DataError, Rejected
from a3dgen.fit.checks import Gate, check_fit, check_labels
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.limits import joint_limits
from a3dgen.fit.mixture import learn_mixture, load_mixture
from a3dgen.fit.observation import Anchor, FitOptions, Observation
from a3dgen.fit.pose_distribution import mirror_features, sample_poses
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import ROW

K = np.array([[1000.0, 0, 320], [0, 1000, 240], [0, 0, 1]])


@pytest.fixture(scope="module")
def fitter(body):
    return Fitter(body)


def person(body, seed=0, yaw=0.6):
    """A drawn pose, upright at 4.5 m; returns pose, betas, transl and what is posed."""
    rng = np.random.default_rng(seed)
    features = sample_poses(rng, 64)
    upright = features[np.argmin(features[:, 1])]  # gravity along the pelvis' axis: standing
    root = matrix_to_rotvec(rotvec_to_matrix(np.array([np.pi, 0, 0.0])) @ rotvec_to_matrix(np.array([0, yaw, 0])))
    pose = np.concatenate([root, upright[3:]]).reshape(24, 3)
    betas, transl = np.clip(rng.normal(size=body.num_betas), -1.5, 1.5), np.array([0.1, 0.0, 4.5])
    return pose, betas, transl, pose_body(body, pose, betas, transl)


def observation(posed, noise=0.0, rows=range(25), **more):
    rng = np.random.default_rng(7)
    pixels = project(posed.keypoints, K) + noise * rng.standard_normal((44, 2))
    sd = np.full(44, np.inf)
    sd[list(rows)] = 3.0
    return Observation(pixels, sd, K, float(np.ptp(pixels[:, 1])), **more)


def rooted(joints):
    return joints - joints[0]


def test_fits_keypoints_and_is_repeatable(body, fitter):
    _, _, _, posed = person(body)
    seen = observation(posed, noise=1.0)
    fit = fitter.fit(seen)
    again = fitter.fit(seen)
    assert np.array_equal(fit.best.x, again.best.x)
    found = pose_body(body, fit.best.pose, fit.best.betas, fit.best.transl)
    miss = np.linalg.norm(project(found.keypoints[:25], K) - seen.pixels[:25], axis=1)
    assert miss.mean() < 3
    assert np.linalg.norm(rooted(fit.best.joints) - rooted(posed.joints), axis=1).mean() < 0.09
    assert fit.best.focal_scale == 1
    assert (fit.best.sigma > 0.003).all()
    assert len(fit.alternatives) <= 3
    assert all(a.cost >= fit.best.cost for a in fit.alternatives)


def test_3d_joints_pin_the_depth(body, fitter):
    _, _, _, posed = person(body, seed=3)
    sd = np.full(44, np.inf)
    sd[25:37] = 0.01
    fit = fitter.fit(observation(posed, points=posed.keypoints, point_sd=sd))
    assert (
        np.linalg.norm(fit.best.joints - posed.joints, axis=1)[[1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21]].max() < 0.02
    )
    loose = fitter.fit(observation(posed))
    assert fit.best.sigma[1:].mean() < 0.5 * loose.best.sigma[1:].mean()


def test_unused_rows_do_not_matter(body, fitter):
    _, _, _, posed = person(body)
    seen = observation(posed, rows=range(19))
    pixels = seen.pixels.copy()
    pixels[19:] = np.nan
    other = Observation(pixels, seen.pixel_sd, K, seen.size)
    assert np.array_equal(fitter.fit(seen).best.x, fitter.fit(other).best.x)


def test_an_outlier_is_ignored(body, fitter):
    _, _, _, posed = person(body, seed=5)
    seen = observation(posed)
    seen.pixels[ROW["body_left_wrist"]] += 400
    found = fitter.fit(seen).best
    clean = project(pose_body(body, found.pose, found.betas, found.transl).keypoints, K)
    rest = [r for r in range(25) if r != ROW["body_left_wrist"]]
    assert np.linalg.norm(clean[rest] - seen.pixels[rest], axis=1).mean() < 4


def test_anchor_pulls_shape_and_pose(body, fitter):
    pose, betas, _, posed = person(body, seed=6)
    free = fitter.fit(observation(posed, noise=2)).best
    known = Anchor(pose=pose, pose_sd=0.05, betas=betas, betas_sd=0.01)
    held = fitter.fit(observation(posed, noise=2, anchor=known)).best
    np.testing.assert_allclose(held.betas, betas, atol=0.1)
    error = lambda s: np.linalg.norm(rooted(s.joints) - rooted(posed.joints), axis=1).mean()  # noqa: E731
    assert error(held) < error(free)


def test_start_from_outside_is_used(body):
    """In three steps the only heading ends far off; from the true pose, or one near it, the same steps suffice."""
    pose, betas, transl, posed = person(body, seed=8)
    hasty = Fitter(body, options=FitOptions(starts=1, rough_steps=1, kept=1, steps=2, flip_steps=0))
    seen = observation(posed)
    error = lambda s: np.linalg.norm(rooted(s.joints) - rooted(posed.joints), axis=1).mean()  # noqa: E731
    alone = hasty.fit(seen).best
    near = pose + 0.05 * np.random.default_rng(1).standard_normal((24, 3))
    for first in (pose, near):
        led = hasty.fit(seen, hasty.variables(first, betas, transl)[None]).best
        assert led.cost < alone.cost - 20
        assert error(led) < 0.05 < 0.1 < error(alone)
    far = hasty.variables(np.zeros((24, 3)), betas, transl)[None]  # upside down and no help: nothing is lost
    assert hasty.fit(seen, far).best.cost <= alone.cost


@pytest.mark.parametrize("wrong_by", [1.4, 1 / 1.4])
def test_focal_length_is_refined_within_its_prior(body, wrong_by):
    """3D joints in metres and their pixels leave one focal length; its prior holds it back as far as it is narrow."""
    _, _, _, posed = person(body, seed=2)
    point_sd = np.full(44, np.inf)
    point_sd[25:37] = 0.01
    seen = observation(posed, points=posed.keypoints, point_sd=point_sd)
    wrong = replace(seen, K=K @ np.diag([wrong_by, wrong_by, 1.0]))
    scale = {sd: Fitter(body, options=FitOptions(focal_sd=sd)).fit(wrong).best.focal_scale for sd in (0.0, 0.02, 0.2)}
    assert scale[0.0] == 1.0
    assert scale[0.2] == pytest.approx(1 / wrong_by, rel=0.01)
    assert 0.8 < np.log(scale[0.02]) / np.log(1 / wrong_by) < 0.95


def test_pose_distribution_is_within_limits_and_symmetric():
    x = sample_poses(np.random.default_rng(0), 3000)
    lower, upper = joint_limits()
    assert ((x[:, 3:] < lower) | (x[:, 3:] > upper)).mean() < 2e-4
    np.testing.assert_allclose(np.linalg.norm(x[:, :3], axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(mirror_features(mirror_features(x)), x)
    np.testing.assert_allclose(x.mean(0), mirror_features(x).mean(0), atol=0.06)


def test_mixture_learns_and_stores(tmp_path):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 0.3, (300, 72)), rng.normal(2, 0.3, (100, 72))])
    mixture = learn_mixture(x, 2, rng, rounds=10)
    assert sorted(mixture.weights.round(2)) == [0.25, 0.75]
    mixture.save(tmp_path / "p.npz")
    np.testing.assert_allclose(load_mixture(tmp_path / "p.npz").means, mixture.means, atol=1e-5)
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="not a pose prior"):
        load_mixture(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda k: k * np.nan, "not finite"),
        (
            lambda k: np.where(np.arange(44)[:, None] == ROW["body_left_wrist"], k[[ROW["body_right_wrist"]]], k),
            "same place",
        ),
    ],
)
def test_bad_labels_are_refused(body, change, reason):
    _, _, _, posed = person(body)
    keypoints = np.column_stack([project(posed.keypoints, K), np.ones(44)])
    used = np.arange(44) < 25
    with pytest.raises(Rejected, match=reason):
        check_labels(change(keypoints), used, 6, 300.0, 20.0)
    with pytest.raises(Rejected, match="6 px large"):
        check_labels(keypoints, used, 6, 6.0, 20.0)
    with pytest.raises(Rejected, match="0 usable"):
        check_labels(keypoints, used & False, 6, 300.0, 20.0)
    check_labels(keypoints, used, 6, 300.0, 20.0)


def test_bad_fits_are_refused_with_the_number(body):
    _, betas, _, posed = person(body)
    gate = Gate(0.05, 100.0, 5.0)
    check_fit(gate, 0.01, 20.0, betas, posed.joints)
    for reprojection, prior, shape, scale, reason in (
        (0.08, 20, 1, 1, "8.0 %"),
        (0.01, 150, 1, 1, "energy 150"),
        (0.01, 20, 9, 1, "coefficient"),
        (0.01, 20, 1, 2, "m long"),
    ):  # fmt: skip
        with pytest.raises(Rejected, match=reason):
            check_fit(gate, reprojection, float(prior), betas * 0 + shape, posed.joints * scale)
    with pytest.raises(Rejected, match="behind the camera"):
        check_fit(gate, 0.01, 20.0, betas, posed.joints - [0, 0, posed.joints[:, 2].min() + 0.01])
