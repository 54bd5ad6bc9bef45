from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, STATE_NAMES, VISIBLE
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.raster import rasterize, scaled_K
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.regions import NUM_REGIONS, REGION_NAMES
from a3dgen.geometry.skeleton import JOINT, NUM_ROWS, ROW, ROWS
from a3dgen.geometry.visibility import (
    Buffers,
    body_buffers,
    end_states,
    keypoint_states,
    over_own_limb,
    region_visibility,
    why_not_removable,
)

W, H = 400, 480
K = np.array([[560.0, 0, W / 2], [0, 560.0, H / 2], [0, 0, 1]])
ALL = np.ones(NUM_ROWS, bool)
_CHAIN = {"arm": ("shoulder", "elbow"), "leg": ("hip", "knee")}


@pytest.fixture(scope="module")
def reach(body):
    return visibility_reach(body)


def standing(yaw=0.0, **limbs):
    """A standing pose: ``left_arm=(upper direction, lower direction)`` in the body's frame (x left, y up, z front)."""
    down = (0.15, -1, 0)
    aims = {"left_arm": (down, down), "right_arm": ((-0.15, -1, 0), (-0.15, -1, 0)), **limbs}
    pose = np.zeros((24, 3))
    facing = Rotation.from_euler("x", 180, degrees=True) * Rotation.from_euler("y", yaw, degrees=True)
    pose[0] = facing.as_rotvec()
    for limb, directions in aims.items():
        side, kind = limb.split("_")
        rest = np.array([1.0 if side == "left" else -1.0, 0, 0]) if kind == "arm" else np.array([0, -1.0, 0])
        parent = Rotation.identity()
        for joint, direction in zip(_CHAIN[kind], directions, strict=True):
            target = np.array(direction) / np.linalg.norm(direction)
            turn, _ = Rotation.align_vectors(target[None], rest[None])
            pose[JOINT[f"{side}_{joint}"]] = (parent.inv() * turn).as_rotvec()
            parent = turn
    return pose


def look(body, pose, transl=(0.0, -0.1, 3.2), occluders=None):
    posed = pose_body(body, pose, np.zeros(body.num_betas), np.array(transl))
    vertices = posed.vertices(body.mesh, np.zeros(body.num_betas))
    return posed, body_buffers(body.mesh, vertices, K, W, H, occluders=occluders)


def rows(*names):
    """Rows of both keypoint sets that carry these names."""
    return [i for i, row in enumerate(ROWS) if row.split("_", 1)[1] in names]


FACE = ("nose", "left_eye", "right_eye")
LEGS = tuple(f"{s}_{j}" for s in ("left", "right") for j in ("hip", "knee", "ankle"))
ARMS = tuple(f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "elbow", "wrist"))
TOES = tuple(f"{s}_{t}_toe" for s in ("left", "right") for t in ("big", "small"))
TRUNK = ("neck", "mid_hip", "pelvis_mpii", "thorax_mpii", "spine_h36m", "neck_lsp", "head_top_lsp")

CASES = {
    "facing": ({}, FACE + LEGS + ARMS + TOES + TRUNK, (), ()),
    "from behind": ({"yaw": 180}, LEGS + ARMS + TRUNK + ("left_heel", "right_heel"), (*FACE, *TOES), ()),
    "from the left": (
        {"yaw": -90, "left_arm": ((0.1, -1, 0.5), (0, -1, 1))},
        ("left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle", "left_ear", "left_eye"),
        ("right_elbow", "right_wrist", "right_ear", "right_eye", "right_knee", "right_ankle"), (),
    ),
    "from the right": (
        {"yaw": 90, "right_arm": ((-0.1, -1, 0.5), (0, -1, 1))},
        ("right_shoulder", "right_elbow", "right_wrist", "right_hip", "right_knee", "right_ankle", "right_ear"),
        ("left_elbow", "left_wrist", "left_ear", "left_eye", "left_knee", "left_ankle"), (),
    ),
    "left arm behind the back": (
        {"left_arm": ((0.3, -1, -0.35), (-1, -0.1, -0.25))},
        (*FACE, *LEGS, "left_shoulder", "left_elbow", "right_wrist"), ("left_wrist",), (),
    ),
    "right hand before the chest": (
        {"right_arm": ((-0.2, -1, 0.35), (0.8, 0.0, 0.3))},
        (*FACE, *LEGS, "right_wrist", "right_elbow", "right_shoulder", "left_wrist"), ("spine_h36m",), (),
    ),
    "left hand before the eye": (
        {"left_arm": ((0.2, -0.3, 1), (-1.0, 1.2, -0.1))},
        ("right_eye", *LEGS), ("left_eye",), (),
    ),
    "crossed legs": (
        {"right_leg": ((0.33, -1, 0.2), (0.33, -1, 0.0))},
        (*FACE, "right_knee", "right_ankle", "left_hip"), ("left_ankle",), (),
    ),
    "left arm towards the camera": (
        {"left_arm": ((0, 0.05, 1), (0, 0.05, 1))},
        ("right_wrist", "left_wrist", "left_shoulder", "right_shoulder", *LEGS), (), (),
    ),
    "cropped at the shin": (
        {"transl": (0.0, 0.33, 2.2)},
        (*FACE, "left_knee", "right_knee", *ARMS), (), ("left_ankle", "right_ankle", *TOES, "left_heel"),
    ),
    "cropped at the waist": (
        {"transl": (0.0, 0.92, 2.0)},
        ("left_shoulder", "right_shoulder", "left_elbow"), (), (*LEGS, "left_wrist", "right_wrist", *TOES),
    ),
    "half outside on the left": (
        {"transl": (-0.85, -0.1, 2.4)},
        ("left_shoulder", "left_wrist", "left_knee"), (), ("right_elbow", "right_wrist", "right_shoulder"),
    ),
    "right thigh towards the camera": (
        {"yaw": 0, "right_leg": ((0, -0.1, 1), (0, -1, 0))},
        ("right_knee", "right_ankle", "left_knee", "right_hip"), (), (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_posed_by_hand(body, reach, name):
    scene, visible, occluded, outside = CASES[name]
    scene = dict(scene)
    transl = scene.pop("transl", (0.0, -0.1, 3.2))
    posed, buffers = look(body, standing(**scene), transl)
    state = keypoint_states(posed.keypoints, ALL, buffers, reach)
    for names, wanted in ((visible, VISIBLE), (occluded, OCCLUDED), (outside, OUTSIDE)):
        wrong = [f"{ROWS[r]} {STATE_NAMES[state[r]]}" for r in rows(*names) if state[r] != wanted]
        assert not wrong, f"wanted {STATE_NAMES[wanted]}"


def test_body_and_extra_rows_of_one_joint_agree(body, reach):
    for yaw in range(0, 360, 45):
        posed, buffers = look(body, standing(yaw))
        state = keypoint_states(posed.keypoints, ALL, buffers, reach)
        for name in ARMS + LEGS:
            assert state[ROW[f"body_{name}"]] == state[ROW[f"extra_{name}"]]


def test_amputated_before_everything_and_stump_ends(body, reach):
    removed = np.zeros(NUM_REGIONS, bool)
    removed[[REGION_NAMES.index("left_knee"), REGION_NAMES.index("right_hand")]] = True
    stump = np.tile(np.float32(DEFAULT_STUMP), (NUM_REGIONS, 1))
    residual = np.where(removed, 0.6, 1).astype(np.float32)

    def see(transl, occluders=None, yaw=0.0):
        a = rebuild(
            body, BodyFit(standing(yaw), np.zeros(10), np.array(transl)), Cut(removed, residual, RESIDUAL, stump)
        )
        buffers = body_buffers(a.mesh, a.vertices, K, W, H, occluders=occluders)
        return keypoint_states(a.keypoints, a.present, buffers, reach), end_states(a.ends, buffers)

    state, ends = see((0.0, -0.1, 3.2), yaw=30)
    gone = rows("left_knee", "left_ankle", "left_heel", "left_big_toe", "left_small_toe", "right_wrist")
    assert (state[gone] == AMPUTATED).all()
    assert set(np.flatnonzero(state == AMPUTATED)) == set(gone)
    assert ends[4] in (VISIBLE, OCCLUDED)  # above left knee, seen from above or below
    assert (np.delete(ends, [3, 4]) == AMPUTATED).all()
    low, ends_low = see((0.0, 0.75, 2.0))
    assert (low[gone] == AMPUTATED).all()
    assert ends_low[4] == OUTSIDE
    hidden, ends_hidden = see((0.0, -0.1, 3.2), np.ones((H, W), bool))
    assert set(hidden) == {AMPUTATED, OCCLUDED}
    assert ends_hidden[4] == OCCLUDED


def test_an_object_in_front_hides_only_what_it_covers(body, reach):
    occluder = np.zeros((H, W), bool)
    occluder[:, W // 2 + 12 :] = True
    posed, buffers = look(body, standing(), occluders=occluder)
    state = keypoint_states(posed.keypoints, ALL, buffers, reach)
    for row, name in enumerate(ROWS):
        if "_left_" in name and "eye" not in name:
            assert state[row] == OCCLUDED, name
        if "_right_" in name and "heel" not in name:
            assert state[row] == VISIBLE, name


def test_crop_and_scale_of_the_buffers_make_no_difference(body, reach):
    pose = standing(yaw=35, right_arm=((-0.2, -1, 0.5), (0.75, 0.3, 0.5)))
    posed, small = look(body, pose)
    vertices = posed.vertices(body.mesh, np.zeros(10))
    depth, face = rasterize(vertices, body.mesh.faces, K, W, H)
    part = np.where(face >= 0, body.mesh.face_part[face] + 1, 0).astype(np.uint8)
    full = Buffers(depth, part, K, W, H)
    depth, face = rasterize(vertices, body.mesh.faces, scaled_K(K, 0.5), W // 2, H // 2)
    half = Buffers(depth, np.where(face >= 0, body.mesh.face_part[face] + 1, 0).astype(np.uint8), K, W, H, scale=0.5)
    states = [keypoint_states(posed.keypoints, ALL, b, reach) for b in (full, small, half)]
    assert np.array_equal(states[0], states[1])
    assert (states[0] != states[2]).sum() <= 2


def test_region_visibility(body, reach):
    posed, buffers = look(body, standing())
    assert (region_visibility(posed.joints, np.ones(12), buffers, reach) > 0.85).all()
    posed, buffers = look(body, standing(yaw=-90))
    share = dict(zip(REGION_NAMES, region_visibility(posed.joints, np.ones(12), buffers, reach), strict=True))
    for near, far in (("left_hand", "right_hand"), ("left_knee", "right_knee"), ("left_foot", "right_foot")):
        assert share[near] > 0.5  # the hand hangs before the thigh
        assert share[far] < 0.3
    posed, buffers = look(body, standing(), (0.0, 0.33, 2.2))
    share = dict(zip(REGION_NAMES, region_visibility(posed.joints, np.ones(12), buffers, reach), strict=True))
    assert 0 < share["left_foot"] < 1
    short = region_visibility(posed.joints, np.full(12, 0.25), buffers, reach)
    assert short[REGION_NAMES.index("left_foot")] == 1


@pytest.mark.parametrize(
    ("scene", "region", "residual", "words"),
    [
        ({}, "left_knee", 0.6, ""),
        ({}, "left_hip", 1.0, ""),
        ({"transl": (0.0, 0.33, 2.2)}, "left_foot", 1.0, "outside the image"),
        ({"transl": (0.0, 0.33, 2.2)}, "left_foot", 0.3, ""),
        ({"transl": (0.0, 0.75, 2.0)}, "left_knee", 0.9, "outside the image"),
        ({"yaw": -90}, "right_elbow", 0.8, "hidden"),
        ({"yaw": -90}, "left_elbow", 0.8, ""),
        ({"left_arm": ((0.3, -1, -0.35), (-1, -0.1, -0.25))}, "left_hand", 0.9, "hidden"),
        ({"left_arm": ((0.3, -1, -0.35), (-1, -0.1, -0.25))}, "left_elbow", 0.8, ""),
    ],
)
def test_removable_only_where_it_can_be_seen(body, reach, scene, region, residual, words):
    scene = dict(scene)
    transl = scene.pop("transl", (0.0, -0.1, 3.2))
    posed, buffers = look(body, standing(**scene), transl)
    found = why_not_removable(posed, REGION_NAMES.index(region), residual, buffers, reach)
    assert words in found
    assert bool(found) == bool(words)


def test_under_another_person(body, reach):
    cover = np.zeros((H, W), bool)
    cover[: H // 2] = True
    posed, buffers = look(body, standing(), occluders=cover)
    assert "hidden" in why_not_removable(posed, REGION_NAMES.index("left_elbow"), 0.7, buffers, reach)
    assert why_not_removable(posed, REGION_NAMES.index("left_foot"), 0.7, buffers, reach) == ""


def test_raster_depth_and_owner():
    vertices = np.array(
        [[-1, -1, 2], [1, -1, 2], [0, 1, 2], [-1, -1, 4], [1, -1, 4], [0, 1, 4], [0, 0, -1]], np.float32
    )
    faces = np.array([[3, 4, 5], [0, 1, 2], [0, 1, 6]])
    depth, face = rasterize(vertices, faces, np.array([[20.0, 0, 20], [0, 20, 20], [0, 0, 1]]), 41, 41)
    assert face[20, 20] == 1
    assert depth[20, 20] == pytest.approx(2)
    assert face[0, 0] == -1
    assert np.isinf(depth[0, 0])
    assert set(np.unique(face)) == {-1, 1}
    slanted = np.array([[-1, -1, 2], [3, -1, 6], [0, 2, 3]], np.float32)
    depth, face = rasterize(slanted, faces[1:2] * 1, K, W, H)
    y, x = np.argwhere(face >= 0)[500]
    ray = np.array([(x - W / 2) / 560, (y - H / 2) / 560, 1]) * depth[y, x]
    assert abs(ray[2] - ray[0] - 3) < 1e-4  # the plane z = x + 3


def test_a_keypoint_beside_the_body_is_not_seen(body, reach):
    posed, buffers = look(body, standing())
    toe = ROW["body_left_big_toe"]
    assert keypoint_states(posed.keypoints, ALL, buffers, reach)[toe] == VISIBLE
    moved = posed.keypoints.copy()
    moved[toe, 0] += 0.5
    assert keypoint_states(moved, ALL, buffers, reach)[toe] == OCCLUDED


@pytest.mark.parametrize(("limbs", "found"), [({}, False), ({"left_arm": ((0.1, -1, 0.1), (0.05, 1, 0.2))}, True)])
def test_a_limb_that_covers_the_place_of_what_is_gone(body, limbs, found):
    """A forearm folded back: the wrist that is gone lies where the upper arm is seen."""
    removed, residual = np.zeros(12, bool), np.ones(12)
    region = REGION_NAMES.index("left_elbow")
    removed[region], residual[region] = True, 0.9
    amputee = rebuild(
        body, BodyFit(standing(**limbs), np.zeros(body.num_betas), np.array([0.0, -0.1, 3.2])), Cut(removed, residual)
    )
    buffers = body_buffers(amputee.mesh, amputee.vertices, K, W, H)
    assert over_own_limb(amputee.posed.keypoints, removed, residual, buffers) == ([region] if found else [])


def test_own_cloth_over_a_stump_shows_its_end_and_another_limb_hides_it(body, reach):
    removed = np.zeros(NUM_REGIONS, bool)
    removed[REGION_NAMES.index("left_knee")] = True
    stump = np.tile(np.float32(DEFAULT_STUMP), (NUM_REGIONS, 1))
    residual = np.where(removed, 0.6, 1).astype(np.float32)
    a = rebuild(
        body, BodyFit(standing(), np.zeros(10), np.array((0.0, -0.1, 3.2))), Cut(removed, residual, RESIDUAL, stump)
    )
    buffers = body_buffers(a.mesh, a.vertices, K, W, H, 4000)
    tip = a.ends[4]
    x, y = np.rint((project(tip[None, :3].astype(np.float64), K)[0] - buffers.offset + 0.5) * buffers.scale - 0.5)
    around = (slice(int(y) - 3, int(y) + 4), slice(int(x) - 3, int(x) + 4))
    for part, before, wanted in (
        ("left_hip", 0.08, VISIBLE), ("left_hip", 0.2, OCCLUDED), ("right_hip", 0.08, OCCLUDED),
    ):  # fmt: skip
        depth, label = buffers.depth.copy(), buffers.part.copy()
        depth[around], label[around] = tip[2] - before, JOINT[part] + 1
        state = end_states(a.ends, replace(buffers, depth=depth, part=label))[4]
        assert state == wanted, f"{part} {before} m before the tip"
    depth, label = buffers.depth.copy(), buffers.part.copy()
    depth[around], label[around] = tip[2] - 0.08, JOINT["left_hip"] + 1
    occluder = np.ones((H, W), bool)
    hidden = end_states(a.ends, replace(buffers, depth=depth, part=label, occluders=occluder))[4]
    assert hidden == OCCLUDED
