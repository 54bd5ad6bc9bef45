"""The demo's ground truth, kept where the pipeline does not look; read by the report and by tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.io.npz import read

FILE = "truth.npz"
MASKS = "masks"
_COLUMNS = ("pose", "betas", "transl", "keypoints", "joints", "K")


@dataclass(frozen=True)
class Truth:
    """What is true about one person, in the pinhole camera of the photo (lens distortion removed).

    Attributes:
        key: as in Persons. pose: (24, 3) rad, joint 0 in the camera frame. betas: (B,). transl: (3,) m.
        keypoints: (44, 3) m, joints: (24, 3) m, camera frame. K: the true camera, px.
        mask: PNG of the pixels that show the person, cast shadow excluded.
    """

    key: str
    pose: Float[ndarray, "24 3"]
    betas: Float[ndarray, " b"]
    transl: Float[ndarray, "3"]
    keypoints: Float[ndarray, "44 3"]
    joints: Float[ndarray, "24 3"]
    K: Float[ndarray, "3 3"]
    mask: Path


def write_truth(folder: Path, people: Sequence[dict[str, Any]]) -> None:
    """Write ``truth.npz`` atomically.

    Args:
        folder: holds ``masks/`` already. people: columns of ``Truth``, the mask as a path relative to the folder.
    """
    arrays: dict[str, Any] = {name: np.array([p[name] for p in people], np.float64) for name in _COLUMNS}
    arrays["key"] = np.array([p["key"] for p in people], dtype=str)
    arrays["mask"] = np.array([p["mask"] for p in people], dtype=str)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(folder / FILE, buffer.getvalue())


def read_truth(folder: Path) -> dict[str, Truth]:
    """Return key -> truth of every demo person.

    Raises:
        DataError: if the file is missing or damaged.
    """
    path = folder / FILE
    try:
        found = read(path)
        arrays = {name: found[name] for name in (*_COLUMNS, "key", "mask")}
    except (DataError, KeyError) as error:
        raise DataError(f"the demo's ground truth cannot be read: {path} ({error}); run 'a3dgen demo' again") from None
    return {
        str(key): Truth(
            key=str(key), mask=folder / str(arrays["mask"][i]), **{name: arrays[name][i] for name in _COLUMNS}
        )
        for i, key in enumerate(arrays["key"])
    }
