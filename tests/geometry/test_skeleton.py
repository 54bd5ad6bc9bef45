import numpy as np
import pytest

from a3dgen.geometry.skeleton import (
    ANATOMICAL,
    COCO_FOOT_ROWS,
    COCO_ROWS,
    H36M_LEFT_FIRST_ROWS,
    H36M_RIGHT_FIRST_ROWS,
    IS_BELOW,
    JOINT,
    JOINT_FLIP,
    JOINTS,
    LANDMARK_ROWS,
    MPII_ROWS,
    NUM_BODY_ROWS,
    NUM_JOINTS,
    NUM_ROWS,
    PARENTS,
    ROOT_ROW,
    ROW_FLIP,
    ROW_JOINT,
    ROWS,
    descendants,
)


def test_sizes():
    assert (NUM_JOINTS, NUM_BODY_ROWS, NUM_ROWS, ROOT_ROW) == (24, 25, 44, 8)
    assert len(set(ROWS)) == 44


def test_joints_of_the_body_rows():
    assert [ROW_JOINT[r] for r in range(1, 15)] == [12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7]
    assert [ROW_JOINT[r] for r in range(25, 37)] == [8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20]
    assert set(ROW_JOINT) == {*range(1, 15), *range(25, 37)}
    assert set(LANDMARK_ROWS) == {0, *range(15, 25)}


def test_rows_of_the_sources():
    assert COCO_ROWS == (0, 16, 15, 18, 17, 34, 33, 35, 32, 36, 31, 28, 27, 29, 26, 30, 25)
    assert tuple(range(19, 25)) == COCO_FOOT_ROWS
    assert MPII_ROWS == (25, 26, 27, 28, 29, 30, 39, 40, 37, 38, 31, 32, 33, 34, 35, 36)
    assert H36M_RIGHT_FIRST_ROWS == (39, 27, 26, 25, 28, 29, 30, 41, 37, 42, 43, 34, 35, 36, 33, 32, 31)
    assert H36M_LEFT_FIRST_ROWS == (39, 28, 29, 30, 27, 26, 25, 41, 37, 42, 43, 34, 35, 36, 33, 32, 31)


@pytest.mark.parametrize("flip", [JOINT_FLIP, ROW_FLIP])
def test_flips_are_their_own_inverse(flip):
    assert np.array_equal(flip[flip], np.arange(len(flip)))


def test_flips_swap_sides_only():
    assert JOINTS[JOINT_FLIP[JOINT["left_knee"]]] == "right_knee"
    assert JOINT_FLIP[JOINT["spine2"]] == JOINT["spine2"]
    for joint in range(1, NUM_JOINTS):
        assert JOINT_FLIP[PARENTS[joint]] == PARENTS[JOINT_FLIP[joint]]
    assert ROWS[ROW_FLIP[19]] == "body_right_big_toe"


def test_tree():
    assert (PARENTS[1:] < np.arange(1, NUM_JOINTS)).all()
    assert descendants(16) == (16, 18, 20, 22)
    assert descendants(0) == tuple(range(24))
    assert IS_BELOW[4].nonzero()[0].tolist() == [4, 7, 10]


def test_twin_rows_are_one_anatomical_point():
    assert ANATOMICAL[10] == ANATOMICAL[26] == "right_knee"
    assert ANATOMICAL[8] == ANATOMICAL[39] == "pelvis_mpii"
    assert len(set(ANATOMICAL)) == 44 - 13
