"""Connected pieces of a mask, chosen by their size or by what they touch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray


@dataclass(frozen=True)
class Pieces:
    """The connected pieces of a mask.

    Attributes:
        labels: (h, w) which piece a pixel belongs to; 0 = none. count: pieces, with the 0 that is none.
    """

    labels: Int[ndarray, "h w"]
    count: int

    @classmethod
    def of(cls, mask: Bool[ndarray, "h w"], connectivity: int = 8) -> Pieces:
        """Return a mask's pieces; ``connectivity`` 4: pixels that meet at a corner only are not connected."""
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
        return cls(labels, count)

    def pixels(self, where: Bool[ndarray, "h w"] | None = None) -> Int[ndarray, "count"]:
        """Return how many pixels each piece has, in all or within a mask."""
        labels = self.labels.ravel() if where is None else self.labels[where]
        return np.bincount(labels, minlength=self.count)

    def chosen(self, which: Bool[ndarray, "count"]) -> Bool[ndarray, "h w"]:
        """Return the pixels of some pieces; what belongs to none is never chosen."""
        wanted = which.copy()
        wanted[0] = False
        return wanted[self.labels]


def touching(mask: Bool[ndarray, "h w"], seed: Bool[ndarray, "h w"], connectivity: int = 8) -> Bool[ndarray, "h w"]:
    """Return the pieces of a mask that share a pixel with ``seed``."""
    pieces = Pieces.of(mask, connectivity)
    return pieces.chosen(pieces.pixels(seed) > 0)
