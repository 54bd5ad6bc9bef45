"""Files of finished detections (COCO, OpenPose, AlphaPose, mmpose, Ultralytics ...); one bad item costs that item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.detectors import Person
from a3dgen.detectors.given_coco import coco_file, coco_people
from a3dgen.detectors.given_people import ITEM_FAULTS, Found, box_around, make_person, placed, said
from a3dgen.detectors.keypoint_rows import body25_rows
from a3dgen.io.damage import is_not_json
from a3dgen.io.frame_numbers import track_of
from a3dgen.io.keypoint_lists import IN_SHARES, Layout, in_shares, triples
from a3dgen.io.regular import read_bytes

OPENPOSE = "_keypoints"
"""OpenPose writes ``<photo>_keypoints.json``."""
DETECTRON2 = "coco_instances_results.json"
"""detectron2's evaluator calls its file so; the confidences in it are heights of heat maps."""
_OTHERS = {"shapes": "labelme's file", "regions": "VIA's file", "objects": "Supervisely's file"}
"""Member that only another tool's files have -> whose file it is."""
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
    what = is_not_json(data[:200]) if data.strip() else "the file is empty"
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
        why = str(error)
        if "Extra data" in why:
            why += " (one object a line is JSON Lines: put them into one list)"
        elif isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip()):
            why = f"the file ends in the middle (a copy that was cut short?); {why}"
        raise DataError(f"{path}: cannot be read as JSON: {why}") from None


def _known(data: Any, name: str, path: Path, names: Sequence[str], notes: Counter[str]) -> Found:
    if isinstance(data, dict) and data.keys() & {"people", "bodies"}:
        return _openpose(data, name, notes)
    if isinstance(data, dict) and "annotations" in data:
        return coco_file(data, names, notes)
    if isinstance(data, dict) and "instance_info" in data:
        return _mmpose_video(data["instance_info"], name, names, notes)
    if isinstance(data, dict) and "predictions" in data:
        return _mmpose(_flat(data["predictions"]), name, names, notes)
    if isinstance(data, dict):
        whose = next((what for member, what in _OTHERS.items() if member in data), "")
        if whose:
            raise DataError(f"{whose}: export it as COCO keypoints")
        if data and all(isinstance(v, dict) and v.keys() & {"people", "bodies"} for v in data.values()):
            return (found for photo, v in data.items() for found in _openpose(v, photo, notes))  # AlphaPose's
        wrapped = [v for v in data.values() if isinstance(v, list)]
        data = wrapped[0] if len(wrapped) == 1 else data
    rows = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    if rows and all(row.keys() >= {"data", "annotations"} for row in rows):
        raise DataError("Label Studio's own JSON: export it as COCO keypoints")
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


def _openpose(data: Mapping[str, Any], name: str, notes: Counter[str]) -> Found:
    """OpenPose's people of one photo; AlphaPose writes the same, or ``bodies`` with ``joints``."""
    people = data.get("people", data.get("bodies"))
    for person in people if isinstance(people, list) else ():
        try:
            values = next((person[k] for k in ("pose_keypoints_2d", "pose_keypoints", "joints") if k in person), None)
            if not values:
                notes["people without body keypoints (hands or face only) left out"] += 1
                continue
            flat = not isinstance(values[0], list | tuple)
            points = triples([values[i : i + 3] for i in range(0, len(values), 3)] if flat else values, notes)
            if len(points) == 18:
                full = np.zeros((25, 3))
                full[list(COCO18)] = points
                points = full
            if len(points) < 25:
                raise Rejected(f"{len(points)} keypoints; OpenPose's bodies have 25 or 18")
            rows = body25_rows(np.where(placed(points)[:, None], points, 0.0)[:25])
            if in_shares(rows[rows[:, 2] > 0, :2]):
                raise Rejected(IN_SHARES)
        except ITEM_FAULTS as error:
            notes[f"people left out: {said(error)}"] += 1
            continue
        sure = rows[rows[:, 2] > 0, 2]
        track = track_of({"track_id": np.ravel(person.get("person_id", -1)).tolist()[0]})
        yield name, Person(box_around(rows), rows, float(sure.mean()) if len(sure) else 0.0, track=track)


def _ultralytics(rows: Sequence[dict[str, Any]], name: str, names: Sequence[str], notes: Counter[str]) -> Found:
    """Ultralytics' ``result.to_json()`` of one photo: three lists x, y, visible; the file is called as the photo."""
    layout = Layout(names)
    for number, row in enumerate(rows):
        if str(row.get("name", "person")).lower() != "person":
            continue
        if "keypoints" not in row:
            notes["people without keypoints (no pose model?) left out"] += 1
            continue
        try:
            found = row["keypoints"]
            if not found:
                raise Rejected("no keypoints")
            points = _joined(list(zip(found["x"], found["y"], strict=True)), found.get("visible"), notes)
            box = row.get("box") or {}
            corners = np.array([box[k] for k in ("x1", "y1", "x2", "y2")], np.float64) if len(box) >= 4 else None
            rows_of = layout.of_count(len(points)) if layout.names else None
            yield name, make_person(points, float(row.get("confidence", 1.0)), corners, None, rows_of)
        except ITEM_FAULTS as error:
            notes[f"person {number}: {said(error)}"] += 1


def _joined(places: Sequence[Any], scores: Sequence[Any] | None, notes: Counter[str]) -> Float[ndarray, "n 3"]:
    """Return x, y and confidence of points whose confidences stand beside them; without any all are sure."""
    scores = [1.0] * len(places) if scores is None else scores
    if len(places) != len(scores):
        raise Rejected(f"{len(places)} keypoints, but {len(scores)} confidences")
    return triples([[*place[:2], score] for place, score in zip(places, scores, strict=True)], notes)


def _flat(rows: Any) -> list[Any]:
    return [r for row in rows for r in (row if isinstance(row, list) else [row])]


def _mmpose(rows: Sequence[Any], name: str, names: Sequence[str], notes: Counter[str]) -> Found:
    """mmpose's inferencer: keypoints (n, 2) beside keypoint_scores (n)."""
    layout = Layout(names)
    for number, row in enumerate(rows):
        try:
            points = _joined(row["keypoints"], row["keypoint_scores"], notes)
            box = row.get("bbox")
            corners = None if box is None else np.asarray(box, np.float64).reshape(-1)[:4]
            given = row.get("bbox_score")
            score = 1.0 if given is None else float(np.ravel(given)[0])
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
