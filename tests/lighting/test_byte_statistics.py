"""Counting says what sorting says, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.lighting import byte_statistics as stats
from a3dgen.lighting.srgb import LUMINANCE, decode, encode


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(rng.normal((40, 120, 245), (20, 60, 9), (313, 407, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
@pytest.mark.parametrize("q", [0.0, 0.5, 33.0, 50.0, 90.0, 99.0, 100.0])
def test_percentiles_are_those_of_sorted_values(count: int, q: float) -> None:
    values = np.random.default_rng(count).integers(0, 256, (count, 2)).astype(np.uint8)
    found = [stats.percentile(counts, q) for counts in stats.counted(values)]
    assert found == np.percentile(values, q, axis=0).tolist()


def test_medians_are_those_of_sorted_values() -> None:
    for count in (1, 2, 99, 100):
        values = np.random.default_rng(count).integers(0, 2000, count).astype(np.int16)
        assert stats.median_of_integers(values) == np.median(values)


def test_thinned_pixels_are_those_of_a_lattice(picture: np.ndarray) -> None:
    assert (stats.thinned(picture, 10_000) == picture[::3, ::3].reshape(-1, 3)).all()
    assert (stats.thinned(picture[:, 5:90], 10_000) == picture[:, 5:90].reshape(-1, 3)).all()


def test_extremes_over_channels(picture: np.ndarray) -> None:
    assert (stats.brightest(picture) == picture.max(2)).all()
    assert (stats.dimmest(picture) == picture.min(2)).all()


def test_luminance_levels_are_those_of_the_formula() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (200_000, 3)).astype(np.uint8)
    pixels[:256] = np.arange(256)[:, None]
    exact = np.rint(encode(decode(pixels.astype(float)) @ LUMINANCE.astype(np.float32))).clip(0, 255)
    assert (stats.luminance_level(pixels) == exact).all()
