"""Writes a body as an SMPL-format file that ``smplx.SMPL`` (and most code for SMPL) loads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy import ndarray
from scipy.optimize import nnls

from a3dgen.bodies.archive import write_atomically
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import NUM_JOINTS, PARENTS
from a3dgen.io.pickle_write import portable_pickle

_RADIUS, _CANDIDATES = 0.4, 900
"""Vertices this close to a joint (m) may carry it, at most so many: nearer ones alone lie on one side of the spine."""
_SUM_WEIGHT = 10.0


def fit_regressor(body: BodyData) -> scipy.sparse.csc_matrix:
    """Return a joint regressor (24, V) f8 that gives the body's joints exactly; its rows sum to 1.

    Per joint: non-negative least squares over the mean body and all shape directions at once, which is all there is,
    as the body is linear in its betas; then the smallest change of the shares that leaves no error.
    """
    mesh = body.mesh
    rows = np.zeros((NUM_JOINTS, len(mesh.vertices)))
    for j in range(NUM_JOINTS):
        offset = mesh.vertices.astype(np.float64) - body.joints_template[j]
        near = np.flatnonzero(np.linalg.norm(offset, axis=1) < _RADIUS)
        if len(near) > _CANDIDATES:
            near = generator_for(0, "body/regressor", str(j)).choice(near, _CANDIDATES, replace=False)
        shapes = mesh.shape_dirs[near].astype(np.float64).reshape(len(near), -1)
        system = np.vstack([offset[near].T, shapes.T, np.full((1, len(near)), _SUM_WEIGHT)])
        wanted = np.concatenate([np.zeros(3), body.joint_dirs[j].reshape(-1), [_SUM_WEIGHT]])
        shares, _ = nnls(system, wanted, maxiter=20 * len(near))
        rows[j, near] = shares + np.linalg.pinv(system) @ (wanted - system @ shares)
    return scipy.sparse.csc_matrix(rows)


def regressor_error(body: BodyData, regressor: scipy.sparse.csc_matrix, people: int = 50) -> dict[str, float]:
    """Return mean and largest distance (mm) between regressed and own joints over random betas of unit variance."""
    betas = generator_for(0, "body/regressor check").normal(size=(people, body.num_betas))
    errors = []
    for row in betas:
        own = body.joints_template + body.joint_dirs @ row
        errors.append(1000 * np.linalg.norm(regressor @ body.mesh.shaped(row).astype(np.float64) - own, axis=1))
    return {"joints_mm": float(np.mean(errors)), "joints_max_mm": float(np.max(errors))}


def smpl_arrays(body: BodyData) -> dict[str, ndarray | scipy.sparse.csc_matrix | str]:
    """Return the contents of an SMPL-format file for a body; pose blend shapes are zero where it has none."""
    mesh = body.mesh
    count = len(mesh.vertices)
    regressor = fit_regressor(body)
    return {
        "v_template": mesh.vertices.astype(np.float64),
        "shapedirs": mesh.shape_dirs.astype(np.float64),
        "posedirs": np.zeros((count, 3, 207), np.float32) if mesh.pose_dirs is None else mesh.pose_dirs,
        "J_regressor": regressor,
        "J": regressor @ mesh.vertices.astype(np.float64),
        "weights": mesh.weights.astype(np.float64),
        "f": mesh.faces.astype(np.uint32),
        "kintree_table": np.stack([np.where(PARENTS < 0, 2**32 - 1, PARENTS), np.arange(NUM_JOINTS)]).astype(np.int64),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def export_body(body: BodyData, path: Path) -> dict[str, float]:
    """Write a body as an SMPL-format .pkl (or .npz) and return how well its regressor gives the joints.

    smplx's default face and foot vertex ids belong to SMPL's own topology: pass ``vertex_ids`` or ignore those joints.

    Raises:
        ConfigError: for another suffix. DataError: if the body is the user's SMPL file, which may not be passed on.
    """
    if path.suffix not in (".pkl", ".npz"):
        raise ConfigError(f"'{path}': an SMPL-format file ends in .pkl (or .npz)")
    if body.smpl_betas:
        raise DataError("body export: the body is your own SMPL file; only the open body is exported")
    arrays = smpl_arrays(body)
    error = regressor_error(body, arrays["J_regressor"])
    if path.suffix == ".pkl":
        content = portable_pickle(arrays)
    else:
        buffer = io.BytesIO()
        np.savez(buffer, **{k: v.toarray() if scipy.sparse.issparse(v) else v for k, v in arrays.items()})
        content = buffer.getvalue()
    write_atomically(path, content)
    return error
