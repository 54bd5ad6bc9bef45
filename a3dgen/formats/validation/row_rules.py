"""Rules between the arrays of one npz: labels, masked rows, poses, projection, boxes, stumps, twins."""

from __future__ import annotations

import json

import numpy as np

from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE
from a3dgen.formats.validation.columns import Columns
from a3dgen.formats.validation.device_rules import check_devices
from a3dgen.formats.validation.findings import Findings
from a3dgen.formats.validation.person_rules import check_people
from a3dgen.geometry.camera import project
from a3dgen.geometry.regions import LIMBS, REGIONS, absent_joints, absent_rows
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import ANATOMICAL, ROOT_ROW, ROW, ROW_JOINT

PROJECTION_PX = 0.01
"""Rows are written in double precision; readers may rely on 0.5 px."""
ROTATION_TOL = 1e-3
EXACT_ROTATION_TOL = 2e-6
"""Between columns of one number, of which one is in single precision."""
LENGTH_TOL_M = 1e-3
STUMP_TOL = 0.15
"""Relative: the tip lies where ``residual`` says in the mean shape; under other shapes the ratio moves a little."""

MODES = ("overlay", "erase")
REGISTERED = 0.06
"""No configuration should admit a fit that is farther off the photo's keypoints, share of the height."""


def check_rows(c: Columns, keeps_occluded: bool, found: Findings, collapsed: bool = False) -> None:
    """Run every rule that needs no image on one npz.

    Args:
        keeps_occluded: occluded keypoints keep their place. collapsed: limbs end by joint collapse, without a stump.
    """
    _labels(c, found)
    _keypoint_values(c, found)
    _absence(c, found)
    _rotations(c, found)
    _sides(c, found)
    if "removed" in c.extra:
        _extension_equals_base(c, found)
        _states(c, keeps_occluded, found)
        _projection(c, found)
        _stumps(c, collapsed, found)
        _looks(c, found)
        _modes(c, found)
        check_people(c, found)
    if "devices" in c.extra:
        check_devices(c, keeps_occluded, found)


def _modes(c: Columns, found: Findings) -> None:
    """Drawn people and those of the photo are told apart, and a twin went the way of its amputee."""
    if "mode" not in c.extra:
        return
    mode, error = np.array([str(m) for m in c.extra["mode"]]), c.extra["registered_error"]
    found.rows("mode", c.file, ~np.isin(mode, MODES), c.names, f"a3dgen_mode is none of {', '.join(MODES)}")
    found.rows("mode", c.file, (error < 0) | (error > REGISTERED), c.names,
               f"the fit is more than {REGISTERED} of the height off the photo's keypoints")  # fmt: skip
    at = {str(k): m for k, m in zip(c.extra["key"], mode, strict=True)}
    differs = np.array([at.get(str(t), m) != m for t, m in zip(c.extra["twin"], mode, strict=True)], bool)
    found.rows("mode", c.file, differs, c.names, "a sample and its twin were made in different modes")


def _labels(c: Columns, found: Findings) -> None:
    for limb in LIMBS:
        found.rows("one region per limb", c.file, c.removed[:, list(limb)].sum(1) > 1, c.names,
                   "more than one region of a limb is flagged")  # fmt: skip


def _keypoint_values(c: Columns, found: Findings) -> None:
    conf = c.points_2d[..., 2]
    found.rows("confidence", c.file, ~np.isin(conf, (0, 1)), c.names, "2D confidence is neither 0 nor 1")
    found.rows("masked", c.file, (conf == 0) & (c.points_2d[..., :2] != 0).any(-1), c.names,
               "a 2D keypoint of confidence 0 is not (0, 0)")  # fmt: skip
    found.rows("confidence", c.file, ~np.isin(c.conf_3d, (0, 1)), c.names, "3D confidence is neither 0 nor 1")
    found.rows("opt", c.file, c.opt != c.conf_3d, c.names, "3D confidence and opt flag differ")
    found.rows("masked", c.file, (c.conf_3d == 0) & (c.points_3d != 0).any(-1), c.names,
               "a 3D keypoint of confidence 0 is not at zero")  # fmt: skip
    found.rows("absence", c.file, (conf > 0) & (c.conf_3d == 0), c.names, "a keypoint is seen in 2D but absent in 3D")
    found.rows("origin", c.file, np.abs(c.points_3d[:, ROOT_ROW]).max(-1) > 1e-6, c.names,
               "row 8 (MidHip) is not the origin of the 3D keypoints")  # fmt: skip
    found.rows("metres", c.file, np.abs(c.points_3d).max((-1, -2)) > 3.0, c.names,
               "a 3D keypoint lies more than 3 m from the pelvis; units are metres")  # fmt: skip
    found.rows("scale", c.file, c.scale <= 0, c.names, "scale is not positive")
    found.rows("scale", c.file, (c.scale > 0) & (c.scale < 6) & (conf.sum(1) > 2), c.names,
               "scale is a box side in pixels, not divided by 200")  # fmt: skip
    low = (c.center - c.scale[:, None] / 2)[:, None] - 0.5
    high = (c.center + c.scale[:, None] / 2)[:, None] + 0.5
    out = (conf > 0) & ((c.points_2d[..., :2] < low) | (c.points_2d[..., :2] > high)).any(-1)
    found.rows("box", c.file, out, c.names, "the box does not cover a visible keypoint")


def _absence(c: Columns, found: Findings) -> None:
    rows = absent_rows(c.removed)
    found.rows("absence", c.file, (c.conf_3d > 0) & rows, c.names, "a keypoint beyond the amputation is present in 3D")
    found.rows("absence", c.file, (c.points_2d[..., 2] > 0) & rows, c.names,
               "a keypoint beyond the amputation is present in 2D")  # fmt: skip
    found.rows("absence", c.file, (c.conf_3d == 0) & ~rows, c.names, "a keypoint is absent though nothing removed it")
    joints = absent_joints(c.removed)
    if c.pose is not None:
        found.rows("pose", c.file, (c.pose != 0).any(-1) & joints, c.names, "a removed joint's pose is not zero")
    elif c.matrices is not None:
        zero = np.equal(c.matrices, 0).all((-1, -2))
        found.rows("pose", c.file, joints[:, 1:] & ~zero, c.names, "a removed joint's matrix is not all zero")
        found.rows("pose", c.file, ~joints[:, 1:] & zero, c.names, "a present joint's matrix is all zero")


def _rotations(c: Columns, found: Findings) -> None:
    found.rows("rotation", c.file, ~_is_rotation(c.global_orient), c.names, "global_orient is not a rotation")
    if c.pose is not None:
        difference = np.abs(rotvec_to_matrix(c.pose[:, 0].astype(np.float64)) - c.global_orient).max((-1, -2))
        found.rows("rotation", c.file, difference > ROTATION_TOL, c.names, "global_orient is not body_pose[:3]")
    elif c.matrices is not None:
        zero = np.equal(c.matrices, 0).all((-1, -2))
        bad = ~_is_rotation(c.matrices) & ~zero
        found.rows("rotation", c.file, bad, c.names, "smpl_pose holds a matrix that is neither zero nor a rotation")


def _is_rotation(matrix: np.ndarray) -> np.ndarray:
    m = matrix.astype(np.float64)
    square = m @ np.swapaxes(m, -1, -2) - np.eye(3)
    return (np.abs(square).max((-1, -2)) < ROTATION_TOL) & (np.linalg.det(m) > 0)


def _sides(c: Columns, found: Findings) -> None:
    """Body and extra rows of one SMPL joint are the same point: a swapped side shows at once."""
    for a, joint in ROW_JOINT.items():
        for b, other in ROW_JOINT.items():
            if a < b and joint == other:
                both = (c.conf_3d[:, a] > 0) & (c.conf_3d[:, b] > 0)
                apart = np.abs(c.points_3d[:, a] - c.points_3d[:, b]).max(-1) > LENGTH_TOL_M
                found.rows("sides", c.file, both & apart, c.names, f"two rows of {ANATOMICAL[a]} differ in 3D")
    if c.pose is None:
        return
    hips = c.points_3d[:, ROW["body_left_hip"]] - c.points_3d[:, ROW["body_right_hip"]]
    seen = (c.conf_3d[:, ROW["body_left_hip"]] > 0) & (c.conf_3d[:, ROW["body_right_hip"]] > 0)
    across = np.einsum("ni,ni->n", hips, c.global_orient[:, :, 0].astype(np.float64))
    found.rows("sides", c.file, seen & (across <= 0), c.names, "the left hip lies on the right of the pelvis")


def _extension_equals_base(c: Columns, found: Findings) -> None:
    e = c.extra
    apart = np.abs(c.betas - _ten(e["betas"])) > 1e-6 * np.maximum(1, np.abs(c.betas))
    found.rows("betas", c.file, apart, c.names, "betas are not a3dgen_betas[:10]")
    apart = np.abs(c.global_orient - rotvec_to_matrix(e["pose"][:, 0])) > EXACT_ROTATION_TOL
    found.rows("rotation", c.file, apart, c.names, "global_orient is not a3dgen_pose[0]")
    apart = np.abs(e["root"] - e["transl"]).max(-1) > 1
    found.rows("body", c.file, apart, c.names, "a3dgen_root lies more than 1 m from a3dgen_transl")
    if c.h36m:
        found.rows("label", c.file, c.removed != e["removed"], c.names, "ajahr_conf and a3dgen_removed differ")
    kept = ~absent_joints(c.removed)
    full = e["pose"]
    if c.pose is not None:
        wrong = (np.abs(c.pose - full).max(-1) > EXACT_ROTATION_TOL) & kept
    else:
        wrong = (np.abs(c.matrices - rotvec_to_matrix(full[:, 1:])).max((-1, -2)) > EXACT_ROTATION_TOL) & kept[:, 1:]
    found.rows("pose", c.file, wrong, c.names, "the pose of a present joint differs from a3dgen_pose")
    shown = c.points_2d[..., 2] > 0
    apart = np.abs(c.points_2d[..., :2] - e["keypoints_2d"][..., :2]).max(-1) > 1e-3
    found.rows("2d", c.file, shown & apart, c.names, "a keypoint differs from a3dgen_keypoints_2d")
    if c.cam_t is not None:
        differs = (c.cam_t != e["transl"]).any(-1)
        found.rows("cam_t", c.file, differs, c.names, "cam_t and a3dgen_transl differ")
    for name, flags in c.valid.items():
        usual = np.median(flags)
        found.rows("flags", c.file, (flags != usual) | ~np.isin(flags, (0, 1)), c.names,
                   f"{name} is not the 0 or 1 of the other rows")  # fmt: skip
    found.rows("duplicates", c.file, _repeats(e["key"]), c.names, "a3dgen_key is not unique")


def _repeats(keys: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def _ten(betas: np.ndarray) -> np.ndarray:
    return np.pad(betas[:, :10], ((0, 0), (0, max(0, 10 - betas.shape[1]))))


def _states(c: Columns, keeps_occluded: bool, found: Findings) -> None:
    state, conf, rows = c.extra["state"], c.points_2d[..., 2], absent_rows(c.removed)
    found.rows("state", c.file, state > OUTSIDE, c.names, "a state is not one of 0..4")
    found.rows("state", c.file, state == UNLABELLED, c.names, "a rendered keypoint is 'unlabelled'")
    found.rows("state", c.file, (state == AMPUTATED) != rows, c.names, "'amputated' rows are not those beyond the cut")
    shown = (state == VISIBLE) | ((state == OCCLUDED) & keeps_occluded)
    found.rows("state", c.file, shown != (conf > 0), c.names, "2D confidence does not follow the keypoint state")
    found.rows("state", c.file, (c.extra["keypoints_2d"][..., 2] > 0) == rows, c.names,
               "a3dgen_keypoints_2d masks other rows than the amputated")  # fmt: skip


def _projection(c: Columns, found: Findings) -> None:
    e = c.extra
    points = c.points_3d + e["root"][:, None]
    there = c.conf_3d > 0
    pixels = project(np.where(there[..., None], points, (0, 0, 1.0)), e["K"])
    off = ~(np.abs(pixels - e["keypoints_2d"][..., :2]).max(-1) <= PROJECTION_PX)
    found.rows("projection", c.file, off & there, c.names,
               f"K (keypoints_3d + a3dgen_root) is more than {PROJECTION_PX} px from a3dgen_keypoints_2d")  # fmt: skip
    found.rows("camera", c.file, (e["K"][:, 2] != (0, 0, 1)).any(-1) | (e["K"][:, 0, 0] <= 0), c.names,
               "a3dgen_K is not a camera matrix")  # fmt: skip
    ends = e["residual_ends_3d"]
    tip = project(np.where(ends[..., 3:] > 0, ends[..., :3] + e["root"][:, None], (0, 0, 1.0)), e["K"])
    seen = e["residual_ends_2d"][..., 2] > 0
    for name, there in (("residual_ends_2d", seen), ("residual_ends_3d", ends[..., 3] > 0)):
        flag, left = e[name][..., -1], (e[name][..., :-1] != 0).any(-1) & ~there
        found.rows("residual ends", c.file, left | ~np.isin(flag, (0, 1)), c.names,
                   f"an end of a3dgen_{name} that is not there is not zero")  # fmt: skip
    far = ~(np.abs(tip - e["residual_ends_2d"][..., :2]).max(-1) <= PROJECTION_PX)
    found.rows("projection", c.file, seen & far, c.names, "a residual-limb end in 2D is not its 3D point projected")


def _stumps(c: Columns, collapsed: bool, found: Findings) -> None:
    e, removed = c.extra, c.removed
    residual = e["residual"]
    found.rows("residual", c.file, (residual <= 0) | (residual > 1), c.names, "a residual lies outside (0, 1]")
    found.rows("residual", c.file, (residual != 1) & ~removed, c.names, "a residual below 1 where nothing is removed")
    present = np.zeros(e["residual_ends_3d"].shape[:2], bool)
    for region in REGIONS:
        k, gone = region.index, removed[:, region.index]
        if region.end is not None:
            present[:, region.end] |= gone
        if not region.cuttable:
            found.rows("residual", c.file, gone & (residual[:, k] != 1), c.names, f"{region.name} has no residual limb")
            continue
        expected = residual[:, k] * e["segment_m"][:, k]
        off = np.abs(e["stump_m"][:, k] - expected) > STUMP_TOL * np.maximum(e["segment_m"][:, k], 0.05)
        found.rows("stump", c.file, gone & off, c.names, f"{region.name}: a3dgen_stump_m is not residual x segment")
        thin = (e["stump_girth_m"][:, k] <= 0) & ~np.bool_(collapsed)
        found.rows("stump", c.file, gone & thin, c.names, f"{region.name}: no stump girth")
    found.rows("stump", c.file, (e["stump_m"] != 0) & ~removed, c.names, "a stump length where nothing is removed")
    flagged = e["residual_ends_3d"][..., 3] > 0
    found.rows("residual ends", c.file, flagged != present, c.names, "residual-limb ends do not match the regions")
    found.rows("residual ends", c.file, (e["residual_ends_2d"][..., 2] > 0) & ~present, c.names,
               "a residual-limb end is seen that does not exist")  # fmt: skip
    share = e["removed_visible"]
    found.rows("visible", c.file, (share < 0) | (share > 1), c.names, "a visible share lies outside 0..1")
    girth = e["stump_girth_m"]
    found.rows("stump", c.file, (girth < 0) | (girth > 1.5), c.names, "a stump girth is implausible")
    found.rows("stump", c.file, (girth != 0) & ~removed, c.names, "a stump girth where nothing is removed")
    found.rows("fit", c.file, e["fit_px"] < 0, c.names, "a fit's error is negative")
    found.rows("height", c.file, (e["height_m"] < 0.4) | (e["height_m"] > 2.6), c.names, "a body height is implausible")
    found.rows("sigma", c.file, e["fit_sigma_m"] < 0, c.names, "a fit uncertainty is negative")


def _looks(c: Columns, found: Findings) -> None:
    e = c.extra
    found.rows("skin", c.file, (e["skin"] < 1) | (e["skin"] > 10), c.names, "skin is not a Monk tone 1..10")
    found.rows("garments", c.file, np.array([not _is_json_list(g) for g in e["garments"]], bool), c.names,
               "a3dgen_garments is not a JSON list")  # fmt: skip
    row = {str(k): i for i, k in enumerate(e["key"])}
    twin = np.array([row.get(str(t), -1) for t in e["twin"]])
    found.rows("twin", c.file, (twin < 0) & (e["twin"] != ""), c.names, "the twin is not in this file")
    has = np.flatnonzero(twin >= 0)
    bad = np.zeros(len(twin), bool)
    bad[has] = (e["parent"][has] != e["parent"][twin[has]]) | (e["skin"][has] != e["skin"][twin[has]])
    found.rows("twin", c.file, bad, c.names, "a twin is another person, or has another skin")
    mine, other = absent_joints(c.removed[has]), absent_joints(c.removed[twin[has]])
    bad[has] = (mine & ~other).any(1) == (other & ~mine).any(1)  # who really lacks a limb lacks it in the twin too
    found.rows("twin", c.file, bad & (twin >= 0), c.names, "of a pair of twins, not just one lacks more than the other")


def _is_json_list(text: str) -> bool:
    try:
        return isinstance(json.loads(str(text)), list)
    except ValueError:
        return False
