"""Erasure in detail: shadow, grain, part labels, what stands in front, covers, borders, rim, worst of limbs."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from single_cut import BARS, single

from a3dgen.core.rng import generator_for
from a3dgen.erasure import limb_shadow
from a3dgen.erasure.admission import Admission
from a3dgen.erasure.checks import check_drawn, seated
from a3dgen.erasure.config import Bars
from a3dgen.erasure.empty_cloth import cloth_length, cloth_reach
from a3dgen.erasure.erase import Erasure, amputated, erase, restored
from a3dgen.erasure.gear import _is_shade
from a3dgen.erasure.matting import sides, unmixed
from a3dgen.erasure.picture import _part_labels
from a3dgen.erasure.refit import LIMB_ROWS
from a3dgen.erasure.score import WEIGHTS, Score, features
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.regions import REGION_NAMES, REGIONS
from a3dgen.lighting.shadow import estimate_ground, estimate_up
from a3dgen.lighting.srgb import to_linear, to_srgb
from a3dgen.removal.mask_ops import dilate

WIDE = Bars(gain=-10.0, spread=50.0, background=0.0, rim_gradient=100.0)


def erased(subject, name: str, bars: Bars = BARS, **options) -> Erasure:
    found = erase(subject, single(name), bars, generator_for(0, "erase", name), **options)
    assert isinstance(found, Erasure), str(found)
    return found


def cast_by(subject, vertices, faces) -> np.ndarray:
    """Return the shadow that a mesh casts by a light from the right, before anything stands in it."""
    ground = estimate_ground(subject.drawn.vertices, estimate_up(subject.posed.joints))
    side = np.cross(ground.up, [0.0, 0.0, 1.0])
    direction = np.sin(0.8) * ground.up + np.cos(0.8) * side / np.linalg.norm(side)
    return limb_shadow._cast(vertices, faces, ground, direction, subject.K, subject.outline.shape)


def test_the_limbs_own_shadow_leaves_and_the_bodys_stays(subject) -> None:
    ground = ~dilate(subject.mine, 1.0)
    whole = cast_by(subject, subject.drawn.vertices, subject.drawn.faces) & ground
    cut = erased(subject, "left_knee").amputee
    rest = cast_by(subject, cut.vertices, cut.mesh.faces[~cut.mesh.hidden]) & ground
    found = erased(replace(subject, shadow=whole, notes={}), "left_knee", WIDE, strict=False)
    own, stays = whole & ~rest, rest & ~dilate(found.ends[0].limb.pixels, 12.0) & ~dilate(whole & ~rest, 10.0)
    assert own.sum() > 100
    assert stays.sum() > 100
    assert found.hole.mask[own].mean() > 0.85
    assert found.hole.mask[stays].mean() < 0.05


def test_drawn_pixels_have_the_photos_grain(subject) -> None:
    found = erased(subject, "left_foot")
    for show in (amputated, restored):
        with_grain, without = show(found), show(replace(found, sigma=np.zeros(3)))
        added = (with_grain.rgb.astype(float) - without.rgb)[with_grain.drawn]
        assert 0.3 * found.sigma.mean() < added.std() < found.sigma.mean()
        assert np.array_equal(with_grain.rgb[~with_grain.drawn], without.rgb[~with_grain.drawn])


@pytest.mark.parametrize("name", ["left_hand", "right_knee"])
def test_no_label_of_a_removed_part_is_left_and_the_twin_has_them(name, subject) -> None:
    found = erased(subject, name)
    removed = REGIONS[REGION_NAMES.index(name)].joints
    amputee = _part_labels(found, amputated(found).mask, False)
    twin = _part_labels(found, restored(found).mask, True)
    assert not np.isin(amputee[amputee > 0] - 1, removed).any()
    anywhere = _part_labels(found, np.ones_like(found.hole.mask), False)  # also where only the intact body is drawn
    assert not np.isin(anywhere[anywhere > 0] - 1, removed).any()
    assert np.isin(twin[twin > 0] - 1, removed).sum() > 100
    end = np.rint(subject.keypoints[LIMB_ROWS[found.ends[0].limb.limb][2]]).astype(int)
    assert amputee[end[1], end[0]] == 0
    assert twin[end[1], end[0]] > 0


def test_what_stands_in_front_stays_the_photos(subject) -> None:
    end = np.rint(subject.keypoints[LIMB_ROWS["left_leg"][2]]).astype(int)
    front = np.zeros_like(subject.outline)
    front[end[1] + 2 : end[1] + 6, end[0] - 40 : end[0] + 40] = True
    found = erased(replace(subject, front=front, notes={}), "left_foot", Bars(covered=1.0), strict=False)
    assert (front & found.ends[0].limb.pixels).sum() > 20
    for shown in (amputated(found), restored(found)):
        assert np.abs(shown.rgb.astype(int) - subject.rgb)[front].max() <= 1
        assert not (shown.mask & front).any()


def test_what_the_limb_held_is_back_in_the_twin(subject) -> None:
    found = erased(subject, "left_hand")
    hand = found.ends[0]
    pole = found.hole.mask & ~dilate(hand.limb.pixels | subject.mine, 1.6)
    pole[:, ::3] = pole[:, 1::3] = False  # too thin to be told from the fill by its colour
    assert pole.sum() > 5
    found = replace(found, base=np.where(pole[..., None], 0.4 * found.base, found.base))
    held = replace(found, ends=(replace(hand, gear=replace(hand.gear, leaves=pole)),))
    off = [np.abs(restored(e).rgb.astype(int) - subject.rgb)[pole].mean() for e in (held, found)]
    assert off[0] < 0.8 * off[1]


def test_covers_differ_and_a_cuff_ends_flat(subject) -> None:
    ends = {c: amputated(erased(subject, "right_knee", cover=c)) for c in ("cloth", "pinned", "rolled")}
    assert ends["rolled"].drawn.sum() > 1.03 * ends["cloth"].drawn.sum()
    both = ends["rolled"].drawn & ends["pinned"].drawn
    assert np.abs(ends["rolled"].rgb.astype(int) - ends["pinned"].rgb)[both].mean() > 4


def test_an_empty_trouser_leg_hangs_where_cloth_and_limb_allow_it(subject) -> None:
    shorts = erased(subject, "right_knee", cover="hanging").ends[0]
    assert shorts.skin.cover == "cloth"
    leg = subject.outline & (subject.drawn.level("right_leg") > 0.4)
    rgb = subject.rgb.copy()
    rgb[leg] = (rgb[leg] // 16) + (40, 40, 46)
    trousers = replace(subject, rgb=rgb, notes={})
    found = erased(trousers, "right_knee", cover="hanging")
    end = found.ends[0]
    assert end.skin.cover == "hanging"
    cut, ankle = end.frame.origin[1], subject.keypoints[LIMB_ROWS["right_leg"][2]][1]
    rows = np.flatnonzero(amputated(found).drawn.any(1))
    assert abs(rows[-1] - (cut + 0.93 * (ankle - cut))) < 0.08 * (ankle - cut)
    assert rows[0] > cut - 0.5 * end.frame.half
    level = replace(end.frame, along=np.array([1.0, 0.0]), across=np.array([0.0, 1.0]))
    assert cloth_length(trousers, end.limb, end.frame) > 2 * end.frame.half
    assert cloth_length(trousers, end.limb, level) == 0
    assert erased(subject, "left_hand", cover="hanging").ends[0].skin.cover == "bare"
    seen = cloth_reach(trousers, end.frame)
    short = rgb.copy()
    short[leg & (subject.drawn.level("right_leg") > end.limb.tip + 0.3)] = (
        200,
        60,
        40,
    )  # another material from here on
    assert 4 < cloth_reach(replace(trousers, rgb=short, notes={}), end.frame) < 0.8 * seen


def test_a_border_seen_in_colour_is_unmixed_and_another_is_left_alone(subject) -> None:
    limb = erased(subject, "left_hand").ends[0].limb
    h, w = subject.outline.shape
    x = np.arange(w) - w // 2 + 0.5
    pixels = np.broadcast_to(x < 0, (h, w)) & (np.arange(h) > h // 2)[:, None]
    keep = ~pixels & (np.arange(h) > h // 2)[:, None]
    limb = replace(limb, pixels=pixels, keep=keep, level=np.where(keep, -1.0, 1.5).astype(np.float32))
    share = np.broadcast_to((1 / (1 + np.exp(-2.2 * x)))[None, :, None], (h, w, 1)).astype(np.float32)
    red, blue, green = (np.array(c, np.float32) for c in ([0.5, 0.1, 0.1], [0.05, 0.1, 0.5], [0.1, 0.4, 0.1]))
    mixed = replace(subject, linear=(1 - share) * red + share * blue)
    base = np.where(pixels[..., None], green, mixed.linear)
    found = sides(mixed, limb)
    clean, band = unmixed(mixed, limb, found, base, pixels)
    truth = (1 - share) * green + share * blue
    near = band | (pixels & (np.abs(x) < 1.6))
    inner = np.s_[h // 2 + 12 : h - 12]
    before, after = (np.abs(v - truth)[inner][near[inner]].mean() for v in (base, clean))
    assert after < 0.25 * before
    assert np.array_equal(clean[~near], base[~near])
    alike = replace(mixed, linear=np.full_like(mixed.linear, 0.3))
    assert not unmixed(alike, limb, sides(alike, limb), base, pixels)[1].any()


def test_a_legs_shadow_is_no_bar_and_gear_is() -> None:
    ground = np.array([120, 118, 112], np.uint8)

    def lab(linear: np.ndarray) -> np.ndarray:
        pixel = np.clip(to_srgb(linear.reshape(1, 1, 3).astype(np.float32)), 0, 255).astype(np.uint8)
        return cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0].astype(float)

    lit = to_linear(ground.reshape(1, 1, 3))[0, 0]
    assert _is_shade(lab(lit * [0.24, 0.26, 0.32]), lab(lit))
    assert not _is_shade(lab(lit * [1.5, 1.5, 1.5]), lab(lit))
    assert not _is_shade(lab(lit * [0.6, 0.5, 0.1]), lab(lit))  # a yellow ski
    assert not _is_shade(lab(lit * [0.03, 0.03, 0.03]), lab(lit))  # a black pole
    snow = to_linear(np.full((1, 1, 3), 240, np.uint8))[0, 0]
    assert not _is_shade(lab(snow * [0.24, 0.26, 0.32]), lab(snow))


def test_the_rim_that_is_plainly_background_stays_the_photos(subject) -> None:
    found = erased(subject, "left_hand")
    limb = found.ends[0].limb.pixels
    near, far = dilate(limb, 2.0), dilate(limb, 0.03 * subject.height) & ~dilate(limb | subject.mine, 6.0)
    assert found.hole.mask[near & ~subject.mine].mean() > 0.9
    assert found.hole.mask[far].mean() < 0.3


def test_of_several_limbs_the_worst_is_kept() -> None:
    admission = Admission()
    for value in (0.05, 0.2, 0.1):
        admission.most("behind", value, 0.25, "behind")
        admission.least("flat", 1 - value, 0.5, "flat")
    assert admission.facts == {"behind": 0.2, "flat": 0.8}
    assert admission


def test_somebody_who_sits_is_known_and_refused_where_only_a_detector_outlined_them(subject, body) -> None:
    pose = np.array(subject.fit.pose, float)
    pose[[1, 2], 0] -= 1.6  # both thighs forwards
    sitting = replace(subject, posed=pose_body(body, pose, subject.fit.betas, subject.fit.transl), has_mask=False)
    assert seated(subject) < 0.1
    assert seated(sitting) > 0.9
    found, allowed = Admission(), Admission()
    region = REGION_NAMES.index("left_foot")
    check_drawn(sitting, region, 0.55, Bars(seat=0.85), found)
    check_drawn(replace(sitting, has_mask=True), region, 0.55, Bars(seat=0.85), allowed)
    assert "sits" in str(found)
    assert "sits" not in str(allowed)


def test_the_score_falls_with_what_is_hard_and_refuses(subject) -> None:
    assert "speak against" in str(
        erase(subject, single("left_hand"), replace(BARS, score=1.0), generator_for(0, "erase", "left_hand"))
    )
    easy = erased(subject, "left_hand").admission.facts
    assert len(features(easy)) == len(WEIGHTS)
    assert Score().of(easy) > 0.6
    hard = {**easy, "behind": 0.25, "free": 0.5, "contact": 0.3, "recall": 0.5, "rim_gradient": 40.0, "flat": 0.5}
    assert Score().of(hard) < Score().of(easy)
