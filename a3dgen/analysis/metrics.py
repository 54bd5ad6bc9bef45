"""Evaluation formulas: errors between predicted and true joints, overall and for bodies with missing limbs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.geometry.skeleton import JOINT, ROW

EVAL_JOINTS = tuple(
    JOINT[n]
    for n in ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "neck", "head",
              "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist")
)  # fmt: skip
"""The 14 joints of the common protocol (SMPL joints; no regressor), root = centre of the hips."""
H36M_EVAL_ROWS = tuple(
    ROW[f"extra_{n}"]
    for n in ("pelvis_mpii", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
              "spine_h36m", "neck_lsp", "jaw_h36m", "head_h36m", "left_shoulder", "left_elbow", "left_wrist",
              "right_shoulder", "right_elbow", "right_wrist")
)  # fmt: skip
"""The 17 joints of Human3.6M as keypoint rows."""


def hip_centred(joints: Float[ndarray, "*n 24 3"]) -> Float[ndarray, "*n 24 3"]:
    """Return joints relative to the centre of the two hips."""
    hips = joints[..., [JOINT["left_hip"], JOINT["right_hip"]], :]
    return joints - hips.mean(-2, keepdims=True)


def mpjpe(
    predicted: Float[ndarray, "n k 3"], true: Float[ndarray, "n k 3"], present: Bool[ndarray, "n k"] | None = None
) -> Float[ndarray, " n"]:
    """Mean per-joint position error of each person, in the unit of the inputs.

    Args:
        predicted, true: points in a common frame (already centred as the protocol asks).
        present: joints that exist; the mean is over these alone. A person with none gives NaN.
    """
    return _mean_over(np.linalg.norm(predicted - true, axis=-1), present)


def pa_mpjpe(
    predicted: Float[ndarray, "n k 3"], true: Float[ndarray, "n k 3"], present: Bool[ndarray, "n k"] | None = None
) -> Float[ndarray, " n"]:
    """MPJPE after the best similarity transform (Procrustes, no reflection) of each person's present joints."""
    weights = np.ones(predicted.shape[:2]) if present is None else present.astype(np.float64)
    return mpjpe(similarity_align(predicted, true, weights), true, present)


def similarity_align(
    moving: Float[ndarray, "n k 3"], fixed: Float[ndarray, "n k 3"], weights: Float[ndarray, "n k"]
) -> Float[ndarray, "n k 3"]:
    """Return ``moving`` after the weighted least-squares scale, rotation and shift onto ``fixed`` (Umeyama 1991)."""
    w = weights[..., None] / np.maximum(weights.sum(1), 1e-12)[:, None, None]
    mean_m, mean_f = (w * moving).sum(1, keepdims=True), (w * fixed).sum(1, keepdims=True)
    m, f = moving - mean_m, fixed - mean_f
    u, s, vt = np.linalg.svd(np.swapaxes(w * m, 1, 2) @ f)
    flip = np.ones_like(s)
    flip[:, -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * flip[:, None]) @ vt
    variance = np.maximum((w * m**2).sum((1, 2)), 1e-12)
    scale = (s * flip).sum(1) / variance
    return scale[:, None, None] * (m @ rotation) + mean_f


def _mean_over(values: Float[ndarray, "n k"], present: Bool[ndarray, "n k"] | None) -> Float[ndarray, " n"]:
    if present is None:
        return values.mean(1)
    count = present.sum(1)
    total = np.where(present, values, 0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def hallucination_rate(
    confidence: Float[ndarray, "n k"], absent: Bool[ndarray, "n k"], threshold: float = 0.5
) -> float:
    """Share of absent joints that are predicted with at least this confidence; NaN if nothing is absent."""
    return float((confidence[absent] >= threshold).mean()) if absent.any() else float("nan")


def exclusive_keypoints() -> dict[str, tuple[str, ...]]:
    """Return M: the points that cannot exist beside a point of the 17 + 8 schema, by name.

    Derived per side (CLINICAL, "LiCC"): a residual-limb end excludes the joints it replaces and the other end of its
    limb; a wrist or ankle excludes both ends, an elbow or knee the end above it. The published table is not verified.
    """
    table: dict[str, tuple[str, ...]] = {}
    for side in ("left", "right"):
        for middle, end in (("elbow", "wrist"), ("knee", "ankle")):
            below, above = f"below_{side}_{middle}", f"above_{side}_{middle}"
            table[below] = (f"{side}_{end}", above)
            table[above] = (f"{side}_{middle}", f"{side}_{end}", below)
            table[f"{side}_{end}"] = (below, above)
            table[f"{side}_{middle}"] = (above,)
    return table


def licc(scores: Float[ndarray, "n 25"], present: Bool[ndarray, "n 25"], names: tuple[str, ...]) -> float:
    """Limb-consistency: how often a true point scores higher than every point that cannot exist beside it.

    LiCC = mean over labelled points i of 1(s_i > max over j in M(i) of s_j) (InclusiveVidPose, ICLR 2026). Points
    without exclusions do not count. NaN if there is no such point.
    """
    hits = []
    for name, excluded in exclusive_keypoints().items():
        i, others = names.index(name), [names.index(o) for o in excluded]
        hits.append((scores[:, i] > scores[:, others].max(1))[present[:, i]])
    found = np.concatenate(hits)
    return float(found.mean()) if len(found) else float("nan")


def classification(predicted: Bool[ndarray, "n 12"], true: Bool[ndarray, "n 12"]) -> dict[str, ndarray]:
    """Return precision, recall and F1 (12,) of every region; NaN where undefined."""
    hit = (predicted & true).sum(0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hit / predicted.sum(0), hit / true.sum(0)
        f1 = 2 * hit / (predicted.sum(0) + true.sum(0))
    return {"precision": precision, "recall": recall, "f1": f1}
