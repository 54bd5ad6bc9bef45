"""Where a filling does not go on as the photo beside it does."""

from __future__ import annotations

import numpy as np

from a3dgen.removal.broken import broken_off

H, W, HEIGHT = 200, 260, 120.0
NONE = np.zeros((H, W), bool)
HOLE = NONE.copy()
HOLE[40:160, 110:150] = True


def _photo() -> np.ndarray:
    """Return a wall above a floor, with a rail across."""
    rgb = np.full((H, W, 3), (150, 160, 170), np.float32)
    rgb[130:] = (110, 90, 70)
    rgb[80:88] = (230, 200, 40)
    rgb += np.random.default_rng(0).normal(0, 3, (H, W, 1))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _share(plate: np.ndarray, stay: np.ndarray = NONE) -> float:
    return float(broken_off(plate, HOLE, stay, HEIGHT).sum()) / HEIGHT**2


def test_what_goes_on_is_whole_and_a_rail_that_ends_is_not() -> None:
    photo = _photo()
    assert _share(photo) == 0
    cut = photo.copy()
    cut[78:90, 110:150] = photo[60:72, 110:150]
    found = broken_off(cut, HOLE, NONE, HEIGHT)
    assert found[84, 110:113].all()
    assert found[84, 147:150].all()
    assert not found[100:].any()
    assert not found[:70].any()
    assert 0.002 < _share(cut) < 0.02


def test_a_scrap_that_is_left_beside_the_hole_is_found() -> None:
    left = _photo()
    left[50:64, 102:110] = (60, 40, 30)  # hair that the hole does not hold
    assert broken_off(left, HOLE, NONE, HEIGHT)[56, 110]
    assert _share(left) > 0.002


def test_edges_of_who_stays_are_real_and_steps_of_clutter_usual() -> None:
    beside = _photo()
    stay = NONE.copy()
    stay[40:160, 80:110] = True
    beside[stay] = (200, 30, 30)
    assert _share(beside) > 0.01
    assert _share(beside, stay) == 0
    rng = np.random.default_rng(1)
    clutter = np.repeat(np.repeat(rng.integers(0, 255, (H // 4, W // 4, 3)), 4, 0), 4, 1).astype(np.uint8)
    calm = np.full_like(clutter, 120)
    calm[HOLE] = clutter[HOLE]
    assert _share(clutter) < 0.3 * _share(calm)


def test_nothing_is_asked_where_nothing_was_filled() -> None:
    assert not broken_off(_photo(), NONE, NONE, HEIGHT).any()
    assert not broken_off(_photo(), ~NONE, NONE, HEIGHT).any()
