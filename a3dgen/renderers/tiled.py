"""Textures painted tile by tile, as far as pictures show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from numpy import ndarray


@dataclass(frozen=True)
class Pyramid:
    """A texture and its halved copies: texels (N, 4) u1 level after level; levels (L, 3) start, height, width."""

    texels: UInt8[ndarray, "n 4"]
    levels: Integer[ndarray, "l 3"]
    held: object = None


Painter = Callable[[Bool[ndarray, "t t"], UInt8[ndarray, "s s 4"]], None]
"""Paints the given tiles of a texture, or more of it; what a texel shows must not depend on when it is painted."""


class TiledTexture:
    """A square texture whose tiles are painted when first shown: of a skin, most lies under clothes or faces away.

    The last of its halved copies has one texel a tile: coarser ones would mix parts of a body that lie side by side in
    the texture only, and would need most of it painted for a few faces seen at a slant.
    What is shown has the bytes of a texture that is painted whole at once.
    """

    def __init__(self, size: int, tile: int, paint: Painter) -> None:
        """Begin with nothing painted.

        Args:
            size, tile: sides of the texture and of its tiles in texels, powers of two.
            paint: paints tiles on the full resolution.
        """
        sides = [size >> level for level in range(tile.bit_length())]
        starts = np.cumsum([0, *(side * side for side in sides)])
        self.size, self.tile, self._paint = size, tile, paint
        self._painted = np.zeros((size // tile,) * 2, bool)
        levels = np.stack([starts[:-1], sides, sides], 1).astype(np.int64)
        self._pyramid = Pyramid(np.zeros((int(starts[-1]), 4), np.uint8), levels)

    @property
    def levels(self) -> Integer[ndarray, "l 3"]:
        """Start, height and width of each level, see ``Pyramid``."""
        return self._pyramid.levels

    def show(self, needed: Bool[ndarray, "t t"]) -> Pyramid:
        """Return the pyramid with at least these tiles painted, at every level; other texels are undefined."""
        missing = needed & ~self._painted
        if missing.any():
            self._paint(missing, self._level(0))
            self._halve(missing)
            self._painted |= missing
        return self._pyramid

    def whole(self) -> UInt8[ndarray, "s s 4"]:
        """Return the whole texture."""
        self.show(np.ones_like(self._painted))
        return self._level(0)

    def _level(self, level: int) -> UInt8[ndarray, "s s 4"]:
        start, side, _ = self.levels[level]
        return self._pyramid.texels[start : start + side * side].reshape(side, side, 4)

    def _halve(self, tiles: Bool[ndarray, "t t"]) -> None:
        """Halve tiles down to a texel each."""
        import cv2

        row, column = np.nonzero(tiles)
        count, side, level = len(row), self.tile, 0
        texels = split_tiles(self._level(0), side)[row, column].reshape(count * side, side, 4)
        while side > 1:
            side, level = side // 2, level + 1
            texels = cv2.resize(texels, (side, count * side), interpolation=cv2.INTER_AREA)
            split_tiles(self._level(level), side)[row, column] = texels.reshape(count, side, side, 4)


def split_tiles(image: ndarray, side: int) -> ndarray:
    """Return a view (rows of tiles, columns of tiles, side, side, ...) of an image (h, w, ...)."""
    h, w = image.shape[0] // side, image.shape[1] // side
    return image.reshape(h, side, w, side, *image.shape[2:]).swapaxes(1, 2)


def whole_texture(texture: UInt8[ndarray, "h w 4"] | TiledTexture) -> UInt8[ndarray, "h w 4"]:
    """Return all texels of a texture of either kind."""
    return texture.whole() if isinstance(texture, TiledTexture) else texture
