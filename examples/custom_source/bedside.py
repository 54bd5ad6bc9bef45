"""A source for a3dgen outside of its package: people clicked in a spreadsheet, one line of 17 COCO keypoints each.

    pip install examples/custom_source
    a3dgen build --config bedside.yaml

with ``bedside.yaml`` holding ``sources: {bedside: {table: /data/people.csv, photos: /data/photos}}``. The columns are
``photo,person,x0,y0,...,x16,y16``, px from the top left pixel's centre; a point that cannot be seen is left empty.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.records import UNLABELLED, VISIBLE
from a3dgen.geometry.camera import default_K
from a3dgen.geometry.skeleton import COCO_ROWS
from a3dgen.sources import Found, Source
from a3dgen.sources.common import box_of, checked_picture, digest_files, place


@dataclass(frozen=True)
class Config:
    """A table of clicked people.

    Attributes:
        table: the CSV file.
        photos: folder of the photos it names.
    """

    table: str = ""
    photos: str = ""


def read(config: Config) -> Iterator[Found]:
    """Yield a row of Persons for every line, or (key, reason) where a line cannot be used."""
    if not Path(config.table).is_file():
        raise ConfigError(f"sources.bedside.table: no file '{config.table}'")
    with open(config.table, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            key = f"bedside/{line['photo']}/{line['person']}"
            try:
                yield {"key": key, **person(line, Path(config.photos) / line["photo"])}
            except Rejected as error:
                yield key, str(error)


def person(line: dict[str, str], photo: Path) -> dict[str, object]:
    """Return the columns of Persons for one line; what is left out takes its default."""
    size = checked_picture(photo).size
    texts = [[line[f"x{i}"], line[f"y{i}"]] for i in range(17)]
    try:
        points = np.array([[float(x or "nan"), float(y or "nan")] for x, y in texts])
    except ValueError as error:
        raise Rejected(f"a coordinate is no number: {error}") from None
    states = np.where(np.isfinite(points).all(1), VISIBLE, UNLABELLED)
    keypoints, state = place(COCO_ROWS, np.nan_to_num(points), states, size, outside_confidence=0.0)
    return {
        "subset": "CUSTOM/bedside",
        "stem": photo.stem,
        "person_id": line["person"],
        "image": str(photo),
        "image_size": size,
        "bbox": box_of(keypoints, size),
        "keypoints": keypoints,
        "state": state,
        "K": default_K(*size),
    }


def fingerprint(config: Config) -> str:
    """Return a digest of the table: a build reads it again when it changes."""
    return digest_files([Path(config.table)])


SOURCE = Source(Config, read, fingerprint)
