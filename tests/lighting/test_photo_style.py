"""What is drawn into a photo has its tones, its sharpness and its exposure."""

import cv2
import numpy as np
import pytest

from a3dgen.lighting.light import mean_surroundings, read_surroundings, to_linear
from a3dgen.lighting.photo_style import PhotoStyle, edge_spread, monochrome_tones, read_style

W, H = 320, 240
EVERYWHERE = np.ones((H, W), bool)
SEPIA = np.array([1.07, 0.95, 0.75])


def scene(seed=0, count=60):
    """A photo of flat coloured shapes with sharp edges."""
    rng = np.random.default_rng(seed)
    out = np.full((H, W, 3), 128, np.uint8)
    for _ in range(count):
        corners = (rng.uniform((0, 0), (W, H)) + rng.normal(0, 25, (5, 2))).astype(np.int32)
        cv2.fillPoly(out, [cv2.convexHull(corners)], tuple(int(c) for c in rng.integers(0, 256, 3)), cv2.LINE_AA)
    return out


def grey(photo):
    return np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


def sepia(photo):
    return np.clip(grey(photo) * SEPIA + (5, 2, 0), 0, 255).astype(np.uint8)


def as_jpeg(photo, quality):
    return cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def steps(linear):
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize(("toned", "make"), [(True, grey), (True, sepia), (False, lambda p: p)])
def test_photos_without_colours_are_told_from_others(toned, make, quality):
    assert (monochrome_tones(as_jpeg(make(scene()), quality)) is not None) == toned


def test_a_small_person_in_a_grey_room_has_colours():
    room = grey(scene())
    room[100:116, 100:120] = (190, 130, 105)
    assert monochrome_tones(as_jpeg(room, 80)) is None


def test_a_dark_photo_with_colours_has_colours():
    assert monochrome_tones((scene() / 4).astype(np.uint8)) is None


@pytest.mark.parametrize("make", [grey, sepia])
def test_a_person_in_a_toned_photo_has_its_tones(make):
    style = PhotoStyle(monochrome_tones(make(scene())))
    rng = np.random.default_rng(1)
    alpha = rng.uniform(0.2, 1, (20, 20, 1)).astype(np.float32)
    colours = rng.uniform(0.02, 0.7, (20, 20, 3)).astype(np.float32)
    tinted = style.tint(np.concatenate([colours * alpha, alpha], -1))
    assert np.array_equal(tinted[..., 3:], alpha)
    shown = steps(tinted[..., :3] / alpha)
    level = steps(colours @ np.float32([0.2126, 0.7152, 0.0722]))
    if make is grey:
        assert np.abs(shown - level[..., None]).max() < 1.5
    else:
        assert (shown[..., 0] - shown[..., 2] > 0.2 * level).all()
    seen = steps(tinted[..., :3] / alpha @ np.float32([0.2126, 0.7152, 0.0722]))
    assert np.abs(seen - level).max() < 5


def test_colours_stay_in_a_photo_with_colours():
    rgba = np.random.default_rng(0).random((8, 8, 4)).astype(np.float32)
    assert PhotoStyle().tint(rgba) is rgba
    assert PhotoStyle().soften(rgba) is rgba


def test_the_spread_of_edges_grows_with_blur():
    assert edge_spread(scene(), EVERYWHERE) < 0.6
    found = [edge_spread(cv2.GaussianBlur(scene(), (0, 0), s), EVERYWHERE) for s in (1.0, 2.0, 3.0)]
    assert np.allclose(found, (1, 2, 3), rtol=0.4)


def test_a_person_becomes_as_soft_as_the_photo_and_not_softer():
    assert read_style(scene(), edge_spread(scene(), EVERYWHERE)).blur == 0
    soft = cv2.GaussianBlur(scene(), (0, 0), 2.0)
    person = np.concatenate([scene(3).astype(np.float32), np.full((H, W, 1), 255, np.float32)], -1)
    drawn = read_style(soft, edge_spread(soft, EVERYWHERE)).soften(person)[..., :3].astype(np.uint8)
    assert edge_spread(drawn, EVERYWHERE) == pytest.approx(edge_spread(soft, EVERYWHERE), rel=0.25)


def test_sharpness_is_read_where_the_person_is():
    photo = scene()
    photo[:, : W // 2] = cv2.GaussianBlur(photo, (0, 0), 3.0)[:, : W // 2]
    left = EVERYWHERE.copy()
    left[:, W // 2 - 12 :] = False
    assert edge_spread(photo, left) > 3 * edge_spread(photo, ~left)


def test_a_photo_without_edges_says_nothing():
    flat = np.full((H, W, 3), 90, np.uint8)
    assert edge_spread(flat, EVERYWHERE) is None
    assert edge_spread(scene(), ~EVERYWHERE) is None
    assert read_style(flat, None) == PhotoStyle()


def underexposed(plate, stops):
    return np.rint(255 * ((plate / 255) ** 2.2 / 2**stops) ** (1 / 2.2)).astype(np.uint8)


def test_frames_of_a_clip_have_the_mean_of_their_light():
    aside = [read_surroundings(scene(), shading=np.array([x, -0.2, -0.3])) for x in (-0.4, 0.1, 0.3)]
    one = mean_surroundings(aside)
    assert np.linalg.norm(one.key_dir) == pytest.approx(1)
    assert one.key_dir @ np.sum([s.key_dir for s in aside], axis=0) == pytest.approx(
        np.linalg.norm(np.sum([s.key_dir for s in aside], axis=0))
    )
    assert one.white == sorted(s.white for s in aside)[1]
    assert mean_surroundings(aside[:1]).light().key_dir.tolist() == aside[0].light().key_dir.tolist()


def test_light_follows_an_underexposed_photo():
    usual = read_surroundings(scene(), brightness=0.42).white
    for stops in (3, 5):
        dark = read_surroundings(underexposed(scene(), stops), brightness=0.42 / 2**stops).white
        assert dark * 2**stops == pytest.approx(usual, rel=0.55)


def test_a_bright_person_in_a_dark_place_and_a_dark_one_in_a_bright_place_keep_their_light():
    dark_place = read_surroundings(underexposed(scene(), 5), brightness=0.42).white
    dark_clothes = read_surroundings(scene(), brightness=0.02).white
    assert min(dark_place, dark_clothes) >= 0.42


def test_a_bright_sky_does_not_light_a_dim_person_before_a_dark_field() -> None:
    """The plate's mean is the same; who was dim in front of a dark field stays so."""
    even, dusk = np.full((48, 64, 3), 200, np.uint8), np.full((48, 64, 3), 143, np.uint8)
    dusk[:20] = 255
    assert abs(to_linear(even).mean() / to_linear(dusk).mean() - 1) < 0.1
    whites = {dim: [read_surroundings(p, brightness=dim).white for p in (even, dusk)] for dim in (0.1, 0.5)}
    assert whites[0.1][1] < 0.75 * whites[0.1][0]
    assert whites[0.5][1] > 0.85 * whites[0.5][0]  # a bright person was lit by the sky
