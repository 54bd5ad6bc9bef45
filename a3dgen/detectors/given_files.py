"""Files of finished detections (COCO, OpenPose, AlphaPose, mmpose, Ultralytics ...); one bad item costs that item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError, Rejected
from a3dgen.detectors import Person
from a3dgen.detectors.given_coco import coco_file, coco_people
from a3dgen.detectors.given_people import ITEM_FAULTS, Found, box_around, make_person, said
from a3dgen.detectors.keypoint_rows import body25_rows
from a3dgen.io.damage import is_not_json
from a3dgen.io.keypoint_lists import Layout
from a3dgen.io.regular import read_bytes

OPENPOSE = "_keypoints"
"""OpenPose writes ``<photo>_keypoints.json``."""
DETECTRON2 = "coco_instances_results.json"
"""detectron2's evaluator calls its file so; the confidences in it are heights of heat maps."""
COCO18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""OpenPose's COCO model -> BODY_25."""


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
    content = _json(path, notes)
    name = path.stem.removesuffix(OPENPOSE)
    if path != root:
        name = (path.parent.relative_to(root) / name).as_posix()
    try:
        found = list(_known(content, name, path, names, notes))
    except ITEM_FAULTS as error:
        raise DataError(f"{path}: {said(error)}") from None
    faults = [note for note in notes if note.startswith("person ") and not note.endswith("no keypoints")]
    if faults and not found:
        raise DataError(f"{path}: none of its people can be read: {faults[0]}")
    yield from found


def _json(path: Path, notes: Counter[str]) -> Any:
    """Return what a JSON file holds; bytes that are no UTF-8 are Latin-1."""
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    what = is_not_json(data[:200])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        notes["the file is no UTF-8: read as Latin-1"] += 1
    try:
        if what:
            raise ValueError(what)
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = " (one object a line is JSON Lines: put them into one list)" if "Extra data" in str(error) else ""
        raise DataError(f"{path}: cannot be read as JSON: {error}{lines}") from None


def _known(data: Any, name: str, path: Path, names: Sequence[str], notes: Counter[str]) -> Found:
    if isinstance(data, dict) and "people" in data:
        return _openpose(data["people"], name, notes)
    if isinstance(data, dict) and "annotations" in data:
        return coco_file(data, names, notes)
    if isinstance(data, dict) and "instance_info" in data:
        return _mmpose_video(data["instance_info"], name, names, notes)
    if isinstance(data, dict) and "predictions" in data:
        return _mmpose(_flat(data["predictions"]), name, names, notes)
    rows = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    if isinstance(data, list) and (not data or any("image_id" in row for row in rows)):
        return coco_people(data, {}, Layout(names), notes, path.name == DETECTRON2)
    if any(isinstance(row.get("keypoints"), dict) for row in rows) or any("class" in row for row in rows):
        return _ultralytics(rows, name, names, notes)
    if isinstance(data, list) and any("keypoint_scores" in row for row in _flat(data) if isinstance(row, dict)):
        return _mmpose(_flat(data), name, names, notes)
    raise DataError(
        "of no known kind; known are COCO files and results, OpenPose, AlphaPose, mmpose predictions, Ultralytics' "
        "to_json, detectron2's coco_instances_results.json"
    )


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
        except ITEM_FAULTS as error:
            notes[f"people left out: {said(error)}"] += 1
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
        except ITEM_FAULTS as error:
            notes[f"person {number}: {said(error)}"] += 1


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
        except ITEM_FAULTS as error:
            notes[f"person {number}: {said(error)}"] += 1


def _mmpose_video(frames: Any, name: str, names: Sequence[str], notes: Counter[str]) -> Found:
    for frame in frames if isinstance(frames, list) else ():
        try:
            number, instances = int(frame["frame_id"]), _flat(frame["instances"])
        except ITEM_FAULTS as error:
            notes[f"frames left out: {said(error)}"] += 1
            continue
        for _, person in _mmpose(instances, name, names, notes):
            yield f"{name}@{number}", person
