"""The layouts of docs/your_data.md: each tool's export as it is unpacked, read by the lines that the page gives."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
import yaml
from raw_trees import COCO_POINTS, H, W, photo, split_found

import a3dgen
from a3dgen.config import load_config
from a3dgen.core.records import UNLABELLED, VISIBLE
from a3dgen.geometry.skeleton import COCO_ROWS
from a3dgen.sources import open_source

PAGE = Path(a3dgen.__file__).parents[1] / "docs" / "your_data.md"
NAMES = [f"{side}_{name}" for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
         for side in ("left", "right")]  # fmt: skip
NAMES.insert(0, "nose")
FLAT = [v for x, y in COCO_POINTS for v in (x, y, 2)]


def _write(path: Path, images, annotations, categories, **more) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content | more), "utf-8")


def cvat(root: Path) -> None:
    """COCO Keypoints 1.0: skeletons by name, points outside the picture or not placed are 0, 0, 0; ids from 1."""
    for folder, name in (("images/default", "a.jpg"), ("images/default/day 2", "b.jpg")):
        photo(root / folder / name)
    keypoints = [*FLAT]
    keypoints[3:6] = [0, 0, 0]
    person = {"segmentation": [], "area": 1400.0, "bbox": [16.0, 6.0, 28.0, 38.0], "iscrowd": 0, "category_id": 2,
              "attributes": {"occluded": False, "keyframe": False}, "keypoints": keypoints,
              "num_keypoints": 16}  # fmt: skip
    box = {"id": 3, "image_id": 2, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 0, "keypoints": []}
    images = [{"id": i, "width": W, "height": H, "file_name": n, "license": 0, "flickr_url": "", "coco_url": "",
               "date_captured": 0} for i, n in ((1, "a.jpg"), (2, "day 2/b.jpg"))]  # fmt: skip
    categories = [{"id": 1, "name": "wheelchair", "supercategory": ""},
                  {"id": 2, "name": "person", "supercategory": "", "keypoints": NAMES, "skeleton": []}]  # fmt: skip
    people = [person | {"id": i, "image_id": i} for i in (1, 2)]
    _write(root / "annotations" / "person_keypoints_default.json", images, [*people, box], categories)


def roboflow(root: Path) -> None:
    """COCO export: a folder a split, its pictures beside the file; ids start again, category 0 is the project."""
    for split in ("train", "valid"):
        name = f"IMG_{split}_jpg.rf.0a1b2c.jpg"
        photo(root / split / name, W, H - (split == "valid"))
        image = {"id": 0, "license": 1, "file_name": name, "height": H - (split == "valid"), "width": W,
                 "extra": {"name": f"IMG_{split}.jpg"}}  # fmt: skip
        categories = [{"id": 0, "name": "people-poses", "supercategory": "none"},
                      {"id": 1, "name": "person", "supercategory": "people-poses", "keypoints": NAMES}]  # fmt: skip
        person = {"id": 0, "image_id": 0, "category_id": 1, "bbox": [15, 5, 30, 40], "area": 1200, "iscrowd": 0,
                  "segmentation": [], "keypoints": FLAT}  # fmt: skip
        _write(root / split / "_annotations.coco.json", [image], [person], categories)


def label_studio(root: Path) -> None:
    """COCO with images: every label is a category, the points of a person lie under the first; one person a picture."""
    photo(root / "images" / "23082be9-a.jpg")
    labels = ["person", *NAMES]
    categories = [{"id": i, "name": n} for i, n in enumerate(labels)]
    image = {"id": 0, "width": W, "height": H, "file_name": "images\\23082be9-a.jpg"}
    box = {"id": 0, "image_id": 0, "category_id": 0, "segmentation": [], "bbox": [15, 5, 30, 40], "iscrowd": 0}
    person = {"id": 1, "image_id": 0, "category_id": 1, "keypoints": FLAT, "num_keypoints": 17,
              "bbox": [16, 6, 28, 38], "iscrowd": 0}  # fmt: skip
    _write(root / "result.json", [image], [box, person], categories)


def fiftyone(root: Path) -> None:
    """COCODetectionDataset: data/ and labels.json; no box with points alone, NaN or 0 where a point is missing."""
    photo(root / "data" / "a.jpg")
    keypoints = [float(v) for v in FLAT]
    keypoints[:3] = [float("nan"), float("nan"), 0]
    person = {"id": 1, "image_id": 1, "category_id": 0, "keypoints": keypoints, "num_keypoints": 16, "iscrowd": 0}
    image = {"id": 1, "file_name": "a.jpg", "height": H, "width": W, "license": None, "coco_url": None}
    categories = [{"id": 0, "name": "person", "supercategory": None, "keypoints": NAMES, "skeleton": []}]
    _write(root / "labels.json", [image], [person], categories, info={"year": "", "version": ""}, licenses=[])


def coco_annotator(root: Path) -> None:
    """One file a dataset; more columns, categories and annotations under the ids of its database."""
    photo(root / "mine" / "100.jpg")
    image = {"id": 625, "dataset_id": 5, "path": "/datasets/mine/100.jpg", "width": W, "height": H,
             "file_name": "100.jpg", "annotated": False, "metadata": {}}  # fmt: skip
    categories = [{"id": 12, "name": "person", "supercategory": "", "color": "#7b01ce", "metadata": {},
                   "keypoints": NAMES, "skeleton": []}]  # fmt: skip
    person = {"id": 990, "image_id": 625, "category_id": 12, "dataset_id": 5, "segmentation": [], "area": 0,
              "bbox": [0, 0, 0, 0], "iscrowd": False, "color": "#fff", "keypoints": FLAT,
              "num_keypoints": 17}  # fmt: skip
    empty = person | {"id": 991, "keypoints": [], "num_keypoints": 0}
    _write(root / "mine-5.json", [image], [person, empty], categories)


TOOLS = {"CVAT": cvat, "Roboflow": roboflow, "Label Studio": label_studio, "FiftyOne": fiftyone,
         "COCO Annotator": coco_annotator}  # fmt: skip
MISSING = {"CVAT": 1, "FiftyOne": 0}


def sections() -> dict[str, str]:
    """Return heading -> text of the page."""
    parts = re.split(r"^## +(.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str) -> list[str]:
    """Return the indented examples of a section, without their indent."""
    found = re.findall(r"(?:^ {4}.*\n(?:^\n(?=^ {4}))?)+", text, flags=re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


def example(tool: str, root: Path) -> dict:
    """Return ``sources.coco`` of the example that the page gives for a tool, its root set to ``root``."""
    (text,) = [b for b in blocks(sections()[tool]) if b.startswith("sources:")]
    return yaml.safe_load(text)["sources"]["coco"] | {"root": str(root)}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_page_reads_what_the_tool_writes(tmp_path, tool, caplog):
    TOOLS[tool](tmp_path)
    with caplog.at_level(logging.WARNING):
        source, config = open_source("coco", example(tool, tmp_path))
        rows, refused = split_found(source.read(config))
    assert len(rows) == (2 if tool in ("CVAT", "Roboflow") else 1)
    assert set(refused.values()) <= {"no keypoints"}
    for row in rows.values():
        for i, (column, place) in enumerate(zip(COCO_ROWS, COCO_POINTS, strict=True)):
            if i == MISSING.get(tool):
                assert row["state"][column] == UNLABELLED
            else:
                assert (tuple(row["keypoints"][column]), row["state"][column]) == ((*place, 1.0), VISIBLE)
    assert ("labels of the tool are taken" in caplog.text) == (tool == "Label Studio")


def test_splits_of_roboflow_stay_apart(tmp_path):
    roboflow(tmp_path)
    source, config = open_source("coco", example("Roboflow", tmp_path))
    rows, _ = split_found(source.read(config))
    assert sorted((r["subset"], Path(r["image"]).parent.name) for r in rows.values()) == [
        ("COCO_train", "train"), ("COCO_val", "valid")
    ]  # fmt: skip


def test_every_example_is_a_configuration(tmp_path):
    """Whatever the page shows as a configuration is one, and every tool has a section of its own."""
    texts = sections()
    assert set(TOOLS) <= set(texts)
    found = [b for text in texts.values() for b in blocks(text) if b.startswith("sources:")]
    assert len(found) >= len(TOOLS)
    for i, block in enumerate(found):
        path = tmp_path / f"{i}.yaml"
        path.write_text(block)
        load_config(str(path))


# names that say nothing, and names of a tool


@pytest.mark.parametrize("name", ["{}", "kp_{}", "new-point-{}", "Point {}", "keypoint{}"])
def test_names_that_only_count_are_no_names(tmp_path, name, caplog):
    coco_annotator(tmp_path)
    path = tmp_path / "mine-5.json"
    content = json.loads(path.read_text())
    content["categories"][0]["keypoints"] = [name.format(i) for i in range(17)]
    path.write_text(json.dumps(content))
    source, config = open_source("coco", example("COCO Annotator", tmp_path))
    with caplog.at_level(logging.WARNING):
        rows, _ = split_found(source.read(config))
    assert [tuple(row["keypoints"][COCO_ROWS[16], :2]) for row in rows.values()] == [COCO_POINTS[16]]
    assert "17 are taken for COCO's" in caplog.text


def test_the_map_names_what_the_file_does_not(tmp_path):
    coco_annotator(tmp_path)
    path = tmp_path / "mine-5.json"
    content = json.loads(path.read_text())
    content["categories"][0]["keypoints"] = [f"p{i}x" for i in range(17)]
    path.write_text(json.dumps(content))
    given = example("COCO Annotator", tmp_path)
    source, config = open_source("coco", given)
    refused = split_found(source.read(config))[1]
    assert "none of the 17 names of keypoints is known (p0x, p1x, p2x ...): give keypoints.map" in refused.values()
    source, config = open_source("coco", given | {"keypoints": {"map": NAMES[::-1]}})
    rows, _ = split_found(source.read(config))
    assert [tuple(row["keypoints"][COCO_ROWS[16], :2]) for row in rows.values()] == [COCO_POINTS[0]]


def test_other_categories_never_stand_in_for_people(tmp_path):
    """Boxes of people beside animals with keypoints: no animal is read as a person."""
    photo(tmp_path / "a.jpg")
    image = {"id": 1, "file_name": "a.jpg", "height": H, "width": W}
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "horse", "keypoints": NAMES}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]},
                   {"id": 2, "image_id": 1, "category_id": 2, "keypoints": FLAT}]  # fmt: skip
    _write(tmp_path / "labels.json", [image], annotations, categories)
    source, config = open_source("coco", {"root": str(tmp_path), "files": [{"annotations": "labels.json"}]})
    assert split_found(source.read(config)) == ({}, {"coco/labels/1/1": "no keypoints"})
