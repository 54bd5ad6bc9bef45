import numpy as np
import pytest

from a3dgen.core.errors import ConfigError
from a3dgen.geometry.regions import (
    INTACT,
    LIMBS,
    REGION_FLIP,
    REGION_NAMES,
    REGIONS,
    RESIDUAL_ENDS,
    absent_joints,
    absent_rows,
    find_region,
    label,
    most_proximal,
)
from a3dgen.geometry.skeleton import JOINT_FLIP, NUM_ROWS, PARENTS, ROW_FLIP

# written out by hand from the published region table and the keypoint rows of the output format
BY_HAND = {
    0: ("right_hand", (21, 23), (4, 31), (19, 21), 3, "wrist disarticulation", "transradial"),
    1: ("right_elbow", (19, 21, 23), (3, 4, 31, 32), (17, 19), 1, "elbow disarticulation", "transhumeral"),
    2: ("right_shoulder", (17, 19, 21, 23), (2, 3, 4, 31, 32, 33), (14, 17), None, "shoulder disarticulation", None),
    3: ("left_hand", (20, 22), (7, 36), (18, 20), 2, "wrist disarticulation", "transradial"),
    4: ("left_elbow", (18, 20, 22), (6, 7, 35, 36), (16, 18), 0, "elbow disarticulation", "transhumeral"),
    5: ("left_shoulder", (16, 18, 20, 22), (5, 6, 7, 34, 35, 36), (13, 16), None, "shoulder disarticulation", None),
    6: ("left_foot", (7, 10), (14, 19, 20, 21, 30), (4, 7), 6, "ankle disarticulation", "transtibial"),
    7: ("left_knee", (4, 7, 10), (13, 14, 19, 20, 21, 29, 30), (1, 4), 4, "knee disarticulation", "transfemoral"),
    8: ("left_hip", (1, 4, 7, 10), (12, 13, 14, 19, 20, 21, 28, 29, 30), (0, 1), None, "hip disarticulation", None),
    9: ("right_foot", (8, 11), (11, 22, 23, 24, 25), (5, 8), 7, "ankle disarticulation", "transtibial"),
    10: ("right_knee", (5, 8, 11), (10, 11, 22, 23, 24, 25, 26), (2, 5), 5, "knee disarticulation", "transfemoral"),
    11: ("right_hip", (2, 5, 8, 11), (9, 10, 11, 22, 23, 24, 25, 26, 27), (0, 2), None, "hip disarticulation", None),
}


@pytest.mark.parametrize("index", BY_HAND)
def test_table(index):
    r = REGIONS[index]
    name, joints, rows, segment, end, at_joint, through = BY_HAND[index]
    assert (r.index, r.name, r.joints, r.rows, r.segment, r.end) == (index, name, joints, rows, segment, end)
    assert (r.disarticulation, r.through, r.cuttable) == (at_joint, through, through is not None)
    assert r.joint == r.joints[0]
    assert PARENTS[r.joint] == r.segment[0]
    assert r.limb == ("arm" if index < 6 else "leg")


def test_residual_ends_in_output_order():
    assert RESIDUAL_ENDS == (
        "above_left_elbow", "above_right_elbow", "below_left_elbow", "below_right_elbow",
        "above_left_knee", "above_right_knee", "below_left_knee", "below_right_knee",
    )  # fmt: skip


def test_limbs_distal_first():
    assert LIMBS == ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))


@pytest.mark.parametrize("index", BY_HAND)
def test_flip(index):
    mirror = REGIONS[REGION_FLIP[index]]
    assert REGION_FLIP[REGION_FLIP[index]] == index
    assert mirror.side != REGIONS[index].side
    assert sorted(JOINT_FLIP[list(REGIONS[index].joints)]) == list(mirror.joints)
    assert sorted(ROW_FLIP[list(REGIONS[index].rows)]) == list(mirror.rows)


@pytest.mark.parametrize(
    ("name", "region", "through"),
    [
        ("left_knee", "left_knee", None),
        ("Left Knee", "left_knee", None),
        ("left_transtibial", "left_foot", True),
        ("right transfemoral", "right_knee", True),
        ("left-transradial", "left_hand", True),
        ("right_transhumeral", "right_elbow", True),
        ("right wrist disarticulation", "right_hand", False),
        ("LEFT_HIP_DISARTICULATION", "left_hip", False),
    ],
)
def test_names(name, region, through):
    found, kind = find_region(name)
    assert (found.name, kind) == (region, through)


@pytest.mark.parametrize(("name", "hint"), [("left_nee", "left_knee"), ("knee", "left_knee"), ("", "valid")])
def test_unknown_names(name, hint):
    with pytest.raises(ConfigError, match=hint):
        find_region(name)


def test_clinical_terms():
    assert REGIONS[6].clinical(0.5) == "left transtibial"
    assert REGIONS[6].clinical(1.0) == "left ankle disarticulation"
    assert REGIONS[2].clinical(1.0) == "right shoulder disarticulation"


def test_most_proximal():
    assert most_proximal([0, 1, 7, 6, 11]) == [1, 7, 11]
    assert most_proximal([]) == []


def test_absence_and_labels():
    removed = np.zeros((3, 12), bool)
    removed[1, 7] = True
    removed[2, [0, 11]] = True
    joints, rows = absent_joints(removed), absent_rows(removed)
    assert joints.sum(1).tolist() == [0, 3, 6]
    assert set(np.flatnonzero(rows[1])) == set(BY_HAND[7][2])
    assert set(np.flatnonzero(rows[2])) == set(BY_HAND[0][2]) | set(BY_HAND[11][2])
    assert rows.shape == (3, NUM_ROWS)
    assert [label(r) for r in removed] == [INTACT, 7, 0]
    assert INTACT == 12
    assert len(REGION_NAMES) == 12
