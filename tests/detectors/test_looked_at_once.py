"""People whom several windows of a picture show are looked at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.detectors import blazepose, mediapipe, ssd
from a3dgen.geometry.boxes import Square

PICTURE = np.zeros((200, 300, 3), np.uint8)


@pytest.fixture
def looks(monkeypatch) -> list[Square]:
    """The squares looked at in a picture whose detector finds one person: hips at (150, 120), head at (150, 60)."""
    found: list[Square] = []
    points = np.array([[150, 120], [150, 60], [0, 0], [0, 0]]) / (300, 200)

    def decode(*_: object) -> list[ssd.Detection]:
        return [ssd.Detection(np.zeros(4), points, 0.9)]

    def closely(rgb: np.ndarray, square: Square) -> blazepose.Pose:
        found.append(square)
        return blazepose.Pose(np.zeros((33, 3)), np.zeros(rgb.shape[:2], np.float32), square)

    monkeypatch.setattr(ssd, "decode", decode)
    monkeypatch.setattr(blazepose, "look_closely", closely)
    monkeypatch.setattr(blazepose, "_networks", lambda: [lambda _: (np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))] * 2)
    return found


def test_who_was_looked_at_is_passed_by(looks: list[Square]) -> None:
    assert blazepose.find_pose(PICTURE) is not None
    (square,) = looks
    near = replace(square, centre=(square.centre[0] + 0.05 * square.size, square.centre[1]), size=1.1 * square.size)
    assert blazepose.find_pose(PICTURE, [square]) is None
    assert blazepose.find_pose(PICTURE, [near]) is None
    assert looks == [square]


@pytest.mark.parametrize("change", [{"centre": (100.0, 120.0)}, {"size": 90.0}])
def test_others_are_looked_at(looks: list[Square], change: dict) -> None:
    square = blazepose.find_pose(PICTURE).square
    assert blazepose.find_pose(PICTURE, [replace(square, **change)]) is not None


def test_squares_are_those_of_the_picture_not_of_the_window(looks: list[Square]) -> None:
    hit = mediapipe.look(PICTURE, (0, 0, 300, 200))
    assert hit is not None
    there = replace(hit.square, centre=(hit.square.centre[0] + 20, hit.square.centre[1] + 10))
    inner = (20, 10, 300, 200)  # the detector's person lies so much further in the picture now
    points = np.array([[150, 120], [150, 60], [0, 0], [0, 0]]) / (280, 190)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssd, "decode", lambda *_: [ssd.Detection(np.zeros(4), points, 0.9)])
        assert mediapipe.look(PICTURE, inner, [there]) is None
        assert mediapipe.look(PICTURE, inner, [replace(there, centre=(there.centre[0] - 60, 130.0))]) is not None
