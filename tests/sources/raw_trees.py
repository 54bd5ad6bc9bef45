"""Tiny raw trees, made as the datasets' own authors lay them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

W, H = 64, 48
COCO_POINTS = [
    (30, 8), (32, 6), (28, 6), (34, 7), (26, 7), (38, 14), (22, 14), (42, 20), (18, 20), (44, 26), (16, 26),
    (35, 28), (25, 28), (36, 36), (24, 36), (37, 44), (23, 44),
]  # fmt: skip


def photo(path: Path, width: int = W, height: int = H) -> None:
    """Write a JPEG of this size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 120, np.uint8)).save(path)


def coco_person(number: int, image: int, **changes: Any) -> dict[str, Any]:
    """Return an annotation with all keypoints visible and a square polygon."""
    keypoints = [v for x, y in COCO_POINTS for v in (x, y, 2)]
    polygon = [16, 6, 44, 6, 44, 44, 16, 44]
    return {
        "id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": [15, 5, 30, 40],
        "num_keypoints": 17, "keypoints": keypoints, "segmentation": [polygon], "area": 1000,
    } | changes  # fmt: skip


def coco_file(path: Path, photos: list[int], people: list[Any], **changes: Any) -> dict[str, Any]:
    """Write an annotation file, indented as some tools do, and return its content."""
    year = "2014" if "2014" in path.name else "2017"
    split = path.stem.rpartition("_")[2]
    prefix = f"COCO_{split}_" if year == "2014" else ""
    content = {
        "info": {"year": int(year)},
        "licenses": [{"id": 1, "name": "By-NC", "url": "http://nc"}, {"id": 4, "name": "By", "url": "http://by"}],
        "images": [
            {"id": i, "file_name": f"{prefix}{i:012d}.jpg", "width": W, "height": H, "license": 4 if i % 2 else 1}
            for i in photos
        ],
        "annotations": people,
        "categories": [{"id": 1, "name": "person"}],
    } | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))
    return content


def split_found(found) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return rows by key, and reasons by key."""
    rows, refused = {}, {}
    for item in found:
        if isinstance(item, dict):
            assert item["key"] not in rows
            rows[item["key"]] = item
        else:
            assert item[0] not in refused
            refused[item[0]] = item[1]
    return rows, refused
