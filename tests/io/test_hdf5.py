"""HDF5 files of strangers: nothing outside them is read, and no stated size is believed."""

from __future__ import annotations

import os
import time

import h5py
import numpy as np
import pytest

from a3dgen.core.errors import DataError
from a3dgen.io.hdf5 import child, numbers, open_hdf5

SECRET = np.arange(8.0)


def external_link(folder, file):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = SECRET
    file["x"] = h5py.ExternalLink("other.h5", "/x")


def soft_link(folder, file):
    file["y"] = SECRET
    file["x"] = h5py.SoftLink("/y")


def link_in_the_way(folder, file):
    external_link(folder, file)
    file["g/x"] = h5py.ExternalLink("other.h5", "/x")
    del file["x"]
    file["x"] = h5py.SoftLink("/g/x")


def external_storage(folder, file):
    (folder / "raw").write_bytes(SECRET.tobytes())
    file.create_dataset("x", (8,), "f8", external=[(str(folder / "raw"), 0, 64)])


def external_device(folder, file):
    file.create_dataset("x", (8,), "f8", external=[("/dev/zero", 0, 64)])


def virtual(folder, file):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = SECRET
    layout = h5py.VirtualLayout((8,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (8,))
    file.create_virtual_dataset("x", layout)


def nothing_but_a_shape(folder, file):
    file.create_dataset("x", (1 << 40,), "f8", chunks=(1024,))


def bomb(folder, file):
    made = file.create_dataset("x", (1 << 29,), "u1", chunks=(1 << 24,), compression="gzip")
    for start in range(0, 1 << 29, 1 << 24):
        made[start : start + (1 << 24)] = 0


def text(folder, file):
    file["x"] = ["a", "b"]


def compound(folder, file):
    file["x"] = np.zeros(3, [("a", "f8"), ("b", "i4")])


def group(folder, file):
    file.create_group("x")


@pytest.mark.parametrize(
    "make",
    [external_link, soft_link, link_in_the_way, external_storage, external_device, virtual, nothing_but_a_shape, text,
     compound, group],
)  # fmt: skip
def test_what_is_not_plainly_in_the_file_is_refused(tmp_path, make):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(tmp_path, file)
    with open_hdf5(tmp_path / "x.h5") as file, pytest.raises(DataError):
        numbers(child(file, "x"))


def test_a_bomb_stays_below_the_limit_of_its_reader(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        bomb(tmp_path, file)
    assert (tmp_path / "x.h5").stat().st_size < 1 << 20
    with open_hdf5(tmp_path / "x.h5") as file, pytest.raises(DataError, match=r"states 0\.5 GB"):
        numbers(child(file, "x"), max_bytes=1 << 26)


def test_filters_that_are_loaded_from_elsewhere_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((8,))
        plist.set_filter(32017, h5py.h5z.FLAG_OPTIONAL)
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((8,)), dcpl=plist)
    with open_hdf5(tmp_path / "x.h5") as file, pytest.raises(DataError, match="not built in"):
        numbers(child(file, "x"))


def test_large_attributes_and_many_links_cost_nothing(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        file["x"] = SECRET
        file["x"].attrs["big"] = np.zeros(1 << 23)
        for i in range(2000):
            file[f"more/{i}"] = h5py.ExternalLink("/dev/zero", f"/{i}")
    start = time.perf_counter()
    with open_hdf5(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(numbers(child(file, "x")), SECRET)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}, {"fletcher32": True}]
)
def test_what_people_write_is_read(tmp_path, options):
    content = np.arange(6000, dtype=np.float32).reshape(-1, 3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a/b/c", data=content, **options)
    with open_hdf5(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(numbers(child(file, "a/b/c")), content)
        with pytest.raises(KeyError):
            child(file, "a/b/d")
        with pytest.raises(KeyError):
            child(file, "a/b/c/d")


def test_no_file_at_all(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "pointer.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "text.h5").write_bytes(b"hello")
    for name, said in (("pipe", "pipe"), ("pointer", "git lfs pull"), ("text", "HDF5"), ("none", "no such file")):
        with pytest.raises(DataError, match=rf"{name}\.h5: .*{said}"), open_hdf5(tmp_path / f"{name}.h5"):
            pass
