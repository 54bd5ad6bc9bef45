"""Trees of arrays as a pickle in an npz: the same as Python's own pickler's, in bounded memory, executing nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from a3dgen.core.errors import DataError
from a3dgen.io.object_npz import ArrayFile, Blocks, iterate_object_npz, write_object_npz


def leaves(n: int) -> dict:
    rng = np.random.default_rng(n)
    return {
        "positions_3d": rng.normal(size=(n, 17, 3)).astype(np.float32), "frame_rate": 50.0 + n,
        "present": rng.random(17) > 0.5, "name": f"sequence é {n}", "flag": n % 2 == 0, "wide": rng.normal(size=(n, 2)),
    }  # fmt: skip


TREE = {f"subject {s}": {f"stem_{k}": leaves(s + k) for k in range(3)} for s in range(1, 4)}


def same(a, b) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def test_numpy_loads_what_was_written_and_our_reader_both_kinds(tmp_path):
    write_object_npz(tmp_path / "ours.npz", "x", TREE)
    np.savez(tmp_path / "numpys.npz", x=np.array(TREE, object))
    for name in ("ours", "numpys"):
        with np.load(tmp_path / f"{name}.npz", allow_pickle=True) as archive:
            same(archive["x"].item(), TREE)
        found: dict = {}
        for outer, inner, values in iterate_object_npz(tmp_path / f"{name}.npz", "x"):
            found.setdefault(outer, {})[inner] = values
        same(found, TREE)


def test_the_same_tree_gives_the_same_bytes_from_arrays_files_and_blocks(tmp_path):
    x = np.arange(600, dtype="<f4").reshape(100, 2, 3)
    x.tofile(tmp_path / "raw")
    kinds = (x, ArrayFile(tmp_path / "raw", "<f4", x.shape), Blocks("<f4", x.shape, iter([x[:7], x[7:]])))
    for n, kind in enumerate(kinds):
        write_object_npz(tmp_path / f"{n}.npz", "x", iter([("s", iter([("a", {"x": kind})]))]))
    assert len({(tmp_path / f"{n}.npz").read_bytes() for n in range(3)}) == 1


def test_an_array_that_is_cut_short_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="12 bytes short"):
        write_object_npz(tmp_path / "a.npz", "x", {"s": {"a": Blocks("<f4", (5, 3), iter([np.zeros((4, 3))]))}})
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_file(tmp_path):
    block = np.random.default_rng(0).normal(size=(1000, 17, 3)).astype(np.float32)

    def peak(count: int) -> int:
        tree = (
            (f"s{n}", {"a": {"positions_3d": Blocks("<f4", (4000, 17, 3), iter([block] * 4))}}) for n in range(count)
        )
        tracemalloc.start()
        write_object_npz(tmp_path / "a.npz", "x", tree)
        for _ in iterate_object_npz(tmp_path / "a.npz", "x"):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(2), peak(24)
    assert (tmp_path / "a.npz").stat().st_size > 15e6
    assert many < few + 1e6


@pytest.mark.parametrize("cut", [40, 400, -60])
def test_a_damaged_file_is_named(tmp_path, cut):
    write_object_npz(tmp_path / "a.npz", "x", TREE)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"b\.npz"):
        list(iterate_object_npz(tmp_path / "b.npz", "x"))
