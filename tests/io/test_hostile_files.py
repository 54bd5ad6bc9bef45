"""Bombs, playlists and pipes in place of archives, videos and tables; pickles that every NumPy reads."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
import zlib

import cv2
import numpy as np
import pytest
import scipy.sparse

from a3dgen.core.errors import A3dgenError, DataError
from a3dgen.detectors import given_files
from a3dgen.io import mat5, npz
from a3dgen.io.jsonstream import JsonFile
from a3dgen.io.pickle_write import portable_pickle, rename_modules
from a3dgen.io.shards import write_json
from a3dgen.io.unpickle import plain_data
from a3dgen.io.video import open_video


def header(shape, descr="<f8"):
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": descr, "fortran_order": False, "shape": shape})
    return made.getvalue()


def zeros(path, gigabytes):
    """An npz of zeros, a thousandth of its size on disk."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("pose.npy", "w", force_zip64=True) as f,
    ):
        f.write(header((int(gigabytes * (1 << 27)),)))
        for _ in range(int(gigabytes * 16)):
            f.write(bytes(1 << 26))


def test_a_bomb_is_refused_by_what_it_states(tmp_path, monkeypatch):
    zeros(tmp_path / "x.npz", 1 / 16)
    assert (tmp_path / "x.npz").stat().st_size < 1 << 22
    monkeypatch.setattr(npz, "memory_bytes", lambda: 1 << 25)
    with pytest.raises(DataError, match=r"unpacks to 0\.1 GB, more than the limit of 0\.0 GB"):
        npz.read(tmp_path / "x.npz")
    monkeypatch.setattr(npz.shutil, "disk_usage", lambda _: _Free())
    with pytest.raises(DataError, match="set TMPDIR"), npz.open_npz(tmp_path / "x.npz", ("pose",)):
        pass


class _Free:
    free = 1 << 25


@pytest.mark.parametrize("name", ["pose.npy", "poses/pose.npy", "../pose.npy", "pose.txt"])
def test_members_that_lie_about_themselves(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr(name, header((1 << 50,)) + bytes(64))
    with pytest.raises(DataError, match=r"x\.npz"):
        npz.read(tmp_path / "x.npz")


def test_a_member_that_is_there_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", header((1,)) + bytes(8))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", header((1,)) + bytes(8))
    with pytest.raises(DataError, match="twice"):
        npz.read(tmp_path / "x.npz")


def test_a_matlab_bomb_stays_below_its_limit(tmp_path, monkeypatch):
    packed = zlib.compress(struct.pack("<II", 14, 1 << 25) + bytes(1 << 25), 9)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    (tmp_path / "x.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    monkeypatch.setattr(mat5, "MAX_BYTES", 1 << 24)
    with pytest.raises(DataError, match="unpacks to more than"), mat5.open_mat(tmp_path / "x.mat"):
        pass


def test_pipes_are_refused_by_every_reader(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    os.mkfifo(tmp_path / "x.npz")
    os.mkfifo(tmp_path / "x.mat")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("x.json", "zero.json"):
        with pytest.raises(DataError, match="pipe or device"):
            JsonFile(tmp_path / name)
        with pytest.raises(DataError, match="pipe or device"):
            list(given_files.read_file(tmp_path / name, tmp_path))
    with pytest.raises(DataError, match="pipe or device"):
        npz.read(tmp_path / "x.npz")
    with pytest.raises(DataError, match="pipe or device"), mat5.open_mat(tmp_path / "x.mat"):
        pass


@pytest.fixture
def video(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "real.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (160, 120))
    for i in range(5):
        writer.write(np.full((120, 160, 3), 40 * i, np.uint8))
    writer.release()
    return tmp_path / "real.mp4"


def test_a_playlist_called_video_opens_nothing(tmp_path, video):
    lists = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{video}\n#EXT-X-ENDLIST\n",
        "mark.mp4": f"\ufeff\n#EXTM3U\n#EXTINF:9,\n{video.name}\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{video.name}'\n",
        "dash.mp4": "<?xml version='1.0'?><MPD/>",
        "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=f"{name}: a text or playlist"):
            open_video(tmp_path / name)
    capture = open_video(video)
    assert capture.grab()
    capture.release()


def test_a_video_of_enormous_frames_is_refused(video, monkeypatch):
    monkeypatch.setattr("a3dgen.io.video.MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(DataError, match="160x120 px are too large"):
        open_video(video)


@pytest.mark.parametrize("protocol", [2, 3])
def test_pickles_name_modules_that_every_numpy_has(protocol):
    value = {
        "f": np.arange(3.0), "s": np.float32(2), "text": "cnumpy._core.multiarray\n_reconstruct\n",
        "names": np.array(["a", "b"], object), "m": scipy.sparse.csc_matrix(np.eye(2)),
    }  # fmt: skip
    pickled = portable_pickle([value], protocol)
    named = {arg for op, arg, _ in pickletools.genops(pickled) if op.name == "GLOBAL"}
    assert not any("_core" in name or "scipy.sparse._" in name for name in named), named
    (found,) = pickle.loads(pickled)
    np.testing.assert_array_equal(found["f"], value["f"])
    assert found["text"] == value["text"]
    assert (found["m"] != value["m"]).nnz == 0


def test_what_numpy_2_writes_is_renamed_where_it_names_and_nowhere_else():
    text = b"numpy._core.multiarray\n"
    numpy_2 = pickle.dumps({"a": np.arange(2.0), "t": text.decode()}, 2).replace(
        b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    )
    assert b"cnumpy._core" in numpy_2
    renamed = rename_modules(numpy_2)
    assert b"cnumpy._core" not in renamed
    assert text in renamed
    np.testing.assert_array_equal(plain_data(renamed, "x")["a"], [0, 1])


def test_newer_protocols_are_not_portable():
    with pytest.raises(ValueError, match="protocols 2 and 3"):
        portable_pickle([1], 4)


def test_paths_that_are_no_utf8_are_kept_in_json(tmp_path):
    folder = os.fsdecode(b"photos_\xe9t\xe9")
    write_json(tmp_path / "x.json", {"root": folder, "name": "été 名前"})
    import json

    assert "été 名前" in (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "x.json").read_bytes()) == {"root": folder, "name": "été 名前"}


def test_a_name_that_is_no_text_is_printed(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xe9t\xe9")
    command = [sys.executable, "-m", "a3dgen", "validate", os.fsencode(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert issubclass(DataError, A3dgenError)
