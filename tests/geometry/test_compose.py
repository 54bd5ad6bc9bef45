"""Compositing: linear light, edges, black level, grain, occluders."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.compositing.compose import black_level, compose, noise_sigma, soft_edge
from a3dgen.lighting.light import to_linear
from a3dgen.lighting.shadow import Shade
from a3dgen.lighting.srgb import decode_table

NONE = np.zeros(3)


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def plain(value: int = 100, h: int = 40, w: int = 50) -> np.ndarray:
    return np.full((h, w, 3), value, np.uint8)


def square(level: float, alpha: float = 1.0) -> np.ndarray:
    rgba = np.zeros((40, 50, 4), np.float32)
    rgba[10:30, 10:40] = [level * alpha] * 3 + [alpha]
    return rgba


def lit(blocked: float) -> Shade:
    return Shade(np.full((40, 50), blocked, np.float32), np.zeros((40, 50), np.float32), np.ones(3, np.float32))


def test_untouched_pixels_keep_their_bytes() -> None:
    plate = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    out = compose(plate, square(0.5), lit(0.0), np.full(3, 0.01), np.full(3, 4.0), rng())
    outside = np.ones((40, 50), bool)
    outside[10:30, 10:40] = False
    assert np.array_equal(out[outside], plate[outside])


def test_opaque_pixels_take_the_persons_colour_and_edges_mix_in_linear_light() -> None:
    out = compose(plain(0), square(float(decode_table()[180])), None, NONE, NONE, rng())
    assert np.abs(out[15, 20].astype(int) - 180).max() <= 1
    half = compose(plain(255), square(0.0, 0.5), None, NONE, NONE, rng())
    assert np.abs(half[15, 20].astype(int) - 188).max() <= 1  # half the light, not half the grey value


def test_a_shadow_darkens_the_plate_but_not_the_person() -> None:
    out = compose(plain(200), square(0.3), lit(0.5), NONE, NONE, rng())
    assert to_linear(out[0, 0]) == pytest.approx(decode_table()[200] / 2, abs=0.01)
    assert np.array_equal(out[15, 20], compose(plain(200), square(0.3), None, NONE, NONE, rng())[15, 20])


def test_blacks_rise_to_the_photos() -> None:
    plate = np.random.default_rng(0).integers(15, 255, (200, 200, 3)).astype(np.uint8)
    black = black_level(plate)
    assert black == pytest.approx(float(decode_table()[16]), abs=0.001)
    out = compose(plain(), square(0.0), None, black, NONE, rng())
    assert 14 <= out[15, 20, 0] <= 17
    assert (black_level(plain(90)) <= decode_table()[22]).all()


@pytest.mark.parametrize("sigma", [0.0, 2.0, 6.0])
def test_grain_is_measured_and_matched(sigma: float) -> None:
    y, x = np.mgrid[:300, :300]
    clean = 110 + 40 * np.sin(x / 60) + 20 * np.cos(y / 50)
    noisy = np.clip(clean[..., None] + np.random.default_rng(0).normal(0, sigma, (300, 300, 3)) + 0.5, 0, 255)
    found = noise_sigma(noisy.astype(np.uint8))
    assert found == pytest.approx(sigma, abs=0.6)
    rgba = np.zeros((300, 300, 4), np.float32)
    rgba[...] = [0.2, 0.2, 0.2, 1]
    flat = compose(plain(100, 300, 300), rgba, None, NONE, found, rng()).astype(float)
    assert flat.std((0, 1)) == pytest.approx(found, abs=0.5)


def test_grain_depends_on_the_generator_only() -> None:
    first, second = (compose(plain(), square(0.3), None, NONE, np.full(3, 5.0), rng()) for _ in range(2))
    assert np.array_equal(first, second)
    other = compose(plain(), square(0.3), None, NONE, np.full(3, 5.0), np.random.default_rng(9))
    assert not np.array_equal(first, other)


def test_occluders_show_the_photo_with_a_soft_edge() -> None:
    photo = plain(250)
    mask = np.zeros((40, 50), bool)
    mask[:, 25:] = True
    front = soft_edge(mask)
    out = compose(plain(100), square(0.0), None, NONE, NONE, rng(), front, photo)
    assert np.array_equal(out[15, 30:], photo[15, 30:])
    assert out[15, 15].max() == 0
    assert 20 < out[15, 24].mean() < 245
