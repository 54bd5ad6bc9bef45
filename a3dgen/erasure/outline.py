"""The person's outline at the photo's own edges."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.removal.mask_ops import dilate
from a3dgen.removal.segment import segment_person, usable

SIDE = 400
"""Longer side of the picture GrabCut works on, px."""
BAND, CORE = 0.03, 0.02
"""The edge is sought this far outside the mask and inside it, shares of the height."""
NEAR = 0.08
"""A detector's outline counts this near to the fitted body, share of the height."""
_AGREE = 0.75
"""An edge whose outline overlaps the mask less than this is not believed."""


def find_outline(
    rgb: UInt8[ndarray, "h w 3"],
    own: Bool[ndarray, "h w"],
    body: Bool[ndarray, "h w"],
    others: Bool[ndarray, "h w"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return the source's mask of the person, else the detector's near the fitted body; all false without either.

    Args:
        own: the source's mask (all false if there is none). body: outline of the fit. others: masks of other people.
    """
    if own.any():
        return own
    found = segment_person(rgb, body) if usable("auto") else None
    if found is None:
        return np.zeros_like(own)
    return found & dilate(body, NEAR * height) & ~others


def at_edges(
    rgb: UInt8[ndarray, "h w 3"],
    outline: Bool[ndarray, "h w"],
    body: Bool[ndarray, "h w"],
    others: Bool[ndarray, "h w"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return the outline moved to the photo's edges: GrabCut (Rother et al. 2004) in a band about the mask."""
    if outline.sum() < 200:
        return outline.copy()
    rows, cols = np.flatnonzero((outline | body).any(1)), np.flatnonzero((outline | body).any(0))
    pad = int(0.06 * height) + 6
    y0, y1 = max(0, rows[0] - pad), min(len(outline), rows[-1] + 1 + pad)
    x0, x1 = max(0, cols[0] - pad), min(outline.shape[1], cols[-1] + 1 + pad)
    scale = min(1.0, SIDE / max(y1 - y0, x1 - x0))
    size = (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale)))

    def small(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "a b"]:
        return cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0

    inside, drawn, theirs, tall = small(outline), small(body), small(others), height * scale
    labels = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    labels[dilate(inside, max(3.0, BAND * tall))] = cv2.GC_PR_BGD
    labels[inside] = cv2.GC_PR_FGD
    labels[~dilate(~inside, max(2.0, CORE * tall))] = cv2.GC_FGD
    labels[~dilate(~inside, 2.0) & ~dilate(~drawn, 2.0)] = cv2.GC_FGD
    labels[theirs & ~inside] = cv2.GC_BGD
    picture = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    if not np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).any() or not (labels == cv2.GC_BGD).any():
        return outline.copy()
    cv2.setRNGSeed(0)  # GrabCut starts from k-means with OpenCV's own generator
    cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    found = cv2.medianBlur(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8) * 255, 5)
    out = np.zeros_like(outline)
    out[y0:y1, x0:x1] = cv2.resize(found, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) > 127
    agree = (out & outline).sum() / max(int((out | outline).sum()), 1)
    return out if agree > _AGREE else outline.copy()
