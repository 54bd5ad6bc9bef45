"""WebDataset tar shards as 4D-Humans and TokenHMR training reads them: ``<key>.jpg`` and ``<key>.data.pyd``."""

from __future__ import annotations

import io
import itertools
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from a3dgen.core.files import whole_file
from a3dgen.core.ownership import export_folder
from a3dgen.formats.dataset_rows import Row, betas_are_smpl, rows
from a3dgen.geometry.regions import absent_joints
from a3dgen.io.images import read_rgb
from a3dgen.io.pickle_write import portable_pickle
from a3dgen.io.regular import read_bytes

SHARD_ROWS = 1000
HEIGHT_UNIT_PX = 200.0
"""These trainers store a box side divided by 200."""


def export(folder: Path, out: Path, subsets: list[str] | None = None, force: bool = False) -> list[Path]:
    """Write ``out/000000.tar`` and so on, 1000 samples each, the same bytes for the same dataset.

    ``has_betas`` is 1 only for SMPL's own betas, whatever ``annotate.has_betas`` made the npz say.

    Raises:
        ConfigError: if ``out`` holds other things and ``force`` is not set.
    """
    has_betas = betas_are_smpl(folder)
    written: list[Path] = []
    with export_folder(out, "webdataset export", force) as target:
        for number, shard in itertools.groupby(enumerate(rows(folder, subsets)), lambda item: item[0] // SHARD_ROWS):
            written.append(target.take(f"{number:06d}.tar"))
            with (
                whole_file(written[-1]) as file,
                tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
            ):
                for i, row in shard:
                    _add(archive, f"{i:08d}.jpg", _jpeg(row))
                    _add(archive, f"{i:08d}.data.pyd", portable_pickle([person(row, has_betas)]))
    return written


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _jpeg(row: Row) -> bytes:
    if row.image.suffix.lower() in (".jpg", ".jpeg"):
        return read_bytes(row.image)
    ok, data = cv2.imencode(".jpg", read_rgb(row.image)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not ok:
        raise ValueError(f"{row.image} could not be encoded")
    return data.tobytes()


def person(row: Row, has_betas: bool) -> dict[str, Any]:
    """Return the dict that the trainers expect for one person; ``has_betas``: the betas are SMPL's own."""
    c, i = row.columns, row.index
    pose = np.where(absent_joints(row.removed)[:, None], 0, row.extra("pose")).reshape(72)
    return {
        "keypoints_2d": c.points_2d[i].astype(np.float32),
        "keypoints_3d": np.concatenate([c.points_3d[i], c.conf_3d[i][:, None]], 1).astype(np.float32),
        "center": c.center[i].astype(np.float32),
        "scale": np.full(2, c.scale[i] / HEIGHT_UNIT_PX, np.float32),
        "body_pose": pose.astype(np.float32),
        "betas": c.betas[i].astype(np.float32),
        "has_body_pose": np.float32(1.0),
        "has_betas": np.float32(has_betas),
        "extra_info": {
            "fitting_loss": np.array(float(row.extra("fit_px"))),
            "removed": np.asarray(row.removed, bool),
            "key": str(row.extra("key")),
        },
    }
