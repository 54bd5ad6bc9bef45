"""Fit3D's npz, written: one member each of 2D, 3D, rotations and betas, a dict of subjects of actions of cameras."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.files import whole_file
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.io.pickle_write import portable_pickle

JOINTS, OWN = 26, 22
"""Their rows: SMPL-X's first 22 joints, then thumbs and little fingers, which a body without fingers lacks."""
_EPOCH = (1980, 1, 1, 0, 0, 0)

Tree = dict[str, dict[str, list[ndarray]]]


def fit3d_arrays(
    joints: Float[ndarray, "t 24 3"], pose: Float[ndarray, "t 24 3"], betas: Float[ndarray, "t b"]
) -> dict[str, ndarray]:
    """Return positions_3d (T, 26, 3) f4 m, rotations_3d (T, 26, 3, 3) f4 and betas (T, 10) f4 of one sequence; what is
    absent is zero, and identity matrices."""
    count = len(joints)
    places, turns = (
        np.zeros((count, JOINTS, 3), np.float32),
        np.tile(np.eye(3, dtype=np.float32), (count, JOINTS, 1, 1)),
    )
    places[:, :OWN], turns[:, :OWN] = joints[:, :OWN], rotvec_to_matrix(pose[:, :OWN])
    shape = np.zeros((count, 10), np.float32)
    shape[:, : min(10, betas.shape[1])] = betas[:, :10]
    return {"positions_3d": places, "rotations_3d": turns, "betas": shape}


def present_rows(present: Bool[ndarray, "24"]) -> Bool[ndarray, "26"]:
    """Return which of the 26 rows are there: no finger is, nor a joint of a missing limb."""
    return np.concatenate([present[:OWN], np.zeros(JOINTS - OWN, bool)])


def write_fit3d(path: Path, trees: Mapping[str, Tree], present: Bool[ndarray, "26"]) -> None:
    """Write the members of an npz that ``np.load(path, allow_pickle=True)`` of NumPy 1 and 2 reads; the same trees give
    the same bytes."""
    members: dict[str, Any] = {name: np.array(tree, object) for name, tree in trees.items()}
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, value in (members | {"present": present}).items():
            data = io.BytesIO()
            if value.dtype == object:
                np.lib.format.write_array_header_1_0(data, {"descr": "|O", "fortran_order": False, "shape": ()})
                data.write(portable_pickle(value))
            else:
                np.lib.format.write_array(data, value, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data.getvalue())
