"""Whose folder is it, and what became of the files in it: builds of toy stages among things of somebody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from toystages import TABLE
from toystages.processes import check_same, start_build

from a3dgen.config import build_config
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.ownership import MARKER, read_marker
from a3dgen.engine.build import Build
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.freshness import plan
from a3dgen.engine.ledger import Ledger
from a3dgen.engine.progress import Quiet
from a3dgen.engine.shrinking import Consent
from a3dgen.io.dataset_folder import MANIFEST, manifest_line, read_manifest


class Heard(Quiet):
    """Keeps what the build says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def again(self) -> list[str]:
        return [line for line in self.lines if "made again" in line]


def configured(out: Path, **tree: object):
    return build_config(
        {"sources": {}, **tree}, "toy", "toy.yaml", TABLE, {"out": str(out), "shard_size": 4, "workers": 0}
    )


def build(out: Path, heard: Heard | None = None, options: dict | None = None, **tree: object) -> Ledger:
    config = configured(out, **tree)
    executor = lambda: make_executor(config.run)  # noqa: E731
    return Build(config, executor, heard or Heard(), lambda: "body", table=TABLE, **(options or {})).run()


def status(out: Path, thorough: bool = False) -> list[str]:
    return [why for whys in plan(configured(out), TABLE, lambda: "body", thorough).values() for why in whys if why]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "b"
    build(out)
    return out


@pytest.fixture
def out(reference: Path, tmp_path: Path) -> Path:
    shutil.copytree(reference, tmp_path / "b")  # with the times of the files
    return tmp_path / "b"


def tree(folder: Path, but: tuple[str, ...] = ()) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of every file."""
    return {
        p.relative_to(folder).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in but
    }


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}")
    return folder


FOREIGN = ("A3D_Dataset/COCO_val/Images/a.jpg", "render/holiday.png", "background/x.jpg", "report.html", "notes.tmp")


def test_a_folder_of_somebody_elses_is_refused_and_untouched(tmp_path: Path) -> None:
    before = tree(put(tmp_path, *FOREIGN))
    for beside in (False, True):
        with pytest.raises(ConfigError, match=r"a3dgen has not made it|somebody else's") as told:
            build(tmp_path, options={"beside": beside})
        assert told.value.exit_code == 2
    assert tree(tmp_path) == before


def test_with_force_a_build_lies_beside_what_is_there(tmp_path: Path, reference: Path) -> None:
    put(tmp_path, "thesis.tex", "old/x.tmp", ".hidden.tmp")
    before = tree(tmp_path)
    build(tmp_path, options={"beside": True})
    build(tmp_path, amputate={"variants": 1}, render={"gain": 2})  # a build's own folder now
    assert {name: facts for name, facts in tree(tmp_path).items() if name in before} == before
    assert read_marker(tmp_path) == ("build", [])


STRANGERS = (
    "render/Images/holiday.png", "background/x.png", "background/x.json", "fit/999999.h5", "fit/999999.json",
    "A3D_Dataset/notes.txt", "A3D_Dataset/more/y.png", "notes.tmp", ".x.1.tmp", "render/.deep.tmp",
)  # fmt: skip


def test_what_others_put_into_a_build_outlives_everything(out: Path) -> None:
    put(out, *STRANGERS)
    before = {name: facts for name, facts in tree(out).items() if name in STRANGERS}
    heard = Heard()
    build(out, heard, amputate={"variants": 1})
    assert not (out / "render/Images/toy_0_v1.png").exists()  # what the build itself made and needs no more is gone
    build(out, heard, ingest={"people": 5}, options={"consent": Consent(given=True)})
    assert not list((out / "fit").glob("000001.*"))
    assert {name: facts for name, facts in tree(out).items() if name in STRANGERS} == before
    assert build(out, ingest={"people": 5}).made == 0


def test_without_people_nothing_is_touched(out: Path) -> None:
    before = tree(out, ("log.jsonl", ".lock"))
    with pytest.raises(ConfigError, match="hold no people"):
        build(out, ingest={"people": 0})
    assert tree(out, ("log.jsonl", ".lock")) == before
    assert build(out).made == 0


REFUSED = [f"toy/{i}/v1" for i in range(10)] + ["toy/0/v0"]
SHRINKING = {
    "people": ({"ingest": {"people": 3}}, "has 8 people, this run would leave 3"),
    "samples": ({"render": {"reject": REFUSED}}, "has 16 samples, this run would leave 7"),
}


@pytest.mark.parametrize("what", SHRINKING)
def test_a_dataset_that_would_lose_most_of_its_samples_asks_first(out: Path, what: str) -> None:
    change, told = SHRINKING[what]
    before = tree(out / "A3D_Dataset")
    with pytest.raises(ConfigError, match=f"{told}.*--yes"):
        build(out, **change)
    asked = []
    with pytest.raises(ConfigError, match="--yes"):
        build(out, options={"consent": Consent(ask=lambda text: bool(asked.append(text)))}, **change)
    assert told in asked[0]
    assert tree(out / "A3D_Dataset") == before
    if what == "people":
        assert build(out).stages["fit"].made == 0
    build(out, options={"consent": Consent(ask=lambda text: True)}, **change)
    assert tree(out / "A3D_Dataset") != before
    assert build(out, **change).made == 0


def test_a_build_of_a_version_without_markers_is_adopted_once(out: Path, reference: Path) -> None:
    for path in [out / MARKER, *out.rglob("*.files")]:
        path.unlink()
    put(out, "render/Images/holiday.png")
    heard = Heard()
    build(out, heard, amputate={"variants": 1})
    build(out, heard, amputate={"variants": 1})
    assert len([line for line in heard.lines if "earlier version" in line]) == 1
    names = {p.name for p in (out / "render/Images").iterdir()}
    assert names == {"holiday.png", *(f"toy_{i}_v0.png" for i in range(10) if i % 5 != 4)}


def test_a_damaged_marker_is_an_error_and_no_licence(out: Path) -> None:
    (out / MARKER).write_text("{")
    before = tree(out)
    with pytest.raises(DataError, match="damaged; nothing was touched"):
        build(out, options={"beside": True})
    assert tree(out) == before


@pytest.mark.parametrize("how", ["moved", "copied with times", "copied"])
def test_a_build_elsewhere_is_still_fresh(out: Path, tmp_path: Path, how: str) -> None:
    there = tmp_path / "elsewhere" / "c"
    if how == "moved":
        there.parent.mkdir()
        out.rename(there)
    else:
        shutil.copytree(out, there, copy_function=shutil.copy2 if "times" in how else shutil.copyfile)
    assert status(there) == []
    assert build(there).made == 0


def test_two_builds_into_one_folder(tmp_path: Path) -> None:
    """Begun at once, one of them builds and the other says so in a line; nothing is broken."""
    (tmp_path / "toy.yaml").write_text("shard_size: 2\nfit: {pause: 0.2}\n")
    both = [start_build(tmp_path, "out", "--workers", "0", "--quiet") for _ in range(2)]
    codes = sorted(process.wait(240) for process in both)
    shown = (tmp_path / "terminal.txt").read_text()
    assert codes == [0, 2], shown
    lines = [line for line in shown.splitlines() if line]
    assert len(lines) == 1, shown
    assert "another build is running there (process" in lines[0]


def flip(path: Path, keep_time: bool = False) -> None:
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with open(path, "r+b") as file:  # the same file: hard links have it, too
        file.write(data)
    times = (facts.st_atime_ns, facts.st_mtime_ns + (0 if keep_time else 1_000_000_000))
    os.utime(path, ns=times)


CHANGING = ("log.jsonl", "run.json", "config.json", ".lock")
PICTURES = ("render/Images/toy_2_v1.png", "background/toy_3.png")


@pytest.mark.parametrize("name", PICTURES)
def test_a_damaged_picture_is_made_again_alone(out: Path, reference: Path, name: str) -> None:
    before = tree(out, CHANGING)
    flip(out / name)
    stage = name.split("/")[0]
    assert status(out)[0] == f"{name} is damaged"
    heard = Heard()
    ledger = build(out, heard)
    assert heard.again() == [f"{stage}, shard 0: {name} is damaged; it is made again"]
    assert {s: book.made for s, book in ledger.stages.items() if book.made} == {stage: 1}
    after = tree(out, CHANGING)
    changed = {n for n in before if before[n] != after[n] and not n.endswith(".files")}
    assert changed == {name}
    check_same(out, reference)
    assert build(out).made == 0


def test_bits_that_rot_are_found_by_verify(out: Path, reference: Path) -> None:
    for name in (PICTURES[0], "A3D_Dataset/dataset.json"):
        flip(out / name, keep_time=True)
    assert status(out) == []
    assert status(out, thorough=True)[0] == f"{PICTURES[0]} is damaged"
    heard = Heard()
    build(out, heard, options={"verify": True})
    assert len(heard.again()) == 2
    assert "A3D_Dataset/dataset.json is damaged" in heard.again()[1]
    check_same(out, reference)


def test_a_damaged_dataset_or_report_is_found_by_its_time(out: Path, reference: Path) -> None:
    flip(out / "A3D_Dataset/dataset.json")
    flip(out / "report.html")
    assert set(status(out)) & {"A3D_Dataset/dataset.json is damaged"}
    build(out)
    check_same(out, reference)
    assert build(out).made == 0


def test_a_picture_that_comes_out_otherwise_makes_its_shard_anew(
    out: Path, monkeypatch: pytest.MonkeyPatch, reference: Path
) -> None:
    """Drawn on another machine it may differ by a bit: then its shard says so, and what follows is made anew."""
    from toystages import render

    flip(out / PICTURES[0])
    real = render.write_bytes
    monkeypatch.setattr(render, "write_bytes", lambda path, data: real(path, data + b" "))
    ledger = build(out)
    assert ledger.stages["render"].made == 1
    assert ledger.stages["annotate"].made == 1
    assert (out / PICTURES[0]).read_bytes().endswith(b" ")
    assert build(out).made == 0


def test_a_list_cut_short_or_gone_costs_no_picture(out: Path, reference: Path) -> None:
    lists = sorted((out / "render").glob("*.files"))
    os.truncate(lists[0], lists[0].stat().st_size - 20)
    lists[1].unlink()
    assert build(out).made == 0
    build(out, amputate={"variants": 1})
    build(out)
    check_same(out, reference)


def test_killed_between_pictures_and_shard_leaves_no_orphan(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from a3dgen.engine import tasks

    monkeypatch.setattr(tasks, "write_result", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build(out, amputate={"variants": 3})
    monkeypatch.undo()
    build(out, amputate={"variants": 1})
    assert len(list((out / "render/Images").iterdir())) == 8


def test_a_full_disk_at_any_write_loses_nothing(out: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up at the n-th write of a rebuild; the old settings, run again, give the old build."""
    import errno

    from a3dgen.core import files
    from a3dgen.engine.tasks import StorageError

    real = files.os.replace
    for n in (1, 4, 9, 15):
        calls = []

        def full(source: Path, target: Path, n: int = n, calls: list = calls) -> None:
            calls.append(target)
            if len(calls) >= n:
                raise OSError(errno.ENOSPC, "No space left on device", str(target))
            real(source, target)

        monkeypatch.setattr(files.os, "replace", full)
        with pytest.raises(StorageError, match="No space left on device; finished shards are safe"):
            build(out, render={"gain": n + 1})
        monkeypatch.setattr(files.os, "replace", real)
        assert (out / "A3D_Dataset/dataset.json").exists()
    build(out)
    check_same(out, reference)


def test_the_manifest_is_sha256sums_own(tmp_path: Path) -> None:
    names = ["a b.txt", "back\\slash", "new\nline", "ü.png"]
    put(tmp_path, *names)
    from a3dgen.io.file_list import sha256_of

    lines = [manifest_line(sha256_of(tmp_path / name), name) for name in names]
    (tmp_path / MANIFEST).write_text("".join(lines), newline="\n")
    assert [name for _, name in read_manifest(tmp_path / MANIFEST)] == names
    check = ["sha256sum", "--strict", "-c", MANIFEST]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / MANIFEST).write_text(manifest_line("0" * 64, "../x"))
    with pytest.raises(DataError, match="leads out"):
        list(read_manifest(tmp_path / MANIFEST))


def test_the_dataset_of_a_build_passes_sha256sum(reference: Path) -> None:
    folder = reference / "A3D_Dataset"
    done = subprocess.run(["sha256sum", "-c", MANIFEST], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "dataset.json: OK\n")
