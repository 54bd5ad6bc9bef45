"""Fit errors for the report: against labels, measured 3D joints, and the demo's ground truth."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from a3dgen.analysis.metrics import EVAL_JOINTS, H36M_EVAL_ROWS, hip_centred, mpjpe, pa_mpjpe
from a3dgen.bodies import load_body
from a3dgen.core.stage import Context, Inputs
from a3dgen.demo.truth import Truth, read_truth
from a3dgen.geometry.body import PosedBody, pose_body
from a3dgen.io.images import read_mask

MM = 1000.0
TRUTH = "truth"


def fit_errors(context: Context, shard: Inputs) -> dict[str, list[float]]:
    """Return the errors of every fitted person of a shard, by measure.

    Measures: ``reprojection_percent`` of the person's box side; ``joints3d_mm``, root-aligned over the 17 joints where
    the source measured them; ``truth_mpjpe_mm``, ``truth_pa_mpjpe_mm`` over 14 joints and ``leftover_px`` (pixels of
    the true person that no plate filled) where the demo's ground truth lies beside the build.
    """
    body = load_body(context.body)
    out: dict[str, list[float]] = {}
    at, truths = shard.persons.index(), _truths(context.out / TRUTH)
    plates = shard.plates.index() if shard.plates is not None else {}
    for i, key in enumerate(shard.bodies.key):
        person, fit = shard.persons.row(at[key]), shard.bodies.row(i)
        box = person["bbox"]
        side = max(box[2] - box[0], box[3] - box[1], 1.0)
        out.setdefault("reprojection_percent", []).append(100 * float(fit["reproj_px"]) / side)
        posed = pose_body(body, fit["pose"], fit["betas"], fit["transl"])
        measured = person["joints3d"][list(H36M_EVAL_ROWS)]
        if (measured[:, 3] > 0).all():
            rows = posed.keypoints[list(H36M_EVAL_ROWS)]
            error = np.linalg.norm((rows - rows[0]) - (measured[:, :3] - measured[0, :3]), axis=1).mean()
            out.setdefault("joints3d_mm", []).append(MM * float(error))
        if key in truths:
            for name, value in _against_truth(posed, truths[key]).items():
                out.setdefault(name, []).append(value)
            if key in plates:
                filled = read_mask(context.out / shard.plates.mask[plates[key]])
                out.setdefault("leftover_px", []).append(_leftover(truths[key], filled))
    return out


def _against_truth(posed: PosedBody, truth: Truth) -> dict[str, float]:
    eval_joints = list(EVAL_JOINTS)
    found = hip_centred(posed.joints)[None, eval_joints]
    true = hip_centred(truth.joints)[None, eval_joints]
    return {
        "truth_mpjpe_mm": MM * float(mpjpe(found, true)[0]),
        "truth_pa_mpjpe_mm": MM * float(pa_mpjpe(found, true)[0]),
    }


def _leftover(truth: Truth, filled: np.ndarray) -> float:
    return float((read_mask(truth.mask) & ~filled).sum())


@functools.lru_cache(maxsize=2)
def _truths(folder: Path) -> dict[str, Truth]:
    return read_truth(folder) if folder.is_dir() else {}
