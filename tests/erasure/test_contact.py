"""Where limb and kept body touch, what hangs on the limb alone, what lies behind it, and fillings that contradict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from single_cut import BARS, single

from a3dgen.amputation.rebuild import rebuild
from a3dgen.core.rng import generator_for
from a3dgen.erasure.admission import Admission
from a3dgen.erasure.checks import check_drawn
from a3dgen.erasure.config import Bars
from a3dgen.erasure.erase import Erasure, cut_of, erase, survey
from a3dgen.erasure.fill import disagreement
from a3dgen.erasure.limb_pixels import LimbPixels, _cut_off, draw_cut, select
from a3dgen.geometry.regions import REGION_NAMES


def facts(subject) -> dict[str, float]:
    found = survey(subject, single("left_foot"), BARS, generator_for(0, "erase", "x"), strict=False)
    return found.admission.facts


def chosen(subject, name: str) -> LimbPixels:
    cut = cut_of(single(name))
    return select(subject, REGION_NAMES.index(name), 0.55, draw_cut(subject, rebuild(subject.body, subject.fit, cut)))


def test_ground_between_the_legs_that_no_mask_has_is_no_contact(subject) -> None:
    legs = subject.outline & (np.arange(len(subject.outline))[:, None] > np.nonzero(subject.outline)[0].max() - 120)
    gap = (np.cumsum(legs, 1) > 0) & (np.cumsum(legs[:, ::-1], 1)[:, ::-1] > 0)  # from leg to leg, row by row
    filled = replace(subject, fine=subject.fine | gap, notes={})
    masked = replace(filled, outline=subject.outline | gap)
    before, by_edges, by_mask = (facts(s) for s in (subject, filled, masked))
    assert by_edges["contact"] <= before["contact"] + 0.02
    assert by_edges["free"] >= before["free"] - 0.02
    assert by_mask["contact"] > 0.1, "a mask that joins both legs does"
    assert by_mask["joined"] > Bars().joined >= max(before["joined"], by_edges["joined"]), "as a skirt would"


def test_what_hangs_on_the_limb_alone_leaves_with_it(subject) -> None:
    limb = chosen(subject, "left_foot").pixels
    y, x = (int(v.mean()) for v in np.nonzero(limb))
    half = np.zeros_like(limb)
    half[y - 4 : y + 4, x - 3 : x + 3] = True  # as if the fit had drawn the other foot there
    pixels = limb & ~half
    assert np.array_equal(_cut_off(subject, pixels), half & subject.mine)
    front = np.zeros_like(limb)
    front[y - 6 : y - 4, x - 3 : x + 3] = True
    assert not _cut_off(replace(subject, front=front), pixels).any(), "what somebody in front cuts off stays"


def test_a_body_behind_that_is_seen_nowhere_beside_the_limb_is_not_there(subject) -> None:
    name = "left_foot"
    cut = cut_of(single(name))
    drawn = draw_cut(subject, rebuild(subject.body, subject.fit, cut))
    limb = select(subject, REGION_NAMES.index(name), 0.55, drawn)
    y, x = (int(v.mean()) for v in np.nonzero(limb.pixels))
    part = drawn.part.copy()
    part[y - 3 : y + 3, x - 3 : x + 3] = 8  # the other ankle, all of it behind this one
    found = select(subject, REGION_NAMES.index(name), 0.55, replace(drawn, part=part))
    assert not found.behind[y - 3 : y + 3, x - 3 : x + 3].any()
    part[limb.pixels & (np.arange(len(part))[:, None] <= y)] = 8  # and up to the cut
    seen = select(subject, REGION_NAMES.index(name), 0.55, replace(drawn, part=part, cap=np.zeros_like(drawn.cap)))
    assert seen.behind[y - 3 : y, x - 3 : x + 3].any()


def test_a_filling_that_the_plate_contradicts_is_refused(subject) -> None:
    cut = single("left_foot")
    found = survey(subject, cut, BARS, generator_for(0, "erase", "x"), strict=False)
    hole = found.hole.mask
    agrees = replace(subject, plate=subject.rgb, plate_hole=hole)
    other = subject.rgb.copy()
    rows = np.nonzero(hole.any(1))[0]
    other[int(np.median(rows)) :] ^= 128
    contradicts = replace(agrees, plate=other)
    assert disagreement(subject, subject.rgb, hole) == disagreement(agrees, subject.rgb, hole) == 0
    assert 0.3 < disagreement(contradicts, subject.rgb, hole) < 0.9
    refused = erase(contradicts, cut, BARS, generator_for(0, "erase", "x"), fill="local")
    assert "fillings disagree" in str(refused)
    drawn = erase(contradicts, cut, replace(BARS, doubt=1.0), generator_for(0, "erase", "x"), fill="local")
    assert isinstance(drawn, Erasure)


def test_shoulders_and_hips_are_erased_on_request_alone(subject) -> None:
    for name in ("left_shoulder", "right_hip"):
        refused, asked = Admission(), Admission()
        check_drawn(subject, REGION_NAMES.index(name), 1.0, BARS, refused)
        check_drawn(subject, REGION_NAMES.index(name), 1.0, replace(BARS, torso=True), asked)
        assert "no end is drawn" in str(refused)
        assert "no end is drawn" not in str(asked)
