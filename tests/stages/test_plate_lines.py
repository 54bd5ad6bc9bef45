"""Straight lines are carried across a hole from both its sides, and only those that are there on both."""

from __future__ import annotations

import cv2
import numpy as np

from a3dgen.removal.lines import carry_lines
from a3dgen.removal.masks import Removal
from a3dgen.stages import background

H, W, HEIGHT = 220, 300, 150.0
NONE = np.zeros((H, W), bool)
HOLE = NONE.copy()
HOLE[40:190, 130:180] = True


def _photo(*lines: tuple[tuple[int, int], tuple[int, int], int, tuple[int, int, int]]) -> np.ndarray:
    rgb = np.full((H, W, 3), (150, 160, 170), np.uint8)
    for start, end, width, colour in lines:
        cv2.line(rgb, start, end, colour, width, cv2.LINE_AA)
    return np.clip(rgb + np.random.default_rng(0).normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


def _emptied(rgb: np.ndarray) -> np.ndarray:
    return np.where(HOLE[..., None], 0, rgb).astype(np.uint8)


RAIL = ((0, 80), (299, 95), 5, (230, 200, 40))


def test_a_rail_goes_on_behind_the_person_and_nothing_else_is_painted() -> None:
    photo = _photo(RAIL)
    painted, done = carry_lines(_emptied(photo), HOLE, NONE, HEIGHT)
    np.testing.assert_array_equal(painted[~done], _emptied(photo)[~done])
    assert not (done & ~HOLE).any()
    rail = np.zeros((H, W), np.uint8)
    cv2.line(rail, RAIL[0], RAIL[1], 1, 3)
    inside = (rail > 0) & HOLE
    assert done[inside].mean() > 0.95
    assert np.abs(painted[inside & done].astype(int) - photo[inside & done]).mean() < 14
    assert done.sum() < 0.25 * HOLE.sum()


def test_strips_read_nothing_of_the_emptied_hole_at_its_ragged_edge() -> None:
    photo = _photo(RAIL)
    ragged = HOLE.copy()
    for y in range(40, 190):
        ragged[y, 130 - (7 * y) % 5 : 180 + (5 * y) % 7] = True
    painted, done = carry_lines(np.where(ragged[..., None], 0, photo).astype(np.uint8), ragged, NONE, HEIGHT)
    assert done.any()
    assert (painted[done].min(0) >= photo.min((0, 1)) - 12).all(), "black dots along the line"


def test_lines_that_do_not_meet_stay_where_they_are() -> None:
    one_side = ((0, 80), (150, 80), 5, (230, 200, 40))
    bent = ((170, 80), (299, 140), 5, (230, 200, 40))
    shifted = ((150, 110), (299, 110), 5, (230, 200, 40))
    other = ((150, 80), (299, 80), 5, (20, 30, 90))
    for lines in ((), (one_side,), (one_side, bent), (one_side, shifted), (one_side, other)):
        assert not carry_lines(_emptied(_photo(*lines)), HOLE, NONE, HEIGHT)[1].any(), lines


def test_nothing_is_carried_through_somebody_or_copied_from_them() -> None:
    beside = NONE.copy()
    beside[60:120, 180:299] = True
    assert not carry_lines(_emptied(_photo(RAIL)), HOLE, beside, HEIGHT)[1].any()


def test_the_stage_fills_around_the_lines_and_trusts_them() -> None:
    photo, person = _photo(RAIL), HOLE
    removal = Removal(HOLE, NONE, NONE, person, "test")
    rng = np.random.default_rng(0)
    wrong = []
    for lines in (False, True):
        plate, kept, _ = background._fill(background.Config(lines=lines), photo, removal, HEIGHT, rng)
        assert kept.any() == lines
        assert (plate != 0).any(-1)[HOLE].all()
        wrong.append(np.abs(plate.astype(int) - photo)[HOLE].mean())
    assert wrong[1] < max(wrong[0], 4.0)
