"""A COCO annotation file as an index: which annotations lie where, read again when they are wanted."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.coco_categories import PERSON, Category, keypoint_names, names_in, person_category, spelled
from a3dgen.io.coco_entries import Codes, picture_name, picture_size, whole
from a3dgen.io.frame_numbers import recording_of, track_of
from a3dgen.io.jsonstream import JsonFile, utf8

_PERSON_ID = 1
"""COCO's category id of people, for files without a table of categories."""
_NO_KIND = -(2**62)
"""Category of annotations that name none: they are people if there are any."""


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One entry of ``images``: name, (width, height) in px or None where the file gives none, licence number (0: none),
    whether another entry of the same id names another file, recording, and number of the frame (None = unknown)."""

    file_name: str
    size: tuple[int, int] | None
    license: int
    ambiguous: bool = False
    video: str = ""
    frame: int | None = None


def _text(value: Any) -> Any:
    """Return an id as it was meant, where it is text."""
    return utf8(value) if isinstance(value, str) else value


class AnnotationIndex:
    """Annotations of one file, found by image or by id.

    Attributes:
        path: the file.
        photos: image id -> entry.
        licenses: licence number -> name and address.
        categories: category id -> entry.
        person: id of the category of people, None where the file has no categories.
        other_categories: name -> annotations of it that are no people.
        damaged: (reason, running number) of annotations without a usable image id.
        renumbered: annotations are numbered by their place in the file, because their ids repeat.
        tracked: some annotation has a ``track_id``.
    """

    def __init__(self, path: Path, persons: bool) -> None:
        """Read through the file once.

        Args:
            path: the JSON file.
            persons: keep people (True) or everything else (False).

        Raises:
            DataError: if it is no JSON, not COCO's, or none of its categories can be people.
        """
        self.path = path
        self.photos: dict[int, CocoImage] = {}
        self.licenses: dict[int, str] = {}
        self.categories: dict[int, Category] = {}
        self.damaged: list[tuple[str, int]] = []
        self.other_categories: Counter[str] = Counter()
        self.renumbered = self.tracked = False
        self._image_names, self._own_names, self._kind_names = Codes(), Codes(), Codes()
        self._images, self._ids, self._kinds = array("q"), array("q"), array("q")
        self._starts, self._ends, self._has_points = array("q"), array("q"), Counter[int]()
        self._json = JsonFile(path)
        names: Counter[str] = Counter()
        for name, start, end, value in self._json.elements():
            if name == "images":
                self._add_photo(value)
            elif name == "licenses":
                self._add_license(value)
            elif name == "categories":
                self._add_category(value)
            elif name == "annotations":
                if not names[name] and isinstance(value, dict) and not value.keys() & {"image_id", "id", "bbox"}:
                    raise DataError(f"{path}: 'annotations' is an object; COCO has a list there")
                self._add_annotation(value, start, end, names[name])
            names[name] += 1
        self._check_tables(names)
        self.person = self._person_category(persons)
        self._sort(persons)

    def _check_tables(self, names: Counter[str]) -> None:
        if "annotations" not in names and "images" not in names:
            raise DataError(f"{self.path}: no 'images' and 'annotations'; is this a COCO annotation file?")

    def close(self) -> None:
        """Let go of the file."""
        self._json.close()

    def image_text(self, image: int) -> str:
        """Return an image's id as the file spells it."""
        return self._image_names.text(image)

    def own_text(self, own: int) -> str:
        """Return an annotation's id as the file spells it."""
        return self._own_names.text(own)

    def keypoint_names(self) -> tuple[str, ...]:
        """Return what the file calls the keypoints of people, empty if it does not say."""
        return keypoint_names(self.categories, self.person)

    def _add_photo(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        number = self._image_names.code(_text(value.get("id")))
        if number is None:
            return  # its people are refused: "not listed"
        name = utf8(picture_name(value))
        before = self.photos.get(number)
        ambiguous = before is not None and (before.ambiguous or before.file_name != name)
        video, frame = recording_of(value)
        licence = whole(value.get("license")) or 0
        self.photos[number] = CocoImage(name, picture_size(value), licence, ambiguous, sys.intern(utf8(video)), frame)

    def _add_license(self, value: Any) -> None:
        number = whole(value.get("id")) if isinstance(value, dict) else None
        if number is not None:
            name, url = utf8(str(value.get("name", ""))), str(value.get("url", ""))
            self.licenses[number] = f"{name} ({url})" if url else name

    def _add_category(self, value: Any) -> None:
        number = self._kind_names.code(_text(value.get("id"))) if isinstance(value, dict) else None
        if number is not None:
            names = tuple(map(utf8, names_in(value.get("keypoints"))))
            self.categories[number] = Category(utf8(str(value.get("name", ""))), names)

    def _add_annotation(self, value: Any, start: int, end: int, number: int) -> None:
        if not isinstance(value, dict):
            self.damaged.append(("the annotation is not an object", number))
            return
        image = self._image_names.code(_text(value.get("image_id")))
        own = self._own_names.code(_text(value.get("id")))
        if image is None:
            self.damaged.append(("the annotation has no image_id", number))
            return
        kind = self._kind_names.code(_text(value.get("category_id")))
        kind = _NO_KIND if kind is None else kind
        if value.get("keypoints"):
            self._has_points[kind] += 1
        row = (image, number if own is None else own, kind, start, end)
        for column, entry in zip((self._images, self._ids, self._kinds, self._starts, self._ends), row, strict=True):
            column.append(entry)
        self.renumbered |= own is None
        self.tracked |= bool(track_of(value))

    def _person_category(self, persons: bool) -> int | None:
        """Return the category of people; a file of other things (``persons`` False) need not have one."""
        found = person_category(self.categories, [k for k, n in self._has_points.items() if n])
        if found is None and self.categories and persons:
            raise DataError(
                f"{self.path}: no category is called '{PERSON}', and not just one has keypoints; rename one, or take "
                f"the others out. It has: {spelled(self.categories)}"
            )
        return found

    def _sort(self, persons: bool) -> None:
        images, ids, kinds, starts, ends = (
            np.frombuffer(c, np.int64) if c else np.zeros(0, np.int64)
            for c in (self._images, self._ids, self._kinds, self._starts, self._ends)
        )
        wanted = self.person if self.person is not None else _PERSON_ID
        kinds = np.where(kinds == _NO_KIND, wanted, kinds)
        kept = np.flatnonzero((kinds == wanted) == persons)
        if persons:
            for kind in kinds[kinds != wanted].tolist():
                name = self.categories[kind].name if kind in self.categories else ""
                name = name or f"category {self._kind_names.text(kind)}"
                self.other_categories[name] += 1
        images, ids, starts, ends = images[kept], ids[kept], starts[kept], ends[kept]
        if persons and len(np.unique(ids)) < len(ids):
            self.renumbered, ids = True, kept
            self._own_names = Codes()
        order = np.lexsort((ids, images))
        self._image, self._id = images[order], ids[order]
        self._span = np.stack([starts[order], ends[order]], 1)
        self._by_id = np.argsort(self._id, kind="stable")
        del self._images, self._ids, self._kinds, self._starts, self._ends

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
