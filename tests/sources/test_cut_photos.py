"""Photos cut short, oversized or made to harm: what is left of them is used where a person is whole on it."""

from __future__ import annotations

import csv
import os

import cv2
import numpy as np
import pytest
from PIL import Image
from test_photos import config, detections, split

from a3dgen.core.errors import DataError
from a3dgen.io.images import read_rgb
from a3dgen.sources.photos import SOURCE, decode
from a3dgen.sources.photos.decode import load_photo

HIGH = [[100 + 6 * (k % 4), 20 + 6 * k, 0.9] for k in range(17)]
"""A person in the upper part of a picture of 400 px, to y = 116."""


@pytest.fixture(autouse=True)
def no_outlines(monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def photo(path, height=400, **options):
    small = np.random.default_rng(5).integers(0, 255, (height // 20, 15, 3), np.uint8)
    Image.fromarray(small).resize((300, height)).save(path, **options)
    return path


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def read(tmp_path, *names, points=HIGH):
    given = detections(tmp_path / "d.json", *names, points=points)
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=given)))
    with (tmp_path / "out" / "ingest" / "photos" / "names.csv").open(newline="") as file:
        return rows, refused, {row["photo"]: row["remark"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_whole_person_on_a_cut_photo_is_used(tmp_path, folder, name):
    whole = np.asarray(Image.open(photo(folder / name), formats=("JPEG", "PNG")).convert("RGB"))
    cut(folder / name, 0.6)
    rows, refused, remarks = read(tmp_path, name)
    assert not refused
    (row,) = rows
    assert remarks[name].startswith("cut short: ")
    width, height = row["image_size"]
    assert width == 300
    assert 150 < height < 320
    left = read_rgb(row["image"])  # the work copy holds no grey band
    assert left.shape == (height, width, 3)
    assert np.abs(left.astype(int) - whole[:height].astype(int)).mean() < 2


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_person_who_reaches_the_cut_is_rejected(tmp_path, folder, name):
    photo(folder / name)
    cut(folder / name, 0.6)
    low = [[x, 2 * y, c] for x, y, c in HIGH]
    rows, refused, _ = read(tmp_path, name, points=low)
    assert not rows
    assert list(refused.values()) == ["the photo is cut short at the bottom, and the person reaches to there"]


def test_a_photo_without_its_end_marker_is_a_photo(tmp_path, folder):
    photo(folder / "a.jpg")
    cut(folder / "a.jpg", 0.9999)
    rows, refused, remarks = read(tmp_path, "a.jpg")
    assert (len(rows), refused) == (1, {})
    assert remarks["a.jpg"] == "without its end marker, but whole"
    assert rows[0]["image_size"] == (300, 400)


def test_what_cannot_be_mended_is_rejected_by_name(tmp_path, folder):
    for name, share, options in (("a.jpg", 0.15, {}), ("b.png", 0.1, {}), ("c.jpg", 0.2, {"progressive": True})):
        photo(folder / name, **options)
        cut(folder / name, share)
    photo(folder / "d.bmp")
    cut(folder / "d.bmp", 0.5)
    rows, refused, _ = read(tmp_path, "a.jpg", "b.png", "c.jpg", "d.bmp")
    assert not rows
    assert len(refused) == 4
    assert sum("truncated" in why for why in refused.values()) >= 3


def test_a_progressive_photo_is_used_once_it_is_all_there_roughly(tmp_path, folder):
    photo(folder / "a.jpg", quality=95, progressive=True)
    cut(folder / "a.jpg", 0.97)
    rows, _, remarks = read(tmp_path, "a.jpg")
    assert rows[0]["image_size"] == (300, 400)
    assert "finest details" in remarks["a.jpg"]


@pytest.mark.parametrize(("orientation", "side"), [(1, "bottom"), (3, "top"), (6, "left"), (8, "right")])
def test_the_side_that_is_missing_is_the_one_a_person_sees(tmp_path, orientation, side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(tmp_path / "a.jpg", exif=exif)
    whole = read_rgb(tmp_path / "a.jpg")
    cut(tmp_path / "a.jpg", 0.6)
    found = load_photo(tmp_path / "a.jpg", 4096, "JPEG")
    assert found.lost == side
    h, w = found.rgb.shape[:2]
    rows = slice(-h, None) if side == "top" else slice(0, h)
    columns = slice(-w, None) if side == "left" else slice(0, w)
    np.testing.assert_array_equal(found.rgb, whole[rows, columns])


def test_detections_of_a_photo_that_lost_its_origin_are_not_used(tmp_path, folder):
    exif = Image.Exif()
    exif[0x0112] = 3
    photo(folder / "a.jpg", exif=exif)
    cut(folder / "a.jpg", 0.6)
    rows, refused, _ = read(tmp_path, "a.jpg")
    assert not rows
    assert "the top is missing, from where the detections of it count" in next(iter(refused.values()))


def test_a_tiff_states_its_size_before_it_is_decoded(tmp_path, monkeypatch):
    deep = np.random.default_rng(0).integers(0, 2**16, (120, 100, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "a.tif"), deep)
    assert load_photo(tmp_path / "a.tif", 4096, "TIFF").size == (100, 120)
    assert decode._deep_tiff(tmp_path / "a.tif").shape == (120, 100, 3)
    monkeypatch.setattr("a3dgen.sources.photos.decode.MAX_DECODED", 120 * 100 * 18 - 1)
    assert decode._deep_tiff(tmp_path / "a.tif") is None


def test_another_decoder_is_not_reached_through_a_tiffs_name(tmp_path):
    """OpenCV would read Radiance, EXR, JPEG 2000 and others, whatever the file is called."""
    data = cv2.imencode(".hdr", np.ones((80, 80, 3), np.float32))[1]
    (tmp_path / "a.tif").write_bytes(data.tobytes())
    with pytest.raises(DataError):
        load_photo(tmp_path / "a.tif", 4096, "TIFF")


def test_pipes_and_devices_in_the_folder_are_listed_not_read(tmp_path, folder):
    photo(folder / "a.jpg")
    os.mkfifo(folder / "b.jpg")
    (folder / "c.jpg").symlink_to("/dev/zero")
    (folder / "d.mp4").symlink_to("/dev/urandom")
    rows, refused, _ = read(tmp_path, "a.jpg")
    assert len(rows) == 1
    assert {key.rpartition("/")[2] for key in refused} == {"b.jpg", "c.jpg", "d.mp4"}
