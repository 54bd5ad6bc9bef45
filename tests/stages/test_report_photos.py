"""The report's part on photos, and the check that plates show nothing of the person removed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import REJECTED, Outcome, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.io import images, rle
from a3dgen.removal.leftover import left_over
from a3dgen.removal.masks import Removal
from a3dgen.report.photos import PhotoFacts, photo_cards, without_samples
from a3dgen.stages import background

SHAPE = (60, 80)


def block(y0, y1, x0, x1):
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def plate(tmp_path, hole, front=None):
    images.write_mask(tmp_path / "hole.png", hole)
    if front is not None:
        images.write_mask(tmp_path / "front.png", front)
    return {"mask": "hole.png", "occluders": "" if front is None else "front.png"}


def person(own, others=()):
    return {
        "mask": rle.to_json(rle.encode(own)) if own is not None else "",
        "others": rle.list_to_json([rle.encode(m) for m in others]),
        "objects": "[]",
        "K": np.array([[100.0, 0, 40], [0, 100, 30], [0, 0, 1]]),
        "dist": np.zeros(5),
    }


def test_pixels_of_the_person_outside_the_hole_are_counted(tmp_path):
    own, hole = block(10, 50, 20, 40), block(8, 52, 18, 42)
    assert left_over(person(own), plate(tmp_path, hole), tmp_path) == 0
    smaller = block(10, 45, 20, 40)
    assert left_over(person(own), plate(tmp_path, smaller), tmp_path) == 5 * 20
    assert left_over(person(None), plate(tmp_path, smaller), tmp_path) == 0


def test_what_stands_in_front_must_be_somebody_elses(tmp_path):
    own, hole, front = block(10, 50, 20, 40), block(8, 52, 18, 42), block(40, 50, 20, 40)
    assert left_over(person(own), plate(tmp_path, hole & ~front, front), tmp_path) == 10 * 20
    assert left_over(person(own, [front]), plate(tmp_path, hole & ~front, front), tmp_path) == 0


@pytest.mark.parametrize("inpainter", ["exemplar", "opencv"])
def test_the_plate_does_not_depend_on_the_person(inpainter):
    """The same plate comes out whatever the pixels in the hole: so nothing of them can be in it."""
    rng = np.random.default_rng(0)
    rgb = np.clip(np.linspace(60, 180, 80)[None, :, None] + rng.normal(0, 6, (*SHAPE, 3)), 0, 255).astype(np.uint8)
    hole, avoid = block(20, 40, 30, 45), block(10, 20, 50, 70)
    other = rgb.copy()
    other[hole] = rng.integers(0, 255, (int(hole.sum()), 3))
    removal = Removal(hole, avoid, np.zeros_like(hole), hole, "test")
    config = background.Config(inpainter=inpainter)
    plates = [background._fill(config, photo, removal, 40.0, np.random.default_rng(1))[0] for photo in (rgb, other)]
    np.testing.assert_array_equal(*plates)


def test_photos_are_shown_with_everybody_found_and_why_they_were_refused(tmp_path):
    work = tmp_path / "ingest" / "photos"
    (work / "facts").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((90, 120, 3), 128, np.uint8)).save(tmp_path / "in" / name)
    points = np.zeros((44, 3))
    points[:10] = (60, 40, 0.9)
    someone = {"box": [10, 10, 80, 80], "keypoints": points.tolist(), "score": 0.7, "mask": None}
    for name, people in (("a", [someone, someone]), ("b", [])):
        shot = {
            "name": f"{name}.png",
            "stem": f"p{name}",
            "size": [120, 90],
            "remark": "",
            "images": [""] * len(people),
        }
        (work / "facts" / f"p{name}-1.json").write_text(json.dumps([shot | {"people": people}]))
    persons = Persons.from_rows([{
        "key": "custom/in/pa/1", "subset": "CUSTOM/in", "stem": "pa", "image": str(tmp_path / "in" / "a.png"),
        "image_size": (120, 90), "bbox": (10, 10, 80, 80), "keypoints": points, "state": np.zeros(44), "K": np.eye(3),
    }])  # fmt: skip
    refused = [("custom/in/pa/2", "5 keypoints labelled, 8 needed"), ("custom/in/pb", "nobody found in the photo"),
               ("custom/in/notes.jpg", "not an image")]  # fmt: skip
    outcome = Outcome.from_rows(
        [{"key": "custom/in/pa/1", "status": "ok"}] + [{"key": k, "status": REJECTED, "reason": r} for k, r in refused]
    )
    fit = Outcome.from_rows([{"key": "custom/in/pa/1", "status": REJECTED, "reason": "the fit is too far off"}])
    settings = {"sources": {"photos": {"kind": "photos", "root": str(tmp_path / "in"), "work": "${out}/ingest/photos"}}}
    context = Context(0, BodyConfig(), tmp_path, tmp_path / "report", settings)
    facts = PhotoFacts()
    facts.add(context, Inputs(persons, outcomes={"ingest": outcome, "fit": fit}))
    cards, count = photo_cards(context, facts, None, 10)
    assert count == 3
    assert [(c.name, c.remark, len(c.panels)) for c in cards] == [
        ("a.png", "", 1), ("b.png", "nobody found", 1), ("notes.jpg", "not an image", 0)
    ]  # fmt: skip
    assert [(p.number, p.status, p.why) for p in cards[0].people] == [
        (1, REJECTED, "fit: the fit is too far off"),
        (2, REJECTED, "ingest: 5 keypoints labelled, 8 needed"),
    ]
    assert len(photo_cards(context, facts, None, 1)[0]) == 1
    assert photo_cards(context, PhotoFacts(), None, 10) == ([], 0)


def test_people_without_any_sample_are_named():
    keys = ("custom/a/p1/1/amp_1_v0", "custom/a/p1/1/full_v0", "custom/a/p1/2/amp_6_v0", "custom/a/p1/2/full_v0")
    outcome = Outcome(
        np.array(keys), np.array(["ok", REJECTED, REJECTED, REJECTED]), np.array(["", "x", "hidden", "y"])
    )
    assert without_samples(outcome) == {"custom/a/p1/2": "no sample could be made: hidden"}
