"""Skin keeps its place on the Monk scale under any light, and the darkest stays legible."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a3dgen.appearance.texture.colour import monk_albedo
from a3dgen.lighting.srgb import to_srgb
from a3dgen.renderers import Item, flat_light, get_renderer

K = np.array([[100.0, 0, 8], [0, 100.0, 8], [0, 0, 1]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
CORNERS = np.array([[-1, 1, 2], [1, 1, 2], [1, -1, 2], [-1, -1, 2]], np.float32)


def lit(tone: int, level: float) -> float:
    """L* of a patch of skin that faces the camera under an even light."""
    texture = np.full((4, 4, 4), 128, np.uint8)
    texture[..., :3] = to_srgb(monk_albedo(tone))
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    item = Item(CORNERS, FACES, uv, FACES.copy(), np.full(2, 16, np.uint8), texture, "skin")
    rgba = get_renderer("cpu").render([item], K, 17, 17, flat_light(level), None, 1).rgba
    return float(cv2.cvtColor(to_srgb(rgba[8:9, 8:9, :3]).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0, 0])


@pytest.mark.parametrize("level", [0.35, 0.7, 1.1])
def test_tones_stay_ordered_and_apart(level: float) -> None:
    lightness = [lit(tone, level) for tone in range(1, 11)]
    steps = -np.diff(lightness)
    assert (steps[2:] > 1.2).all()  # from tone 3 on; the scale itself has 3 a little lighter than 2
    assert abs(steps[:2]).max() < 4


def test_the_darkest_skin_is_legible_in_good_light() -> None:
    assert lit(10, 1.0) > 24  # L* of the darkest skin measured in vivo is about 28
    assert lit(1, 1.0) < 97
