"""How a JPEG was compressed, so that a changed copy can be compressed alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, JpegImagePlugin

from a3dgen.core.errors import DataError

MIN_QUALITY = 75
"""A copy is never compressed harder than this, however poor the source was."""

# ITU-T T.81 tables K.1 and K.2, row by row: the standard tables at quality 50.
_STANDARD = (
    (16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
     51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
     120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    (17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
     99, 99, 99, 99, *[99] * 32),
)  # fmt: skip


@dataclass(frozen=True)
class JpegTables:
    """How a JPEG was compressed.

    Attributes:
        tables: quantisation tables of luma and chroma, 64 numbers each, row by row.
        sampling: chroma sampling as Pillow counts it: 0 = 4:4:4, 1 = 4:2:2, 2 = 4:2:0.
    """

    tables: tuple[tuple[int, ...], tuple[int, ...]]
    sampling: int


def tables_of(image: Image.Image, path: str | Path) -> JpegTables | None:
    """Return how an open JPEG was compressed, or None if it is another format.

    Raises:
        DataError: if it has no quantisation tables; ``path`` is named.
    """
    if image.format not in ("JPEG", "MPO"):
        return None
    tables: dict[int, list[int]] = getattr(image, "quantization", {})
    found = [tuple(int(v) for v in tables[k]) for k in sorted(tables)][:2]
    if not found or any(len(table) != 64 for table in found):
        raise DataError(f"{path}: the JPEG has no quantisation tables")
    sampling = JpegImagePlugin.get_sampling(image)
    return JpegTables((found[0], found[-1]), sampling if sampling in (0, 1, 2) else 0)


def no_coarser(table: tuple[int, ...], component: int) -> list[int]:
    """Return the table, or the standard one of ``MIN_QUALITY`` if it is coarser on the whole than that."""
    scale = 200 - 2 * MIN_QUALITY
    floor = [min(max((v * scale + 50) // 100, 1), 255) for v in _STANDARD[component]]
    return list(table) if sum(table) <= sum(floor) else floor
