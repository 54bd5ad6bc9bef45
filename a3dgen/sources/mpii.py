"""MPII Human Pose: JSON lists of people (``mpii_json``), or the official MATLAB file (``mpii_mat``)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.records import UNLABELLED
from a3dgen.geometry.skeleton import MPII_ROWS, NUM_ROWS
from a3dgen.io import rle
from a3dgen.io.foreign_paths import path_parts
from a3dgen.io.images import exif_orientation
from a3dgen.io.orientation import upright_points
from a3dgen.io.partial_pictures import Decodable
from a3dgen.removal.mask_ops import limb_capsules
from a3dgen.sources import Found, Source
from a3dgen.sources.common import (
    ImageFolders,
    box_of,
    check_whole,
    checked_picture,
    digest_files,
    existing_file,
    guessed_K,
    place,
    root_folder,
)
from a3dgen.sources.exif import check_exif, labels_are_stored, stored_size
from a3dgen.sources.mpii_json import read_json
from a3dgen.sources.mpii_mat import read_mat

log = logging.getLogger("a3dgen")

LICENSE = "MPII Human Pose (research use; photos from YouTube videos)"
_NAMES = ("trainval", "train", "valid", "val")
_MAT = "mpii_human_pose_v1_u12_1.mat"
_CPM = "mpii_annotations.json"


@dataclass(frozen=True)
class Config:
    """An MPII folder.

    Attributes:
        root: the folder of the dataset.
        annotations: annotation files, .json or .mat, below root; empty = those found there, in ``annot/`` or in
            ``annotations/``: trainval.json, else train.json and valid.json, else the official .mat, else
            mpii_annotations.json.
        images: folder of the photos below root; empty = ``images`` or root itself.
        exif: labels are in ``shown`` pixels (EXIF orientation applied), in ``stored`` pixels, or ``auto``: as points
            tell.
    """

    root: str = ""
    annotations: tuple[str, ...] = ()
    images: str = ""
    exif: str = "auto"

    def __post_init__(self) -> None:
        check_exif(self.exif)


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
    for name in (_MAT, _CPM):
        for folder in folders:
            if (folder / name).is_file():
                return [folder / name]
    text = f"sources.mpii.root: neither annot/{{trainval,train,valid}}.json nor {_MAT} nor {_CPM} in '{root}'"
    there = [q for folder in folders for kind in ("*.json", "*.mat") for q in sorted(folder.glob(kind))]
    names = [q.relative_to(root).as_posix() for q in there if not q.name.startswith(".")][:6]
    if names:
        text += f"; there are: {', '.join(names)}; if one is MPII's, e.g. --set 'sources.mpii.annotations=[{names[0]}]'"
    raise ConfigError(text)


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
    notes: Counter[str] = Counter()
    pictures = ImageFolders([root / config.images] if config.images else [root / "images", root], root)
    for path in _files(config):
        records = (read_mat if path.suffix.lower() == ".mat" else read_json)(path, Record)
        for _, photo in groupby(records, lambda r: str(r.image)):  # a photo's records follow each other
            together = list(photo)
            for record in together:
                stem = _stem(record.image)
                key = f"mpii/{stem}/{record.index}"
                try:
                    person = _person(record, together, pictures, config.exif, notes)
                    yield {"key": key, "person_id": str(record.index), **person}
                except Rejected as error:
                    yield key, str(error)
    for note, count in notes.items():
        log.warning("%s (%d people)", note, count)


def _stem(image: Any) -> str:
    parts = path_parts(image) if isinstance(image, str) else []
    return Path(parts[-1]).stem if parts else "?"


def _person(
    record: Record, together: list[Record], pictures: ImageFolders, exif: str, notes: Counter[str]
) -> dict[str, Any]:
    if record.refused is not None:
        raise Rejected(record.refused)
    if not (record.states != UNLABELLED).any():
        raise Rejected("no keypoints")
    path = pictures.find(record.image)
    picture = checked_picture(path)
    if picture.remark:
        notes[f"{path.name}: {picture.remark}"] += 1
    known = record.states != UNLABELLED
    turn = _turn(path, picture, record.pixels[known] - 1, exif, notes)
    pixels = turn(record.pixels - 1)
    check_whole(picture, pixels[known])
    keypoints, state = place(MPII_ROWS, pixels, record.states, picture.size, outside_confidence=0.0)
    row = {
        "subset": "MPII",
        "stem": path.stem,
        "license": LICENSE,
        "image": str(path),
        "image_size": picture.size,
        "bbox": box_of(keypoints, picture.size),
        "keypoints": keypoints,
        "state": state,
        "K": guessed_K(picture),
    }
    return row | {"others": _others(record, together, turn, picture.size)}


Turn = Callable[[Float[ndarray, "n 2"]], Float[ndarray, "n 2"]]


def _turn(path: Path, picture: Decodable, labelled: Float[ndarray, "n 2"], exif: str, notes: Counter[str]) -> Turn:
    """Return what takes places (px, the first pixel 0) as in the file to px of what can be decoded of the photo."""
    orientation = exif_orientation(path)
    stored = labels_are_stored(orientation, picture.whole, labelled, exif, notes, "sources.mpii.exif")
    size = stored_size(picture.whole, orientation)
    return lambda points: (upright_points(points, orientation, size) if stored else points) - picture.origin


def _others(record: Record, together: list[Record], turn: Turn, size: tuple[int, int]) -> str:
    """Outline the photo's other people by thick lines between their joints: MPII has no masks."""
    outlines = []
    for other in together:
        known = other.states != UNLABELLED
        if other is record or known.sum() < 2:
            continue
        points, labelled = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, bool)
        points[list(MPII_ROWS)], labelled[list(MPII_ROWS)] = turn(other.pixels - 1), known
        extent = float(np.ptp(other.pixels[known], axis=0).max()) / 0.9  # joints span nine tenths of a person
        mask = limb_capsules(points, labelled, extent, size[::-1])
        if mask.any():
            outlines.append(rle.encode(mask))
    return rle.list_to_json(outlines)


SOURCE = Source(Config, read, fingerprint)
