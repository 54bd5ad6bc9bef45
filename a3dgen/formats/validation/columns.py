"""One view on both npz types: the same quantities under the same names, whatever the file calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from a3dgen.formats.schema import is_h36m
from a3dgen.geometry.regions import INTACT, LIMBS, REGIONS, label
from a3dgen.geometry.rotations import matrix_to_rotvec
from a3dgen.geometry.skeleton import ROWS


@dataclass(frozen=True)
class Columns:
    """The rows of one npz in common terms.

    Attributes:
        names: n imgnames.
        removed: (n, 12) bool, from a3dgen_removed or ajahr_conf; in a COCO-type file without extension keys, from
            the rows that are absent in 3D.
        labels: (n,) AJAHR class.
        points_2d: (n, 44, 3). points_3d: (n, 44, 3). conf_3d: (n, 44). opt: (n, 44).
        global_orient: (n, 3, 3).
        pose: (n, 24, 3) axis-angle with removed joints zero, COCO type; None otherwise.
        matrices: (n, 23, 3, 3), H36M type; None otherwise.
        betas: (n, 10). center: (n, 2). scale: (n,).
        cam_t: (n, 3), H36M type; None otherwise. valid: has_body_pose and has_betas (n,), COCO type.
        extra: the extension keys without their prefix, empty if the file has none.
    """

    subset: str
    file: str
    names: list[str]
    removed: np.ndarray
    labels: np.ndarray
    points_2d: np.ndarray
    points_3d: np.ndarray
    conf_3d: np.ndarray
    opt: np.ndarray
    global_orient: np.ndarray
    pose: np.ndarray | None
    matrices: np.ndarray | None
    betas: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    cam_t: np.ndarray | None
    valid: Mapping[str, np.ndarray]
    extra: Mapping[str, np.ndarray]

    @property
    def h36m(self) -> bool:
        return is_h36m(self.subset)

    @property
    def rotvec(self) -> np.ndarray:
        """(n, 3) root orientation."""
        return matrix_to_rotvec(self.global_orient)


def view(data: Mapping[str, np.ndarray], subset: str, file: str) -> Columns:
    """Return the common view of an npz that has passed the schema rules."""
    prefix = "a3dgen_"
    extra = {k[len(prefix) :]: v for k, v in data.items() if k.startswith(prefix)}
    names = [str(n) for n in data["imgname"]]
    specific: dict[str, Any]
    if is_h36m(subset):
        points = data["gt_3d_kpts"][:, 0]
        specific = {
            "points_2d": data["gt_2d_kpts"][:, 0],
            "points_3d": points[..., :3],
            "conf_3d": points[..., 3],
            "opt": points[..., 4],
            "global_orient": data["global_orient"][:, 0, 0],
            "pose": None,
            "matrices": data["smpl_pose"][:, 0],
            "betas": data["smpl_shape"][:, 0],
            "cam_t": data["cam_t"][:, 0],
            "valid": {},
        }
    else:
        both = {
            s: np.concatenate([data[f"body_{s}"], data[f"extra_{s}"]], 1)
            for s in ("keypoints_2d", "keypoints_3d", "opt_3d_joints")
        }
        specific = {
            "points_2d": both["keypoints_2d"],
            "points_3d": both["keypoints_3d"][..., :3],
            "conf_3d": both["keypoints_3d"][..., 3],
            "opt": both["opt_3d_joints"][..., 0],
            "global_orient": data["global_orient"][:, 0],
            "pose": data["body_pose"].reshape(len(names), 24, 3),
            "matrices": None,
            "betas": data["betas"],
            "cam_t": None,
            "valid": {name: data[name] for name in ("has_body_pose", "has_betas")},
        }
    assert specific["points_2d"].shape[1] == len(ROWS)
    if is_h36m(subset):
        removed = data["ajahr_conf"] != 0
    else:
        removed = extra.get("removed", _regions_of_absence(specific["conf_3d"] == 0))
    labels = np.array([label(r) for r in removed], np.int64)
    return Columns(
        subset, file, names, removed, labels, center=data["center"][:, 0], scale=data["scale"][:, 0],
        extra=extra, **specific,
    )  # fmt: skip


def _regions_of_absence(absent: np.ndarray) -> np.ndarray:
    """(n, 12) bool: on each limb the most proximal region whose rows are all absent in ``absent`` (n, 44)."""
    removed = np.zeros((len(absent), len(REGIONS)), bool)
    for limb in LIMBS:
        taken = np.zeros(len(absent), bool)
        for k in reversed(limb):
            whole = absent[:, list(REGIONS[k].rows)].all(1)
            removed[:, k] = whole & ~taken
            taken |= whole
    return removed


__all__ = ["INTACT", "Columns", "view"]
