"""Pixels of photos as people have them: any orientation, colour space and depth, HEIC, very large, frames of videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.errors import DataError
from a3dgen.io.images import read_rgb

LARGEST = 250_000_000
"""px; beyond this a file is taken for a decompression bomb."""
SMALLEST = 64
"""A photo must have this many px on either side to show a person worth fitting."""
HEIF = (".heic", ".heif")
TIFF = (".tif", ".tiff")


def load_photo(path: Path) -> UInt8[ndarray, "h w 3"]:
    """Read a photo upright, as RGB.

    Raises:
        DataError: if it cannot be read, or needs a package that is not installed.
    """
    suffix = path.suffix.lower()
    if suffix in HEIF:
        return _heif(path)
    try:
        return read_rgb(path, LARGEST)
    except DataError:
        if suffix not in TIFF:
            raise
        deep = _deep_tiff(path)
        if deep is None:
            raise
        return deep


def _deep_tiff(path: Path) -> UInt8[ndarray, "h w 3"] | None:
    """Read a TIFF with 16-bit colour channels, which Pillow does not know; None if OpenCV does not either."""
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    if data is None:
        return None
    if data.dtype == np.uint16:
        data = (data // 257).astype(np.uint8)
    if data.dtype != np.uint8:
        return None
    return np.ascontiguousarray(data[..., ::-1])


def _heif(path: Path) -> UInt8[ndarray, "h w 3"]:
    try:
        import pillow_heif
    except ImportError:
        raise DataError(f"{path.name}: HEIC needs the package 'pillow-heif': pip install pillow-heif") from None
    try:
        return np.array(pillow_heif.open_heif(str(path)).to_pillow().convert("RGB"))
    except (ValueError, OSError, EOFError, RuntimeError) as error:
        raise DataError(f"{path.name}: the image cannot be decoded: {error}") from None


def fit_size(rgb: UInt8[ndarray, "h w 3"], max_side: int) -> UInt8[ndarray, "a b 3"]:
    """Return a photo no larger than ``max_side`` px on its longer side."""
    h, w = rgb.shape[:2]
    scale = max_side / max(h, w)
    if scale >= 1:
        return rgb
    return cv2.resize(rgb, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=cv2.INTER_AREA)


def video_frames(path: Path, rate: float, most: int) -> Iterator[tuple[int, UInt8[ndarray, "h w 3"]]]:
    """Yield (frame number, picture) of a video at about ``rate`` frames a second, upright.

    Raises:
        DataError: if the video cannot be opened or has no frame.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise DataError(f"{path.name}: the video cannot be opened")
        speed = capture.get(cv2.CAP_PROP_FPS)
        step = max(1, round(speed / rate)) if np.isfinite(speed) and speed > 0 else 1
        number = given = 0
        while given < most and capture.grab():
            if number % step == 0:
                ok, frame = capture.retrieve()
                if ok and frame is not None:
                    given += 1
                    yield number, np.ascontiguousarray(frame[..., ::-1])
            number += 1
        if not given:
            raise DataError(f"{path.name}: the video has no frame that can be read")
    finally:
        capture.release()
