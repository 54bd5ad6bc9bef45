"""The public functions of ``import a3dgen``, as a researcher would call them."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from scipy.ndimage import binary_dilation
from scipy.spatial.transform import Rotation

import a3dgen
from a3dgen.builds import assignments
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import default_K, project
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT

SIZE = (480, 640)
K = default_K(*SIZE)


@pytest.fixture(scope="module")
def standing(body):
    """A person facing the camera, one arm out: pose, translation and all 44 keypoints in px."""
    pose = np.zeros((24, 3))
    pose[0] = Rotation.from_euler("xy", [np.pi, 0.2]).as_rotvec()
    pose[JOINT["left_shoulder"]] = [0, 0, -0.9]
    pose[JOINT["right_shoulder"]] = [0, 0, 1.1]
    transl = np.array([0.0, 0.3, 3.4])
    points = pose_body(body, pose, np.zeros(body.num_betas), transl).keypoints
    return pose, transl, np.column_stack([project(points, K), np.ones(44)])


def test_import_is_light_and_everything_public_can_be_had():
    code = (
        "import sys, time; t = time.perf_counter(); import a3dgen; s = time.perf_counter() - t\n"
        "heavy = {'numpy', 'torch', 'numba', 'yaml', 'dask'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(a3dgen.__all__) <= set(dir(a3dgen))\n"
        "[getattr(a3dgen, name) for name in a3dgen.__all__]\n"
        "import a3dgen.fit.fitter\n"
        "assert callable(a3dgen.fit) and callable(a3dgen.amputate)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'amputat'"):
        _ = a3dgen.amputat
    assert doctest.testmod(a3dgen).failed == 0


def test_coco_keypoints_to_a_closed_residual_limb(body, standing):
    pose, transl, points = standing
    bodies = a3dgen.fit(points[list(COCO_ROWS)], SIZE, K)
    joints = pose_body(body, bodies.pose[0], bodies.betas[0], bodies.transl[0]).joints
    truth = pose_body(body, pose, np.zeros(body.num_betas), transl).joints
    error = np.linalg.norm((joints - joints[0]) - (truth - truth[0]), axis=1)[1:22].mean()
    assert error < 0.06
    amputee = a3dgen.amputate(body, bodies, "left transtibial", residual=0.5)
    mesh = trimesh.Trimesh(amputee.vertices, amputee.mesh.faces, process=False)
    assert mesh.is_watertight
    assert amputee.cut.removed.tolist() == [name == "left_foot" for name in REGION_NAMES]
    assert not amputee.present[[name for name in range(44) if name in (19, 20, 21)]].any()
    knee, ankle = amputee.posed.joints[[JOINT["left_knee"], JOINT["left_ankle"]]]
    below = (mesh.vertices - knee) @ (ankle - knee) / ((ankle - knee) @ (ankle - knee))
    near = np.linalg.norm(mesh.vertices - knee, axis=1) < 0.5
    left = amputee.mesh.weights[:, [JOINT["left_knee"]]].sum(1) > 0.5
    assert 0.4 < below[near & left].max() < 0.55  # nothing lies beyond the tip


def test_other_layouts_and_several_people(standing):
    _, _, points = standing
    both = np.stack([points[:25], points[:25]])
    both[1, :, 0] += 5
    bodies = a3dgen.fit(both, SIZE, K)
    assert len(bodies) == 2
    assert bodies.transl[1, 0] > bodies.transl[0, 0]
    flat = points[list(COCO_ROWS), :2].copy()
    flat[0] = np.nan
    assert a3dgen.fit(flat, SIZE).K[0, 0, 0] == pytest.approx(800, rel=0.3)
    with pytest.raises(ConfigError, match="12 keypoints"):
        a3dgen.fit(points[:12], SIZE)
    with pytest.raises(DataError, match="1 of 2 people cannot be fitted: person 1: "):
        a3dgen.fit(np.stack([points, points * [1, 1, 0]]), SIZE)


@pytest.mark.parametrize(
    ("regions", "residual", "message"),
    [
        ("left_kne", 0.5, "did you mean 'left_knee'"),
        (["left_knee", "left_foot"], 0.5, "on one limb"),
        ("left_knee", 0.1, "between 0.2 and 1"),
        ("left_knee", 1.2, "between 0.2 and 1"),
    ],
)
def test_wrong_amputations_say_what_is_wrong(body, standing, regions, residual, message):
    pose, transl, _ = standing
    with pytest.raises(ConfigError, match=message):
        a3dgen.amputate(body, {"pose": pose, "betas": np.zeros(10), "transl": transl}, regions, residual)


def test_what_has_no_segment_to_cut_is_closed_at_the_joint(body, standing):
    pose, transl, _ = standing
    row = {"pose": pose, "betas": np.zeros(10), "transl": transl}
    several = a3dgen.amputate(body, row, ["right_shoulder", "left knee disarticulation", "left_hand"],
                              {"right_shoulder": 0.5, "left knee disarticulation": 0.5, "left_hand": 0.7})  # fmt: skip
    at = dict(zip(REGION_NAMES, several.cut.residual, strict=True))
    assert (at["right_shoulder"], at["left_knee"], at["left_hand"]) == (1.0, 1.0, 0.7)
    assert a3dgen.amputate(body, row).cut.removed.sum() == 0


def test_pictures_differ_only_where_the_limb_was(body, standing):
    pose, transl, _ = standing
    row = {"pose": pose, "betas": np.zeros(10), "transl": transl}
    whole, cut = a3dgen.amputate(body, row), a3dgen.amputate(body, row, "right_elbow", 0.6)
    look = a3dgen.Look.from_columns({"skin": 6, "hair": "", "garments": "[]", "light": "", "look_seed": 1})
    background = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    a, b = (a3dgen.render(body, m, K, SIZE, look, background) for m in (whole, cut))
    assert a.rgb.shape == (640, 480, 3)
    gone = a.mask & ~b.mask
    assert 300 < gone.sum() < 0.1 * a.mask.sum()
    clear = gone & ~binary_dilation(b.mask, iterations=2)  # off the soft edge
    assert (b.rgb[clear] == background[clear]).all()
    part = 1 + JOINT["right_elbow"]
    assert (a.parts == part).any()
    assert not (b.parts == part).any()
    with pytest.raises(ConfigError, match="480x480 px, not 480x640"):
        a3dgen.render(body, whole, K, SIZE, look, background[:480])


def test_overrides_are_the_configurations_keys():
    given = {"demo": {"people": 4}, "sources": {"coco": {"root": "/a b/c: d", "licenses": (4, 5)}}, "seed": 3}
    assert assignments(given) == [
        "demo.people=4", "sources.coco.root=/a b/c: d", "sources.coco.licenses=[4, 5]", "seed=3"
    ]  # fmt: skip
    from a3dgen.config import load_config

    config = load_config("demo", assignments({"demo": {"people": 4}, "render": {"masks": False}, "seed": 3}))
    assert (config.demo.people, config.stages["render"].masks, config.seed) == (4, False, 3)
    with pytest.raises(ConfigError, match="did you mean 'people'"):
        a3dgen.build("demo", demo={"peeple": 4})
    with pytest.raises(ConfigError, match="no such folder"):
        a3dgen.custom("/nowhere/at/all", regions="left_knee")
