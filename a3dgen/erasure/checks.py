"""The measures that are held against the bars of admission."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.erasure.admission import Admission
from a3dgen.erasure.config import Bars
from a3dgen.erasure.gear import Gear
from a3dgen.erasure.hole import Hole
from a3dgen.erasure.limb_pixels import LimbPixels, tip_level
from a3dgen.erasure.refit import LIMB_ROWS, joints_at
from a3dgen.erasure.score import Score
from a3dgen.erasure.stump_frame import StumpFrame, free_share
from a3dgen.erasure.stump_outline import BARE
from a3dgen.erasure.stump_skin import StumpSkin
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.regions import REGIONS
from a3dgen.geometry.skeleton import JOINT
from a3dgen.geometry.visibility import Buffers, why_not_removable
from a3dgen.removal.mask_ops import around, dilate

_PAD = 200
"""What of a limb outside the photo is counted, px."""
WIDER = 0.01
"""The drawn limb may be this much wider than the outline, share of the height: the fit's shape, not its place."""
OFF_BODY = 0.02
"""Where limb and kept body touch this far off the drawn body, share of the height, a skirt or coat spans both."""
BARE_WIDTH = (0.7, 1.3)
"""Width of a bare limb at the cut as a share of the fit's: there is no cloth to explain more."""


def check_person(subject: Subject, bars: Bars, admission: Admission) -> None:
    """Outline and fit of the whole person."""
    if not subject.outline.any():
        admission.refuse("no outline of the person")
    admission.least("iou", subject.iou, bars.iou, "mask and fit disagree")


def check_drawn(subject: Subject, region: int, residual: float, bars: Bars, admission: Admission) -> None:
    """What the photo shows of the drawn limb, before anything is cut: what is refused here costs little."""
    r, tip = REGIONS[region], tip_level(region, residual)
    limb = f"{r.side}_{r.limb}"
    if not (r.cuttable or bars.torso):
        admission.refuse("no end is drawn at shoulder and hip")
    h, w = subject.outline.shape
    hidden = subject.hidden
    part = np.where(subject.drawn.body, subject.drawn.part + 1, 0).astype(np.uint8)
    buffers = Buffers(subject.drawn.depth, part, subject.K, w, h, occluders=hidden if hidden.any() else None)
    why = why_not_removable(subject.posed, region, residual, buffers, subject.reach)
    if why:
        admission.refuse(why)
    _check_clicks(subject, limb, tip, bars, admission)
    sits = seated(subject) if r.limb == "leg" and not subject.has_mask else 0.0
    admission.most("seat", sits, bars.seat, "sits on what a detector's outline may take in")
    beyond = subject.drawn.coordinates[limb] > tip
    whole = _limb_size(subject, beyond)
    own = subject.drawn.body & (subject.drawn.level(limb) > tip)
    seen = max(int(own.sum()), 1)
    admission.least("limb_px", float(whole), 30.0, "limb too small, px")
    admission.least("visible", own.sum() / max(whole, 1), bars.visible, "limb hardly visible")
    admission.most("covered", (own & hidden).sum() / seen, bars.covered, "covered by others")
    if "near" not in subject.notes:
        subject.notes["near"] = dilate(subject.outline, WIDER * subject.height)
    admission.least("recall", (subject.notes["near"] & own).sum() / seen, bars.recall, "fit outside the mask")


def _check_clicks(subject: Subject, limb: str, tip: float, bars: Bars, admission: Admission) -> None:
    """The keypoints that say where the limb ends: without one the fit guesses, and so it does where they are off it."""
    names = ("shoulder", "elbow", "wrist") if limb.endswith("arm") else ("hip", "knee", "ankle")
    for row, name in list(zip(LIMB_ROWS[limb], names, strict=True))[joints_at(tip)]:
        if subject.state[row] not in (OCCLUDED, VISIBLE):
            admission.refuse(f"no keypoint on the {name}: where the limb ends is not known")
    off = float(subject.clicks[limb][joints_at(tip)].max())
    admission.most("clicks", off, bars.clicks, "fit off its keypoints")


def _limb_size(subject: Subject, beyond: Bool[ndarray, " v"]) -> int:
    """Return how many pixels the drawn limb has, up to ``_PAD`` px outside the photo too."""
    drawn, (h, w) = subject.drawn, subject.outline.shape
    faces = drawn.faces[beyond[drawn.faces].all(1)]
    at = drawn.pixels[beyond]
    if not len(faces) or not np.isfinite(at).all():
        return 0
    low = np.clip(np.floor(at.min(0)), -_PAD, (w + _PAD, h + _PAD)).astype(int)
    high = np.clip(np.ceil(at.max(0)) + 1, low, (w + _PAD, h + _PAD)).astype(int)
    if (high <= low).any():
        return 0
    K = subject.K.copy()
    K[:2, 2] -= low
    size = high - low
    return int((rasterize(drawn.vertices, faces, K, int(size[0]), int(size[1]))[1] >= 0).sum())


def seated(subject: Subject) -> float:
    """Return how far the more upright thigh is from hanging below the trunk: 0 standing, 1 and more sitting. Chairs are
    in few masks, and their legs cross or border on the person's."""
    at = subject.posed.joints
    down = at[JOINT["pelvis"]] - at[JOINT["neck"]]
    thighs = [at[JOINT[f"{side}_knee"]] - at[JOINT[f"{side}_hip"]] for side in ("left", "right")]
    return float(1 - max(t @ down / (np.linalg.norm(t) * np.linalg.norm(down)) for t in thighs))


def check_pixels(limb: LimbPixels, bars: Bars, admission: Admission) -> None:
    """What of the person lies behind the limb."""
    behind = (limb.behind & limb.drawn).sum() / max(int(limb.drawn.sum()), 1)
    admission.most("behind", behind, bars.behind, "own body behind the limb")


def check_frame(
    subject: Subject,
    limb: LimbPixels,
    frame: StumpFrame,
    gear: Gear,
    bars: Bars,
    admission: Admission,
) -> None:
    """The limb at the cut, and what touches it."""
    admission.least("flat", frame.flat, bars.flat, "foreshortened")
    admission.least("ring_px", 2 * frame.half, bars.ring_px, "residual limb too small, px")
    width = frame.half / frame.mesh_half
    others = admission.facts.get("width", 1.0)
    admission.facts["width"] = width if abs(np.log(width)) > abs(np.log(others)) else others
    if limb.region.cuttable and not bars.narrow < width < bars.wide:
        admission.refuse(f"width at the cut is {width:.2f} of the fit's")
    admission.least("free", free_share(subject, limb, frame), bars.free, "own body beside the limb")
    box = around(limb.pixels, 4)
    y, x = (np.arange(size)[part] for size, part in zip(limb.pixels.shape, box, strict=True))
    away = np.hypot(x - frame.origin[0], y[:, None] - frame.origin[1])
    pixels = limb.pixels[box]
    rim = dilate(pixels, 2.0) & ~pixels
    body = subject.sure[box]
    touching = dilate(pixels & body & (away >= 1.6 * frame.half), 2.0) & limb.keep[box] & body
    touching &= rim & ~subject.others[box]
    touching &= away > 1.8 * frame.half
    length = max(int(rim.sum()), 1)
    admission.most("contact", touching.sum() / length, bars.contact, "touches own body")
    cloth = touching & (subject.drawn.away[box] > OFF_BODY * subject.height)
    admission.most("joined", cloth.sum() / length, bars.joined, "cloth joins the limb to others")
    if gear.passes:
        admission.refuse("a thing held elsewhere passes in front of the limb")


def check_rim(
    hole: Hole, ends: Sequence[tuple[LimbPixels, StumpFrame, StumpSkin]], bars: Bars, admission: Admission
) -> None:
    """What the hole is filled from, and the material at the cut."""
    pixels = sum(int(limb.pixels.sum()) for limb, _, _ in ends)
    admission.least("background", hole.background, bars.background, "hardly any background about the hole")
    admission.most("neighbours", hole.neighbours, bars.neighbours, "other people beside the hole")
    admission.most("spread", hole.mask.sum() / max(pixels, 1), bars.spread, "hole larger than the limb explains")
    admission.most("rim_gradient", hole.rim_gradient, bars.rim_gradient, "structure at the hole's rim")
    admission.least("gain", hole.gain, bars.gain, "the limb looks like what is behind it")
    for _, frame, skin in ends:
        admission.most("colour_step", skin.colour_step, bars.colour_step, "cloth changes at the cut")
        (low, high), width = BARE_WIDTH, frame.half / frame.mesh_half
        if skin.cover == BARE and not low < width < high:
            admission.refuse(f"bare limb is {width:.2f} as wide as the fit's")
    admission.least("score", Score().of(admission.facts), bars.score, "the measures together speak against it")
