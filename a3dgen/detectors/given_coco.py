"""People from COCO files and from lists of results; one bad item costs that item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.detectors import Person
from a3dgen.detectors.given_people import ITEM_FAULTS, Found, make_person, said
from a3dgen.detectors.keypoint_rows import peak_confidence
from a3dgen.io import rle
from a3dgen.io.coco_categories import (
    LABELS_NOTE,
    Category,
    keypoint_names,
    labels_are_points,
    names_in,
    person_category,
    spelled,
)
from a3dgen.io.coco_entries import Codes, box_corners, is_set, picture_name, picture_size
from a3dgen.io.frame_numbers import track_of
from a3dgen.io.keypoint_lists import Layout

Pictures = Mapping[int | None, tuple[str, tuple[int, int] | None]]
"""Code of an image's id -> what the file calls it, and its size in px where it is given."""


def coco_file(data: dict[str, Any], names: Sequence[str], notes: Counter[str]) -> Found:
    """Yield the people of a COCO annotation file: of their category alone, keypoints by name.

    Raises:
        DataError: if none of its categories can be people.
    """
    if not isinstance(data["annotations"], list):
        raise DataError("'annotations' is no list")
    rows = [row for row in data["annotations"] if isinstance(row, dict)]
    kinds, images = Codes(), Codes()
    categories: dict[int, Category] = {}
    for entry in data.get("categories") or []:
        number = kinds.code(entry.get("id")) if isinstance(entry, dict) else None
        if number is not None:
            categories[number] = Category(str(entry.get("name", "")), names_in(entry.get("keypoints")))
    kind_of = [kinds.code(r.get("category_id")) for r in rows]
    pointed = [bool(r.get("keypoints")) for r in rows]
    lone = [r for r in rows if isinstance(r.get("keypoints"), list) and len(r["keypoints"]) == 3]
    if len(categories) > 3 and lone and len(lone) == sum(pointed):
        raise DataError(
            f"{len(categories)} categories of one point each: single points, not skeletons; "
            "label people as skeletons, or join the points of each person"
        )
    have = {kind for kind, has in zip(kind_of, pointed, strict=True) if has and kind in categories}
    person = person_category(categories, [k for k in have if k is not None])
    if categories and person is None:
        raise DataError(f"no category is called 'person'; it has: {spelled(categories)}")
    if person is not None:
        mine = [kind is None or kind == person for kind in kind_of]
        if not all(mine):
            notes["annotations of other categories left out"] += len(mine) - sum(mine)
        rows = [row for row, own in zip(rows, mine, strict=True) if own]
    layout = Layout(names or keypoint_names(categories, person))
    if not names and labels_are_points(categories, person):
        notes[LABELS_NOTE] += 1
    return coco_people(rows, _pictures(data.get("images"), images), layout, notes, images=images)


def _pictures(table: Any, codes: Codes) -> Pictures:
    found: dict[int | None, tuple[str, tuple[int, int] | None]] = {}
    for entry in table if isinstance(table, list) else ():
        number = codes.code(entry.get("id")) if isinstance(entry, dict) else None
        if number is not None and picture_name(entry):
            found[number] = picture_name(entry), picture_size(entry)
    return found


def coco_people(
    rows: Sequence[Any],
    pictures: Pictures,
    layout: Layout,
    notes: Counter[str],
    peaks: bool = False,
    images: Codes | None = None,
) -> Found:
    """Yield people of COCO keypoint results or annotations; AlphaPose's, detectron2's, ViTPose's and WholeBody's too.

    Args:
        rows: the items. pictures: of the file's table, empty if it has none. layout: of the keypoints.
        notes: gets what was left out, and why. peaks: confidences are heights of heat maps.
        images: codes of the ids in ``pictures``.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or is_set(row.get("iscrowd")):
            continue
        if "keypoints" not in row:
            notes["annotations without keypoints left out"] += 1
            continue
        try:
            image = row["image_id"]
            name, size = pictures.get((images or Codes()).code(image), (_spelled(image), None))
            yield name, _person(row, size, layout, notes, peaks)
        except ITEM_FAULTS as error:
            notes[f"person {number}: {said(error)}"] += 1
    notes.update(layout.notes)


def _spelled(image: Any) -> str:
    """Return an image's id as the name of a photo: 785 for 785.0."""
    return str(int(image)) if isinstance(image, float) and image == int(image) else str(image)


def _person(
    row: dict[str, Any], size: tuple[int, int] | None, layout: Layout, notes: Counter[str], peaks: bool
) -> Person:
    value = row["keypoints"]
    if not value:
        raise Rejected("no keypoints")
    if not layout.names and isinstance(value, list) and len(value) == 51 and isinstance(row.get("foot_kpts"), list):
        value = [*value, *row["foot_kpts"]]
    rows: Sequence[int | None]
    if "score" in row:
        rows, points = layout.scored(value)
        if peaks:
            points[:, 2] = peak_confidence(points[:, 2])
    else:  # annotations count visibility 0, 1, 2
        rows, places, states = layout.read(value)
        points = np.column_stack([places, np.select([states == VISIBLE, states == OCCLUDED], [1.0, 0.5], 0.0)])
    score = 1.0 if row.get("score") is None else float(row["score"])
    box = _box(row, points[points[:, 2] > 0, :2], size, notes)
    return replace(make_person(points, min(1.0, score), box, _mask(row, notes), rows), track=track_of(row))


def _box(
    row: Mapping[str, Any], points: Float[ndarray, "n 2"], size: tuple[int, int] | None, notes: Counter[str]
) -> Float[ndarray, "4"] | None:
    """Return the corners of a person's box (AlphaPose calls it ``box``), None where the points must do."""
    box, note = box_corners(row.get("bbox", row.get("box")), points, size)
    if note:
        notes[note] += 1
    return box


def _mask(row: dict[str, Any], notes: Counter[str]) -> Any:
    """Return a person's mask, or None where there is none or it is damaged."""
    segmentation = row.get("segmentation")
    if not isinstance(segmentation, dict):
        return None
    try:
        return rle.decode(segmentation)
    except DataError as error:
        notes[f"masks left out: {error}"] += 1
        return None
