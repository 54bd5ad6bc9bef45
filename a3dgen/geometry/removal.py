"""Which pixels leave the photo with the person, and which stay in front of the one who takes the place.

Pure image geometry on masks (H, W) bool; everything lives in the undistorted photo.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

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
ANKLES = (ROW["extra_left_ankle"], ROW["extra_right_ankle"])
SHADOW = -0.45
"""A cast shadow's linear colour is at most exp(this) times the ground's."""
HELD_SHARE = 0.6
"""A held object is smaller than this share of the person."""
FOREGROUND_DEPTH = 0.02
"""An instance this far inside the silhouette (share of the height) is certainly in front of the person."""


def grow(mask: Bool[ndarray, "h w"], radius: float) -> Bool[ndarray, "h w"]:
    """Dilate by a disc of ``radius`` px (Euclidean, exact, in time independent of the radius)."""
    if radius <= 0 or not mask.any() or mask.all():
        return mask.copy()
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius + 1e-3


def discs(points: Float[ndarray, "n 2"], radius: float, shape: tuple[int, int]) -> Bool[ndarray, "h w"]:
    """Return the union of discs of ``radius`` px around points (px)."""
    out = np.zeros(shape, np.uint8)
    for x, y in points:
        if np.isfinite(x) and np.isfinite(y) and abs(x) < 1e5 and abs(y) < 1e5:
            cv2.circle(out, (round(float(x)), round(float(y))), max(1, round(radius)), 1, -1)
    return out > 0


def limb_capsules(
    keypoints: Float[ndarray, "44 2"], labelled: Bool[ndarray, "44"], height: float, shape: tuple[int, int]
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


def held_objects(
    person: Bool[ndarray, "h w"], objects: Sequence[Bool[ndarray, "h w"]], hands: Float[ndarray, "n 2"], reach: float
) -> list[int]:
    """Return the indices of objects in the person's hands.

    An object is held if it touches the person, comes within ``reach`` px of a hand and is clearly smaller than the
    person (a table that a hand rests on stays).
    """
    if not len(hands):
        return []
    near = grow(person, 2.0)
    at_hand = discs(hands, reach, person.shape)
    area = max(int(person.sum()), 1)
    found = []
    for i, thing in enumerate(objects):
        size = int(thing.sum())
        if 0 < size < HELD_SHARE * area and (thing & near).any() and (thing & at_hand).any():
            found.append(i)
    return found


def cast_shadow(
    rgb: UInt8[ndarray, "h w 3"],
    person: Bool[ndarray, "h w"],
    keep: Bool[ndarray, "h w"],
    feet: Float[ndarray, "n 2"],
    height: float,
) -> Bool[ndarray, "h w"]:
    """Return the shadow on the ground that hangs together with the feet; all false if none is found.

    What is found counts only if it is a minor part of the searched ground.

    Args:
        rgb: photo. person: mask to be removed. keep: pixels that must stay (other people).
        feet: ankles or toes, px. height: standing height of the person, px.
    """
    none = np.zeros_like(person)
    box = _ground_box(feet, height, person.shape)
    if box is None:
        return none
    y0, y1, x0, x1 = box
    body = grow(person, 0.03 * height)[y0:y1, x0:x1]
    ground = ~(body | keep[y0:y1, x0:x1])
    if ground.sum() < 0.2 * ground.size:
        return none
    dark = _shaded(rgb[y0:y1, x0:x1], ground)
    seed = discs(feet - (x0, y0), 0.14 * height, dark.shape) & body
    bridge = np.ones((3, max(3, int(0.02 * height)) | 1), np.uint8)
    joined = cv2.morphologyEx((dark | seed).astype(np.uint8), cv2.MORPH_CLOSE, bridge)
    _, labels = cv2.connectedComponents(joined)
    found = np.isin(labels, np.unique(labels[seed])) & (joined > 0) & ground
    if found.sum() > 0.35 * ground.sum() or found.sum() < 12:
        return none
    out = none
    out[y0:y1, x0:x1] = found
    return out


def _shaded(rgb: UInt8[ndarray, "h w 3"], ground: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return ground that looks like the lit ground times one factor: darker by ``SHADOW``, of its hue or bluer.

    Light from the sky fills a shadow, so its blue falls less than its red; grass beside sand differs in green.
    """
    smooth = cv2.GaussianBlur(rgb, (0, 0), 1.2).astype(np.float32) / 255
    log = np.log(smooth**2.2 + 2e-3)
    bright = log.mean(-1)
    low, high = np.percentile(bright[ground], (50, 85))
    lit = np.median(log[ground & (bright >= low) & (bright <= high)], axis=0)
    red, green, blue = np.moveaxis(log - lit, -1, 0)
    tint = (blue - red > -0.2) & (blue - red < 1.6) & (np.abs(green - (red + blue) / 2) < 0.35)
    dark = ((red + green + blue) / 3 < SHADOW) & tint & ground
    return cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0


def _ground_box(feet: Float[ndarray, "n 2"], height: float, shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return y0, y1, x0, x1 of the ground searched for a shadow, or None if no foot is in the image."""
    h, w = shape
    inside = (feet >= 0).all(1) & (feet[:, 0] < w) & (feet[:, 1] < h)
    if not inside.any():
        return None
    feet = feet[inside]
    y0 = max(0, int(feet[:, 1].min() - 0.03 * height))
    y1 = min(h, int(feet[:, 1].max() + 0.25 * height) + 1)
    x0 = max(0, int(feet[:, 0].min() - 0.7 * height))
    x1 = min(w, int(feet[:, 0].max() + 0.7 * height) + 1)
    return (y0, y1, x0, x1) if y1 - y0 > 8 and x1 - x0 > 8 else None


def in_front(
    instances: Sequence[Bool[ndarray, "h w"]],
    silhouette: Bool[ndarray, "h w"],
    own: Bool[ndarray, "h w"],
    seen: Float[ndarray, "n 2"],
    clearance: float,
    margin: float,
) -> Bool[ndarray, "h w"]:
    """Return what hid the person in the photo and must hide the new one (DESIGN, visibility rule 2).

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
    wide = grow(silhouette, margin)
    for mask in instances:
        inside = mask & silhouette & bare
        if inside.any():
            out |= mask & wide & bare if (inside & deep).any() else inside
    return out
