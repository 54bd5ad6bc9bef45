"""Human3.6M as h36m-fetch unpacks it: one ``annot.h5`` a take, camera after camera, mm in the camera frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.geometry.skeleton import H36M_RIGHT_FIRST_ROWS
from a3dgen.io import hdf5
from a3dgen.io.hdf5 import child, open_hdf5
from a3dgen.sources import Found
from a3dgen.sources.common import first_existing, numbers
from a3dgen.sources.h36m.cameras import Camera, load_cameras
from a3dgen.sources.h36m.common import KNOWN_BAD_FETCH, RIGHT_FIRST_32, H36mFrame, person, refuse_known_bad, selection

MILLIMETRE = 1e-3


def read_fetch(config: Any, files: list[Path], cameras: Path | None) -> Iterator[Found]:
    """Yield all people of the takes; within a take ordered by frame, then camera.

    Without a camera file the intrinsics in ``annot.h5`` serve: fitted without distortion, they are off by a pixel or
    two at the edges.

    Raises:
        DataError: if a file is not what h36m-fetch writes.
    """
    table = load_cameras(cameras) if cameras else {}
    if config.images:
        raise ConfigError("sources.h36m.images: not used for format fetch, whose frames lie beside annot.h5")
    wanted = selection(config, every=1)
    for path in files:
        subject, take = path.parents[1].name, path.parent.name.replace("-", "_").replace(" ", "_")
        if not re.fullmatch(r"S\d+", subject) or take.startswith("_ALL"):
            continue
        if wanted.subjects and subject not in wanted.subjects:
            continue
        content = _read_take(path)
        for row in np.lexsort((content["camera"], content["frame"])).tolist():
            frame = H36mFrame(subject, take, str(content["camera"][row]), int(content["frame"][row]))
            if not wanted.has(subject, frame.camera, frame.number):
                continue
            try:
                refuse_known_bad(config, frame, KNOWN_BAD_FETCH)
                yield _person(path, frame, content, row, table)
            except Rejected as error:
                yield frame.key, str(error)


def _read_take(path: Path) -> dict[str, Any]:
    try:
        with open_hdf5(path) as file:
            content: dict[str, Any] = {
                n: hdf5.numbers(child(file, n)) for n in ("frame", "camera", "pose/2d", "pose/3d")
            }
            cameras = child(file, "intrinsics")
            content["intrinsics"] = {str(n): hdf5.numbers(child(cameras, n)) for n in cameras}
    except KeyError as error:
        raise DataError(f"{path}: not h36m-fetch's annot.h5: {error.args[0]}") from None
    except (OSError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not a readable HDF5 file: {' '.join(str(error).split())[:120]}") from None
    count = np.size(content["frame"])
    shapes = {"frame": (count,), "camera": (count,), "pose/2d": (count, 32, 2), "pose/3d": (count, 32, 3)}
    for name, shape in shapes.items():
        array = np.asarray(content[name])
        if array.shape != shape or array.dtype.kind not in "iuf":
            raise DataError(f"{path}: '{name}' is {array.dtype} {array.shape}, wanted numbers {shape}")
    return content


def _person(
    path: Path, frame: H36mFrame, content: dict[str, Any], row: int, table: dict[tuple[str, str], Camera]
) -> dict[str, Any]:
    camera = table.get((frame.subject, frame.camera)) or _fitted(content["intrinsics"], frame.camera)
    image = first_existing([path.parent / "imageSequence" / frame.camera], f"img_{frame.number:06d}.jpg")
    pixels = np.asarray(content["pose/2d"][row], np.float64)[list(RIGHT_FIRST_32)]
    joints = np.asarray(content["pose/3d"][row], np.float64)[list(RIGHT_FIRST_32)] * MILLIMETRE
    return person(frame, image, camera, H36M_RIGHT_FIRST_ROWS, pixels, joints)


def _fitted(intrinsics: dict[str, Any], camera: str) -> Camera:
    """Return the camera fitted by h36m-fetch: fx, cx, fy, cy."""
    if camera not in intrinsics:
        raise Rejected(f"no camera {camera} in annot.h5")
    fx, cx, fy, cy = numbers(np.ravel(intrinsics[camera]), (4,), "intrinsics")
    if not np.isfinite([fx, cx, fy, cy]).all() or min(fx, fy) <= 0:
        raise Rejected(f"camera {camera} in annot.h5 is not usable")
    return Camera.make(np.array([fx, fy]), np.array([cx, cy]), np.zeros(3), np.zeros(2))
