"""Thin things in hands and under feet, and what only looks like them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a3dgen.removal.held_objects import thin_things
from a3dgen.removal.mask_ops import dilate

HEIGHT = 200.0
HAND, FOOT = np.array([[170.0, 140.0]]), np.array([[150.0, 245.0]])
NOBODY = np.zeros((0, 2))


@pytest.fixture
def person() -> np.ndarray:
    out = np.zeros((300, 400), np.uint8)
    cv2.rectangle(out, (130, 50), (160, 250), 1, -1)
    cv2.line(out, (160, 90), (170, 140), 1, 12)
    return out > 0


def _photo(person: np.ndarray, *lines: tuple[tuple[int, int], tuple[int, int], int]) -> np.ndarray:
    rgb = np.full((*person.shape, 3), 190, np.uint8)
    for start, end, width in lines:
        cv2.line(rgb, start, end, (40, 45, 60), width)
    rgb[person] = (200, 30, 30)
    noise = np.random.default_rng(0).normal(0, 3, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def _drawn(person: np.ndarray, start: tuple[int, int], end: tuple[int, int], width: int) -> np.ndarray:
    out = np.zeros(person.shape, np.uint8)
    cv2.line(out, start, end, 1, width)
    return (out > 0) & ~person


def test_a_pole_in_the_hand_is_found_and_nothing_else(person: np.ndarray) -> None:
    pole, none = ((172, 140), (260, 230), 4), np.zeros_like(person)
    found = thin_things(_photo(person, pole), person, none, HAND, NOBODY, HEIGHT)
    drawn = _drawn(person, *pole)
    assert (found & drawn).sum() > 0.9 * drawn.sum()
    assert (found & ~drawn).sum() < drawn.sum()
    assert not found[person].any()
    assert not thin_things(_photo(person), person, none, HAND, FOOT, HEIGHT).any()
    assert not thin_things(_photo(person, pole), person, none, NOBODY, NOBODY, HEIGHT).any()
    assert not thin_things(_photo(person, pole), person, none, np.array([[60.0, 60.0]]), NOBODY, HEIGHT).any()
    assert not thin_things(_photo(person, pole), person, drawn, HAND, NOBODY, HEIGHT).any(), "what must stay stays"


@pytest.mark.parametrize(
    "line",
    [((176, 60), (176, 280), 4), ((60, 140), (350, 140), 4), ((176, 140), (399, 140), 4), ((176, 140), (300, 200), 30)],
    ids=["a post beside the hand", "a rail behind the person", "a rail that leaves the photo", "too wide"],
)
def test_what_is_not_held_stays(person: np.ndarray, line: tuple[tuple[int, int], tuple[int, int], int]) -> None:
    none = np.zeros_like(person)
    assert not thin_things(_photo(person, line), person, none, HAND, NOBODY, HEIGHT).any()


def test_a_ski_goes_on_before_and_behind(person: np.ndarray) -> None:
    ski, none = ((60, 254), (250, 254), 5), np.zeros_like(person)
    found = thin_things(_photo(person, ski), person, none, NOBODY, FOOT, HEIGHT)
    drawn = _drawn(person, *ski)
    assert (found & drawn).sum() > 0.8 * drawn.sum()


def test_a_ski_is_followed_over_the_shoe_to_its_end(person: np.ndarray) -> None:
    front, back, none = ((60, 254), (145, 254), 5), ((185, 254), (215, 254), 5), np.zeros_like(person)
    found = thin_things(_photo(person, front, back), person, none, NOBODY, FOOT, HEIGHT)
    for part in (front, back):
        drawn = _drawn(person, *part)
        assert (found & drawn).sum() > 0.8 * drawn.sum()


def test_a_ski_at_which_a_pole_ends_is_followed_behind_the_shoe(person: np.ndarray) -> None:
    front, pole, back = ((162, 254), (260, 254), 5), ((172, 140), (235, 254), 4), ((70, 254), (112, 254), 5)
    none = np.zeros_like(person)
    found = thin_things(_photo(person, front, pole, back), person, none, HAND, FOOT, HEIGHT)
    for part in (front, back):
        drawn = _drawn(person, *part)
        assert (found & drawn).sum() > 0.7 * drawn.sum()


def test_a_line_on_the_ground_is_no_ski(person: np.ndarray) -> None:
    """It is cut in two by the person, and each part is as long as a ski."""
    parts, none = [((20, 254), (128, 254), 5), ((162, 254), (380, 254), 5)], np.zeros_like(person)
    wide = person.copy()
    wide[249:260, 128:162] = True
    assert not thin_things(_photo(wide, *parts), wide, none, NOBODY, FOOT, HEIGHT).any()


def test_seams_in_line_with_a_ski_stay(person: np.ndarray) -> None:
    """A shadow at the foot looks like a ski; gaps between boards in line with it are not its other end."""
    ski, none = ((70, 254), (128, 254), 5), np.zeros_like(person)
    seams = [((x, 254), (x + 5, 254), 5) for x in range(190, 330, 20)]
    found = thin_things(_photo(person, ski, *seams), person, none, NOBODY, FOOT, HEIGHT)
    assert (found & _drawn(person, *ski)).sum() > 0.8 * _drawn(person, *ski).sum()
    assert not found[:, 185:].any()


def test_a_line_that_leaves_the_picture_is_no_ski(person: np.ndarray) -> None:
    """A skirting board, hidden by the feet in between: shorter than a ski may be, yet no end of it is seen."""
    board = [((240, 254), (299, 254), 5), ((330, 254), (398, 254), 5)]
    moved, none = np.roll(person, 170, 1), np.zeros_like(person)
    found = thin_things(_photo(moved, *board), moved, none, NOBODY, FOOT + (170.0, 0.0), HEIGHT)
    assert not found.any()


def test_a_pole_is_found_in_the_dark_as_well(person: np.ndarray) -> None:
    pole, none = ((172, 140), (260, 230), 4), np.zeros_like(person)
    rng = np.random.default_rng(1)
    dark = np.clip(_photo(person, pole) / 9.0 + rng.normal(0, 1, (*person.shape, 3)), 0, 255).astype(np.uint8)
    drawn = _drawn(person, *pole)
    found = thin_things(dark, person, none, HAND, NOBODY, HEIGHT)
    assert (found & drawn).sum() > 0.8 * drawn.sum()
    assert (found & ~drawn).sum() < drawn.sum()


def test_there_are_no_skis_on_grass(person: np.ndarray) -> None:
    ski, none = ((60, 254), (250, 254), 5), np.zeros_like(person)
    photo = _photo(person, ski)
    grass = (np.clip(photo * (0.5, 0.8, 0.4), 0, 255)).astype(np.uint8)
    assert thin_things(photo, person, none, NOBODY, FOOT, HEIGHT).any()
    grass[:40] = 240  # the sky
    assert not thin_things(grass, person, none, NOBODY, FOOT, HEIGHT).any()
    evening = np.clip(photo * (1.0, 0.95, 0.45), 0, 255).astype(np.uint8)
    assert thin_things(evening, person, none, NOBODY, FOOT, HEIGHT).any(), "snow in yellow light"
    cloth = np.clip(photo * 0.4 + 5, 0, 255).astype(np.uint8)
    cloth[:40] = 240  # the lamps of a studio
    assert not thin_things(cloth, person, none, NOBODY, FOOT, HEIGHT).any(), "a fold of grey cloth"


def test_a_pole_is_told_from_the_ski_it_ends_at(person: np.ndarray) -> None:
    pole, ski, none = ((172, 142), (200, 256), 3), ((140, 253), (260, 259), 4), np.zeros_like(person)
    found = thin_things(_photo(person, pole, ski), person, none, HAND, FOOT, HEIGHT)
    for line in (pole, ski):
        drawn = _drawn(person, *line)
        assert (dilate(found, 3.0) & drawn).sum() > 0.8 * drawn.sum()  # what is found is grown before it is filled
    assert found.sum() < 3 * _drawn(person, *pole).sum()


@pytest.mark.parametrize(("line", "held"), [(((172, 140), (300, 141), 4), False), (((172, 140), (252, 141), 4), True)])
def test_a_level_bar_longer_than_any_bat_is_not_held(
    person: np.ndarray, line: tuple[tuple[int, int], tuple[int, int], int], held: bool
) -> None:
    found = thin_things(_photo(person, line), person, np.zeros_like(person), HAND, NOBODY, HEIGHT)
    assert found.any() == held


def test_a_ski_leaves_the_photo_where_the_person_does(person: np.ndarray) -> None:
    ski, none = ((132, 254), (260, 256), 4), np.zeros_like(person)
    photo, cut = _photo(person, ski)[:, 135:], np.ascontiguousarray(person[:, 135:])
    found = thin_things(photo, cut, none[:, 135:], NOBODY, FOOT - (135.0, 0.0), HEIGHT)
    drawn = _drawn(person, *ski)[:, 135:]
    assert (dilate(found, 3.0) & drawn).sum() > 0.8 * drawn.sum()
    apart = np.zeros_like(cut)
    apart[:, 20:] = cut[:, :-20]
    line = np.where(apart[..., None], (200, 30, 30), _photo(person & False, ((0, 254), (260, 256), 4))[:, 135:])
    beside = thin_things(line.astype(np.uint8), apart, none[:, 135:], NOBODY, FOOT - (115.0, 0.0), HEIGHT)
    assert not beside.any(), "a line on the ground that leaves the photo beside them"


def test_what_is_wide_above_a_hand_does_not_carry_a_pole_on(person: np.ndarray) -> None:
    pole, none = ((172, 142), (178, 262), 4), np.zeros_like(person)
    roof = ((168, 60), (172, 118), 11)
    both = thin_things(_photo(person, pole, roof), person, none, HAND, NOBODY, HEIGHT)
    drawn = _drawn(person, *pole)
    assert (both & drawn).sum() > 0.7 * drawn.sum()
    lamp = thin_things(_photo(person, pole, ((166, 40), (170, 118), 4)), person, none, HAND, NOBODY, HEIGHT)
    assert not lamp.any(), "a lamp post behind the hand"


@pytest.mark.parametrize(("width", "slope", "length"), [(6, 8, 90), (8, 4, 60), (8, 12, 90)])
def test_a_thick_rail_behind_the_hand_is_not_held_at_any_slant(
    person: np.ndarray, width: int, slope: int, length: int
) -> None:
    def at(x: int) -> tuple[int, int]:
        return x, round(140 + (x - 172) * slope / 100)

    rail = ((at(172), at(172 + length), width), (at(20), at(128), width))
    assert not thin_things(_photo(person, *rail), person, np.zeros_like(person), HAND, NOBODY, HEIGHT).any()
