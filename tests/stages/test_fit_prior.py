"""A pose prior of the user's own: learnt by the command, used by the stage, and looked at again once it changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from a3dgen.cli import main
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import VISIBLE, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.fit.pose_distribution import sample_poses
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.stages import fit

K = np.array([[1100.0, 0, 400], [0, 1100, 300], [0, 0, 1]])
LABELLED = [0, 15, 16, 17, 18, *range(25, 37)]


@pytest.fixture(scope="module")
def poses():
    """400 upright poses (24, 3) with the root in the camera frame."""
    features = sample_poses(np.random.default_rng(4), 1200)
    features = features[np.argsort(features[:, 1])[:400]]
    root = matrix_to_rotvec(rotvec_to_matrix(np.array([np.pi, 0, 0.0])) @ rotvec_to_matrix(np.array([0, 0.4, 0])))
    return np.concatenate([np.tile(root, (400, 1)), features[:, 3:]], 1).reshape(400, 24, 3)


@pytest.fixture(scope="module")
def person(body, poses):
    posed = pose_body(body, poses[7], np.zeros(body.num_betas), np.array([0.1, 0.0, 4.6]))
    pixels = project(posed.keypoints, K) + np.random.default_rng(0).normal(0, 2, (44, 2))
    keypoints, state = np.zeros((44, 3)), np.zeros(44, np.uint8)
    keypoints[LABELLED], state[LABELLED] = np.column_stack([pixels, np.ones(44)])[LABELLED], VISIBLE
    box = [*keypoints[LABELLED, :2].min(0) - 20, *keypoints[LABELLED, :2].max(0) + 20]
    row = {"key": "p", "subset": "COCO_val", "stem": "p", "image": "x.jpg", "image_size": (800, 600), "bbox": box,
           "keypoints": keypoints, "state": state, "K": K}  # fmt: skip
    return Persons.from_rows([row]), posed


def pose_found(persons, **settings):
    here = Path("/nowhere")
    out = fit.run(fit.Config(**settings), Inputs(persons), Context(0, BodyConfig(), here, here))
    assert out.outcome.counts()["ok"] == 1, list(out.outcome.reason)
    return out.record


def learn(source, out, components):
    assert main(["fit-prior", "--from", str(source), "--out", str(out), "--components", str(components)]) == 0


def test_a_prior_of_ones_own_is_learnt_used_and_looked_at_again(tmp_path, body, poses, person, capsys):
    persons, truth = person
    np.savez(tmp_path / "fits.npz", pose=poses)
    own = tmp_path / "own.npz"
    learn(tmp_path / "fits.npz", own, 2)
    found, shipped = pose_found(persons, prior=str(own)), pose_found(persons)
    assert not np.array_equal(found.pose, shipped.pose)
    joints = pose_body(body, found.pose[0], found.betas[0], found.transl[0]).joints
    gap = (joints - joints[0]) - (truth.joints - truth.joints[0])
    assert np.linalg.norm(gap, axis=1).mean() < 0.12
    np.testing.assert_array_equal(pose_found(persons, prior=str(own)).pose, found.pose)
    learn(tmp_path / "fits.npz", own, 1)  # the same name, other content
    os.utime(own, ns=(1, 1))
    assert not np.array_equal(pose_found(persons, prior=str(own)).pose, found.pose)
    capsys.readouterr()
