"""Reads SMPL model files (.pkl of any release, .npz) as checked arrays, without executing their pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.geometry.skeleton import NUM_JOINTS, PARENTS
from a3dgen.io.npz import read
from a3dgen.io.unpickle import read_pickle

_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")
_OTHERS = {52: "SMPL+H", 55: "SMPL-X", 16: "MANO", 5: "FLAME"}
_GET = "download SMPL (neutral, 24 joints) from smpl.is.tue.mpg.de"


@dataclass(frozen=True)
class SmplArrays:
    """The arrays of an SMPL file.

    Attributes:
        vertices: (V, 3) m. shape_dirs: (V, 3, S) m. pose_dirs: (V, 3, 207) m. weights: (V, 24), rows sum to 1.
        regressor: (24, V) sparse joint regressor. faces: (F, 3).
    """

    vertices: Float[ndarray, "v 3"]
    shape_dirs: Float[ndarray, "v 3 s"]
    pose_dirs: Float[ndarray, "v 3 207"]
    weights: Float[ndarray, "v 24"]
    regressor: scipy.sparse.csr_matrix
    faces: Integer[ndarray, "f 3"]


def read_smpl(path: Path) -> SmplArrays:
    """Read and check an SMPL file.

    Raises:
        DataError: if it is missing, no body model, another body model than SMPL, or inconsistent.
    """
    if not path.is_file():
        raise DataError(f"body.path '{path}': no such file; {_GET}")
    if path.suffix not in (".pkl", ".npz"):
        raise DataError(f"{path}: an SMPL model is a .pkl or .npz file, not '{path.suffix}'")
    content = read_pickle(path) if path.suffix == ".pkl" else _read_npz(path)
    if not isinstance(content, Mapping):
        raise DataError(f"{path}: holds a {type(content).__name__}, not an SMPL model; {_GET}")
    missing = [k for k in _KEYS if k not in content]
    if missing:
        raise DataError(f"{path}: not an SMPL model, it lacks {', '.join(missing)}; {_GET}")
    return _checked(path, content)


def _read_npz(path: Path) -> dict[str, Any]:
    """Read an .npz, of which a member may be a pickled object."""
    arrays = read(path, objects=True)
    return {name: a.item() if a.dtype == object and a.shape == () else a for name, a in arrays.items()}


def _checked(path: Path, content: Mapping[str, Any]) -> SmplArrays:
    parents = _array(path, content, "kintree_table")
    joints = parents.shape[-1] if parents.ndim == 2 else 0
    if joints != NUM_JOINTS:
        kind = f" (that is {_OTHERS[joints]})" if joints in _OTHERS else ""
        raise DataError(f"{path}: has {joints} joints{kind}, SMPL has {NUM_JOINTS}; {_GET}")
    if parents.shape[0] != 2 or not np.array_equal(parents[0, 1:].astype(np.int64), PARENTS[1:]):
        raise DataError(f"{path}: kintree_table is not SMPL's joint tree")
    vertices = _array(path, content, "v_template")
    count = len(vertices)
    _shape(path, "v_template", vertices, (count, 3))
    shape_dirs = _array(path, content, "shapedirs")
    _shape(path, "shapedirs", shape_dirs, (count, 3, shape_dirs.shape[-1]))
    pose_dirs = _array(path, content, "posedirs")
    _shape(path, "posedirs", pose_dirs, (count, 3, 9 * (NUM_JOINTS - 1)))
    weights = _array(path, content, "weights")
    _shape(path, "weights", weights, (count, NUM_JOINTS))
    regressor = content["J_regressor"]
    regressor = scipy.sparse.csr_matrix(regressor if scipy.sparse.issparse(regressor) else np.asarray(regressor, float))
    _shape(path, "J_regressor", regressor, (NUM_JOINTS, count))
    faces = _array(path, content, "f").astype(np.int64)
    _shape(path, "f", faces, (len(faces), 3))
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= count:
        raise DataError(f"{path}: f names vertices 0..{faces.max(initial=-1)}, but v_template has {count}")
    if np.abs(weights.sum(1) - 1).max() > 1e-3:
        raise DataError(f"{path}: skinning weights do not sum to 1")
    if np.abs(regressor.sum(1) - 1).max() > 1e-2:
        raise DataError(f"{path}: rows of J_regressor do not sum to 1")
    return SmplArrays(
        vertices=vertices.astype(np.float64),
        shape_dirs=shape_dirs.astype(np.float64),
        pose_dirs=pose_dirs.astype(np.float32),
        weights=weights.astype(np.float32),
        regressor=regressor.astype(np.float64),
        faces=faces.astype(np.int32),
    )


def _array(path: Path, content: Mapping[str, Any], name: str) -> ndarray:
    value = content[name]
    value = value.toarray() if scipy.sparse.issparse(value) else np.asarray(value)
    if value.dtype.kind not in "fiu" or value.ndim < 2:
        raise DataError(f"{path}: {name} is not an array of numbers (dtype {value.dtype}, shape {value.shape})")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise DataError(f"{path}: {name} holds values that are not finite")
    return value


def _shape(path: Path, name: str, value: Any, wanted: tuple[int, ...]) -> None:
    if tuple(value.shape) != wanted:
        raise DataError(f"{path}: {name} has shape {tuple(value.shape)}, wanted {wanted}")
