"""The shelf: what is made once a machine comes back bit for bit, or is made again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from a3dgen.core import shelf as module
from a3dgen.core.home import VARIABLE
from a3dgen.core.mapped import mapped
from a3dgen.core.shelf import Shelf, digest_of


@dataclass(frozen=True)
class Inner:
    """A dataclass inside another."""

    values: np.ndarray
    name: str
    none: np.ndarray | None = None


@dataclass(frozen=True)
class Thing:
    """All kinds of content."""

    parts: list[Inner]
    by_name: dict[str, np.ndarray]
    pair: tuple[float, int]


def thing(seed: int = 0) -> Thing:
    rng = np.random.default_rng(seed)
    inner = Inner(rng.standard_normal((7, 3)).astype(np.float32), "é")
    arrays = {
        "columns": np.asfortranarray(rng.standard_normal((4, 5))),
        "halves": rng.standard_normal(9).astype(np.float16),
        "bools": rng.random((3, 3)) > 0.5,
        "none": np.zeros((0, 3), np.int32),
        "scalar": np.array(0.1),
        "large": rng.standard_normal((100, 200)),
        "strided": rng.integers(0, 255, (8, 8), np.uint8)[::2, ::3],
    }
    return Thing([inner, inner], arrays, (0.1 + 0.2, 3))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def new(**options: int) -> Shelf[Thing]:
    return Shelf("things", __file__, Thing, Inner, **options)


def never() -> Thing:
    raise AssertionError("made again")


def same(a: Thing, b: Thing) -> bool:
    arrays = [(x.values, y.values) for x, y in zip(a.parts, b.parts, strict=True)]
    arrays += [(a.by_name[k], b.by_name[k]) for k in a.by_name]
    equal = all(x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in arrays)
    return equal and (a.pair, a.parts[0].name, a.parts[0].none) == (b.pair, b.parts[0].name, b.parts[0].none)


def files(home: Path) -> list[Path]:
    return sorted(home.glob("made/*/*.shelf"))


def test_a_thing_comes_back_bit_for_bit(home: Path) -> None:
    made = new().get("a", thing)
    read = new().get("a", never)
    assert same(made, thing())
    assert same(read, thing())
    for name, array in read.by_name.items():
        assert array.strides == made.by_name[name].strides, name  # sums depend on the layout
        assert array.flags.writeable, name  # kernels are compiled for such
        assert array.flags.aligned, name
    assert read.by_name["columns"].flags.f_contiguous


def test_what_is_written_to_stays_ones_own(home: Path) -> None:
    shelf = new()
    shelf.get("a", thing).by_name["halves"][:] = 7
    assert same(shelf.get("a", never), thing())


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_arrays_go_one_by_one(home: Path) -> None:
    """What keeps one array must not keep the memory of the others."""
    before = maps()
    read = new().get("a", thing)
    assert maps() == before + 1  # the others are small
    kept = read.by_name["columns"]
    del read
    assert maps() == before
    assert kept.size


def maps() -> int:
    return sum(".shelf" in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_mapped_files_are_not_kept_open(home: Path) -> None:
    new().get("a", thing)
    before = len(os.listdir("/proc/self/fd"))
    kept = [new().get("a", never) for _ in range(50)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(same(one, thing()) for one in kept)


def test_only_what_is_there_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    with open(path, "rb") as file:
        assert mapped(file.fileno(), 0, 100).tolist() == list(range(100))
        with pytest.raises(OSError, match="not in the file"):
            mapped(file.fileno(), 0, 101)


def test_keys_and_code_are_kept_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new().get("a", thing)
    assert same(new().get("b", lambda: thing(1)), thing(1))
    monkeypatch.setattr(module, "source_digests", lambda _: [b"another"])
    assert same(new().get("a", lambda: thing(2)), thing(2))
    assert len(files(home)) == 3


DAMAGES = {
    "one bit": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "something else": lambda data: b"x" * len(data),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_made_again(home: Path, name: str) -> None:
    new().get("a", thing)
    (path,) = files(home)
    path.write_bytes(DAMAGES[name](path.read_bytes()))
    assert same(new().get("a", thing), thing())
    assert same(new().get("a", never), thing())


def test_digests_are_compared_once_a_process_unless_the_file_has_changed(home: Path, monkeypatch) -> None:
    read = []

    def digest(*given: object) -> object:
        read.append(given)
        return file_digest(*given)

    file_digest = hashlib.file_digest
    monkeypatch.setattr(module.hashlib, "file_digest", digest)
    shelf = new()
    shelf.get("a", thing)
    shelf.get("a", never)
    assert len(read) == 1
    (path,) = files(home)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    assert same(shelf.get("a", thing), thing())
    assert len(read) == 3  # the damaged file, and the new one


def test_other_processes_find_it(home: Path) -> None:
    new().get("a", thing)
    code = "import test_shelf as t; assert t.same(t.new().get('a', t.never), t.thing())"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True)


def test_a_full_disk_costs_time_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_whole", full)
    shelf = new()
    assert same(shelf.get("a", thing), thing())
    assert same(shelf.get("a", lambda: thing(1)), thing(1))
    assert not files(home)


def test_large_things_are_not_kept(home: Path) -> None:
    assert same(new(most=100).get("a", thing), thing())
    assert not files(home)


def test_only_the_last_versions_stay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(4):
        monkeypatch.setattr(module, "source_digests", lambda _, v=version: [bytes([v])])
        new().get("a", thing)
    assert len(list((home / "made").iterdir())) == 2
    assert same(new().get("a", never), thing())


def test_digests_tell_contents_apart() -> None:
    assert digest_of(thing()) == digest_of(thing())
    assert digest_of(thing()) != digest_of(thing(1))
    assert digest_of([np.zeros(2)]) != digest_of([np.zeros((2, 1))])
    with pytest.raises(TypeError, match="set cannot be kept"):
        digest_of({1})
