"""Run-length encoded masks in COCO's format: ``{"size": [h, w], "counts": str}``, column-major, background first.

Decoding is done here, with every count checked, because the C code of pycocotools trusts its input; it is used for
what it does best: rasterising polygons and encoding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from pycocotools import mask as _coco

from a3dgen.core.errors import DataError

Rle = dict[str, Any]
"""``{"size": [height, width], "counts": compressed string}``."""
MAX_PIXELS = 60_000_000


def encode(mask: Bool[ndarray, "h w"]) -> Rle:
    """Encode a mask."""
    rle = _coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(v) for v in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode(rle: Rle) -> Bool[ndarray, "h w"]:
    """Decode a mask with compressed (string) or plain (list) counts.

    Raises:
        DataError: if the size or the counts make no sense.
    """
    height, width, counts = _checked(rle)
    values = (np.arange(len(counts)) & 1).astype(bool)
    return np.repeat(values, counts).reshape(width, height).T


def area(rle: Rle) -> int:
    """Return the number of pixels of a mask without decoding it.

    Raises:
        DataError: as ``decode``.
    """
    return int(_checked(rle)[2][1::2].sum())


def to_json(rle: Rle | None) -> str:
    """Return the text kept in ``Persons.mask``; no mask is the empty string."""
    return json.dumps(rle, separators=(",", ":")) if rle else ""


def list_to_json(rles: Sequence[Rle]) -> str:
    """Return the text kept in ``Persons.others`` and ``Persons.objects``."""
    return json.dumps(list(rles), separators=(",", ":"))


def from_json(text: str) -> Bool[ndarray, "h w"] | None:
    """Decode the text of ``Persons.mask``; None if there is no mask.

    Raises:
        DataError: if it is not what ``to_json`` writes.
    """
    return decode(_parsed(text)) if text else None


def union_from_json(text: str, width: int, height: int) -> Bool[ndarray, "h w"]:
    """Decode the text of ``Persons.others`` or ``objects`` to the union of its masks.

    Raises:
        DataError: if it is not what ``list_to_json`` writes, or a mask has another size.
    """
    union = np.zeros((height, width), bool)
    for rle in _parsed(text) if text else []:
        mask = decode(rle)
        if mask.shape != union.shape:
            raise DataError(f"a mask of {mask.shape[1]}x{mask.shape[0]} px in an image of {width}x{height} px")
        union |= mask
    return union


def from_segmentation(segmentation: Any, width: int, height: int) -> Rle:
    """Encode a COCO ``segmentation`` of an image of this size.

    Args:
        segmentation: a list of polygons ``[x0, y0, x1, y1, ...]`` (px), or an RLE with list or string counts.
        width: image width in px.
        height: image height in px.

    Raises:
        DataError: if it is none of these, is empty, or is of another size.
    """
    if isinstance(segmentation, dict):
        rows, columns, counts = _checked(segmentation)
        if (columns, rows) != (width, height):
            raise DataError(f"segmentation of {columns}x{rows} px in an image of {width}x{height} px")
        return _from_counts(rows, columns, counts)
    if not isinstance(segmentation, list):
        raise DataError(f"segmentation is a {type(segmentation).__name__}, wanted polygons or run lengths")
    polygons = [_polygon(p, width, height) for p in segmentation]
    polygons = [p for p in polygons if len(p) >= 6]  # fewer than three corners cover nothing
    if not polygons:
        raise DataError("segmentation has no polygon of three corners or more")
    rle = _coco.merge(_coco.frPyObjects(polygons, height, width))
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"a stored mask is not JSON: {error}") from None


def _polygon(points: Any, width: int, height: int) -> list[float]:
    try:
        corners = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError("a polygon of the segmentation is not a list of numbers") from None
    if corners.ndim != 1 or len(corners) % 2 or not np.isfinite(corners).all():
        raise DataError("a polygon of the segmentation is not a flat list of finite x, y pairs")
    # far corners cost time and memory in the rasteriser and cannot matter
    corners[0::2] = np.clip(corners[0::2], -width, 2 * width)
    corners[1::2] = np.clip(corners[1::2], -height, 2 * height)
    return corners.tolist()


def _from_counts(height: int, width: int, counts: ndarray) -> Rle:
    rle = _coco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def _checked(rle: Any) -> tuple[int, int, ndarray]:
    """Return (height, width, int64 counts) of an RLE that covers its image exactly."""
    try:
        height, width = (int(v) for v in rle["size"])
        counts = rle["counts"]
    except (TypeError, KeyError, ValueError, OverflowError):
        raise DataError("a run-length mask needs 'size': [h, w] and 'counts'") from None
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise DataError(f"a run-length mask of {width}x{height} px")
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    runs = _uncompress(counts) if isinstance(counts, str) else _plain(counts)
    if not len(runs) or runs.min() < 0 or runs.max() > height * width or int(runs.sum()) != height * width:
        raise DataError(f"the runs of a mask do not add up to its {width}x{height} px")
    return height, width, runs


def _plain(counts: Any) -> ndarray:
    try:
        runs = np.asarray(counts)
    except (TypeError, ValueError, OverflowError):
        runs = np.zeros(0, object)
    if runs.ndim != 1 or runs.dtype.kind not in "iu":
        raise DataError("the 'counts' of a run-length mask are not a list of whole numbers")
    return runs.astype(np.int64)


def _uncompress(text: str) -> ndarray:
    """Undo COCO's LEB128-like coding: 5 bits a character, bit 5 = continued; runs 3, 4 ... are differences."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 50:
            raise DataError("the 'counts' string of a run-length mask is damaged")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise DataError("the 'counts' string of a run-length mask is cut short")
    return np.array(runs, np.int64) if all(abs(r) < 2**62 for r in runs) else np.array([-1])
