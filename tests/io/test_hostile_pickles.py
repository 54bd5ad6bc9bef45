"""Pickles of somebody who means harm: read in a process of their own, so that a crash is seen."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pickle_grammar import in_npz

from a3dgen.core.errors import DataError
from a3dgen.io.npz import open_npz, read
from a3dgen.io.pickle_standins import MAX_DEPTH
from a3dgen.io.unpickle import plain_data, read_pickle

GRAMMAR = Path(__file__).with_name("pickle_grammar.py")
READ = """
import resource, sys, pathlib
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from a3dgen.core.errors import DataError
from a3dgen.io.unpickle import read_pickle
try:
    print(repr(read_pickle(sys.argv[1]))[:200])
except DataError as error:
    print("refused:", error)
"""
CH = b"cchumpy.ch\nCh\n)R"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


def run(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=seconds, check=False)


def read_apart(path: Path) -> str:
    """Read a pickle in another process, which must end well and say something."""
    done = run("-c", READ, str(path))
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    return done.stdout


@pytest.mark.parametrize("seed", range(2))
def test_programs_from_a_grammar_reach_plain_data_or_nothing(tmp_path, seed):
    done = run(str(GRAMMAR), str(seed), "2000", str(tmp_path))
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-2000:])
    accepted, refused = (int(word) for word in done.stdout.split() if word.isdigit())
    assert accepted > 50, done.stdout
    assert refused > 500, done.stdout


@pytest.mark.slow
def test_many_programs_from_a_grammar(tmp_path):
    done = run(str(GRAMMAR), "7", "200000", str(tmp_path), seconds=900)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-2000:])


@pytest.mark.parametrize("end", [b"R", b"\x81"])
def test_numpy_ndarray_called_with_an_object_dtype_over_bytes(tmp_path, end):
    """``numpy.ndarray((1,), dtype('O'), buffer)`` takes 8 bytes of the file for the address of an object."""
    dtype = b"cnumpy\ndtype\n(\x8c\x01O\x89\x88tR"
    program = b"\x80\x04cnumpy\nndarray\n(K\x01\x85" + dtype + b"C\x08" + b"\x41" * 8 + b"t" + end + b"."
    (tmp_path / "x.pkl").write_bytes(program)
    assert "refused: " in read_apart(tmp_path / "x.pkl")
    in_npz(program, tmp_path / "x.npz")
    for objects in (False, True):
        with pytest.raises(DataError, match=r"x\.npz: member 'imgname\.npy'"):
            read(tmp_path / "x.npz", objects=objects)
    with pytest.raises(DataError, match=r"x\.npz"), open_npz(tmp_path / "x.npz", ("imgname",)):
        pass


def test_an_array_of_objects_over_bytes(tmp_path):
    """The same through ``_reconstruct``: the state says objects, the data are bytes."""
    dtype = b"cnumpy\ndtype\n(\x8c\x02O8\x89\x88tR"
    (tmp_path / "x.pkl").write_bytes(ARRAY + b"(K\x01K\x01\x85" + dtype + b"\x89C\x08" + b"\x41" * 8 + b"tb.")
    assert "refused: " in read_apart(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (b"N" + b"\x85" * 1_000_000 + b".", "tuple in tuple"),
        (b"}N" + b"\x85" * 1_000_000 + b"Ns.", "tuple in tuple as a key"),
        (b"]" * 1_000_000 + b"a" * 999_999 + b".", "list in list"),
        (b"(" * 1_000_000 + b".", "marks"),
        (CH + (b"}X\x01\x00\x00\x00x" + CH) * 100_000 + b"sb" * 100_000 + b".", "instance in instance"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_depth_does_not_crash(tmp_path, program, name):
    (tmp_path / "x.pkl").write_bytes(program)
    assert read_apart(tmp_path / "x.pkl").strip()


def shared(levels: int, pair: bytes) -> bytes:
    """A value that holds the one before twice, ``levels`` times: 2**levels values in a few bytes."""
    return b"K\x01\x94" + b"".join(pair.replace(b"?", bytes([n])) + b"\x94" for n in range(levels))


@pytest.mark.parametrize("pair", [b"h?h?\x86", b"](h?h?e"])
def test_a_small_file_cannot_unfold_into_a_huge_value(tmp_path, pair):
    with pytest.raises(DataError, match="more than 50000000 values"):
        plain_data(b"\x80\x04" + shared(MAX_DEPTH - 2, pair) + b".", "x.pkl")
    found = plain_data(b"\x80\x04" + shared(10, pair) + b".", "x.pkl")
    assert found[0] is found[1]


def test_a_key_whose_hash_would_take_for_ever(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04" + shared(38, b"h?h?\x86") + b"}h\x26Ns.")
    assert "as a key" in read_apart(tmp_path / "x.pkl")


def test_text_with_characters_that_do_not_exist(tmp_path):
    """NumPy hands such text to Python unchecked, which ends the process."""
    dtype = b"cnumpy\ndtype\n(\x8c\x02U1\x89\x88tR"
    (tmp_path / "x.pkl").write_bytes(ARRAY + b"(K\x01K\x01\x85" + dtype + b"\x89C\x04\xff\xff\xff\xfftb.")
    assert "refused: " in read_apart(tmp_path / "x.pkl")
    np.savez(tmp_path / "x.npz", imgname=np.frombuffer(struct.pack("<I", 0x7FFFFFFF), "<U1"))
    with pytest.raises(DataError, match="characters that do not exist"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "a web page"),
        (bytes(4096), "nothing but zeros"),
        (pickle.dumps({"a": np.arange(2.0)}, 0).replace(b"\n", b"\r\n"), "dos2unix"),
    ],
)
def test_what_is_no_pickle_at_all_is_called_what_it_is(tmp_path, content, said):
    (tmp_path / "cameras.pkl").write_bytes(content)
    with pytest.raises(DataError, match=rf"cameras\.pkl: .*{said}"):
        read_pickle(tmp_path / "cameras.pkl")


def test_a_million_names_are_read_in_seconds(tmp_path):
    names = [f"COCO_train2014_{i:012d}.jpg" for i in range(20_000)]
    array = np.empty(len(names), object)
    array[:] = names
    for protocol in (2, 3, 4):
        np.testing.assert_array_equal(plain_data(pickle.dumps(array, protocol), "x.pkl"), array)
