"""``a3dgen mocap`` from files to files: what downstream readers find, against the full mesh and plain fractions."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from amass_toy import UPLIFT_ORDER, VERTICES, downstream, regressor, results, tree
from scipy.spatial.transform import Rotation, Slerp

from a3dgen import mocap
from a3dgen.cli import main
from a3dgen.core.errors import DataError
from a3dgen.engine.mocap_job import model_of
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.regions import LIMBS, REGIONS, absent_joints, absent_rows, label
from a3dgen.geometry.skeleton import H36M_LEFT_FIRST_ROWS, PARENTS
from a3dgen.sources.amass import read_features
from benchmarks.mocap_full_mesh import FullMesh
from benchmarks.standin_smplh import amass_arrays, make_model, write_sequence

EXACT = 1e-6
FILES = {"01_01_poses": Fraction(120), "01_02_poses": Fraction(120), "walk_poses": Fraction(50)}
"""Sequence -> its frame rate."""


def source(toys, stem):
    return dict(np.load(next((toys / "amass").rglob(f"{stem}.npz"))))


def by_fractions(x, src, dst=50):
    """Resample one frame after the other, in fractions: the longest prefix whose time lies within the recording."""
    out, k = [], 0
    while k * src / dst <= len(x) - 1 and Fraction(k + 1, dst) <= Fraction(len(x)) / src:
        at = k * src / dst
        i, u = at.numerator // at.denominator, float(at % 1)
        out.append(x[i] if u == 0 else x[i] * (1 - u) + x[i + 1] * u)
        k += 1
    return np.stack(out)


@pytest.fixture(scope="module")
def truth(toys):
    """Joints of every sequence from every vertex, f8, in the regressor's order."""
    full = FullMesh(make_model(VERTICES, "female"), np.load(toys / "h36m.npy"), torch.float64)
    found = {}
    for stem, rate in FILES.items():
        z = source(toys, stem)
        found[stem] = by_fractions(full(z["poses"], z["trans"], z["betas"], z["dmpls"]), rate)
    return found


def test_the_downstream_reader_finds_the_full_meshs_joints_in_the_order_it_wants(made, truth):
    found = {stem: x for name in ("CMU", "KIT") for s in downstream(made / f"{name}.npz").values()
             for stem, x in s.items()}  # fmt: skip
    assert set(found) == set(FILES)
    for stem, x in found.items():
        assert x.dtype == np.float32
        assert x.shape == truth[stem].shape
        assert np.abs(x - truth[stem][:, UPLIFT_ORDER]).max() < EXACT


def test_names_that_numpy_1_knows_in_a_protocol_that_python_3_7_knows(made):
    with np.load(made / "CMU.npz") as archive:
        raw = archive.zip.read("positions_3d.npy")
    pickled = raw[raw.index(b"\n") + 1 :]
    assert pickled[:2] == b"\x80\x04"
    assert b"numpy.core.multiarray" in pickled
    assert b"numpy._core" not in pickled
    data = np.load(made / "CMU.npz", allow_pickle=True)["positions_3d"].item()
    assert {type(v) for s in data["01"].values() for v in s.values()} == {np.ndarray, float}
    assert {"positions_3d", "frame_rate"} == set(data["01"]["01_01_poses"])


def test_the_report_has_a_line_for_every_file(made):
    report = json.loads((made / "report.json").read_text())
    rows = {row["sequence"]: row for row in report["files"]}
    assert rows["CMU/01/01_02_poses"]["rate"] == "120"  # 120.00004577636719 in the file
    assert [(rows[n]["frames_in"], rows[n]["frames_out"]) for n in sorted(rows)] == [(61, 25), (50, 20), (40, 40)]
    assert report["counts"] == {"ok": 3, "skipped": 0, "failed": 0}
    assert all(len(row["digest"]) >= 32 and row["gender"] == "female" for row in rows.values())


def test_rotations_are_the_recordings(toys, made):
    for sequence in [s for name in ("CMU", "KIT") for s in mocap.sequences(made / f"{name}_rot.npz")]:
        poses = source(toys, sequence.stem)["poses"].reshape(-1, 52, 3)
        at = np.arange(len(sequence.rotations)) * float(FILES[sequence.stem] / 50)
        for n, j in enumerate([*range(22), 22, 37]):
            turns = Slerp(np.arange(len(poses)), Rotation.from_rotvec(poses[:, j]))(at).as_matrix()
            np.testing.assert_allclose(sequence.rotations[:, n], turns, atol=EXACT)


def test_amputee_copies(toys, made, configured, tmp_path):
    intact = {s.stem: s for s in mocap.sequences(made / "CMU.npz")}
    turns = {s.stem: s.rotations for s in mocap.sequences(made / "CMU_rot.npz")}
    model = model_of(configured_body(configured, tmp_path), "smplh", "female")
    copies = list(mocap.sequences(made / "CMU_amp.npz"))
    assert len(copies) == 2 * len(intact)
    for copy in copies:
        stem = copy.stem.split("_", 2)[2].rsplit("_v", 1)[0]
        assert copy.stem == f"amp_{label(copy.removed)}_{stem}_v{copy.stem[-1]}"
        gone = absent_rows(copy.removed)[list(H36M_LEFT_FIRST_ROWS)]
        np.testing.assert_array_equal(copy.present, ~gone)
        np.testing.assert_array_equal(copy.positions[:, ~gone], intact[stem].positions[:, ~gone])
        joints = absent_joints(copy.removed)
        assert not copy.rotations[:, joints].any()
        np.testing.assert_array_equal(copy.rotations[:, ~joints], turns[stem][:, ~joints])
        check_tips(copy, skeleton(model, toys, stem))
    assert any(not c.present.all() for c in copies)


def configured_body(configured, out):
    from a3dgen.engine.mocap_config import body_of

    return body_of(configured(out))


def skeleton(model, toys, stem):
    """SMPL's joint centres, chained with scipy and resampled by fractions."""
    z = source(toys, stem)
    rest = model.joints + model.joint_shape @ z["betas"] + np.einsum("kcd,nd->nkc", model.joint_soft, z["dmpls"])
    turns = Rotation.from_rotvec(z["poses"].reshape(-1, 3)).as_matrix().reshape(-1, 52, 3, 3)
    world, place = [turns[:, 0]], [rest[:, 0]]
    for j in range(1, 24):
        p, own = PARENTS[j], {22: 22, 23: 37}.get(j, j)
        place.append(place[p] + np.einsum("nab,nb->na", world[p], rest[:, own] - rest[:, p]))
        world.append(world[p] @ turns[:, own])
    return by_fractions(np.stack(place, 1) + z["trans"][:, None], FILES[stem])


def check_tips(copy, bones):
    for region in np.flatnonzero(copy.removed):
        start, end = REGIONS[region].segment
        tip = bones[:, start] + float(copy.residual[region]) * (bones[:, end] - bones[:, start])
        limb = next(regions for regions in LIMBS if region in regions)
        rows = {r for r in REGIONS[region].rows if any(r in REGIONS[x].rows for x in limb)}
        for i, row in enumerate(H36M_LEFT_FIRST_ROWS):
            if row in rows:
                np.testing.assert_allclose(copy.positions[:, i], tip, atol=2e-6)


@pytest.mark.parametrize(("absent", "holds"), [("nan", np.isnan), ("zero", lambda x: x == 0)])
def test_what_absent_rows_hold(tmp_path, configured, absent, holds):
    mocap.convert(configured(tmp_path / "o", datasets=("KIT",), absent=absent, regions=("left_hand",), residual=0.5))
    for copy in mocap.sequences(tmp_path / "o" / "KIT_amp.npz"):
        assert not copy.present[13]  # the left wrist
        assert copy.present[12]  # the elbow stays
        assert holds(copy.positions[:, 13]).all()
        assert not holds(copy.positions[:, copy.present]).any()
        assert copy.residual[3] == 0.5


def test_a_row_of_an_unknown_regressor_goes_with_its_skin(tmp_path, toys, configured):
    model = make_model(VERTICES, "female")
    rows = np.zeros((2, VERTICES))
    rows[0, np.argmax(model["weights"][:, 18])] = 1  # on the left elbow's skin
    rows[1, np.argmax(model["weights"][:, 19])] = 1
    np.save(tmp_path / "two.npy", rows)
    mocap.convert(configured(tmp_path / "o", regressor=tmp_path / "two.npy", datasets=("KIT",), amputees=1,
                             regions=("left_elbow",)))  # fmt: skip
    (copy,) = mocap.sequences(tmp_path / "o" / "KIT_amp.npz")
    assert copy.present.tolist() == [False, True]


def test_slerp_and_a_lower_rate_are_raised(tmp_path, toys, configured):
    folder = tmp_path / "in"
    z = amass_arrays("low", 30, 24.0)
    write_sequence(folder / "A" / "1" / "low.npz", **z)
    for interp in ("linear", "slerp"):
        mocap.convert(configured(tmp_path / interp, amass_dir=folder, interp=interp, amputees=0))
    (line,), (arc,) = ([*mocap.sequences(tmp_path / i / "A.npz")] for i in ("linear", "slerp"))
    assert line.positions.shape == arc.positions.shape == (61, 17, 3)  # min(30*50/24, 29*50/24 + 1), floored
    full = FullMesh(make_model(VERTICES, "female"), np.load(toys / "h36m.npy"), torch.float64)
    np.testing.assert_allclose(line.positions, by_fractions(full(*(z[k] for k in ("poses", "trans", "betas", "dmpls"))),
                                                            Fraction(24)), atol=EXACT)  # fmt: skip
    between = Slerp(np.arange(30), Rotation.from_rotvec(z["poses"][:, :3]))(0.48)  # the first new frame
    poses = np.concatenate([Slerp(np.arange(30), Rotation.from_rotvec(z["poses"][:, c : c + 3]))([0.48]).as_rotvec()
                            for c in range(0, 156, 3)], 1)  # fmt: skip
    np.testing.assert_allclose(poses[0, :3], between.as_rotvec())
    mixed = [z[k][:1] * 0.52 + z[k][1:2] * 0.48 for k in ("trans", "dmpls")]
    np.testing.assert_allclose(arc.positions[1], full(poses, mixed[0], z["betas"], mixed[1])[0], atol=EXACT)
    assert np.abs(arc.positions - line.positions).max() > 1e-5


def test_the_open_body_needs_no_licensed_file(tmp_path, toys, body, configured):
    report = mocap.convert(configured(tmp_path / "o", body="anny", smplh=None, regressor=None, datasets=("KIT",)))
    assert report.exit_code == 0
    (found,) = mocap.sequences(tmp_path / "o" / "KIT.npz")
    (turned,) = mocap.sequences(tmp_path / "o" / "KIT_rot.npz")
    pose = Rotation.from_matrix(turned.rotations[:1].reshape(-1, 3, 3)).as_rotvec().reshape(1, 24, 3)
    points = posed_rows(body, pose)
    points = points - points[:, :1] + found.positions[:1, :1]
    np.testing.assert_allclose(found.positions[0], points[0], atol=3e-5)


def posed_rows(body, pose):
    """The body's own 17 rows of a pose, by the project's forward pass."""
    return pose_body(body, pose[0], np.zeros(10), np.zeros(3)).keypoints[None, list(H36M_LEFT_FIRST_ROWS)]


def test_the_seed_decides_and_workers_blocks_and_neighbours_do_not(tmp_path, made, configured):
    assert mocap.convert(configured(tmp_path / "a", block=7)).exit_code == 0
    found, wanted = results(tmp_path / "a"), results(made)
    amp = {n: [c.stem for c in mocap.sequences(f / n)] for f in (tmp_path / "a",) for n in ("CMU_amp.npz",)}
    for name in ("CMU.npz", "CMU_rot.npz", "CMU_amp.npz", "KIT.npz"):
        for a, b in zip(mocap.sequences(tmp_path / "a" / name), mocap.sequences(made / name), strict=True):
            assert (a.subject, a.stem) == (b.subject, b.stem)
            x, y = (s.rotations if s.positions is None else s.positions for s in (a, b))
            np.testing.assert_allclose(x, y, atol=5e-7)
    mocap.convert(configured(tmp_path / "b", datasets=("KIT",)))
    assert results(tmp_path / "b")["KIT_amp.npz"] == wanted["KIT_amp.npz"]
    mocap.convert(configured(tmp_path / "c", seed=1))
    assert [c.stem for c in mocap.sequences(tmp_path / "c" / "CMU_amp.npz")] != amp["CMU_amp.npz"]
    assert results(tmp_path / "c")["CMU.npz"] == wanted["CMU.npz"]
    assert set(found) == set(wanted)


@pytest.mark.slow
def test_processes_change_no_byte(tmp_path, made, configured):
    assert mocap.convert(configured(tmp_path / "o", workers=2)).exit_code == 0
    assert results_of_files(tmp_path / "o") == results_of_files(made)


def results_of_files(out):
    return {name: data for name, data in results(out).items() if not name.startswith(".parts")}


def test_the_original_converters_flags(tmp_path, toys, made, capsys):
    code = main(["mocap", "--amass_dir", str(toys / "amass"), "--out_dir", str(tmp_path / "o"), "--joint_regressor",
                 str(toys / "h36m.npy"), "--smplh", str(toys / "models"), "--r", "50", "--batch_size", "2048",
                 "--gpu_id", "0", "--rotations", "--amputees", "2", "--workers", "0"])  # fmt: skip
    assert code == 0
    assert "--gpu_id: not needed" in capsys.readouterr().err
    assert results_of_files(tmp_path / "o") == results_of_files(made)


def test_fit_prior_reads_rotations_and_leaves_amputees_out(tmp_path, toys, made, configured, capsys):
    mocap.convert(configured(tmp_path / "two", fps=25, datasets=("KIT",)))
    folder = tmp_path / "in"
    write_sequence(folder / "A" / "1" / "long.npz", **amass_arrays("long", 3000, 20.0))
    mocap.convert(configured(tmp_path / "o", amass_dir=folder, fps=20))
    joints, original = (read_features(f, 10**6, np.random.default_rng(0)) for f in (tmp_path / "o", folder))
    np.testing.assert_allclose(joints, original, atol=1e-5)
    assert main(["fit-prior", "--from", str(tmp_path / "o"), "--out", str(tmp_path / "prior.npz")]) == 0
    with pytest.raises(DataError, match="--rotations"):
        read_features(tmp_path / "o" / "A.npz", 100, np.random.default_rng(0))


def test_smplx_sequences(tmp_path, configured):
    z = amass_arrays("x", 40, 50.0, width=165)
    z["mocap_frame_rate"] = z.pop("mocap_framerate")
    del z["dmpls"]
    write_sequence(tmp_path / "in" / "SOMA" / "s" / "a_stageii.npz", **z)
    report = mocap.convert(configured(tmp_path / "o", amass_dir=tmp_path / "in"))
    assert report.rows[0]["status"] == "ok"
    assert report.rows[0]["remarks"] == ["no dmpls in it: 0", "SMPL-X's betas are not SMPL+H's: the mean shape"]
    (found,) = mocap.sequences(tmp_path / "o" / "SOMA.npz")
    kept = [j for j in range(55) if j not in (22, 23, 24)]
    poses = z["poses"].reshape(-1, 55, 3)[:, kept].reshape(-1, 156)
    full = FullMesh(make_model(VERTICES, "female"), np.load(regressor(tmp_path)), torch.float64)
    wanted = full(poses, z["trans"], np.zeros(16), np.zeros((40, 8)))
    np.testing.assert_allclose(found.positions, wanted, atol=EXACT)


def test_other_python_calls(made):
    whole = mocap.read(made / "CMU_amp.npz")
    one = next(mocap.sequences(made / "CMU_amp.npz"))
    np.testing.assert_array_equal(whole[one.subject][one.stem]["positions_3d"], one.positions)
    assert whole[one.subject][one.stem]["frame_rate"] == one.fps == 50.0
    assert mocap.resample(np.arange(5.0), 100, 50).tolist() == [0, 2]
    assert tree  # the tree that all of this reads
