"""Errors over time against plain loops, and the command that prints them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a3dgen.analysis.sequences import Motion, angles, sequence_errors, summary
from a3dgen.cli import main
from a3dgen.core.errors import DataError
from a3dgen.io.object_npz import write_object_npz


@pytest.fixture
def true():
    rng = np.random.default_rng(0)
    joints = np.cumsum(rng.normal(0, 0.02, (9, 24, 3)), 0) + rng.normal(0, 0.3, (24, 3))
    turns = Rotation.from_rotvec(rng.normal(0, 0.7, (9 * 24, 3))).as_matrix().reshape(9, 24, 3, 3)
    return Motion(joints, turns, np.arange(24) != 5, 25.0)


def test_what_changes_nothing_and_what_is_counted(true):
    same = Motion(true.joints + [3.0, -1.0, 8.0], true.rotations, true.present, 25.0)
    assert max(summary([sequence_errors(same, true)]).values()) < 1e-9
    turn = Rotation.from_rotvec([0.3, 0.2, -0.5])
    placed = Motion(1.3 * turn.apply(true.joints.reshape(-1, 3)).reshape(9, 24, 3), None, true.present, 25.0)
    found = summary([sequence_errors(placed, true)])
    assert found["pa_mpjpe"] < 1e-9
    assert found["mpjpe"] > 10
    assert "mpjae" not in found
    scaled = Motion(1.1 * true.joints, None, true.present, 25.0)
    assert summary([sequence_errors(scaled, true)])["n_mpjpe"] < 1e-9


def test_means_over_present_joints_by_loops(true):
    rng = np.random.default_rng(1)
    joints = true.joints + rng.normal(0, 0.05, true.joints.shape)
    joints[:, 5] += 100.0  # absent: counts nowhere
    turned = Rotation.from_matrix(true.rotations.reshape(-1, 3, 3)) * Rotation.from_rotvec([0, np.radians(7), 0])
    found = sequence_errors(Motion(joints, turned.as_matrix().reshape(9, 24, 3, 3), true.present, 25.0), true)
    there = [j for j in range(24) if j != 5]
    gaps = [np.linalg.norm((joints[t, j] - joints[t, 0]) - (true.joints[t, j] - true.joints[t, 0])) * 1000
            for t in range(9) for j in there]  # fmt: skip
    second = [
        np.linalg.norm(sum(k * (m[t + s, j] - m[t + s, 0]) for s, k in ((0, 1), (1, -2), (2, 1))
                           for m, k in ((joints, k), (true.joints, -k)))) * 625
        for t in range(7) for j in there
    ]  # fmt: skip
    means = summary([found], per_joint=True)
    assert means["mpjpe"] == pytest.approx(np.mean(gaps), abs=1e-3)
    assert means["acceleration"] == pytest.approx(np.mean(second), abs=1e-3)
    assert means["mpjae"] == pytest.approx(7, abs=1e-3)
    assert means["mpjpe_per_joint"][5] is None
    assert len(means["pa_mpjpe_per_joint"]) == 24
    whole = sequence_errors(true, true)
    both = summary([found, whole])
    assert both["mpjpe"] == pytest.approx(np.mean(gaps) / 2, abs=1e-3)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 0.03, 90.0, 179.0, 180.0])
def test_angles_are_exact_at_both_ends(degrees):
    a = Rotation.from_rotvec([0.4, -1.0, 0.2])
    b = a * Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0.0, 0.8]))
    found = np.degrees(angles(a.as_matrix()[None], b.as_matrix()[None]))
    np.testing.assert_allclose(found, [degrees], atol=1e-5)


def test_the_command_reads_both_layouts(tmp_path, true, capsys):
    moved = true.joints + np.arange(24)[:, None] * [0.001, 0, 0]
    ours = {"positions_3d": true.joints, "frame_rate": 25.0, "rotations_3d": true.rotations, "present": true.present}
    other = ours | {"positions_3d": moved}
    write_object_npz(tmp_path / "gt.npz", "positions_3d", {"s": {"a": ours, "b": ours}})
    write_object_npz(tmp_path / "pred.npz", "positions_3d", {"s": {"a": other}})
    assert main(["evaluate-sequence", "--pred", str(tmp_path / "pred.npz"), "--gt", str(tmp_path / "gt.npz")]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["sequences"], found["frames"], found["unpredicted"]) == (1, 9, 1)
    assert found["mpjpe"] == pytest.approx(np.mean([j for j in range(24) if j != 5]), abs=1e-3)
    assert "no prediction" in said.err
    for name, joints in (("g", true.joints), ("p", moved)):
        np.savez(tmp_path / f"{name}.npz", positions_3d=np.array({"s03": {"squat": [joints, joints[:4]]}}, object),
                 rotations_3d=np.array({"s03": {"squat": [true.rotations, true.rotations[:4]]}}, object),
                 present=true.present)  # fmt: skip
    assert main(["evaluate-sequence", "--pred", str(tmp_path / "p.npz"), "--gt", str(tmp_path / "g.npz"),
                 "--per-joint"]) == 0  # fmt: skip
    again = json.loads(capsys.readouterr().out)
    assert (again["sequences"], again["frames"]) == (2, 13)
    assert again["mpjpe"] == pytest.approx(found["mpjpe"], abs=1e-3)
    assert again["mpjae"] == 0
    assert again["mpjpe_per_joint"][4] == pytest.approx(4)


def test_what_does_not_belong_together_is_named(tmp_path, true, capsys):
    with pytest.raises(DataError, match="shape"):
        sequence_errors(Motion(true.joints[:-1], None, true.present, 25.0), true)
    np.savez(tmp_path / "a.npz", positions_3d=np.array({"s": {"a": [true.joints]}}, object))
    np.savez(tmp_path / "b.npz", positions_3d=np.array({"s": {"b": [true.joints]}}, object))
    np.savez(tmp_path / "c.npz", positions_3d=np.zeros((4, 3)))
    for pred in ("b", "c", "nowhere"):
        code = main(["evaluate-sequence", "--pred", str(tmp_path / f"{pred}.npz"), "--gt", str(tmp_path / "a.npz")])
        assert code == 2 or code == 1
        assert "Traceback" not in capsys.readouterr().err
