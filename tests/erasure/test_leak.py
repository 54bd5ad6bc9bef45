"""The classifier that looks for a leak in the filled background: it finds one put in on purpose, and no limb."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import erase_leak as leak

PEOPLE = [f"person {i}" for i in range(20)]
HOLE, LIMB = np.zeros((96, 96), bool), np.zeros((96, 96), bool)
HOLE[20:76, 30:66], LIMB[26:70, 36:60] = True, True
"""A limb and the hole 6 px around it."""


def pictures(change) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return descriptions of 20 people's pictures and of the same ones after ``change``, which may draw a limb."""
    where = leak.visible_background(HOLE, LIMB)
    first, second = [], []
    for i in range(len(PEOPLE)):
        rng = np.random.default_rng(i)
        rgb = np.clip(rng.uniform(60, 180) + rng.normal(0, rng.uniform(4, 8), (96, 96, 3)), 0, 255).astype(np.uint8)
        other = change(rgb.copy(), rng)
        for out, picture in ((first, rgb), (second, other)):
            out.append(leak.describe(leak.covered(picture, LIMB, rgb), *where))
    return first, second


def with_limb(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rgb[LIMB] = rng.integers(0, 255, (int(LIMB.sum()), 3))
    return rgb


def test_the_ring_of_a_narrow_hole_is_enough_to_look_at() -> None:
    hole, rim = leak.visible_background(HOLE, LIMB)
    assert leak.LEAST < hole.sum() < 0.3 * HOLE.sum()
    assert rim.sum() > leak.LEAST


def test_the_limb_is_not_seen() -> None:
    first, second = pictures(with_limb)
    assert leak.auc(first, second, PEOPLE) == pytest.approx(0.5)
    assert leak.choice(first, second, PEOPLE) == pytest.approx(0.5)


def test_a_leak_put_in_on_purpose_is_found() -> None:
    first, second = pictures(lambda rgb, rng: leak.softened(with_limb(rgb, rng), HOLE))
    assert leak.auc(first, second, PEOPLE) > 0.8
    assert leak.choice(first, second, PEOPLE) > 0.9
