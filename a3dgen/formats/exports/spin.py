"""SPIN-type npz, one a subset: imgname, center, scale, part, S, openpose, pose, shape, has_smpl."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.core.ownership import ExportFolder, export_folder
from a3dgen.formats.dataset_rows import betas_are_smpl, find_subsets, load_subset
from a3dgen.formats.schema import image_root
from a3dgen.geometry.regions import absent_joints
from a3dgen.geometry.skeleton import NUM_BODY_ROWS, NUM_ROWS, ROW

HEIGHT_UNIT_PX = 200.0
FACE = [ROW[f"body_{n}"] for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
SPIN_24 = [*range(NUM_BODY_ROWS, NUM_ROWS), *FACE]
"""SPIN's 24 joints: our 19 extra rows, then nose, left eye, right eye, left ear, right ear."""


def export(folder: Path, out: Path, subsets: list[str] | None = None, force: bool = False) -> list[Path]:
    """Write ``out/<subset>.npz`` (slashes become underscores); imgname is relative to the dataset folder.

    ``has_smpl`` is 1 only where pose and shape are SMPL's own; with the open body trainers use the keypoints alone.

    Raises:
        DataError: if the dataset was written without extension keys.
        ConfigError: if ``out`` holds other things and ``force`` is not set.
    """
    with export_folder(out, "spin export", force) as target:
        return [_write(folder, subset, target) for subset in subsets or find_subsets(folder)]


def _write(folder: Path, subset: str, target: ExportFolder) -> Path:
    """Write the npz of one subset; return its path."""
    c = load_subset(folder, subset)
    if "pose" not in c.extra:
        raise DataError(f"{c.file}: has no a3dgen_pose; write the dataset with annotate.strict=false")
    points = np.concatenate([c.points_3d, c.conf_3d[..., None]], -1)
    pose = np.where(absent_joints(c.removed)[..., None], 0, c.extra["pose"]).reshape(len(c.names), 72)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        imgname=np.array([f"{image_root(subset)}/Images/{n}" for n in c.names]),
        center=c.center,
        scale=c.scale / HEIGHT_UNIT_PX,
        part=c.points_2d[:, SPIN_24],
        S=points[:, SPIN_24],
        openpose=c.points_2d[:, :NUM_BODY_ROWS],
        pose=pose.astype(np.float32),
        shape=c.betas.astype(np.float32),
        has_smpl=np.full(len(c.names), betas_are_smpl(folder), np.uint8),
        removed=c.removed,
    )
    path = target.take(f"{subset.replace('/', '_')}.npz")
    write_whole(path, buffer.getvalue())
    return path
