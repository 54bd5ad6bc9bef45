"""What hangs on an erased limb beyond its mask: laces, faint lines, the photo in the hole's soft edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from single_cut import BARS, single

from a3dgen.core.rng import generator_for
from a3dgen.erasure.erase import Erasure, erase
from a3dgen.erasure.fill import mixed
from a3dgen.erasure.strays import STRANGE, foreign, oddness, strays
from a3dgen.lighting.srgb import to_srgb

GRASS, SAND, LACE = (105.0, 101.0, 159.0), (200.0, 127.0, 147.0), (150.0, 150.0, 165.0)
"""Lab, 8-bit scale."""


@pytest.fixture
def field() -> np.ndarray:
    """A meadow beside sand, (60, 80, 3) Lab."""
    lab = np.where(np.arange(80)[None, :, None] < 40, GRASS, SAND) * np.ones((60, 1, 1))
    return lab + np.random.default_rng(0).normal(0, 2.5, lab.shape)


def test_two_grounds_are_two_colours_and_what_lies_between_is_none(field) -> None:
    ground = field.reshape(-1, 3)
    assert np.percentile(foreign(ground, ground), 99) < 8
    between = (np.array(GRASS) + SAND) / 2 + [0, 12, 0]
    assert foreign(between[None], ground)[0] > STRANGE
    one = ((between - ground.mean(0)) ** 2 / ground.var(0)).sum()
    assert one < STRANGE, "a single Gaussian takes it for ground"


def test_a_lace_leaves_with_the_foot_and_what_goes_on_or_lies_off_stays(field) -> None:
    hole, where = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    hole[20:40, 30:50], where[10:50, 20:60] = True, True
    things = {name: np.zeros_like(hole) for name in ("lace", "end", "post", "far")}
    things["lace"][25:28, 52:54] = True
    things["end"][25:28, 56:58] = True  # hangs on the lace
    things["post"][30:32, 52:75] = True
    things["far"][12:14, 22:24] = True
    for thing in things.values():
        field[thing] = LACE
    ground = ~hole & ~where & ~things["post"]
    found = strays(oddness(field, ground, ~hole), hole, where, 4.0, 60.0)
    assert found[things["lace"] | things["end"]].all()
    assert not found[things["post"] | things["far"]].any()
    assert not (found & (hole | ~where)).any()


def drawn(subject, rgb: np.ndarray) -> Erasure:
    found = erase(replace(subject, rgb=rgb, notes={}), single("left_hand"), BARS, generator_for(0, "erase", "x"))
    assert isinstance(found, Erasure)
    return found


@pytest.fixture(scope="module")
def hand(subject) -> Erasure:
    """A left hand that is erased."""
    return drawn(subject, subject.rgb)


def beside(subject, hand: Erasure, first: int, last: int, high: int) -> np.ndarray:
    """Return a bar that begins ``first`` px beyond the hand's outermost pixel and ends at ``last``."""
    y, x = np.nonzero(hand.ends[0].limb.pixels)
    out = np.zeros_like(subject.outline)
    tip = int(x.argmax())
    out[y[tip] - high // 2 : y[tip] + high - high // 2, x[tip] + first : x[tip] + last + 1] = True
    return out


def test_a_faint_line_that_hangs_on_the_limb_leaves_with_it(subject, hand) -> None:
    line = beside(subject, hand, 1, 9, 3)
    assert not hand.hole.mask[line].all()
    rgb = subject.rgb.copy()
    rgb[line] = np.clip(rgb[line].astype(int) - 16, 0, 255)
    assert drawn(subject, rgb).hole.mask[line].mean() > 0.95


def test_a_lace_beyond_the_rim_leaves_with_the_hand(subject, hand) -> None:
    lace = beside(subject, hand, 8, 10, 3)
    assert not hand.hole.mask[lace].any()
    rgb = subject.rgb.copy()
    rgb[lace] = (200, 90, 20)
    assert drawn(subject, rgb).hole.mask[lace].all()


def test_the_limbs_rim_does_not_shine_through_the_holes_soft_edge(subject) -> None:
    hole = np.zeros_like(subject.outline)
    hole[100:120, 100:120] = True
    box = (slice(90, 130), slice(90, 130))
    filled = subject.rgb.copy()
    edge = np.zeros_like(hole)
    edge[100, 101:119] = True
    filled[hole] = np.where(edge[hole][:, None], filled[hole], 255 - filled[hole])
    shown = to_srgb(mixed(subject, filled, hole, box))
    assert np.abs(shown[box].astype(int) - filled[box]).max() <= 3
