"""Pixels of photos as people have them: any orientation, colour space and depth, HEIC, very large."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import TiffImagePlugin

from a3dgen.core.errors import DataError
from a3dgen.io.images import LARGEST, MAX_DECODED, Side
from a3dgen.io.partial_pictures import decodable, read_photo
from a3dgen.io.regular import open_regular, read_bytes
from a3dgen.sources.photos.kinds import kind_of

_PEAK_TIFF, _PEAK_HEIF = 18, 12
"""Bytes a pixel at the height of decoding 16-bit colour with OpenCV, and a HEIC file."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A decoded photo.

    Attributes:
        rgb: its pixels, upright, no larger than asked for. size: (width, height) of what could be decoded, before it
            was scaled down. remark: what is to be said of it. lost: the side at which a part of it is missing.
    """

    rgb: UInt8[ndarray, "h w 3"]
    size: tuple[int, int]
    remark: str = ""
    lost: Side = ""


def load_photo(path: Path, max_side: int, kind: str = "") -> DecodedPhoto:
    """Read a photo upright, as RGB, scaled down to ``max_side`` px on its longer side if it is larger.

    A JPEG or PNG that is cut short is decoded as far as it goes; what is missing is cut off.

    Args:
        path: the file. max_side: px. kind: what its bytes say it is (``kinds.kind_of``), if that is known.

    Raises:
        DataError: if it cannot be read, or needs a package that is not installed.
    """
    kind = kind or _kind(path)
    if kind == "HEIC":
        rgb = _heif(path)
        return DecodedPhoto(fit_size(rgb, max_side), _size(rgb))
    try:
        found = decodable(path, LARGEST)
        rgb = fit_size(read_photo(path, LARGEST, max_side), max_side)
        return DecodedPhoto(rgb, found.size, found.remark, found.lost)
    except DataError:
        deep = _deep_tiff(path) if kind == "TIFF" else None
        if deep is None:
            raise
        return DecodedPhoto(fit_size(deep, max_side), _size(deep))


def _kind(path: Path) -> str:
    try:
        found = kind_of(path)
    except OSError as error:
        raise DataError(f"{path}: cannot read the photo ({error.strerror})") from None
    return found.name if found else ""


def _size(rgb: UInt8[ndarray, "h w 3"]) -> tuple[int, int]:
    return int(rgb.shape[1]), int(rgb.shape[0])


def _deep_tiff(path: Path) -> UInt8[ndarray, "h w 3"] | None:
    """Read a TIFF with 16-bit colour channels, which Pillow does not know; None if OpenCV does not either."""
    if not 0 < _tiff_pixels(path) * _PEAK_TIFF <= MAX_DECODED or path.stat().st_size > MAX_DECODED:
        return None
    try:
        data = cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if data is None:
        return None
    if data.dtype == np.uint16:
        data = (data // 257).astype(np.uint8)
    if data.dtype != np.uint8:
        return None
    return np.ascontiguousarray(data[..., ::-1])


def _tiff_pixels(path: Path) -> int:
    """Return the number of pixels that a TIFF states; 0 if it is none."""
    width, height = 256, 257  # tags of TIFF 6.0
    try:
        with open_regular(path) as file:
            tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
            return int(tags[width]) * int(tags[height])
    except Exception:  # a damaged directory fails in many ways, and is none
        return 0


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
        most = min(LARGEST, MAX_DECODED // _PEAK_HEIF)
        if width * height > most:
            raise ValueError(f"{width}x{height} px is above the limit of {most / 1e6:.0f} megapixels; scale it down")
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
