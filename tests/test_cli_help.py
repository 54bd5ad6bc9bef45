"""What a wrong command line is answered with, and which folder is taken for a dataset."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from a3dgen.cli import main
from a3dgen.engine import progress, warmup
from a3dgen.engine.executor import Inline
from a3dgen.formats.schema import dataset_folder


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("bild", "did you mean 'build'?"),
        ("validat DIR", "did you mean 'validate'?"),
        ("stat DIR", "did you mean 'stat"),
        ("build --wrokers 2", "usage: a3dgen build"),
        ("build --wrokers 2", "did you mean '--workers'?"),
        ("stats DIR --jsno", "usage: a3dgen stats"),
        ("custom DIR --region x --quite", "did you mean '--quiet'?"),
        ("build --peopel 3", "unrecognized argument '--peopel'; see 'a3dgen build --help'"),
        ("validate a b", "unrecognized argument 'b'"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_right_one(capsys, line: str, says: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [("people=4", "demo.people"), ("min_keypoints=9", "ingest.min_keypoints"), ("supersample=1", "render.supersample"),
     ("ages=all", "body.ages")],
)  # fmt: skip
def test_a_key_without_its_section_is_completed(capsys, tmp_path, given: str, meant: str) -> None:
    assert main(["status", "--out", str(tmp_path / "b"), "--set", given]) == 2
    said = capsys.readouterr().err
    assert f"--set {given}: unknown key" in said
    assert f"did you mean '{meant}'" in said


def test_training_asks_for_its_photographs_before_it_builds_anything(capsys, tmp_path) -> None:
    out = tmp_path / "model"
    assert main(["train", "absence", "--out", str(out)]) == 2
    assert "needs photographs: give their folder with --data" in capsys.readouterr().err
    assert main(["train", "absence", "--out", str(out), "--data", str(tmp_path / "nope")]) == 2
    assert "nope: no such folder" in capsys.readouterr().err
    assert not out.exists()


def test_an_ingest_that_looks_for_people_says_so(capsys) -> None:
    lines = progress.Lines()
    lines.start("ingest")
    lines._going_on()
    lines.close()
    assert capsys.readouterr().err == "ingest: no people yet after 0 s, going on\n"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completions(capsys, shell: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert not ended.value.code
    assert "validate" in capsys.readouterr().out


def test_a_build_folder_is_taken_for_its_dataset(tmp_path) -> None:
    assert dataset_folder(tmp_path) == tmp_path
    (tmp_path / "A3D_Dataset").mkdir()
    assert dataset_folder(tmp_path) == tmp_path / "A3D_Dataset"
    assert dataset_folder(tmp_path / "A3D_Dataset") == tmp_path / "A3D_Dataset"


def test_time_left_leaves_the_warm_up_out(capsys, monkeypatch) -> None:
    now = iter([0.0, 0.0, 60.0, 72.0, 84.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(now)))
    lines = progress.Lines()
    lines.start("fit", 50)
    lines.advance("fit", 10)  # a minute, most of it compiling
    lines.advance("fit", 10)
    lines.advance("fit", 10)
    lines.close()
    first, second, third = capsys.readouterr().err.splitlines()
    assert "left" not in first
    assert second.endswith("36 s left")
    assert third.endswith("24 s left")


def test_silence_is_broken_while_something_goes_on(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.01)
    lines = progress.Lines()
    lines.start("fit", 4)
    lines.start("render")
    deadline = time.monotonic() + 20
    said = ""
    while said.count("\n") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
        said += capsys.readouterr().err
    lines.finish("fit")
    lines.finish("render")
    lines.close()
    assert said.startswith("fit: 0 of 4 after 0 s, going on\n")
    capsys.readouterr()
    time.sleep(0.15)
    assert capsys.readouterr().err == "", "nothing goes on any more"


def test_compiling_has_a_bar_of_its_own_and_is_done_once(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(warmup, "cache_folder", lambda module: tmp_path)
    monkeypatch.setattr("a3dgen.fit.precompile.compile_kernels", lambda: None)
    for shown in (True, False):
        lines = progress.Lines()
        warm_up = warmup.WarmUp(lines)
        warm_up.start(Inline)
        warm_up.wait()
        lines.close()
        said = capsys.readouterr().err
        assert said.startswith("kernels: compiling, once, about a minute\nkernels: 1 in ") if shown else said == ""


class TwoWorkers(Inline):
    """Compiles what draws only once it may."""

    def __init__(self, slots: int) -> None:
        super().__init__()
        self.jobs: list[warmup.Job] = []
        self.may_draw, self._slots = threading.Event(), slots

    def slots(self) -> int:
        return self._slots

    def map(self, function, items):
        for job in items:
            self.jobs.append(job)
            if job == warmup.DRAW:
                assert self.may_draw.wait(3)
            yield None


@pytest.mark.parametrize(("slots", "draws", "jobs"), [(4, True, 2), (4, False, 1), (2, True, 1)])
def test_people_are_fitted_while_what_draws_is_compiled(monkeypatch, tmp_path, slots, draws, jobs) -> None:
    monkeypatch.setattr(warmup, "cache_folder", lambda module: tmp_path / module.parent.name)
    executor, warm_up = TwoWorkers(slots), warmup.WarmUp(progress.Quiet())
    warm_up.start(lambda: executor, draws)
    warm_up.wait()
    assert warm_up._thread.is_alive() or jobs == 1
    executor.may_draw.set()
    warm_up._thread.join(10)
    assert executor.jobs == [warmup.FIT, warmup.DRAW][:jobs]


def test_a_folder_of_photos_is_no_input_of_uplift(tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert main(["uplift", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "neither a video nor detections" in capsys.readouterr().err
