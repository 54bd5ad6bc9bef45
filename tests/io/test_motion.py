"""Poses for a prior of the user's own: AMASS, files of fits, shards; and the command that learns from them."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.cli import main
from a3dgen.core.errors import DataError
from a3dgen.core.records import Bodies
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.pose_distribution import sample_poses
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.io.shards import write_shard
from a3dgen.sources.amass import DOWN_IN_CAMERA, features, read_features

FRAMES = 600


def poses(down):
    """Project poses with a root that puts their gravity where it belongs."""
    x = sample_poses(np.random.default_rng(0), FRAMES)
    out = np.zeros((FRAMES, 24, 3))
    out[:, 1:] = x[:, 3:].reshape(FRAMES, 23, 3)
    for i, gravity in enumerate(x[:, :3]):
        axis = np.cross(gravity, down)
        out[i, 0] = axis / np.linalg.norm(axis) * np.arctan2(np.linalg.norm(axis), gravity @ down)
    return out, x


def amass(path, pose, width):
    wide = np.zeros((len(pose), width // 3, 3))
    hands = {156: (22, 37), 165: (25, 40)}[width]
    wide[:, [*range(22), *hands]] = pose
    np.savez(path, poses=wide.reshape(len(pose), width), mocap_framerate=1.0, trans=np.zeros((len(pose), 3)))


def test_a_root_of_any_frame_gives_the_same_gravity():
    pose, x = poses(DOWN_IN_CAMERA)
    np.testing.assert_allclose(features(pose, DOWN_IN_CAMERA), x, atol=1e-9)
    turn = rotvec_to_matrix(np.array([0.3, -0.5, 1.0]))
    turned = pose.copy()
    turned[:, 0] = matrix_to_rotvec(turn @ rotvec_to_matrix(pose[:, 0]))
    np.testing.assert_allclose(features(turned, turn @ DOWN_IN_CAMERA), x, atol=1e-9)


@pytest.mark.parametrize("width", [156, 165])
def test_amass(tmp_path, width):
    pose, x = poses(np.array([0.0, 0, -1]))
    (tmp_path / "CMU" / "01").mkdir(parents=True)
    amass(tmp_path / "CMU" / "01" / "a_poses.npz", pose, width)
    np.savez(tmp_path / "CMU" / "01" / "shape.npz", betas=np.zeros(16), gender="female")
    found = read_features(tmp_path, 10**6, np.random.default_rng(0))
    np.testing.assert_allclose(found[:, 3:], x[:, 3:])
    tilt = np.degrees(np.arccos(np.clip((found[:, :3] * x[:, :3]).sum(1), -1, 1)))
    assert 8 < tilt.mean() < 15  # a photo's tilt is added, 9 degrees about either axis
    assert len(read_features(tmp_path, 200, np.random.default_rng(0))) == 200


def test_fits_and_shards(tmp_path):
    pose, x = poses(DOWN_IN_CAMERA)
    np.savez(tmp_path / "fits.npz", pose=pose.reshape(FRAMES, 72))
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(read_features(tmp_path / "fits.npz", 10**6, rng), x, atol=1e-9)
    rows = [
        {"key": str(i), "pose": p, "betas": np.zeros(4), "transl": np.zeros(3), "K": np.eye(3), "reproj_px": 1.0,
         "sigma": np.zeros(24), "alt_betas": np.zeros((3, 4))}
        for i, p in enumerate(pose)
    ]  # fmt: skip
    write_shard(tmp_path / "fit" / "000000.h5", {"Bodies": Bodies.from_rows(rows)})
    np.testing.assert_allclose(read_features(tmp_path / "fit", 10**6, rng), x, atol=1e-9)


def test_what_is_no_source_of_poses_is_named(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="no such file"):
        read_features(tmp_path / "none", 9, rng)
    with pytest.raises(DataError, match="0 usable poses in 0 files"):
        read_features(tmp_path, 9, rng)
    np.savez(tmp_path / "x.npz", trans=np.zeros(3))
    with pytest.raises(DataError, match="lacks 'poses'"):
        read_features(tmp_path / "x.npz", 9, rng)
    np.savez(tmp_path / "x.npz", poses=np.zeros((9, 63)))
    with pytest.raises(DataError, match="63 wide"):
        read_features(tmp_path / "x.npz", 9, rng)
    np.savez(tmp_path / "x.npz", poses=np.array([{"a": 1}], object))
    with pytest.raises(DataError, match="more than text"):
        read_features(tmp_path / "x.npz", 9, rng)


def test_the_command_writes_a_prior_that_the_fitter_reads(tmp_path, capsys):
    pose, _ = poses(DOWN_IN_CAMERA)
    np.savez(tmp_path / "fits.npz", pose=pose)
    out = tmp_path / "p.npz"
    assert main(["fit-prior", "--from", str(tmp_path / "fits.npz"), "--out", str(out), "--components", "3"]) == 0
    assert '"poses": 600' in capsys.readouterr().out
    prior = load_mixture(out)
    assert prior.means.shape == (3, 72)
    assert main(["fit-prior", "--from", str(out), "--out", str(out)]) == 2
