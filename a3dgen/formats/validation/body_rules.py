"""Rules between the arrays and the body model that dataset.json names: pose, shape and place give every point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from a3dgen.amputation.measurements import segment_lengths, standing_height
from a3dgen.amputation.rebuild import COLLAPSE, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.amputation.sampling import PlanConfig
from a3dgen.bodies import body_digest, load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import A3dgenError
from a3dgen.formats.validation.columns import Columns
from a3dgen.formats.validation.findings import Findings
from a3dgen.geometry.body import BodyData, forward_kinematics, keypoints_from_joints, rest_joints
from a3dgen.geometry.regions import REGIONS
from a3dgen.geometry.rotations import rotvec_to_matrix

TOL_M = 1e-5
END_TOL_M = 1e-4
"""Of a stump's length: its tip is a vertex, kept in single precision."""
SHORT, SHORT_TOL_M = 0.4, 0.01
"""The end of a residual limb shorter than this share of its segment follows two bones, as skin near a joint does, up to
centimetres off its length. It is held against the end of the limb cut again. That depends a little on the shape of the
cap, of which the file says nothing: at most 10 mm in 400 limbs with joints bent by up to 1.9 rad."""
RELATIVE_TOL = 1e-6
MOST_REBUILT = 2000
"""Limbs of one file that are cut again, which takes a tenth of a second each; of more, this many evenly spaced ones."""
_CHUNK = 4096


def body_of(facts: Mapping[str, Any] | None, smpl: str, found: Findings) -> BodyData | None:
    """Return the body model a dataset was made with; None, and why, if it cannot be had here.

    Args:
        facts: dataset.json. smpl: the SMPL file, for datasets made with one; empty = none.
    """
    if facts is None:
        return None
    given = dict(facts.get("config") or {}).get("body") or {}
    known = {f.name for f in fields(BodyConfig)}
    try:
        config = BodyConfig(**{k: v for k, v in dict(given).items() if k in known} | {"path": smpl})
        if config.model == "smpl" and not smpl:
            found.skip("body", "the dataset was made with SMPL: give its file by --smpl")
            return None
        body, digest = load_body(config), body_digest(config)
    except (A3dgenError, TypeError) as error:
        found.skip("body", str(error))
        return None
    if digest != dict(facts.get("digests") or {}).get("body"):
        found.skip("body", "the dataset was made with another version of the body model than this one")
        return None
    return body


def check_body(c: Columns, body: BodyData, collapsed: bool, found: Findings) -> None:
    """Run the rules on one npz that has extension keys."""
    e = c.extra
    if e["betas"].shape[1] > body.num_betas:
        found.error("body", c.file, f"a3dgen_betas has {e['betas'].shape[1]} columns, the body {body.num_betas}")
        return
    far, place = (np.zeros(len(c.names), bool) for _ in range(2))
    length = np.zeros((len(c.names), len(REGIONS)), bool)
    for start in range(0, len(c.names), _CHUNK):
        rows = slice(start, start + _CHUNK)
        rest = rest_joints(body, e["betas"][rows].astype(np.float64))
        posed, joints = forward_kinematics(rotvec_to_matrix(e["pose"][rows].astype(np.float64)), rest)
        points = keypoints_from_joints(body, posed, joints, e["betas"][rows]) + e["transl"][rows, None]
        stated = c.points_3d[rows] + e["root"][rows, None]
        far[rows] = ((np.abs(points - stated).max(-1) > TOL_M) & (c.conf_3d[rows] > 0)).any(1)
        place[rows] = np.abs(e["root"][rows] - e["transl"][rows] - rest[:, 0]).max(-1) > TOL_M
        if not collapsed:
            length[rows] = _wrong_lengths(c, rows, joints + e["transl"][rows, None])
    found.rows("body", c.file, far, c.names, "3D keypoints are not those of a3dgen_pose, a3dgen_betas, a3dgen_transl")
    found.rows("body", c.file, place, c.names, "a3dgen_root - a3dgen_transl is not the pelvis of the shaped body")
    found.rows("stump", c.file, length, c.names, "a3dgen_stump_m is not where the residual-limb end lies")
    _sizes(c, body, found)
    _cuts(c, body, collapsed, found)


def _wrong_lengths(c: Columns, rows: slice, joints: np.ndarray) -> np.ndarray:
    """(n, 12) bool: the end of a residual limb, measured along its bone, is off its length; not of short ones."""
    ends = c.extra["residual_ends_3d"][rows]
    tips, out = ends[..., :3] + c.extra["root"][rows, None], np.zeros((len(ends), len(REGIONS)), bool)
    for region in REGIONS:
        if region.end is None:
            continue
        start, stop = (joints[:, j] for j in region.segment)
        size = np.linalg.norm(stop - start, axis=-1)
        lies = ((tips[:, region.end] - start) * (stop - start)).sum(-1) / size
        k = region.index
        stated = c.extra["stump_m"][rows, k]
        out[:, k] = c.removed[rows, k] & (stated >= SHORT * size) & (np.abs(lies - stated) > END_TOL_M)
    return out


def _sizes(c: Columns, body: BodyData, found: Findings) -> None:
    """Height and segments follow from the shape; each shape is measured once."""
    betas, height, segment = (c.extra[k] for k in ("betas", "height_m", "segment_m"))
    shapes, of = np.unique(betas, axis=0, return_inverse=True)
    heights = np.array([standing_height(body, b) for b in shapes])[of]
    segments = np.array([segment_lengths(body, b) for b in shapes])[of]
    found.rows("height", c.file, np.abs(height - heights) > TOL_M, c.names, "a3dgen_height_m is not the body's height")
    wrong = np.abs(segment - segments) > TOL_M
    found.rows("segment", c.file, wrong, c.names, "a3dgen_segment_m is not the body's")


def _cuts(c: Columns, body: BodyData, collapsed: bool, found: Findings) -> None:
    """Cut again: the length of a stump, and the place of its end, follow from ``a3dgen_residual``."""
    e, cut = c.extra, np.flatnonzero(c.removed.any(1))
    chosen = cut if len(cut) <= MOST_REBUILT else cut[np.linspace(0, len(cut) - 1, MOST_REBUILT).astype(int)]
    if len(chosen) < len(cut):
        found.skip("residual", f"{c.file}: {len(chosen)} of {len(cut)} limbs were cut again, evenly spaced")
    wrong, away = (np.zeros(len(c.names), bool) for _ in range(2))
    for i in chosen:
        residual = e["residual"][i].astype(np.float64)
        if ((residual <= 0) | (residual > 1)).any():
            continue  # another rule reports it
        fit = BodyFit(*(e[k][i].astype(np.float64) for k in ("pose", "betas", "transl")))
        cut_again = Cut(c.removed[i], residual, COLLAPSE if collapsed else RESIDUAL)
        again = rebuild(body, fit, cut_again)
        wrong[i] = (np.abs(again.stump_length - e["stump_m"][i]) > END_TOL_M)[c.removed[i]].any()
        if not collapsed and (again.stump_length < SHORT * again.segment)[c.removed[i]].any():
            ends = e["residual_ends_3d"][i, :, :3] + e["root"][i]
            away[i] = _off_short_ends(ends, [again.ends, *_ends_of_other_caps(body, fit, cut_again)])
    found.rows("residual", c.file, wrong, c.names, "a limb cut at a3dgen_residual is not a3dgen_stump_m long")
    found.rows("stump", c.file, away, c.names, "a3dgen_residual_ends_3d is not where the limb cut again ends")


def _ends_of_other_caps(body: BodyData, fit: BodyFit, cut: Cut) -> list[np.ndarray]:
    """Return the ends (8, 4) with the flattest and the highest cap that plans draw: near the torso a little in the
    cut's place decides which bone the end follows."""
    caps = [cut.stump.copy() for _ in range(2)]
    for cap, height in zip(caps, PlanConfig().cap_height, strict=True):
        cap[:, 1] = height
    return [rebuild(body, fit, replace(cut, stump=cap)).ends for cap in caps]


def _off_short_ends(stated: np.ndarray, again: list[np.ndarray]) -> bool:
    """Return whether one of the stated ends (8, 3), m, is near none of those of the limb cut again."""
    there = again[0][:, 3] > 0
    off = np.min([np.linalg.norm(ends[there, :3] - stated[there], axis=1) for ends in again], axis=0)
    return bool((off > SHORT_TOL_M).any())
