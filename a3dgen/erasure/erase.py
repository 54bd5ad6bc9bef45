"""Erases limbs from a photo: select, admit, fill, close the end; and pastes them back for the intact twin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee, Cut, rebuild, removed_regions
from a3dgen.compositing.compose import noise_sigma
from a3dgen.core.errors import A3dgenError, Rejected
from a3dgen.erasure.admission import Admission
from a3dgen.erasure.checks import check_drawn, check_frame, check_person, check_pixels, check_rim
from a3dgen.erasure.config import Bars
from a3dgen.erasure.fill import AUTO, disagreement, fill_hole, mixed
from a3dgen.erasure.gear import Gear, sort_bars
from a3dgen.erasure.hole import Hole, limb_hole, whole_hole
from a3dgen.erasure.limb_pixels import DrawnCut, LimbPixels, draw_cut, select
from a3dgen.erasure.limb_shadow import limb_shadow
from a3dgen.erasure.matting import Sides, sides, unmixed
from a3dgen.erasure.refit import LIMB_ROWS
from a3dgen.erasure.stump_frame import StumpFrame, stump_frame
from a3dgen.erasure.stump_skin import StumpSkin, draw_end
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.camera import project
from a3dgen.lighting.srgb import to_srgb
from a3dgen.removal.mask_ops import around, dilate
from a3dgen.removal.pieces import touching

GRAIN = 0.6
"""Grain given to resampled pixels, share of the photo's: resampling has kept the rest."""
_WIDTHS = (0.6, 1.9)
_SOLID = 0.5
_PAD = 8
BEFORE = 0.25
"""Nothing may pass in front of this piece of the residual limb, limb coordinate."""
_UNLIKE = 26
"""Photo and fill differ by more than this (8-bit, smoothed) where something stood."""


@dataclass(frozen=True)
class LimbEnd:
    """One limb of an erasure: pixels, frame at the cut, end, gear, hole, shadow, border to the person's other parts."""

    limb: LimbPixels
    frame: StumpFrame
    skin: StumpSkin
    gear: Gear
    hole: Bool[ndarray, "h w"]
    shadow: Bool[ndarray, "h w"]
    border: Sides | None = None


@dataclass(frozen=True)
class Erasure:
    """What an amputee and their intact twin share, over the subject's window.

    Attributes:
        subject, amputee, ends, hole. base: the photo with its hole filled, linear light. admission: why, or why not.
        drawn: the cut body in the window. sigma: the photo's grain, 8-bit. box: the rows and columns that change.
        grain: of the box, standard normal. band: kept pixels out of which the limb's colour was taken.
    """

    subject: Subject
    amputee: Amputee
    ends: tuple[LimbEnd, ...]
    hole: Hole
    base: Float[ndarray, "h w 3"]
    admission: Admission
    drawn: DrawnCut
    sigma: Float[ndarray, "3"]
    box: tuple[slice, slice]
    grain: Float[ndarray, "a b 3"]
    band: Bool[ndarray, "h w"]


@dataclass(frozen=True)
class Shown:
    """A finished window: rgb, the person's mask, and what of it was drawn (end or pasted limb)."""

    rgb: UInt8[ndarray, "h w 3"]
    mask: Bool[ndarray, "h w"]
    drawn: Bool[ndarray, "h w"]


@dataclass(frozen=True)
class Survey:
    """What is known of an erasure before anything is filled."""

    amputee: Amputee | None
    drawn: DrawnCut | None
    ends: tuple[LimbEnd, ...]
    hole: Hole | None
    admission: Admission


def cut_of(cut: Cut) -> Cut:
    """Return the cut without taper: everything proximal of the ring stays the photo's."""
    shape = np.array(cut.stump, np.float64)
    shape[:, 2] = 0
    return replace(cut, stump=shape)


def survey(
    subject: Subject, cut: Cut, bars: Bars, rng: np.random.Generator, cover: str = "auto", strict: bool = True
) -> Survey:
    """Select the limbs' pixels and measure whether they may go.

    Args:
        cut: regions and residuals. rng: of the sample. cover: ``auto``, ``bare``, ``cloth`` or ``pinned``.
        strict: stop at the first limb that is refused.
    """
    cut = cut_of(cut)
    admission = Admission()
    ends: list[LimbEnd] = []
    check_person(subject, bars, admission)
    for region in removed_regions(cut.removed):
        check_drawn(subject, region, float(cut.residual[region]), bars, admission)
    if strict and not admission:
        return Survey(None, None, (), None, admission)
    amputee = rebuild(subject.body, subject.fit, cut)
    drawn = draw_cut(subject, amputee)
    stumps = {s.region: s for s in amputee.topology.stumps}
    for region in removed_regions(cut.removed):
        if strict and not admission:
            break
        residual = float(cut.residual[region])
        limb = select(subject, region, residual, drawn)
        check_pixels(limb, bars, admission)
        if (strict and not admission) or not limb.pixels.any():
            admission.refuse("the limb has no pixels") if not limb.pixels.any() else None
            break
        frame = stump_frame(subject, limb, amputee, stumps[region])
        if frame is None:
            admission.refuse("no outline at the cut")
            break
        stays = limb.pixels & frame.before_cut(limb.pixels.shape)
        limb = replace(limb, pixels=limb.pixels & ~stays, keep=limb.keep | (stays & subject.mine))
        end = end_pixel(subject, limb)
        seen = limb.pixels | (subject.mine & (limb.level > limb.tip - BEFORE))
        gear = sort_bars(subject, seen, end, limb.region.limb == "leg")
        border = sides(subject, limb)
        check_frame(subject, limb, frame, gear, bars, admission)
        if strict and not admission:
            break
        half = float(np.clip(frame.half, _WIDTHS[0] * frame.mesh_half, _WIDTHS[1] * frame.mesh_half))
        skin = draw_end(subject, limb, replace(frame, half=half), cover, rng)
        shadow = limb_shadow(subject, amputee, limb.pixels, limb.keep)
        hole = limb_hole(subject, limb, skin, gear, shadow)
        ends.append(LimbEnd(limb, frame, skin, gear, hole, shadow, border))
    if not ends or (strict and not admission):
        return Survey(amputee, drawn, tuple(ends), None, admission)
    whole = whole_hole(subject, [(e.limb, e.skin, e.gear, e.hole) for e in ends])
    check_rim(whole, [(e.limb, e.frame, e.skin) for e in ends], bars, admission)
    return Survey(amputee, drawn, tuple(ends), whole, admission)


def end_pixel(subject: Subject, limb: LimbPixels) -> Float[ndarray, "2"]:
    """Return the wrist or ankle in the window, px: the click where there is one."""
    row = LIMB_ROWS[limb.limb][2]
    if subject.state[row] in (1, 2):
        return subject.keypoints[row]
    return project(subject.posed.keypoints[row][None], subject.K)[0]


def erase(
    subject: Subject,
    cut: Cut,
    bars: Bars,
    rng: np.random.Generator,
    cover: str = "auto",
    fill: str = AUTO,
    strict: bool = True,
) -> Erasure | Admission:
    """Fill the hole of the limbs; returns the admission alone where they are refused.

    ``strict=False`` draws even what a bar refuses, as far as there is anything to draw.
    """
    found = survey(subject, cut, bars, rng, cover, strict)
    if found.hole is None or found.amputee is None or found.drawn is None or (strict and not found.admission):
        return found.admission
    try:
        filled = fill_hole(subject, found.hole, fill, rng)
    except (A3dgenError, Rejected) as error:
        found.admission.refuse(f"the hole cannot be filled: {error}")
        return found.admission
    found.admission.most("doubt", disagreement(subject, filled, found.hole.mask), bars.doubt, "fillings disagree")
    if strict and not found.admission:
        return found.admission
    box = _box(found)
    base, band = mixed(subject, filled, found.hole.mask, box), np.zeros_like(subject.outline)
    for end in found.ends:
        base, own = unmixed(subject, end.limb, end.border, base, found.hole.mask)
        band |= own
    if "grain" not in subject.notes:
        subject.notes["grain"] = noise_sigma(subject.rgb, subject.mine)
    grain = rng.standard_normal(subject.rgb[box].shape, np.float32)
    shared = subject, found.amputee, found.ends, found.hole, base, found.admission, found.drawn
    return Erasure(*shared, subject.notes["grain"], box, grain, band)


def _box(found: Survey) -> tuple[slice, slice]:
    """Return the rows and columns that an amputee or their twin changes, and a margin."""
    assert found.hole is not None
    touched = found.hole.mask.copy()
    for end in found.ends:
        touched |= end.limb.pixels
        touched[end.skin.crop] |= end.skin.alpha > 0
    return around(touched, _PAD)


def amputated(erasure: Erasure) -> Shown:
    """Return the window with the limbs' ends closed."""
    subject, out = erasure.subject, erasure.base.copy()
    solid = np.zeros(subject.outline.shape, bool)
    gone = erasure.hole.mask.copy()
    for end in erasure.ends:
        a = end.skin.alpha[..., None].astype(np.float32)
        out[end.skin.crop] = out[end.skin.crop] * (1 - a) + end.skin.color * a
        solid[end.skin.crop] |= end.skin.alpha > _SOLID
        gone |= end.limb.pixels
    rgb = _developed(out[erasure.box], solid, erasure)
    return Shown(rgb, ((subject.mine & ~gone) | solid) & ~subject.hidden, solid)


def restored(erasure: Erasure) -> Shown:
    """Return the window of the intact twin: the same filled hole, and over it, through the same edge, the limb, what it
    holds and its shadow."""
    subject, hole = erasure.subject, erasure.hole.mask
    pasted = (hole & subject.mine) | erasure.band
    for end in erasure.ends:
        pasted |= end.limb.pixels
        pasted |= hole & (end.gear.leaves | end.gear.thin | dilate(end.shadow, 2.0))
        pasted[end.skin.crop] |= (end.skin.alpha > 0) & (subject.mine | subject.drawn.body)[end.skin.crop]
    box = erasure.box
    pasted[box] |= _hangs_on(pasted[box], hole[box] & _unlike(erasure))
    alpha = _edge(pasted[box])[..., None]
    touched = dilate((pasted | hole)[box], 2.0)[..., None]
    photo = subject.linear[box]
    out = np.where(touched, erasure.base[box] * (1 - alpha) + _resampled(photo) * alpha, photo)
    return Shown(_developed(out, pasted, erasure), subject.mine & ~subject.front, pasted)


def _unlike(erasure: Erasure) -> Bool[ndarray, "h w"]:
    """Return where photo and fill show something else, over the box: things in the hand, a shadow. Grain does not
    count."""
    photo, fill = (
        cv2.GaussianBlur(to_srgb(v[erasure.box]), (0, 0), 2.0).astype(np.int16)
        for v in (erasure.subject.linear, erasure.base)
    )
    found = np.abs(photo - fill).max(-1) > _UNLIKE
    return cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0


def _hangs_on(mask: Bool[ndarray, "h w"], others: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the components of ``others`` that touch ``mask``."""
    return touching(others | mask, mask) & others


def _edge(mask: Bool[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    """Return a mask's opacity with the same soft edge that a new end has."""
    return np.clip(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7) * 2 - 0.5, 0, 1)


def _resampled(linear: Float[ndarray, "h w 3"]) -> Float[ndarray, "h w 3"]:
    """Return a picture moved by a third of a pixel and back: as soft as pixels that were unrolled over an end."""
    there, back = (np.array([[1, 0, d], [0, 1, d]], np.float32) for d in (1 / 3, -1 / 3))
    size = (linear.shape[1], linear.shape[0])
    once = cv2.warpAffine(linear, there, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cv2.warpAffine(once, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _developed(
    linear: Float[ndarray, "a b 3"], where: Bool[ndarray, "h w"], erasure: Erasure
) -> UInt8[ndarray, "h w 3"]:
    """Return the window: the box of a finished picture with grain ``where`` it was drawn, the photo around it and where
    something stands in front."""
    subject, box = erasure.subject, erasure.box
    drawn, rgb = where[box], to_srgb(linear)
    noise = erasure.grain[drawn] * (GRAIN * erasure.sigma).astype(np.float32)
    rgb[drawn] = np.clip(rgb[drawn] + noise + 0.5, 0, 255).astype(np.uint8)
    hidden = subject.hidden[box]
    rgb[hidden] = subject.rgb[box][hidden]
    out = subject.rgb.copy()
    out[box] = rgb
    return out


__all__ = ["Erasure", "LimbEnd", "Shown", "Survey", "amputated", "cut_of", "erase", "restored", "survey"]
