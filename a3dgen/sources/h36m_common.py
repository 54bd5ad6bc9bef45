"""What the forms of Human3.6M share: cameras, the row of one person in one frame, selection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.errors import DataError, Rejected
from a3dgen.geometry.camera import project_distorted
from a3dgen.geometry.skeleton import NUM_ROWS
from a3dgen.records import VISIBLE
from a3dgen.sources.common import box_of, checked_size, numbers, place

LICENSE = "Human3.6M (academic research only)"
CAMERA_IDS = ("54138969", "55011271", "58860488", "60457274")
RIGHT_FIRST_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 joints among the 32 of the original skeleton, in the order of ``skeleton.H36M_RIGHT_FIRST_ROWS``."""
KNOWN_BAD = {("S9", "Greeting"), ("S9", "SittingDown_1"), ("S9", "Waiting")}
MAX_MISFIT = 10.0
"""2D and 3D joints further apart than this on average (px) belong to different cameras or frames."""
_NAME = re.compile(r"(?P<subject>S\d+)_(?P<take>.+)\.(?P<camera>\d{8})_(?P<frame>\d{6})\.(?:jpg|png)")


@dataclass(frozen=True)
class Camera:
    """A calibrated camera: K in px and OpenCV's k1 k2 p1 p2 k3."""

    K: Float[ndarray, "3 3"]
    dist: Float[ndarray, "5"]

    @staticmethod
    def make(f: ndarray, c: ndarray, k: ndarray, p: ndarray) -> Camera:
        """Return the camera for focal lengths, principal point, 3 radial and 2 tangential coefficients."""
        return Camera(np.array([[f[0], 0, c[0]], [0, f[1], c[1]], [0, 0, 1.0]]), np.array([*k[:2], *p, k[2]]))


@dataclass(frozen=True, order=True)
class Frame:
    """One frame: subject ``S1``, take ``Directions_1``, camera ``54138969``, number from 1."""

    subject: str
    take: str
    camera: str
    number: int

    @property
    def stem(self) -> str:
        return f"{self.take}.{self.camera}_{self.number:06d}"

    @property
    def group(self) -> str:
        return f"h36m/{self.subject}/{self.take}/{self.number:06d}"

    @property
    def key(self) -> str:
        return f"{self.group}/{self.camera}"

    @staticmethod
    def parse(name: str) -> Frame | None:
        """Return the frame a file name of the converters stands for (``S1_Directions_1.54138969_000001.jpg``)."""
        match = _NAME.fullmatch(name.rpartition("/")[2])
        if match is None:
            return None
        return Frame(match["subject"], match["take"].replace(" ", "_"), match["camera"], int(match["frame"]))


@dataclass(frozen=True)
class Selection:
    """Which frames the configuration asks for; empty = all."""

    subjects: frozenset[str]
    cameras: frozenset[str]
    every: int

    def has(self, subject: str, camera: str, number: int) -> bool:
        """Return whether a frame is wanted."""
        return (
            (not self.subjects or subject in self.subjects)
            and (not self.cameras or camera in self.cameras)
            and (number - 1) % self.every == 0
        )


def selection(config: Any, every: int) -> Selection:
    """Return the configured selection; ``every`` is used where the configuration leaves it to the format."""
    return Selection(
        frozenset(str(s) for s in config.subjects),
        frozenset(str(c) for c in config.camera_ids),
        config.every or every,
    )


def read_cameras(path: Path) -> dict[tuple[str, str], Camera]:
    """Read mmpose's cameras.pkl (without executing it) or its copy cameras.json.

    Returns:
        (subject, camera id) -> camera.

    Raises:
        DataError: if it is not such a file.
    """
    if path.suffix.lower() == ".json":
        content = _json(path)
    else:
        from a3dgen.io.unpickle import read_pickle

        content = read_pickle(path)
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path}: no table of cameras")
    cameras = {}
    for name, entry in content.items():
        pair = tuple(str(n) for n in name) if isinstance(name, tuple) else tuple(str(name).split("_"))
        try:
            f, c, k, p = (numbers(np.ravel(entry[n]), (s,), n) for n, s in (("f", 2), ("c", 2), ("k", 3), ("p", 2)))
        except (KeyError, TypeError, IndexError, ValueError, Rejected) as error:
            raise DataError(f"{path}: camera {name!r} needs f, c, k and p: {error}") from None
        if len(pair) != 2 or not np.isfinite([*f, *c, *k, *p]).all() or (f <= 0).any():
            raise DataError(f"{path}: camera {name!r} is not (subject, camera id) with a finite calibration")
        cameras[pair] = Camera.make(f, c, k, p)
    return cameras


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def person(
    frame: Frame,
    image: Path,
    camera: Camera,
    rows: Sequence[int],
    pixels: Float[ndarray, "17 2"],
    joints: Float[ndarray, "17 3"],
) -> dict[str, Any]:
    """Return the row of Persons of one frame.

    Args:
        frame: which.
        image: the photo; its size is read from it (the camera files are wrong about some heights).
        camera: its calibration.
        rows: row of each of the 17 joints.
        pixels: measured 2D joints; kept as they are off the image too.
        joints: 3D joints in the camera frame, m.

    Raises:
        Rejected: if the photo cannot be used, or 2D and 3D contradict each other.
    """
    size = checked_size(image)
    if not (np.isfinite(joints).all() and np.isfinite(pixels).all()):
        raise Rejected("a joint is not finite")
    misfit = np.linalg.norm(project_distorted(joints, camera.K, camera.dist) - pixels, axis=-1).mean()
    if not misfit <= MAX_MISFIT:
        why = "lie behind the camera" if np.isnan(misfit) else f"project {misfit:.0f} px away from the 2D joints"
        raise Rejected(f"the 3D joints {why}: not this camera's frame")
    keypoints, state = place(rows, pixels, np.full(len(rows), VISIBLE), size, outside_confidence=1.0)
    joints3d = np.zeros((NUM_ROWS, 4))
    joints3d[list(rows)] = np.column_stack([joints, np.ones(len(rows))])
    return {
        "key": frame.key,
        "subset": f"H36M/{frame.subject}",
        "stem": frame.stem,
        "license": LICENSE,
        "group": frame.group,
        "subject": frame.subject,
        "image": str(image),
        "image_size": size,
        "bbox": box_of(keypoints, size),
        "keypoints": keypoints,
        "state": state,
        "K": camera.K,
        "dist": camera.dist,
        "K_known": True,
        "joints3d": joints3d,
    }


def refuse_known_bad(config: Any, frame: Frame) -> None:
    """Raise Rejected for takes whose 3D is known to be shifted against the video, unless they are asked for."""
    if not config.keep_known_bad and (frame.subject, frame.take) in KNOWN_BAD:
        raise Rejected("the 3D of this take is shifted against the video (sources.h36m.keep_known_bad: true keeps it)")
