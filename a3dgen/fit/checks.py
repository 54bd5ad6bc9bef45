"""Checks before and after a fit: too few labels, implausible bodies; every refusal states what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.geometry.skeleton import ANATOMICAL, JOINT, ROW

COINCIDENT = 0.5
"""px: two different body joints labelled this close together are one label given twice."""
_LIMB_POINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BONES = {
    "upper arm": ("shoulder", "elbow", 0.17, 0.42), "forearm": ("elbow", "wrist", 0.15, 0.38),
    "thigh": ("hip", "knee", 0.26, 0.60), "shin": ("knee", "ankle", 0.25, 0.58),
}  # fmt: skip
"""Bone -> its ends, and the shortest and longest (m) that adults and older children have."""
FACE_AWAY = 0.35
"""A face whose normal points away from the camera by more than this (cosine) cannot be seen."""


@dataclass(frozen=True)
class Gate:
    """Limits of a usable fit.

    Attributes:
        max_reprojection: mean reprojection error as a share of the person's size.
        max_prior: pose prior energy (natural-log units) of the fitted pose.
        max_beta: largest shape coefficient, in standard deviations.
    """

    max_reprojection: float
    max_prior: float
    max_beta: float


def check_labels(
    keypoints: Float[ndarray, "44 3"], used: Bool[ndarray, "44"], least: int, size: float, min_size: float
) -> None:
    """Refuse labels that no fit can mend.

    Args:
        keypoints: px, px, confidence. used: rows that are labelled and on the image.
        least: number of distinct anatomical points needed.
        size: longer side (px) of the person's box. min_size: least such size.

    Raises:
        Rejected: with the reason.
    """
    if not np.isfinite(keypoints[used]).all():
        rows = np.flatnonzero(used & ~np.isfinite(keypoints).all(1))
        raise Rejected(f"the keypoint '{ANATOMICAL[rows[0]]}' is not finite")
    points = {ANATOMICAL[row] for row in np.flatnonzero(used)}
    if len(points) < least:
        raise Rejected(f"{len(points)} usable keypoint{'s' * (len(points) != 1)}, {least} needed")
    if not size >= min_size:
        raise Rejected(f"the person is {size:.0f} px large, {min_size:.0f} px needed")
    limbs = [row for row in np.flatnonzero(used) if ANATOMICAL[row].split("_")[-1] in _LIMB_POINTS]
    for n, a in enumerate(limbs):
        for b in limbs[:n]:
            apart = np.linalg.norm(keypoints[a, :2] - keypoints[b, :2])
            if ANATOMICAL[a] != ANATOMICAL[b] and apart < COINCIDENT:
                raise Rejected(f"'{ANATOMICAL[b]}' and '{ANATOMICAL[a]}' are labelled at the same place")


def check_fit(
    gate: Gate, reprojection: float, prior: float, betas: Float[ndarray, " b"], joints: Float[ndarray, "24 3"]
) -> None:
    """Refuse a bad fit.

    Args:
        reprojection: mean reprojection error as a share of the person's size, NaN if a keypoint is behind the camera.
        prior: pose prior energy. betas: shape. joints: (24, 3) m.

    Raises:
        Rejected: with the number that is out of bounds.
    """
    if not joints[:, 2].min() > 0 or np.isnan(reprojection):
        raise Rejected("the fit reaches behind the camera")
    if not reprojection <= gate.max_reprojection:
        raise Rejected(
            f"keypoints are missed by {100 * reprojection:.1f} % of the person's size, "
            f"at most {100 * gate.max_reprojection:.1f} % allowed"
        )
    if not prior <= gate.max_prior:
        raise Rejected(f"the pose is implausible: prior energy {prior:.0f}, at most {gate.max_prior:.0f} allowed")
    if not np.abs(betas).max() <= gate.max_beta:
        raise Rejected(f"the shape is implausible: a coefficient of {np.abs(betas).max():.1f} standard deviations")
    for name, (start, end, least, most) in BONES.items():
        for side in ("left", "right"):
            length = np.linalg.norm(joints[JOINT[f"{side}_{start}"]] - joints[JOINT[f"{side}_{end}"]])
            if not least <= length <= most:
                raise Rejected(f"the {side} {name} would be {length:.2f} m long")


def faces_away(rotation: Float[ndarray, "3 3"], joints: Float[ndarray, "24 3"]) -> bool:
    """Return whether the face of a fit cannot be seen.

    Args:
        rotation: posed rotation of the head in the camera frame. joints: (24, 3) m.
    """
    ray = joints[JOINT["head"]] / np.linalg.norm(joints[JOINT["head"]])
    return float(rotation[:, 2] @ ray) > FACE_AWAY  # the face looks along +Z of the head


FACE_ROWS = [ROW["body_nose"], ROW["body_left_eye"], ROW["body_right_eye"]]
