"""MPII Human Pose: the JSON files of HRNet and mmpose, or the official MATLAB file (``mpii_mat``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.records import UNLABELLED, VISIBLE
from a3dgen.geometry.camera import default_K
from a3dgen.geometry.skeleton import MPII_ROWS, NUM_ROWS
from a3dgen.io import rle
from a3dgen.io.jsonstream import JsonFile, utf8
from a3dgen.removal.mask_ops import limb_capsules
from a3dgen.sources import Found, Source
from a3dgen.sources.common import (
    ImageFolders,
    box_of,
    checked_size,
    digest_files,
    existing_file,
    numbers,
    place,
    root_folder,
)
from a3dgen.sources.mpii_mat import read_mat

LICENSE = "MPII Human Pose (research use; photos from YouTube videos)"
_NAMES = ("trainval", "train", "valid", "val", "annotations")
_MAT = "mpii_human_pose_v1_u12_1.mat"


@dataclass(frozen=True)
class Config:
    """An MPII folder.

    Attributes:
        root: the folder of the dataset.
        annotations: annotation files, .json or .mat, below root; empty = those found there, in ``annot/`` or in
            ``annotations/``: trainval.json, else train.json and valid.json, else the official .mat.
        images: folder of the photos below root; empty = ``images`` or root itself.
    """

    root: str = ""
    annotations: tuple[str, ...] = ()
    images: str = ""


@dataclass(frozen=True)
class Record:
    """One person as either kind of file gives them.

    Attributes:
        image: file name of the photo.
        index: number of the record among those of the photo.
        pixels: (16, 2) MATLAB pixels, first pixel = 1.
        states: (16,) UNLABELLED, OCCLUDED or VISIBLE.
        refused: why the record cannot be used, or None.
    """

    image: Any
    index: int
    pixels: Float[ndarray, "16 2"]
    states: Int[ndarray, "16"]
    refused: str | None = None


def _files(config: Config) -> list[Path]:
    root = root_folder("sources.mpii", config.root)
    if config.annotations:
        return [existing_file("sources.mpii.annotations", root, name) for name in config.annotations]
    folders = (root / "annot", root / "annotations", root, root / "mpii_human_pose_v1_u12_2")
    for folder in folders:
        for prefix in ("", "mpii_"):
            found = {n: p for n in _NAMES if (p := folder / f"{prefix}{n}.json").is_file()}
            if found:
                return [found["trainval"]] if "trainval" in found else list(found.values())
    for folder in folders:
        if (folder / _MAT).is_file():
            return [folder / _MAT]
    there = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*.json"))][:5]
    others = f"; JSON files there: {', '.join(there)} (name MPII ones in sources.mpii.annotations)" if there else ""
    raise ConfigError(f"sources.mpii.root: neither annot/{{trainval,train,valid}}.json nor {_MAT} in '{root}'{others}")


def fingerprint(config: Config) -> str:
    """Return the digest of the annotation files."""
    return digest_files(_files(config))


def read(config: Config) -> Iterator[Found]:
    """Yield every annotated person; keys look like ``mpii/005808361/0`` (photo, record within the photo).

    Raises:
        ConfigError: if a folder or file is not there.
        DataError: if an annotation file cannot be read.
    """
    root = root_folder("sources.mpii", config.root)
    folders = ImageFolders([root / config.images] if config.images else [root / "images", root], root)
    for path in _files(config):
        records = read_mat(path, Record) if path.suffix.lower() == ".mat" else _read_json(path)
        for _, photo in groupby(records, lambda r: str(r.image)):  # a photo's records follow each other
            together = list(photo)
            for record in together:
                stem = Path(record.image).stem if isinstance(record.image, str) else "?"
                key = f"mpii/{stem}/{record.index}"
                try:
                    person = _person(record, folders)
                    yield {
                        "key": key,
                        "person_id": str(record.index),
                        **person,
                        "others": _others(record, together, person),
                    }
                except Rejected as error:
                    yield key, str(error)


def _read_json(path: Path) -> Iterator[Record]:
    counts: Counter[str] = Counter()
    with closing(JsonFile(path)) as file:
        for name, _, _, value in file.elements():
            if name or not isinstance(value, dict) or not {"image", "img_paths"} & set(value):
                raise DataError(f"{path}: not MPII's list of records with 'image', 'joints' and 'joints_vis'")
            if "img_paths" in value:  # the file of convolutional pose machines and pytorch-pose
                value = value | {"image": value["img_paths"], "joints": value.get("joint_self")}
            image = utf8(value["image"]) if isinstance(value["image"], str) else value["image"]
            index = counts[str(image)]
            counts[str(image)] += 1
            yield _json_record(image, index, value)


def _json_record(image: Any, index: int, value: dict[str, Any]) -> Record:
    """Read one record. Here ``joints_vis`` 0 means missing: whether a joint is occluded was lost on the way."""
    nothing = np.zeros((16, 2)), np.zeros(16, np.int64)
    if not value.get("joints"):
        return Record(image, index, *nothing, refused="no keypoints")
    try:
        pixels, labelled = _joints(value["joints"], value.get("joints_vis"))
    except Rejected as error:
        return Record(image, index, *nothing, refused=str(error))
    labelled &= ~(pixels == -1).all(1)
    return Record(image, index, pixels, np.where(labelled, VISIBLE, UNLABELLED))


def _joints(joints: Any, flags: Any) -> tuple[Float[ndarray, "16 2"], Bool[ndarray, "16"]]:
    """Return places and which of them are labelled; the flag may be the third number of a joint, or true and false.

    Raises:
        Rejected: if these are no 16 joints.
    """
    places = numbers(joints, (16, -1), "joints")
    if places.shape[1] not in (2, 3):
        raise Rejected(f"joints: shape {places.shape}, wanted (16, 2), or (16, 3) with flags")
    if flags is None and places.shape[1] == 3:
        flags = places[:, 2].tolist()
    plain = [int(f) if isinstance(f, bool) else f for f in flags] if isinstance(flags, list) else flags
    labelled = numbers(plain, (16,), "joints_vis") > 0
    return places[:, :2], labelled & np.isfinite(places[:, :2]).all(1)


def _person(record: Record, folders: ImageFolders) -> dict[str, Any]:
    if record.refused is not None:
        raise Rejected(record.refused)
    if not (record.states != UNLABELLED).any():
        raise Rejected("no keypoints")
    path = folders.find(record.image)
    size = checked_size(path)
    keypoints, state = place(MPII_ROWS, record.pixels - 1, record.states, size, outside_confidence=0.0)
    return {
        "subset": "MPII",
        "stem": path.stem,
        "license": LICENSE,
        "image": str(path),
        "image_size": size,
        "bbox": box_of(keypoints, size),
        "keypoints": keypoints,
        "state": state,
        "K": default_K(*size),
    }


def _others(record: Record, together: list[Record], person: dict[str, Any]) -> str:
    """Outline the photo's other people by thick lines between their joints: MPII has no masks."""
    width, height = person["image_size"]
    outlines = []
    for other in together:
        known = other.states != UNLABELLED
        if other is record or known.sum() < 2:
            continue
        points, labelled = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, bool)
        points[list(MPII_ROWS)], labelled[list(MPII_ROWS)] = other.pixels - 1, known
        size = float(np.ptp(other.pixels[known], axis=0).max()) / 0.9  # joints span nine tenths of a person
        mask = limb_capsules(points, labelled, size, (height, width))
        if mask.any():
            outlines.append(rle.encode(mask))
    return rle.list_to_json(outlines)


SOURCE = Source(Config, read, fingerprint)
