"""A folder of photos as people have them, read with detections from a file."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from a3dgen.errors import ConfigError
from a3dgen.io.images import read_rgb
from a3dgen.records import UNLABELLED, Persons
from a3dgen.sources import open_source
from a3dgen.sources.photos import SOURCE, Config
from a3dgen.sources.photos_files import PhotoFile, list_files
from a3dgen.sources.photos_review import Verdicts

COCO17 = [[100 + 6 * (k % 4), 60 + 10 * k, 0.9] for k in range(17)]


def picture(width=200, height=300, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def detections(path, *names, points=COCO17, per_photo=1):
    shifted = [[[x + 20 * i, y, c] for x, y, c in points] for i in range(per_photo)]
    rows = [
        {"image_id": name, "category_id": 1, "keypoints": np.ravel(s).tolist(), "score": 0.9}
        for name in names
        for s in shifted
    ]
    path.write_text(json.dumps(rows))
    return str(path)


def config(tmp_path, **more):
    given = {"root": str(tmp_path / "in"), "name": "clinic", "work": str(tmp_path / "out" / "ingest" / "photos")}
    given["review"] = str(tmp_path / "out" / "review.csv")
    return Config(**(given | {"detector": "given"} | more))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "day 1").mkdir(parents=True)
    return tmp_path / "in"


def split(found):
    found = list(found)
    rows = [f for f in found if isinstance(f, dict)]
    return rows, dict(f for f in found if not isinstance(f, dict))


def test_every_kind_of_file_is_a_person_or_a_reason(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos_make._outline", lambda person, rgb: None)
    rgb = picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(picture(seed=1)).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(picture(seed=2)[..., 0]).save(folder / "grey.png")
    cv2.imwrite(str(folder / "deep.png"), picture(seed=3).astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "deep.tiff"), picture(seed=4).astype(np.uint16) * 257)
    Image.fromarray(np.dstack([picture(seed=5), np.full((300, 200), 128, np.uint8)])).save(folder / "alpha.png")
    Image.fromarray(picture(seed=6)).save(folder / "day 1" / "Zoë & co (2).webp")
    Image.fromarray(picture(seed=7)).save(folder / "stamp_10.bmp")
    Image.fromarray(picture(5000, 400, seed=8)).save(folder / "wide.png")
    Image.fromarray(picture(40, 40)).save(folder / "tiny.png")
    whole = (folder / "turned.jpg").read_bytes()
    (folder / "copy of turned.jpg").write_bytes(whole)
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "IMG.JPG").write_bytes(b"hello")
    (folder / "notes.txt").write_text("not a photo")
    (folder / ".hidden.jpg").write_bytes(whole)
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", *names))))
    assert {r["stem"] for r in rows} >= {"cmyk", "grey", "deep", "alpha", "wide", "stamp-10"}
    assert len(rows) == 9
    assert len({r["stem"].lower() for r in rows}) == len(rows)
    assert not any(re.search(r"amp_\d", f"{r['stem']}_{r['person_id']}") for r in rows)
    reasons = {key.rpartition("/")[2]: reason for key, reason in refused.items()}
    assert set(reasons) == {"tiny", "turned.jpg", "cut", "empty.jpg", "IMG"}
    assert "same picture" in reasons["turned.jpg"]
    persons = Persons.from_rows(rows)
    assert set(persons.subset) == {"CUSTOM/clinic"}
    for row in rows:
        h, w = read_rgb(row["image"]).shape[:2]
        assert (w, h) == tuple(row["image_size"])
        assert max(w, h) <= 4096
        assert (row["state"] != UNLABELLED).sum() == 17
    turned = next(r for r in rows if "turned" in r["image"])
    assert tuple(turned["image_size"]) == (300, 200)


def test_scaled_copies_and_detections_are_kept_until_the_photo_goes(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos_make._outline", lambda person, rgb: None)
    Image.fromarray(picture(900, 600)).save(folder / "a.png")
    settings = config(tmp_path, keypoints=detections(tmp_path / "d.json", "a.png"), max_side=300)
    first, _ = split(SOURCE.read(settings))
    assert tuple(first[0]["image_size"]) == (300, 200)
    monkeypatch.setattr("a3dgen.sources.photos_make.load_photo", lambda *given: pytest.fail("read again"))
    again, _ = split(SOURCE.read(settings))
    assert again[0]["image"] == first[0]["image"]
    np.testing.assert_array_equal(again[0]["keypoints"], first[0]["keypoints"])
    monkeypatch.undo()
    monkeypatch.setattr("a3dgen.sources.photos_make._outline", lambda person, rgb: None)
    (folder / "a.png").unlink()
    Image.fromarray(picture(200, 300, seed=2)).save(folder / "b.png")
    rows, refused = split(SOURCE.read(settings))
    assert not rows
    assert list(refused.values()) == ["nobody found in the photo"]
    assert not list((tmp_path / "out" / "ingest" / "photos" / "images").glob("*"))


def test_videos_are_sampled(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos_make._outline", lambda person, rgb: None)
    writer = cv2.VideoWriter(str(folder / "walk.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (160, 240))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write mp4")
    for k in range(25):
        writer.write(np.full((240, 160, 3), 10 * k, np.uint8))
    writer.release()
    names = [f"walk.mp4@{k}" for k in (0, 10, 20)]
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", *names))))
    assert [r["stem"] for r in rows] == ["walk-f000000", "walk-f000010", "walk-f000020"]
    assert not refused


def test_hashed_names_tell_nothing(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos_make._outline", lambda person, rgb: None)
    Image.fromarray(picture()).save(folder / "Jane Doe.png")
    settings = config(tmp_path, keypoints=detections(tmp_path / "d.json", "Jane Doe.png"), hash_names=True)
    (row,), _ = split(SOURCE.read(settings))
    assert "Jane" not in row["key"] + row["stem"]
    assert "Jane Doe.png" in (tmp_path / "out" / "ingest" / "photos" / "names.csv").read_text()


def test_names_that_differ_in_odd_characters_only_stay_apart(tmp_path, folder):
    for i, name in enumerate(("a b.png", "a_b.png", "A_B.PNG", "day 1/x.png", "day_1_x.png")):
        Image.fromarray(picture(seed=i)).save(folder / name)
    files = [f for f in list_files(folder, None, False) if isinstance(f, PhotoFile)]
    assert len({f.stem.lower() for f in files}) == 5


def test_the_user_drops_people_and_names_missing_limbs(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos_make._outline", lambda person, rgb: None)
    Image.fromarray(picture()).save(folder / "a.png")
    Image.fromarray(picture(seed=1)).save(folder / "b.png")
    given = detections(tmp_path / "d.json", "a.png", "b.png", per_photo=2)
    (tmp_path / "person.csv").write_text("key,removed,residual\nb.png#1,left_transtibial,0.5\n")
    settings = config(tmp_path, keypoints=given, present_regions=str(tmp_path / "person.csv"))
    before = SOURCE.fingerprint(settings)
    rows, _ = split(SOURCE.read(settings))
    assert [r["key"] for r in rows] == [f"custom/clinic/{p}/{n}" for p in "ab" for n in (1, 2)]
    assert [r["present_removed"].sum() for r in rows] == [0, 0, 1, 0]
    assert rows[2]["present_residual"].min() == pytest.approx(0.5)
    (tmp_path / "out" / "review.csv").write_text("key,keep,removed\ncustom/clinic/a/2,no,\ncustom/clinic/b/1,yes,\n")
    rows, _ = split(SOURCE.read(settings))
    assert [bool(r["dropped"]) for r in rows] == [False, True, False, False]
    assert rows[2]["present_removed"].sum() == 1
    assert SOURCE.fingerprint(settings) != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,keep\nx,no\n", "must name the columns"),
        ("key,keep\nx,perhaps\n", "write yes or no"),
        ("key,removed\nx,left_tail\n", "unknown amputation region"),
        ("key,removed,residual\nx,left_knee,2\n", "number from 0 to 1"),
        ("key,keep\nx,no\nx,yes\n", "comes twice"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, text, message):
    (tmp_path / "review.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Verdicts("", str(tmp_path / "review.csv"))


def test_settings_are_checked(tmp_path, folder):
    with pytest.raises(ConfigError, match="unknown detector"):
        open_source("photos", {"root": str(folder), "detector": "vitpos"})
    with pytest.raises(ConfigError, match="no photo or video"):
        list(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json"))))
