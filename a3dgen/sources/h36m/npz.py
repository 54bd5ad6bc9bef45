"""Human3.6M as mmpose's ``annotation_body3d`` npz (17 joints) or SPIN's (24): px, and camera-frame metres."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.skeleton import H36M_LEFT_FIRST_ROWS, H36M_RIGHT_FIRST_ROWS, ROW, SPIN_ROWS
from a3dgen.io.foreign_paths import path_parts
from a3dgen.io.npz import open_npz
from a3dgen.sources import Found
from a3dgen.sources.common import below
from a3dgen.sources.h36m.cameras import Camera, load_cameras
from a3dgen.sources.h36m.common import H36mFrame, person, refuse_known_bad, selection

log = logging.getLogger("a3dgen")

SPIN = len(SPIN_ROWS)
LONGEST = 10.0
"""m between two joints of one person; more are other units."""
AT_ROOT = 1e-3
"""m: joints whose middle of the hips is nearer to the origin than this are given from the pelvis on."""
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
    from_root: bool


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
    root = user_path(config.root)
    folders = [root / config.images] if config.images else [root / "images", root]
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
    if joints.shape[1] == SPIN and (pixels.shape[2] < 3 or joints.shape[2] < 4):
        raise DataError(f"{path}: {SPIN} joints need their confidence as the last number of 'part' and 'S'")
    metres = _scale(path, joints)
    left = order == "left_first" or (order == "auto" and joints.shape[1] != SPIN and _left_first(joints))
    rows = H36M_LEFT_FIRST_ROWS if left else H36M_RIGHT_FIRST_ROWS
    file = _File(path, names, pixels, joints, SPIN_ROWS if joints.shape[1] == SPIN else rows, metres, False)
    if not _from_root(file):
        return file
    log.warning("%s: 'S' is given from the pelvis on: placed before the camera by the 2D joints", path.name)
    return replace(file, from_root=True)


def _some(joints: Float[ndarray, "n k _"]) -> Float[ndarray, "m k 3"]:
    """Return joints of some rows, NaN where they are not given."""
    some = np.array(joints[:: max(1, len(joints) // _SAMPLED)], np.float64)
    if some.shape[1] == SPIN:
        some[some[..., 3] <= 0] = np.nan
    return some[..., :3]


def _scale(path: Path, joints: Float[ndarray, "n k _"]) -> float:
    """Return what makes the joints metres: nobody is ten metres long, so such numbers are cm or mm, which is said."""
    some = _some(joints)
    some = some[np.isfinite(some).all(-1).sum(1) > 1]
    if not len(some):
        return 1.0
    span = float(np.median((np.nanmax(some, 1) - np.nanmin(some, 1)).max(-1)))
    if not LONGEST < span < 1000 * LONGEST:
        return 1.0
    unit, metres = ("millimetres", 1e-3) if span > 30 * LONGEST else ("centimetres", 1e-2)
    log.warning("%s: people span %.0f units in 'S': taken for %s", path.name, span, unit)
    return metres


def _from_root(file: _File) -> bool:
    """Whether 3D joints are given from the pelvis on, as SPIN writes them."""
    hips = [file.rows.index(ROW[f"extra_{side}_hip"]) for side in ("left", "right")]
    pelvis = file.rows.index(ROW["extra_pelvis_mpii"])
    some = _some(file.joints) * file.metres
    middle = np.fmin(np.linalg.norm(some[:, pelvis], axis=-1), np.linalg.norm(some[:, hips].mean(1), axis=-1))
    there = np.isfinite(middle)
    return bool(there.any()) and float(np.median(middle[there])) < AT_ROOT


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
    file: _File, row: int, frame: H36mFrame, folders: list[Path], table: dict[tuple[str, str], Camera], cameras: Path
) -> dict[str, Any]:
    camera = table.get((frame.subject, frame.camera))
    if camera is None:
        raise Rejected(f"no camera {frame.subject} {frame.camera} in {cameras.name}")
    image = _picture(folders, frame, _text(file, row))
    pixels = np.asarray(file.pixels[row, :, :2], np.float64)
    joints = np.asarray(file.joints[row, :, :3], np.float64) * file.metres
    rows = np.asarray(file.rows)
    if len(rows) == SPIN:
        there = (file.pixels[row, :, 2] > 0) & (file.joints[row, :, 3] > 0)
        if not there.any():
            raise Rejected("no keypoints")
        rows, pixels, joints = rows[there], pixels[there], joints[there]
    if file.from_root:
        joints = joints + from_pixels(joints, pixels, camera)
    return person(frame, image, camera, rows.tolist(), pixels, joints)


def _picture(folders: Sequence[Path], frame: H36mFrame, name: str) -> Path:
    """Return the file of a frame: the name's end that lies below a folder, the longest first, or its usual place.

    Nothing is searched: the tree holds millions of frames.
    """
    parts = path_parts(name)
    take = f"{frame.subject}_{frame.take}.{frame.camera}"
    ends = [*("/".join(parts[i:]) for i in range(len(parts))), f"{frame.subject}/{take}/{parts[-1]}"]
    for end in ends:
        for folder in folders:
            if (folder / end).is_file():
                return below(folder, end)
    raise Rejected(f"the image file is missing: {below(folders[0], ends[0])}")


def from_pixels(joints: Float[ndarray, "k 3"], pixels: Float[ndarray, "k 2"], camera: Camera) -> Float[ndarray, "3"]:
    """Return where the origin of joints (m, axes of the camera) lies, so that they project onto their pixels.

    With x, y the undistorted, normalised pixels, X + tx = x (Z + tz) and Y + ty = y (Z + tz) are linear in t: least
    squares over all joints.

    Raises:
        Rejected: with fewer than two finite joints.
    """
    there = np.isfinite(joints).all(1) & np.isfinite(pixels).all(1)
    if there.sum() < 2:
        raise Rejected("fewer than two joints are finite")
    rays = cv2.undistortPoints(pixels[there].reshape(-1, 1, 2), camera.K, camera.dist).reshape(-1, 2)
    solid, count = joints[there], int(there.sum())
    left = np.zeros((2 * count, 3))
    left[:count, 0], left[count:, 1] = 1.0, 1.0
    left[:, 2] = -rays.T.ravel()
    right = (rays * solid[:, 2:] - solid[:, :2]).T.ravel()
    return np.linalg.lstsq(left, right, rcond=None)[0]
