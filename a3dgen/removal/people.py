"""Who else is in a photo: masks that belong to no row, and the segmenter to ask."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.core.records import UNLABELLED
from a3dgen.geometry.camera import inside_image
from a3dgen.geometry.skeleton import NUM_ROWS
from a3dgen.removal.label_map import Figure
from a3dgen.removal.mask_ops import extent
from a3dgen.removal.photo import RemovalScene
from a3dgen.removal.segment import segmenter_name
from a3dgen.segmenters import Segmenter, SegmenterConfig, get_segmenter

HOLDS = 0.7
"""A mask that holds this share of somebody's keypoints is the lines between them."""
SAME = 0.8
"""Masks that overlap so far are one person's."""


def usable_segmenter(name: str, path: str) -> tuple[Segmenter | None, str]:
    """Return the segmenter to ask and what it is called, None where nobody is to be asked.

    Args:
        name, path: as ``background.segmenter`` and ``background.segmenter_path``.
    """
    if name == "auto":
        name = segmenter_name() or "none"
    if name in ("none", "given"):
        return None, name
    return _made(name, path), f"{name} {path}"


@cache
def _made(name: str, path: str) -> Segmenter:
    return get_segmenter(SegmenterConfig(name, path))


def left_over_masks(scene: RemovalScene, figures: list[Figure], index: int) -> list[Any]:
    """Return the masks of other people that belong to none of the figures: crowds, and people who were not read.

    Sources without masks (MPII) give the lines between the others' joints: those are their figure's.

    Args:
        scene: of the person at ``index``. figures: of all rows of the photo.
    """
    rest = []
    for mask in scene.others:
        owned = False
        for j, figure in enumerate(figures):
            if j == index:
                continue
            if figure.mask is not None:
                owned |= bool((mask & figure.mask).sum() > SAME * (mask | figure.mask).sum())
            else:
                owned |= _holds(mask, figure) > HOLDS
        if not owned:
            rest.append(mask)
    return rest


def unread(everybody: list[Figure], figures: list[Figure]) -> list[Figure]:
    """Return those of everybody labelled who are none of the figures: too few keypoints to be fitted, say."""

    def same(a: Figure, b: Figure) -> bool:
        both = (a.keypoints[:, 2] > 0) & (b.keypoints[:, 2] > 0)
        return bool(both.any()) and float(np.abs(a.keypoints[both, :2] - b.keypoints[both, :2]).max()) < 1.0

    return [a for a in everybody if not any(same(a, b) for b in figures)]


def _holds(mask: Bool[ndarray, "h w"], figure: Figure) -> float:
    """Return the share of a figure's keypoints in the picture that a mask holds."""
    h, w = mask.shape
    points = figure.keypoints[(figure.keypoints[:, 2] > 0), :2]
    points = np.rint(points[inside_image(points, w, h)]).astype(int)
    return float(mask[points[:, 1], points[:, 0]].mean()) if len(points) else 0.0


def unnamed(mask: Bool[ndarray, "h w"], scene: RemovalScene) -> Figure:
    """Return somebody of whom nothing is known but a mask."""
    state = np.full(NUM_ROWS, UNLABELLED, np.uint8)
    return Figure(mask, np.zeros_like(mask), np.zeros((NUM_ROWS, 3)), state, extent(mask))
