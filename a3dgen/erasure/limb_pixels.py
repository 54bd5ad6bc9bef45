"""The pixels of the limb to erase, and those of the person that stay."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.erasure.graph_cut import cut_border
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.regions import REGIONS, Region
from a3dgen.removal.mask_ops import around, dilate, distance_to
from a3dgen.removal.pieces import Pieces, touching

TORSO_LEVEL = 0.05
"""Level beyond which a limb is erased that closes over the torso."""
REACH, SOURCE_REACH = 0.07, 0.25
"""How far from the drawn limb its pixels may lie, shares of the height: of any outline, and of a source's mask."""
TRUSTED = 0.015
"""A source's mask may be this much too small, share of the height."""
CUT_OFF = 0.5
"""A piece of the person that hangs on the limb alone is at most this large, shares of the limb."""
_SMOOTHING = 0.012
_BAND = 0.022
"""How far the border to other own parts may move to where the colours change, share of the height."""


@dataclass(frozen=True)
class LimbPixels:
    """What of the photo is the limb's end.

    Attributes:
        region: what is removed. limb: its limb's name. tip: limb coordinate of the residual limb's tip.
        level: (h, w) limb coordinate of every pixel. drawn: the drawn limb beyond the tip, as far as it is in front.
        pixels: the limb's own pixels beyond the tip. keep: the person's other pixels.
        behind: pixels of the limb with other own parts behind them. amputee: the cut body. depth, part: it drawn (part
            -1 where nothing is).
        cap: where its cap is drawn.
    """

    region: Region
    limb: str
    tip: float
    level: Float[ndarray, "h w"]
    drawn: Bool[ndarray, "h w"]
    pixels: Bool[ndarray, "h w"]
    keep: Bool[ndarray, "h w"]
    behind: Bool[ndarray, "h w"]
    cap: Bool[ndarray, "h w"]


@dataclass(frozen=True)
class DrawnCut:
    """The cut body drawn into the window: depth (m, inf), part (SMPL joint, -1), and where a cap is seen."""

    depth: Float[ndarray, "h w"]
    part: ndarray
    cap: Bool[ndarray, "h w"]


def draw_cut(subject: Subject, amputee: Amputee) -> DrawnCut:
    """Draw the cut body."""
    h, w = subject.outline.shape
    shown = ~amputee.mesh.hidden
    depth, owner = rasterize(amputee.vertices, amputee.mesh.faces[shown], subject.K, w, h)
    on = owner >= 0
    part = np.where(on, amputee.mesh.face_part[shown][owner].astype(int), -1)
    return DrawnCut(depth, part, on & amputee.cap_faces[shown][owner])


def tip_level(region: int, residual: float) -> float:
    """Return the limb coordinate of the tip; for Shoulder and Hip that of the closure over the torso."""
    r = REGIONS[region]
    return float(r.name.endswith(("hand", "foot"))) + residual if r.cuttable else TORSO_LEVEL


def select(subject: Subject, region: int, residual: float, cut: DrawnCut) -> LimbPixels:
    """Find the limb's pixels: the outline and the drawn body beyond the tip, near the drawn limb, in one piece with it.

    Parts of the mask that hang on nothing once the limb is gone (a glove, a boot) leave with it.
    """
    r, drawn, height = REGIONS[region], subject.drawn, subject.height
    limb, tip = f"{r.side}_{r.limb}", tip_level(region, residual)
    level = drawn.level(limb)
    beyond = level > tip
    own = drawn.body & beyond
    body = subject.mine | drawn.body
    if subject.has_mask:  # what is drawn farther outside is the fit's error
        body = subject.mine | (drawn.body & dilate(subject.mine, TRUSTED * height))
    reach = SOURCE_REACH if subject.has_mask else REACH
    found = (body & (drawn.away <= REACH * height)) | (subject.outline & (drawn.away <= reach * height))
    pixels = touching(found & beyond & ~subject.others, own)
    keep = subject.mine & ~pixels
    main = touching(keep, drawn.body & ~beyond & subject.outline)
    loose = keep & ~main
    if loose.any() and pixels.any() and main.any():
        pixels = pixels | (loose & (distance_to(pixels) < distance_to(main)))
    pixels, keep = _smoothed(subject, pixels)
    border = cut_border(subject.rgb, pixels & (level > tip + 0.1), keep & (level < -0.5), _BAND * height, 0.03 * height)
    pixels = (pixels & ~((level > tip + 0.1) & ~border)) | border
    pixels = touching(pixels, own)
    pixels = pixels | _cut_off(subject, pixels)
    keep = subject.mine & ~pixels
    near = (cut.part >= 0) & ~np.isin(cut.part, r.joints) & (cut.part != r.segment[0])
    behind = touching(pixels & near & ~cut.cap, dilate(keep, 1.5))  # what is seen nowhere beside the limb is not there
    return LimbPixels(r, limb, tip, level, own, pixels, keep, behind, cut.cap)


def _cut_off(subject: Subject, pixels: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return what is kept of the outline but hangs on the limb alone, whatever part the fit says it is: half a boot,
    where the other foot was drawn. What others or things in front cut off stays."""
    keep = subject.mine & ~pixels
    pieces = Pieces.of(keep)
    size = pieces.pixels()
    if len(size) < 3:
        return np.zeros_like(keep)
    size[0] = 0
    loose = (pieces.pixels(dilate(pixels, 1.5)) > 0) & (pieces.pixels(dilate(subject.hidden, 2.0)) == 0)
    loose &= size < min(CUT_OFF * int(pixels.sum()), size.max())
    return pieces.chosen(loose)


def _smoothed(subject: Subject, pixels: Bool[ndarray, "h w"]) -> tuple[Bool[ndarray, "h w"], Bool[ndarray, "h w"]]:
    """Smooth the border between limb and the rest of the person: the drawn labels are ragged there."""
    mine = subject.mine
    if not pixels.any():
        return pixels, mine
    sigma = max(1.0, _SMOOTHING * subject.height)
    box = around(pixels, int(0.03 * subject.height + 4 * sigma) + 2)
    inside, keep = pixels[box], (mine & ~pixels)[box]
    both = inside | keep
    zone = dilate(inside, 0.03 * subject.height) & both
    limb, rest = (cv2.GaussianBlur(m.astype(np.float32), (0, 0), sigma) for m in (inside, keep))
    out = pixels.copy()
    out[box] = np.where(zone, limb > rest, inside) & both
    return out, mine & ~out
