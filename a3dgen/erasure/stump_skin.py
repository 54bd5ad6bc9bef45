"""The end of the residual limb: its outline, the person's own pixels unrolled over it, and its shading."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.erasure.empty_cloth import MOST_OVER as CLOTH_OVER
from a3dgen.erasure.empty_cloth import cloth_length, cloth_reach, folds, hang, over_own_body
from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.stump_frame import StumpFrame
from a3dgen.erasure.stump_outline import BARE, CLOTH, EXPONENT, HANGING, PINNED, ROLLED, EndGrid, EndOutline
from a3dgen.erasure.stump_shading import creases, scar, shading
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.limbs import smoothstep
from a3dgen.removal.mask_ops import dilate

JUMP = 16.0
"""Colours on both sides of the cut that differ more (Lab) are two materials: the end is then mirrored from above."""
SKIN_SHARE = 0.55
PINNED_SHARE, ROLLED_SHARE, HANGING_SHARE = 0.3, 0.2, 0.15
"""Of ends in cloth, where any cover may be drawn; what cannot hang is closed cloth."""
THICKEST = 0.5
"""Cloth reaches at most this far beyond the body, shares of its half width."""
_STAYS = 0.4
"""Share of the end, from its middle, whose pixels stay the photo's."""
_EDGE = 2.2
"""Pixels this near to the limb's edge are not copied: the background shines through them."""


@dataclass(frozen=True)
class StumpSkin:
    """The drawn end over a crop of the window.

    Attributes:
        crop: rows and columns of the window. alpha: opacity. solid: where it is opaque. color: linear light.
        cover: bare, cloth, pinned or rolled. beyond: px along the limb past the cut. zone: where the limb is reworked.
        colour_step: change of colour at the cut, Lab.
    """

    crop: tuple[slice, slice]
    alpha: Float[ndarray, "h w"]
    color: Float[ndarray, "h w 3"]
    cover: str
    beyond: Float[ndarray, "h w"]
    zone: Bool[ndarray, "h w"]
    colour_step: float


def is_skin(rgb: UInt8[ndarray, "n 3"]) -> Bool[ndarray, " n"]:
    """Return which colours may be skin (Chai and Ngan 1999, in YCrCb; widened for dark skin)."""
    if not len(rgb):
        return np.zeros(0, bool)
    y, cr, cb = cv2.cvtColor(np.ascontiguousarray(rgb)[:, None], cv2.COLOR_RGB2YCrCb)[:, 0].astype(int).T
    return (cr > 135) & (cr < 178) & (cb > 82) & (cb < 130) & (y > 28)


def draw_end(subject: Subject, limb: LimbPixels, frame: StumpFrame, cover: str, rng: np.random.Generator) -> StumpSkin:
    """Draw the end of the residual limb; nothing where the torso's own pixels close it (Shoulder, Hip).

    Args:
        cover: bare, cloth, pinned, rolled or hanging (closed cloth where none can hang); ``auto``: bare or cloth by the
            colours at the cut; ``any``: cloth may be pinned, rolled or hang empty.
    """
    grid = EndGrid.of(subject, limb, frame)
    if cover in ("auto", "any", HANGING):
        cover = _drawn_cover(subject, grid, frame, cover, rng)
    if cover == HANGING:
        empty = _empty(subject, limb, frame, rng)
        if empty is not None:
            return empty
        cover = CLOTH
    if cover != BARE:  # cloth closes over the tip with the thickness it has at the sides
        thick = float(np.clip(frame.half - frame.mesh_half, 0, THICKEST * frame.mesh_half))
        frame = replace(frame, height=frame.height + thick)
    outline = EndOutline.of(grid, frame, EXPONENT[cover])
    step, mirror = _colour_steps(subject, grid, frame, outline.arc[-1])
    if not limb.region.cuttable:
        nothing = np.zeros(grid.t.shape, np.float32)
        return StumpSkin(grid.crop, nothing, np.zeros((*grid.t.shape, 3), np.float32), cover, nothing, grid.zone, step)
    color, u, u_source = _unrolled(subject, limb, grid, frame, outline, mirror)
    gain = shading(subject, grid, frame, outline, u, u_source)
    if cover != BARE:
        gain = gain * creases(grid, frame, cover, rng)
    color = np.clip(color, 0, 1) * gain[..., None]
    if cover == BARE and frame.half > 7:
        color = color * scar(grid, frame, outline, rng)
    return StumpSkin(grid.crop, outline.alpha, color.astype(np.float32), cover, grid.t, grid.zone, step)


def _drawn_cover(subject: Subject, grid: EndGrid, frame: StumpFrame, cover: str, rng: np.random.Generator) -> str:
    """Return what covers the end: nothing where the colours at the cut are skin's."""
    skin = grid.here & (grid.t > -frame.half)
    share = float(is_skin(subject.rgb[grid.crop][skin]).mean()) if skin.any() else 0.0
    drawn = rng.random() if cover == "any" else 1.0
    if share > SKIN_SHARE:
        return BARE
    ends = np.cumsum([PINNED_SHARE, ROLLED_SHARE, HANGING_SHARE])
    cloth = (PINNED, ROLLED, HANGING, CLOTH)[int(np.searchsorted(ends, drawn, side="right"))]
    return HANGING if cover == HANGING else cloth


def _empty(subject: Subject, limb: LimbPixels, frame: StumpFrame, rng: np.random.Generator) -> StumpSkin | None:
    """Return empty cloth that hangs from the limb; None where none would."""
    length = cloth_length(subject, limb, frame)
    if length < frame.height + frame.half:
        return None
    grid = EndGrid.of(subject, limb, frame, length + 2 * frame.half)
    corner = (grid.crop[1].start, grid.crop[0].start)
    cloth = hang(frame, length, cloth_reach(subject, frame), grid.t.shape, corner, rng)
    if over_own_body(cloth, limb.keep[grid.crop] & (limb.level[grid.crop] < -0.5)) > CLOTH_OVER:
        return None
    step, _ = _colour_steps(subject, grid, frame, frame.height)
    color = cv2.remap(subject.linear, cloth.x.astype(np.float32), cloth.y.astype(np.float32), cv2.INTER_CUBIC,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    color = np.clip(color, 0, 1) * folds(cloth, frame, length, rng)[..., None]
    return StumpSkin(grid.crop, cloth.alpha, color.astype(np.float32), HANGING, grid.t, grid.zone, step)


def _colour_steps(subject: Subject, grid: EndGrid, frame: StumpFrame, arc: float) -> tuple[float, bool]:
    """Return the colour's change just before the cut (a hem), and whether it jumps where the texture would be taken."""
    lab = cv2.cvtColor(np.ascontiguousarray(subject.rgb[grid.crop]), cv2.COLOR_RGB2LAB).astype(np.float32)

    def colour(low: float, high: float) -> ndarray | None:
        strip = grid.own & (grid.t > low) & (grid.t < high) & (np.abs(grid.s - frame.middle) < 0.7 * frame.half)
        return np.median(lab[strip], axis=0) if strip.sum() > 6 else None

    def apart(a: ndarray | None, b: ndarray | None, unknown: float) -> float:
        if a is None or b is None:
            return unknown
        return float(np.linalg.norm((a - b)[1:]) + 0.4 * abs(a[0] - b[0]))

    before, after = colour(-1.2 * frame.half, 0.0), colour(0.1 * frame.half, arc)
    far, near = colour(-1.3 * frame.half, -0.35 * frame.half), colour(-0.3 * frame.half, 0.0)
    return apart(far, near, 0.0), bool(apart(before, after, 99.0) > JUMP)


def _unrolled(
    subject: Subject, limb: LimbPixels, grid: EndGrid, frame: StumpFrame, outline: EndOutline, mirror: bool
) -> tuple[ndarray, ndarray, ndarray]:
    """Return the end's colours (linear light) and where across the limb each pixel is and comes from, -1..1.

    Arc length along the cap's meridian becomes the same distance further down the real limb, squeezed across as a dome
    shows it; mirrored from above the cut where another material begins there.
    """
    t, s = grid.t, grid.s
    if mirror:
        reach = min(outline.arc[-1], grid.back + 0.8 * frame.half)
        source_t = np.where(t > 0, -outline.arc_at * reach / outline.arc[-1] * 0.9 - 1, t)
    else:
        source_t = np.where(t > 0, outline.arc_at, t)
    source_half, source_centre = frame.at(source_t)
    width = np.maximum(outline.width, 1e-3)
    squeeze = (np.maximum(outline.half, 0.35 * width) / width) ** 0.5
    if not mirror:  # well inside the end the limb's own pixels stay where they are: they face the camera on a dome, too
        at_edge = smoothstep((outline.level - _STAYS) / (1 - _STAYS))
        source_t = t + at_edge * (source_t - t)
        squeeze = 1 + at_edge * (squeeze - 1)
        source_half, source_centre = frame.at(source_t)
    u_source = (s - outline.centre) / np.maximum(np.where(t > 0, width * squeeze, width), 1e-3)
    limit = np.where(t > 0, 1 - _EDGE / np.maximum(source_half, 4), 1 + 3 / np.maximum(source_half, 3))
    u_source = np.clip(u_source, -limit, limit)
    source_s = source_centre + u_source * source_half
    if not mirror:
        source_s = np.where(t > 0, s + at_edge * (source_s - s), source_s)
    x = frame.origin[0] + source_t * frame.along[0] + source_s * frame.across[0]
    y = frame.origin[1] + source_t * frame.along[1] + source_s * frame.across[1]
    x, y = _onto_limb(grid, (subject.fine | subject.drawn.body)[grid.crop] & (limb.level[grid.crop] > -0.5), x, y)
    color = cv2.remap(
        subject.linear, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    u = np.clip((s - outline.centre) / np.maximum(outline.half, 1e-3), -1, 1)
    return color, u, u_source


def _onto_limb(grid: EndGrid, own: Bool[ndarray, "h w"], x: ndarray, y: ndarray) -> tuple[ndarray, ndarray]:
    """Return the sources of the end's pixels, those off the limb moved to its nearest pixel: where it bends just
    beyond the cut, its straight continuation lies on the background.

    Args:
        own: the limb's pixels in the crop. x, y: sources in the window, px.
    """
    core = own & ~dilate(~own, _EDGE - 1)
    if not core.any():
        return x, y
    _, label = cv2.distanceTransformWithLabels((~core).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    place = np.zeros(int(label.max()) + 1, np.int64)
    place[label[core]] = np.flatnonzero(core)
    h, w = core.shape
    y0, x0 = grid.crop[0].start, grid.crop[1].start
    i, j = np.clip(np.rint(y - y0), 0, h - 1).astype(int), np.clip(np.rint(x - x0), 0, w - 1).astype(int)
    off = (grid.t > 0) & ~core[i, j]
    nearest = place[label[i, j]]
    return np.where(off, nearest % w + x0, x), np.where(off, nearest // w + y0, y)
