"""A hand before a chair is told from it by its colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a3dgen.core.records import UNLABELLED, VISIBLE
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.removal.hand_outline import behind_hands, outline_hand
from a3dgen.removal.mask_ops import dilate, discs
from a3dgen.removal.photo import RemovalScene

SHAPE, HEIGHT = (240, 320), 500.0
FOREARM = np.array([[300.0, 30.0], [180.0, 110.0]])
CLOTH, SKIN, CHAIR = (40, 110, 50), (205, 170, 130), (120, 45, 35)


@pytest.fixture
def hand() -> np.ndarray:
    out = np.zeros(SHAPE, np.uint8)
    cv2.line(out, (319, 17), (160, 123), 1, 17)
    cv2.line(out, (160, 123), (150, 145), 1, 9)
    return out > 0


def _photo(hand: np.ndarray, behind: tuple[int, int, int]) -> np.ndarray:
    photo = np.full((*SHAPE, 3), CLOTH, np.float64)
    photo[60:220, 90:210] = behind
    photo[hand] = SKIN
    return np.clip(photo + np.random.default_rng(0).normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


def test_a_chair_behind_a_hand_is_no_part_of_it(hand: np.ndarray) -> None:
    disc = discs(np.array([[155.0, 128.0]]), 30.0, SHAPE)
    claim = np.where(hand, 0.93, np.where(dilate(disc, 8.0), 0.7, 0.0))  # a segmenter that takes in the chair
    none = np.zeros(SHAPE, bool)
    found = outline_hand(_photo(hand, CHAIR), claim, disc, FOREARM, none, HEIGHT)
    assert found is not None
    inside = found.room & hand
    assert (found.hand & hand)[found.room].sum() > 0.95 * inside.sum()
    assert (found.hand & ~dilate(hand, 2.0)).sum() < 0.05 * inside.sum()
    assert not (found.hand & ~found.room).any()
    surely = np.where(disc, 0.97, claim)
    whole = outline_hand(_photo(hand, CHAIR), surely, disc, FOREARM, none, HEIGHT)
    assert whole is None or whole.hand[disc].all(), "what is claimed beyond doubt is the hand's"


def test_colours_that_do_not_tell_a_hand_say_nothing(hand: np.ndarray) -> None:
    disc, none = discs(np.array([[155.0, 128.0]]), 30.0, SHAPE), np.zeros(SHAPE, bool)
    claim = np.where(hand, 0.93, np.where(disc, 0.7, 0.0))
    assert outline_hand(_photo(hand, (195, 160, 122)), claim, disc, FOREARM, none, HEIGHT) is None, "wood like skin"
    exact = np.where(dilate(hand, 2.0), 0.93, 0.0)
    assert outline_hand(_photo(hand, CHAIR), exact, disc, FOREARM, none, HEIGHT) is None, "nothing to correct"
    trousers = discs(np.array([[155.0, 148.0]]), 25.0, SHAPE)
    assert outline_hand(_photo(hand, CHAIR), claim, disc, FOREARM, trousers, HEIGHT) is None, "before the own thigh"


def test_beside_somebody_else_nothing_is_said_of_a_hand(hand: np.ndarray) -> None:
    points, state = np.zeros((NUM_ROWS, 2)), np.full(NUM_ROWS, UNLABELLED, np.uint8)
    for name, at in (("extra_left_elbow", FOREARM[0]), ("extra_left_wrist", FOREARM[1])):
        points[ROW[name]], state[ROW[name]] = at, VISIBLE
    none, claim = np.zeros(SHAPE, bool), np.where(hand, 0.93, 0.0)
    claim[dilate(hand, 25.0) & ~hand & (np.arange(SHAPE[1]) < 200)] = 0.7

    def stays(rival: float) -> bool:
        there = np.full(SHAPE, rival)
        scene = RemovalScene(_photo(hand, CHAIR), none, [], [], none, points, state, HEIGHT, mine=claim, rival=there)
        return bool(behind_hands(scene).any())

    assert stays(0.0), "the chair"
    assert not stays(0.5), "perhaps a neighbour"
