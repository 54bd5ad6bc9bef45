"""EXIF orientation: pixels, masks and points as they are stored, turned to how they are shown."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from PIL import Image

_ORIENTATION_TAG = 0x0112


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8; an absent or nonsensical one is 1."""
    try:
        value = int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return value if 1 <= value <= 8 else 1


def upright(pixels: ndarray, orientation: int) -> ndarray:
    """Undo the EXIF orientation of an image array (H, W[, C])."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def upright_mask(mask: Bool[ndarray, "h w"], orientation: int) -> Bool[ndarray, "h2 w2"]:
    """Turn a mask over stored pixels into one over the pixels that are shown."""
    return upright(mask, orientation)


def upright_points(points: Float[ndarray, "n 2"], orientation: int, stored: tuple[int, int]) -> Float[ndarray, "n 2"]:
    """Turn places (px) in stored pixels into places in the pixels that are shown; ``stored``: (width, height)."""
    width, height = stored
    x, y = points[:, 0], points[:, 1]
    if orientation >= 5:
        x, y, width, height = y, x, height, width
    if orientation in (3, 4, 7, 8):
        y = height - 1 - y
    if orientation in (2, 3, 6, 7):
        x = width - 1 - x
    return np.stack([x, y], 1)
