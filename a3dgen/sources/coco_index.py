"""A COCO annotation file as an index: which annotations lie where, read again when they are wanted."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.jsonstream import JsonFile, utf8

PERSON = 1
"""COCO's category id of people."""
_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One entry of ``images``: name, (width, height) in px, licence number (0 = none)."""

    file_name: str
    size: tuple[int, int]
    license: int


def _whole(value: Any) -> int | None:
    """Return a whole number (some writers store ids as 785.0), or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LIMIT:
        return None
    return int(value) if value == int(value) else None


class AnnotationIndex:
    """Annotations of one file, found by image or by id.

    Attributes:
        path: the file.
        photos: image id -> entry.
        licenses: licence number -> name and address.
        damaged: (reason, running number) of annotations without a usable image id and id.
    """

    def __init__(self, path: Path, persons: bool) -> None:
        """Read through the file once.

        Args:
            path: the JSON file.
            persons: keep people (True) or everything else (False).

        Raises:
            DataError: if it is no JSON, or not COCO's.
        """
        self.path = path
        self.photos: dict[int, CocoImage] = {}
        self.licenses: dict[int, str] = {}
        self.damaged: list[tuple[str, int]] = []
        self._images, self._ids = array("q"), array("q")
        self._starts, self._ends = array("q"), array("q")
        self._json = JsonFile(path)
        names = set()
        for number, (name, start, end, value) in enumerate(self._json.elements()):
            names.add(name)
            if name == "images":
                self._add_photo(value)
            elif name == "licenses":
                self._add_license(value)
            elif name == "annotations":
                self._add_annotation(value, start, end, number, persons)
        if "annotations" not in names and "images" not in names:
            raise DataError(f"{path}: no 'images' and 'annotations'; is this a COCO annotation file?")
        self._sort()

    def close(self) -> None:
        """Let go of the file."""
        self._json.close()

    def _add_photo(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        number, size = _whole(value.get("id")), (_whole(value.get("width")), _whole(value.get("height")))
        name = value.get("file_name")
        if number is None or not isinstance(name, str) or None in size:
            return  # its people are refused: "not listed"
        self.photos[number] = CocoImage(utf8(name), size, _whole(value.get("license")) or 0)

    def _add_license(self, value: Any) -> None:
        number = _whole(value.get("id")) if isinstance(value, dict) else None
        if number is not None:
            name, url = utf8(str(value.get("name", ""))), str(value.get("url", ""))
            self.licenses[number] = f"{name} ({url})" if url else name

    def _add_annotation(self, value: Any, start: int, end: int, number: int, persons: bool) -> None:
        if not isinstance(value, dict):
            self.damaged.append(("the annotation is not an object", number))
            return
        if (value.get("category_id", PERSON) == PERSON) != persons:
            return
        image, own = _whole(value.get("image_id")), _whole(value.get("id"))
        if image is None or own is None:
            self.damaged.append(("the annotation has no whole-numbered id and image_id", number))
            return
        for column, entry in ((self._images, image), (self._ids, own), (self._starts, start), (self._ends, end)):
            column.append(entry)

    def _sort(self) -> None:
        images, ids, starts, ends = (
            np.frombuffer(c, np.int64) if c else np.zeros(0, np.int64)
            for c in (self._images, self._ids, self._starts, self._ends)
        )
        order = np.lexsort((ids, images))
        self._image, self._id = images[order], ids[order]
        self._span = np.stack([starts[order], ends[order]], 1)
        self._by_id = np.argsort(self._id, kind="stable")
        del self._images, self._ids, self._starts, self._ends

    def image_ids(self) -> Iterator[int]:
        """Yield the ids of images that have annotations, ascending."""
        for image in np.unique(self._image):
            yield int(image)

    def of_image(self, image: int) -> list[dict[str, Any]]:
        """Return the annotations of an image, ordered by id; ids are whole numbers."""
        low, high = np.searchsorted(self._image, [image, image + 1])
        return [self._read(row) for row in range(low, high)]

    def by_id(self, own: int) -> dict[str, Any] | None:
        """Return the annotation with this id."""
        at = np.searchsorted(self._id, own, sorter=self._by_id)
        if at == len(self._id) or self._id[self._by_id[at]] != own:
            return None
        return self._read(int(self._by_id[at]))

    def _read(self, row: int) -> dict[str, Any]:
        start, end = self._span[row].tolist()
        return self._json.at(start, end) | {"id": int(self._id[row])}
