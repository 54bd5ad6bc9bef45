"""Person masks for photos without any: the detector's segmentation, refined by colour."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.pool import Pool
from a3dgen.detectors import mediapipe, networks
from a3dgen.detectors.keypoint_rows import windows
from a3dgen.removal.mask_ops import dilate

REFINED_SIDE = 400
"""Longer side of the picture GrabCut works on, px."""
MARGIN = 0.25
"""Context around the person given to the detector, share of the box."""
SHARES = (0.55, 0.38)
"""Sides of the windows in which everybody is looked for, shares of the photo's longer side."""
KEPT = 2
"""Photos whose people are remembered: those of one photo follow each other."""


def segmenter_name() -> str:
    """Return ``mediapipe`` if it can be used here without fetching anything, else an empty string."""
    return "mediapipe" if networks.available() else ""


def usable(segmenter: str) -> bool:
    """Return whether there is a detector to ask.

    Args:
        segmenter: ``none`` and ``given`` ask nobody, ``auto`` if its networks are here, ``mediapipe`` may fetch them.

    Raises:
        MissingDependency: ``mediapipe`` is asked for and cannot be had.
    """
    if segmenter == "mediapipe" and not segmenter_name():
        networks.folder()
    return segmenter not in ("none", "given") and bool(segmenter_name())


def segment_person(rgb: UInt8[ndarray, "h w 3"], near: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"] | None:
    """Return the detector's mask of the person around ``near``, or None if it sees nobody.

    Args:
        rgb: photo. near: rough outline of the person; the detector sees its box only.
    """
    if not near.any():
        return None
    rows, cols = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    dy, dx = MARGIN * (rows[-1] - rows[0] + 1), MARGIN * (cols[-1] - cols[0] + 1)
    hit = mediapipe.look(rgb, (int(cols[0] - dx), int(rows[0] - dy), int(cols[-1] + 1 + dx), int(rows[-1] + 1 + dy)))
    return None if hit is None else _placed(hit, near.shape)


_SEEN: Pool[ndarray] = Pool(KEPT)


def segment_everybody(rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
    """Return what the detector takes for people anywhere in the photo; the last few photos are remembered."""
    name = hashlib.blake2b(np.ascontiguousarray(rgb).data, digest_size=16).digest()
    return _SEEN.get(name, lambda: _segment_windows(rgb)).copy()


def _segment_windows(rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
    height, width = rgb.shape[:2]
    out = np.zeros((height, width), bool)
    for box in windows(width, height, SHARES):
        hit = mediapipe.look(rgb, box)
        if hit is not None and mediapipe.plausible(hit):
            out |= _placed(hit, out.shape)
    return out


def _placed(hit: mediapipe.Hit, shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    out = np.zeros(shape, bool)
    (x, y), (h, w) = hit.corner, hit.segmentation.shape
    out[y : y + h, x : x + w] = hit.segmentation > 0.4
    return out


def refine(
    rgb: UInt8[ndarray, "h w 3"],
    outline: Bool[ndarray, "h w"],
    certain: Bool[ndarray, "h w"],
    others: Bool[ndarray, "h w"],
    doubtful: Bool[ndarray, "h w"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Fit a rough outline to the photo's colours (GrabCut; Rother et al. 2004), at reduced size.

    On 10 fitted people of COCO val2017 it raises the mean IoU with the drawn masks from 0.80 to 0.83 (without a
    detector from 0.76 to 0.83); grown by 5 % of the height, both outlines hold 0.999 of the drawn pixels.

    Args:
        outline: where the person probably is. certain: always part of the result.
        others: what certainly is other people; never part of what is added.
        doubtful: where only the colours decide (hands, places that two people claim).
        height: of the person in the photo, px.
    """
    h, w = outline.shape
    rows, cols = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
    pad = int(0.15 * height) + 4
    y0, y1 = max(0, rows[0] - pad), min(h, rows[-1] + 1 + pad)
    x0, x1 = max(0, cols[0] - pad), min(w, cols[-1] + 1 + pad)
    scale = min(1.0, REFINED_SIDE / max(y1 - y0, x1 - x0))
    size = (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale)))

    def small(mask: ndarray) -> Bool[ndarray, "a b"]:
        return cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0

    inside, neighbours, open_to_doubt, tall = small(outline), small(others), small(doubtful), height * scale
    labels = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    labels[dilate(inside, 0.06 * tall)] = cv2.GC_PR_BGD
    labels[inside] = cv2.GC_PR_FGD
    labels[open_to_doubt & ~inside] = cv2.GC_PR_BGD
    labels[~dilate(~inside, 0.03 * tall) & ~open_to_doubt] = cv2.GC_FGD
    labels[neighbours] = cv2.GC_BGD
    found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if found.any() and not found.all():
        picture = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        cv2.setRNGSeed(0)  # GrabCut starts from k-means with OpenCV's own generator
        cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
        found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    out = certain.copy()
    full = cv2.resize(found.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) > 0
    out[y0:y1, x0:x1] |= full
    return out
