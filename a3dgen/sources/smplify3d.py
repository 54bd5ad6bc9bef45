"""People of SMPLify-3D's data: ``data.pkl`` with ``2d_keypoints.json`` (its demo), or HumanM3's ``test`` folder.

The layouts are those of G. Dumont's SMPLify-3D (2024). A pickle is read as plain data; nothing in it is executed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.strict_yaml import read_yaml
from a3dgen.core.user_paths import user_path
from a3dgen.io.unpickle import read_pickle
from a3dgen.sources.common import below, numbers

CAMERAS = {"basketball1": "camera_1", "basketball2": "camera_0", "intersection": "camera_3", "plaza": "camera_2"}
"""Which camera of each HumanM3 sequence the published evaluation looks through."""
DEMO_K = np.array([[1208.95178, 0.0, 1012.43334], [0.0, 1209.42656, 762.148531], [0.0, 0.0, 1.0]])
"""The published demo's camera (HumanM3, basketball1, camera_1), where no calibration lies beside the data."""
LAYOUTS = ("demo", "HumanM3")


@dataclass(frozen=True)
class Settings:
    """What of a published configuration matters here: the layout, the least confidence of a keypoint, and whether a
    cloud was fused from several sensors (its threshold on facing skin is -1 then)."""

    layout: str
    confidence: float
    fused: bool


@dataclass(frozen=True)
class Entry:
    """One person in one image: names, image file, K, box (x, y, w, h px), keypoints (17, 4) px, px, confidence, LiDAR
    visibility, points (M, 3) m in the camera frame."""

    index: int
    sequence: str
    time: str
    tracking_id: str
    image: Path
    K: Float[ndarray, "3 3"]
    bbox: Float[ndarray, "4"]
    keypoints: Float[ndarray, "17 4"]
    points: Float[ndarray, "m 3"]


def read_settings(path: str) -> Settings:
    """Read one of the published YAML files (``config/demo.yaml``, ``config/humanm3.yaml``).

    Raises:
        ConfigError: if it is no such file.
    """
    content = read_yaml(user_path(path))
    dataset, scheme = content.get("dataset"), content.get("SMPLify3D")
    if not isinstance(dataset, dict) or not isinstance(scheme, dict):
        raise ConfigError(f"{path}: wanted the sections 'dataset' and 'SMPLify3D'")
    name = dataset.get("name")
    if name not in LAYOUTS:
        raise ConfigError(f"{path}: dataset.name is '{name}'; {' and '.join(LAYOUTS)} are read")
    try:
        confidence = float(scheme.get("joint_confidence", 0.0))
        threshold = float(scheme.get("dot_product_threshold", -1))
    except (TypeError, ValueError):
        raise ConfigError(f"{path}: joint_confidence and dot_product_threshold must be numbers") from None
    return Settings(str(name), confidence, threshold <= -1)


def results_folder(settings: Settings, data: Path, sequence: str) -> Path:
    """Return where the published code writes its results."""
    return data if settings.layout == "demo" else data / "test" / sequence / "smpl"


def read_entries(settings: Settings, folder: str) -> Iterator[Entry | tuple[str, str]]:
    """Yield everybody in the data, or (name, reason) of an entry that cannot be used.

    Raises:
        ConfigError: if the folder or its pickle is not there.
        DataError: if the pickle or a JSON file beside it cannot be read.
    """
    data = user_path(folder)
    if not data.is_dir():
        raise ConfigError(f"--data: no folder '{folder}'")
    pickled = data / "data.pkl" if settings.layout == "demo" else data / "test" / "test.pkl"
    if not pickled.is_file():
        raise ConfigError(f"--data: no file '{pickled}'")
    rows = read_pickle(pickled)
    if not isinstance(rows, list):
        raise DataError(f"{pickled}: wanted a list of people, found {type(rows).__name__}")
    reader = _Reader(settings, data)
    for index, row in enumerate(rows):
        name = f"entry {index}"
        try:
            if not isinstance(row, dict):
                raise Rejected("not a mapping of columns")
            name = f"{row.get('sequence')}/{row.get('time')}/{row.get('tracking_id')}"
            yield reader.entry(index, row)
        except Rejected as error:
            yield name, str(error)


class _Reader:
    def __init__(self, settings: Settings, data: Path) -> None:
        self._settings, self._data = settings, data
        self._files: dict[Path, Any] = {}

    def entry(self, index: int, row: dict[str, Any]) -> Entry:
        lacking = {"sequence", "time", "tracking_id", "bbox2d_xywh", "human_points", "img_file"} - set(row)
        if lacking:
            raise Rejected(f"lacks {', '.join(sorted(lacking))}")
        sequence, time, person = (str(row[k]) for k in ("sequence", "time", "tracking_id"))
        demo = self._settings.layout == "demo"
        home = self._data if demo else below(self._data / "test", sequence)
        labels = self._json(home / "2d_keypoints.json" if demo else below(home / "pose2d", f"{time}.json"))
        if person not in labels:
            raise Rejected("no 2D keypoints")
        camera = str(labels.get("camera") or CAMERAS.get(sequence, "")) if demo else CAMERAS.get(sequence, "")
        images = home if demo else home / "images" / camera
        keypoints = numbers(labels[person], (17, -1), "keypoints")
        if keypoints.shape[1] == 3:
            keypoints = np.column_stack([keypoints, np.ones(17)])
        return Entry(
            index, sequence, time, person, below(images, row["img_file"]), self._camera(home, camera),
            numbers(row["bbox2d_xywh"], (4,), "bbox2d_xywh"), keypoints[:, :4],
            numbers(row["human_points"], (-1, 3), "human_points"),
        )  # fmt: skip

    def _json(self, path: Path) -> dict[str, Any]:
        if path not in self._files:
            try:
                self._files[path] = json.loads(path.read_text("utf-8"))
            except OSError:
                raise Rejected(f"no file '{path}'") from None
            except ValueError as error:
                raise DataError(f"{path}: not JSON ({error})") from None
        if not isinstance(self._files[path], dict):
            raise DataError(f"{path}: wanted an object")
        return self._files[path]

    def _camera(self, home: Path, camera: str) -> Float[ndarray, "3 3"]:
        path = home / "camera_calibration" / f"{camera}.json"
        if not path.is_file() and self._settings.layout == "demo":
            return DEMO_K
        return numbers(self._json(path).get("intrinsic"), (3, -1), f"{path}: intrinsic")[:, :3]
