"""A COCO folder to write annotations into."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from raw_trees import coco_file, photo


@pytest.fixture
def coco(tmp_path):
    """A folder with two val2017 photos and a function that writes their people."""
    root = tmp_path / "coco"
    for image in (7, 8):
        photo(root / "val2017" / f"{image:012d}.jpg")

    def write(
        annotations: list[Any], split: str = "val2017", images: tuple[int, ...] = (7, 8), changes: Any = None
    ) -> None:
        coco_file(root / "annotations" / f"person_keypoints_{split}.json", list(images), annotations, **(changes or {}))

    return SimpleNamespace(root=root, write=write)
