"""Pictures of somebody who means harm, and files that are no files."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a3dgen.core.errors import DataError
from a3dgen.io import images
from a3dgen.io.images import LARGEST, image_size, jpeg_tables, read_mask, read_rgb
from a3dgen.io.truncation import Truncated, salvage

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%Pages: 1\n(touch) show\n%%EOF\n"


def png(width: int, height: int, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    """A PNG with a header of any size and little behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [read_rgb, image_size, jpeg_tables, read_mask])
@pytest.mark.parametrize("name", ["fifo.jpg", "zero.jpg", "socket.jpg", "folder.jpg", "script.jpg", "gone.jpg"])
def test_what_is_no_picture_file_is_refused_at_once(tmp_path, read, name, monkeypatch):
    path = tmp_path / name
    if name == "fifo.jpg":
        os.mkfifo(path)
    elif name == "zero.jpg":
        path.symlink_to("/dev/zero")
    elif name == "socket.jpg":
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        socket.socket(socket.AF_UNIX).bind(name)
    elif name == "folder.jpg":
        path.mkdir()
    elif name == "script.jpg":
        path.write_bytes(EPS)  # Pillow would hand it to Ghostscript
    with pytest.raises(DataError, match=name):
        read(path)


def test_a_header_of_any_size_costs_nothing(tmp_path):
    for width, height in ((20_000, 20_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)):
        (tmp_path / "bomb.png").write_bytes(png(width, height))
        for read in (read_rgb, image_size, read_mask):
            with pytest.raises(DataError, match=r"limit|too large"):
                read(tmp_path / "bomb.png")


def test_bytes_are_bounded_not_only_pixels(tmp_path):
    """A grey picture of 16 bits takes twenty-four bytes a pixel at the height of decoding."""
    (tmp_path / "deep.png").write_bytes(png(12_000, 12_000, depth=16, colour=0))
    assert image_size(tmp_path / "deep.png", LARGEST) == (12_000, 12_000)
    with pytest.raises(DataError, match=r"mode I;16.* take 3\.5 GB"):
        read_rgb(tmp_path / "deep.png", LARGEST, 4096)
    (tmp_path / "flat.png").write_bytes(png(12_000, 12_000))
    with pytest.raises(DataError, match=r"mode RGB take 2\.0 GB|cannot be decoded"):
        read_rgb(tmp_path / "flat.png", LARGEST)


def test_a_jpeg_of_thousands_of_scans_is_refused(tmp_path):
    picture = Image.fromarray(np.zeros((512, 512, 3), np.uint8))
    picture.save(tmp_path / "x.jpg", progressive=True)
    assert read_rgb(tmp_path / "x.jpg").shape == (512, 512, 3)
    data = (tmp_path / "x.jpg").read_bytes()
    last = data.rindex(b"\xff\xda")
    (tmp_path / "x.jpg").write_bytes(data[:last] + data[last:-2] * 5000 + data[-2:])
    with pytest.raises(DataError, match="scans"):
        read_rgb(tmp_path / "x.jpg")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_large_photo_scaled_down_is_what_it_was(tmp_path, kind):
    """Far too large a picture is averaged before it is copied: the same picture, to rounding."""
    small = np.random.default_rng(0).integers(40, 210, (30, 40, 3), np.uint8)
    large = Image.fromarray(small).resize((1200, 900), Image.Resampling.BICUBIC)
    large.save(tmp_path / "x", kind, **({"lossless": True} if kind == "WEBP" else {}))
    whole = np.asarray(large.reduce(3), np.int16)
    found = read_rgb(tmp_path / "x", enough=400).astype(np.int16)
    if found.shape == whole.shape:
        assert np.abs(found - whole).mean() < 2
    else:
        assert kind == "JPEG"
        assert max(found.shape) == 600  # the decoder's own halves


MEMORY = """
import sys
from a3dgen.io.images import LARGEST, read_rgb
def peak():  # of this program: getrusage would begin with that of the one that started it
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1e6
before = peak()
print(read_rgb(sys.argv[1], LARGEST, 4096).shape)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_250_megapixels_stay_in_bounds(tmp_path, kind):
    Image.new("RGB", (15_800, 15_800), (90, 120, 150)).save(tmp_path / "x", kind)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    gigabytes = float(done.stdout.splitlines()[-1])
    assert gigabytes < images.MAX_DECODED / 1e9, done.stdout


def scene(width: int = 200, height: int = 160) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.asarray(
        Image.fromarray(rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)).resize((width, height))
    )


def cut(path: Path, share: float) -> bytes:
    data = path.read_bytes()
    return data[: int(len(data) * share)]


@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.jpg", {"quality": 90}),
        ("x.jpg", {"quality": 90, "subsampling": 0}),
        ("x.jpg", {"restart_marker_rows": 1}),
        ("x.png", {}),
    ],
)
def test_rows_before_the_cut_are_found_and_are_true(tmp_path, share, name, options):
    Image.fromarray(scene()).save(tmp_path / name, **options)
    whole = np.asarray(Image.open(tmp_path / name, formats=("JPEG", "PNG")).convert("RGB"))
    data = cut(tmp_path / name, share)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Truncated):
        read_rgb(tmp_path / name)
    left = salvage(data)
    assert left is not None
    (tmp_path / name).write_bytes(left.data)
    found = read_rgb(tmp_path / name)[: left.rows]
    np.testing.assert_array_equal(found, whole[: left.rows])
    assert 160 * (share - 0.3) < left.rows < 160 * (share + 0.15)
    assert left.height == 160


@pytest.mark.parametrize("options", [{"quality": 95}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_wherever_a_jpeg_ends_no_row_is_made_up(tmp_path, options):
    """Also right before a restart marker, inside an escaped 255, and in the last block of a row."""
    Image.fromarray(scene(64, 72)).save(tmp_path / "x.jpg", **options)
    data = (tmp_path / "x.jpg").read_bytes()
    whole = read_rgb(tmp_path / "x.jpg")
    for end in range(len(data) // 2, len(data) - 2, 2):
        left = salvage(data[:end])
        assert left is not None
        found = np.asarray(Image.open(BytesIO(left.data), formats=("JPEG",)))[: left.rows]
        np.testing.assert_array_equal(found, whole[: left.rows], err_msg=f"{options}, byte {end}")


def test_a_jpeg_without_its_end_marker_is_whole(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "x.jpg", quality=90)
    left = salvage((tmp_path / "x.jpg").read_bytes()[:-2])
    assert left is not None
    assert (left.rows, left.height, left.coarse) == (160, 160, False)


def test_a_progressive_jpeg_counts_once_all_its_frequencies_are_there(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "x.jpg", quality=90, progressive=True)
    assert salvage(cut(tmp_path / "x.jpg", 0.15)) is None
    left = salvage(cut(tmp_path / "x.jpg", 0.95))
    assert left is not None
    assert left.coarse
    assert left.rows == 160


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.bmp", "x.webp", "x.tif"])
def test_where_nothing_is_left_nothing_is_made_up(tmp_path, share, name):
    Image.fromarray(scene()).save(tmp_path / name)
    left = salvage(cut(tmp_path / name, share))
    assert left is None or left.rows < 20


def test_damage_in_what_is_left_is_no_crash(tmp_path):
    rng = np.random.default_rng(3)
    for name in ("x.jpg", "x.png"):
        Image.fromarray(scene()).save(tmp_path / name)
        for share in (0.3, 0.8):
            for _ in range(25):
                data = bytearray(cut(tmp_path / name, share))
                for at in rng.integers(0, len(data), 3):
                    data[at] = rng.integers(256)
                left = salvage(bytes(data))
                assert left is None or 0 <= left.rows <= left.height
