"""Legs of trousers have the width of their cut, hang free of the ankle, and fall towards the ground."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance import trousers
from a3dgen.appearance.garment_bounds import Spec
from a3dgen.appearance.garments import build_garment
from a3dgen.appearance.look import Garment
from a3dgen.appearance.looks import TROUSER_CUTS
from a3dgen.appearance.surfaces import subdivided
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.skeleton import JOINT


@pytest.fixture(scope="module")
def made(body):
    shells = {"tights": subdivided(body.shells["tights"])}
    return {
        cut: build_garment(Spec("trousers", 1.95, 1.95, cut=cut), shells, body.mesh, body.joints_template)
        for cut in trousers.CUTS
    }


def radius(garment, joints, low, high):
    """Mean distance of the left leg's cloth from the bone between two limb coordinates, m."""
    at = garment.limbs["left_leg"]
    q = garment.mesh.vertices[(at > low) & (at < high)].astype(np.float64) - joints[JOINT["left_knee"]]
    along = joints[JOINT["left_ankle"]] - joints[JOINT["left_knee"]]
    along /= np.linalg.norm(along)
    return float(np.linalg.norm(q - np.outer(q @ along, along), axis=1).mean())


def test_every_cut_has_its_own_width(made, body):
    hem = {cut: radius(g, body.joints_template, 1.9, 1.945) for cut, g in made.items()}
    calf = {cut: radius(g, body.joints_template, 1.3, 1.6) for cut, g in made.items()}
    assert hem["jogger"] < hem["tapered"] < hem["straight"] - 0.008 < hem["wide"] - 0.016
    assert calf["tapered"] < calf["straight"] < calf["wide"]
    assert calf["jogger"] > hem["jogger"] + 0.015


def test_hems_hang_below_the_cut_and_belong_to_the_shank(made, body):
    for cut, garment in made.items():
        mesh, at = garment.mesh, garment.limbs["left_leg"]
        low = at > 1.97
        assert low.any() == (trousers.CUTS[cut].below > 0)
        if low.any():
            assert np.allclose(mesh.weights[low].argmax(1), JOINT["left_knee"])
            assert (mesh.face_part[low[mesh.faces].all(1)] == JOINT["left_knee"]).all()


def test_cloth_falls_until_it_lies_on_the_thigh(made, body):
    """A thigh held level carries its trousers: cloth is nearer on top than below. Standing legs change nothing."""
    garment = made["wide"]
    pose = np.zeros((24, 3))
    pose[0] = [np.pi, 0, 0]
    still = rebuild(body, BodyFit(pose, np.zeros(body.num_betas), np.array([0, 0, 3.0])), Cut())
    down = np.array([0.0, 1.0, 0.0])
    standing = trousers.sag(garment.slack, garment.limbs, still.posed.joints, down)
    pose[JOINT["left_hip"]] = [-1.5, 0, 0]
    pose[JOINT["left_knee"]] = [1.5, 0, 0]
    sits = rebuild(body, BodyFit(pose, np.zeros(body.num_betas), np.array([0, 0, 3.0])), Cut())
    before = sits.posed.vertices(garment.mesh, sits.betas)
    fallen = trousers.sag(garment.slack, garment.limbs, sits.posed.joints, down)
    assert np.abs(standing).max() < 0.3 * np.abs(fallen).max()
    on = (garment.limbs["left_leg"] > 0.4) & (garment.limbs["left_leg"] < 0.7)
    tree = cKDTree(sits.vertices)
    normals = vertex_normals(before, garment.mesh.faces)
    gap = lambda side: tree.query((before + fallen)[on & side])[0].mean()  # noqa: E731
    above, below = normals @ down < -0.7, normals @ down > 0.7
    assert gap(below) > gap(above) + 0.008
    assert fallen[on].min() > -0.012


def test_a_bent_knee_folds_the_cloth_in_its_hollow(made, body):
    garment = made["straight"]
    fold = np.linalg.norm(garment.bends["left_leg"], axis=1)
    behind = garment.mesh.vertices[:, 2] < body.joints_template[JOINT["left_knee"], 2] - 0.03
    assert fold.max() > 0.005
    assert fold[~behind].max() < 0.8 * fold.max()
    assert not fold[garment.limbs["right_leg"] > 0.5].any()
    straight, bent = body.joints_template.copy(), body.joints_template.copy()
    bent[JOINT["left_ankle"]] = bent[JOINT["left_knee"]] + [0, 0, -0.4]
    assert trousers.bent(straight, "left_leg") < 0.03
    assert trousers.bent(bent, "left_leg") > 0.9


def test_every_cut_is_drawn_and_written():
    assert set(TROUSER_CUTS) == set(trousers.CUTS)
    garment = Garment("trousers", {"left_leg": 1.9, "right_leg": 1.9}, cut="wide")
    assert Garment.from_facts(garment.facts()) == garment
    assert Garment.from_facts({"kind": "trousers"}).cut == "straight"  # datasets made before there were cuts
