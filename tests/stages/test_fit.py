"""The fit stage: made-up people in, bodies out; bad labels refused with the reason; the real frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE, Persons, Shapes
from a3dgen.core.stage import Context, Inputs
from a3dgen.fit.config import solver_options
from a3dgen.fit.merged import shared_limbs
from a3dgen.fit.observation import FitOptions
from a3dgen.fit.observe import observe
from a3dgen.fit.pose_distribution import sample_poses
from a3dgen.fit.prediction import load_predictions
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project, project_distorted
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import ANATOMICAL, ROW, ROW_FLIP
from a3dgen.io import rle
from a3dgen.stages import fit
from a3dgen.stages.ingest import with_company

K = np.array([[1100.0, 0, 400], [0, 1100, 300], [0, 0, 1]])
DIST = np.array([-0.2, 0.24, -0.0007, 0.0014, -0.008])
LABELLED = [0, 15, 16, 17, 18, *range(25, 37)]


@pytest.fixture(scope="module")
def people(body):
    """Six standing people as a source would give them: COCO's rows, 2 px noise."""
    rng = np.random.default_rng(0)
    poses = sample_poses(rng, 200)
    poses = poses[np.argsort(poses[:, 1])[:6]]
    rows, truth = [], []
    for i, features in enumerate(poses):
        yaw = rotvec_to_matrix(np.array([0, 0.5 * i - 1.2, 0]))
        root = matrix_to_rotvec(rotvec_to_matrix(np.array([np.pi, 0, 0.0])) @ yaw)
        pose = np.concatenate([root, features[3:]]).reshape(24, 3)
        posed = pose_body(body, pose, np.clip(rng.normal(size=body.num_betas), -1, 1), np.array([0.1, 0.0, 4.6]))
        pixels = project(posed.keypoints, K) + 2 * rng.standard_normal((44, 2))
        keypoints, state = np.zeros((44, 3)), np.zeros(44, np.uint8)
        keypoints[LABELLED] = np.column_stack([pixels, np.ones(44)])[LABELLED]
        state[LABELLED] = VISIBLE
        box = [*keypoints[LABELLED, :2].min(0) - 20, *keypoints[LABELLED, :2].max(0) + 20]
        rows.append({"key": f"p{i}", "subset": "COCO_val", "stem": str(i), "image": "x.jpg", "image_size": (800, 600),
                     "bbox": box, "keypoints": keypoints, "state": state, "K": K})  # fmt: skip
        truth.append(posed)
    return Persons.from_rows(rows), truth


def run(persons, tmp_path=Path("/nowhere"), **settings):
    return fit.run(fit.Config(**settings), Inputs(persons), Context(0, BodyConfig(), tmp_path, tmp_path))


def edited(persons, **columns):
    return replace(persons, **columns)


def test_the_solver_and_the_stage_have_the_same_defaults():
    assert solver_options(fit.Config(), known_camera=False) == FitOptions()
    assert solver_options(fit.Config(flips=False, focal_sd=0.2), known_camera=True) == FitOptions(flip_steps=0)


def test_everybody_is_fitted_alone_and_repeatably(people, body):
    persons, truth = people
    out = run(persons)
    assert out.outcome.counts()["ok"] == len(persons)
    assert (out.record.reproj_px < 8).all()
    for i, key in enumerate(persons.key):
        row = out.record.row(out.record.index()[key])
        found = pose_body(body, row["pose"], row["betas"], row["transl"])
        gap = (found.joints - found.joints[0]) - (truth[i].joints - truth[i].joints[0])
        assert np.linalg.norm(gap, axis=1).mean() < 0.13
        assert (np.diff(row["alt_cost"][np.isfinite(row["alt_cost"])]) >= 0).all()
    alone = run(persons.take([4, 1]))
    for name in ("pose", "betas", "transl", "sigma", "alt_cost"):
        assert np.array_equal(getattr(alone.record, name), getattr(out.record, name)[[4, 1]])


def test_lens_distortion_is_taken_off_and_3d_joints_are_met(people, body):
    persons, truth = people
    keypoints, joints3d = persons.keypoints.copy(), np.zeros((len(persons), 44, 4))
    rows = np.arange(25, 44)
    for i, posed in enumerate(truth):
        keypoints[i, LABELLED, :2] = project_distorted(posed.keypoints[LABELLED], K, DIST)
        joints3d[i, rows] = np.column_stack([posed.keypoints, np.ones(44)])[rows]
    known = edited(
        persons, keypoints=keypoints, joints3d=joints3d, dist=np.tile(DIST, (len(persons), 1)),
        K_known=np.ones(len(persons), bool),
    )  # fmt: skip
    out = run(known.take([0, 1, 2]))
    assert out.outcome.counts()["ok"] == 3
    for i in range(3):
        row = out.record.row(i)
        assert np.array_equal(row["K"], K)
        found = pose_body(body, row["pose"], row["betas"], row["transl"])
        assert np.linalg.norm((found.keypoints - truth[i].keypoints)[rows], axis=1).mean() < 0.01
        assert row["reproj_px"] < 1.5


def test_states_decide_what_counts(people):
    persons, _ = people
    one = persons.take([0])
    wrist = ROW["extra_left_wrist"]
    wild = one.keypoints.copy()
    wild[0, wrist, :2] += 150
    gone = one.keypoints.copy()
    gone[0, wrist] = 0
    state = one.state.copy()
    state[0, wrist] = UNLABELLED
    without = run(edited(one, keypoints=gone, state=state)).record.pose
    state[0, wrist] = OUTSIDE
    assert np.array_equal(run(edited(one, keypoints=wild, state=state)).record.pose, without)
    removed = np.zeros((1, 12), bool)
    removed[0, 3] = True  # the person lacks the left hand, so that its wrist is not looked at
    assert np.array_equal(run(edited(one, keypoints=wild, present_removed=removed)).record.pose, without)
    state[0, wrist] = OCCLUDED
    assert not np.array_equal(run(edited(one, state=state)).record.pose, run(one).record.pose)


def _row(persons, change):
    keypoints, state, box = persons.keypoints.copy(), persons.state.copy(), persons.bbox.copy()
    change(keypoints[0], state[0], box[0])
    return run(edited(persons, keypoints=keypoints, state=state, bbox=box)).outcome


def _unlabel(k, s, b):
    s[:] = 0


def _nan(k, s, b):
    k[30] = np.nan


def _coincide(k, s, b):
    k[ROW["extra_left_knee"]] = k[ROW["extra_right_hip"]]


def _shrink(k, s, b):
    k[:, :2] = k[:, :2] / 80 + 5
    b[:] = b / 80 + 5


def _mirror(k, s, b):
    k[:] = k[ROW_FLIP]


def _shuffle(k, s, b):
    k[LABELLED] = k[np.random.default_rng(1).permutation(LABELLED)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_unlabel, "0 usable keypoints"), (_nan, "not finite"), (_coincide, "same place"), (_shrink, "px large"),
        (_mirror, "swapped"), (_shuffle, "keypoints are missed|implausible|swapped|would be"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_the_reason(people, change, reason):
    import re

    outcome = _row(people[0].take([2]), change)
    assert outcome.status[0] == "rejected"
    assert re.search(reason, outcome.reason[0]), outcome.reason[0]


def test_torch_engine_agrees(people):
    rows = [people[0].row(i) for i in (0, 3, 5)]
    rows = list(with_company(iter(rows[:2]))) + rows[2:]  # two with the ground of their photo, one without
    persons = Persons.from_rows(rows)
    compiled, batched = run(persons), run(persons, engine="torch")
    assert batched.outcome.counts()["ok"] == 3
    np.testing.assert_allclose(batched.record.cost, compiled.record.cost, atol=0.1)
    np.testing.assert_allclose(batched.record.pose, compiled.record.pose, atol=0.02)


def test_legs_that_nobody_labelled_need_something_that_hides_them(people):
    row = people[0].row(3)
    legs = [r for r in LABELLED if ANATOMICAL[r].split("_")[-1] in ("knee", "ankle")]
    row["state"], row["keypoints"] = row["state"].copy(), row["keypoints"].copy()
    knees = row["keypoints"][legs, 1].min()
    row["state"][legs], row["keypoints"][legs] = UNLABELLED, 0
    row["bbox"] = [*row["bbox"][:3], (knees + row["keypoints"][LABELLED, 1].max()) / 2 - 10]
    table = np.zeros((600, 800), bool)
    table[int(row["bbox"][3]) :] = True
    front = rle.list_to_json([rle.encode(table)])
    cases = [row, row | {"key": "table", "objects": front}, row | {"key": "cut", "image_size": (800, row["bbox"][3])}]
    outcome = run(Persons.from_rows(cases)).outcome
    assert outcome.status.tolist() == ["rejected", "ok", "ok"]
    assert "no mask says what hides them" in outcome.reason[0]


@pytest.mark.parametrize("form", ["axis-angle", "matrices", "HMR2"])
def test_start_from_a_file_of_predictions(people, tmp_path, form):
    persons = people[0].take([1])
    found = run(persons).record
    pose, middle = found.pose[0], (persons.bbox[0, :2] + persons.bbox[0, 2:]) / 2
    names = {"imgname": np.array(["a/x.jpg"]), "center": middle[None], "trans_cam": np.zeros((1, 3))}
    if form == "axis-angle":
        np.savez(tmp_path / "p.npz", pose_cam=pose.reshape(1, 72), shape=np.zeros((1, 10)), **names)
    elif form == "HMR2":  # as docs/your_data.md says: matrices, roots in the camera of each person's crop
        ray = np.append((middle - K[:2, 2]) / K[0, 0], 1.0)
        axis = np.cross([0.0, 0, 1], ray)
        turn = rotvec_to_matrix(axis / np.linalg.norm(axis) * np.arctan2(np.linalg.norm(axis), ray[2]))
        matrices = rotvec_to_matrix(pose)[None]
        matrices[:, 0] = turn.T @ matrices[:, 0]
        np.savez(tmp_path / "p.npz", imgname=np.array(["a/x.jpg"]), box_center=middle[None],
                 global_orient=matrices[:, :1], body_pose=matrices[:, 1:], betas=np.zeros((1, 10)))  # fmt: skip
        read = load_predictions(tmp_path / "p.npz")
        assert read.find("b/x.jpg", persons.bbox[0] + 900) is None  # somebody else's place
        np.testing.assert_allclose(read.root_in_image(0, K, persons.bbox[0])[0], pose[0], atol=1e-6)
    else:
        matrices = rotvec_to_matrix(pose)[None]
        np.savez(tmp_path / "p.npz", global_orient=matrices[:, :1], body_pose=matrices[:, 1:], **names)
    helped = run(persons, init=str(tmp_path / "p.npz"), starts=1, flips=False).record
    assert helped.cost[0] <= found.cost[0] + 0.2
    np.savez(tmp_path / "bad.npz", imgname=np.array(["x.jpg"]))
    with pytest.raises(DataError, match="lacks 'pose'"):
        load_predictions(tmp_path / "bad.npz")


def test_shape_of_a_subject_is_found_and_held(people, body):
    persons = replace(people[0].take([0, 1]), subject=np.array(["S1", "S1"], object))
    context = Context(0, BodyConfig(), Path("/nowhere"), Path("/nowhere"))
    row = fit.shape(fit.Config(), context, "S1", persons)
    assert row["frames"] == 2
    np.testing.assert_allclose(row["betas"], run(persons).record.betas.mean(0), atol=1e-9)
    assert fit.shape(fit.Config(), context, "S1", edited(persons, state=np.zeros((2, 44)))) is None
    known = with_3d(persons, people[1])
    shapes = Shapes.from_rows([{"key": "S1", "betas": np.full(body.num_betas, 0.3), "frames": 2}])
    held = fit.run(fit.Config(), Inputs(known, shapes=shapes), context)
    assert held.outcome.counts()["ok"] == 2
    assert (held.record.betas == 0.3).all()
    plain = fit.run(fit.Config(), Inputs(persons, shapes=shapes), context)  # no 3D joints: fitted by itself
    assert (plain.record.betas != 0.3).any()


def with_3d(persons, truth):
    joints3d = np.zeros((len(persons), 44, 4))
    rows = np.arange(25, 44)
    for i in range(len(persons)):
        joints3d[i, rows] = np.column_stack([truth[i].keypoints, np.ones(44)])[rows]
    return edited(persons, joints3d=joints3d, K_known=np.ones(len(persons), bool))


@pytest.fixture(scope="module")
def instant(people):
    """Two people, the first seen by three cameras around it; and the cameras' motions."""
    persons, truth = people
    rng = np.random.default_rng(1)
    middle = truth[0].joints.mean(0)
    motions = [(np.eye(3), np.zeros(3))]
    for yaw in (1.2, -2.0):
        turn = rotvec_to_matrix(np.array([0.1, yaw, 0.05]))
        motions.append((turn, np.array([0.2, 0.1, 5.0]) - turn @ middle))
    one, others = with_3d(persons.take([0]), truth), with_3d(persons.take([0, 1]), truth).take([1])
    rows = []
    for n, (turn, shift) in enumerate(motions):
        row = one.row(0)
        keypoints, joints3d = row["keypoints"].copy(), row["joints3d"].copy()
        there = truth[0].keypoints @ turn.T + shift
        keypoints[LABELLED, :2] = project(there[LABELLED], K) + 2 * rng.standard_normal((len(LABELLED), 2))
        joints3d[:, :3] = np.where(joints3d[:, 3:] > 0, joints3d[:, :3] @ turn.T + shift, 0)
        box = [*keypoints[LABELLED, :2].min(0) - 20, *keypoints[LABELLED, :2].max(0) + 20]
        rows.append({**row, "key": f"cam{n}", "group": "g", "keypoints": keypoints, "joints3d": joints3d, "bbox": box})
    return Persons.from_rows([*rows, others.row(0)]), motions


def test_cameras_of_one_instant_share_one_body(instant, body):
    persons, motions = instant
    out = run(persons)
    assert out.outcome.counts()["ok"] == 4, list(out.outcome.reason)
    posed = [pose_body(body, *(out.record.row(i)[n] for n in ("pose", "betas", "transl"))) for i in range(3)]
    for (turn, shift), other in zip(motions, posed, strict=True):
        there = posed[0].keypoints @ turn.T + shift
        assert np.linalg.norm(there - other.keypoints, axis=1).max() < 1e-3
    assert (out.record.reproj_px[:3] < 4).all()
    np.testing.assert_array_equal(out.record.pose[0, 1:], out.record.pose[2, 1:])
    np.testing.assert_array_equal(run(persons.take([3])).record.pose[0], out.record.pose[3])
    alone = run(edited(persons, group=np.array(["", "", "", ""], object))).record
    assert not np.array_equal(alone.pose[0, 1:], alone.pose[2, 1:])


def test_a_camera_that_contradicts_its_group_is_fitted_alone(instant):
    persons, _ = instant
    joints3d = persons.joints3d.copy()
    joints3d[1, ROW["extra_left_wrist"], :3] += 0.02
    out = run(edited(persons, joints3d=joints3d).take([0, 1, 2]))
    assert np.array_equal(out.record.pose[0, 1:], out.record.pose[2, 1:])
    assert not np.array_equal(out.record.pose[0, 1:], out.record.pose[1, 1:])
    state = persons.state.copy()
    state[1] = UNLABELLED
    two = run(edited(persons, state=state, joints3d=np.where(np.arange(4)[:, None, None] == 1, 0, persons.joints3d)))
    assert two.outcome.counts() == {"ok": 3, "rejected": 1, "failed": 0}


def test_settings_out_of_range():
    for settings in ({"noise": 0.0}, {"starts": 13}, {"max_iterations": 0}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            run(Persons.from_rows([]), **settings)
    empty = run(Persons.from_rows([]))
    assert len(empty.record) == len(empty.outcome) == 0
    assert empty.record.betas.shape == (0, 10)


@pytest.mark.samples
def test_real_frames(samples, body):
    from a3dgen.sources import open_source

    rows = []
    for name in ("coco", "mpii", "h36m"):
        source, config = open_source(name, {"root": str(samples / name)})
        rows += [r for r in source.read(config) if isinstance(r, dict)]
    persons = Persons.from_rows(rows)
    out = run(persons)
    assert out.outcome.counts() == {"ok": 16, "rejected": 0, "failed": 0}, list(out.outcome.reason)
    sides = (persons.bbox[:, 2:] - persons.bbox[:, :2]).max(1)
    shares = out.record.reproj_px / sides
    assert shares[:13].mean() < 0.015
    assert shares.max() < 0.04
    for i in range(13, 16):
        row = out.record.row(i)
        seen = persons.joints3d[i, :, 3] > 0
        found = pose_body(body, row["pose"], row["betas"], row["transl"]).keypoints
        root = ROW["extra_pelvis_mpii"]
        gap = (found - found[root]) - (persons.joints3d[i, :, :3] - persons.joints3d[i, root, :3])
        assert np.linalg.norm(gap[seen], axis=1).mean() < 0.03


def test_labels_of_two_people_are_noticed(people):
    persons = people[0].take([0])
    size = float((persons.bbox[0, 2:] - persons.bbox[0, :2]).max())
    wrong = persons.keypoints.copy()
    arm = [ROW["extra_left_elbow"], ROW["extra_left_wrist"]]
    wrong[0, arm, 0] += 0.45 * size
    outcome = run(edited(persons, keypoints=wrong)).outcome
    assert outcome.status[0] == "rejected"
    assert "two people" in outcome.reason[0]
    assert "left arm" in outcome.reason[0]


def test_an_arm_labelled_where_somebody_elses_is_is_shared(people):
    persons = people[0].take([0, 1])
    company = np.zeros((2, 44, 4))
    for one, keypoints in zip(company, persons.keypoints, strict=True):
        one[:, :3] = keypoints
    seen = observe(fit.Config(), persons, 0)
    assert shared_limbs(seen, company) == []
    arm = [ROW["extra_left_elbow"], ROW["extra_left_wrist"]]
    company[1, arm] = company[0, arm]
    assert shared_limbs(seen, company) == ["left arm"]
