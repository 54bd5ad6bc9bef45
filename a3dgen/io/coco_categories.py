"""Which category of a COCO-like file is people: by name, else by its keypoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from a3dgen.geometry.keypoint_names import row_of_name, rows_of_names

PERSON = "person"
PEOPLE = (PERSON, "persons", "people", "human", "humans", "pedestrian", "pedestrians")
ENOUGH_POINTS = 8
"""A category whose keypoints include this many of a person's is one of people, if it is the only one."""
_LABELS = ("name", "label", "keypoint", "title", "id")
"""Members of an object that stands for a keypoint, the one that names it first."""
LABELS_NOTE = (
    "the labels of the tool are taken as names of the keypoints, in their order (keypoints.map, if they differ)"
)


@dataclass(frozen=True)
class Category:
    """One entry of ``categories``: its name, and the names of its keypoints."""

    name: str
    keypoints: tuple[str, ...] = ()


def names_in(value: Any) -> tuple[str, ...]:
    """Return names of keypoints from a list of texts or objects, a mapping of places to names, or one text."""
    if isinstance(value, str):
        return tuple(n.strip() for n in re.split(r"[,;|\n]", value) if n.strip())
    if isinstance(value, Mapping):
        if all(str(k).strip().isdigit() for k in value):
            return names_in([value[k] for k in sorted(value, key=int)])
        if sorted(map(str, value.values())) == sorted(map(str, range(len(value)))):  # name -> place
            return tuple(map(str, sorted(value, key=lambda name: int(value[name]))))
        return ()
    return tuple(map(label_of, value)) if isinstance(value, list | tuple) else ()


def label_of(point: Any) -> str:
    """Return what an entry calls a keypoint: the text itself, or the member of an object that names it."""
    if isinstance(point, Mapping):
        return next((str(point[k]) for k in _LABELS if isinstance(point.get(k), str)), "")
    return "" if point is None else str(point)


def person_category(categories: Mapping[int, Category], pointed: Iterable[int]) -> int | None:
    """Return the id of the category of people: called so, else the only one with keypoints, else the only one.

    Args:
        categories: id -> entry. pointed: ids of categories whose annotations have keypoints.

    Returns:
        None if nothing tells.
    """
    have = set(pointed)
    called = [k for k, c in categories.items() if c.name.strip().lower() == PERSON]
    called = called or [k for k, c in categories.items() if c.name.strip().lower() in PEOPLE]
    with_points = [k for k, c in categories.items() if len(c.keypoints) > 1 or k in have]
    for found in (
        [k for k in called if k in have],
        [k for k in called if k in with_points],
        [k for k in with_points if k in have and _is_point(categories[k])],  # Label Studio: people are filed under nose
        called,
    ):
        if found and (len(found) == 1 or found[0] in called):
            return found[0]
    bodies = [k for k in with_points if _points_of_a_person(categories[k]) >= ENOUGH_POINTS]
    for found in (with_points, bodies, list(categories)):
        if len(found) == 1:
            return found[0]
    return None


def _points_of_a_person(category: Category) -> int:
    return sum(row is not None for row in rows_of_names(category.keypoints))


def _is_point(category: Category) -> bool:
    return not category.keypoints and row_of_name(category.name) is not None


def labels_are_points(categories: Mapping[int, Category], person: int | None) -> bool:
    """Whether people are filed under a keypoint's name, as in Label Studio's files."""
    return person is not None and person in categories and _is_point(categories[person])


def keypoint_names(categories: Mapping[int, Category], person: int | None) -> tuple[str, ...]:
    """Return what a file calls the keypoints of its people, empty if it does not say.

    Label Studio makes every keypoint a category and files all points of a person under the first: there the categories
    are the names, in their order from that one on.
    """
    if person is None or person not in categories:
        return ()
    if not labels_are_points(categories, person):
        return categories[person].keypoints
    points = [c.name for k, c in categories.items() if _is_point(c)]
    at = points.index(categories[person].name)
    return tuple(points[at:] + points[:at]) if len(points) > 1 else ()


def spelled(categories: Mapping[int, Category]) -> str:
    """Return the categories as a message lists them."""
    return ", ".join(f"{c.name or k} ({len(c.keypoints)} keypoints)" for k, c in categories.items())
