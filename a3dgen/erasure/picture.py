"""One finished sample that keeps the photo's person: an amputee, or the intact twin on the same path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import RESIDUAL, Amputee, Cut, rebuild
from a3dgen.compositing.draw import Picture
from a3dgen.core.rng import generator_for
from a3dgen.erasure.erase import Erasure, amputated, cut_of, erase, restored
from a3dgen.erasure.refit import joints_at
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.skeleton import JOINT
from a3dgen.removal.mask_ops import dilate

_HEAD = 0.02
"""A blurred head reaches this far beyond the fitted one, share of the height."""


@dataclass(frozen=True)
class ErasedSample:
    """What stage ``render`` writes.

    Attributes:
        picture: the whole photo; depth and part of the registered body over the window.
        labels: (h, w) u1 part labels (0, else 1 + SMPL joint) of the person's visible pixels, whole photo.
        amputee: the registered body, cut as the sample is. pose, transl: its own. error: clicks off it, of the height.
        frames: of each residual limb, in the photo, px: cut (x, y), direction to its end (x, y), half width, height;
            NaN for other regions. With the body's depth this is what a prosthesis is drawn onto.
    """

    picture: Picture
    labels: UInt8[ndarray, "h w"]
    amputee: Amputee
    pose: Float[ndarray, "24 3"]
    transl: Float[ndarray, "3"]
    error: float
    frames: Float[ndarray, "12 6"]


def draw_erased(config: Any, subject: Subject, plan: Mapping[str, Any], seed: int) -> ErasedSample | str:
    """Draw a plan of mode ``erase``; returns the reasons where the photo does not admit it.

    Amputee and twin share everything up to the last step: admission, hole, fill and grain are drawn by what they share.

    Args:
        config: ``render.Config``. plan: row of Plans. seed: of the build.
    """
    hole = Cut(np.asarray(plan["erased"], bool), np.asarray(plan["erased_residual"], float), RESIDUAL, plan["stump"])
    erasure = _shared(config, subject, hole, f"{plan['parent']}/{plan['look_seed']}", seed)
    if not isinstance(erasure, Erasure):
        return erasure
    intact = not np.asarray(plan["removed"], bool).any()
    shown = restored(erasure) if intact else amputated(erasure)
    amputee = rebuild(subject.body, subject.fit, cut_of(Cut.of(plan)))
    x0, y0, x1, y1 = subject.window
    rgb = subject.photo.copy()
    rgb[y0:y1, x0:x1] = _without_face(subject, shown.rgb) if config.blur_faces else shown.rgb
    labels = np.zeros(rgb.shape[:2], np.uint8)
    labels[y0:y1, x0:x1] = _part_labels(erasure, shown.mask, intact)
    depth, part = (
        (subject.drawn.depth, subject.drawn.own_part()) if intact else (erasure.drawn.depth, erasure.drawn.part)
    )
    picture = Picture(rgb, depth, (part + 1).astype(np.uint8), subject.window)
    error = max(float(subject.clicks[e.limb.limb][joints_at(e.limb.tip)].max()) for e in erasure.ends)
    frames = np.full((12, 6), np.nan) if intact else _frames(erasure)
    pose, transl = (np.asarray(v, np.float64) for v in (subject.fit.pose, subject.fit.transl))
    return ErasedSample(picture, labels, amputee, pose, transl, error, frames)


def _frames(erasure: Erasure) -> Float[ndarray, "12 6"]:
    out = np.full((12, 6), np.nan)
    for end in erasure.ends:
        frame = end.frame
        at = frame.origin + frame.middle * frame.across + erasure.subject.window[:2]
        out[end.limb.region.index] = [*at, *frame.along, frame.half, frame.height]
    return out


def _shared(config: Any, subject: Subject, hole: Cut, name: str, seed: int) -> Erasure | str:
    """Return the erasure that amputee and twin share; the last one is kept, for they follow each other."""
    key = (name, hole.removed.tobytes(), hole.residual.tobytes())
    kept = subject.notes.get("erasure")
    if kept is None or kept[0] != key:
        found = erase(subject, hole, config.bars, generator_for(seed, "erase", name), cover="any")
        kept = subject.notes["erasure"] = key, found if isinstance(found, Erasure) else str(found)
    return kept[1]


def _part_labels(erasure: Erasure, mask: Bool[ndarray, "h w"], intact: bool) -> UInt8[ndarray, "h w"]:
    """Return for each of the person's pixels the part drawn there, or nearest to it."""
    drawn = erasure.subject.drawn
    part = drawn.part + 1
    if not intact:
        own = erasure.drawn.part + 1
        part = np.where(own > 0, own, part)
        for end in erasure.ends:  # nothing of the removed parts is left, whatever lies nearest
            part = np.where(np.isin(part - 1, end.limb.region.joints), end.limb.region.segment[0] + 1, part)
    return np.where(mask, part, 0).astype(np.uint8)


def _without_face(subject: Subject, rgb: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "h w 3"]:
    """Return the window with the person's head blurred beyond recognition."""
    head = subject.drawn.body & (subject.drawn.part == JOINT["head"])
    if not head.any():
        return rgb
    head = dilate(head, max(2.0, _HEAD * subject.height))
    rows = np.flatnonzero(head.any(1))
    sigma = max(2.0, 0.16 * len(rows))
    soft = cv2.GaussianBlur(head.astype(np.float32), (0, 0), max(1.0, 0.1 * sigma))[..., None]
    weight = cv2.GaussianBlur(head.astype(np.float32), (0, 0), sigma)[..., None] + 1e-3
    blurred = cv2.GaussianBlur(rgb.astype(np.float32) * head[..., None], (0, 0), sigma) / weight
    return np.rint(rgb * (1 - soft) + np.clip(blurred, 0, 255) * soft).astype(np.uint8)
