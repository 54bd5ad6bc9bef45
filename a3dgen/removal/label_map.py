"""Label map of a photo: whose each pixel probably is, for everybody annotated at once, made once and kept.

Drawn masks are what they are. Whoever has none is described by what is known of them together: the segmenter's
probability, the fitted body's outline, thick lines between keypoints. A pixel belongs to whom it belongs most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int16, UInt8
from numpy import ndarray

from a3dgen.core.pool import Pool
from a3dgen.core.records import VISIBLE
from a3dgen.geometry.boxes import mask_box
from a3dgen.removal.contested_feet import settle_feet
from a3dgen.removal.mask_ops import dilate, discs, distance_to, union
from a3dgen.segmenters import Asked, Segmenter, Thing

KEPT = 2
"""Photos whose maps are remembered: people of one photo follow each other."""
SEGMENTED = 0.7
"""Weight of the segmenter against the fitted outline, which wears no clothes."""
RIM = 0.035
"""The fitted outline's certainty fades over this share of the height on both sides."""
FITTED = 0.8
"""What a fitted outline alone says at most."""
STRAY = 0.15
"""A segmenter is believed this near to fitted body and lines, share of the height."""
CLICK, CLICKED = 0.02, 0.35
"""Within this share of the height of a keypoint called visible, a pixel is so much likelier theirs."""
FURNITURE = frozenset(
    ("chair", "couch", "bench", "bed", "table", "dining table", "desk", "stool", "sofa", "armchair", "swivel chair")
)
"""Things that stay when people leave; what a segmenter calls otherwise (grass, sky) is no thing to keep."""
BY_SEGMENTER = "segmenter"
"""In a claim's source where a segmenter has seen the person."""
SOMEBODY = 0.4
"""From here on a pixel is somebody's."""


@dataclass(frozen=True)
class Figure:
    """Somebody in a photo. All masks are of the photo without lens distortion.

    Attributes:
        mask: drawn by annotators, or None. rough: fitted body and thick lines between keypoints (all false if nothing
            is known but a mask). keypoints: (44, 3) px, px, 1 where labelled. state: (44,). height: px.
    """

    mask: Any
    rough: Bool[ndarray, "h w"]
    keypoints: Float[ndarray, "44 3"]
    state: ndarray
    height: float

    @property
    def box(self) -> Float[ndarray, "4"]:
        """Box around everything known: x0, y0, x1, y1 px."""
        return mask_box(self.rough if self.mask is None else self.rough | self.mask)


@dataclass(frozen=True)
class LabelMap:
    """Whose pixel it is.

    Attributes:
        shares: each figure's claim on every pixel, 0..255. owner: index of the figure, -1 nobody.
        strangers: people whom nobody has annotated. things: what else the segmenter names.
        sources: what each figure's claim came from.
    """

    shares: list[Any]
    owner: Int16[ndarray, "h w"]
    strangers: Bool[ndarray, "h w"]
    things: list[Thing]
    sources: list[str]

    def mine(self, index: int) -> Float[ndarray, "h w"]:
        """Return a figure's claim, 0..1."""
        return self.shares[index].astype(np.float32) / 255

    def rival(self, index: int) -> Float[ndarray, "h w"]:
        """Return the strongest claim of everybody else, 0..1."""
        return self.strongest([j for j in range(len(self.shares)) if j != index])

    def strongest(self, some: Sequence[int]) -> Float[ndarray, "h w"]:
        """Return the strongest claim of some figures, 0..1."""
        best = np.zeros(self.owner.shape, np.uint8)
        for j in some:
            np.maximum(best, self.shares[j], out=best)
        return best.astype(np.float32) / 255

    def furniture(self) -> list[Any]:
        """Return the masks of things that stay where they are."""
        return [t.mask for t in self.things if t.name.lower().split("-")[0].strip() in FURNITURE]

    def mask(self, index: int) -> Bool[ndarray, "h w"]:
        """Return the pixels that are a figure's rather than anybody else's."""
        return self.owner == index


_MAPS: Pool[LabelMap] = Pool(KEPT)


def label_map(
    rgb: UInt8[ndarray, "h w 3"], figures: Sequence[Figure], segmenter: Segmenter | None, strangers: bool, name: str
) -> LabelMap:
    """Return the map of a photo, made if it is not one of the last few.

    Args:
        figures: everybody annotated. segmenter: asked about who has no mask; None = fitted outlines only.
        strangers: also look for people nobody annotated. name: of the segmenter and its settings.
    """
    mix = hashlib.blake2b(f"{name}/{strangers}".encode(), digest_size=16)
    mix.update(np.ascontiguousarray(rgb).data)
    for f in figures:
        for array in (f.rough, f.keypoints, f.state, np.zeros(0) if f.mask is None else f.mask):
            mix.update(np.ascontiguousarray(array).tobytes())
    return _MAPS.get(mix.digest(), lambda: _made(rgb, figures, segmenter, strangers))


def _made(
    rgb: UInt8[ndarray, "h w 3"], figures: Sequence[Figure], segmenter: Segmenter | None, strangers: bool
) -> LabelMap:
    shape = rgb.shape[:2]
    bare = [i for i, f in enumerate(figures) if f.mask is None]
    asked = [Asked(figures[i].box, figures[i].keypoints, figures[i].rough) for i in bare]
    seen = dict(zip(bare, segmenter.people(rgb, asked) if segmenter is not None else [None] * len(bare), strict=True))
    drawn = union([f.mask for f in figures if f.mask is not None], shape)
    shares, sources = [], []
    claims = [None if f.mask is not None else _claim(f, seen[i]) for i, f in enumerate(figures)]
    settle_feet(figures, [seen.get(i) for i in range(len(figures))], claims)
    for i, (figure, own) in enumerate(zip(figures, claims, strict=True)):
        if own is None:
            shares.append(figure.mask.astype(np.uint8) * np.uint8(255))
            sources.append("source mask")
            continue
        claim = np.where(drawn & ~_clicked(figure, shape), 0, own)
        shares.append(np.clip(255 * claim + 0.5, 0, 254).astype(np.uint8))
        sources.append("fitted body" if seen[i] is None else f"fitted body and {BY_SEGMENTER}")
    owner, best = np.full(shape, -1, np.int16), np.full(shape, int(255 * SOMEBODY), np.uint8)
    for i, share in enumerate(shares):
        ahead = share > best
        owner[ahead], best[ahead] = i, share[ahead]
    unknown = np.zeros(shape, bool)
    if segmenter is not None and strangers:
        near = [dilate(s > 255 * 0.25, 0.05 * f.height) for s, f in zip(shares, figures, strict=True)]
        unknown = segmenter.anybody(rgb) & ~union(near, shape)
        unknown = cv2.morphologyEx(unknown.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    things = segmenter.things(rgb) if segmenter is not None else []
    return LabelMap(shares, owner, unknown, things, sources)


def _claim(figure: Figure, seen: Any) -> Float[ndarray, "h w"]:
    """Return somebody's claim by segmenter, outline and clicks, 0..1."""
    shape = figure.rough.shape
    if not figure.rough.any():
        return np.zeros(shape, np.float32) if seen is None else seen
    rim = max(2.0, RIM * figure.height)
    outside = distance_to(figure.rough)
    inside = cv2.distanceTransform(figure.rough.astype(np.uint8), cv2.DIST_L2, 5)
    fitted = np.clip(0.5 + (inside - outside) / (2 * rim), 0, FITTED).astype(np.float32)
    claim = fitted
    if seen is not None:
        claim = SEGMENTED * seen * (outside < STRAY * figure.height) + (1 - SEGMENTED) * fitted / FITTED
    return np.clip(claim + CLICKED * _clicked(figure, shape), 0, 1)


def _clicked(figure: Figure, shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    visible = figure.keypoints[(figure.state == VISIBLE) & (figure.keypoints[:, 2] > 0), :2]
    return discs(visible, CLICK * figure.height, shape)
