"""Folds a joint regressor into AMASS's bodies (SMPL+H with soft tissue, SMPL-X) or into the open body."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import H36M_LEFT_FIRST_ROWS, NUM_JOINTS, PARENTS
from a3dgen.io.npz import read, read_npy
from a3dgen.motion.joint_model import JointModel, fold

BETAS, SOFT = 16, 8
"""Shape and DMPL coefficients that AMASS's files hold."""
KINDS = {"smplh": (52, (22, 37)), "smplx": (55, (25, 40))}
"""Folder of a model -> its number of joints, and those that stand for SMPL's hands: the index fingers' bases."""
_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")


def model_file(folder: Path, kind: str, gender: str) -> Path | None:
    """Return ``<folder>/<kind>/<gender>/model.npz``, or one of its other usual places; None if there is none.

    Args:
        folder: what holds ``smplh/`` (and ``dmpls/``), or the folder ``smplh`` itself. kind: of ``KINDS``.
    """
    inner = [folder / kind, *([folder] if folder.name == kind else [])]
    names = (f"{gender}/model.npz", f"{kind.upper()}_{gender.upper()}.npz")
    return next((base / name for base in inner for name in names if (base / name).is_file()), None)


def soft_file(folder: Path, gender: str) -> Path | None:
    """Return ``dmpls/<gender>/model.npz`` beside the models; None if there is none."""
    found = (base / "dmpls" / gender / "model.npz" for base in (folder, folder.parent))
    return next((path for path in found if path.is_file()), None)


def read_regressor(path: Path) -> Float[ndarray, "j v"]:
    """Return a joint regressor (J, V) from an .npy file.

    Raises:
        DataError: if it is missing, a pickle, or no matrix of finite numbers.
    """
    if path.suffix != ".npy":
        raise DataError(f"{path}: a regressor is an .npy file (J, V); pickles are not read")
    matrix = read_npy(path)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        raise DataError(f"{path}: wanted a matrix (J, V) of finite numbers, not {matrix.dtype} of shape {matrix.shape}")
    return matrix.astype(np.float64)


def fold_amass_model(path: Path, soft: Path | None, regressor: Float[ndarray, "j v"], kind: str) -> JointModel:
    """Fold a regressor into an SMPL+H or SMPL-X file, with DMPLs where there are any.

    Raises:
        DataError: if a file is damaged, another model, or does not fit the regressor.
    """
    joints, hands = KINDS[kind]
    arrays = read(path, names=_KEYS, objects=True)
    lacking = [key for key in _KEYS if key not in arrays]
    if lacking:
        raise DataError(f"{path}: no {kind} model, it lacks {', '.join(lacking)}")
    count = len(arrays["v_template"])
    wanted = {
        "v_template": (count, 3),
        "posedirs": (count, 3, 9 * (joints - 1)),
        "weights": (count, joints),
        "kintree_table": (2, joints),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise DataError(f"{path}: {name} has shape {arrays[name].shape}, wanted {shape} of a {kind} model")
    if arrays["shapedirs"].shape[:2] != (count, 3) or arrays["shapedirs"].ndim != 3:
        raise DataError(f"{path}: shapedirs has shape {arrays['shapedirs'].shape}, wanted ({count}, 3, betas)")
    if regressor.shape[1] != count:
        raise DataError(f"{path}: has {count} vertices, and the regressor is for {regressor.shape[1]}")
    own = arrays["J_regressor"]
    own = scipy.sparse.csr_matrix(own.item() if own.dtype == object and own.shape == () else own)
    if own.shape != (joints, count):
        raise DataError(f"{path}: J_regressor has shape {own.shape}, wanted ({joints}, {count})")
    parents = arrays["kintree_table"][0].astype(np.int64)
    parents[0] = -1
    shapes = arrays["shapedirs"][:, :, :BETAS]
    try:
        return fold(
            regressor, _f8(arrays["weights"]), _f8(arrays["v_template"]), _f8(shapes), _soft_dirs(soft, count),
            arrays["posedirs"], own, parents, np.array([*range(NUM_JOINTS - 2), *hands]),
        )  # fmt: skip
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _f8(array: ndarray) -> ndarray:
    return np.ascontiguousarray(array, np.float64)


def _soft_dirs(path: Path | None, count: int) -> Float[ndarray, "v 3 d"]:
    if path is None:
        return np.zeros((count, 3, 0))
    found = read(path, names=("eigvec",))
    if "eigvec" not in found or found["eigvec"].shape[:2] != (count, 3) or found["eigvec"].ndim != 3:
        raise DataError(f"{path}: no DMPL model, wanted eigvec ({count}, 3, coefficients)")
    if found["eigvec"].shape[2] < SOFT:
        raise DataError(f"{path}: eigvec has {found['eigvec'].shape[2]} coefficients, wanted {SOFT}")
    return _f8(found["eigvec"][:, :, :SOFT])


def fold_open_body(body: BodyData, regressor: Float[ndarray, "j v"] | None = None) -> JointModel:
    """Return the open body's own 17 joints of Human3.6M (left leg first), or a regressor for its vertices folded in.

    Raises:
        ConfigError: if the regressor is for another mesh.
    """
    if regressor is not None:
        return _fold_own(body, regressor)
    k = body.keypoints
    place = {row: i for i, row in enumerate(H36M_LEFT_FIRST_ROWS)}
    kept = np.array([n for n, row in enumerate(k.row) if int(row) in place])
    base = k.offset[kept] + k.weight[kept, None] * body.joints_template[k.joint[kept]]
    dirs = k.dirs[kept] + k.weight[kept, None, None] * body.joint_dirs[k.joint[kept]]
    return JointModel(
        PARENTS, np.arange(NUM_JOINTS), len(place), body.joints_template, body.joint_dirs, np.zeros((NUM_JOINTS, 3, 0)),
        np.array([place[int(r)] for r in k.row[kept]]), k.joint[kept].astype(np.int64),
        k.weight[kept].astype(np.float64), _f8(base), _f8(dirs), np.zeros((0, 3 * len(kept)), np.float32),
    )  # fmt: skip


def _fold_own(body: BodyData, regressor: Float[ndarray, "j v"]) -> JointModel:
    mesh, count = body.mesh, regressor.shape[1]
    if count != len(mesh.vertices):
        raise ConfigError(
            f"the regressor is for {count} vertices, the open body has {len(mesh.vertices)}; "
            "name with --smplh the models that it is for"
        )
    no_joints = scipy.sparse.csr_matrix((NUM_JOINTS, count))  # they are no fixed combination of its vertices
    folded = fold(
        regressor, _f8(mesh.weights), _f8(mesh.vertices), _f8(mesh.shape_dirs), np.zeros((count, 3, 0)),
        mesh.pose_dirs, no_joints, PARENTS, np.arange(NUM_JOINTS),
    )  # fmt: skip
    return replace(folded, joints=body.joints_template, joint_shape=body.joint_dirs)
