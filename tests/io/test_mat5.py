"""MATLAB files: what scipy writes is read, lazily; what is damaged is a DataError."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from a3dgen.core.errors import DataError
from a3dgen.io import mat5
from a3dgen.io.mat5 import open_mat


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "bool"])
def test_numbers(tmp_path, dtype, compressed):
    values = np.array([[0, 1, 7], [100, 3, 1]], dtype)
    savemat(tmp_path / "x.mat", {"a": values, "b": np.zeros((0, 0)), "c": values[0, 2]}, do_compression=compressed)
    with open_mat(tmp_path / "x.mat") as content:
        assert content["a"].numbers().tolist() == values.ravel("F").tolist()
        assert content["b"].numbers().size == 0
        assert [content[n].scalar() for n in "abc"] == [None, None, float(values[0, 2])]
        assert content["a"].text() is None
        assert content["a"].items() == []


@pytest.mark.parametrize("compressed", [False, True])
def test_text_cells_and_structs(tmp_path, compressed):
    people = np.empty((1, 2), [("name", object), ("age", object)])
    people[0, 0] = ("Zoë", 3.0)
    people[0, 1] = ("a rather longer name", np.zeros((0, 0)))
    cell = np.array([1.0, "two", np.eye(2)], object)
    content = {"people": people, "cell": cell, "deep": {"inner": {"x": 5.0}}}
    savemat(tmp_path / "x.mat", content, do_compression=compressed)
    with open_mat(tmp_path / "x.mat") as found:
        first, second = found["people"].items()
        assert (first["name"].text(), first["age"].numbers().tolist()) == ("Zoë", [3])
        assert (second["name"].text(), second["age"].numbers().tolist()) == ("a rather longer name", [])
        one, two, three = found["cell"].items()
        assert one.numbers().tolist() == [1]
        assert two.text() == "two"
        assert three.numbers().tolist() == [1, 0, 0, 1]
        assert found["deep"].items()[0]["inner"].items()[0]["x"].numbers().tolist() == [5]


def test_what_is_no_such_file(tmp_path, monkeypatch):
    path = tmp_path / "x.mat"
    with pytest.raises(DataError, match="no such file"), open_mat(path):
        pass
    for content, words in (
        (b"", "not a MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(128), "7.3"),
        (b"x" * 126 + b"IM" + b"\x01\0\0\0\x08\0\0\0", "damaged"),
        (b"x" * 126 + b"IM" + b"\x0f\0\0\0\xff\xff\0\0junk", "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=words), open_mat(path):
            pass
    savemat(path, {"a": np.zeros(100_000)}, do_compression=True)
    monkeypatch.setattr(mat5, "MAX_BYTES", 10_000)
    with pytest.raises(DataError, match="unpacks to more than"), open_mat(path):
        pass


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"a": {"b": np.arange(4.0), "c": "text"}})
    whole = path.read_bytes()
    for length in range(129, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError), open_mat(path) as content:
            content["a"].items()[0]["b"].numbers()
