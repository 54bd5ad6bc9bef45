"""People drawn brighter, more colourful, greyer or sharper than the photo they stand in are noticed."""

import cv2
import numpy as np
import pytest

from a3dgen.core.errors import ConfigError
from a3dgen.lighting.likeness import LightBars, PhotoLook, read_look, read_tone, unlike

W, H = 240, 200
PERSON = np.zeros((H, W), bool)
PERSON[40:180, 80:150] = True
NEAR = cv2.dilate(PERSON.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0


def picture(seed):
    """Flat coloured shapes, white and grey among them, with sharp edges."""
    rng = np.random.default_rng(seed)
    out = np.full((H, W, 3), 140, np.uint8)
    for i in range(160):
        corners = (rng.uniform((0, 0), (W, H)) + rng.normal(0, 14, (5, 2))).astype(np.int32)
        colour = [235, 90, 40][i % 3] * np.ones(3) if i % 2 else rng.integers(20, 250, 3)
        cv2.fillPoly(out, [cv2.convexHull(corners)], tuple(int(c) for c in colour), cv2.LINE_AA)
    return out


def linear(image, factors):
    return np.rint(255 * np.clip((image / 255) ** 2.2 * factors, 0, 1) ** (1 / 2.2)).astype(np.uint8)


VERSIONS = {
    "as it is": (lambda p: p, ""),
    "five stops darker": (lambda p: linear(p, 1 / 32), "stops brighter"),
    "grey": (lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, 2), "more colourful"),
    "blurred": (lambda p: cv2.GaussianBlur(p, (0, 0), 2.2), "times as sharp"),
    "yellow": (lambda p: linear(p, np.array([1, 0.85, 0.12])), "greyer than anything"),
}


def put(photo, person):
    return np.where(PERSON[..., None], person, photo)


@pytest.mark.parametrize("name", VERSIONS)
def test_a_person_as_in_a_good_photo_stands_out_of_a_worse_one_and_one_as_bad_does_not(name):
    worse, reason = VERSIONS[name]
    look = read_look(worse(picture(1)), PERSON, NEAR)
    found = unlike(put(worse(picture(1)), picture(2)), PERSON, look, LightBars())
    assert (reason in found) if reason else found == ""
    assert unlike(worse(put(picture(1), picture(2))), PERSON, look, LightBars()) == ""


@pytest.mark.parametrize(("name", "reason"), [("five stops darker", "stops darker"), ("blurred", "times as soft")])
def test_a_bad_person_in_a_good_photo_is_noticed(name, reason):
    look = read_look(picture(1), PERSON, NEAR)
    good = put(picture(1), picture(2))
    edge = cv2.dilate(PERSON.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    assert reason in unlike(np.where(edge[..., None], VERSIONS[name][0](good), good), PERSON, look, LightBars())


def test_a_red_jumper_may_stand_in_a_dull_photo():
    dull = (0.6 * VERSIONS["grey"][0](picture(1)) + 0.4 * picture(1)).astype(np.uint8)
    red = np.clip(picture(2) * (1, 0.3, 0.3), 0, 255).astype(np.uint8)
    assert unlike(put(dull, red), PERSON, read_look(dull, PERSON, NEAR), LightBars()) == ""


def test_nothing_to_read_says_nothing():
    assert read_tone(picture(1), ~np.ones((H, W), bool)) is None
    assert unlike(picture(1), PERSON, PhotoLook(), LightBars()) == ""
    black = np.zeros((H, W, 3), np.uint8)
    assert unlike(black, PERSON, read_look(black, PERSON, NEAR), LightBars()) == ""


def test_bars_are_not_negative():
    with pytest.raises(ConfigError, match=r"render\.light\.darker is -1"):
        LightBars(darker=-1.0)
