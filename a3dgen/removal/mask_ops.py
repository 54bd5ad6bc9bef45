"""Mask operations: dilation, discs and capsules around keypoints, occluder masks.

Pure image geometry on masks (H, W) bool; everything lives in the undistorted photo.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.geometry.boxes import mask_box
from a3dgen.geometry.skeleton import ROW

_LIMBS: tuple[tuple[str, str, float], ...] = (
    *((f"extra_{s}_shoulder", f"extra_{s}_elbow", 0.040) for s in ("left", "right")),
    *((f"extra_{s}_elbow", f"extra_{s}_wrist", 0.035) for s in ("left", "right")),
    *((f"extra_{s}_hip", f"extra_{s}_knee", 0.060) for s in ("left", "right")),
    *((f"extra_{s}_knee", f"extra_{s}_ankle", 0.045) for s in ("left", "right")),
    *((f"extra_{s}_shoulder", f"extra_{s}_hip", 0.050) for s in ("left", "right")),
    ("extra_left_shoulder", "extra_right_shoulder", 0.050),
    ("extra_left_hip", "extra_right_hip", 0.060),
    ("extra_neck_lsp", "extra_head_top_lsp", 0.055),
    ("extra_jaw_h36m", "extra_head_h36m", 0.055),
    ("body_left_ear", "body_right_ear", 0.060),
)
"""Pairs of input rows and the radius of the limb between them, as a share of the standing height."""
WRISTS = (ROW["extra_left_wrist"], ROW["extra_right_wrist"])
ELBOWS = (ROW["extra_left_elbow"], ROW["extra_right_elbow"])
ANKLES = (ROW["extra_left_ankle"], ROW["extra_right_ankle"])
KNEES = (ROW["extra_left_knee"], ROW["extra_right_knee"])
FOOT, FOOT_BEYOND = 0.06, 0.04
"""Radius of the disc that holds a foot and its centre beyond the ankle, shares of the height."""
HAND = 0.055
"""Radius of the disc that holds a hand, share of the height, and below, shares of the forearm: radius and centre."""
HAND_OF_FOREARM, HAND_BEYOND = 0.42, 0.45
SMALL_DISC = 7.0
"""Up to this radius, px, a disc is drawn around every pixel; distances take longer."""
FOREGROUND_DEPTH = 0.02
"""An instance this far inside the silhouette (share of the height) is certainly in front of the person."""


def dilate(mask: Bool[ndarray, "h w"], radius: float) -> Bool[ndarray, "h w"]:
    """Dilate by a disc of ``radius`` px (Euclidean, exact)."""
    if radius <= 0 or not mask.any() or mask.all():
        return mask.copy()
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    reach = int(radius) + 2
    part = np.s_[max(0, rows[0] - reach) : rows[-1] + reach + 1, max(0, cols[0] - reach) : cols[-1] + reach + 1]
    out = np.zeros_like(mask)
    if radius <= SMALL_DISC:
        out[part] = cv2.dilate(mask[part].astype(np.uint8), _disc(radius)) > 0
    else:  # in time independent of the radius
        away = cv2.distanceTransform((~mask[part]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        out[part] = away <= radius + 1e-3
    return out


@lru_cache(64)
def _disc(radius: float) -> UInt8[ndarray, "s s"]:
    """Return the pixels within a radius of the middle one."""
    across = np.arange(-int(radius + 1e-3), int(radius + 1e-3) + 1, dtype=np.float32)
    return (np.sqrt(across[:, None] ** 2 + across**2) <= radius + 1e-3).astype(np.uint8)


def around(mask: Bool[ndarray, "h w"], margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a mask's box (not empty) and ``margin`` px around it, inside the picture."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y, x = (slice(max(0, int(v[0]) - margin), int(v[-1]) + margin + 1) for v in (rows, cols))
    return y, x


def union(parts: Iterable[Any], shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    """Return the union of masks, all false for none."""
    out = np.zeros(shape, bool)
    for part in parts:
        out |= part
    return out


def distance_to(mask: Bool[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    """Return every pixel's distance from a mask, px."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)


def extent(mask: Bool[ndarray, "h w"]) -> float:
    """Return the longer side of a mask's box, px (1 if it is empty)."""
    x0, y0, x1, y1 = mask_box(mask)
    return float(max(x1 - x0, y1 - y0, 1.0))


def discs(points: Float[ndarray, "n 2"], radius: float, shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    """Return the union of discs of ``radius`` px around points (px)."""
    out = np.zeros(shape, np.uint8)
    for x, y in points:
        if np.isfinite(x) and np.isfinite(y) and abs(x) < 1e5 and abs(y) < 1e5:
            cv2.circle(out, (round(float(x)), round(float(y))), max(1, round(radius)), 1, -1)
    return out > 0


def values_at(mask: Bool[ndarray, "h w"], points: Float[ndarray, "*n 2"]) -> Bool[ndarray, "*n"]:
    """Return a mask's values at points (px), false outside."""
    h, w = mask.shape
    at = np.rint(points).astype(int)
    x, y = at[..., 0], at[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    return mask[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)] & inside


def limb_capsules(
    keypoints: Float[ndarray, "44 2"], labelled: Bool[ndarray, "44"], height: float, shape: tuple[int, ...]
) -> Bool[ndarray, "h w"]:
    """Return thick lines between the source's own keypoints: they are right even where the fit is not.

    Args:
        keypoints: input rows, px. labelled: which of them exist. height: standing height of the person, px.
    """
    out = np.zeros(shape, np.uint8)
    for a, b, radius in _LIMBS:
        p, q = keypoints[ROW[a]], keypoints[ROW[b]]
        if labelled[ROW[a]] and labelled[ROW[b]] and np.abs([p, q]).max() < 1e5:
            ends = (tuple(np.round(p).astype(int).tolist()), tuple(np.round(q).astype(int).tolist()))
            cv2.line(out, *ends, 1, max(1, round(2 * radius * height)))
    return out > 0


def hands(
    keypoints: Float[ndarray, "44 2"], labelled: Bool[ndarray, "44"], height: float, shape: tuple[int, ...]
) -> Bool[ndarray, "h w"]:
    """Return discs that hold the hands; see ``each_hand``."""
    return union(each_hand(keypoints, labelled, height, shape), shape)


def each_hand(
    keypoints: Float[ndarray, "44 2"], labelled: Bool[ndarray, "44"], height: float, shape: tuple[int, ...]
) -> list[Any]:
    """Return a disc that holds the hand for each labelled wrist: no source marks where the fingers end, and masks like
    to cut them off.

    Args:
        keypoints: input rows, px. labelled: which of them exist. height: standing height of the person, px.
    """
    out = []
    for wrist, elbow in zip(WRISTS, ELBOWS, strict=True):
        if labelled[wrist] and labelled[elbow]:
            forearm = keypoints[wrist] - keypoints[elbow]
            length = min(float(np.linalg.norm(forearm)), 0.2 * height)
            centre = keypoints[wrist] + HAND_BEYOND * length * forearm / max(float(np.linalg.norm(forearm)), 1e-6)
            out.append(discs(centre[None], max(HAND * height, HAND_OF_FOREARM * length), shape))
        elif labelled[wrist]:
            out.append(discs(keypoints[None, wrist], 1.6 * HAND * height, shape))
    return out


def feet(
    keypoints: Float[ndarray, "44 2"], labelled: Bool[ndarray, "44"], height: float, shape: tuple[int, ...]
) -> list[Any]:
    """Return a disc that holds the foot for each labelled shin: clicks end at the ankle.

    Args:
        keypoints: input rows, px. labelled: which of them exist. height: standing height of the person, px.
    """
    out = []
    for ankle, knee in zip(ANKLES, KNEES, strict=True):
        if labelled[ankle] and labelled[knee]:
            shin = keypoints[ankle] - keypoints[knee]
            centre = keypoints[ankle] + FOOT_BEYOND * height * shin / max(float(np.linalg.norm(shin)), 1e-6)
            out.append(discs(centre[None], FOOT * height, shape))
    return out


def erode_unless_thin(mask: Bool[ndarray, "h w"], radius: float) -> Bool[ndarray, "h w"]:
    """Return the mask without its rim of ``radius`` px; what is too thin to keep anything keeps all."""
    deep = mask & ~dilate(~mask, radius)
    return deep | (mask & ~dilate(deep, radius + 1.5))


def in_front(
    instances: Sequence[Bool[ndarray, "h w"]],
    silhouette: Bool[ndarray, "h w"],
    own: Bool[ndarray, "h w"],
    seen: Float[ndarray, "n 2"],
    clearance: float,
    margin: float,
) -> Bool[ndarray, "h w"]:
    """Return what hid the person in the photo and must hide the new one (docs/labels.md, rule 2).

    Args:
        instances: masks of other people and of objects that stay.
        silhouette: outline of the fitted intact body.
        own: the person's own mask from the source (all false if there is none): nothing is in front there.
        seen: keypoints labelled visible, px; nothing within ``clearance`` px of them is in front.
        margin: how far clothing may stand off the body, px. An instance that certainly is in front (it reaches deep
            into the silhouette) also counts this far outside it.
    """
    out = np.zeros_like(silhouette)
    if not silhouette.any() or not instances:
        return out
    depth = cv2.distanceTransform(silhouette.astype(np.uint8), cv2.DIST_L2, 5)
    rows = np.flatnonzero(silhouette.any(1))
    deep = depth > FOREGROUND_DEPTH * (rows[-1] - rows[0] + 1)
    bare = ~own & ~discs(seen, clearance, silhouette.shape)
    wide = dilate(silhouette, margin)
    for mask in instances:
        inside = mask & silhouette & bare
        if inside.any():
            out |= mask & wide & bare if (inside & deep).any() else inside
    return out
