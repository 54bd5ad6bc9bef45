"""Point clouds that belong to photos: found by the photo's name, read in seven formats, brought to the camera's frame.

npz (``points`` (M, 3) m, optional ``T_cam_lidar`` (4, 4), ``origin`` (3,), ``sd``, ``person`` (M,), ``K`` (3, 3)), npy,
ply, pcd (ascii and binary), KITTI's velodyne ``bin`` (four f4 a point; x forward, y left, z up) and 16-bit depth PNG.
What such a file does not say can stand in ``<photo>.json`` or ``clouds.json`` beside it: ``T_cam_lidar``, ``origin``
(``"fused"`` = several sensors), ``sd`` (m), ``K`` and ``depth_scale`` (m a step; 0.001).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.camera import project_distorted
from a3dgen.io import rle
from a3dgen.io.damage import DAMAGED_NPZ
from a3dgen.io.images import open_picture
from a3dgen.io.npz import read, read_npy
from a3dgen.io.regular import read_bytes
from a3dgen.sources.pcd import read_pcd

log = logging.getLogger("a3dgen")
SIDECAR = "clouds.json"
MOST = 5000
"""Points of one person that are kept."""
BOX_MARGIN = 0.1
"""Without an outline, points count within the box widened by this share of its longer side."""
OUTLINE_MARGIN = 0.01
"""Outlines are dilated by this share of the box's longer side: calibrations and outlines are never exact."""
EDGE = 0.05
"""A depth pixel whose neighbour differs by more than this share lies on an edge, where depth cameras mix two depths."""
MAX_BYTES = 2_000_000_000
KITTI_TO_CAMERA = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])


@dataclass(frozen=True)
class Cloud:
    """The points of one photo.

    Attributes:
        points: (M, 3) m, camera frame. origin: (3,) m of the sensor there; NaN if there were several.
        sd: m, their noise; 0 if the file does not say. person: (M,) whose each point is, or None.
        K: (3, 3) px if the file says it, else None.
    """

    points: Float[ndarray, "m 3"]
    origin: Float[ndarray, "3"]
    sd: float
    person: Integer[ndarray, " m"] | None = None
    K: Float[ndarray, "3 3"] | None = None


def clouds_folder(where: str, folder: str) -> Path:
    """Return the folder of point clouds named in a configuration.

    Raises:
        ConfigError: if it is not there.
    """
    path = user_path(folder)
    if not path.is_dir():
        raise ConfigError(f"{where}: no folder '{folder}'")
    return path


def find_cloud(folder: Path, stem: str) -> Path | None:
    """Return the file of a photo (its path below the photo folder, without suffix), or None."""
    return next((p for s in READERS if (p := folder / f"{stem}{s}").is_file()), None)


def photo_cloud(where: str, folder: str, photo: str) -> Cloud | None:
    """Return the point cloud of a photo, or None; one that cannot be read is said in a warning and counts as none.

    Args:
        where: the configuration key, for messages. folder: its value; empty = no clouds. photo: path below the photos.

    Raises:
        ConfigError: if the folder is not there.
    """
    if not folder:
        return None
    path = find_cloud(clouds_folder(where, folder), str(PurePosixPath(photo).with_suffix("")))
    try:
        return read_cloud(path) if path is not None else None
    except DataError as error:
        log.warning("%s; the people of '%s' are fitted without it", error, photo)
        return None


def cloud_files(folder: Path) -> list[Path]:
    """Return all files that ``find_cloud`` and ``read_cloud`` may look at, for a digest."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in (*READERS, ".json") and p.is_file())


def read_cloud(path: Path) -> Cloud:
    """Read one file.

    Raises:
        DataError: if it is damaged, too large, or lacks what its format needs.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES // 10**9} GB")
        said = _sidecar(path)
        content = READERS[path.suffix.lower()](path, said)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except DAMAGED_NPZ as error:
        raise DataError(f"{path}: not a readable point cloud ({error})") from None
    return _assembled(path, {**said, **content})


def _sidecar(path: Path) -> dict[str, Any]:
    """Return what stands beside a file: its own JSON wins over the folder's."""
    out: dict[str, Any] = {}
    for file in (path.with_name(SIDECAR), path.with_suffix(".json")):
        if file.is_file():
            try:
                value = json.loads(read_bytes(file).decode("utf-8"))
            except ValueError as error:
                raise DataError(f"{file}: not JSON ({error})") from None
            if not isinstance(value, dict):
                raise DataError(f"{file}: wanted an object with T_cam_lidar, origin, sd, K or depth_scale")
            out |= value
    return out


def _assembled(path: Path, content: dict[str, Any]) -> Cloud:
    points = _array(path, "points", content["points"], (-1, 3))
    T = _array(path, "T_cam_lidar", content["T_cam_lidar"], (4, 4)) if "T_cam_lidar" in content else np.eye(4)
    if "origin" not in content:
        origin = T[:3, 3]
    elif isinstance(content["origin"], str):
        origin = np.full(3, np.nan)
    else:
        origin = T[:3, :3] @ _array(path, "origin", content["origin"], (3,)) + T[:3, 3]
    person = content.get("person")
    if person is not None:
        person = _array(path, "person", person, (len(points),)).astype(np.int64)
    return Cloud(
        points @ T[:3, :3].T + T[:3, 3], origin, float(np.asarray(content.get("sd", 0.0))), person,
        _array(path, "K", content["K"], (3, 3)) if "K" in content else None,
    )  # fmt: skip


def _array(path: Path, name: str, value: Any, shape: tuple[int, ...]) -> ndarray:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{path}: '{name}' is not numbers") from None
    if array.ndim != len(shape) or any(w not in (-1, n) for n, w in zip(array.shape, shape, strict=True)):
        raise DataError(f"{path}: '{name}' has shape {array.shape}, wanted {shape}".replace("-1", "points"))
    return array


def _npz(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    content = read(path)
    if "points" not in content:
        raise DataError(f"{path}: lacks 'points'; found {', '.join(sorted(content)[:8]) or 'nothing'}")
    return content


def _npy(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    points = read_npy(path)
    return {"points": points[:, :3] if points.ndim == 2 else points}


def _ply(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    import trimesh

    try:
        loaded = trimesh.load(path, process=False)
        return {"points": np.asarray(loaded.vertices, np.float64)}
    except Exception as error:  # trimesh fails in many ways on damaged input
        raise DataError(f"{path}: not a readable PLY file ({type(error).__name__}: {error})") from None


def _pcd(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    return {"points": read_pcd(path)}


def _bin(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    raw = read_bytes(path)
    if len(raw) % 16:
        raise DataError(f"{path}: {len(raw)} bytes, but a KITTI file holds 16 for each point")
    points = np.frombuffer(raw, "<f4").reshape(-1, 4)[:, :3].astype(np.float64)
    return {"points": points if "T_cam_lidar" in said else points @ KITTI_TO_CAMERA.T}


def _depth(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    if "K" not in said:
        raise DataError(f"{path}: a depth picture needs the camera: write 'K' into {path.stem}.json or {SIDECAR}")
    with open_picture(path, formats=("PNG",)) as picture:
        depth = np.asarray(picture).astype(np.uint16) if picture.mode == "I" else np.asarray(picture)  # older Pillow
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise DataError(f"{path}: not a 16-bit depth picture with one channel")
    z = depth * float(said.get("depth_scale", 0.001))
    return {"points": points_of_depth(z, _array(path, "K", said["K"], (3, 3)))}


def points_of_depth(z: Float[ndarray, "h w"], K: Float[ndarray, "3 3"]) -> Float[ndarray, "m 3"]:
    """Return the points (m) of a depth picture (m, 0 = none), without pixels on the edge of two depths."""
    low, high = (f(z.astype(np.float32), np.ones((3, 3), np.uint8)) for f in (cv2.erode, cv2.dilate))
    rows, columns = np.nonzero((z > 0) & (high - low < EDGE * np.maximum(z, 1e-6)))
    rays = np.linalg.solve(K, np.stack([columns, rows, np.ones(len(rows))]))
    return (rays * z[rows, columns]).T


READERS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    ".npz": _npz, ".npy": _npy, ".ply": _ply, ".pcd": _pcd, ".bin": _bin, ".png": _depth,
}  # fmt: skip
"""Suffix -> reader, in the order in which files are looked for."""


def cut_person(
    cloud: Cloud,
    bbox: Float[ndarray, "4"],
    mask: str,
    K: Float[ndarray, "3 3"],
    dist: Float[ndarray, "5"],
    number: object = None,
) -> dict[str, Any]:
    """Return the columns of Persons that a photo's cloud gives one person.

    Points count that project into the person's outline, or into the box where there is none; if the file numbers its
    people and knows this one, those of that number do.

    Args:
        bbox: px. mask: outline as JSON RLE, or empty. K, dist: the photo's camera. number: the person's number.
    """
    camera = K if cloud.K is None else cloud.K
    finite = np.isfinite(cloud.points).all(1)
    if cloud.person is not None and isinstance(number, int) and (cloud.person == number).any():
        chosen = finite & (cloud.person == number)
    else:
        chosen = finite & (cloud.points[:, 2] > 0)
        chosen[chosen] = _inside(project_distorted(cloud.points[chosen], camera, dist), bbox, mask)
    points = cloud.points[chosen]
    if len(points) > MOST:
        points = points[np.linspace(0, len(points) - 1, MOST).round().astype(int)]
    out: dict[str, Any] = {
        "cloud": points.astype(np.float32), "cloud_origin": cloud.origin.astype(np.float32), "cloud_sd": cloud.sd,
    }  # fmt: skip
    return out if cloud.K is None else out | {"K": cloud.K, "K_known": True}


def _inside(pixels: Float[ndarray, "m 2"], bbox: Float[ndarray, "4"], mask: str) -> Bool[ndarray, " m"]:
    side = float(max(bbox[2] - bbox[0], bbox[3] - bbox[1]))
    outline = rle.from_json(mask)
    with np.errstate(invalid="ignore"):
        if outline is None:
            margin = BOX_MARGIN * side
            return ((pixels > bbox[:2] - margin) & (pixels < bbox[2:] + margin)).all(1)
        reach = max(1, round(OUTLINE_MARGIN * side))
        wide = cv2.dilate(outline.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        h, w = wide.shape
        on = ((pixels > -0.5) & (pixels < (w - 0.5, h - 0.5))).all(1)
    at = np.where(on[:, None], np.nan_to_num(pixels), 0).round().astype(int)
    return on & (wide[at[:, 1].clip(0, h - 1), at[:, 0].clip(0, w - 1)] > 0)
