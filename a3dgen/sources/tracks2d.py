"""People over time in 2D: from detections of any tool, a video, Fit3D's npz, or the people of a build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OCCLUDED, VISIBLE, Persons
from a3dgen.detectors import Detector, Person
from a3dgen.detectors.given_files import OPENPOSE, read_file
from a3dgen.geometry.camera import default_K
from a3dgen.geometry.regions import NUM_REGIONS
from a3dgen.geometry.skeleton import NUM_BODY_ROWS, NUM_ROWS, ROW_JOINT
from a3dgen.io.frame_numbers import folder_of, in_order, places_of
from a3dgen.io.npz import read
from a3dgen.io.shards import read_shard
from a3dgen.motion.sides import exchange, exchanged_sides
from a3dgen.motion.tracks import Detected, frame_places, link

POSITIONS_2D, CAMERAS = "positions_2d", "cameras"
LEAST = 3
"""Frames that a track has at least."""
BODY_JOINTS = 22
"""SMPL's first joints are SMPL-X's."""


@dataclass(frozen=True)
class Track:
    """One person in T consecutive frames.

    Attributes:
        name: as path parts, ``subject/action/camera`` for Fit3D. pixels: (T, 44, 2) px. conf: (T, 44), 0 = not seen.
        K: (3, 3). size: width, height px. fps: frame rate. images: (T) names of the frames. removed: (12,).
        exchanged: (T) what the detector had taken left for right in (``motion.sides.STATES``), put right in ``pixels``;
            empty = not asked.
    """

    name: str
    pixels: Float[ndarray, "t 44 2"]
    conf: Float[ndarray, "t 44"]
    K: Float[ndarray, "3 3"]
    size: tuple[int, int]
    fps: float
    images: list[str]
    removed: Bool[ndarray, "12"]
    exchanged: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Camera:
    """What a file of detections does not say: size px (or None), focal length px (or None), frame rate; and whether
    frames are looked for where a detector took left for right."""

    size: tuple[int, int] | None
    focal: float | None
    fps: float
    sides: bool = True

    def matrix(self, size: tuple[int, int]) -> Float[ndarray, "3 3"]:
        """Return K for pictures of that size."""
        K = default_K(*size)
        if self.focal:
            K[0, 0] = K[1, 1] = self.focal
        return K


def detections(path: Path, camera: Camera) -> Iterator[Track]:
    """Yield the tracks of a file or folder of finished detections, its pictures being frames in the order of their
    numbers, those of each folder a recording.

    Raises:
        ConfigError: if the size of the pictures is not given. DataError: if there is nobody, or a file is damaged.
    """
    if camera.size is None:
        raise ConfigError(f"{path}: detections do not say how large the pictures are; add --size WIDTHxHEIGHT")
    recordings: dict[str, dict[str, list[Person]]] = {}
    for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
        found = list(read_file(file, path))
        own = file.relative_to(path) if file != path else Path(file.name)  # a file of a frame where nobody is
        nobody = (own.parent / file.stem.removesuffix(OPENPOSE)).as_posix()
        for picture in [picture for picture, _ in found] or [nobody]:
            recordings.setdefault(folder_of(picture), {}).setdefault(picture, [])
        for picture, person in found:
            recordings[folder_of(picture)][picture].append(person)
    some = False
    for folder, frames in sorted(recordings.items(), key=lambda item: in_order(item[0])):
        names = sorted(frames, key=in_order)
        places = places_of(names)
        people: list[list[Person]] = [[] for _ in range(places[-1] + 1)]
        images = [""] * len(people)
        for name, place in zip(names, places, strict=True):
            images[place], people[place] = name, frames[name]
        stem = f"{path.stem}/{folder}" if folder else path.stem
        for track in linked(stem, images, people, camera, camera.size):
            some = True
            yield track
    if not some:
        raise DataError(f"{path}: nobody is seen in {LEAST} frames of a recording")


def video(path: Path, frames: Iterable[Any], detector: Detector, camera: Camera) -> Iterator[Track]:
    """Yield the tracks of a video.

    Args:
        frames: of ``sources.photos.videos.sampled_frames``.
    """
    people, names, size = [], [], (0, 0)
    for frame in frames:
        size = int(frame.rgb.shape[1]), int(frame.rgb.shape[0])
        names.append(f"{path.name}@{frame.number}")
        people.append(detector.detect(frame.rgb, names[-1]))
    tracks = list(linked(path.stem, names, people, camera, size))
    if not tracks:
        raise DataError(f"{path}: nobody is seen in {LEAST} of its {len(people)} frames")
    yield from tracks


def linked(
    stem: str, names: list[str], people: list[list[Person]], camera: Camera, size: tuple[int, int]
) -> Iterator[Track]:
    """Yield people over frames: by the tracks that their file names, the others linked by where they are; who is seen
    in fewer than 3 frames is left out.

    Raises:
        DataError: if a track is in a frame twice.
    """
    places: dict[str, list[tuple[int, Person]]] = {}
    for i, row in enumerate(people):
        for person in (p for p in row if p.track):
            seen = places.setdefault(person.track, [])
            if seen and seen[-1][0] == i:
                raise DataError(f"{stem}: track {person.track} is twice in {names[i]}")
            seen.append((i, person))
    start = "unnamed_" if places else ""
    others = [[p for p in row if not p.track] for row in people]
    seconds = [i / camera.fps for i in range(len(people))]
    numbers = link([[Detected(p.box, p.keypoints) for p in row] for row in others], seconds)
    for i, (row, ids) in enumerate(zip(others, numbers, strict=True)):
        for person, number in zip(row, ids, strict=True):
            places.setdefault(f"{start}{number}", []).append((i, person))
    for track, seen in places.items():
        if len(seen) < LEAST:
            continue
        first, last = seen[0][0], seen[-1][0]
        keypoints = np.zeros((last - first + 1, NUM_ROWS, 3))
        for i, person in seen:
            keypoints[i - first] = person.keypoints
        states: list[str] = []
        if camera.sides:
            states = exchanged_sides(keypoints, np.arange(len(keypoints)) / camera.fps)
            keypoints = exchange(keypoints, states)
        yield Track(
            f"{stem}/{track}", keypoints[..., :2], keypoints[..., 2], camera.matrix(size), size, camera.fps,
            names[first : last + 1], np.zeros(NUM_REGIONS, bool), states,
        )  # fmt: skip


def fit3d(path: Path, camera: Camera) -> Iterator[Track]:
    """Yield the sequences of an npz in Fit3D's layout: ``positions_2d`` (T, J >= 22, 2) px, SMPL-X's joints first, and
    ``cameras``, each ``[subject][action] -> list over cameras``.

    Raises:
        DataError: if the file is damaged or holds anything else.
    """
    found = read(path, names=(POSITIONS_2D, CAMERAS), objects=True)
    if POSITIONS_2D not in found:
        raise DataError(f"{path}: lacks '{POSITIONS_2D}'")
    cameras = _tree(path, found[CAMERAS]) if CAMERAS in found else {}
    rows = {row: joint for row, joint in ROW_JOINT.items() if joint < BODY_JOINTS and row < NUM_BODY_ROWS}
    for subject, actions in _tree(path, found[POSITIONS_2D]).items():
        for action, views in actions.items():
            for n, points in enumerate(views):
                name = f"{subject}/{action}/{n}"
                if not isinstance(points, ndarray) or points.ndim != 3 or points.shape[1] < BODY_JOINTS:
                    raise DataError(f"{path}: {name}: {POSITIONS_2D} is no array (T, J, 2) of 22 or more joints")
                known = cameras.get(subject, {}).get(action, [])
                yield _fit3d_track(path, name, points, known[n] if n < len(known) else None, camera, rows)


def _tree(path: Path, array: ndarray) -> dict[str, Any]:
    tree = array.item() if array.shape == () else None
    if not isinstance(tree, dict) or not all(isinstance(inner, dict) for inner in tree.values()):
        raise DataError(f"{path}: no dict of subjects of actions")
    return tree


def _fit3d_track(path: Path, name: str, points: ndarray, known: Any, camera: Camera, rows: Mapping[int, int]) -> Track:
    K = None
    if isinstance(known, dict) and all(key in known for key in ("fx", "fy", "cx", "cy")):
        K = np.array([[known["fx"], 0, known["cx"]], [0, known["fy"], known["cy"]], [0, 0, 1]], np.float64)
    if K is None and camera.size is None:
        raise ConfigError(f"{path}: {name}: no camera in the file; add --size WIDTHxHEIGHT")
    size = camera.size or (int(2 * K[0, 2]), int(2 * K[1, 2]))  # type: ignore[index]
    pixels, conf = np.zeros((len(points), NUM_ROWS, 2)), np.zeros((len(points), NUM_ROWS))
    for row, joint in rows.items():
        there = np.isfinite(points[:, joint]).all(1)
        pixels[there, row], conf[there, row] = points[there, joint], 1.0
    images = [f"{name}/{t:06d}" for t in range(len(points))]
    K = camera.matrix(size) if K is None else K
    return Track(name, pixels, conf, K, size, camera.fps, images, np.zeros(NUM_REGIONS, bool))


def build(folder: Path, camera: Camera) -> Iterator[Track]:
    """Yield the tracks of the people that a build has read (``<build>/ingest``).

    Raises:
        DataError: if there is no track.
    """
    tracks: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    for path in sorted(folder.glob("*.h5")):
        persons = read_shard(path).get("Persons")
        for row in (persons.row(i) for i in range(len(persons))) if isinstance(persons, Persons) else ():
            if row["track"]:
                tracks.setdefault(str(row["track"]), []).append((float(row["seconds"]), row))
    kept = {name: sorted(rows, key=lambda r: r[0]) for name, rows in tracks.items() if len(rows) >= LEAST}
    if not kept:
        raise DataError(f"{folder}: nobody is seen in {LEAST} frames of a recording")
    for name, rows in kept.items():
        places, step = frame_places(np.array([seconds for seconds, _ in rows]))
        pixels, conf = np.zeros((places[-1] + 1, NUM_ROWS, 2)), np.zeros((places[-1] + 1, NUM_ROWS))
        images = [""] * (places[-1] + 1)
        for place, (_, row) in zip(places, rows, strict=True):
            seen = ((row["state"] == VISIBLE) | (row["state"] == OCCLUDED)) & (row["keypoints"][:, 2] > 0)
            pixels[place], conf[place] = row["keypoints"][:, :2], row["keypoints"][:, 2] * seen
            images[place] = str(row["image"])
        first = rows[0][1]
        size = int(first["image_size"][0]), int(first["image_size"][1])
        yield Track(name, pixels, conf, first["K"], size, 1 / step, images, first["present_removed"])
