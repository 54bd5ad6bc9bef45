"""Pixels of photos as people have them: any orientation, colour space and depth, HEIC, very large."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.io.images import image_size, read_rgb

LARGEST = 250_000_000
"""px; beyond this a file is taken for a decompression bomb."""
SMALLEST = 64
"""A photo must have this many px on either side to show a person worth fitting."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A decoded photo, upright: RGB pixels, no larger than asked for, and the size (width, height) of the file."""

    rgb: UInt8[ndarray, "h w 3"]
    size: tuple[int, int]


def load_photo(path: Path, max_side: int, kind: str) -> DecodedPhoto:
    """Read a photo upright, as RGB, scaled down to ``max_side`` px on its longer side if it is larger.

    ``kind`` is what its bytes say it is (``kinds.kind_of``).

    Raises:
        DataError: if it cannot be read, or needs a package that is not installed.
    """
    if kind == "HEIC":
        rgb = _heif(path)
        return DecodedPhoto(fit_size(rgb, max_side), _size(rgb))
    try:
        size = image_size(path, LARGEST)
        return DecodedPhoto(fit_size(read_rgb(path, LARGEST, max_side), max_side), size)
    except DataError:
        deep = _deep_tiff(path) if kind == "TIFF" else None
        if deep is None:
            raise
        return DecodedPhoto(fit_size(deep, max_side), _size(deep))


def _size(rgb: UInt8[ndarray, "h w 3"]) -> tuple[int, int]:
    return int(rgb.shape[1]), int(rgb.shape[0])


def _deep_tiff(path: Path) -> UInt8[ndarray, "h w 3"] | None:
    """Read a TIFF with 16-bit colour channels, which Pillow does not know; None if OpenCV does not either."""
    try:
        data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if data is None:
        return None
    if data.dtype == np.uint16:
        data = (data // 257).astype(np.uint8)
    if data.dtype != np.uint8:
        return None
    return np.ascontiguousarray(data[..., ::-1])


def can_read_heif() -> bool:
    """Whether the optional package for HEIC files is installed."""
    return find_spec("pillow_heif") is not None


def _heif(path: Path) -> UInt8[ndarray, "h w 3"]:
    try:
        import pillow_heif
    except ImportError:
        raise DataError("HEIC needs the package 'pillow-heif': pip install 'a3dgen[heic]', then run again") from None
    try:
        # libheif turns the picture upright itself, and brings 10 and 12 bits down to 8
        picture = pillow_heif.open_heif(str(path))
        width, height = picture.size
        if width * height > LARGEST:
            raise ValueError(f"{width}x{height} px is above the limit of {LARGEST / 1e6:.0f} megapixels")
        return np.array(picture.to_pillow().convert("RGB"))
    except (ValueError, OSError, EOFError, RuntimeError, SyntaxError) as error:
        raise DataError(f"{path.name}: the image cannot be decoded: {error}") from None


def fit_size(rgb: UInt8[ndarray, "h w 3"], max_side: int) -> UInt8[ndarray, "a b 3"]:
    """Return a photo no larger than ``max_side`` px on its longer side."""
    h, w = rgb.shape[:2]
    scale = max_side / max(h, w)
    if scale >= 1:
        return rgb
    return cv2.resize(rgb, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=cv2.INTER_AREA)
