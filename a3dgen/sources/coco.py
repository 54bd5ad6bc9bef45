"""COCO person keypoints: the official files of 2014 and 2017 with what lies beside them, or anybody's own files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.records import OUTSIDE, UNLABELLED
from a3dgen.geometry.skeleton import COCO_FOOT_ROWS
from a3dgen.io import rle
from a3dgen.io.coco_categories import LABELS_NOTE, labels_are_points
from a3dgen.io.coco_entries import box_corners, is_set
from a3dgen.io.keypoint_lists import Layout
from a3dgen.sources import Found, Source
from a3dgen.sources.clouds import cloud_files, clouds_folder, cut_person, photo_cloud
from a3dgen.sources.coco_config import Config, annotation_files, feet_files, image_folders, objects_file
from a3dgen.sources.coco_frames import Frames
from a3dgen.sources.coco_index import AnnotationIndex
from a3dgen.sources.coco_tracks import Recordings
from a3dgen.sources.common import box_of, check_whole, digest_files, guessed_K, numbers, place, root_folder

log = logging.getLogger("a3dgen")


@dataclass
class _Split:
    """One annotation file with its neighbours, opened."""

    name: str
    subset: str
    config: Config
    people: AnnotationIndex
    objects: AnnotationIndex | None
    feet: list[AnnotationIndex]
    layout: Layout
    frames: Frames


def fingerprint(config: Config) -> str:
    """Return the digest of all annotation files that ``read`` would read."""
    paths: dict[Path, None] = {}
    for file in annotation_files(config):
        beside = [objects_file(config, file.path), *feet_files(config, file.name, file.path)]
        paths |= dict.fromkeys(p for p in (file.path, *beside) if p is not None)
    if config.clouds:
        paths |= dict.fromkeys(cloud_files(clouds_folder("sources.coco.clouds", config.clouds)))
    return digest_files(paths)


def read(config: Config) -> Iterator[Found]:
    """Yield every annotated person of the configured files.

    Keys look like ``coco/val2017/785/442619`` (file, image id, annotation id).

    Raises:
        ConfigError: if the folder, a configured file or a licence number is not there.
        DataError: if an annotation file is not what COCO writes.
    """
    root = root_folder("sources.coco", config.root)
    frames = Frames(root, config.exif)
    for file in annotation_files(config):
        with ExitStack() as stack:

            def opened(path: Path, persons: bool, stack: ExitStack = stack) -> AnnotationIndex:
                return stack.enter_context(closing(AnnotationIndex(path, persons)))

            objects = objects_file(config, file.path)
            people = opened(file.path, True)
            split = _Split(
                name=file.name,
                subset=file.subset,
                config=config,
                people=people,
                objects=opened(objects, False) if objects else None,
                feet=[opened(p, True) for p in feet_files(config, file.name, file.path)],
                layout=Layout(config.keypoints.map or people.keypoint_names()),
                frames=frames,
            )
            if not config.keypoints.map and labels_are_points(people.categories, people.person):
                split.layout.notes[LABELS_NOTE] += 1
            frames.start(file.name, image_folders(config, root, file))
            _check_licenses(split)
            yield from _read_split(split)
            _say_notes(split)


def _say_notes(split: _Split) -> None:
    """Say, once a file, what was noticed in it."""
    name = split.people.path.name
    for note, count in (split.layout.notes + split.frames.notes).items():
        log.warning("%s: %s%s", name, note, f" ({count} times)" if count > 1 else "")
    if split.people.other_categories:
        others = ", ".join(f"{count} of {what}" for what, count in split.people.other_categories.most_common(5))
        log.warning("%s: annotations that are no people are left out: %s", name, others)
    if split.people.renumbered:
        log.warning(
            "%s: ids of annotations are missing or repeat: people are numbered by their place in the file", name
        )


def _check_licenses(split: _Split) -> None:
    unknown = sorted(set(split.config.licenses) - set(split.people.licenses), key=str)
    if unknown and split.people.licenses:
        have = ", ".join(f"{k} {v}" for k, v in sorted(split.people.licenses.items()))
        raise ConfigError(
            f"sources.coco.licenses: no licence {unknown[0]!r} in {split.people.path.name}; it has: {have}"
        )


def _read_split(split: _Split) -> Iterator[Found]:
    for reason, number in split.people.damaged:
        yield f"coco/{split.name}/?/{number}", reason
    recordings = Recordings(split.name, split.people, split.config.fps)
    for image_id in recordings.in_order(split.people.image_ids()):
        annotations = split.people.of_image(image_id)
        image_text = split.people.image_text(image_id)
        refused: str | None = None
        frame: dict[str, Any] = {}
        points = [_points(split, a) for a in annotations]
        try:
            frame = _frame(split, image_id, [p for p in points if not isinstance(p, str)])
        except Rejected as error:
            refused = str(error)
        usable = [refused is None and not isinstance(p, str) for p in points]
        outlines = [split.frames.outline(a) for a in annotations] if any(usable) else []
        cloud = None
        if any(usable):
            cloud = photo_cloud("sources.coco.clouds", split.config.clouds, Path(frame["image"]).name)
        for i, annotation in enumerate(annotations):
            key = f"coco/{split.name}/{image_text}/{split.people.own_text(annotation['id'])}"
            found = points[i]
            if isinstance(found, str) or refused is not None:
                yield key, found if isinstance(found, str) else str(refused)
                continue
            try:
                row = {"key": key, **_person(split, annotation, frame, found), **_masks(outlines, i)}
                row |= recordings.columns(image_id, annotation)
                if cloud is not None:
                    row |= cut_person(cloud, row["bbox"], row["mask"], row["K"], np.zeros(5), annotation["id"])
                yield row
            except Rejected as error:
                yield key, str(error)


Points = tuple[tuple[int, ...], np.ndarray, np.ndarray]


def _points(split: _Split, annotation: dict[str, Any]) -> Points | str:
    """Return rows, places and states of an annotation's keypoints, or why it is no person to fit."""
    if is_set(annotation.get("iscrowd")):
        return "a crowd, not a person"
    value = annotation.get("keypoints")
    if value is None or (isinstance(value, list | dict | tuple) and not value):
        return "no keypoints"
    try:
        rows, pixels, states = split.layout.read(value)
        feet = _feet(split, annotation["id"])
    except Rejected as error:
        return str(error)
    if len(feet) and not set(COCO_FOOT_ROWS) & set(rows):
        rows = (*rows, *COCO_FOOT_ROWS)
        pixels = np.concatenate([pixels, feet[:, :2]])
        states = np.concatenate([states, feet[:, 2].astype(np.int64)])
    if not (states != UNLABELLED).any():
        return "no keypoints"
    return rows, pixels, states


def _frame(split: _Split, image_id: int, points: list[Points]) -> dict[str, Any]:
    """Return the columns that all people of one photo share."""
    photo = split.people.photos.get(image_id)
    if photo is None:
        raise Rejected(f"image {split.people.image_text(image_id)} is not listed in {split.people.path.name}")
    if photo.ambiguous:
        raise Rejected(f"image {split.people.image_text(image_id)} is listed more than once, with different files")
    if split.config.licenses and photo.license not in split.config.licenses:
        raise Rejected(f"image licence {photo.license} is not among sources.coco.licenses")
    labelled = [pixels[states != UNLABELLED] for _, pixels, states in points]
    path, size = split.frames.open(image_id, photo, np.concatenate(labelled) if labelled else np.zeros((0, 2)))
    frame: dict[str, Any] = {
        "subset": split.subset,
        "stem": path.stem,
        "license": split.people.licenses.get(photo.license, "unknown"),
        "image": str(path),
        "image_size": size,
        "K": guessed_K(split.frames.picture),
        "objects": "[]",
    }
    if split.objects is not None:
        outlines = [split.frames.outline(a) for a in split.objects.of_image(image_id)]
        frame["objects"] = rle.list_to_json([o for o in outlines if o is not None])
    return frame


def _person(split: _Split, annotation: dict[str, Any], frame: dict[str, Any], points: Points) -> dict[str, Any]:
    size = frame["image_size"]
    rows, pixels, states = points
    labelled = states != UNLABELLED
    upright = split.frames.upright(pixels)
    box = _box(split, annotation.get("bbox"), pixels[labelled])
    check_whole(split.frames.picture, upright[labelled], box)
    keypoints, state = place(rows, upright, states, size, outside_confidence=0.0)
    keypoints[np.asarray(rows)[labelled & (states == OUTSIDE)], 2] = 0.0
    return frame | {
        "person_id": split.people.own_text(annotation["id"]),
        "bbox": box_of(keypoints, size) if box is None else box,
        "keypoints": keypoints,
        "state": state,
    }


def _box(split: _Split, value: Any, pixels: np.ndarray) -> np.ndarray | None:
    """Return the annotated box x0, y0, x1, y1 in shown pixels, or None where the points' own must do."""
    box, note = box_corners(value, pixels, split.frames.labelled_size)
    if note:
        split.layout.notes[note] += 1
    return None if box is None else split.frames.upright_box(box)


def _feet(split: _Split, annotation_id: int) -> np.ndarray:
    """Return (6, 3) foot keypoints, or none: without a WholeBody file, or where it does not know the person."""
    for index in split.feet:
        found = index.by_id(annotation_id)
        if found is not None and found.get("foot_valid", True) and "foot_kpts" in found:
            # WholeBody flags may be fractional scores in machine-made files: any positive one is a labelled point
            points = numbers(found["foot_kpts"], (3 * len(COCO_FOOT_ROWS),), "foot_kpts").reshape(-1, 3)
            points[:, 2] = np.where(points[:, 2] == 1, 1, np.where(points[:, 2] > 0, 2, 0))
            return points
    return np.zeros((0, 3))


def _masks(outlines: list[rle.Rle | None], i: int) -> dict[str, str]:
    """Return the person's own mask and everybody else's."""
    others = [o for j, o in enumerate(outlines) if j != i and o is not None]
    return {"mask": rle.to_json(outlines[i]), "others": rle.list_to_json(others)}


SOURCE = Source(Config, read, fingerprint)
