"""Pickles are read as data: every protocol, Python 2, chumpy and SciPy; whatever would execute is refused."""

from __future__ import annotations

import os
import pickle
import pickletools
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import scipy.sparse as sp

from a3dgen.core.errors import DataError
from a3dgen.io.unpickle import read_pickle


def write(path, value, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_survives_every_protocol(tmp_path, protocol):
    value = {
        "floats": np.arange(12.0).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "big endian": np.arange(3, dtype=">f4"),
        "flags": np.array([True, False]),
        "text": np.array(["a", "bc"]),
        "scalar": np.float32(2.5),
        "objects": np.array([1, "x", None], object),
        "empty": np.zeros((0, 3)),
        "ordered": OrderedDict(b=1, a=[(1, 2.0), None]),
        "long": 2**80,
        "sparse": sp.csc_matrix(np.eye(3)),
        "rows": sp.csr_matrix(np.eye(2)),
        ("S1", "54138969"): b"bytes",
    }
    found = read_pickle(write(tmp_path / "x.pkl", value, protocol))
    assert list(found) == list(value)
    for name in ("floats", "fortran", "big endian", "flags", "text", "objects", "empty"):
        np.testing.assert_array_equal(found[name], value[name])
    assert found["scalar"] == 2.5
    assert found["ordered"] == value["ordered"]
    assert found["long"] == 2**80
    np.testing.assert_array_equal(found["sparse"].toarray(), np.eye(3))
    np.testing.assert_array_equal(found["rows"].toarray(), np.eye(2))


PYTHON_2 = (
    b"(dp0\nS'J'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
    b"(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
    b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?\\x00\\x00\\x00\\x00\\x00\\x00\\x00@'\np15\ntp16\nbs."
)


def test_python_2_arrays(tmp_path):
    (tmp_path / "old.pkl").write_bytes(PYTHON_2)
    np.testing.assert_array_equal(read_pickle(tmp_path / "old.pkl")["J"], [1.0, 2.0])


def chumpy_pickle(array):
    """A dict with a chumpy array, as SMPL releases hold it, without chumpy: a class of that name is made up."""
    import types

    module = types.ModuleType("chumpy.ch")
    Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})
    module.Ch = Ch
    made = Ch()
    made.__dict__.update({"x": array, "_dirty_vars": set(), "_itr": None})
    before = {k: sys.modules.get(k) for k in ("chumpy", "chumpy.ch")}
    sys.modules.update({"chumpy": types.ModuleType("chumpy"), "chumpy.ch": module})
    try:
        return pickle.dumps({"shapedirs": made, "again": made}, protocol=2)
    finally:
        for name, old in before.items():
            sys.modules.pop(name)
            if old is not None:
                sys.modules[name] = old


def test_chumpy_arrays_without_chumpy(tmp_path):
    (tmp_path / "c.pkl").write_bytes(chumpy_pickle(np.arange(6.0).reshape(2, 3)))
    found = read_pickle(tmp_path / "c.pkl")
    np.testing.assert_array_equal(found["shapedirs"], np.arange(6.0).reshape(2, 3))
    assert found["again"] is found["shapedirs"]


class Runs:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "call",
    [(os.system, "touch {}"), (subprocess.call, ["touch", "{}"]), (eval, "open('{}', 'w')"), (getattr, os, "name")],
)
def test_calls_are_refused_and_not_made(tmp_path, protocol, call):
    mark = tmp_path / "mark"
    args = [a.format(mark) if isinstance(a, str) else a for a in call[1:]]
    if call[0] is getattr:
        args = [1, "real"]
    path = write(tmp_path / "x.pkl", {"a": Runs(call[0], *args)}, protocol)
    with pytest.raises(DataError, match=r"x\.pkl: the pickle asks for .*not executed"):
        read_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"(i__main__\nx\n.",
        b"cos\nsystem\n.",
        b"cnumpy\nndarray\n.",
        b"cnumpy\nndarray\n}(S'a'\nI1\nub.",  # state of a class
        b"cnumpy\nndarray\n(N}(S'shape'\nI1\nutb.",
        b"ccollections\nOrderedDict\n(N}(S'get'\nI1\nutb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(N}(S'__code__'\nI1\nutb.",
        b"P1\n.",
        b"\x80\x02\x82\x01.",
        b"]q\x00h\x00a.",  # a list that holds itself
        b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR(I3\nS'|'\nN(S'a'\ntNI8\nI1\nI16\ntb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
        b"",
        b"not a pickle",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    ],
)
def test_odd_programs_are_one_clear_error(tmp_path, program):
    (tmp_path / "x.pkl").write_bytes(program)
    with pytest.raises(DataError, match=r"x\.pkl: ") as caught:
        read_pickle(tmp_path / "x.pkl")
    assert "\n" not in str(caught.value)


def test_what_is_shared_stays_shared(tmp_path):
    shared = [1, np.arange(3)]
    found = read_pickle(write(tmp_path / "x.pkl", [shared, (shared, 2)]))
    assert found[0] is found[1][0]


def test_truncated_files(tmp_path):
    data = pickle.dumps({"a": np.arange(100.0)}, protocol=2)
    for cut in range(0, len(data), 97):
        (tmp_path / "x.pkl").write_bytes(data[:cut])
        with pytest.raises(DataError):
            read_pickle(tmp_path / "x.pkl")


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.pkl: cannot be read"):
        read_pickle(tmp_path / "none.pkl")


@pytest.mark.samples
def test_human36m_cameras(samples):
    import json

    folder = samples / "h36m" / "annotation_body3d"
    cameras = read_pickle(folder / "cameras.pkl")
    expected = json.loads((folder / "cameras.json").read_text())
    assert len(cameras) == len(expected) == 44
    for (subject, camera), found in cameras.items():
        np.testing.assert_allclose(found["R"], expected[f"{subject}_{camera}"]["R"])
        assert found["w"] == expected[f"{subject}_{camera}"]["w"]


def test_python_2_fixture_is_protocol_0():
    assert next(pickletools.genops(PYTHON_2))[0].name == "MARK"
