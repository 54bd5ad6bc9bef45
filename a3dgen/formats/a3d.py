"""The A3D annotation rows, to the letter of ``schema``, and their reader. Pure conversion: records in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import SimpleNamespace

import numpy as np

from a3dgen.appearance.look import garments_from_json, garments_to_json
from a3dgen.core.records import AMPUTATED, OCCLUDED, VISIBLE, Plans, Renders
from a3dgen.formats.schema import is_h36m
from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.regions import absent_joints, absent_rows
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import NUM_BODY_ROWS, ROOT_ROW

BOX_MARGIN = 1.2
NUM_BETAS = 10


@dataclass(frozen=True)
class Samples:
    """Rows of one subset, aligned: the i-th row of each belongs to the same sample.

    ``persons`` and ``bodies`` hold the columns of Persons and Bodies, a parent's row repeated for each sample.
    """

    subset: str
    persons: SimpleNamespace
    bodies: SimpleNamespace
    plans: Plans
    renders: Renders


@dataclass(frozen=True)
class Convention:
    """Choices of the writer.

    Attributes:
        keep_occluded: occluded keypoints keep their place and confidence instead of (0, 0, 0).
        has_betas: value of ``has_betas``.
        strict: leave the extension keys out.
        modes: write the keys that tell drawn people from those of the photo.
        devices: write the keys of assistive devices.
        tracks: write the keys that link the frames of a recording.
    """

    keep_occluded: bool = False
    has_betas: bool = False
    strict: bool = False
    modes: bool = False
    devices: bool = False
    tracks: bool = False


def encode(samples: Samples, convention: Convention) -> dict[str, np.ndarray]:
    """Return the npz columns of these samples (n rows each)."""
    common = _common(samples, convention)
    base = _h36m(samples, common) if is_h36m(samples.subset) else _coco(samples, common, convention)
    if convention.strict:
        return base
    modes = _modes(samples) if convention.modes else {}
    devices = _devices(samples, common["root"], convention) if convention.devices else {}
    tracks = _tracks(samples) if convention.tracks else {}
    return {**base, **_extension(samples, common), **modes, **devices, **tracks}


def _tracks(samples: Samples) -> dict[str, np.ndarray]:
    return {"a3dgen_track_id": samples.persons.track, "a3dgen_seconds": samples.persons.seconds}


def _modes(samples: Samples) -> dict[str, np.ndarray]:
    return {
        "a3dgen_mode": samples.renders.mode,
        "a3dgen_registered_error": np.nan_to_num(samples.renders.registered_error),
    }


def _common(samples: Samples, convention: Convention) -> dict[str, np.ndarray]:
    """Keypoints, boxes and rotations that both file types share."""
    bodies, renders, removed = samples.bodies, samples.renders, samples.plans.removed
    absent = absent_rows(removed)
    root = renders.keypoints[:, ROOT_ROW]
    projected = project(renders.keypoints, bodies.K)  # not finite behind the camera
    pixels = np.nan_to_num(projected)
    state = renders.state
    shown = (state == VISIBLE) | ((state == OCCLUDED) & convention.keep_occluded)
    present = ~absent
    plain_2d = np.concatenate([pixels, present[..., None]], -1) * present[..., None]
    points_3d = (renders.keypoints - root[:, None]) * present[..., None]
    center, scale = _boxes(pixels, present & np.isfinite(projected).all(-1), samples.persons.image_size)
    return {
        "root": root,
        "present": present.astype(np.float64),
        "plain_2d": plain_2d,
        "kpts_2d": np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1) * shown[..., None],
        "points_3d": points_3d,
        "center": center,
        "scale": scale,
        "rotations": rotvec_to_matrix(bodies.pose),
        "absent_joints": absent_joints(removed),
        "imgname": np.array([_below_images(p, samples.subset) for p in renders.image], object),
        **_ends(samples, root, convention),
    }


def _boxes(pixels: np.ndarray, present: np.ndarray, image_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box centre (n, 1, 2) and side (n, 1) px of the keypoints that are present and in the image."""
    center, scale = np.zeros((len(pixels), 1, 2)), np.zeros((len(pixels), 1))
    for i, (points, here, (width, height)) in enumerate(zip(pixels, present, image_size, strict=True)):
        inside = here & inside_image(points, int(width), int(height))
        chosen = points[inside] if inside.any() else points[here]
        low, high = chosen.min(0), chosen.max(0)
        center[i, 0], scale[i, 0] = (low + high) / 2, BOX_MARGIN * (high - low).max()
    return center, scale


def _ends(samples: Samples, root: np.ndarray, convention: Convention) -> dict[str, np.ndarray]:
    """Residual-limb ends: 3D relative to the root; 2D masked by their state as keypoints are."""
    ends, state = samples.renders.residual_ends, samples.renders.residual_end_state
    there = ends[..., 3:] > 0
    pixels = np.nan_to_num(project(np.where(there, ends[..., :3], 1.0), samples.bodies.K))
    shown = (state == VISIBLE) | ((state == OCCLUDED) & convention.keep_occluded)
    return {
        "ends_2d": np.concatenate([pixels, there], -1) * (there[..., 0] & shown)[..., None],
        "ends_3d": np.concatenate([ends[..., :3] - root[:, None], there], -1) * there,
    }


def _coco(samples: Samples, c: dict[str, np.ndarray], convention: Convention) -> dict[str, np.ndarray]:
    n, b = len(samples.plans), NUM_BODY_ROWS
    pose = np.where(c["absent_joints"][..., None], 0.0, samples.bodies.pose).reshape(n, 72)
    points_3d = np.concatenate([c["points_3d"], c["present"][..., None]], -1)
    return {
        "center": c["center"],
        "scale": c["scale"],
        "imgname": c["imgname"],
        "global_orient": c["rotations"][:, :1],
        "body_pose": pose,
        "has_body_pose": np.ones(n),
        "has_betas": np.full(n, float(convention.has_betas)),
        "betas": _ten(samples.bodies.betas),
        "body_keypoints_2d": c["kpts_2d"][:, :b],
        "extra_keypoints_2d": c["kpts_2d"][:, b:],
        "body_keypoints_3d": points_3d[:, :b],
        "extra_keypoints_3d": points_3d[:, b:],
        "body_opt_3d_joints": c["present"][:, :b, None],
        "extra_opt_3d_joints": c["present"][:, b:, None],
    }


def _h36m(samples: Samples, c: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    gone = c["absent_joints"][:, 1:, None, None]
    flags = np.repeat(c["present"][..., None], 2, -1)
    return {
        "imgname": c["imgname"],
        "scale": c["scale"],
        "center": c["center"],
        "ajahr_conf": samples.plans.removed.astype(np.int64),
        "global_orient": c["rotations"][:, None, :1],
        "gt_2d_kpts": c["kpts_2d"][:, None],
        "gt_3d_kpts": np.concatenate([c["points_3d"], flags], -1)[:, None],
        "smpl_pose": np.where(gone, 0.0, c["rotations"][:, 1:])[:, None],
        "smpl_shape": _ten(samples.bodies.betas)[:, None],
        "cam_t": samples.bodies.transl[:, None],
    }


def _extension(samples: Samples, c: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    persons, bodies, plans, renders = samples.persons, samples.bodies, samples.plans, samples.renders
    return {
        "a3dgen_key": plans.key,
        "a3dgen_parent": plans.parent,
        "a3dgen_twin": plans.twin,
        "a3dgen_removed": plans.removed,
        "a3dgen_residual": plans.residual,
        "a3dgen_removed_visible": renders.visible,
        "a3dgen_state": np.where(absent_rows(plans.removed), AMPUTATED, renders.state),
        "a3dgen_keypoints_2d": c["plain_2d"],
        "a3dgen_residual_ends_2d": c["ends_2d"],
        "a3dgen_residual_ends_3d": c["ends_3d"],
        "a3dgen_K": bodies.K,
        "a3dgen_transl": bodies.transl,
        "a3dgen_root": c["root"],
        "a3dgen_pose": bodies.pose,
        "a3dgen_betas": bodies.betas,
        "a3dgen_fit_px": bodies.reproj_px,
        "a3dgen_fit_sigma_m": bodies.sigma,
        "a3dgen_height_m": renders.height,
        "a3dgen_segment_m": renders.segment,
        "a3dgen_stump_m": renders.stump_length,
        "a3dgen_stump_girth_m": renders.stump_girth,
        "a3dgen_skin": plans.skin,
        "a3dgen_garments": np.array([_without_folder(g) for g in plans.garments], object),
        "a3dgen_mask": np.array([_below_images(p, samples.subset) if p else "" for p in renders.mask], object),
        "a3dgen_parts": np.array([_below_images(p, samples.subset) if p else "" for p in renders.parts], object),
        "a3dgen_source_license": persons.license,
    }


def _devices(samples: Samples, root: np.ndarray, convention: Convention) -> dict[str, np.ndarray]:
    """Prostheses and aids; points in 2D are masked by their state as keypoints are."""
    renders = samples.renders
    points, state = renders.prosthetic, renders.prosthetic_state
    there = points[..., 3:] > 0
    pixels = np.nan_to_num(project(np.where(there, points[..., :3], 1.0), samples.bodies.K))
    shown = (state == VISIBLE) | ((state == OCCLUDED) & convention.keep_occluded)
    masks = [_below_images(p, samples.subset) if p else "" for p in renders.device_mask]
    return {
        "a3dgen_prosthesis": renders.prosthesis,
        "a3dgen_devices": renders.devices,
        "a3dgen_device_mask": np.array(masks, object),
        "a3dgen_prosthetic_3d": _centred(points, root),
        "a3dgen_prosthetic_2d": np.concatenate([pixels, there], -1) * (there[..., 0] & shown)[..., None],
        "a3dgen_prosthetic_state": state,
        "a3dgen_aid_3d": _centred(renders.aids, root),
        "a3dgen_hidden_by": renders.hidden_by,
        "a3dgen_reposed": samples.plans.reposed,
    }


def _centred(points: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Points (n, k, 4) with a flag, relative to the root; zero where the flag is."""
    there = points[..., 3:] > 0
    return np.concatenate([points[..., :3] - root[:, None], there], -1) * there


def _ten(betas: np.ndarray) -> np.ndarray:
    """First ten betas, zero-padded."""
    return np.pad(betas[:, :NUM_BETAS], ((0, 0), (0, max(0, NUM_BETAS - betas.shape[1]))))


def _without_folder(garments: str) -> str:
    """Leave of a whole-person texture its file's name: where it lay on the builder's machine is nobody's business."""
    if '"file"' not in garments:
        return garments
    worn = [replace(g, file=PurePosixPath(g.file).name) for g in garments_from_json(garments)]
    return garments_to_json(tuple(worn))


def _below_images(path: str, subset: str) -> str:
    """Turn a build path (``render/H36M/S1/Images/x.jpg``) into the name a reader joins to ``Images/``."""
    name = PurePosixPath(path).name
    return f"{subset.split('/', 1)[1]}/{name}" if is_h36m(subset) else name
