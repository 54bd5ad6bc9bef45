"""Hostile trees, folders of somebody else's, and conversions that are killed."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from amass_toy import results

from a3dgen import mocap
from a3dgen.cli import main
from a3dgen.core import files
from a3dgen.core.errors import A3dgenError, ConfigError, DataError
from a3dgen.engine import mocap as engine
from a3dgen.engine import mocap_files, mocap_job
from benchmarks.standin_smplh import amass_arrays, write_sequence

ROOT = Path(__file__).resolve().parents[2]


class Bomb:
    """A pickle that makes a file when it is executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def hostile(folder: Path, canary: Path) -> Path:
    """A tree with everything that a download of AMASS, or somebody who means ill, may leave in it."""
    z = amass_arrays("h", 30, 120.0)
    write_sequence(folder / "ACCAD" / "ACCAD" / "s1" / "good_poses.npz", **z)  # a wrapper of the same name
    write_sequence(folder / "Single" / "only_poses.npz", **z)  # a dataset that is one subject
    write_sequence(folder / "A" / "s" / "bytes_poses.npz", **(z | {"gender": np.array(b"female")}))
    plain = {k: v for k, v in z.items() if k not in ("dmpls", "mocap_framerate")}
    write_sequence(folder / "A" / "s" / "no_dmpls_poses.npz", **plain, mocap_frame_rate=np.array(120.0))
    write_sequence(folder / "A" / "s" / "nobody_poses.npz", **(z | {"gender": np.array("none")}))
    bad = folder / "B" / "s"
    write_sequence(bad / "shape.npz", betas=np.zeros(16), gender=np.array("female"))
    write_sequence(bad / "walk_stagei.npz", betas=np.zeros(16))
    write_sequence(bad / "no_poses.npz", trans=z["trans"])
    write_sequence(bad / "no_rate.npz", poses=z["poses"], trans=z["trans"])
    write_sequence(bad / "zero_rate.npz", **(z | {"mocap_framerate": np.array(0.0)}))
    write_sequence(bad / "short.npz", **(z | {"trans": z["trans"][:-1]}))
    write_sequence(bad / "narrow.npz", **(z | {"poses": z["poses"][:, :72]}))
    write_sequence(bad / "nan.npz", **(z | {"poses": np.where(np.arange(30)[:, None] == 7, np.nan, z["poses"])}))
    write_sequence(bad / "empty.npz", **(z | {k: z[k][:0] for k in ("poses", "trans", "dmpls")}))
    write_sequence(bad / "pickled.npz", **(z | {"poses": np.array([Bomb(canary)], object)}))
    write_sequence(bad / "pickled_gender.npz", **(z | {"gender": np.array(Bomb(canary), object)}))
    whole = (folder / "A" / "s" / "bytes_poses.npz").read_bytes()
    (bad / "truncated.npz").write_bytes(whole[: len(whole) // 2])
    middle = bytearray(whole)
    middle[9000:9100] = bytes(100)
    (bad / "broken.npz").write_bytes(middle)
    (bad / "text.npz").write_text("<html>404</html>")
    (bad / "nothing.npz").write_bytes(b"")
    (bad / "pickle.npz").write_bytes(pickle.dumps(Bomb(canary)))
    (bad / "LICENSE.txt").write_text("a licence")
    (bad / "link.npz").symlink_to(bad / "nowhere.npz")
    (folder / "B" / "loop").symlink_to(folder / "B")
    return folder


REASONS = {
    "LICENSE.txt": "not an .npz", "link.npz": "leads nowhere", "shape.npz": "the subject's shape",
    "walk_stagei.npz": "stage one", "no_poses": "lacks poses", "no_rate": "mocap_framerate", "zero_rate": "frame rate",
    "short": "trans has shape", "narrow": "72 wide", "nan": "frame 7", "pickled": "", "pickled_gender": "",
    "truncated": "", "broken": "damaged", "text": "", "nothing": "", "pickle": "",
}  # fmt: skip
"""Of each file that is no sequence, what the reason says; an empty text: anything."""


def test_a_hostile_tree_ends_with_one_line_each(tmp_path, toys, capsys):
    canary = tmp_path / "executed"
    folder = hostile(tmp_path / "in", canary)
    code = main(["mocap", str(folder), "--out", str(tmp_path / "o"), "--smplh", str(toys / "models"),
                 "--regressor", str(toys / "h36m.npy"), "--workers", "0", "--quiet"])  # fmt: skip
    said = capsys.readouterr().err
    assert code == 0  # what is no sequence is no failure
    assert "Traceback" not in said
    assert not canary.exists()
    rows = {row["sequence"]: row for row in json.loads((tmp_path / "o" / "report.json").read_text())["files"]}
    good = {"ACCAD/s1/good_poses", "Single/Single/only_poses", "A/s/bytes_poses", "A/s/no_dmpls_poses",
            "A/s/nobody_poses", "B/s/empty"}  # fmt: skip
    assert {name for name, row in rows.items() if row["status"] == "ok"} == good
    skipped = {name.split("/")[-1]: row["reason"] for name, row in rows.items() if row["status"] == "skipped"}
    assert set(skipped) == set(REASONS)
    assert {name: why for name, why in skipped.items() if REASONS[name] not in why} == {}
    assert all(why and "\n" not in why and str(tmp_path) not in why for why in skipped.values())
    assert len(said.splitlines()) == len(skipped) - 2  # AMASS's own companions are only counted
    assert rows["A/s/no_dmpls_poses"]["remarks"] == ["no dmpls in it: 0"]
    assert rows["A/s/nobody_poses"]["remarks"] == ["gender 'none': neutral"]


def test_a_fault_of_the_program_is_a_failure_and_is_tried_again(tmp_path, configured, made):
    def breaks(job):
        if job.file.stem == "01_02_poses":
            raise RuntimeError("a bug")
        return convert(job)

    convert = mocap_job._convert
    with mock.patch.object(mocap_job, "_convert", breaks):
        report = mocap.convert(configured(tmp_path / "o"))
    assert report.exit_code == 1
    assert {r["sequence"]: r.get("reason") for r in report.rows}["CMU/01/01_02_poses"] == "RuntimeError: a bug"
    assert [s.stem for s in mocap.sequences(tmp_path / "o" / "CMU.npz")] == ["01_01_poses"]
    assert mocap.convert(configured(tmp_path / "o")).exit_code == 0
    assert results(tmp_path / "o") == results(made)


def test_a_second_run_writes_nothing(tmp_path, configured):
    mocap.convert(configured(tmp_path / "o"))
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "o").glob("*.npz")}
    with mock.patch.object(engine, "run_job", side_effect=AssertionError):
        report = mocap.convert(configured(tmp_path / "o"))
    assert report.count("ok") == 3
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "o").glob("*.npz")}


def test_nothing_that_exists_is_overwritten_unasked(tmp_path, configured):
    out = tmp_path / "o"
    mocap.convert(configured(out, datasets=("KIT",)))
    before = results(out)
    with pytest.raises(ConfigError, match="--overwrite"):
        mocap.convert(configured(out, datasets=("KIT",), fps=25))
    assert results(out) == before
    mocap.convert(configured(out, datasets=("KIT",), fps=25, overwrite=True))
    assert next(mocap.sequences(out / "KIT.npz")).fps == 25.0
    mocap.convert(configured(out, datasets=("CMU",)))
    assert {row["sequence"][:3] for row in json.loads((out / "report.json").read_text())["files"]} == {"CMU", "KIT"}


def test_somebody_elses_folder_and_files_are_left_alone(tmp_path, configured):
    out = tmp_path / "o"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="a3dgen has not made it"):
        mocap.convert(configured(out, overwrite=True))
    assert {p.name for p in out.iterdir()} == {"notes.txt"}
    (out / "KIT.npz").write_text("also mine")
    with pytest.raises(ConfigError, match=r"KIT.npz"):
        mocap.convert(configured(out, overwrite=True, force=True))
    mocap.convert(configured(out, datasets=("CMU",), force=True))
    with (
        mock.patch.object(engine, "run_job", side_effect=AssertionError),  # said before anything is converted
        pytest.raises(ConfigError, match="somebody else's file"),
    ):
        mocap.convert(configured(out, overwrite=True))
    assert (out / "KIT.npz").read_text() == "also mine"
    assert (out / "notes.txt").read_text() == "mine"


class Killed(BaseException):
    """Stands for the end of the process: nothing may clean up after it."""


@pytest.mark.parametrize("after", [1, 4, 9, 14, 18, 21])
def test_a_conversion_that_dies_is_taken_up_again_and_gives_the_same_bytes(tmp_path, configured, made, after):
    """Dies at one of its writes; before a later one, the half of a file may be all that there is."""
    left = [after]

    def dies(function):
        def inner(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return function(*args, **kwargs)

        return inner

    patches = [
        mock.patch.object(mocap_job, "_append", dies(mocap_job._append)),
        mock.patch.object(mocap_files, "write_object_npz", dies(mocap_files.write_object_npz)),
        mock.patch.object(files, "write_whole", dies(files.write_whole)),
        mock.patch.object(files, "remove", dies(files.remove)),
    ]
    for patch in patches:
        patch.start()
    with pytest.raises(Killed):
        mocap.convert(configured(tmp_path / "o"))
    for patch in patches:
        patch.stop()
    assert mocap.convert(configured(tmp_path / "o")).exit_code == 0
    assert results(tmp_path / "o") == results(made)


def test_a_part_that_lost_its_end_is_made_again(tmp_path, configured, made):
    with mock.patch.object(mocap_files, "write_object_npz", side_effect=Killed), pytest.raises(Killed):
        mocap.convert(configured(tmp_path / "o"))
    part = next((tmp_path / "o" / ".parts" / "CMU").glob("*.positions"))
    part.write_bytes(part.read_bytes()[:-12])
    assert mocap.convert(configured(tmp_path / "o")).exit_code == 0
    assert results(tmp_path / "o") == results(made)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_kill_9_and_resume_give_the_same_bytes(tmp_path, toys, workers):
    folder = tmp_path / "in"
    for n in range(12):
        write_sequence(folder / f"D{n % 3}" / "s" / f"w{n}_poses.npz", **amass_arrays(str(n), 4000))
    command = [sys.executable, "-m", "a3dgen", "mocap", str(folder), "--smplh", str(toys / "models"), "--regressor",
               str(toys / "h36m.npy"), "--rotations", "--amputees", "2", "--workers",
               str(workers), "--out"]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(tmp_path / "whole")], env=environment, check=True)
    rng, kills = random.Random(workers), 0
    for _ in range(8):
        process = subprocess.Popen([*command, str(tmp_path / "o")], env=environment, start_new_session=True)
        begun = len(list((tmp_path / "o").rglob("*")))
        until = time.monotonic() + 30
        while process.poll() is None and len(list((tmp_path / "o").rglob("*"))) <= begun and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.8))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    subprocess.run([*command, str(tmp_path / "o")], env=environment, check=True)
    assert kills >= 3
    assert results_but_times(tmp_path / "o") == results_but_times(tmp_path / "whole")


def results_but_times(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in results(out).items() if not name.startswith(".parts")}


def test_no_pickle_is_executed_by_readers(tmp_path, toys, configured):
    canary = tmp_path / "executed"
    np.save(tmp_path / "r.npy", np.array(Bomb(canary), object))
    with pytest.raises(A3dgenError, match=r"r\.npy"):
        mocap.convert(configured(tmp_path / "o", regressor=tmp_path / "r.npy"))
    (tmp_path / "r.pkl").write_bytes(pickle.dumps(Bomb(canary)))
    with pytest.raises(A3dgenError, match="pickles are not read"):
        mocap.convert(configured(tmp_path / "o", regressor=tmp_path / "r.pkl"))
    np.savez(tmp_path / "evil.npz", positions_3d=np.array({"s": {"a": {"positions_3d": Bomb(canary)}}}, object))
    for read in (mocap.read, lambda path: list(mocap.sequences(path))):
        with pytest.raises(DataError, match="not executed"):
            read(tmp_path / "evil.npz")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"amass_dir": "nowhere"}, "no such folder"),
        ({"smplh": Path("nowhere")}, "--body anny"),
        ({"regressor": None}, "--regressor"),
        ({"regressor": Path("nowhere.npy")}, "no such file"),
        ({"datasets": ("CMV",)}, "CMU"),
        ({"fps": 0.0}, "--fps"),
        ({"amputees": -1}, "--amputees"),
        ({"regions": ("left_fot",)}, "left_foot"),
        ({"residual": 3.0}, "residual"),
    ],
)
def test_a_users_mistake_is_named(tmp_path, configured, changes, says):
    changes = {k: tmp_path / v if k == "amass_dir" else v for k, v in changes.items()}
    with pytest.raises(ConfigError, match=says):
        mocap.convert(configured(tmp_path / "o", **changes))
    assert not (tmp_path / "o").exists()
