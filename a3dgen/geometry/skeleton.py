"""THE table of SMPL joints and of the 44 keypoint rows. Nothing else spells a joint or a row by number.

Rows 0-24 are OpenPose BODY_25, rows 25-43 the 19 extra joints of SPIN and its descendants.
"""

from __future__ import annotations

import numpy as np

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand",
)  # fmt: skip
JOINT = {name: i for i, name in enumerate(JOINTS)}
PARENTS = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21])
NUM_JOINTS = len(JOINTS)

BODY_ROWS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe",
    "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
EXTRA_ROWS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist",
    "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck_lsp",
    "head_top_lsp", "pelvis_mpii", "thorax_mpii", "spine_h36m", "jaw_h36m", "head_h36m",
)  # fmt: skip
ROWS = tuple(f"body_{n}" for n in BODY_ROWS) + tuple(f"extra_{n}" for n in EXTRA_ROWS)
ROW = {name: i for i, name in enumerate(ROWS)}
NUM_BODY_ROWS, NUM_ROWS = len(BODY_ROWS), len(ROWS)

ROW_JOINT: dict[int, int] = {
    ROW[row]: JOINT[row.split("_", 1)[1].replace("mid_hip", "pelvis")]
    for row in ROWS
    if row.split("_", 1)[1].replace("mid_hip", "pelvis") in JOINT
}
"""Row -> SMPL joint whose centre it is (body 1..14 and extra 25..36). The hips of the extra set are regressed
hips in the published data; here, as on output, they are the body's own joints."""

LANDMARK_ROWS = tuple(
    ROW[f"body_{n}"]
    for n in ("nose", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe",
              "left_heel", "right_big_toe", "right_small_toe", "right_heel")
)  # fmt: skip
"""Rows that lie on the skin; all others are joint centres inside the body."""

ROOT_ROW = ROW["body_mid_hip"]
"""The row that is the origin of pelvis-centred 3D keypoints."""

ANATOMICAL: tuple[str, ...] = tuple(row.split("_", 1)[1].replace("mid_hip", "pelvis_mpii") for row in ROWS)
"""Row -> anatomical point; rows with the same entry are one point (minimum counts are over distinct points)."""

COCO_ROWS = tuple(
    ROW[n]
    for n in ("body_nose", "body_left_eye", "body_right_eye", "body_left_ear", "body_right_ear",
              "extra_left_shoulder", "extra_right_shoulder", "extra_left_elbow", "extra_right_elbow",
              "extra_left_wrist", "extra_right_wrist", "extra_left_hip", "extra_right_hip",
              "extra_left_knee", "extra_right_knee", "extra_left_ankle", "extra_right_ankle")
)  # fmt: skip
"""COCO keypoint 0..16 -> input row."""

COCO_FOOT_ROWS = tuple(
    ROW[f"body_{n}"]
    for n in ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
)
"""COCO-WholeBody foot keypoint 0..5 -> input row."""

SPIN_ROWS = tuple(
    ROW[n]
    for n in (*(f"extra_{n}" for n in EXTRA_ROWS), "body_nose", "body_left_eye", "body_right_eye", "body_left_ear",
              "body_right_ear")
)  # fmt: skip
"""The 24 joints of SPIN's training files -> input row."""

MPII_ROWS = tuple(
    ROW[f"extra_{n}"]
    for n in ("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis_mpii",
              "thorax_mpii", "neck_lsp", "head_top_lsp", "right_wrist", "right_elbow", "right_shoulder",
              "left_shoulder", "left_elbow", "left_wrist")
)  # fmt: skip
"""MPII joint 0..15 -> input row."""

_H36M_COMMON = ("spine_h36m", "neck_lsp", "jaw_h36m", "head_h36m", "left_shoulder", "left_elbow", "left_wrist",
                "right_shoulder", "right_elbow", "right_wrist")  # fmt: skip
H36M_RIGHT_FIRST_ROWS = tuple(
    ROW[f"extra_{n}"]
    for n in ("pelvis_mpii", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
              *_H36M_COMMON)
)  # fmt: skip
"""H36M 17 joints in the official (mmpose) order, right leg first -> input row."""
H36M_LEFT_FIRST_ROWS = tuple(
    ROW[f"extra_{n}"]
    for n in ("pelvis_mpii", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle",
              *_H36M_COMMON)
)  # fmt: skip
"""H36M 17 joints in the SPIN / mmhuman3d order, left leg first -> input row."""


def _swap_side(name: str) -> str:
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


JOINT_FLIP = np.array([JOINT[_swap_side(n)] for n in JOINTS])
"""Joint permutation of a mirrored body."""
ROW_FLIP = np.array([ROW[_swap_side(n)] for n in ROWS])
"""Row permutation of a mirrored image."""


def _exchange(joints: tuple[str, ...]) -> np.ndarray:
    rows = np.arange(NUM_ROWS)
    some = [row for row in rows if ANATOMICAL[row].split("_")[-1] in joints]
    rows[some] = ROW_FLIP[some]
    return rows


EXCHANGES: dict[str, np.ndarray] = {
    "labels": ROW_FLIP,
    "arms": _exchange(("shoulder", "elbow", "wrist")),
    "legs": _exchange(("hip", "knee", "ankle", "toe", "heel")),
}
"""Row permutations that exchange left and right of all labels, of those of the arms or of those of the legs."""


def descendants(joint: int) -> tuple[int, ...]:
    """Return the joint and everything below it in the tree, in ascending order."""
    below = {joint}
    for child in range(joint + 1, NUM_JOINTS):
        if PARENTS[child] in below:
            below.add(child)
    return tuple(sorted(below))


IS_BELOW = np.array([[j in descendants(a) for j in range(NUM_JOINTS)] for a in range(NUM_JOINTS)])
"""(24, 24) bool: [a, j] is true where joint j is a or below it."""
