"""Holds the fitted body's silhouette against the person's outline: it tells where limbs end and their sides are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit
from a3dgen.erasure.skin_points import SkinPoints
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import project
from a3dgen.geometry.skeleton import JOINT
from a3dgen.removal.mask_ops import dilate

# Shares of the person's height.
STEP, FAR = 0.013, 0.05
"""Between points of the outline; the body's rim this far away is none of it."""
SIGMA, DETECTED_SIGMA = 0.006, 0.012
"""Standard deviation of the body's rim against the outline of a source, and of a detector."""
OUTLIER = 0.015
"""Points farther off than this pull less and less (Geman and McClure 1987): cloth, hair, things."""
THICKEST = 0.03
"""Cloth may keep the outline of a part this far away from its skin."""
COUNTS = 200
"""Neighbouring points of an outline err together: all of them count as this many."""
_POINTS = 80
"""Points of skin looked at on each part of the body."""
_RIM, _AGREE = 0.4, 0.6
"""Skin is on the rim where the cosine of view and normal is below the first; rim and outline face the same way by the
second."""
_SOFT = 2.0
_FEWEST = 20
_BORDER = 3.0
"""Outline this near to the picture's border, or to somebody else's mask, is not the person's own, px."""


@dataclass(frozen=True)
class Matches:
    """Points of skin (numbers into the silhouette's), the outline's points they belong to, the weighted directions
    outwards, and the thickness of cloth there, px."""

    index: Integer[ndarray, " n"]
    at: Float[ndarray, "n 2"]
    outward: Float[ndarray, "n 2"]
    thick: Float[ndarray, " n"]


@dataclass(frozen=True)
class Silhouette:
    """Points of the outline (px) with their directions outwards; points of skin, rigid with their parts.

    Attributes:
        at, outward: (n, 2). skin: of all parts but the head, which hair covers. height: of the person, px. sigma:
            share of it.
    """

    at: Float[ndarray, "n 2"]
    outward: Float[ndarray, "n 2"]
    skin: SkinPoints
    height: float
    sigma: float

    @classmethod
    def of(
        cls, body: BodyData, fit: BodyFit, mask: Bool[ndarray, "h w"], others: Bool[ndarray, "h w"], height: float,
        sigma: float = SIGMA,
    ) -> Silhouette | None:  # fmt: skip
        """Return the silhouette of a mask; None where too little of its outline is the person's own.

        Args:
            others: masks of other people: where they touch, either may be in front.
        """
        at, outward = _outline_points(mask, others, max(1, int(STEP * height)))
        if len(at) < _FEWEST:
            return None
        parts = [part for part in range(len(JOINT)) if part != JOINT["head"]]
        return cls(at, outward, SkinPoints.of(body, np.asarray(fit.betas, np.float64), parts, _POINTS), height, sigma)

    def matched(
        self, posed: Float[ndarray, "24 3 3"], joints: Float[ndarray, "24 3"], transl: ndarray, K: Float[ndarray, "3 3"]
    ) -> Matches:
        """Return which skin on a posed body's rim belongs to which point of the outline: nearest, and facing alike."""
        skin = self.skin
        points = skin.placed(posed[None], joints[None])[0] + transl
        normals = np.einsum("sij,sj->si", posed[skin.part], skin.normal)
        view = points / np.linalg.norm(points, axis=1, keepdims=True)
        rim = np.flatnonzero(np.abs((normals * view).sum(1)) < _RIM)
        if not len(rim):
            rim = np.arange(len(skin.part))
        pixels = project(points[rim], K)
        facing = normals[rim, :2] / np.maximum(np.linalg.norm(normals[rim, :2], axis=1, keepdims=True), 1e-6)
        away = np.linalg.norm(self.at[:, None] - pixels, axis=-1)
        away = np.where(np.isfinite(away) & (self.outward @ facing.T > _AGREE), away, np.inf)
        nearest = away.argmin(1)
        own = away[np.arange(len(nearest)), nearest] < FAR * self.height
        index, at, outward = rim[nearest[own]], self.at[own], self.outward[own]
        gap = ((at - pixels[nearest[own]]) * outward).sum(1)
        thick = np.zeros(len(index))
        for part in np.unique(skin.part[index]):
            here = skin.part[index] == part
            thick[here] = np.clip(np.median(gap[here]), -1.0, THICKEST * self.height)
        weight = 1 / (1 + ((gap - thick) / (OUTLIER * self.height)) ** 2) / (self.sigma * self.height)
        weight *= np.sqrt(min(1.0, COUNTS / max(len(index), 1)))
        return Matches(index, at, outward * weight[:, None], thick * weight)


def gaps(matches: Matches, pixels: Float[ndarray, "n m 2"]) -> Float[ndarray, "n m"]:
    """Return how far the outline is outside the matched skin (projected, px), in standard deviations, weighted."""
    return ((matches.at - pixels) * matches.outward).sum(-1) - matches.thick


def _outline_points(mask: Bool[ndarray, "h w"], others: Bool[ndarray, "h w"], step: int) -> tuple[ndarray, ndarray]:
    h, w = mask.shape
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    found = [c[::step, 0] for c in contours if len(c) >= _FEWEST]
    at = np.concatenate(found) if found else np.zeros((0, 2), int)
    inner = (at >= _BORDER).all(1) & (at[:, 0] < w - _BORDER) & (at[:, 1] < h - _BORDER)
    at = at[inner & ~dilate(others, _BORDER)[at[:, 1], at[:, 0]]]
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SOFT)
    slope_x, slope_y = (cv2.Sobel(soft, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    outward = -np.stack([slope_x[at[:, 1], at[:, 0]], slope_y[at[:, 1], at[:, 0]]], 1).astype(np.float64)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    return at + 0.5 * outward, outward
