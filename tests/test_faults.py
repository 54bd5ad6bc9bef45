"""Everything that can go wrong with a machine, one after the other: each is told in its own line, nothing is lost."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toystages import TABLE
from toystages.processes import check_same, start_build

from a3dgen.compositing import draw
from a3dgen.config import build_config
from a3dgen.core.errors import A3dgenError, ConfigError
from a3dgen.engine.build import Build
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.ledger import Ledger
from a3dgen.engine.progress import Quiet
from a3dgen.engine.tasks import StorageError
from a3dgen.renderers import Item, flat_light, get_renderer


class Heard(Quiet):
    """Keeps what the build says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def build(out: Path, heard: Heard | None = None, retry_failed: bool = False, **tree: object) -> Ledger:
    run = {"out": str(out), "workers": 0, "shard_size": 4}
    config = build_config({"sources": {}, **tree}, "toy", "toy.yaml", TABLE, run)
    progress = heard or Heard()
    executor = lambda: make_executor(config.run)  # noqa: E731
    return Build(config, executor, progress, lambda: "body", retry_failed=retry_failed, table=TABLE).run()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "b"
    build(out)
    return out


def edit(path: Path, change: Callable[[dict], None]) -> None:
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


FAULTS = {
    "corrupted shard": (
        lambda out: flip(out / "fit/000001.h5"),
        "fit, shard 1: 000001.h5 is corrupted; it is made again",
    ),
    "corrupted shard of ingest": (
        lambda out: flip(out / "ingest/000000.h5"),
        "ingest, shard 0: 000000.h5 is corrupted; it is made again",
    ),
    "truncated shard": (
        lambda out: os.truncate(out / "render/000000.h5", 700),
        "render, shard 0: 000000.h5 is corrupted; it is made again",
    ),
    "truncated sidecar": (
        lambda out: os.truncate(out / "amputate/000000.json", 99),
        "amputate, shard 0: 000000.json is truncated or damaged; it is made again",
    ),
    "empty sidecar": (
        lambda out: os.truncate(out / "amputate/000001.json", 0),
        "amputate, shard 1: 000001.json is truncated or damaged; it is made again",
    ),
    "missing shard": (
        lambda out: (out / "fit/000000.h5").unlink(),
        "fit, shard 0: 000000.h5 is missing; it is made again",
    ),
    "missing picture": (
        lambda out: (out / "render/Images/toy_0_v1.png").unlink(),
        "render, shard 0: render/Images/toy_0_v1.png is missing; it is made again",
    ),
    "missing dataset file": (
        lambda out: (out / "A3D_Dataset/dataset.json").unlink(),
        "annotate: files of A3D_Dataset are missing; it is made again",
    ),
    "sidecar of an older schema": (lambda out: edit(out / "fit/000001.json", lambda f: f.update(schema=0)), ""),
    "sidecar of an older version": (
        lambda out: edit(out / "fit/000001.json", lambda f: f["depends"].update(code="0.0.1")),
        "",
    ),
    "never finished": (lambda out: (out / "background/000000.json").unlink(), ""),
}
REASONS = {
    "sidecar of an older schema": "made by another version (schema 0, now",
    "sidecar of an older version": "code changed",
    "never finished": "not finished",
}
"""What only ``status`` tells, because there is nothing wrong with it."""


@pytest.mark.parametrize("name", FAULTS)
def test_what_lies_there_damaged_is_told_and_made_again(
    name: str, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from a3dgen.engine.freshness import plan

    out = tmp_path / "b"
    shutil.copytree(reference, out)
    damage, line = FAULTS[name]
    damage(out)
    config = build_config({"sources": {}}, "toy", "toy.yaml", TABLE, {"out": str(out), "shard_size": 4})
    shown = [why for whys in plan(config, TABLE, lambda: "body").values() for why in whys if why]
    wanted = line.split(": ", 1)[-1].removesuffix("; it is made again") if line else REASONS[name]
    assert wanted in shown[0]
    heard = Heard()
    ledger = build(out, heard)
    assert [said for said in heard.lines if "made again" in said] == ([line] if line else [])
    assert ledger.people()["read"] == 10
    check_same(out, reference)


def test_a_stage_that_raises_for_some(tmp_path: Path, reference: Path) -> None:
    """They are recorded, the others go on, and once the cause is gone ``retry`` brings them back."""
    ledger = build(tmp_path / "b", fit={"fail": ["toy/3", "toy/6"]})
    assert ledger.people() == {"read": 10, "ok": 6, "rejected": 2, "failed": 2}
    group = ledger.stages["fit"].reasons["failed"]
    assert group == {"ValueError: bad number # in '…'": [2, "ValueError: bad number 7 in 'toy/3'"]}
    assert build(tmp_path / "b", retry_failed=True).failed == 0
    check_same(tmp_path / "b", reference)


def test_failed_people_are_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("fit: {fail: [toy/3]}\n")
    assert start_build(tmp_path, "out", "--workers", "0").wait(60) == 1
    shown = (tmp_path / "terminal.txt").read_text()
    assert "fit: 1 failed: ValueError: bad number 7 in 'toy/3'" in shown


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a real small disk (tmpfs); only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a file system")
        return folder

    yield mount
    while subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False).returncode == 0:
        pass


def test_a_full_disk(disk: Callable[..., Path], reference: Path) -> None:
    """The first build fills the disk; after more room is made the same command ends as if nothing had been."""
    folder = disk("size=260k")
    with pytest.raises(StorageError, match=r"No space left on device; finished shards are safe: fix it and run again"):
        build(folder / "b")
    kept = {p: p.stat().st_mtime_ns for p in (folder / "b").rglob("*.h5") if p.with_suffix(".json").exists()}
    assert kept
    assert not list((folder / "b").rglob("*.tmp"))
    disk("remount,size=9m")
    build(folder / "b")
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    check_same(folder / "b", reference)


def test_a_disk_that_turns_read_only(disk: Callable[..., Path], reference: Path) -> None:
    folder = disk("size=9m")
    shutil.copytree(reference, folder / "b")
    (folder / "b/fit/000000.json").unlink()
    disk("remount,ro")
    with pytest.raises(A3dgenError, match=r"Read-only file system"):
        build(folder / "b")
    disk("remount,rw")
    build(folder / "b")
    check_same(folder / "b", reference)


def test_a_vanished_mount(disk: Callable[..., Path], reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mount goes while a shard is being worked on: what is written next has no place to go."""
    from toystages import render

    folder, real = disk("size=9m"), render.run

    def run(*args: object) -> object:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        return real(*args)

    monkeypatch.setattr(render, "run", run)
    with pytest.raises(StorageError, match=r"has vanished \(unmounted\?\); finished shards are safe"):
        build(folder / "b")


def test_room_is_asked_for_before_work_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3dgen.engine.disk_space.SMALL", 0)
    monkeypatch.setattr("a3dgen.engine.disk_space.shutil.disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(A3dgenError, match=r"the build needs about 0 GB, 0.0 GB are free; make room, use --out"):
        build(tmp_path / "b")
    assert not (tmp_path / "b/fit").exists()
    build(tmp_path / "b", check_space=False)
    (tmp_path / "b/fit/000000.json").unlink()
    build(tmp_path / "b")  # all pictures are there: nothing more is needed


def triangle() -> list[Item]:
    corners = np.array([[-1, -1, 3], [1, -1, 3], [0, 1, 3]], np.float32)
    faces, labels, texture = np.array([[0, 2, 1]]), np.ones(1, np.uint8), np.full((8, 8, 4), 128, np.uint8)
    return [Item(corners, faces, np.zeros((3, 2), np.float32), faces, labels, texture, "skin", None, True)]


@pytest.mark.parametrize("how", ["raises", "error flag"])
def test_a_graphics_context_that_dies(how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """It is made anew and the sample drawn once more; a second failure is the sample's, not the build's."""
    try:
        first = get_renderer("gl")
    except ConfigError as error:
        pytest.skip(str(error))
    K = np.array([[50.0, 0, 32], [0, 50, 32], [0, 0, 1]])
    arguments = (SimpleNamespace(renderer="gl", supersample=2), triangle(), K, 64, 64, flat_light(), (0, 0, 64, 64))
    want = draw._render(*arguments)
    if how == "raises":
        monkeypatch.setattr(first, "render", lambda *_: (_ for _ in ()).throw(RuntimeError("lost")))
    else:
        if "EGL" not in os.environ.get("A3DGEN_GL", "EGL").upper():
            pytest.skip("the flag is raised through EGL's library")
        # No driver loses its context on demand: an error that can be had stands for that one.
        monkeypatch.setattr("a3dgen.renderers.gl._FATAL", ("GL_INVALID_ENUM",))
        ctypes.CDLL("libGL.so.1").glEnable(0xFFFF)
    found = draw._render(*arguments)
    assert get_renderer("gl") is not first
    assert "fresh graphics context" in caplog.text
    assert np.array_equal(found.rgba, want.rgba)
