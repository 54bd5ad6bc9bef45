"""Names of keypoints as annotation tools write them."""

from __future__ import annotations

import pytest

from a3dgen.geometry.keypoint_names import (
    H36M_NAMES,
    rows_of_count,
    rows_of_names,
    split_name,
)
from a3dgen.geometry.skeleton import COCO_FOOT_ROWS, COCO_ROWS, MPII_ROWS, ROW


@pytest.mark.parametrize(
    "name",
    ["left_ankle", "Left Ankle", "l_ankle", "LAnkle", "L.Ankle", "ankle_left", "ankle.L", "leftAnkle", "LEFT-ANKLE",
     "lankle", "LeftAnkle", "ankle left", "Lt_ankle", "left ankle ", "LAnk", "lank", "l_ank", "left_ankle_joint",
     "15:left_ankle", "kpt_15_left_ankle", "keypoint-left-ankle", "Left_Ankle (point)"],
)  # fmt: skip
def test_spellings_of_one_point(name):
    assert split_name(name) == ("left", "ankle")
    assert rows_of_names([name]) == (ROW["extra_left_ankle"],)


@pytest.mark.parametrize(
    ("name", "row"),
    [("nose", "body_nose"), ("Neck", "extra_neck_lsp"), ("top_head", "extra_head_top_lsp"),
     ("HeadTop", "extra_head_top_lsp"),
     ("head_bottom", "extra_neck_lsp"), ("pelvis", "extra_pelvis_mpii"), ("upper_neck", "extra_neck_lsp"),
     ("left_big_toe", "body_left_big_toe"), ("RBigToe", "body_right_big_toe"),
     ("right_small_toe", "body_right_small_toe"),
     ("LSmallToe", "body_left_small_toe"), ("RSho", "extra_right_shoulder"), ("lelb", "extra_left_elbow"),
     ("r_wri", "extra_right_wrist"), ("RKne", "extra_right_knee"), ("1_nose", "body_nose"),
     ("bottom_head", "extra_neck_lsp"), ("nose_joint", "body_nose"),
     ("r_heel", "body_right_heel"), ("right_eye", "body_right_eye")],
)  # fmt: skip
def test_points_with_rows_of_their_own(name, row):
    assert rows_of_names([name]) == (ROW[row],)


@pytest.mark.parametrize("name", ["head", "hip", "left", "", "left_thumb4", "belly", "face-12", "ball", "lower",
                                  "left_foot", "left_eye_3", "7", "joint_7", "keypoint"])  # fmt: skip
def test_what_nobody_knows_is_left_out(name):
    assert rows_of_names([name]) == (None,)


def test_human36m_names_mean_its_own_points():
    rows = rows_of_names(H36M_NAMES)
    assert None not in rows
    assert [rows[H36M_NAMES.index(n)] for n in ("root", "spine", "thorax", "neck_base", "head")] == [
        ROW[f"extra_{n}"] for n in ("pelvis_mpii", "spine_h36m", "neck_lsp", "jaw_h36m", "head_h36m")
    ]
    mpii = ["pelvis", "thorax", "upper_neck", "head_top"]
    assert rows_of_names(mpii) == tuple(
        ROW[f"extra_{n}"] for n in ("pelvis_mpii", "thorax_mpii", "neck_lsp", "head_top_lsp")
    )


def test_human36m_names_of_3d_pose_baseline():
    names = ["Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head",
             "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"]  # fmt: skip
    assert rows_of_names(names) == rows_of_names(H36M_NAMES)


def test_a_spine_alone_does_not_make_it_human36m():
    assert rows_of_names(["pelvis", "spine", "neck", "head"]) == (
        ROW["extra_pelvis_mpii"], ROW["extra_spine_h36m"], ROW["extra_neck_lsp"], None
    )  # fmt: skip


def test_a_row_is_given_once():
    assert rows_of_names(["neck", "upper_neck"]) == (ROW["extra_neck_lsp"], None)


def test_layouts_by_their_number_of_points():
    assert rows_of_count(17) == COCO_ROWS
    assert rows_of_count(23) == (*COCO_ROWS, *COCO_FOOT_ROWS)
    assert rows_of_count(133)[:23] == rows_of_count(23)
    assert set(rows_of_count(133)[23:]) == {None}
    assert rows_of_count(16) == MPII_ROWS
    assert rows_of_count(136)[20] == ROW["body_left_big_toe"]
    assert rows_of_count(26)[21] == ROW["body_right_big_toe"]
    assert rows_of_count(14)[0] == ROW["extra_left_shoulder"]
    assert rows_of_count(18) is None
