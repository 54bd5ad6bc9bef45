"""Which category of a COCO-like file is people: by name, else by its keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PERSON = "person"


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
    if called:
        return next((k for k in called if k in have or len(categories[k].keypoints) > 1), called[0])
    with_points = [k for k, c in categories.items() if len(c.keypoints) > 1 or k in have]
    for found in (with_points, list(categories)):
        if found:
            return found[0] if len(found) == 1 else None
    return None


def spelled(categories: Mapping[int, Category]) -> str:
    """Return the categories as a message lists them."""
    return ", ".join(f"{c.name or k} ({len(c.keypoints)} keypoints)" for k, c in categories.items())
