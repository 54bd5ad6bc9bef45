"""Poles that have grown together with what lies behind them."""

from __future__ import annotations

import cv2
import numpy as np

from a3dgen.removal.mask_ops import dilate
from a3dgen.removal.rays import ray_of

HEIGHT = 200.0
HAND = (170, 140)


def _found(gap: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the ray that is found of a pole that ends at a ski, and the pole; ``gap`` px are missing in its middle."""
    person, line, ski = (np.zeros((300, 400), np.uint8) for _ in range(3))
    cv2.rectangle(person, (130, 50), (160, 250), 1, -1)
    cv2.line(line, HAND, (250, 230), 1, 2)
    line[:, 210 : 210 + gap] = 0
    cv2.rectangle(ski, (200, 231), (320, 238), 1, -1)
    shape = (line | ski) > 0
    touch = np.zeros_like(shape)
    touch[135:146, 165:176] = True
    return ray_of(shape, shape & touch, person > 0, shape, HEIGHT, True), line > 0


def test_a_pole_is_told_from_the_ski_it_ends_at() -> None:
    ray, pole = _found()
    assert (dilate(ray, 2.0) & pole).sum() > 0.95 * pole.sum()
    assert not ray[242:].any()
    assert not ray[:, 275:].any()


def test_a_ray_goes_on_over_small_gaps_alone() -> None:
    small, _ = _found(3)
    assert small[:, 230:].any()
    wide, _ = _found(14)
    assert not wide[:, 224:].any()
