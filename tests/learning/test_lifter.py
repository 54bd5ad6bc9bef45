"""The lifter: its windows, its network in NumPy and torch, training that goes on, and what the shipped weights say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a3dgen.commands import fit_lifter
from a3dgen.core.errors import DataError
from a3dgen.geometry.regions import REGIONS
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT, ROW
from a3dgen.learning import lifter_data
from a3dgen.learning.lifter import (
    DEFAULT_WEIGHTS,
    MOST_SIGMA,
    REST,
    TWIST,
    Lifter,
    angle_spread,
    forward,
    six_to_matrix,
)
from a3dgen.learning.lifter_data import own_poses
from a3dgen.learning.windows import CHANNELS, WINDOW, body_points, normalise, window_frames
from benchmarks.uplift import errors, lifted_alone, make_clips

K = np.array([[900.0, 0, 500], [0, 900, 500], [0, 0, 1]])


@pytest.fixture(scope="module")
def clip(body):
    (made,) = make_clips(body, 1, first=2000)
    return made


@pytest.fixture(scope="module")
def shipped():
    return Lifter.load()


def seen_in(clip, frames=40):
    pixels = np.stack([s.pixels for s in clip.seen[:frames]])
    return pixels, np.stack([np.isfinite(s.pixel_sd) for s in clip.seen[:frames]]).astype(float), clip.seen[0].K


def test_shipped_weights_are_small_and_know_the_pose(body, clip, shipped):
    assert DEFAULT_WEIGHTS.stat().st_size < 4_000_000
    digest = hashlib.sha256(DEFAULT_WEIGHTS.read_bytes()).hexdigest()
    assert digest[:16] in DEFAULT_WEIGHTS.with_suffix(".md").read_text(), "the model card is of these weights"
    found = errors(clip, *lifted_alone(a3dgen_fitter(body), clip.seen))
    assert found["mpjpe_mm"] < 190
    assert found["mpjae_deg"] < 25


def a3dgen_fitter(body):
    from a3dgen.fit.fitter import Fitter

    return Fitter(body)


def test_a_turned_camera_turns_the_root_and_nothing_else(clip, shipped):
    pixels, conf, K = seen_in(clip)
    rays = np.concatenate([(pixels - K[:2, 2]) / K[0, 0], np.ones((*pixels.shape[:2], 1))], -1)
    turn = Rotation.from_euler("y", 12, degrees=True)
    other = rays @ turn.as_matrix().T
    moved = other[..., :2] / other[..., 2:] * K[0, 0] + K[:2, 2]
    a, b = shipped(pixels, conf, K), shipped(moved, conf, K)
    np.testing.assert_allclose(a.pose[:, 1:], b.pose[:, 1:], atol=0.05)
    back = turn.inv() * Rotation.from_rotvec(b.pose[:, 0])
    assert np.degrees((back * Rotation.from_rotvec(a.pose[:, 0]).inv()).magnitude()).max() < 3


def test_what_lies_outside_the_window_and_how_many_frames_there_are_change_no_byte(clip, shipped):
    pixels, conf, K = seen_in(clip)
    whole, part = shipped(pixels, conf, K), shipped(pixels[: WINDOW + 5], conf[: WINDOW + 5], K)
    same = slice(0, 5 + WINDOW // 2)
    assert whole.pose[same].tobytes() == part.pose[same].tobytes()
    assert whole.sigma[same].tobytes() == part.sigma[same].tobytes()


def test_points_of_an_absent_limb_do_not_count(clip, shipped):
    pixels, conf, K = seen_in(clip)
    region = next(r for r in REGIONS if r.name == "left_knee")
    removed = np.zeros(12, bool)
    removed[region.index] = True
    wild = pixels.copy()
    wild[:, list(region.rows)] += 300
    a, b = (shipped(p, conf, K, removed=removed) for p in (pixels, wild))
    assert a.pose.tobytes() == b.pose.tobytes()
    assert np.abs(a.pose - shipped(pixels, conf, K).pose).max() > 1e-3


def test_rows_of_coco_stand_for_those_of_body_25():
    pixels, conf = np.zeros((1, 44, 2)), np.zeros((1, 44))
    for row in COCO_ROWS:
        pixels[0, row], conf[0, row] = (row, 2 * row), 1
    points, there = body_points(pixels, conf)
    left = ROW["extra_left_wrist"]
    np.testing.assert_array_equal(points[0, ROW["body_left_wrist"]], [left, 2 * left])
    hips = [ROW[f"extra_{s}_hip"] for s in ("left", "right")]
    np.testing.assert_allclose(points[0, ROW["body_mid_hip"]], np.mean([(r, 2 * r) for r in hips], axis=0))
    assert there[0, ROW["body_left_heel"]] == 0


def test_windows_follow_the_frame_rate():
    frames, inside = window_frames(200, 50.0)
    assert frames[100, 0] == 100 - 26
    assert frames[100, -1] == 100 + 26
    assert not inside[0, 0]
    assert inside[100].all()
    assert frames.min() == 0


def test_scale_and_place_of_the_picture_do_not_matter():
    rng = np.random.default_rng(1)
    places, conf = rng.normal(0, 0.1, (2, WINDOW, 25, 2)), np.ones((2, WINDOW, 25))
    a, _ = normalise(places, conf, np.zeros((2, 12), bool))
    assert a.shape == (2, WINDOW, CHANNELS)
    np.testing.assert_allclose((a[..., :50] ** 2).sum((1, 2)) / (WINDOW * 25), 1, rtol=1e-4)


def test_six_numbers_make_a_rotation():
    turned = six_to_matrix(np.random.default_rng(0).normal(size=(50, 6)))
    np.testing.assert_allclose(turned @ np.swapaxes(turned, 1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(turned), 1)
    true = rotvec_to_matrix(np.random.default_rng(1).normal(size=(9, 3)))
    np.testing.assert_allclose(six_to_matrix(np.concatenate([true[..., 0], true[..., 1]], -1)), true, atol=1e-12)


def test_training_goes_on_where_it_was_with_the_same_bytes(body, tmp_path, monkeypatch):
    from a3dgen.learning.lifter_train import Training, _Network, train

    monkeypatch.setattr(lifter_data, "CHUNK", 6)
    how = Training(steps=6, batch=8, width=16, chunks=1, refresh=4, warm=2)
    whole = train(body, own_poses, how, tmp_path / "a.npz", every=2)

    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step == 4:
            raise Stop

    with pytest.raises(Stop):
        train(body, own_poses, how, tmp_path / "b.npz", stop, every=2)
    again = train(body, own_poses, how, tmp_path / "b.npz", every=2)
    assert all(whole.weights[n].tobytes() == again.weights[n].tobytes() for n in whole.weights)
    with pytest.raises(DataError, match="other settings"):
        train(body, own_poses, replace(how, seed=1), tmp_path / "b.npz")
    network = _Network(body, how)
    x = np.random.default_rng(0).normal(size=(4, WINDOW, CHANNELS)).astype(np.float32)
    mine = forward({n: w.detach().numpy() for n, w in network.weights.items()}, x)
    np.testing.assert_allclose(network.forward(network.torch.from_numpy(x)).detach().numpy(), mine, atol=1e-5)


def test_command_trains_and_the_file_is_read(tmp_path, monkeypatch, capsys):
    from a3dgen.cli import parse

    monkeypatch.setattr(lifter_data, "CHUNK", 4)
    out = tmp_path / "mine.npz"
    args = parse(["fit-lifter", "--from", "prior", "--out", str(out), "--steps", "2", "--width", "8", "--quiet"])
    assert fit_lifter.run(args) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["steps"] == 2
    assert Lifter.load(out).weights["stem_b"].shape == (8,)
    assert not out.with_suffix(".state.npz").exists()


def test_a_variant_that_says_joints_alone_gives_their_bones_and_unsure_turns(body, monkeypatch, tmp_path, clip):
    from a3dgen.learning.lifter_train import Training, _Network, train

    monkeypatch.setattr(lifter_data, "CHUNK", 4)
    how = Training(steps=3, batch=8, width=8, chunks=1, warm=1, rotations="none")
    train(body, own_poses, how, tmp_path / "s.npz").save(tmp_path / "j.npz")
    lifter = Lifter.load(tmp_path / "j.npz")
    pixels, conf, K = seen_in(clip, 2)
    found = lifter(pixels, conf, K)
    assert found.pose.shape == (2, 24, 3)
    sure = angle_spread(np.zeros((1, 24)), lifter.weights[REST])[0]  # of places that are known exactly
    assert sure[JOINT["left_knee"]] == TWIST, "they say nothing of turns about bones"
    assert sure[JOINT["head"]] == MOST_SIGMA, "nor anything of a joint without a child"
    assert found.sigma.min() >= TWIST
    seen = lifter_data.make_windows([lifter_data.make_clips(body, own_poses, 0, 0)], np.random.default_rng(0), 8, 0.3)
    network = _Network(body, how)
    with network.torch.no_grad():
        loss, joints, angle = network.loss(seen)
    out = forward({n: w.detach().numpy() for n, w in network.weights.items()}, seen.inputs)
    true = network.joints(network.torch.from_numpy(seen.rotations), network.torch.from_numpy(seen.betas)).numpy()
    assert joints == pytest.approx(np.linalg.norm(out[:, :72].reshape(-1, 24, 3) - true, axis=2).mean(), rel=1e-4)
    assert np.isnan(angle)
    assert float(loss) > 4 * joints - 1


@pytest.mark.parametrize("rotations", ["6d", "axis-angle"])
def test_variants_say_in_numpy_what_they_learnt_in_torch(body, monkeypatch, tmp_path, clip, rotations):
    from a3dgen.learning.lifter_train import Training, _Network

    monkeypatch.setattr(lifter_data, "CHUNK", 4)
    rng = np.random.default_rng(0)
    seen = lifter_data.make_windows([lifter_data.make_clips(body, own_poses, 0, 0)], rng, 8, 0.3)
    layer, none = (_Network(body, Training(width=8, rotations=rotations, body_layer=on)) for on in (True, False))
    (with_joints, joints, angle), (without, same, _) = layer.loss(seen), none.loss(seen)
    assert joints == same > 0.01
    assert float(with_joints.detach()) == pytest.approx(float(without.detach()) + 4 * joints, rel=1e-5)
    Lifter(layer.mean()).save(tmp_path / "v.npz")
    lifter = Lifter.load(tmp_path / "v.npz")
    numbers = {"6d": 6, "axis-angle": 3}[rotations]
    out = layer.torch.from_numpy(forward(lifter.weights, seen.inputs))[:, : 24 * numbers].reshape(-1, 24, numbers)
    turned = layer.matrices(out).numpy()
    chord = np.linalg.norm((turned - seen.rotations).reshape(8, 24, 9), axis=2) / 8**0.5
    assert 2 * np.arcsin(chord).mean() == pytest.approx(angle, rel=0.02)
    pixels, conf, K = seen_in(clip, 2)
    assert np.isfinite(lifter(pixels, conf, K).pose).all()


def test_a_file_that_is_no_lifter_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Lifter.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DataError, match="no lifter of this version"):
        Lifter.load(tmp_path / "other.npz")
