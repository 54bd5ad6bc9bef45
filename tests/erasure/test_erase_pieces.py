"""Erasure's small pieces: keypoints a cut hangs on, islands and scraps of a hole, things that are built, bent limbs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from single_cut import BARS, single

from a3dgen.core.rng import generator_for
from a3dgen.erasure import limb_shadow
from a3dgen.erasure.admission import Admission
from a3dgen.erasure.checks import check_drawn
from a3dgen.erasure.erase import Erasure, amputated, erase, restored
from a3dgen.erasure.gear import held_thin, is_built
from a3dgen.erasure.hole import _islands, _scraps
from a3dgen.erasure.refit import LIMB_ROWS
from a3dgen.erasure.stump_outline import EndGrid
from a3dgen.erasure.stump_skin import _onto_limb
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.lighting.shadow import estimate_ground, estimate_up


@pytest.fixture(scope="module")
def hand(subject) -> Erasure:
    """A left hand that is erased."""
    found = erase(subject, single("left_hand"), BARS, generator_for(0, "erase", "x"))
    assert isinstance(found, Erasure)
    return found


def reasons(subject, name: str) -> str:
    admission = Admission()
    check_drawn(subject, REGION_NAMES.index(name), 0.55, BARS, admission)
    return str(admission)


def test_only_keypoints_that_the_cut_hangs_on_count(subject) -> None:
    off = {**subject.clicks, "left_arm": np.array([0.0, 0.0, 0.04])}
    slipped = replace(subject, clicks=off)
    assert "off its keypoints" in reasons(slipped, "left_hand")
    assert "keypoint" not in reasons(slipped, "left_elbow")  # the wrist leaves with the limb


def test_a_limb_without_a_keypoint_is_refused(subject) -> None:
    state = subject.state.copy()
    state[LIMB_ROWS["right_leg"][2]] = 0
    unknown = replace(subject, state=state)
    assert "no keypoint on the ankle" in reasons(unknown, "right_foot")
    assert "no keypoint" not in reasons(unknown, "right_knee")
    assert "no keypoint" not in reasons(subject, "right_foot")


def test_a_hole_takes_in_what_it_encloses_and_no_more() -> None:
    hole = np.zeros((60, 60), bool)
    hole[10:50, 10:50] = True
    hole[20:24, 20:24] = False
    hole[30:45, 30:45] = False
    found = _islands(hole, 6.0)
    assert found[20:24, 20:24].all()
    assert found.sum() == 16


def test_scraps_that_hung_on_the_limb_leave_with_it(subject, hand) -> None:
    hole = hand.ends[0].hole
    y, x = (int(v.mean()) for v in np.nonzero(hole & subject.outline))
    scrap = np.zeros_like(hole)
    scrap[y - 2 : y + 2, x - 2 : x + 2] = True
    taken = _scraps(replace(subject, outline=subject.outline | scrap), hand.ends[0].limb, hole & ~scrap)
    assert taken[scrap].all()
    assert not (taken & subject.mine & ~scrap & ~hole).any()


@pytest.mark.parametrize(
    ("degrees", "built"), [(0, True), (2, True), (10, False), (45, False), (80, False), (91, True)]
)
def test_level_and_upright_things_are_built(degrees, built, subject) -> None:
    way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    line, end = np.array([*(way * -40 + (50, 60)), *(way * 40 + (50, 60))]), np.array([50.0, 60.0])
    rows = (line[[1, 3]].min(), line[[1, 3]].max())
    assert is_built(line, rows, end, 300.0, False) is built
    assert is_built(line, rows, end, 300.0, True) is (built and degrees > 45)  # skis are level
    assert not is_built(line, (58.0, 200.0), end, 300.0, False) or degrees < 45  # a pole held at its upper end
    y, x = (v[len(v) // 2] for v in np.nonzero(subject.outline))
    bar = np.zeros_like(subject.outline)
    for step in np.arange(-60, 60, 0.3):
        i, j = np.rint((y + step * way[1], x + step * way[0])).astype(int)
        bar[i : i + 2, j : j + 2] = True
    held = held_thin(replace(subject, thin=bar), subject.outline, np.array([x, y], float), [], False)
    assert held.any() == (not built)


def test_a_bar_that_crosses_what_is_held_stays(subject) -> None:
    end = np.array([100.0, 100.0])
    limb, thin = np.zeros_like(subject.outline), np.zeros_like(subject.outline)
    limb[95:105, 95:105] = True
    thin[100:102, 100:200] = thin[40:102, 180:182] = True
    pole = np.array([181.0, 40.0, 181.0, 99.0])
    found = held_thin(replace(subject, thin=thin), limb, end, [pole], True)
    assert found[100:102, 110:170].all()
    assert not found[40:95].any()


def test_an_end_takes_no_colour_from_beside_a_bent_limb() -> None:
    own = np.zeros((50, 50), bool)
    own[:25, 10:20] = True
    own[15:25, 10:45] = True  # turns aside below row 25
    y, x = np.mgrid[:50, :50].astype(float)
    grid = EndGrid((slice(100, 150), slice(200, 250)), y - 20, x, own, own, own, 10.0)
    new_x, new_y = _onto_limb(grid, own, x + 200, y + 100)
    i, j = np.rint(new_y - 100).astype(int), np.rint(new_x - 200).astype(int)
    assert own[i, j][y > 20].all()
    assert np.array_equal(new_x[y <= 20], x[y <= 20] + 200)


def test_what_lies_before_the_cut_stays(subject, hand) -> None:
    """A limb that bends beyond the cut: its coordinate calls pixels before it the limb's end."""
    frame, limb = hand.ends[0].frame, hand.ends[0].limb
    t, s = frame.coordinates(limb.pixels.shape, (0, 0))
    before = subject.mine & (t < -1) & (t > -0.4 * frame.half) & (np.abs(s - frame.middle) < 0.9 * frame.half)
    assert before.sum() > 10
    assert not (hand.hole.mask & before).any()
    assert frame.before_cut(t.shape)[before].all()
    assert not frame.before_cut(t.shape)[(t > 0) | (t < -frame.half)].any()


def test_the_shadow_of_a_raised_arm_does_not_begin_at_it(subject) -> None:
    ground = estimate_ground(subject.drawn.vertices, estimate_up(subject.posed.joints))
    of = {name: subject.drawn.level(name) > 1.8 for name in ("left_arm", "left_leg")}
    high = {name: limb_shadow._above(subject, ground, limb) for name, limb in of.items()}
    assert high["left_leg"] < limb_shadow.TOUCHES < high["left_arm"]


def test_the_mask_reaches_to_the_photos_edges(subject, hand) -> None:
    fine = np.zeros_like(subject.fine)
    fine[2:6, 2:6] = True
    wider = replace(hand, subject=replace(subject, fine=subject.fine | fine))
    for show in (amputated, restored):
        assert show(wider).mask[3, 3]
        assert not show(hand).mask[3, 3]
