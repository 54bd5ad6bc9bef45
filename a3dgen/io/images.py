"""Photos, masks and label images on disk.

Reading: EXIF orientation is applied, so that sizes and pixels are always those a person sees; everything becomes RGB
uint8; images above ``MAX_PIXELS``, or that need more than ``MAX_DECODED`` bytes, are refused before they are decoded; a
truncated file is an error, never a grey bottom half. Every picture that a user or a stranger gives is opened here.
Writing: atomic, free of metadata, the same bytes for the same pixels.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.jpeg_tables import JpegTables, no_coarser, tables_of
from a3dgen.io.orientation import orientation_of, upright
from a3dgen.io.regular import head_of, open_regular
from a3dgen.io.truncation import Salvage, check_end

MAX_PIXELS = 60_000_000
"""Larger images are refused before decoding (decompression bombs; nothing below needs more)."""
LARGEST = 250_000_000
"""px of the largest photo that is scaled down while it is read."""
MAX_DECODED = 2 << 30
"""Bytes that decoding one picture may take at its height."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Decoders that may see a file; Pillow has many more, and their code is older."""
Side = Literal["", "top", "bottom", "left", "right"]
_PEAK = {"1": 12, "L": 12, "P": 18, "RGB": 14, "YCbCr": 14, "CMYK": 16, "RGBA": 20, "LA": 20, "PA": 20}
"""Bytes a pixel at the height of decoding, copies included, by Pillow's mode; 24 for all others."""
MAX_SCANS = 200
"""Of a progressive JPEG; encoders write about ten."""
_STORED = 4
"""Bytes a pixel while Pillow alone holds a picture (3 channels take 4)."""
if Image.MAX_IMAGE_PIXELS is not None:  # Pillow warns at this and refuses at twice as much, before it can be asked
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, LARGEST // 2)


@contextmanager
def open_picture(
    path: str | Path, limit: int = MAX_PIXELS, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """Open a picture whose header is sound and whose size is bearable; nothing is decoded yet.

    Args:
        path: an ordinary file. limit: most pixels it may have. formats: Pillow's decoders that may look at it.

    Raises:
        DataError: if it is missing, no picture, or too large, or if anything goes wrong while it is open.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF blocks and large sizes: the size is checked below
            with open_regular(path) as file, Image.open(file, formats=formats) as image:
                width, height = image.size
                if width * height > limit:
                    raise DataError(
                        f"{path}: {width}x{height} px is above the limit of {limit / 1e6:.0f} megapixels; scale it down"
                    )
                if image.info.get("progressive") and _scans(file) > MAX_SCANS:
                    raise DataError(f"{path}: a JPEG of more than {MAX_SCANS} scans, made to take long; save it anew")
                yield image
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except Image.UnidentifiedImageError:
        why = is_not_the_file(head_of(path)) or f"not an image that can be read ({', '.join(formats)})"
        raise DataError(f"{path}: {why}") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: the image is far too large to decode; scale it down") from None
    except Exception as error:  # decoders raise SyntaxError, struct.error, ValueError, zlib.error ... on bad bytes
        raise DataError(f"{path}: the image cannot be decoded: {_one_line(error)}") from None


def _scans(file: BufferedIOBase) -> int:
    """Return how many scans a progressive JPEG has, roughly; each is a pass over all pixels, however short it is."""
    position = file.tell()
    file.seek(0)
    count = file.read().count(b"\xff\xda")
    file.seek(position)
    return count


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _rgb_pixels(image: Image.Image) -> ndarray:
    """Decode to (H, W, 3) uint8; 16-bit greyscale keeps its upper byte, transparency is laid over white."""
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image)
        if image.mode == "F":
            grey = np.nan_to_num(grey, nan=0.0, posinf=255.0, neginf=0.0)
        elif image.mode != "I" or grey.max(initial=0) > 255:
            grey = grey.astype(np.int64) // 257
        return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, -1)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba))[..., :3]
    return np.asarray(image.convert("RGB"))


def read_rgb(path: str | Path, limit: int = MAX_PIXELS, enough: int = 0) -> UInt8[ndarray, "h w 3"]:
    """Read a photo as RGB, EXIF orientation applied.

    Args:
        path: the file. limit: most pixels it may have.
        enough: a JPEG may be decoded at a half, a quarter or an eighth of its size as long as its longer side keeps
            this many px; 0 = at its own size. A large photo then never lies in memory whole.

    Raises:
        DataError: if it is missing, no image, truncated or above ``limit``.
    """
    with open_picture(path, limit) as image:
        orientation = orientation_of(image)
        if enough and max(image.size) > enough:
            width, height = (-(-side * enough // max(image.size)) for side in image.size)
            image.draft(None, (width, height))
        factor = max(image.size) // enough if enough and image.mode in ("RGB", "L", "RGBA", "CMYK") else 1
        _check_memory(path, image, factor)
        check_end(path, image.format)
        image.load()
        return upright(_rgb_pixels(image if factor < 2 else image.reduce(factor)), orientation)


def read_salvaged(path: str | Path, left: Salvage) -> UInt8[ndarray, "h w 3"]:
    """Return what is left of a truncated photo, upright.

    Raises:
        DataError: if it cannot be decoded after all.
    """
    try:
        with Image.open(BytesIO(left.data), formats=("JPEG", "PNG")) as image:
            orientation = orientation_of(image)
            _check_memory(path, image, 1)
            return upright(_rgb_pixels(image)[: left.rows], orientation)
    except DataError:
        raise
    except Exception as error:  # as in open_picture
        raise DataError(f"{path}: the image cannot be decoded: {_one_line(error)}") from None


def _check_memory(path: str | Path, image: Image.Image, factor: int) -> None:
    """Raise DataError if a picture takes too much memory; it is made smaller by ``factor`` before it is copied."""
    pixels = image.size[0] * image.size[1]
    needed = pixels * _PEAK.get(image.mode, 24) if factor < 2 else pixels * (_STORED + 4)
    if needed > MAX_DECODED:
        raise DataError(
            f"{path}: {image.size[0]}x{image.size[1]} px of mode {image.mode} take {needed / 1e9:.1f} GB to decode; "
            "scale it down"
        )


def image_size(path: str | Path, limit: int = MAX_PIXELS) -> tuple[int, int]:
    """Return (width, height) in px after EXIF orientation, without decoding.

    A JPEG or PNG cut short is noticed by its missing end marker.

    Raises:
        DataError: if the file is missing, no image, truncated or above ``limit`` pixels.
    """
    with open_picture(path, limit) as image:
        width, height = image.size
        check_end(path, image.format)
        return (height, width) if orientation_of(image) >= 5 else (width, height)


def exif_orientation(path: str | Path, limit: int = MAX_PIXELS) -> int:
    """Return the EXIF orientation 1..8 of a picture; 1 is upright as stored.

    Raises:
        DataError: as ``image_size``.
    """
    with open_picture(path, limit) as image:
        return orientation_of(image)


def jpeg_tables(path: str | Path) -> JpegTables | None:
    """Return how the JPEG ``path`` was compressed, or None if it is another format.

    Raises:
        DataError: if it is missing or no image.
    """
    try:
        facts = os.stat(path)
    except OSError:
        return _jpeg_tables(path)  # says what is wrong
    return _known_tables(str(path), facts.st_mtime_ns, facts.st_size)


@lru_cache(16)
def _known_tables(path: str, _changed: int, _size: int) -> JpegTables | None:
    """All samples of a person are written like the same photo."""
    return _jpeg_tables(path)


def _jpeg_tables(path: str | Path) -> JpegTables | None:
    with open_picture(path) as image:
        return tables_of(image, path)


def write_image(
    path: str | Path, rgb: UInt8[ndarray, "h w 3"], *, like: str | Path | None = None, quality: int = 95
) -> None:
    """Write ``.jpg``/``.jpeg`` or ``.png``, atomically and without metadata.

    Args:
        path: where to; missing folders are made.
        rgb: the pixels.
        like: a photo whose JPEG quantisation tables and chroma sampling are kept, so that a changed picture has
            the compression traces of its source; a table coarser on the whole than the standard one of quality 75
            is replaced by that. Without it, or if it is no JPEG: ``quality`` and 4:4:4.
        quality: JPEG quality without ``like``.

    Raises:
        DataError: for another suffix.
        OSError: if the disk refuses.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".png":
        replace_file(path, _png(rgb))
        return
    image, buffer = Image.fromarray(rgb), BytesIO()
    if suffix in (".jpg", ".jpeg"):
        source = jpeg_tables(like) if like is not None else None
        if source is None:
            image.save(buffer, "JPEG", quality=quality, subsampling=0)
        else:
            tables = [no_coarser(table, i) for i, table in enumerate(source.tables)]
            image.save(buffer, "JPEG", qtables=tables, subsampling=source.sampling)
    else:
        raise DataError(f"{path}: cannot write '{suffix}' images; use .jpg or .png")
    replace_file(path, buffer.getvalue())


def _png(rgb: UInt8[ndarray, "h w 3"]) -> bytes:
    """Return a PNG made in a third of the time of Pillow's level 3 and read in two thirds, for a fifth more bytes."""
    import cv2

    return bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1])


def write_mask(path: str | Path, mask: Bool[ndarray, "h w"]) -> None:
    """Write a mask as an 8-bit PNG, 0 and 255, atomically."""
    write_labels(path, mask.view(np.uint8) * np.uint8(255))


def write_labels(path: str | Path, labels: UInt8[ndarray, "h w"]) -> None:
    """Write small integers as an 8-bit greyscale PNG, atomically."""
    replace_file(path, _grey_png(labels))


def _grey_png(labels: UInt8[ndarray, "h w"]) -> bytes:
    """Return a PNG of large even areas: runs of equal bytes, no row predicted from another (PNG 1.2, ISO 15948)."""
    height, width = labels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with its filter, none
    rows[:, 1:] = labels
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packer.compress(rows) + packer.flush()), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def read_labels(path: str | Path) -> UInt8[ndarray, "h w"]:
    """Read a greyscale image as written by ``write_labels``.

    Raises:
        DataError: if it is missing, unreadable or not greyscale.
    """
    with open_picture(path) as image:
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8)
        if image.mode not in ("L", "P"):
            raise DataError(f"{path}: wanted an 8-bit greyscale image, found mode {image.mode}")
        return np.array(image, np.uint8)


def read_mask(path: str | Path) -> Bool[ndarray, "h w"]:
    """Read a mask: true where the image is not black (a palette or 0/1 image serves as well as 0/255).

    Raises:
        DataError: if it is missing, unreadable or not greyscale.
    """
    return read_labels(path) > 0


def replace_file(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file, the new one, or none, but never half of one."""
    write_whole(path, data)
