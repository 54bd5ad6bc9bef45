"""Finished detections from files: COCO results, OpenPose folders, mmpose, detectron2, ViTPose and WholeBody.

A file is recognised by what is in it. Photos are matched by their path below the folder, by file name, by stem, or,
for COCO results, by a numeric image id that is the photo's stem; an ``images`` table in the file wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.keypoint_rows import (
    HALPE26_POINTS,
    WHOLEBODY_ROWS,
    body25_rows,
    extent,
    peak_confidence,
    to_rows,
)
from a3dgen.geometry.skeleton import COCO_ROWS, MPII_ROWS
from a3dgen.io import rle

OPENPOSE = "_keypoints"
"""OpenPose writes ``<photo>_keypoints.json``."""
DETECTRON2 = "coco_instances_results.json"
"""detectron2's evaluator calls its file so; the confidences in it are heights of heat maps."""
COCO18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""OpenPose's COCO model -> BODY_25."""


class GivenDetector:
    """Looks people up instead of detecting them.

    Raises:
        ConfigError: if the file or folder is not there.
        DataError: if a file is none of the known kinds.
    """

    def __init__(self, config: DetectorConfig) -> None:
        if not config.keypoints:
            raise ConfigError("detector given: needs --keypoints, a file or folder of finished detections")
        self._path = Path(config.keypoints).expanduser()
        self._min_score = config.min_score
        if not self._path.exists():
            raise ConfigError(f"--keypoints: no file or folder '{config.keypoints}'")
        self._people: dict[str, list[Person]] = {}
        files = sorted(self._path.rglob("*.json")) if self._path.is_dir() else [self._path]
        for file in files:
            for name, person in read_file(file, self._path):
                self._people.setdefault(name, []).append(person)
        if not files:
            raise ConfigError(f"--keypoints: no JSON file in '{config.keypoints}'")
        own = {file.relative_to(self._path).with_suffix("").as_posix() for file in files if file != self._path}
        self._spoken = set(self._people) | {name.removesuffix(OPENPOSE) for name in own}

    @property
    def names(self) -> set[str]:
        """What the files call the photos they speak of."""
        return set(self._people)

    def knows(self, name: str) -> bool:
        """Whether the files speak of the photo ``name``, were it only to say that nobody is on it."""
        return any(candidate in self._spoken for candidate in _spellings(name))

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Return the people of the photo ``name``, the best first."""
        found: list[Person] = []
        for candidate in _spellings(name):
            if candidate in self._people:
                found = self._people[candidate]
                break
        kept = [p for p in found if p.score >= self._min_score]
        fits = [p if p.mask is None or p.mask.shape == rgb.shape[:2] else _unmasked(p) for p in kept]
        return sorted(fits, key=lambda p: -p.score)


def _unmasked(person: Person) -> Person:
    return Person(person.box, person.keypoints, person.score)


def _spellings(name: str) -> Iterator[str]:
    """Yield what a file may call the photo, the most exact first."""
    start, at, frame = name.partition("@")
    if at:  # a frame of a video: walk.mp4@120, or walk@120 in mmpose's files
        yield name
        yield f"{PurePosixPath(start).with_suffix('').as_posix()}@{frame}"
        yield f"{PurePosixPath(start).stem}@{frame}"
        for video in dict.fromkeys((PurePosixPath(start).with_suffix("").as_posix(), PurePosixPath(start).stem)):
            yield f"{video}_{int(frame):012d}"  # OpenPose run on a video writes walk_000000000120_keypoints.json
        return
    path = PurePosixPath(name)
    yield name
    yield path.with_suffix("").as_posix()
    yield path.name
    yield path.stem
    if path.stem.rpartition("_")[2].isdigit():  # 000000000785, COCO_val2014_000000000785
        yield str(int(path.stem.rpartition("_")[2]))


def read_file(path: Path, root: Path) -> Iterator[tuple[str, Person]]:
    """Yield (photo, person) of one file.

    Raises:
        DataError: if it is no JSON or of no known kind.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from None
    name = path.stem.removesuffix(OPENPOSE)
    if path != root:
        name = (path.parent.relative_to(root) / name).as_posix()
    try:
        yield from _known(data, name, path)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{path}: not what its kind of file holds: {type(error).__name__}: {error}") from None


def _known(data: Any, name: str, path: Path) -> Iterator[tuple[str, Person]]:
    if isinstance(data, dict) and "people" in data:
        return _openpose(data, name)
    if isinstance(data, dict) and "annotations" in data:
        return _coco(data["annotations"], _image_names(data.get("images")))
    if isinstance(data, dict) and "instance_info" in data:
        return _mmpose_video(data["instance_info"], name)
    if isinstance(data, dict) and "predictions" in data:
        return _mmpose(_flat(data["predictions"]), name)
    if isinstance(data, list) and (not data or "image_id" in data[0]):
        return _coco(data, {}, path.name == DETECTRON2)
    if isinstance(data, list) and isinstance(data[0], dict | list):
        return _mmpose(_flat(data), name)
    raise DataError(
        f"{path}: known are COCO results, OpenPose, mmpose predictions, detectron2's coco_instances_results.json"
    )


def _image_names(images: Any) -> dict[str, str]:
    return {str(i["id"]): str(PurePosixPath(str(i["file_name"]))) for i in images or []}


def _coco(rows: list[dict[str, Any]], names: dict[str, str], peaks: bool = False) -> Iterator[tuple[str, Person]]:
    """COCO keypoint results or annotations, detectron2's results, ViTPose's and WholeBody's 133 points."""
    for row in rows:
        if "keypoints" not in row:
            continue
        points = np.asarray(row["keypoints"], np.float64).reshape(-1, 3)
        if len(points) == 17 and "foot_kpts" in row:
            points = np.concatenate([points, np.asarray(row["foot_kpts"], np.float64).reshape(-1, 3)])
        image = str(row["image_id"])
        name = names.get(image, image)
        if peaks:
            points[:, 2] = peak_confidence(points[:, 2])
        if "score" not in row:  # annotations count visibility 0, 1, 2
            points[:, 2] = np.array([0.0, 0.5, 1.0])[np.clip(points[:, 2], 0, 2).astype(int)]
        score = float(row.get("score", 1.0))
        box = row.get("bbox")
        corners = None
        if box is not None and len(box) == 4:
            corners = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]], np.float64)
        segmentation = row.get("segmentation")
        mask = rle.decode(segmentation) if isinstance(segmentation, dict) else None
        yield name, make_person(points, min(1.0, score), corners, mask)


def _openpose(data: dict[str, Any], name: str) -> Iterator[tuple[str, Person]]:
    for person in data["people"]:
        points = np.asarray(person["pose_keypoints_2d"], np.float64).reshape(-1, 3)
        if len(points) == 18:
            full = np.zeros((25, 3))
            full[list(COCO18)] = points
            points = full
        rows = body25_rows(points[:25])
        sure = rows[rows[:, 2] > 0, 2]
        yield name, Person(box_around(rows), rows, float(sure.mean()) if len(sure) else 0.0)


def _flat(rows: Any) -> list[dict[str, Any]]:
    return [r for row in rows for r in (row if isinstance(row, list) else [row])]


def _mmpose(rows: list[dict[str, Any]], name: str) -> Iterator[tuple[str, Person]]:
    """mmpose's inferencer: keypoints (n, 2) beside keypoint_scores (n)."""
    for row in rows:
        points = np.column_stack([np.asarray(row["keypoints"], np.float64)[:, :2], row["keypoint_scores"]])
        box = row.get("bbox")
        corners = None if box is None else np.asarray(box, np.float64).reshape(-1)[:4]
        yield (
            str(row.get("img_name", name)),
            make_person(points, float(np.ravel(row.get("bbox_score", 1.0))[0]), corners),
        )


def _mmpose_video(frames: list[dict[str, Any]], name: str) -> Iterator[tuple[str, Person]]:
    for frame in frames:
        for _, person in _mmpose(frame["instances"], name):
            yield f"{name}@{int(frame['frame_id'])}", person


def make_person(
    points: Float[ndarray, "n 3"], score: float, box: Float[ndarray, "4"] | None, mask: Any = None
) -> Person:
    """Return a person from points in the order their number tells: 17 COCO, 23 with feet, 133 WholeBody, 26 Halpe,
    16 MPII.

    Raises:
        ValueError: for another number of points.
    """
    layouts = {17: COCO_ROWS, 23: WHOLEBODY_ROWS, 133: WHOLEBODY_ROWS, 16: MPII_ROWS}
    if len(points) == len(HALPE26_POINTS) + 3:
        points = points[list(HALPE26_POINTS)]
    if len(points) not in layouts:
        raise ValueError(f"{len(points)} keypoints a person; known are 16, 17, 23, 26 and 133")
    rows = to_rows(points, layouts[len(points)])
    found = box if box is not None and np.isfinite(box).all() else box_around(rows)
    return Person(np.asarray(found, np.float64), rows, float(np.clip(score, 0, 1)), mask)


def box_around(keypoints: Float[ndarray, "44 3"]) -> Float[ndarray, "4"]:
    """Return the box around points with confidence, a tenth wider; zeros if there are none."""
    points = keypoints[keypoints[:, 2] > 0, :2]
    if not len(points):
        return np.zeros(4)
    margin = 0.1 * extent(points)
    return np.concatenate([points.min(0) - margin, points.max(0) + margin])
