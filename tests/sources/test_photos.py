"""A folder of photos as people have them, read with detections from a file."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from a3dgen.core.errors import ConfigError
from a3dgen.core.records import UNLABELLED, Persons
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import COCO_ROWS
from a3dgen.io.forgotten import add_forgotten, fact
from a3dgen.io.images import read_rgb
from a3dgen.io.orientation import upright_points
from a3dgen.io.shards import read_shard, write_shard
from a3dgen.io.tables import read_table
from a3dgen.sources import open_source
from a3dgen.sources.photos import SOURCE
from a3dgen.sources.photos.config import Config
from a3dgen.sources.photos.files import PhotoFile, list_files
from a3dgen.sources.photos.propose import Proposal
from a3dgen.sources.photos.review import Verdicts

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
    given |= {"review": str(tmp_path / "out" / "review.csv"), "propose": False}
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
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
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


def test_file_names_may_hold_anything(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    odd = ["two\nlines.jpg", "tab\tand 'quote\".png", "-rf --help.png", "名前.webp", "a%20b;c.jpg", "..dots..png"]
    for i, name in enumerate(odd):
        Image.fromarray(picture(seed=i)).save(folder / name)
    Image.fromarray(picture(seed=20)).save(tmp_path / "latin.jpg")
    (tmp_path / "latin.jpg").rename(os.fsdecode(os.fsencode(str(folder)) + b"/caf\xe9.jpg"))
    (folder / "copy\nof.jpg").write_bytes((folder / "a%20b;c.jpg").read_bytes())
    given = [{"image_id": n, "keypoints": np.ravel(COCO17).tolist(), "score": 0.9} for n in everything(folder)]
    (tmp_path / "d.json").write_text(json.dumps(given))
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=str(tmp_path / "d.json"))))
    assert len(rows) == 6  # a file that begins with a dot is hidden
    assert "same picture" in "".join(refused.values())
    (tmp_path / "out").mkdir(exist_ok=True)
    write_shard(tmp_path / "out" / "000000.h5", {"Persons": Persons.from_rows(rows)}, {})
    back = read_shard(tmp_path / "out" / "000000.h5")["Persons"]
    for row in (back.row(i) for i in range(len(back))):
        assert read_rgb(row["image"]).shape[1::-1] == tuple(row["image_size"])
        assert row["key"].isprintable()
    assert all(key.isprintable() and why.isprintable() for key, why in refused.items())


def everything(folder):
    return [f.name for f in list_files(folder, None, False) if isinstance(f, PhotoFile)]


@pytest.mark.parametrize("size", [(200, 150), (64, 64)])
def test_small_photos_are_kept_as_they_are(tmp_path, folder, monkeypatch, size):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    Image.fromarray(picture(*size)).save(folder / "s.png")
    points = [[size[0] * 0.3 + k, size[1] * 0.2 + 2 * k, 0.9] for k in range(17)]
    (row,), _ = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", "s.png", points=points))))
    assert tuple(row["image_size"]) == size
    assert row["image"] == str(folder / "s.png")


def test_heic(tmp_path, folder, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    rgb = np.zeros((300, 200, 3), np.uint8)
    rgb[:150] = (200, 60, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, as phones do
    heif.from_pillow(Image.fromarray(rgb)).save(str(folder / "upright.heic"))
    heif.from_pillow(Image.fromarray(rgb[:, :190])).save(str(folder / "turned.heic"), exif=exif.tobytes())
    (folder / "cut.heic").write_bytes((folder / "upright.heic").read_bytes()[:200])
    given = detections(tmp_path / "d.json", "upright.heic", "turned.heic", "cut.heic")
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=given)))
    sizes = {r["stem"]: tuple(r["image_size"]) for r in rows}
    assert sizes == {"upright": (200, 300), "turned": (300, 190)}
    assert list(refused) == ["custom/clinic/cut"]
    for row in rows:
        pixels = read_rgb(row["image"])  # a copy that every later stage can read
        assert row["image"].endswith(".jpg")
        assert pixels.shape[1::-1] == tuple(row["image_size"])
    turned = read_rgb(next(r["image"] for r in rows if r["stem"] == "turned")).astype(int)
    assert turned[95, 280, 0] > turned[95, 20, 0] + 100  # the top went to the right


def test_heic_without_its_package_names_it(tmp_path, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (folder / "x.heic").write_bytes(b"hello")
    _, refused = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", "x.heic"))))
    assert "pip install 'a3dgen[heic]'" in next(iter(refused.values()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_photo_of_60_megapixels_is_scaled_down_in_bounded_memory(tmp_path, kind):
    path = tmp_path / f"large.{kind}"
    script = (
        "import sys\nfrom pathlib import Path\nfrom a3dgen.sources.photos.decode import load_photo\n"
        "def peak():  # of this program alone, which getrusage does not tell\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM'))\n"
        "before = peak()\n"
        "photo = load_photo(Path(sys.argv[1]), 4096)\n"
        "used = peak() - before\n"
        "print(*photo.size, *photo.rgb.shape, used // 1024)"
    )
    tile = cv2.resize(picture(60, 40), (1200, 800))
    Image.fromarray(np.tile(tile, (8, 8, 1))[:6336, :9504]).save(path)
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    width, height, h, w, _, megabytes = (int(v) for v in done.stdout.split())
    assert (width, height, w, h) == (9504, 6336, 4096, 2731)
    assert megabytes < (200 if kind == "jpg" else 700)


def test_scaled_copies_and_detections_are_kept_until_the_photo_goes(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    Image.fromarray(picture(900, 600)).save(folder / "a.png")
    settings = config(tmp_path, keypoints=detections(tmp_path / "d.json", "a.png"), max_side=300)
    first, _ = split(SOURCE.read(settings))
    assert tuple(first[0]["image_size"]) == (300, 200)
    monkeypatch.setattr("a3dgen.sources.photos.detect.load_photo", lambda *given: pytest.fail("read again"))
    again, _ = split(SOURCE.read(settings))
    assert again[0]["image"] == first[0]["image"]
    np.testing.assert_array_equal(again[0]["keypoints"], first[0]["keypoints"])
    monkeypatch.undo()
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    (folder / "a.png").unlink()
    Image.fromarray(picture(200, 300, seed=2)).save(folder / "b.png")
    rows, refused = split(SOURCE.read(settings))
    assert not rows
    assert list(refused.values()) == ["nobody found in the photo"]
    assert not list((tmp_path / "out" / "ingest" / "photos" / "images").glob("*"))


def test_whoever_makes_the_photos_ready_makes_the_same_files(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    names = [f"{k}.png" for k in range(5)]
    for i, name in enumerate(names):
        Image.fromarray(picture(300, 200, seed=i)).save(folder / name)
    (folder / "x.jpg").write_bytes(b"no photo")
    given = detections(tmp_path / "d.json", *names)
    seen = []

    def backwards(function, items):
        done = [function(item) for item in reversed(list(items))]
        return iter(done[::-1])

    found = []
    for out, mapper in (("one", map), ("two", backwards)):
        work = tmp_path / out / "ingest" / "photos"
        settings = config(tmp_path, keypoints=given, max_side=100, work=str(work))
        SOURCE.prepare(settings, mapper, lambda done, total: seen.append((done, total)))
        made = {p.relative_to(work): p.read_bytes() for p in work.rglob("*") if p.is_file() and p.suffix != ".files"}
        rows, refused = split(SOURCE.read(settings))
        assert len(rows) == 5
        assert list(refused) == ["custom/clinic/x"]
        found.append(made)
    assert found[0] == found[1]
    assert len(found[0]) == 10
    assert seen == [(k, 6) for k in range(7)] * 2
    SOURCE.prepare(settings, pytest.fail, seen.append)  # one unreadable file is not worth a pool


def test_detections_of_no_known_kind_are_the_users_mistake_not_a_photos(tmp_path, folder):
    Image.fromarray(picture()).save(folder / "a.png")
    (tmp_path / "d.json").write_text('{"a": 1}')
    with pytest.raises(ConfigError, match=r"d\.json: of no known kind; known are COCO files"):
        list(SOURCE.read(config(tmp_path, keypoints=str(tmp_path / "d.json"))))


def test_detections_of_other_photos_are_said(tmp_path, folder, caplog):
    Image.fromarray(picture()).save(folder / "a.png")
    list(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", "elsewhere.png"))))
    assert "speaks of 'elsewhere.png', the photos are called e.g. 'a.png'" in caplog.text


def test_forgotten_photos_stay_out_with_their_copies(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    Image.fromarray(picture()).save(folder / "jane.png")
    (folder / "later.png").write_bytes((folder / "jane.png").read_bytes())
    Image.fromarray(picture(seed=1)).save(folder / "joe.png")
    settings = config(tmp_path, keypoints=detections(tmp_path / "d.json", "jane.png", "joe.png", "later.png"))
    rows, refused = split(SOURCE.read(settings))
    assert len(rows) == 2
    assert len(refused) == 1
    with (tmp_path / "out" / "ingest" / "photos" / "names.csv").open() as file:
        sha = {row["photo"]: row["sha256"] for row in csv.DictReader(file)}
    assert sha["jane.png"] == sha["later.png"]
    add_forgotten(tmp_path / "out", {fact("photo", sha["jane.png"])})
    for _ in range(2):
        rows, refused = split(SOURCE.read(settings))
        assert [r["stem"] for r in rows] == ["joe"]
        assert not refused
        (folder / "jane.png").unlink(missing_ok=True)  # the copy does not take its place


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_come_from_any_spreadsheet(tmp_path, encoding, delimiter):
    number = "0,5" if delimiter == ";" else "0.5"
    lines = [["key", "keep", "removed", "residual", "note"], ["Zoë.jpg", "yes", "left_transtibial", number, "ja"]]
    path = tmp_path / "review.csv"
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    verdict = Verdicts("", str(path)).of("k", "Zoë.jpg", 1, 1)
    assert verdict.removed.sum() == 1
    assert verdict.residual.min() == 0.5


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_videos_are_sampled(tmp_path, folder, monkeypatch, suffix):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    writer = cv2.VideoWriter(str(folder / f"walk.{suffix}"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (160, 240))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write videos")
    for k in range(25):
        writer.write(np.full((240, 160, 3), 10 * k, np.uint8))
    writer.release()
    names = [f"walk.{suffix}@{k}" for k in (0, 10, 20)]
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", *names))))
    assert [r["stem"] for r in rows] == ["walk-f000000", "walk-f000010", "walk-f000020"]
    assert not refused
    assert all(read_rgb(r["image"]).shape == (240, 160, 3) for r in rows)
    broken = folder / f"cut.{suffix}"
    broken.write_bytes((folder / f"walk.{suffix}").read_bytes()[:300])
    _, refused = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", *names))))
    assert "cannot be opened" in refused["custom/clinic/cut"]
    faster, _ = split(SOURCE.read(config(tmp_path, keypoints=str(tmp_path / "d.json"), video_fps=2.0, video_frames=2)))
    assert [r["stem"] for r in faster] == ["walk-f000000"]  # of frames 0 and 5 the file knows one


def test_hashed_names_tell_nothing(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
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
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
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
    (tmp_path / "out" / "review.csv").write_text("key,keep,removed\ncustom/clinic/b/1,yes,none\n")
    rows, _ = split(SOURCE.read(settings))
    assert not rows[2]["present_removed"].any()  # said to be whole, whatever person.csv says


def test_a_limb_that_seems_absent_is_proposed_until_the_user_takes_it_back(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    foot = Proposal(REGION_NAMES.index("left_foot"), 0.83)
    monkeypatch.setattr("a3dgen.sources.photos.detect.propose", lambda rgb, person: [foot])
    Image.fromarray(picture()).save(folder / "a.png")
    settings = config(tmp_path, keypoints=detections(tmp_path / "d.json", "a.png"), propose=True)
    (row,), _ = split(SOURCE.read(settings))
    assert np.flatnonzero(row["present_removed"]).tolist() == [foot.region]
    assert read_table(tmp_path / "out" / "ingest" / "photos" / "names.csv")[0]["proposed"] == "1 left_foot 83 %"
    said = "key,keep,removed,proposed\ncustom/clinic/a/1,yes,{},left_foot 83 %\n"
    for removed, lacking in (("left_foot", {"left_foot"}), ("left_knee", {"left_knee"}), ("none", set()), ("", set())):
        (tmp_path / "out" / "review.csv").write_text(said.format(removed))
        (row,), _ = split(SOURCE.read(settings))
        assert {REGION_NAMES[k] for k in np.flatnonzero(row["present_removed"])} == lacking
    (row,), _ = split(SOURCE.read(replace(settings, propose=False, review="")))
    assert not row["present_removed"].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,keep\nx,no\n", "must name the columns"),
        ("key,keep\nx,perhaps\n", "write yes or no"),
        ("key,removed\nx,left_tail\n", "unknown amputation region"),
        ("key,removed,residual\nx,left_knee,2\n", "number from 0.2 .* to 1"),
        ("key,removed,residual\nx,left_knee,0\n", "number from 0.2 .* to 1"),
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


def test_finished_detections_count_the_pixels_of_the_file_not_of_the_scaled_copy(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    Image.fromarray(picture(900, 600)).save(folder / "a.png")
    rows, _ = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", "a.png"), max_side=300)))
    places = np.array(COCO17)[:, :2]
    np.testing.assert_allclose(rows[0]["keypoints"][list(COCO_ROWS), :2], (places + 0.5) / 3 - 0.5, atol=2e-3)
    assert rows[0]["bbox"][2] < 120 / 3 + 10


WIDE = [[200 + 5 * k, 20 + 10 * (k % 5), 0.9] for k in range(17)]
"""On a picture of 300x200 px, but not on one of 200x300."""


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("labels", ["stored", "shown"])
def test_finished_detections_follow_the_pixels_they_are_in(tmp_path, folder, monkeypatch, orientation, labels):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(300, 200)).save(folder / "a.jpg", exif=exif)
    shown = upright_points(np.array(WIDE)[:, :2], orientation, (300, 200))
    given = WIDE if labels == "stored" else [[x, y, 0.9] for x, y in shown]
    rows, _ = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", "a.jpg", points=given))))
    np.testing.assert_allclose(rows[0]["keypoints"][list(COCO_ROWS), :2], shown, atol=2e-3)


@pytest.mark.parametrize(("setting", "said"), [("auto", True), ("shown", False), ("stored", False)])
def test_upside_down_photos_are_a_setting_and_a_remark(tmp_path, folder, monkeypatch, caplog, setting, said):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(picture(300, 200)).save(folder / "a.jpg", exif=exif)
    given = detections(tmp_path / "d.json", "a.jpg", points=WIDE)
    rows, _ = split(SOURCE.read(config(tmp_path, keypoints=given, exif=setting)))
    places = np.array(WIDE)[:, :2]
    wanted = upright_points(places, 3, (300, 200)) if setting == "stored" else places
    np.testing.assert_allclose(rows[0]["keypoints"][list(COCO_ROWS), :2], wanted, atol=2e-3)
    assert ("sources.photos.exif" in caplog.text) == said


def test_detections_that_fit_two_photos_are_given_to_none(tmp_path, folder, monkeypatch):
    """Cameras start again at IMG_1: which of two photos is meant must be said."""
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    (folder / "day 2").mkdir()
    for seed, name in enumerate(("day 1/x.png", "day 2/x.png", "day 2/y.png")):
        Image.fromarray(picture(seed=seed)).save(folder / name)
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=detections(tmp_path / "d.json", "x.png", "y.png"))))
    assert [row["stem"] for row in rows] == ["day_2_y"]
    assert sorted(refused) == ["custom/clinic/day_1_x", "custom/clinic/day_2_x"]
    assert all("several photos fit 'x.png'" in reason for reason in refused.values())
    Image.fromarray(picture(seed=9)).save(folder / "x.png")
    named = detections(tmp_path / "d.json", "x.png", "day 2/x.png")
    rows, refused = split(SOURCE.read(config(tmp_path, keypoints=named)))
    assert sorted(row["stem"] for row in rows) == ["day_2_x", "x"]
    assert "several photos fit" in refused["custom/clinic/day_1_x"]
