"""Joints without vertices against the full mesh, slerp against scipy, blocks against a whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from a3dgen.motion.convert import BadFrame, Conversion, convert_frames
from a3dgen.motion.evaluate import Frames, joints_at, joints_between, local_rotations
from a3dgen.motion.joint_model import fold
from a3dgen.motion.rates import frame_places, resample
from benchmarks.mocap_full_mesh import FullMesh
from benchmarks.standin_smplh import PARENTS, amass_arrays, h36m_regressor, make_model

SMPL = np.array([*range(22), 22, 37])
EXACT = 1e-6


@pytest.fixture(scope="module")
def toy():
    return make_model(300, "female")


def folded(model, matrix):
    return fold(
        matrix, model["weights"], model["v_template"], model["shapedirs"], model["eigvec"], model["posedirs"],
        model["J_regressor"], PARENTS.astype(np.int64), SMPL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sparse(toy):
    return folded(toy, h36m_regressor(toy, 20))


@pytest.fixture(scope="module")
def clip():
    return amass_arrays("clip", 70)


def frames_of(clip):
    return Frames(clip["poses"], clip["trans"], clip["dmpls"])


@pytest.mark.parametrize("dense", [False, True])
def test_agrees_with_the_full_mesh(toy, clip, dense):
    matrix = h36m_regressor(toy, 20, dense)
    model = folded(toy, matrix)
    found = joints_at(model.shaped(clip["betas"]), 17, SMPL, frames_of(clip))
    truth = FullMesh(toy, matrix, torch.float64)(clip["poses"], clip["trans"], clip["betas"], clip["dmpls"])
    assert np.abs(found.rows - truth).max() < EXACT
    assert np.ptp(truth, 0).max() > 0.1  # it moves
    own = FullMesh(toy, toy["J_regressor"], torch.float64)(clip["poses"], clip["trans"], clip["betas"], clip["dmpls"])
    assert found.skeleton.shape == (70, 24, 3)
    assert np.abs(found.skeleton[:, 0] - own[:, 0]).max() < 0.2  # near, not the same: joints are no skinned points


def test_soft_tissue_moves_rest_joints_too(toy, sparse, clip):
    still = frames_of(clip)._replace(soft=np.zeros_like(clip["dmpls"]))
    soft, firm = (joints_at(sparse.shaped(clip["betas"]), 17, SMPL, f) for f in (frames_of(clip), still))
    assert np.abs(soft.skeleton - firm.skeleton).max() > 1e-5


def test_a_turn_and_a_shift_of_the_world_turn_and_shift_the_joints(sparse, clip):
    folded_model, turn = sparse.shaped(clip["betas"]), Rotation.from_rotvec([0.2, -0.7, 0.4])
    before = joints_at(folded_model, 17, SMPL, frames_of(clip))
    poses = clip["poses"].copy()
    poses[:, :3] = (turn * Rotation.from_rotvec(poses[:, :3])).as_rotvec()
    pelvis = before.skeleton[:, :1] - clip["trans"][:, None]  # which no rotation moves
    moved = joints_at(folded_model, 17, SMPL, Frames(poses, clip["trans"] + 1.0, clip["dmpls"]))
    wanted = turn.apply((before.rows - before.skeleton[:, :1]).reshape(-1, 3)).reshape(before.rows.shape)
    np.testing.assert_allclose(moved.rows, wanted + pelvis + clip["trans"][:, None] + 1.0, atol=EXACT)


def test_joints_that_nothing_hangs_on_are_left_out_and_change_nothing(toy, clip):
    firm = dict(toy, posedirs=np.zeros_like(toy["posedirs"]))
    fingers = np.arange(52) >= 22
    firm["weights"] = np.where(fingers, 0, toy["weights"])
    firm["weights"][:, 0] += 1e-3
    firm["weights"] /= firm["weights"].sum(1, keepdims=True)
    model = folded(firm, h36m_regressor(toy, 20)).shaped(clip["betas"])
    assert set(model.turned) == set(model.chained) == set(SMPL)
    truth = FullMesh(firm, h36m_regressor(toy, 20), torch.float64)
    found = joints_at(model, 17, SMPL, frames_of(clip)).rows
    assert np.abs(found - truth(clip["poses"], clip["trans"], clip["betas"], clip["dmpls"])).max() < EXACT


def test_slerp_is_scipys(clip):
    poses = clip["poses"]
    poses = np.concatenate([poses, [poses[-1] * 1.01, np.full(156, 3.1), np.full(156, -3.1) * 0.4, np.zeros(156)]])
    index, share = frame_places(len(poses), Fraction(120), Fraction(50))
    found = local_rotations(poses, SMPL, index, share)
    for n, j in enumerate(SMPL):
        path = Slerp(np.arange(len(poses)), Rotation.from_rotvec(poses[:, 3 * j : 3 * j + 3]))
        np.testing.assert_allclose(found[:, n], path(index + share).as_matrix(), atol=1e-7)
    np.testing.assert_allclose(found @ np.swapaxes(found, -1, -2), np.broadcast_to(np.eye(3), found.shape), atol=1e-12)


def test_slerp_keeps_bones_and_lines_shorten_them(sparse, clip):
    firm = frames_of(clip)._replace(soft=np.zeros_like(clip["dmpls"]))
    shaped = sparse.shaped(clip["betas"])
    thin = Frames(*(a[::12] for a in firm))  # 10 fps
    index, share = frame_places(len(thin.poses), 10, 50)
    bone = lambda x: np.linalg.norm(x[:, 18] - x[:, 20], axis=1)  # noqa: E731 - left forearm
    kept = bone(joints_between(shaped, 17, SMPL, thin, index, share).skeleton)
    assert np.ptp(kept) < 1e-9
    straight = bone(resample(joints_at(shaped, 17, SMPL, thin).skeleton, 10, 50))
    assert straight.min() < kept.min() - 1e-4


@pytest.mark.parametrize("interp", ["linear", "slerp"])
@pytest.mark.parametrize("rates", [(120, 50), (50, 50), (24, 50), (250, 25)])
def test_blocks_give_what_the_whole_gives(sparse, clip, interp, rates):
    src, dst = map(Fraction, rates)
    how = Conversion(sparse, clip["betas"], np.arange(52), src, dst, interp, rotations=True)

    def run(block):
        position = [0]

        def read(count):
            position[0] += count
            return frames_of(clip).part(position[0] - count, position[0])

        pieces = list(convert_frames(replace(how, block=block), len(clip["poses"]), read))
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    whole = run(1000)
    for block in (2, 3, 7, 64):
        for a, b in zip(run(block), whole, strict=True):
            np.testing.assert_allclose(a, b, atol=3e-7)
    if interp == "linear":
        rows = joints_at(sparse.shaped(clip["betas"]), 17, SMPL, frames_of(clip)).rows
        np.testing.assert_allclose(whole[0], resample(rows, src, dst), atol=3e-7)


def test_a_frame_that_is_no_number_is_named(sparse, clip):
    bad = frames_of(clip)._replace(trans=clip["trans"].copy())
    bad.trans[41, 1] = np.nan
    position = [0]

    def read(count):
        position[0] += count
        return bad.part(position[0] - count, position[0])

    how = Conversion(sparse, clip["betas"], np.arange(52), Fraction(120), Fraction(50), block=16)
    with pytest.raises(BadFrame, match="trans of frame 41"):
        list(convert_frames(how, 70, read))
