"""An empty sleeve or trouser leg that hangs from the residual limb, made of the cloth the photo shows on the limb."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.refit import LIMB_ROWS
from a3dgen.erasure.stump_frame import StumpFrame, soft_edge
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.limbs import smoothstep

STEEP = 0.75
"""Cosine of the limb's direction to the picture's vertical from which empty cloth is believed to hang."""
ALIKE = 22.0
"""Cloth at the cut and near wrist or ankle that differs less than this (Lab) is one piece."""
HEM = 0.93
"""The hem, share of the way to wrist or ankle."""
NARROWER = 0.8
"""Width of empty cloth, share of the filled one's: it falls in folds."""
MOST_OVER = 0.04
"""Share of the cloth that may hang over other parts of the person."""
_NEAR_HEM = (1.5, 1.8)
_BEND = 1.6
"""Cloth turns to the vertical over this many half widths."""


@dataclass(frozen=True)
class EmptyCloth:
    """Over a crop (first pixel ``corner``, x, y): place along the cloth ``tau`` and across it ``u`` (-1..1), opacity,
    and where in the photo the colours come from (x, y)."""

    tau: Float[ndarray, "h w"]
    u: Float[ndarray, "h w"]
    alpha: Float[ndarray, "h w"]
    x: Float[ndarray, "h w"]
    y: Float[ndarray, "h w"]


def cloth_length(subject: Subject, limb: LimbPixels, frame: StumpFrame) -> float:
    """Return how far cloth hangs from the cut, px; 0 where the limb is not steep, or its cloth does not reach on.

    Bare skin, a short sleeve or another garment beyond the cut have another colour than the cloth at the cut.
    """
    if not limb.region.cuttable or frame.along[1] < STEEP:
        return 0.0
    lab = _lab(subject)
    t, s = frame.coordinates(limb.pixels.shape, (0, 0))
    at_cut = subject.mine & (limb.level > -0.5) & (np.abs(t) < 0.8 * frame.half) & (np.abs(s) < 0.7 * frame.half)
    low, high = max(_NEAR_HEM[0], limb.tip + 0.05), _NEAR_HEM[1]
    far = limb.pixels & limb.drawn & (limb.level > low) & (limb.level < max(high, low + 0.15))
    if at_cut.sum() < 12 or far.sum() < 12:
        return 0.0
    change = np.median(lab[at_cut], axis=0) - np.median(lab[far], axis=0)
    if float(np.linalg.norm(change[1:]) + 0.4 * abs(change[0])) > ALIKE:
        return 0.0
    places = np.asarray(subject.posed.keypoints, np.float64)[list(LIMB_ROWS[limb.limb])]
    joint = int(limb.tip)  # the next joint beyond the cut: mid (1) or end (2)
    bones = np.linalg.norm(np.diff(places, axis=0), axis=1)
    left = bones[joint] * (joint + 1 - limb.tip) + bones[joint + 1 :].sum()
    return float(HEM * left * subject.K[0, 0] / places[:, 2].mean())


def cloth_reach(subject: Subject, frame: StumpFrame) -> float:
    """Return how far beyond the cut the photo shows the cloth of the cut, px: beyond its hem it shows the hand or the
    shoe."""
    t, s = frame.coordinates(subject.outline.shape, (0, 0))
    line = subject.mine & (t > -0.8 * frame.half) & (t < frame.t[-1]) & (np.abs(s) < 0.4 * frame.half)
    if not line.any():
        return 4.0
    row, lab = np.maximum(t[line], 0).astype(int), _lab(subject)[line]
    count = np.maximum(np.bincount(row), 1)
    colour = np.stack([np.bincount(row, lab[:, k]) / count for k in range(3)], 1)
    change = colour - colour[0]
    strange = np.hypot(change[:, 1], change[:, 2]) + 0.4 * np.abs(change[:, 0]) > ALIKE
    return float(max((np.flatnonzero(strange)[0] if strange.any() else len(strange)) - 2, 4))


def hang(
    frame: StumpFrame, length: float, reach: float, shape: tuple[int, ...], corner: tuple[int, int],
    rng: np.random.Generator,
) -> EmptyCloth:  # fmt: skip
    """Lay out cloth of ``length`` px over a crop: it leaves the limb along it, turns to the vertical and narrows.

    ``reach``: how far beyond the cut the photo shows it, px.
    """
    steps = np.arange(max(int(length), 2) + 1)
    bend = smoothstep(steps / (_BEND * frame.half))[:, None]
    way = (1 - bend) * frame.along + bend * np.array([0.0, 1.0])
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    start = frame.origin + frame.middle * frame.across - corner
    line = start + np.concatenate([[[0.0, 0.0]], np.cumsum(way[:-1], axis=0)])
    tau, s = _along(line, way, shape)
    wave = 0.03 * np.sin(tau / (1.1 * frame.half) + rng.uniform(0, 6.3))
    narrow = 1 - (1 - NARROWER) * smoothstep((tau - 0.5 * frame.height) / (1.3 * frame.half))
    half = frame.half * (narrow * (1 - 0.08 * np.clip(tau / length, 0, 1)) + wave * (tau > 0))
    u = s / np.maximum(half, 1.0)
    hem = length * (1 + 0.02 * np.cos(2.2 * u + rng.uniform(-0.6, 0.6)))
    inside = np.minimum(half - np.abs(s), hem - tau)
    alpha = soft_edge(inside) * (tau > 0)
    reach = min(_whole(frame), reach)
    source_t = _to_and_fro(tau, 0.12 * reach, reach)
    source_half, source_centre = frame.at(source_t)
    source_s = source_centre + np.clip(u, -1, 1) * np.maximum(source_half - 2.2, 1.0)
    x, y = (frame.origin[k] + source_t * frame.along[k] + source_s * frame.across[k] for k in (0, 1))
    return EmptyCloth(tau, u, alpha.astype(np.float32), x, y)


def folds(cloth: EmptyCloth, frame: StumpFrame, length: float, rng: np.random.Generator) -> Float[ndarray, "h w"]:
    """Return the shading of empty cloth: folds that run down it, a dent below the residual limb, a hem."""
    tau, u = cloth.tau, np.clip(cloth.u, -1, 1)
    out = np.ones_like(tau)
    fade = smoothstep((tau - 0.4 * frame.height) / (1.5 * frame.half))
    for k in range(3):
        phase = rng.uniform(0, 6.3) + rng.uniform(-0.5, 0.5) * tau / frame.half
        out *= 1 + rng.uniform(0.05, 0.11) * fade * np.sin((2.4 + 1.7 * k) * u + phase)
    dent = (tau - 1.1 * frame.height - 0.15 * frame.half * u) / (0.4 * frame.half)
    out *= 1 - 0.16 * np.exp(-0.5 * dent**2)
    out *= 1 - 0.1 * fade * u**4
    return out * (1 - 0.18 * np.exp(-0.5 * ((tau - length + 1.5) / 1.2) ** 2))


def _lab(subject: Subject) -> Float[ndarray, "h w 3"]:
    if "lab float" not in subject.notes:
        subject.notes["lab float"] = cv2.cvtColor(subject.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    return subject.notes["lab float"]


def over_own_body(cloth: EmptyCloth, keep: ndarray) -> float:
    """Return the share of the cloth that hangs over pixels of the person that stay."""
    on = cloth.alpha > 0.5
    return float((on & keep & (cloth.tau > 2)).sum() / max(int(on.sum()), 1))


def _along(line: Float[ndarray, "n 2"], way: Float[ndarray, "n 2"], shape: tuple[int, ...]) -> tuple[ndarray, ndarray]:
    """Return for every pixel the way along a line to its nearest point, and the distance to its left, px."""
    h, w = shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float64)
    seeds = np.ones((h, w), np.uint8)
    at = np.rint(line).astype(int)
    inside = (at >= 0).all(1) & (at[:, 0] < w) & (at[:, 1] < h)
    if not inside.any():
        return np.full((h, w), -1.0), np.full((h, w), 1e6)
    seeds[at[inside, 1], at[inside, 0]] = 0
    _, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    step = np.zeros(int(label.max()) + 1, int)
    step[label[at[inside, 1], at[inside, 0]]] = np.flatnonzero(inside)
    nearest = step[label]
    dx, dy = x - line[nearest, 0], y - line[nearest, 1]
    ax, ay = way[nearest, 0], way[nearest, 1]
    return nearest + dx * ax + dy * ay, -dx * ay + dy * ax


def _whole(frame: StumpFrame) -> float:
    """Return how far beyond the cut the limb's outline is seen without a gap, px."""
    rows = frame.seen[frame.t >= 0]
    gaps = np.flatnonzero(~rows)
    return float(max((gaps[0] if len(gaps) else len(rows)) - 3, 4))


def _to_and_fro(tau: Float[ndarray, "h w"], low: float, high: float) -> Float[ndarray, "h w"]:
    """Return a walk from 0 up to ``high``, then back to ``low`` and up again: cloth without a seam."""
    span = max(high - low, 1.0)
    back = np.abs(np.mod(tau - high, 2 * span) - span)
    return np.where(tau <= high, np.clip(tau, 0, None), high - span + back)
