"""Which category of a COCO-like file is people: by name, else by its keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from a3dgen.geometry.keypoint_names import row_of_name

PERSON = "person"
LABELS_NOTE = (
    "the labels of the tool are taken as names of the keypoints, in their order (keypoints.map, if they differ)"
)


@dataclass(frozen=True)
class Category:
    """One entry of ``categories``: its name, and the names of its keypoints."""

    name: str
    keypoints: tuple[str, ...] = ()


def person_category(categories: Mapping[int, Category], pointed: Iterable[int]) -> int | None:
    """Return the id of the category called person, else of the only one with keypoints, else of the only one.

    Args:
        categories: id -> entry. pointed: ids of categories whose annotations have keypoints.

    Returns:
        None if nothing tells.
    """
    have = set(pointed)
    called = [k for k, c in categories.items() if c.name.strip().lower() == PERSON]
    with_points = [k for k, c in categories.items() if len(c.keypoints) > 1 or k in have]
    for found in (
        [k for k in called if k in with_points],
        [k for k in with_points if k in have and _is_point(categories[k])],  # Label Studio: people are filed under nose
        called,
    ):
        if found and (len(found) == 1 or found[0] in called):
            return found[0]
    for found in (with_points, list(categories)):
        if found:
            return found[0] if len(found) == 1 else None
    return None


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
