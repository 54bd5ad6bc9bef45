"""Human3.6M as mmpose's ``annotation_body3d`` npz (17 joints) or SPIN's (24): px, and camera-frame metres."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.geometry.skeleton import H36M_LEFT_FIRST_ROWS, H36M_RIGHT_FIRST_ROWS, SPIN_ROWS
from a3dgen.io.npz import open_npz
from a3dgen.sources import Found
from a3dgen.sources.common import ImageFolders
from a3dgen.sources.h36m.cameras import Camera, load_cameras
from a3dgen.sources.h36m.common import H36mFrame, person, refuse_known_bad, selection

log = logging.getLogger("a3dgen")

SPIN = len(SPIN_ROWS)
FARTHEST = 100.0
"""m from the camera; the studio is less than 10 m long."""
_SAMPLED = 2000
"""Rows looked at to tell the order of the joints."""


@dataclass(frozen=True)
class _File:
    path: Path
    names: ndarray
    pixels: Float[ndarray, "n k _"]
    joints: Float[ndarray, "n k _"]
    rows: tuple[int, ...]
    metres: float


def read_npz(config: Any, files: list[Path], cameras: Path | None) -> Iterator[Found]:
    """Yield all people of the npz files, ordered by subject, take, frame and camera.

    Raises:
        ConfigError: if there is no camera file.
        DataError: if a file is not what mmpose writes.
    """
    if cameras is None:
        raise ConfigError(
            f"sources.h36m.cameras: neither cameras.pkl nor cameras.json below '{config.root}'; the 3D joints need one"
        )
    table = load_cameras(cameras)
    root = Path(config.root).expanduser()
    folders = ImageFolders([root / config.images] if config.images else [root / "images", root], root)
    with ExitStack() as stack:
        opened = [_open(stack, path, config.order) for path in files]
        order, unnamed = _index(config, opened)
        for which, row in unnamed:
            yield f"h36m/?/{opened[which].path.stem}/{row}", f"no frame in the image name '{_text(opened[which], row)}'"
        for which, row in order.tolist():
            frame = H36mFrame.parse(_text(opened[which], row))
            assert frame is not None, "the index holds only rows that parse"
            try:
                refuse_known_bad(config, frame)
                yield _person(opened[which], row, frame, folders, table, cameras)
            except Rejected as error:
                yield frame.key, str(error)


def _open(stack: ExitStack, path: Path, order: str) -> _File:
    arrays = stack.enter_context(open_npz(path, ("imgname", "part", "S")))
    missing = {"imgname", "part", "S"} - set(arrays)
    if missing:
        raise DataError(f"{path}: no array '{sorted(missing)[0]}'; wanted mmpose's imgname, part and S")
    names, pixels, joints = arrays["imgname"], arrays["part"], arrays["S"]
    count = len(names) if names.ndim == 1 else -1
    for name, values, least in (("part", pixels, 2), ("S", joints, 3)):
        good = values.ndim == 3 and values.shape[:2] in ((count, 17), (count, SPIN)) and values.shape[2] >= least
        if not good or values.dtype.kind not in "fiu":
            wanted = f"wanted numbers ({count}, 17 or {SPIN}, {least} or more)"
            raise DataError(f"{path}: '{name}' is {values.dtype} {values.shape}, {wanted}")
    if names.dtype.kind not in "USO":
        raise DataError(f"{path}: 'imgname' is {names.dtype}, wanted text")
    if pixels.shape[1] != joints.shape[1]:
        raise DataError(f"{path}: 'part' has {pixels.shape[1]} joints, 'S' has {joints.shape[1]}")
    metres = _scale(path, joints)
    if joints.shape[1] == SPIN:
        if pixels.shape[2] < 3 or joints.shape[2] < 4:
            raise DataError(f"{path}: {SPIN} joints need their confidence as the last number of 'part' and 'S'")
        return _File(path, names, pixels, joints, SPIN_ROWS, metres)
    left = order == "left_first" or (order == "auto" and _left_first(joints))
    return _File(path, names, pixels, joints, H36M_LEFT_FIRST_ROWS if left else H36M_RIGHT_FIRST_ROWS, metres)


def _scale(path: Path, joints: Float[ndarray, "n k _"]) -> float:
    """Return what makes the joints metres: nobody stands a hundred metres from the camera, so such numbers are mm."""
    some = np.asarray(joints[:: max(1, len(joints) // _SAMPLED), :, :3], np.float64)
    far = np.linalg.norm(some, axis=-1)
    if not (far > 0).any() or np.median(far[far > 0]) < FARTHEST:
        return 1.0
    log.warning("%s: the 3D joints are %.0f from the camera: taken for millimetres", path.name, np.median(far[far > 0]))
    return 0.001


def _left_first(joints: Float[ndarray, "n 17 _"]) -> bool:
    """Tell the order of the legs: in both orders 11 is the left and 14 the right shoulder, and hips turn with them."""
    step = max(1, len(joints) // _SAMPLED)
    some = np.asarray(joints[::step, :, :3], np.float64)
    votes = np.einsum("ni,ni->n", some[:, 11] - some[:, 14], some[:, 1] - some[:, 4])
    return int((votes > 0).sum()) > int((votes < 0).sum())


def _text(file: _File, row: int) -> str:
    names = file.names
    if names.dtype.kind == "U":  # NumPy hands out damaged code points unchecked, and Python crashes on them
        order = "be" if names.dtype.str[0] == ">" else "le"
        return names[row : row + 1].tobytes().decode(f"utf-32-{order}", "replace").rstrip("\0")
    name = names[row]
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _index(config: Any, files: list[_File]) -> tuple[Int[ndarray, "n 2"], list[tuple[int, int]]]:
    """Return (file, row) of the wanted frames in reading order, and of the rows whose names tell no frame."""
    wanted = selection(config, every=1)
    table, unnamed = array("q"), []
    words: dict[str, int] = {}
    for which, file in enumerate(files):
        for row in range(len(file.names)):
            frame = H36mFrame.parse(_text(file, row))
            if frame is None:
                unnamed.append((which, row))
            elif wanted.has(frame.subject, frame.camera, frame.number):
                codes = [words.setdefault(w, len(words)) for w in (frame.subject, frame.take)]
                table.extend((*codes, frame.number, int(frame.camera), which, row))
    found = np.array(table, np.int64).reshape(-1, 6)
    rank = np.zeros(len(words), np.int64)  # words are numbered as they came; sorting wants them by name
    rank[np.argsort(np.array(list(words), object))] = np.arange(len(words))
    if len(found):
        found[:, :2] = rank[found[:, :2]]
    return found[np.lexsort(found.T[::-1])][:, 4:], unnamed


def _person(
    file: _File, row: int, frame: H36mFrame, folders: ImageFolders, table: dict[tuple[str, str], Camera], cameras: Path
) -> dict[str, Any]:
    camera = table.get((frame.subject, frame.camera))
    if camera is None:
        raise Rejected(f"no camera {frame.subject} {frame.camera} in {cameras.name}")
    image = folders.find(_text(file, row))
    pixels = np.asarray(file.pixels[row, :, :2], np.float64)
    joints = np.asarray(file.joints[row, :, :3], np.float64) * file.metres
    rows = np.asarray(file.rows)
    if len(rows) == SPIN:
        there = (file.pixels[row, :, 2] > 0) & (file.joints[row, :, 3] > 0)
        if not there.any():
            raise Rejected("no keypoints")
        rows, pixels, joints = rows[there], pixels[there], joints[there]
    return person(frame, image, camera, rows.tolist(), pixels, joints)
