"""COCO person keypoints, 2014 and 2017, with whatever lies beside them: objects, WholeBody feet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import ConfigError, DataError, Rejected, nearest
from a3dgen.geometry.camera import default_K
from a3dgen.geometry.skeleton import COCO_FOOT_ROWS, COCO_ROWS
from a3dgen.io import rle
from a3dgen.sources import Found, Source
from a3dgen.sources.coco_index import AnnotationIndex, CocoImage
from a3dgen.sources.common import (
    checked_size,
    digest_files,
    existing_file,
    first_existing,
    numbers,
    place,
    root_folder,
)

SPLITS = ("val2017", "val2014", "train2017", "train2014")
"""In reading order: a person who is in several files comes from the first."""


@dataclass(frozen=True)
class Config:
    """A COCO folder.

    Attributes:
        root: the folder that holds ``annotations/`` and the image folders.
        splits: of train2017, val2017, train2014, val2014; empty = all whose person_keypoints file is there.
        annotations: folder of the annotation files, below root.
        images: folder that holds the image folders, below root; empty = root itself or root/images.
        wholebody: ``auto`` uses coco_wholebody_*.json for the feet where it is there; ``off`` does not; else a path.
        objects: ``auto`` uses instances_*.json for objects in front of people where it is there; or ``off``.
        licenses: numbers of the image licences to keep (4 is CC BY); empty = all.
    """

    root: str = ""
    splits: tuple[str, ...] = ()
    annotations: str = "annotations"
    images: str = ""
    wholebody: str = "auto"
    objects: str = "auto"
    licenses: tuple[int, ...] = ()


@dataclass
class _Split:
    """One person_keypoints file with its neighbours, opened."""

    name: str
    config: Config
    root: Path
    people: AnnotationIndex
    objects: AnnotationIndex | None
    feet: list[AnnotationIndex]
    elsewhere: dict[int, str] = field(default_factory=dict)

    @property
    def subset(self) -> str:
        return "COCO_val" if self.name.startswith("val") else "COCO_train"


def _files(config: Config) -> dict[str, Path]:
    """Return split -> person_keypoints file, in reading order."""
    root = root_folder("sources.coco", config.root)
    for split in config.splits:
        if split not in SPLITS:
            raise ConfigError(f"sources.coco.splits: unknown split '{split}'{nearest(str(split), SPLITS)}")
    folder = root / config.annotations
    found = {s: folder / f"person_keypoints_{s}.json" for s in SPLITS if s in config.splits or not config.splits}
    if config.splits:
        return {s: existing_file("sources.coco.splits", root, str(path)) for s, path in found.items()}
    found = {s: path for s, path in found.items() if path.is_file()}
    if not found:
        raise ConfigError(f"sources.coco.root: no person_keypoints_{{train,val}}{{2014,2017}}.json in '{folder}'")
    return found


def _objects_file(config: Config, path: Path) -> Path | None:
    if config.objects not in ("auto", "off"):
        raise ConfigError(f"sources.coco.objects: '{config.objects}' is neither 'auto' nor 'off'")
    beside = path.with_name(path.name.replace("person_keypoints", "instances"))
    return beside if config.objects == "auto" and beside.is_file() else None


def _feet_files(config: Config, split: str, path: Path) -> list[Path]:
    """Return the WholeBody files that may hold people of a split (2014 was cut differently: both)."""
    if config.wholebody == "off":
        return []
    if config.wholebody != "auto":
        return [existing_file("sources.coco.wholebody", Path(config.root).expanduser(), config.wholebody)]
    roles = [split[:-4]] if split.endswith("2017") else ["train", "val"]
    return [p for role in roles if (p := path.with_name(f"coco_wholebody_{role}_v1.0.json")).is_file()]


def fingerprint(config: Config) -> str:
    """Return the digest of all annotation files that ``read`` would read."""
    paths: dict[Path, None] = {}
    for split, path in _files(config).items():
        beside = [_objects_file(config, path), *_feet_files(config, split, path)]
        paths |= dict.fromkeys(p for p in (path, *beside) if p is not None)
    return digest_files(paths)


def read(config: Config) -> Iterator[Found]:
    """Yield every annotated person of the configured splits.

    Keys look like ``coco/val2017/785/442619`` (split, image id, annotation id).

    Raises:
        ConfigError: if the folder, a configured file or a licence number is not there.
        DataError: if an annotation file is not what COCO writes.
    """
    root, elsewhere = root_folder("sources.coco", config.root), {}
    for name, path in _files(config).items():
        with ExitStack() as stack:

            def opened(path: Path, persons: bool, stack: ExitStack = stack) -> AnnotationIndex:
                return stack.enter_context(closing(AnnotationIndex(path, persons)))

            objects = _objects_file(config, path)
            split = _Split(
                name=name,
                config=config,
                root=root,
                people=opened(path, True),
                objects=opened(objects, False) if objects else None,
                feet=[opened(p, True) for p in _feet_files(config, name, path)],
                elsewhere=elsewhere,
            )
            _check_licenses(split)
            yield from _read_split(split)
            elsewhere.update({image: name for image in split.people.photos if image not in elsewhere})


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
    for image_id in split.people.image_ids():
        annotations = split.people.of_image(image_id)
        refused: str | None = None
        frame: dict[str, Any] = {}
        try:
            frame = _frame(split, image_id)
        except Rejected as error:
            refused = str(error)
        usable = [refused is None and _why_not(a) is None for a in annotations]
        outlines = _outlines(annotations, frame) if any(usable) else []
        for i, annotation in enumerate(annotations):
            key = f"coco/{split.name}/{image_id}/{annotation['id']}"
            reason = _why_not(annotation) or refused
            if reason is not None:
                yield key, reason
                continue
            try:
                yield {"key": key, **_person(split, annotation, frame), **_masks(outlines, i)}
            except Rejected as error:
                yield key, str(error)


def _why_not(annotation: dict[str, Any]) -> str | None:
    """Return why an annotation is no person to fit, whatever its photo."""
    if annotation.get("iscrowd"):
        return "a crowd, not a person"
    keypoints = annotation.get("keypoints")
    flags = keypoints[2::3] if isinstance(keypoints, list) else []
    if not any(isinstance(v, int | float) and v > 0 for v in flags):
        return "no keypoints"
    return None


def _frame(split: _Split, image_id: int) -> dict[str, Any]:
    """Return the columns that all people of one photo share."""
    photo: CocoImage | None = split.people.photos.get(image_id)
    if photo is None:
        raise Rejected(f"image {image_id} is not listed in {split.people.path.name}")
    if image_id in split.elsewhere:
        raise Rejected(f"image {image_id} is already in {split.elsewhere[image_id]}")
    if split.config.licenses and photo.license not in split.config.licenses:
        raise Rejected(f"image licence {photo.license} is not among sources.coco.licenses")
    tops = [split.root / split.config.images] if split.config.images else [split.root, split.root / "images"]
    folders = [top / inner for inner in (split.name, "") for top in tops]
    path = first_existing(folders, photo.file_name)
    size = checked_size(path, photo.size)
    frame: dict[str, Any] = {
        "subset": split.subset,
        "stem": path.stem,
        "license": split.people.licenses.get(photo.license, "unknown"),
        "image": str(path),
        "image_size": size,
        "K": default_K(*size),
        "objects": "[]",
    }
    if split.objects is not None:
        outlines = [_outline(a, *size) for a in split.objects.of_image(image_id)]
        frame["objects"] = rle.list_to_json([o for o in outlines if o is not None])
    return frame


def _person(split: _Split, annotation: dict[str, Any], frame: dict[str, Any]) -> dict[str, Any]:
    size = frame["image_size"]
    body = _triples(annotation["keypoints"], len(COCO_ROWS), "keypoints")
    feet = _feet(split, annotation["id"])
    points = np.concatenate([body, feet])
    rows = (*COCO_ROWS, *COCO_FOOT_ROWS)[: len(points)]
    keypoints, state = place(rows, points[:, :2], points[:, 2].astype(int), size, outside_confidence=0.0)
    x, y, w, h = numbers(annotation.get("bbox"), (4,), "bbox")
    if not np.isfinite([x, y, w, h]).all() or w <= 0 or h <= 0:
        raise Rejected("the box is empty or not finite")
    return frame | {
        "person_id": str(annotation["id"]),
        "bbox": np.array([x, y, x + w, y + h]),
        "keypoints": keypoints,
        "state": state,
    }


def _triples(values: Any, count: int, what: str) -> np.ndarray:
    points = numbers(values, (3 * count,), what).reshape(count, 3)
    if not np.isin(points[:, 2], (0, 1, 2)).all():
        raise Rejected(f"{what}: a visibility flag is not 0, 1 or 2")
    return points


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


def _outline(annotation: dict[str, Any], width: int, height: int) -> rle.Rle | None:
    """Return an annotation's mask, or None where its segmentation is missing or damaged."""
    try:
        return rle.from_segmentation(annotation.get("segmentation"), width, height)
    except DataError:
        return None


def _outlines(annotations: list[dict[str, Any]], frame: dict[str, Any]) -> list[rle.Rle | None]:
    return [_outline(a, *frame["image_size"]) for a in annotations]


def _masks(outlines: list[rle.Rle | None], i: int) -> dict[str, str]:
    """Return the person's own mask and everybody else's."""
    others = [o for j, o in enumerate(outlines) if j != i and o is not None]
    return {"mask": rle.to_json(outlines[i]), "others": rle.list_to_json(others)}


SOURCE = Source(Config, read, fingerprint)
