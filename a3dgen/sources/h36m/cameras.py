"""Human3.6M's cameras: mmpose's camera file, or 300 numbers ``w0`` in the authors' ``metadata.xml``."""

from __future__ import annotations

import json
import logging
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.regular import read_bytes
from a3dgen.io.unpickle import read_pickle
from a3dgen.sources.common import numbers

log = logging.getLogger("a3dgen")

CAMERA_IDS = ("54138969", "55011271", "58860488", "60457274")
SUBJECTS = 11
_EXTRINSICS = len(CAMERA_IDS) * SUBJECTS * 6
_MAX_BYTES = 1 << 26


@dataclass(frozen=True)
class Camera:
    """A calibrated camera: K in px and OpenCV's k1 k2 p1 p2 k3."""

    K: Float[ndarray, "3 3"]
    dist: Float[ndarray, "5"]

    @staticmethod
    def make(f: ndarray, c: ndarray, k: ndarray, p: ndarray) -> Camera:
        """Return the camera for focal lengths, principal point, 3 radial and 2 tangential coefficients."""
        return Camera(np.array([[f[0], 0, c[0]], [0, f[1], c[1]], [0, 0, 1.0]]), np.array([*k[:2], *p, k[2]]))


def load_cameras(path: Path) -> dict[tuple[str, str], Camera]:
    """Read mmpose's cameras.pkl (without executing it), its copy cameras.json, or metadata.xml.

    Returns:
        (subject, camera id) -> camera.

    Raises:
        DataError: if it is not such a file.
    """
    if path.suffix.lower() == ".xml":
        return {pair: camera for pair, (camera, _) in read_metadata(path).items()}
    content = _json(path) if path.suffix.lower() == ".json" else read_pickle(path)
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path}: no table of cameras")
    cameras: dict[Any, Camera] = {}
    faults: list[str] = []
    for name, entry in content.items():
        pair = tuple(str(n) for n in name) if isinstance(name, tuple) else tuple(str(name).split("_"))
        try:
            camera = _camera(pair, entry)
            cameras[pair[0], pair[1]] = camera
        except (KeyError, TypeError, IndexError, ValueError, Rejected) as error:
            faults.append(f"camera {name!r} needs f, c, k and p, all finite: {error}")
    if not cameras:
        raise DataError(f"{path}: {faults[0]}")
    for fault in faults:  # costs the frames of that camera
        log.warning("%s: %s", path.name, fault)
    return cameras


def _camera(pair: tuple[str, ...], entry: Any) -> Camera:
    f, c, k, p = (numbers(np.ravel(entry[n]), (s,), n) for n, s in (("f", 2), ("c", 2), ("k", 3), ("p", 2)))
    if len(pair) != 2 or not np.isfinite([*f, *c, *k, *p]).all() or (f <= 0).any():
        raise Rejected("not (subject, camera id) with a finite calibration")
    return Camera.make(f, c, k, p)


def _json(path: Path) -> Any:
    try:
        content = read_bytes(path)
        if what := is_not_the_file(content[:200]):
            raise DataError(f"{path}: {what}")
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class Extrinsics:
    """Where a camera stands: X_cam = R (X_world - T); R world to camera, T its centre in m."""

    R: Float[ndarray, "3 3"]
    T: Float[ndarray, "3"]

    def to_camera(self, points_world: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
        """Return points given in the world frame (m) in the camera frame."""
        return (points_world - self.T) @ self.R.T


def read_metadata(path: Path) -> dict[tuple[str, str], tuple[Camera, Extrinsics]]:
    """Return (subject, camera id) -> intrinsics and extrinsics.

    ``w0`` holds, for 4 cameras by 11 subjects, 3 angles (R = Rx Ry Rz) and the centre in mm; then, for the 4 cameras,
    fx, fy, cx, cy, k1, k2, k3, p1, p2.

    Raises:
        DataError: if the file cannot be read or holds other than 300 finite numbers there.
    """
    w0 = _w0(path)
    extrinsic, intrinsic = w0[:_EXTRINSICS].reshape(4, SUBJECTS, 6), w0[_EXTRINSICS:].reshape(4, 9)
    found = {}
    for c, name in enumerate(CAMERA_IDS):
        fx, fy, cx, cy, *rest = intrinsic[c]
        camera = Camera.make(np.array([fx, fy]), np.array([cx, cy]), np.array(rest[:3]), np.array(rest[3:]))
        for s in range(SUBJECTS):
            place = Extrinsics(rotation(extrinsic[c, s, :3]), extrinsic[c, s, 3:] * 1e-3)
            found[f"S{s + 1}", name] = camera, place
    return found


def rotation(angles: Float[ndarray, "3"]) -> Float[ndarray, "3 3"]:
    """Return Rx(a) Ry(b) Rz(c), right-handed, radians."""
    (sa, sb, sc), (ca, cb, cc) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def _w0(path: Path) -> Float[ndarray, "300"]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: too large for Human3.6M's metadata.xml")
        text = read_bytes(path).decode("utf-8-sig", "replace")
        if what := is_not_the_file(text[:200].encode()):
            raise DataError(f"{path}: {what}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if "<!ENTITY" in text:  # an entity may unfold to gigabytes; the real file has none
        raise DataError(f"{path}: XML entities are not read")
    try:
        listed = ElementTree.fromstring(text).findtext(".//w0") or ""
        w0 = np.array([float(word) for word in re.sub(r"[\[\],]", " ", listed).split()])
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path}: not a readable metadata.xml: {error}") from None
    if len(w0) != _EXTRINSICS + 36 or not np.isfinite(w0).all():
        raise DataError(f"{path}: 'w0' holds {len(w0)} finite numbers, wanted {_EXTRINSICS + 36}")
    return w0
