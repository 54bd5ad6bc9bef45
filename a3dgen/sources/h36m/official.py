"""Human3.6M as its authors distribute it: poses in CDF files, frames in videos, cameras in metadata.xml."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, MissingDependency, Rejected
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.skeleton import H36M_RIGHT_FIRST_ROWS
from a3dgen.io import rle
from a3dgen.sources import Found
from a3dgen.sources.h36m.cameras import Camera, Extrinsics, load_cameras, read_metadata
from a3dgen.sources.h36m.cdf_check import check_cdf
from a3dgen.sources.h36m.common import RIGHT_FIRST_32, H36mFrame, person, refuse_known_bad, selection
from a3dgen.sources.h36m.video import Silhouettes, Video, frames_folder

MILLIMETRE = 1e-3
EVERY = 5
"""Videos run at 50 frames a second; the field uses 10."""


@dataclass(frozen=True)
class _View:
    """One camera's view of a take."""

    camera: str
    calibration: Camera | None
    pixels: Float[ndarray, "t 17 2"]
    joints: Float[ndarray, "t 17 3"] | None
    video: Video
    silhouettes: Silhouettes


def read_official(config: Any, files: list[Path], cameras: Path | None) -> Iterator[Found]:
    """Yield all people of the takes; within a take ordered by frame, then camera.

    Args:
        config: the source's configuration.
        files: the D2_Positions files.
        cameras: metadata.xml, or mmpose's camera file.

    Raises:
        ConfigError: without cameras.
        DataError: if a pose file cannot be read.
        MissingDependency: without cdflib.
    """
    if cameras is None:
        raise ConfigError(f"sources.h36m.cameras: neither metadata.xml nor cameras.pkl or .json below '{config.root}'")
    if cameras.suffix.lower() == ".xml":
        both = read_metadata(cameras)
        table, places = {k: v[0] for k, v in both.items()}, {k: v[1] for k, v in both.items()}
    else:
        table, places = load_cameras(cameras), {}
    wanted = selection(config, EVERY)
    for (subject, take), found in sorted(_takes(files).items()):
        if not wanted.subjects or subject in wanted.subjects:
            kept = {camera: p for camera, p in sorted(found.items()) if not wanted.cameras or camera in wanted.cameras}
            views = [
                _view(config, subject, take, camera, path, table.get((subject, camera)), places.get((subject, camera)))
                for camera, path in kept.items()
            ]
            yield from _read_take(config, subject, take, views, wanted.every)


def _takes(files: list[Path]) -> dict[tuple[str, str], dict[str, Path]]:
    """Return (subject, take) -> camera -> D2_Positions file; ``_ALL`` files hold all takes again and are left out."""
    takes: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for path in files:
        match = re.fullmatch(r"(?!_ALL)(.+)\.(\d{8})\.cdf", path.name)
        subject = next((p.name for p in path.parents if re.fullmatch(r"S\d+", p.name)), None)
        if match and subject:
            takes[subject, match[1].replace(" ", "_")][match[2]] = path
    return takes


def _read_take(config: Any, subject: str, take: str, views: list[_View], every: int) -> Iterator[Found]:
    for number in range(1, max((len(v.pixels) for v in views), default=0) + 1, every):
        for view in views:
            frame = H36mFrame(subject, take, view.camera, number)
            if number > len(view.pixels):
                continue
            try:
                refuse_known_bad(config, frame)
                yield _person(view, frame)
            except Rejected as error:
                yield frame.key, str(error)
    for view in views:
        view.video.close()
        view.silhouettes.close()


def _person(view: _View, frame: H36mFrame) -> dict[str, Any]:
    if view.calibration is None:
        raise Rejected(f"no camera {frame.subject} {frame.camera} in the camera file")
    if view.joints is None or frame.number > len(view.joints):
        raise Rejected("no 3D joints: neither D3_Positions_mono, nor D3_Positions with metadata.xml")
    image = view.video.frame(frame.number)
    row = person(
        frame,
        image,
        view.calibration,
        H36M_RIGHT_FIRST_ROWS,
        view.pixels[frame.number - 1],
        view.joints[frame.number - 1],
    )
    return row | {"mask": rle.to_json(view.silhouettes.at(frame.number, row["image_size"]))}


def _view(
    config: Any, subject: str, take: str, camera: str, path: Path, calibration: Camera | None, place: Extrinsics | None
) -> _View:
    """Open what belongs to one D2_Positions file; the 3D is preferred in the camera's own frame."""
    folder = path.parents[2] if path.parents[1].name == "MyPoseFeatures" else path.parents[1]
    top = path.parent.name.removesuffix("D2_Positions")
    mono = path.parent.with_name(f"{top}D3_Positions_mono") / path.name
    world = path.parent.with_name(f"{top}D3_Positions") / path.name.replace(f".{camera}", "")
    joints = None
    if mono.is_file():
        joints = read_pose(mono, 3) * MILLIMETRE
    elif world.is_file() and place is not None:
        joints = place.to_camera(read_pose(world, 3) * MILLIMETRE)
    name = f"{subject}_{take}.{camera}"
    root = user_path(config.root)
    ready = [root / config.images] if config.images else [root / "images", root]
    return _View(
        camera=camera,
        calibration=calibration,
        pixels=read_pose(path, 2),
        joints=joints,
        video=Video(
            folder / "Videos" / f"{path.stem}.mp4",
            [r / subject / name for r in ready],
            frames_folder(config) / subject / name,
            name,
        ),
        silhouettes=Silhouettes(folder / "MySegmentsMat" / "ground_truth_bs" / f"{path.stem}.mat"),
    )


def read_pose(path: Path, axes: int) -> Float[ndarray, "t 17 a"]:
    """Return the 17 joints of a CDF pose file, right leg first, in its own unit (px or mm).

    Raises:
        DataError: if it is no CDF file with ``Pose`` of 32 joints.
        MissingDependency: without cdflib.
    """
    try:
        import cdflib
    except ImportError:
        raise MissingDependency("cdflib", "reading Human3.6M's .cdf files", "pip install 'a3dgen[cdf]'") from None
    check_cdf(path)
    try:
        pose = np.asarray(cdflib.CDF(path).varget("Pose"), np.float64)
    except Exception as error:  # cdflib raises whatever a damaged byte leads it to, MemoryError included
        raise DataError(f"{path}: not a readable CDF file: {' '.join(str(error).split())[:120]}") from None
    if pose.ndim not in (2, 3) or pose.shape[-1] != 32 * axes or (pose.ndim == 3 and pose.shape[0] != 1):
        raise DataError(f"{path}: 'Pose' has shape {pose.shape}, wanted (1, frames, {32 * axes})")
    return pose.reshape(-1, 32, axes)[:, list(RIGHT_FIRST_32)]
