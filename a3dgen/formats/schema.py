"""THE table of A3D npz keys: row shape, dtype and meaning, for both file types, as readers of A3D expect them.

The writer, the reader and the validator are all driven by these tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from a3dgen.geometry.regions import LIMBS, NUM_REGIONS, RESIDUAL_ENDS
from a3dgen.geometry.skeleton import NUM_BODY_ROWS, NUM_JOINTS, NUM_ROWS

DATASET_FOLDER = "A3D_Dataset"
"""Folder of a build that holds its dataset."""
_EXTRA = NUM_ROWS - NUM_BODY_ROWS
_ENDS = len(RESIDUAL_ENDS)
_LIMBS = len(LIMBS)
_PROSTHETIC = 6 * _LIMBS


@dataclass(frozen=True)
class Key:
    """One npz member: row shape (a letter is free but constant), dtype (``object`` and ``U`` hold text), meaning."""

    shape: tuple[int | str, ...]
    dtype: str
    doc: str


COCO_KEYS: dict[str, Key] = {
    "center": Key((1, 2), "f8", "box centre, px in the full image"),
    "scale": Key((1,), "f8", "box side, px: 1.2 x the larger side of the box of present keypoints in the image"),
    "imgname": Key((), "object", "path below the subset's Images/"),
    "global_orient": Key((1, 3, 3), "f4", "root rotation matrix, camera frame"),
    "body_pose": Key((72,), "f4", "axis-angle, 3 root + 69 body, rad; removed joints are 0"),
    "has_body_pose": Key((), "f4", "1 where body_pose is valid"),
    "has_betas": Key((), "f4", "1 where betas are SMPL's"),
    "betas": Key((10,), "f4", "first ten shape coefficients of the body model named in dataset.json"),
    "body_keypoints_2d": Key((NUM_BODY_ROWS, 3), "f8", "px, px, confidence; amputated, occluded, outside are zero"),
    "extra_keypoints_2d": Key((_EXTRA, 3), "f8", "px, px, confidence; amputated, occluded, outside are zero"),
    "body_keypoints_3d": Key((NUM_BODY_ROWS, 4), "f8", "m, camera axes, pelvis at the origin, confidence"),
    "extra_keypoints_3d": Key((_EXTRA, 4), "f8", "m, camera axes, pelvis at the origin, confidence"),
    "body_opt_3d_joints": Key((NUM_BODY_ROWS, 1), "f8", "1 where the fitted 3D joint exists"),
    "extra_opt_3d_joints": Key((_EXTRA, 1), "f8", "1 where the fitted 3D joint exists"),
}

H36M_KEYS: dict[str, Key] = {
    "imgname": Key((), "U44", "path below Images/"),
    "scale": Key((1,), "f8", COCO_KEYS["scale"].doc),
    "center": Key((1, 2), "f8", COCO_KEYS["center"].doc),
    "ajahr_conf": Key((NUM_REGIONS,), "i8", "1 = region amputated; all 0 = intact"),
    "global_orient": Key((1, 1, 3, 3), "f8", "root rotation matrix, camera frame"),
    "gt_2d_kpts": Key((1, NUM_ROWS, 3), "f8", "px, px, confidence; amputated, occluded, outside are zero"),
    "gt_3d_kpts": Key((1, NUM_ROWS, 5), "f8", "m, camera axes, pelvis at the origin, confidence, opt flag"),
    "smpl_pose": Key((1, NUM_JOINTS - 1, 3, 3), "f8", "rotation matrices; removed joints are all zero"),
    "smpl_shape": Key((1, 10), "f8", "first ten shape coefficients"),
    "cam_t": Key((1, 3), "f8", "m; X_cam = FK(pose, betas) + cam_t"),
}

EXTENSION_KEYS: dict[str, Key] = {
    "a3dgen_key": Key((), "U", "key of the sample"),
    "a3dgen_parent": Key((), "U", "key of the person"),
    "a3dgen_twin": Key((), "U", "key of the twin sample, or empty"),
    "a3dgen_removed": Key((NUM_REGIONS,), "?", "regions removed, most proximal only"),
    "a3dgen_residual": Key((NUM_REGIONS,), "f4", "place of the stump tip along its segment; 1 = at the joint"),
    "a3dgen_removed_visible": Key((NUM_REGIONS,), "f4", "visible share of the segment that carries the stump"),
    "a3dgen_state": Key((NUM_ROWS,), "u1", "0 unlabelled, 1 occluded, 2 visible, 3 amputated, 4 outside"),
    "a3dgen_keypoints_2d": Key((NUM_ROWS, 3), "f8", "px, px, confidence; nothing masked but amputated"),
    "a3dgen_residual_ends_2d": Key((_ENDS, 3), "f8", "px, px, confidence of the stump tips; masked as keypoints are"),
    "a3dgen_residual_ends_3d": Key((_ENDS, 4), "f8", "m, pelvis at the origin, 1 = present"),
    "a3dgen_K": Key((3, 3), "f8", "camera matrix, px"),
    "a3dgen_transl": Key((3,), "f8", "m; equals cam_t"),
    "a3dgen_root": Key((3,), "f8", "keypoint row 8 in the camera frame before centring, m"),
    "a3dgen_pose": Key((NUM_JOINTS, 3), "f8", "axis-angle before zeroing, rad"),
    "a3dgen_betas": Key(("B",), "f8", "all shape coefficients"),
    "a3dgen_fit_px": Key((), "f8", "mean reprojection error of the fit, px"),
    "a3dgen_fit_sigma_m": Key((NUM_JOINTS,), "f8", "standard deviation of each joint, m"),
    "a3dgen_height_m": Key((), "f8", "standing height of the intact body"),
    "a3dgen_segment_m": Key((NUM_REGIONS,), "f8", "length of the segment proximal to the first absent joint"),
    "a3dgen_stump_m": Key((NUM_REGIONS,), "f8", "length of the residual limb; 0 if none"),
    "a3dgen_stump_girth_m": Key((NUM_REGIONS,), "f8", "circumference at the cut ring; 0 if none"),
    "a3dgen_skin": Key((), "u1", "Monk Skin Tone, 1..10"),
    "a3dgen_garments": Key((), "U", "JSON list of garments"),
    "a3dgen_mask": Key((), "U", "person mask below Masks/"),
    "a3dgen_parts": Key((), "U", "part labels below Masks/, or empty"),
    "a3dgen_source_license": Key((), "U", "licence of the source image"),
}

MODE_KEYS: dict[str, Key] = {
    "a3dgen_mode": Key((), "U", "overlay: a drawn person; erase: the person of the photo, their labels pseudo-truth"),
    "a3dgen_registered_error": Key((), "f4", "erase: clicks off the registered fit, largest, of the height; else 0"),
}
"""Extension keys of datasets in which some people are those of the photo; without them all are drawn (overlay)."""

DEVICE_KEYS: dict[str, Key] = {
    "a3dgen_prosthesis": Key((_LIMBS,), "u1", "limb in AJAHR order: 0 intact, 1 amputated, none worn, 2 worn, 3 worn "
                             "under cloth, 4 doffed in view"),
    "a3dgen_devices": Key((), "U", "JSON list of devices, with id in the device mask and visible px"),
    "a3dgen_device_mask": Key((), "U", "device instances below Masks/, or empty"),
    "a3dgen_prosthetic_3d": Key((_PROSTHETIC, 4), "f8", "m, pelvis at the origin, 1 = present; six a limb: socket "
                                "brim, socket end, knee or elbow, ankle or wrist, heel or hook, tip"),
    "a3dgen_prosthetic_2d": Key((_PROSTHETIC, 3), "f8", "px, px, confidence; masked as keypoints are"),
    "a3dgen_prosthetic_state": Key((_PROSTHETIC,), "u1", "1 occluded, 2 visible, 3 not there, 4 outside"),
    "a3dgen_aid_3d": Key((8, 4), "f8", "m, pelvis at the origin, 1 = present: left grip, tip, right grip, tip, hubs, "
                         "footplate, seat"),
    "a3dgen_hidden_by": Key((NUM_ROWS,), "u1", "of occluded rows: 1 the body, 2 the photo, 3 a device; else 0"),
    "a3dgen_reposed": Key((NUM_JOINTS,), "?", "joints that turn otherwise than in the fit"),
}  # fmt: skip
"""Written where a build draws devices."""


TRACK_KEYS: dict[str, Key] = {
    "a3dgen_track_id": Key((), "U", "the same person over the frames of a recording, or empty"),
    "a3dgen_seconds": Key((), "f8", "s; time of the frame in its recording"),
}
"""Written where the frames of a recording are fitted together (``fit.temporal``)."""


def is_h36m(subset: str) -> bool:
    """Whether a subset (``H36M/S1``, ``COCO_train``) is written as the H36M type."""
    return subset.split("/")[0] == "H36M"


def keys_of(
    subset: str, strict: bool = False, modes: bool = False, devices: bool = False, tracks: bool = False
) -> dict[str, Key]:
    """Return the keys of a subset's npz, extension keys included unless ``strict``, those of modes, of assistive
    devices and of tracks where asked."""
    base = H36M_KEYS if is_h36m(subset) else COCO_KEYS
    if strict:
        return base
    more = ((modes, MODE_KEYS), (devices, DEVICE_KEYS), (tracks, TRACK_KEYS))
    return base | EXTENSION_KEYS | {name: key for wanted, keys in more if wanted for name, key in keys.items()}


def annotation_path(subset: str) -> str:
    """Return the npz path of a subset below A3D_Dataset."""
    first, _, rest = subset.partition("/")
    if first == "H36M":
        return f"H36M/annotation/{rest}.npz"
    return f"{subset}/annotation/{rest or first}.npz"


def dataset_folder(folder: str | Path) -> Path:
    """Return the dataset in a build folder, or the folder itself where that is one."""
    inside = Path(folder) / DATASET_FOLDER
    return inside if inside.is_dir() else Path(folder)


def image_root(subset: str) -> str:
    """Return the folder below A3D_Dataset that ``imgname`` is relative to (H36M names carry the subject)."""
    return "H36M" if is_h36m(subset) else subset
