"""The user's licensed SMPL file as a body, completed by registration.

Joints come from its regressor and pose blend shapes are its own; what SMPL files lack (UVs, masks, garment shells, face
and foot landmarks) comes from the open body.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
from numpy import ndarray

from a3dgen.bodies import anny24
from a3dgen.bodies.archive import LAYOUT, exclusive
from a3dgen.bodies.keypoints import PointBlend, blend_rows, extra_mixtures
from a3dgen.bodies.smpl_file import SmplArrays, read_smpl
from a3dgen.bodies.transfer import VERSION, Transfer, load_transfer, make_transfer, save_transfer
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.files import remove
from a3dgen.core.home import home
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import ROW
from a3dgen.io.npz import read_npy

log = logging.getLogger("a3dgen")

SMPL_VERTICES = 6890
# smplx.vertex_ids["smplh"], which holds for SMPL's own 6890-vertex topology only.
_VERTEX_IDS = {
    "nose": 332, "right_eye": 6260, "left_eye": 2800, "right_ear": 4071, "left_ear": 583,
    "left_big_toe": 3216, "left_small_toe": 3226, "left_heel": 3387,
    "right_big_toe": 6617, "right_small_toe": 6624, "right_heel": 6787,
}  # fmt: skip
_NEAR = 0.05
"""A numbered vertex must lie this close to the transferred landmark (m), else the file has another topology."""
# Rows of the published regressors -> keypoint rows (SPIN, constants.py: JOINT_MAP 47..53; H36M_TO_J17).
_EXTRA_REGRESSOR = {
    2: "extra_neck_lsp", 3: "extra_head_top_lsp", 4: "extra_pelvis_mpii", 5: "extra_thorax_mpii",
    6: "extra_spine_h36m", 7: "extra_jaw_h36m", 8: "extra_head_h36m",
}  # fmt: skip
_H36M_REGRESSOR = {7: "extra_spine_h36m", 8: "extra_neck_lsp", 9: "extra_jaw_h36m", 10: "extra_head_h36m"}


def load(config: BodyConfig) -> BodyData:
    """Return the user's SMPL body with ``config.betas`` shape coefficients.

    Raises:
        ConfigError: if no file is named, or it has fewer betas than asked for.
        DataError: if the file or a regressor beside it cannot be used.
    """
    if not config.path:
        raise ConfigError("body.model is 'smpl' but body.path is empty; name your SMPL_NEUTRAL.pkl or .npz")
    path = user_path(config.path)
    arrays = read_smpl(path)
    available = arrays.shape_dirs.shape[-1]
    if not 1 <= config.betas <= available:
        raise ConfigError(f"body.betas is {config.betas}; '{path}' has {available}")
    shape_dirs = arrays.shape_dirs[..., : config.betas]
    transfer = transferred(arrays)
    mesh = SkinnedMesh(
        vertices=arrays.vertices.astype(np.float32),
        shape_dirs=np.ascontiguousarray(shape_dirs, np.float32),
        weights=arrays.weights,
        faces=arrays.faces,
        uv=transfer.uv,
        face_uv=transfer.face_uv,
        face_part=arrays.weights[arrays.faces].sum(1).argmax(1).astype(np.uint8),
        hidden=transfer.hidden,
        pose_dirs=arrays.pose_dirs if arrays.pose_dirs.any() else None,
    )
    joints = arrays.regressor @ arrays.vertices
    joint_dirs = np.stack([arrays.regressor @ shape_dirs[..., k] for k in range(config.betas)], -1)
    marks = _landmarks(mesh, transfer)
    rows = marks | extra_mixtures(mesh, [marks[ROW["body_left_ear"]], marks[ROW["body_right_ear"]]], _lips(transfer))
    rows |= _user_rows(config, path, len(mesh.vertices))
    return BodyData(
        name="smpl",
        mesh=mesh,
        joints_template=joints,
        joint_dirs=joint_dirs,
        keypoints=blend_rows(mesh, joints, joint_dirs, rows),
        shells={name: transfer.shell(name, arrays, config.betas) for name in transfer.shells},
        masks=transfer.masks,
        smpl_betas=True,
    )


def transferred(arrays: SmplArrays) -> Transfer:
    """Return what the open body gives to this model, computed once per file content and cached."""
    digest = hashlib.blake2b(digest_size=12)
    for part in (arrays.vertices, arrays.faces, arrays.weights):
        digest.update(np.ascontiguousarray(part).tobytes())
    name = f"transfer-v{VERSION}.{LAYOUT}-r{anny24.RECIPE}-{digest.hexdigest()}.npz"
    path = home() / "bodies" / name
    with exclusive(path):
        if path.exists():
            try:
                return load_transfer(path)
            except DataError:
                remove(path)  # damaged; of our own cache
        log.info("body smpl: transferring UVs, masks and garment shells from the open body (once)")
        made = make_transfer(anny24.load(BodyConfig()), arrays)
        save_transfer(path, made)
        return made


def _landmarks(mesh: SkinnedMesh, transfer: Transfer) -> dict[int, PointBlend]:
    """Face and foot rows: SMPL's numbered vertices where they are plausible, else the transferred landmarks."""
    out = {}
    for row, mixture in transfer.landmarks.items():
        out[row] = mixture
    if len(mesh.vertices) != SMPL_VERTICES:
        return out
    numbered = {ROW[f"body_{name}"]: PointBlend(np.array([i]), np.ones(1)) for name, i in _VERTEX_IDS.items()}
    far = [
        np.linalg.norm(mesh.vertices[m.vertices[0]] - out[row].shares @ mesh.vertices[out[row].vertices]) > _NEAR
        for row, m in numbered.items()
    ]
    return out if any(far) else numbered


def _lips(transfer: Transfer) -> ndarray:
    """Lip vertices, or at least the ten that are most so."""
    lips = transfer.masks["lips"] * (1 - transfer.masks["mouth"])
    chosen = np.flatnonzero(lips > 0.5)
    return chosen if len(chosen) >= 4 else np.argsort(-lips)[:10]


def _user_rows(config: BodyConfig, model: Path, vertices: int) -> dict[int, PointBlend]:
    """Rows from the user's regressor files, named in the config or found beside the model."""
    out = {}
    for named, default, table in (
        (config.regressor_h36m, "J_regressor_h36m.npy", _H36M_REGRESSOR),
        (config.regressor_extra, "J_regressor_extra.npy", _EXTRA_REGRESSOR),
    ):
        path = user_path(named) if named else model.parent / default
        if not named and not path.exists():
            continue
        try:
            regressor = read_npy(path)
        except DataError as error:
            raise DataError(f"{path}: not a regressor file ({error})") from error
        if regressor.ndim != 2 or regressor.shape[1] != vertices or len(regressor) <= max(table):
            raise DataError(
                f"{path}: regressor of shape {regressor.shape}; wanted at least ({max(table) + 1}, {vertices})"
            )
        for index, name in table.items():
            ids = np.flatnonzero(np.abs(regressor[index]) > 1e-6)
            out[ROW[name]] = PointBlend(ids, regressor[index, ids] / regressor[index, ids].sum())
    return out
