"""Initial poses from an external regressor, read from the files that such projects release.

Understood key names (all arrays have one row a person): ``imgname``; ``pose`` or ``pose_cam`` (N, 72) with the root
first (SPIN, EFT, BEDLAM-CLIFF), or ``global_orient`` with ``body_pose`` (HMR2.0 / 4D-Humans, TokenHMR), each as
axis-angle or as matrices; ``shape`` or ``betas``; ``center`` or HMR2.0's ``box_center`` (px) to tell people of one
image apart. A root that was
predicted in the camera of a crop is turned to the full image: that is so unless the file has ``trans_cam``,
``pose_cam``, ``cam_t_full`` or ``pred_cam_t_full``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.fit.initial import Starts, row_weights
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.io.damage import DAMAGED_NPZ
from a3dgen.io.npz import member_names, read

FULL_CAMERA = ("trans_cam", "pose_cam", "cam_t_full", "pred_cam_t_full")
READ = ("imgname", "pose", "global_orient", "body_pose", "shape", "betas", "center", "box_center", *FULL_CAMERA)
"""What is looked at; such files often hold much else, pickled objects too."""
MAX_OFFSET = 0.25
"""A prediction belongs to a person if its centre lies within this share of the person's size."""


@dataclass(frozen=True)
class Predictions:
    """Poses by image: name of the image's file -> rows; pose (N, 24, 3) rad, betas (N, B), center (N, 2) px (NaN
    where unknown), and whether the root is in the full image's camera."""

    rows: dict[str, list[int]]
    pose: Float[ndarray, "n 24 3"]
    betas: Float[ndarray, "n b"]
    center: Float[ndarray, "n 2"]
    full: bool

    def find(self, image: str, bbox: Float[ndarray, "4"]) -> int | None:
        """Return the row that belongs to a person (box in px), or None."""
        rows = self.rows.get(Path(image).name, [])
        middle = np.array([bbox[0] + bbox[2], bbox[1] + bbox[3]]) / 2
        size = max(bbox[2] - bbox[0], bbox[3] - bbox[1])
        best, least = None, MAX_OFFSET * size
        for row in rows:
            if np.isnan(self.center[row]).any():
                return row if len(rows) == 1 else None
            offset = float(np.linalg.norm(self.center[row] - middle))
            if offset < least:
                best, least = row, offset
        return best

    def root_in_image(self, row: int, K: Float[ndarray, "3 3"], bbox: Float[ndarray, "4"]) -> Float[ndarray, "24 3"]:
        """Return a pose with its root in the full image's camera."""
        pose = self.pose[row].copy()
        if not self.full:
            middle = np.array([(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2, 1])
            ray = np.linalg.solve(K, middle)
            ray /= np.linalg.norm(ray)
            axis = np.cross([0.0, 0, 1], ray)
            length = float(np.linalg.norm(axis))
            turn = axis / max(length, 1e-9) * np.arctan2(length, ray[2])
            pose[0] = matrix_to_rotvec(rotvec_to_matrix(turn) @ rotvec_to_matrix(pose[0]))
        return pose


def _as_rotvec(name: str, array: ndarray, joints: int) -> Float[ndarray, "n j 3"]:
    """Accept (N, J * 3), (N, J, 3), (N, J, 3, 3) and (N, J * 9)."""
    n = len(array)
    if array.size == n * joints * 3:
        return np.asarray(array, np.float64).reshape(n, joints, 3)
    if array.size == n * joints * 9:
        return matrix_to_rotvec(np.asarray(array, np.float64).reshape(n, joints, 3, 3))
    raise DataError(f"'{name}' has shape {array.shape}: wanted {joints} rotations a row, axis-angle or 3x3 matrices")


def load_predictions(path: str | Path) -> Predictions:
    """Read a file of predicted poses.

    Raises:
        DataError: if it is no npz, or lacks the keys named above.
    """
    data = read(path, names=READ)
    if "imgname" not in data:
        raise DataError(f"{path}: lacks 'imgname'; found {', '.join(sorted(member_names(path))[:8])}")
    try:
        return _predictions(path, data)
    except DAMAGED_NPZ as error:
        raise DataError(f"{path}: its arrays do not fit together ({error})") from error


def _predictions(path: str | Path, data: dict[str, ndarray]) -> Predictions:
    try:
        whole = next((k for k in ("pose_cam", "pose") if k in data), None)
        if whole is not None:
            pose = _as_rotvec(whole, data[whole], 24)
        elif {"global_orient", "body_pose"} <= set(data):
            root = _as_rotvec("global_orient", data["global_orient"], 1)
            pose = np.concatenate([root, _as_rotvec("body_pose", data["body_pose"], 23)], 1)
        else:
            raise DataError("lacks 'pose', 'pose_cam' or 'global_orient' with 'body_pose'")
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    betas = next((data[k] for k in ("shape", "betas") if k in data), np.zeros((len(pose), 10)))
    center = next((data[k] for k in ("center", "box_center") if k in data), np.full((len(pose), 2), np.nan))
    center = np.asarray(center, np.float64).reshape(len(pose), 2)
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(data["imgname"]):
        text = name.decode() if isinstance(name, bytes) else str(name)
        rows.setdefault(Path(text).name, []).append(i)
    return Predictions(rows, pose, np.asarray(betas, np.float64), center, any(k in data for k in FULL_CAMERA))


def as_start(variables: Float[ndarray, " d"], points: Float[ndarray, "44 3"]) -> Starts:
    """Return one pose as a candidate, so that it can be placed in front of the camera in closed form."""
    return Starts(variables[None], points[None], np.zeros(1), np.zeros(1, np.int64), row_weights())
