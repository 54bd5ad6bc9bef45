"""THE table of the 12 AJAHR amputation regions: joints, keypoint rows, segment, residual-limb end, clinical terms.

Region order and absent joints: the AJAHR index (docs/labels.md). Clinical terms: ISO 8549-4:2020
(transfemoral and hip disarticulation are in common use; their wording in the standard was not verified).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.geometry.skeleton import JOINT, JOINTS, ROW, ROWS, descendants

INTACT = 12
"""AJAHR label of a body with nothing removed."""


@dataclass(frozen=True)
class Region:
    """One AJAHR region.

    Attributes:
        index: 0..11 in AJAHR order.
        name: AJAHR name, e.g. ``right_hand``.
        side: ``left`` or ``right``.
        limb: ``arm`` or ``leg``.
        joint: first absent SMPL joint.
        joints: all absent SMPL joints, ascending.
        rows: all absent keypoint rows, ascending.
        segment: (proximal joint, distal joint) of the segment that carries the stump; for Shoulder and Hip the
            joint proximal of the torso closure and the removed joint itself.
        cuttable: whether ``residual`` below 1 is possible (false for Shoulder and Hip).
        end: row 0..7 of the residual-limb end keypoint, or None.
        disarticulation: clinical name at residual 1.
        through: clinical name at residual below 1, or None.
    """

    index: int
    name: str
    side: str
    limb: str
    joint: int
    joints: tuple[int, ...]
    rows: tuple[int, ...]
    segment: tuple[int, int]
    cuttable: bool
    end: int | None
    disarticulation: str
    through: str | None

    def clinical(self, residual: float) -> str:
        """Return the clinical term, side included, e.g. ``left transtibial``."""
        term = self.through if self.through and residual < 1 else self.disarticulation
        return f"{self.side} {term}"


RESIDUAL_ENDS = (
    "above_left_elbow", "above_right_elbow", "below_left_elbow", "below_right_elbow",
    "above_left_knee", "above_right_knee", "below_left_knee", "below_right_knee",
)  # fmt: skip
"""Residual-limb end keypoints in output order (the 17 + 8 schema of LDPose / InclusiveVidPose)."""

# level: (first absent joint, proximal joint of the carrying segment, end keypoint, at the joint, through the segment)
_LEVELS = {
    "hand": ("wrist", "elbow", "below_{}_elbow", "wrist disarticulation", "transradial"),
    "elbow": ("elbow", "shoulder", "above_{}_elbow", "elbow disarticulation", "transhumeral"),
    "shoulder": ("shoulder", "collar", None, "shoulder disarticulation", None),
    "foot": ("ankle", "knee", "below_{}_knee", "ankle disarticulation", "transtibial"),
    "knee": ("knee", "hip", "above_{}_knee", "knee disarticulation", "transfemoral"),
    "hip": ("hip", None, None, "hip disarticulation", None),
}
_ORDER = (
    "right_hand", "right_elbow", "right_shoulder", "left_hand", "left_elbow", "left_shoulder",
    "left_foot", "left_knee", "left_hip", "right_foot", "right_knee", "right_hip",
)  # fmt: skip
_EXTRA_ROWS_BELOW = {"ankle": ("big_toe", "small_toe", "heel")}


def _absent_rows(joints: tuple[int, ...]) -> tuple[int, ...]:
    names = {JOINTS[j] for j in joints}
    for joint, landmarks in _EXTRA_ROWS_BELOW.items():
        names |= {f"{s}_{m}" for s in ("left", "right") if f"{s}_{joint}" in names for m in landmarks}
    return tuple(i for i, row in enumerate(ROWS) if row.split("_", 1)[1] in names)


def _region(index: int, name: str) -> Region:
    side, level = name.split("_")
    joint_name, proximal, end, at_joint, through = _LEVELS[level]
    joint = JOINT[f"{side}_{joint_name}"]
    joints = descendants(joint)
    start = JOINT[f"{side}_{proximal}"] if proximal else JOINT["pelvis"]
    return Region(
        index=index,
        name=name,
        side=side,
        limb="arm" if level in ("hand", "elbow", "shoulder") else "leg",
        joint=joint,
        joints=joints,
        rows=_absent_rows(joints),
        segment=(start, joint),
        cuttable=through is not None,
        end=RESIDUAL_ENDS.index(end.format(side)) if end else None,
        disarticulation=at_joint,
        through=through,
    )


REGIONS = tuple(_region(i, n) for i, n in enumerate(_ORDER))
REGION_NAMES = _ORDER
NUM_REGIONS = len(REGIONS)
REGION_FLIP = np.array(
    [_ORDER.index(n.replace("left", "*").replace("right", "left").replace("*", "right")) for n in _ORDER]
)
"""Region permutation of a mirrored body."""
LIMBS = tuple(
    tuple(r.index for r in REGIONS if (r.side, r.limb) == limb)
    for limb in (("right", "arm"), ("left", "arm"), ("left", "leg"), ("right", "leg"))
)
"""The regions of each limb, distal first, in the order of the four BPAC-Net heads (AJAHR order of limbs)."""

_CLINICAL = {
    f"{r.side}_{term.replace(' ', '_')}": (r.index, term == r.through)
    for r in REGIONS
    for term in (r.disarticulation, r.through)
    if term
}


def find_region(name: str) -> tuple[Region, bool | None]:
    """Look up a region by AJAHR or clinical name.

    Args:
        name: ``left_knee``, ``left_transfemoral``, ``right wrist disarticulation``; case, blanks and dashes are free.

    Returns:
        The region, and whether a clinical name asks for a cut through the segment (True), at the joint (False), or
        leaves it open (None, AJAHR names).

    Raises:
        ConfigError: for an unknown name.
    """
    slug = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    if slug in _ORDER:
        return REGIONS[_ORDER.index(slug)], None
    if slug in _CLINICAL:
        index, through = _CLINICAL[slug]
        return REGIONS[index], through
    raise ConfigError(f"unknown amputation region '{name}'{nearest(slug, [*_ORDER, *_CLINICAL])}")


def most_proximal(regions: list[int]) -> list[int]:
    """Keep the most proximal of the given regions on each limb, in AJAHR order."""
    kept = [[r for r in limb if r in regions][-1:] for limb in LIMBS]
    return sorted(r for limb in kept for r in limb)


def absent_joints(removed: np.ndarray) -> np.ndarray:
    """Return (..., 24) bool: joints absent under flags ``removed`` (..., 12)."""
    table = np.zeros((NUM_REGIONS, len(JOINTS)), bool)
    for r in REGIONS:
        table[r.index, list(r.joints)] = True
    return (removed[..., None] & table).any(-2)


def absent_rows(removed: np.ndarray) -> np.ndarray:
    """Return (..., 44) bool: keypoint rows absent under flags ``removed`` (..., 12)."""
    table = np.zeros((NUM_REGIONS, len(ROW)), bool)
    for r in REGIONS:
        table[r.index, list(r.rows)] = True
    return (removed[..., None] & table).any(-2)


def among(labels: np.ndarray, values: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return where 8-bit part labels are one of ``values``: by a table, in a tenth of the time of ``numpy.isin``."""
    table = np.zeros(256, bool)
    table[np.asarray(values, np.int64)] = True
    return table[labels]


def label(removed: np.ndarray) -> int:
    """Return the AJAHR class of one sample: its first removed region, or 12 if intact."""
    flagged = np.flatnonzero(removed)
    return int(flagged[0]) if len(flagged) else INTACT
