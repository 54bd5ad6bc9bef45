"""Which files of a folder are read: by their bytes, through links, and never fewer without a word."""

from __future__ import annotations

import csv
import json
import logging
import os

import numpy as np
import pytest
from PIL import Image

from a3dgen.sources.photos import SOURCE
from a3dgen.sources.photos.config import Config
from a3dgen.sources.photos.files import PhotoFile, has_photos, list_files
from a3dgen.sources.photos.kinds import OTHERS, RAW, SUFFIXES, VIDEO, kind_of

POINTS = [[100 + 6 * (k % 4), 60 + 10 * k, 0.9] for k in range(17)]


def save(path, kind="JPEG", seed=0, **more):
    rgb = np.random.default_rng(seed).integers(0, 255, (300, 200, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(rgb).save(file, kind, **more)
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def box(brand, *compatible):
    body = brand + b"\0\0\0\0" + b"".join(compatible)
    return (len(body) + 8).to_bytes(4, "big") + b"ftyp" + body + b"\0" * 40


def listed(folder, without=None):
    found = list(list_files(folder, without, False))
    return {f.name: f for f in found if isinstance(f, PhotoFile)}, dict(
        f for f in found if not isinstance(f, PhotoFile)
    )


def read(tmp_path, folder, names):
    rows = [{"image_id": n, "keypoints": np.ravel(POINTS).tolist(), "score": 0.9} for n in names]
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "d.json").write_text(json.dumps(rows))
    work = tmp_path / "out" / "ingest" / "photos"
    found = list(SOURCE.read(Config(root=str(folder), name="c", work=str(work), keypoints=str(tmp_path / "d.json"))))
    people = [f for f in found if isinstance(f, dict)]
    with (work / "names.csv").open() as file:
        table = {row["photo"]: row for row in csv.DictReader(file)}
    return people, dict(f for f in found if not isinstance(f, dict)), table


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [("a.HEIC", "JPEG", "JPEG"), ("b.jpg", "PNG", "PNG"), ("c.heif", "WEBP", "WebP"), ("d.png", "TIFF", "TIFF"),
     ("e.mp4", "BMP", "BMP"), ("IMG_7", "JPEG", "JPEG"), ("f.jpg_large", "JPEG", "JPEG"), ("g.dng", "PNG", "PNG")],
)  # fmt: skip
def test_a_file_is_what_its_bytes_say(tmp_path, folder, monkeypatch, name, kind, says):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    save(folder / name, kind)
    (row,), refused, table = read(tmp_path, folder, [name])
    assert not refused
    assert says in table[name]["remark"]
    assert tuple(row["image_size"]) == (200, 300)


def test_heic_under_another_name(tmp_path, folder, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    heif.from_pillow(Image.open(save(tmp_path / "a.jpg"))).save(str(folder / "a.heic"))
    (folder / "a.heic").rename(folder / "upload.jpg")
    (row,), _, table = read(tmp_path, folder, ["upload.jpg"])
    assert "HEIC" in table["upload.jpg"]["remark"]
    assert row["image"].endswith(".jpg")
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    _, refused, _ = read(tmp_path / "other", folder, [])
    assert "pip install 'a3dgen[heic]'" in refused["custom/c/upload"]


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (box(b"heic", b"mif1"), "HEIC"),
        (box(b"mif1", b"heic"), "HEIC"),
        (box(b"avif", b"mif1"), "AVIF"),
        (box(b"mif1", b"avif"), "AVIF"),
        (box(b"crx ", b"isom"), "raw"),
        (box(b"qt  "), VIDEO),
        (box(b"3gp5", b"isom"), VIDEO),
        (b"\0\0\0\x08wide\0\0\0\0mdat", VIDEO),
        (b"\x1aE\xdf\xa3\x01\0\0\0", VIDEO),
        ((b"\x47" + b"\x11" * 187) * 3, VIDEO),
        ((b"\0\0\0\0\x47" + b"\x11" * 187) * 3, VIDEO),
        (b"RIFF\0\0\0\0AVI LIST", VIDEO),
        (b"GIF89a", "GIF"),
        (b"\xff\x0a\x01", "JPEG XL"),
        (b"\0" * 128 + b"DICM", "DICOM"),
        (box(b"M4A "), None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"BM of the year", None),
        (b"G" * 400, None),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_signatures(tmp_path, start, kind):
    (tmp_path / "x.unknown").write_bytes(start)
    found = kind_of(tmp_path / "x.unknown")
    assert (found and found.name) == kind
    if kind is not None:
        assert bool(found.refusal) == (kind not in SUFFIXES)


def test_kinds_that_are_not_read_are_named(tmp_path, folder, monkeypatch, caplog):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    save(folder / "a.jpg")
    unread = ["x.DNG", "x.CR3", "x.nef", "anim.gif", "y.avif", "scan.pdf", "z.jxl", "photos.zip", "GX01.LRV", "m.dcm"]
    for name in unread:
        (folder / name).write_bytes(b"whatever it holds")
    for name in ("Thumbs.db", ".DS_Store", "._a.jpg", "desktop.ini"):
        (folder / name).write_bytes(b"x" * 100)
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "b.jpg").write_bytes(b"x")
    for name in ("notes.txt", "other.txt", "d.json", "without"):
        (folder / name).write_text("text")
    with caplog.at_level(logging.WARNING):
        people, refused, table = read(tmp_path, folder, ["a.jpg"])
    assert len(people) == 1
    assert {k.removeprefix("custom/c/") for k in refused} == set(unread)
    assert set(table) == {"a.jpg", *unread}
    assert "DNG" in refused["custom/c/x.DNG"]
    assert "unpack" in refused["custom/c/photos.zip"]
    assert "2 x .txt, 1 x .json, 1 x without suffix" in caplog.text


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a.jpg", "git lfs pull"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "walk.MP4", "git lfs pull"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a.heic", "git lfs pull"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html>", "a.jpg", "web page"),
        (b"<html><body>404", "b.png", "web page"),
        (b"\0" * 4000, "c.jpg", "zeros"),
        (b"\0" * 4000, "c.mov", "zeros"),
        (b"", "d.jpg", "empty"),
        (b"bplist00", ".IMG_2.HEIC.icloud", "iCloud"),
    ],
)
def test_what_lies_in_place_of_a_picture_is_said(folder, content, name, why):
    (folder / name).write_bytes(content)
    files, refused = listed(folder)
    assert not files
    assert why in refused[name]
    assert has_photos(folder, None)


def test_linked_folders_are_followed_once(tmp_path, folder):
    save(folder / "a.jpg", seed=1)
    save(folder / "day" / "b.jpg", seed=2)
    save(tmp_path / "elsewhere" / "c.jpg", seed=3)
    save(tmp_path / "elsewhere" / "deep" / "d.jpg", seed=4)
    (folder / "0 link").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to("../elsewhere")
    (folder / "deeper").symlink_to(tmp_path / "elsewhere" / "deep")
    (folder / "day" / "loop").symlink_to(folder)
    (folder / "self").symlink_to("day")
    (folder / "up").symlink_to(tmp_path)
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "elsewhere" / "deep" / "back").symlink_to("..")
    files, refused = listed(folder)
    assert list(files) == ["0 link/c.jpg", "0 link/deep/d.jpg", "a.jpg", "day/b.jpg"]
    assert {n for n, why in refused.items() if "read already" in why} == {
        "again", "deeper", "day/loop", "self", "0 link/deep/back"
    }  # fmt: skip
    assert "around" in refused["up"]
    assert "not there" in refused["gone.jpg"]
    assert not any(f.same_as for f in files.values())


def test_a_folder_inside_two_linked_ones_is_read_once(tmp_path, folder):
    save(tmp_path / "elsewhere" / "deep" / "d.jpg")
    (folder / "a").symlink_to(tmp_path / "elsewhere" / "deep")
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    files, refused = listed(folder)
    assert list(files) == ["a/d.jpg"]
    assert "read already" in refused["b/deep"]


def test_a_link_before_the_folder_itself_does_not_rename_it(tmp_path, folder):
    save(folder / "z" / "a.jpg")
    (folder / "a").symlink_to("z")
    assert list(listed(folder)[0]) == ["z/a.jpg"]


def test_the_build_inside_the_folder_is_not_read_through_a_link(tmp_path, folder):
    save(folder / "a.jpg", seed=1)
    save(folder / "out" / "ingest" / "b.jpg", seed=2)
    (folder / "l").symlink_to("out")
    assert list(listed(folder, folder / "out")[0]) == ["a.jpg"]


def test_a_pipe_is_no_picture(folder):
    os.mkfifo(folder / "a.jpg")
    os.mkfifo(folder / "pipe")
    files, refused = listed(folder)
    assert not files
    assert refused == {"a.jpg": "not a regular file"}


def test_no_suffix_means_two_things():
    every = [s for table in (SUFFIXES, OTHERS, {"raw": RAW}) for suffixes in table.values() for s in suffixes]
    assert len(every) == len(set(every))
