"""Annotated photos that are cut short, in every source: decoded as far as they go, or refused with the true reason."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from h36m_trees import HEIGHT, WIDTH, write_cameras_json, write_npz
from PIL import Image
from raw_trees import COCO_POINTS, coco_file, coco_person, split_found

from a3dgen.geometry.camera import default_K
from a3dgen.geometry.skeleton import COCO_ROWS, MPII_ROWS
from a3dgen.io import rle
from a3dgen.io.images import LARGEST, read_rgb
from a3dgen.io.partial_pictures import decodable, read_photo
from a3dgen.io.truncation import Truncated
from a3dgen.sources import coco, h36m, mpii

SIZE = (WIDTH, HEIGHT)
ORIENTATION = 0x0112


def picture(path: Path, orientation: int = 1, **options: Any) -> np.ndarray:
    """Write a photo with something to see in every row, and return its upright pixels."""
    small = np.random.default_rng(5).integers(0, 255, (20, 20, 3), np.uint8)
    stored = SIZE if orientation < 5 else SIZE[::-1]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize(stored).save(path, exif=exif, **options)
    return read_rgb(path)


def cut(path: Path, rows: int) -> None:
    """Cut the file so that at least ``rows`` stored rows of it can be decoded, and about 30 are lost."""
    data = path.read_bytes()
    for share in np.arange(0.4, 1.0, 0.01):
        path.write_bytes(data[: int(len(data) * share)])
        try:
            found = decodable(path)
        except Exception:  # too little is left
            continue
        if min(found.size) >= rows and found.lost:
            return
    raise AssertionError("no cut leaves so much")


def coco_found(root: Path, low: bool = False, suffix: str = "jpg") -> tuple[dict, dict]:
    """One person in the upper half of the picture, or one to its lower end; the picture is 7."""
    points = [(x, y + (155 if low else 25)) for x, y in COCO_POINTS]
    xs, ys = zip(*points, strict=True)
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    person = coco_person(
        1, 7, keypoints=[v for x, y in points for v in (x, y, 2)], bbox=[left, top, right - left, bottom - top],
        segmentation=[[left, top, right, top, right, bottom, left, bottom]],
    )  # fmt: skip
    name = f"{7:012d}.{suffix}"
    images = [{"id": 7, "file_name": name, "width": WIDTH, "height": HEIGHT, "license": 1}]
    coco_file(root / "annotations" / "person_keypoints_val2017.json", [7], [person], images=images)
    return split_found(coco.read(coco.Config(root=str(root))))


def mpii_found(root: Path, low: bool = False, suffix: str = "jpg") -> tuple[dict, dict]:
    joints = [[20 + 5 * i + 1, (160 if low else 30) + 2 * i + 1] for i in range(16)]
    record = {"image": f"7.{suffix}", "center": [5, 5], "scale": 1.0, "joints": joints, "joints_vis": [1] * 16}
    (root / "annot").mkdir(parents=True, exist_ok=True)
    (root / "annot" / "valid.json").write_text(json.dumps([record]))
    return split_found(mpii.read(mpii.Config(root=str(root))))


PICTURES = {"coco": "val2017/000000000007", "mpii": "images/7"}
FOUND = {"coco": coco_found, "mpii": mpii_found}
ROWS = {"coco": COCO_ROWS, "mpii": MPII_ROWS}


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kind", ["coco", "mpii"])
def test_a_person_wholly_in_what_can_be_decoded_is_read(tmp_path, kind, suffix, caplog):
    path = tmp_path / f"{PICTURES[kind]}.{suffix}"
    whole = picture(path)
    (before,), _ = (list(found.values()) for found in FOUND[kind](tmp_path, suffix=suffix))
    cut(path, 120)
    with caplog.at_level(logging.WARNING):
        rows, refused = FOUND[kind](tmp_path, suffix=suffix)
    assert not refused
    (row,) = rows.values()
    width, height = row["image_size"]
    assert width == WIDTH
    assert 120 <= height < HEIGHT
    np.testing.assert_array_equal(read_photo(row["image"]), whole[:height])
    np.testing.assert_array_equal(row["keypoints"], before["keypoints"])
    np.testing.assert_array_equal(row["K"], default_K(*SIZE))
    (said,) = [r.getMessage() for r in caplog.records if "cut short" in r.getMessage()]
    assert f"{path.name}: cut short: {height} of {HEIGHT} rows can be read, the bottom is missing" in said
    if kind == "coco":
        np.testing.assert_array_equal(rle.from_json(row["mask"]), rle.from_json(before["mask"])[:height])


@pytest.mark.parametrize("kind", ["coco", "mpii"])
def test_a_person_who_reaches_the_cut_is_refused_with_that_reason(tmp_path, kind):
    path = tmp_path / f"{PICTURES[kind]}.jpg"
    picture(path)
    assert len(FOUND[kind](tmp_path, low=True)[0]) == 1
    cut(path, 120)
    rows, refused = FOUND[kind](tmp_path, low=True)
    assert not rows
    assert list(refused.values()) == ["the photo is cut short at the bottom, and the person reaches to there"]


@pytest.mark.parametrize(("orientation", "side"), [(3, "top"), (6, "left"), (8, "right")])
@pytest.mark.parametrize("kind", ["coco", "mpii"])
def test_labels_move_with_the_first_pixel_that_is_left(tmp_path, kind, orientation, side, caplog):
    path = tmp_path / f"{PICTURES[kind]}.jpg"
    whole = picture(path, orientation)
    low = side == "top"
    (before,), _ = (list(found.values()) for found in FOUND[kind](tmp_path, low))
    cut(path, 150)
    caplog.clear()
    rows, refused = FOUND[kind](tmp_path, low)
    if side == "left":  # where these people stand
        assert not rows
        assert "cut short at the left" in next(iter(refused.values()))
        return
    (row,) = rows.values()
    left = read_photo(row["image"])
    assert row["image_size"] == left.shape[1::-1]
    assert any(f"the {side} is missing" in r.getMessage() for r in caplog.records)
    moved = row["keypoints"][list(ROWS[kind]), :2] + (np.array(SIZE) - row["image_size"] if low else 0)
    np.testing.assert_array_equal(moved, before["keypoints"][list(ROWS[kind]), :2])
    for (x, y), (u, v) in zip(row["keypoints"][list(ROWS[kind]), :2].astype(int), moved.astype(int), strict=True):
        np.testing.assert_array_equal(left[y, x], whole[v, u])
    np.testing.assert_array_equal(row["K"][:2, 2] - row["keypoints"][ROWS[kind][0], :2],
                                  before["K"][:2, 2] - before["keypoints"][ROWS[kind][0], :2])  # fmt: skip


@pytest.mark.parametrize(("share", "options", "word"), [(0.9999, {}, "without its end marker, but whole"),
                                                        (0.97, {"progressive": True}, "finest details")])  # fmt: skip
@pytest.mark.parametrize("kind", ["coco", "mpii"])
def test_what_is_whole_but_for_its_end_is_whole(tmp_path, kind, share, options, word, caplog):
    path = tmp_path / f"{PICTURES[kind]}.jpg"
    picture(path, quality=95, **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    rows, refused = FOUND[kind](tmp_path, low=True)
    assert not refused
    (row,) = rows.values()
    assert row["image_size"] == SIZE
    assert read_photo(path).shape == (HEIGHT, WIDTH, 3)
    assert any(path.name in r.getMessage() and word in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize("kind", ["coco", "mpii"])
def test_where_nothing_is_left_the_file_is_to_blame(tmp_path, kind):
    path = tmp_path / f"{PICTURES[kind]}.jpg"
    picture(path)
    path.write_bytes(path.read_bytes()[:800])
    rows, refused = FOUND[kind](tmp_path)
    assert not rows
    assert "truncated" in next(iter(refused.values()))
    assert path.name in next(iter(refused.values()))


@pytest.mark.parametrize(("rows_left", "kept"), [(175, True), (125, False), (0, False)])
def test_human36m(tmp_path, rows_left, kept, caplog):
    write_npz(tmp_path, [("S1", "Walking", "54138969", 1)])
    write_cameras_json(tmp_path / "cameras.json")
    (path,) = (tmp_path / "images").rglob("*.jpg")
    whole = picture(path)
    config = h36m.Config(root=str(tmp_path))
    (before,) = split_found(h36m.read(config))[0].values()
    if rows_left:
        cut(path, rows_left)
    else:
        path.write_bytes(path.read_bytes()[:800])
    rows, refused = split_found(h36m.read(config))
    if not kept:
        assert not rows
        assert ("reaches to there" if rows_left else "truncated") in next(iter(refused.values()))
        return
    (row,) = rows.values()
    height = row["image_size"][1]
    assert rows_left <= height < HEIGHT
    np.testing.assert_array_equal(read_photo(path), whole[:height])
    np.testing.assert_array_equal(row["keypoints"], before["keypoints"])
    np.testing.assert_array_equal(row["K"], before["K"])
    assert any(path.name in r.getMessage() for r in caplog.records)


def test_a_huge_photo_that_is_cut_short_is_not_decoded_over_and_over(tmp_path, monkeypatch):
    picture(tmp_path / "x.jpg")
    cut(tmp_path / "x.jpg", 120)
    assert decodable(tmp_path / "x.jpg", LARGEST).lost == "bottom"
    monkeypatch.setattr("a3dgen.io.partial_pictures.MAX_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(Truncated):
        decodable(tmp_path / "x.jpg", LARGEST)
