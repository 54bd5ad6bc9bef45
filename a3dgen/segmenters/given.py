"""The source's own masks and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.segmenters import Asked, SegmenterConfig, Thing


class GivenSegmenter:
    """Believes annotators: who has no mask is not seen."""

    def __init__(self, config: SegmenterConfig) -> None:
        """Take no settings."""

    def people(self, rgb: UInt8[ndarray, "h w 3"], asked: Sequence[Asked]) -> list[Any]:
        """Return the masks as probabilities 0 and 1."""
        return [None if a.mask is None or not a.mask.any() else a.mask.astype(np.float32) for a in asked]

    def anybody(self, rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
        """Return nothing: whoever is not annotated is not known."""
        return np.zeros(rgb.shape[:2], bool)

    def things(self, rgb: UInt8[ndarray, "h w 3"]) -> list[Thing]:
        """Return nothing: annotated objects come with the source's rows."""
        return []
