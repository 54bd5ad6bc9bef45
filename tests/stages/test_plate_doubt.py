"""What of a hole is background after all, and where its filling cannot be trusted."""

from __future__ import annotations

import cv2
import numpy as np

from a3dgen.inpainters import NoSource, get_inpainter
from a3dgen.removal.doubt import doubtful
from a3dgen.removal.mask_ops import dilate
from a3dgen.removal.rim import background_in
from a3dgen.removal.texture import lab, statistics, unlike

H, W = 180, 240
NONE = np.zeros((H, W), bool)
HEIGHT = 110.0


def _person() -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[40:150, 105:135] = True
    return out


def _photo(wall: np.ndarray) -> np.ndarray:
    rgb = np.broadcast_to(wall, (H, W, 3)) + np.random.default_rng(0).normal(0, 2, (H, W, 1))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _wall_and_floor() -> np.ndarray:
    y = np.mgrid[:H, :W][0]
    return np.where((y < 120)[..., None], (150, 160, 170), (120, 90, 60)).astype(float)


def test_background_beyond_the_outline_stays() -> None:
    rgb, solid = _photo(_wall_and_floor()), _person()
    rgb[solid] = (200, 60, 40)
    rgb[70:78, 135:143] = (205, 64, 42)  # a hand outside the outline, in the person's colour
    rgb[100:110, 135:143] = (30, 200, 30)  # what they hold: of nobody's colour
    hole = dilate(solid, 14.0)
    kept = background_in(rgb, hole, solid, NONE, HEIGHT)
    rim = hole & ~dilate(solid, 4.0)
    assert (kept & rim).sum() > 0.5 * rim.sum()
    assert not kept[70:78, 135:143].any()
    assert not kept[100:110, 135:143].any()
    assert not kept[~hole].any()
    assert not kept[dilate(solid, 2.0)].any(), "edges are mixed"
    rgb[~solid] = (205, 64, 42)  # surroundings in the person's colour: nothing is known
    assert not background_in(rgb, dilate(solid, 8.0), solid, NONE, HEIGHT).any()


def test_other_people_are_no_background() -> None:
    rgb, solid = _photo(_wall_and_floor()), _person()
    other = np.zeros_like(solid)
    other[40:150, 149:200] = True
    rgb[solid], rgb[other] = (200, 60, 40), (40, 60, 160)
    rgb[60:120, 142:149] = (40, 60, 160)  # more of them than their mask holds
    kept = background_in(rgb, dilate(solid, 14.0) & ~other, solid, other, HEIGHT)
    assert kept.any()
    assert not kept[60:120, 142:149].any()


def _doubt(rgb: np.ndarray) -> float:
    """Return how much of a filling is expected to be noticed, share of the height squared."""
    hole = dilate(_person(), 4.0)
    fill = get_inpainter("exemplar")
    plate = fill(np.where(hole[..., None], 0, rgb).astype(np.uint8), hole, NONE, np.random.default_rng(0))
    chance = doubtful(rgb, plate, hole, NONE, HEIGHT, fill, np.random.default_rng(1))
    assert not chance[~hole].any()
    return float(chance.sum()) / 255 / HEIGHT**2


def test_a_wall_and_grass_can_be_filled_and_clutter_cannot() -> None:
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 255, (H // 15, W // 15, 3))
    clutter = np.repeat(np.repeat(blocks, 15, 0), 15, 1).astype(float)
    grass = np.array((70, 120, 50)) + 30 * cv2.GaussianBlur(rng.normal(0, 3, (H, W)), (0, 0), 1.2)[..., None]
    assert _doubt(_photo(_wall_and_floor())) < 0.01
    assert 8 * _doubt(_photo(grass)) < _doubt(_photo(clutter))
    assert _doubt(_photo(clutter)) > 0.05


def test_where_nothing_can_be_copied_all_is_doubt() -> None:
    def fill(*_: object) -> np.ndarray:
        raise NoSource("nothing around")

    rgb, hole = _photo(_wall_and_floor()), _person()
    found = doubtful(rgb, rgb, hole, NONE, HEIGHT, fill, np.random.default_rng(0))
    np.testing.assert_array_equal(found, 255 * hole)


def _unlike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other, hole = lab(first), lab(second), dilate(_person(), 4.0)
    about = statistics(one, ~NONE, HEIGHT), statistics(other, ~NONE, HEIGHT)
    return unlike(one, other, about, hole, HEIGHT)[hole]


def test_a_small_shift_of_what_is_behind_is_not_noticed() -> None:
    """A second filling that has the edge of a wall a little aside is as good; one that has it far aside is not."""

    def noticed(aside: int) -> int:
        x = np.mgrid[:H, :W][1]
        walls = (np.where((x < 120 + d)[..., None], 40, 200).repeat(3, -1).astype(np.uint8) for d in (0, aside))
        return int((_unlike(*walls) > 1).sum())

    assert noticed(0) == noticed(2) == noticed(-2) == 0
    assert min(noticed(9), noticed(-9)) > 200


def test_grass_that_differs_at_every_pixel_looks_the_same_and_smeared_grass_does_not() -> None:
    def grass(seed: int) -> np.ndarray:
        blades = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (H, W)), (0, 0), 1.0)
        return np.clip(np.array((70, 120, 50)) + 60 * blades[..., None], 0, 255).astype(np.uint8)

    first, second = grass(1), grass(2)
    assert np.abs(first[..., 1].astype(int) - second[..., 1]).mean() > 15
    assert (_unlike(first, second) > 1).mean() < 0.02
    assert (_unlike(first, cv2.GaussianBlur(first, (0, 0), 5.0)) > 1).mean() > 0.7


def test_stripes_out_of_step_look_the_same() -> None:
    """No small shift brings them together, but what is around every pixel is alike."""
    x = np.mgrid[:H, :W][1]
    first, second = (
        np.where((((x + step) % 8) < 4)[..., None], 230, 60).repeat(3, -1).astype(np.uint8) for step in (0, 4)
    )
    assert (_unlike(first, second) > 1).mean() < 0.02


def test_a_filling_unlike_anything_around_is_more_in_doubt() -> None:
    wall = _photo(_wall_and_floor())
    hole = dilate(_person(), 4.0)
    odd = wall.copy()
    odd[80:100, 112:128] = (210, 40, 190)

    def chance(plate: np.ndarray) -> float:
        fill = get_inpainter("exemplar", rough=True)
        return float(doubtful(wall, plate, hole, NONE, HEIGHT, fill, np.random.default_rng(1))[85:95, 115:125].mean())

    assert chance(odd) > 5 * chance(wall) + 20
