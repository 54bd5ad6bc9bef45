"""Skin does not come through the middle of a garment, whatever the pose."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.garment_bounds import Spec, measure
from a3dgen.appearance.look import Garment, Hair, Look
from a3dgen.appearance.under_cloth import SINK_M, follow_skin, sunk_depth
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.light import LightAdjust
from a3dgen.renderers import flat_light, get_renderer

SIDE = 256
NEAR_M = 0.025
"""Skin that lies this far over cloth is not a limb before a body."""
ARMS = {
    "raised": ([0, 0, 0.9], [0, 0, -0.9]), "back": ([0, 0.7, -0.4], [0, -0.7, 0.4]),
    "across": ([0, -1.2, -0.2], [0, 1.2, 0.2]),
    "one up": ([0, 0, 1.2], [0, 0, 1.2]), "turned": ([1.2, 0, -0.5], [-1, 0, 0.9]),
}  # fmt: skip


def worn(top, fit):
    return [
        {"kind": top, "lengths": dict.fromkeys(("left_arm", "right_arm"), -0.15 if top == "tanktop" else 0.5),
         "neck": "wide", "fabric": "plain", "colors": [[150, 30, 30]], "fit": fit, "seed": 0},
        {"kind": "shorts", "lengths": dict.fromkeys(("left_leg", "right_leg"), 0.5), "fabric": "plain",
         "colors": [[56, 78, 122]], "fit": 0.35, "seed": 0},
    ]  # fmt: skip


def skin_over_cloth(body, arms, top, fit, yaw):
    """Return how many pixels show skin over cloth of the same part right behind it, away from the cloth's edges."""
    pose = np.zeros((24, 3))
    pose[0] = (Rotation.from_euler("x", np.pi) * Rotation.from_euler("y", yaw)).as_rotvec()
    pose[JOINT["left_shoulder"]], pose[JOINT["right_shoulder"]] = ARMS[arms]
    pose[JOINT["left_collar"]], pose[JOINT["right_collar"]] = 0.3 * np.array(ARMS[arms])
    pose[JOINT["spine2"]] = [0.3, 0, 0]
    pose[JOINT["left_hip"]] = [-1.0, 0, 0.2]
    betas = np.random.default_rng(list(ARMS).index(arms)).normal(0, 1.2, body.num_betas)
    person = rebuild(body, BodyFit(pose, betas, np.array([0, 0.1, 1.6])), Cut())
    look = Look(5, Hair(style="bald"), tuple(map(Garment.from_facts, worn(top, fit))), LightAdjust(), 1)
    items = build_subject(body, person, look)
    K = np.array([[300.0, 0, 128], [0, 300, 128], [0, 0, 1]])
    draw = lambda some: get_renderer("cpu").render(some, K, SIDE, SIDE, flat_light(), None, 1)  # noqa: E731
    skin, cloth = draw(items[:1]), draw([i for i in items if i.material == "cloth"])
    middle = cv2.erode((cloth.part > 0).astype(np.uint8), np.ones((7, 7))) > 0
    both = np.isfinite(cloth.depth) & np.isfinite(skin.depth)
    before = np.where(both, cloth.depth, 1) - np.where(both, skin.depth, 1)
    return int((middle & both & (cloth.part == skin.part) & (before > 0) & (before < NEAR_M)).sum())


@pytest.mark.parametrize("top", ["tanktop", "tshirt"])
def test_skin_does_not_come_through_cloth(top, body):
    found = {(arms, yaw): skin_over_cloth(body, arms, top, 0.1, yaw) for arms in ARMS for yaw in (0.5, 2.0, 3.3, 4.8)}
    assert sum(found.values()) < 30, {k: v for k, v in found.items() if v}


def test_cloth_follows_the_skin_below_it(body):
    """In shape and pose: it keeps its distance from the skin, also where the model of the cloth had other ideas."""
    lifted = body.mesh.vertices + 0.006 * vertex_normals(body.mesh.vertices, body.mesh.faces)
    other = np.roll(body.mesh.weights, 1, axis=1)
    cloth = follow_skin(replace(body.mesh, vertices=lifted.astype(np.float32), weights=other), body.mesh)
    torso = body.mesh.weights[:, [JOINT["spine1"], JOINT["spine2"], JOINT["left_hip"]]].sum(1) > 0.9
    assert np.abs(cloth.weights - body.mesh.weights)[torso].max() < 0.25
    assert np.abs(cloth.shape_dirs - body.mesh.shape_dirs)[torso].max() < 0.01
    assert np.allclose(cloth.weights.sum(1), 1, atol=1e-5)


def test_skin_is_drawn_in_inside_the_hems_only(body):
    joints, m = body.joints_template, measure(body.mesh, body.joints_template)
    shirt = Spec("top", 0.5, 0.5)
    depth = sunk_depth(shirt, m, joints, {})
    arm = m.limbs["left_arm"]
    assert depth.max() == pytest.approx(SINK_M)
    assert not depth[(arm > 0.5) | (body.mesh.weights[:, JOINT["head"]] > 0.5)].any()
    assert (depth[(arm > 0.15) & (arm < 0.4)] == depth.max()).all()
    bare = sunk_depth(shirt, m, joints, {"left_arm": 0.3})
    assert not bare[arm > 0.3].any()  # a sleeve shortened over a stump
    assert (sunk_depth(shirt, m, joints, {"left_arm": np.inf})[arm > 0.15] == depth.max()).all()
