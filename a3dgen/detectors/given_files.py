"""Files of finished detections (COCO, OpenPose, AlphaPose, mmpose, Ultralytics ...); one bad item costs that item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.detectors import Person
from a3dgen.detectors.given_people import box_around, make_person
from a3dgen.detectors.keypoint_rows import body25_rows, peak_confidence
from a3dgen.io import rle
from a3dgen.io.coco_categories import LABELS_NOTE, Category, keypoint_names, labels_are_points, person_category, spelled
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.keypoint_lists import Layout
from a3dgen.io.regular import read_bytes

OPENPOSE = "_keypoints"
"""OpenPose writes ``<photo>_keypoints.json``."""
DETECTRON2 = "coco_instances_results.json"
"""detectron2's evaluator calls its file so; the confidences in it are heights of heat maps."""
COCO18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""OpenPose's COCO model -> BODY_25."""
Found = Iterator[tuple[str, Person]]
_ITEM_FAULTS = (Rejected, DataError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What a malformed item can raise: it costs the item."""


def read_file(path: Path, root: Path, names: Sequence[str] = (), notes: Counter[str] | None = None) -> Found:
    """Yield (photo, person) of one file.

    Args:
        path: the file. root: it, or the folder it was found in.
        names: of its keypoints, where it gives none.
        notes: gets what was left out, and why.

    Raises:
        DataError: if it is no JSON or of no known kind.
    """
    notes = Counter() if notes is None else notes
    try:
        data = read_bytes(path)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise DataError(f"{path}: {'is UTF-16' if utf16 else 'is no UTF-8'}; save it as UTF-8") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = is_not_the_file(data[:200]) or str(error)
        raise DataError(f"{path}: cannot be read as JSON: {what}") from None
    name = path.stem.removesuffix(OPENPOSE)
    if path != root:
        name = (path.parent.relative_to(root) / name).as_posix()
    try:
        found = list(_known(content, name, path, names, notes))
    except _ITEM_FAULTS as error:
        raise DataError(f"{path}: {_said(error)}") from None
    faults = [note for note in notes if note.startswith("person ") and not note.endswith("no keypoints")]
    if faults and not found:
        raise DataError(f"{path}: none of its people can be read: {faults[0]}")
    yield from found


def _known(data: Any, name: str, path: Path, names: Sequence[str], notes: Counter[str]) -> Found:
    if isinstance(data, dict) and "people" in data:
        return _openpose(data["people"], name, notes)
    if isinstance(data, dict) and "annotations" in data:
        return _coco_file(data, path, names, notes)
    if isinstance(data, dict) and "instance_info" in data:
        return _mmpose_video(data["instance_info"], name, names, notes)
    if isinstance(data, dict) and "predictions" in data:
        return _mmpose(_flat(data["predictions"]), name, names, notes)
    rows = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    if isinstance(data, list) and (not data or any("image_id" in row for row in rows)):
        return _coco(data, {}, Layout(names), notes, path.name == DETECTRON2)
    if any(isinstance(row.get("keypoints"), dict) for row in rows) or any("class" in row for row in rows):
        return _ultralytics(rows, name, names, notes)
    if isinstance(data, list) and any("keypoint_scores" in row for row in _flat(data) if isinstance(row, dict)):
        return _mmpose(_flat(data), name, names, notes)
    raise DataError(
        "of no known kind; known are COCO files and results, OpenPose, AlphaPose, mmpose predictions, Ultralytics' "
        "to_json, detectron2's coco_instances_results.json"
    )


def _said(error: Exception) -> str:
    """Return what a fault says, in words."""
    if isinstance(error, Rejected | DataError | ValueError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: {error}"


def _image_names(images: Any) -> dict[str, str]:
    names = {}
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and image.get("id") is not None:
            name = image.get("file_name") or image.get("coco_url") or image.get("flickr_url")
            if isinstance(name, str) and name:
                names[str(image["id"])] = name.partition("?")[0] if "://" in name else name
    return names


def _coco_file(data: dict[str, Any], path: Path, names: Sequence[str], notes: Counter[str]) -> Found:
    """A COCO annotation file: the category of people alone, its keypoints by name."""
    rows = [row for row in data["annotations"] if isinstance(row, dict)]
    categories: dict[int, Category] = {}
    for entry in data.get("categories") or []:
        if isinstance(entry, dict) and str(entry.get("id", "")).isdigit():
            points = entry.get("keypoints")
            listed = tuple(map(str, points)) if isinstance(points, list) else ()
            categories[int(entry["id"])] = Category(str(entry.get("name", "")), listed)
    pointed = {int(r["category_id"]) for r in rows if r.get("keypoints") and str(r.get("category_id", "")).isdigit()}
    lone = [r for r in rows if isinstance(r.get("keypoints"), list) and len(r["keypoints"]) == 3]
    if len(categories) > 3 and lone and len(lone) == sum(bool(r.get("keypoints")) for r in rows):
        raise DataError(
            f"{len(categories)} categories of one point each: single points, not skeletons; "
            "label people as skeletons, or join the points of each person"
        )
    person = person_category(categories, pointed & set(categories))
    if categories and person is None:
        raise DataError(f"no category is called 'person'; it has: {spelled(categories)}")
    if person is not None:
        others = [r for r in rows if r.get("category_id", person) not in (person, str(person))]
        if others:
            notes["annotations of other categories left out"] += len(others)
        rows = [r for r in rows if r.get("category_id", person) in (person, str(person))]
    layout = Layout(names or keypoint_names(categories, person))
    if not names and labels_are_points(categories, person):
        notes[LABELS_NOTE] += 1
    return _coco(rows, _image_names(data.get("images")), layout, notes)


def _coco(
    rows: Sequence[Any], names: dict[str, str], layout: Layout, notes: Counter[str], peaks: bool = False
) -> Found:
    """COCO keypoint results or annotations, AlphaPose's and detectron2's results, ViTPose's and WholeBody's."""
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or "keypoints" not in row or row.get("iscrowd"):
            continue
        try:
            yield _coco_person(row, names, layout, notes, peaks)
        except _ITEM_FAULTS as error:
            notes[f"person {number}: {_said(error)}"] += 1
    notes.update(layout.notes)


def _coco_person(
    row: dict[str, Any], names: dict[str, str], layout: Layout, notes: Counter[str], peaks: bool
) -> tuple[str, Person]:
    if not row["keypoints"]:
        raise Rejected("no keypoints")
    image = str(row["image_id"])
    name = names.get(image, names.get(image.lstrip("0") or "0", image))
    if "score" in row:
        points = np.asarray(row["keypoints"], np.float64).reshape(-1, 3)
        if len(points) == 17 and "foot_kpts" in row and not layout.names:
            points = np.concatenate([points, np.asarray(row["foot_kpts"], np.float64).reshape(-1, 3)])
        if peaks:
            points[:, 2] = peak_confidence(points[:, 2])
        rows = layout.of_count(len(points)) if layout.names else None
    else:  # annotations count visibility 0, 1, 2
        value = row["keypoints"]
        if not layout.names and isinstance(value, list) and len(value) == 51 and isinstance(row.get("foot_kpts"), list):
            value = [*value, *row["foot_kpts"]]
        rows, places, states = layout.read(value)
        points = np.column_stack([places, np.select([states == VISIBLE, states == OCCLUDED], [1.0, 0.5], 0.0)])
    score = float(row.get("score", 1.0))
    return name, make_person(points, min(1.0, score), _corners(row.get("bbox")), _mask(row, notes), rows)


def _corners(box: Any) -> np.ndarray | None:
    """Return x, y, width, height as corners, or None where that is no box."""
    try:
        x, y, w, h = (float(v) for v in box)
    except (TypeError, ValueError):
        return None
    return np.array([x, y, x + w, y + h]) if np.isfinite([x, y, w, h]).all() and w > 0 and h > 0 else None


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


def _openpose(people: Any, name: str, notes: Counter[str]) -> Found:
    for person in people if isinstance(people, list) else ():
        try:
            values = person.get("pose_keypoints_2d", person.get("pose_keypoints"))
            if not values:
                notes["people without body keypoints (hands or face only) left out"] += 1
                continue
            points = np.asarray(values, np.float64).reshape(-1, 3)
            if len(points) == 18:
                full = np.zeros((25, 3))
                full[list(COCO18)] = points
                points = full
            if len(points) < 25:
                raise Rejected(f"{len(points)} keypoints; OpenPose's bodies have 25 or 18")
            rows = body25_rows(points[:25])
        except _ITEM_FAULTS as error:
            notes[f"people left out: {_said(error)}"] += 1
            continue
        sure = rows[rows[:, 2] > 0, 2]
        yield name, Person(box_around(rows), rows, float(sure.mean()) if len(sure) else 0.0)


def _ultralytics(rows: Sequence[dict[str, Any]], name: str, names: Sequence[str], notes: Counter[str]) -> Found:
    """Ultralytics' ``result.to_json()`` of one photo: three lists x, y, visible; the file is called as the photo."""
    layout = Layout(names)
    for number, row in enumerate(rows):
        if str(row.get("name", "person")).lower() != "person" or "keypoints" not in row:
            continue
        try:
            found = row["keypoints"]
            seen = found.get("visible", [1.0] * len(found["x"]))
            points = np.column_stack([np.asarray(v, np.float64) for v in (found["x"], found["y"], seen)])
            box = row.get("box") or {}
            corners = np.array([box[k] for k in ("x1", "y1", "x2", "y2")], np.float64) if len(box) >= 4 else None
            rows_of = layout.of_count(len(points)) if layout.names else None
            yield name, make_person(points, float(row.get("confidence", 1.0)), corners, None, rows_of)
        except _ITEM_FAULTS as error:
            notes[f"person {number}: {_said(error)}"] += 1


def _flat(rows: Any) -> list[Any]:
    return [r for row in rows for r in (row if isinstance(row, list) else [row])]


def _mmpose(rows: Sequence[Any], name: str, names: Sequence[str], notes: Counter[str]) -> Found:
    """mmpose's inferencer: keypoints (n, 2) beside keypoint_scores (n)."""
    layout = Layout(names)
    for number, row in enumerate(rows):
        try:
            places = np.asarray(row["keypoints"], np.float64)
            points = np.column_stack([places[:, :2], np.asarray(row["keypoint_scores"], np.float64)])
            box = row.get("bbox")
            corners = None if box is None else np.asarray(box, np.float64).reshape(-1)[:4]
            score = float(np.ravel(row.get("bbox_score", 1.0))[0])
            rows_of = layout.of_count(len(points)) if layout.names else None
            yield str(row.get("img_name", name)), make_person(points, score, corners, None, rows_of)
        except _ITEM_FAULTS as error:
            notes[f"person {number}: {_said(error)}"] += 1


def _mmpose_video(frames: Any, name: str, names: Sequence[str], notes: Counter[str]) -> Found:
    for frame in frames if isinstance(frames, list) else ():
        try:
            number, instances = int(frame["frame_id"]), _flat(frame["instances"])
        except _ITEM_FAULTS as error:
            notes[f"frames left out: {_said(error)}"] += 1
            continue
        for _, person in _mmpose(instances, name, names, notes):
            yield f"{name}@{number}", person
