"""The figures that the detector benchmark prints, on detections whose errors are known."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

from a3dgen.detectors import DetectorConfig
from benchmarks import detector
from benchmarks.calibration_fit import Point, fit_table, table_sd

LIMBS = [[40 + 20 * (k % 2), 20 + 9 * k, 2] for k in range(17)]


@pytest.fixture
def labelled(tmp_path):
    """A COCO folder of two photos with a person each, and detections: one 3 px off, one of a stranger."""
    images = [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 220} for i in (1, 2)]
    people = [
        {"id": i, "image_id": i, "category_id": 1, "keypoints": np.ravel(LIMBS).tolist(), "num_keypoints": 17,
         "bbox": [30, 10, 40, 200], "iscrowd": 0, "area": 4000}
        for i in (1, 2)
    ]  # fmt: skip
    for name in ("annotations", "val2017"):
        (tmp_path / name).mkdir()
    for i in (1, 2):
        Image.fromarray(np.zeros((220, 200, 3), np.uint8)).save(tmp_path / "val2017" / f"{i}.png")
    data = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "annotations" / "person_keypoints_val2017.json").write_text(json.dumps(data))
    near = [[x + 3, y, 0.9] for x, y, _ in LIMBS]
    far = [[x + 120, y, 0.9] for x, y, _ in LIMBS]
    found = [
        {"image_id": f"{i}.png", "keypoints": np.ravel(p).tolist(), "score": 0.9} for i, p in ((1, near), (1, far))
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    return tmp_path


def test_people_found_missed_and_unmatched_are_counted(labelled, monkeypatch, capsys):
    arguments = ["--source", f"coco={labelled}", "--keypoints", str(labelled / "found.json"), "--json"]
    monkeypatch.setattr(sys, "argv", ["detector", *arguments])
    detector.main()
    facts = json.loads(capsys.readouterr().out)
    assert (facts["photos"], facts["people"], facts["found"]) == (2, 2, 1)
    assert facts["missed"] == ["coco/val2017/2/2"]
    assert len(facts["unmatched"]) == 1
    assert facts["limbs"]["points"] == 12
    assert facts["limbs"]["pck_0.2_torso"] == 1
    assert facts["limbs"]["mean_error"] == pytest.approx(3 / 200, rel=0.05)
    monkeypatch.setattr(sys, "argv", ["detector", *arguments[:-1]])
    detector.main()
    assert "found 1 of 2 people in 2 photos" in capsys.readouterr().out
    assert not detector.measure(detector.read_people([f"coco={labelled}"]), DetectorConfig(
        "given", keypoints=str(labelled / "found.json"), min_score=0.95)).found  # fmt: skip


def test_a_table_of_honest_confidences_predicts_errors_it_has_not_seen():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 900)
    sd = 0.06 - 0.05 * confidence
    errors = np.hypot(*(rng.normal(0, sd) for _ in range(2)))
    points = [Point(c, e, "knee", 1.0, f"{k % 9}") for k, (c, e) in enumerate(zip(confidence, errors, strict=True))]
    table = fit_table(points)
    assert np.all(np.diff(table["sd"]) <= 0)
    assert np.corrcoef(table_sd(table, points), sd)[0, 1] > 0.9
    check = detector.calibration_check(points, "nobody")
    assert check["photo_left_out"]["spread"] == pytest.approx(1, abs=0.05)
    assert check["photo_left_out"]["nll"] == pytest.approx(check["same_photos"]["nll"], abs=0.02)
    assert check["photo_left_out"]["nll"] < check["default"]["nll"]
