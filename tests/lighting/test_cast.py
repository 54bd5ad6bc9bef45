"""The colour of a photo's light: read where nothing is grey, and given to whom is drawn there."""

from __future__ import annotations

import numpy as np

from a3dgen.lighting.cast import read_cast
from a3dgen.lighting.light import LightAdjust, read_surroundings
from a3dgen.lighting.srgb import LUMINANCE, decode, encode

YELLOW = np.array([1.0, 0.85, 0.35])


def _street() -> np.ndarray:
    """Grey road, green trees, a white van, an overcast sky."""
    rgb = np.empty((90, 120, 3))
    rgb[:], rgb[:30], rgb[30:50], rgb[40:60, 80:110] = (120, 120, 122), (205, 206, 208), (60, 110, 50), (235, 235, 235)
    return np.clip(rgb + np.random.default_rng(0).normal(0, 2, (90, 120, 1)), 0, 255).astype(np.uint8)


def _under(photo: np.ndarray, light: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(encode(decode(photo.astype(np.float64)) * light)), 0, 255).astype(np.uint8)


def test_white_light_has_no_colour_and_yellow_light_has_its_own() -> None:
    assert read_cast(_street()) is None
    assert read_cast(np.zeros((40, 50, 3), np.uint8)) is None
    found = read_cast(_under(_street(), YELLOW))
    np.testing.assert_allclose(found, YELLOW / (YELLOW @ LUMINANCE), atol=0.06)
    found = read_cast(_under(_street(), YELLOW / 16))
    np.testing.assert_allclose(found, YELLOW / (YELLOW @ LUMINANCE), atol=0.12)
    lawn = np.zeros((90, 120, 3), np.uint8)
    lawn[:], lawn[30:60, 50:60] = (70, 130, 40), (240, 240, 240)
    assert read_cast(lawn) is None, "somebody in white on a lawn"


def test_a_white_shirt_is_yellow_in_yellow_light() -> None:
    photo = _under(_street(), YELLOW)
    for cast, low, high in ((None, 0.6, 1.0), (read_cast(photo), 0.25, 0.5)):
        light = read_surroundings(photo, cast=cast).light(LightAdjust())
        assert low < light.key_color[2] / light.key_color[0] < high
        assert low < light.sh[0, 2] / light.sh[0, 0] < high
