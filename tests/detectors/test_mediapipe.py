"""The default detector on a real frame and on nothing."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.geometry.skeleton import ROW
from a3dgen.io.images import read_rgb

pytest.importorskip("mediapipe")


@pytest.mark.samples
def test_a_skier_is_found_once_with_a_mask(samples):
    rgb = read_rgb(samples / "coco" / "val2017" / "000000000785.jpg")[20:, 200:540]
    people = get_detector(DetectorConfig()).detect(rgb)
    assert len(people) == 1
    person = people[0]
    assert person.mask is not None
    x, y = person.keypoints[ROW["extra_left_hip"], :2]
    assert person.mask[int(y), int(x)]
    assert 0.02 < person.mask.mean() < 0.5
    assert person.keypoints[ROW["extra_left_ankle"], 1] > person.keypoints[ROW["extra_left_hip"], 1]
    assert person.keypoints[ROW["body_left_heel"], 2] > 0


def test_nobody_is_found_in_noise():
    rgb = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    assert get_detector(DetectorConfig()).detect(rgb) == []
