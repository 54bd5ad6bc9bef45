"""Feet beside feet: a segmenter gives the foot of somebody who kneels to whoever stands behind it.

Networks that outline one person of a window take what continues a leg for its foot. Where such an outline covers the
fitted foot of somebody else, whose ankle is labelled visible and lower in the picture, the foot is theirs: on one
ground the lower foot is the nearer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.records import VISIBLE
from a3dgen.removal.mask_ops import ANKLES, KNEES, dilate, discs

REACH, RIM = 0.17, 0.03
"""A foot lies within this share of the height of its ankle, and this near to the fitted body."""
LOWER = 0.015
"""The nearer ankle is so much lower in the picture, share of the height."""
MISSED = 0.15
"""A foot is given to somebody else if their outline covers so much more of it than its owner's."""
LEFT = 0.2
"""What is left of the other's claim there."""


def settle_feet(figures: Sequence[Any], seen: Sequence[Any], claims: Sequence[Float[ndarray, "h w"] | None]) -> None:
    """Give (in place) what outlines have taken in of somebody else's nearer foot to its owner.

    Args:
        figures: of the photo's people. seen: the segmenter's probability of each, or None. claims: None for those of
            drawn masks, who neither lose nor gain.
    """
    for i, figure in enumerate(figures):
        if claims[i] is None or seen[i] is None:
            continue
        for ankle, foot in _feet(figure):
            for j, other in enumerate(figures):
                if j == i or claims[j] is None or seen[j] is None:
                    continue
                if _ankle_behind(figure, ankle, other) and _taken(foot, seen[i], seen[j]):
                    room = dilate(foot, RIM * figure.height)
                    claims[i][room] = np.maximum(claims[i][room], claims[j][room])  # type: ignore[index]
                    claims[j][room] *= LEFT  # type: ignore[index]


def _feet(figure: Any) -> Iterator[tuple[Float[ndarray, "2"], Bool[ndarray, "h w"]]]:
    """Yield every visible ankle and what of the fitted body lies beyond it."""
    shape = figure.rough.shape
    for ankle, knee in zip(ANKLES, KNEES, strict=True):
        if figure.state[ankle] != VISIBLE or figure.keypoints[ankle, 2] <= 0 or figure.keypoints[knee, 2] <= 0:
            continue
        at, up = figure.keypoints[ankle, :2], figure.keypoints[knee, :2]
        near = figure.rough & discs(at[None], REACH * figure.height, shape)
        shin = (at - up) / max(float(np.linalg.norm(at - up)), 1e-6)
        y, x = np.nonzero(near)
        beyond = (np.stack([x, y], 1) - at) @ shin > 0
        foot = np.zeros(shape, bool)
        foot[y[beyond], x[beyond]] = True
        if foot.any():
            yield at, foot


def _ankle_behind(figure: Any, ankle: Float[ndarray, "2"], other: Any) -> bool:
    """Return whether an ankle of the other is near, and higher in the picture."""
    for row in ANKLES:
        if other.keypoints[row, 2] <= 0:
            continue
        gap = ankle - other.keypoints[row, :2]
        if np.linalg.norm(gap) < REACH * figure.height and gap[1] > LOWER * figure.height:
            return True
    return False


def _taken(foot: Bool[ndarray, "h w"], mine: Float[ndarray, "h w"], theirs: Float[ndarray, "h w"]) -> bool:
    return float(theirs[foot].mean()) > float(mine[foot].mean()) + MISSED
