"""Whether a plate can be believed: who else the hole may cut, how much is invented, what shows of it.

The bars were set on the truth of ``a3dgen bench plates`` (docs/plates.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.removal.config import PlateBars
from a3dgen.removal.mask_ops import dilate
from a3dgen.removal.masks import Removal
from a3dgen.removal.photo import RemovalScene

CLAIM = 0.25
"""From here on somebody else's claim on a pixel counts."""
SHARPER = 2
"""Claims are compared by this power: who claims twice as much has four fifths of a pixel."""
LEAST_PX = 60
"""Fewer pixels of somebody are not counted: a far bystander."""
REACH = 0.06
"""Doubtful pixels are counted as theirs who is this near, share of the height."""


@dataclass(frozen=True)
class PlateFacts:
    """What is measured against ``PlateBars``; ``seam`` is how much stronger edges are at the hole's rim than beside."""

    crossing: float
    filled: float
    structure: float
    ghost: float
    seam: float


def crossing(scene: RemovalScene, removal: Removal) -> float:
    """Return the largest share of another person that the hole takes, as far as can be known.

    Drawn masks count as they are, but for what both hold. Else the claims of the label map count: a pixel that two
    claim alike is lost to each by half. Without masks and map nothing is known, and nothing counts.
    """
    most = 0.0
    if scene.mine is None and not scene.own.any():
        return most
    hole = removal.hole
    if scene.mine is None:
        lost = (hole & ~scene.own).astype(np.float32)
    else:
        open_ = hole & (scene.rival > CLAIM)
        theirs, mine = scene.rival**SHARPER, scene.mine**SHARPER
        lost = np.where(open_, theirs / np.maximum(theirs + mine, 1e-6), 0).astype(np.float32)
    if not lost.any():
        return 0.0
    for mask in scene.others:
        area = int(mask.sum())
        if area >= LEAST_PX:
            where = mask if scene.mine is None else dilate(mask, REACH * scene.height)
            most = max(most, float(lost[where].sum()) / area)
    return most


def measure(
    scene: RemovalScene,
    removal: Removal,
    plate: UInt8[ndarray, "h w 3"],
    seen: Float[ndarray, "h w"] | None,
    cut: float,
) -> PlateFacts:
    """Return the facts of a finished plate.

    Args:
        cut: what ``crossing`` has found.
        seen: a segmenter's probability of the person in the plate, None if nobody was asked or nobody is seen.
    """
    hole = removal.hole
    gradient = _gradient(plate)
    free = ~(removal.avoid | removal.front | hole)
    ring = dilate(hole, 9.0) & ~dilate(hole, 2.0) & free
    beside = float(gradient[ring].mean()) if ring.any() else 0.0
    rim = dilate(hole, 1.5) & ~hole & free
    rim |= dilate(rim, 1.5) & hole
    seam = float(gradient[rim].mean()) / max(beside, 0.5) if rim.any() else 0.0
    left = removal.person & hole
    ghost = 0.0 if seen is None or not left.any() else float((seen > 0.5)[left].mean())
    share = float(hole.mean())
    return PlateFacts(cut, share, beside * share**0.5, ghost, seam)


def _gradient(rgb: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "h w"]:
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.0)
    return np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) / 8


def require_whole(crossing: float, bars: PlateBars) -> None:
    """Check, before anything is filled, that nobody else would be cut.

    Raises:
        Rejected: if somebody would lose more than the bar.
    """
    if crossing > bars.crossing:
        raise Rejected(f"removing the person would cut {min(crossing, 1.0):.1%} off somebody else in the photo")


def require(facts: PlateFacts, bars: PlateBars) -> None:
    """Check a plate.

    Raises:
        Rejected: with the first bar it fails.
    """
    require_whole(facts.crossing, bars)
    if facts.structure > bars.structure:
        raise Rejected(
            f"what is behind the person cannot be invented: {facts.filled:.0%} of the photo amid lines and edges "
            f"({facts.structure:.1f}, at most {bars.structure:g})"
        )
    if facts.ghost > bars.ghost:
        raise Rejected(f"somebody is still seen in {facts.ghost:.0%} of the place of the removed person")
