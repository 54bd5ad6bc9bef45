"""Parts of the fit with clouds one by one: which skin may be seen and is missed, noise, ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.fit.cloud import evaluate_cloud
from a3dgen.fit.cloud_fit import TIE
from a3dgen.fit.cloud_sampling import FLOOR_SD, make_block, spread_skin
from a3dgen.fit.cloud_skin import find_front, pose_skin
from a3dgen.fit.cloud_space import cloud_space
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.kinematics import forward
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.skeleton import JOINT
from tests.fit.test_cloud import seen_by_depth
from tests.fit.test_fitter import K, observation, person


@pytest.fixture(scope="module")
def fitter(body):
    return Fitter(body)


def everywhere(vertices):
    return np.ones(len(vertices), bool)


def test_skin_that_may_be_seen_is_on_the_sensors_side(body, fitter):
    """What a rasteriser sees of the body is among it, whatever the normals say."""
    pose, betas, transl, posed = person(body, seed=4)
    skin, vertices = spread_skin(body, 0.05)
    cloud = seen_by_depth(body, posed, betas, points=80)
    block = make_block(cloud, 0.02, np.zeros(3), everywhere(vertices), 3.0)
    w, space = fitter.workspace(), cloud_space(skin, len(cloud))
    forward(fitter.model, fitter.variables(pose, betas, transl), w)
    pose_skin(fitter.model, skin, fitter.variables(pose, betas, transl), w, space)
    find_front(skin, block, space)
    depth, _ = rasterize(posed.vertices(body.mesh, betas).astype(np.float64), body.mesh.faces, K, 640, 480)
    pixels = space.vertices @ K.T
    column, row = np.round(pixels[:, :2] / pixels[:, 2:] - 0.5).astype(int).T
    shown = np.abs(depth[row.clip(0, 479), column.clip(0, 639)] - space.vertices[:, 2]) < 0.01
    assert shown.sum() > 100
    assert (space.place[shown] >= 0).mean() > 0.85
    assert (space.place[~shown] >= 0).mean() < 0.35


def test_a_hidden_arm_is_not_missed(body, fitter):
    """Skin behind the trunk is not drawn to the cloud, which cannot show it."""
    pose = np.zeros((24, 3))
    pose[0] = [np.pi, 0, 0]
    pose[JOINT["right_shoulder"]], pose[JOINT["right_elbow"]] = [0, 0, 1.2], [0, -1.8, 0]
    pose[0] = [0, 0, np.pi] if _arm_is_nearer(body, fitter, pose) else pose[0]
    x = fitter.variables(pose, np.zeros(body.num_betas), np.array([0.0, 0, 3]))
    skin, vertices = spread_skin(body, 0.03)
    w, space = fitter.workspace(), cloud_space(skin, 400)
    forward(fitter.model, x, w)
    pose_skin(fitter.model, skin, x, w, space)
    near = space.vertices[space.vertices[:, 2] < np.median(space.vertices[:, 2])]
    cloud = near[np.linspace(0, len(near) - 1, 400).astype(int)]
    block = make_block(cloud, 0.02, np.zeros(3), everywhere(vertices), 3.0)
    evaluate_cloud(fitter.model, fitter.prior, fitter.evidence(observation(person(body)[3])), skin, block, x, w, space)
    hand = np.isin(skin.bones[:, 0], [JOINT["right_wrist"], JOINT["right_hand"]]) & (space.place >= 0) & skin.sparse
    assert space.hidden[hand].mean() > 0.5
    assert (space.missed[hand & space.hidden] < 0).all()


def _arm_is_nearer(body, fitter, pose):
    w = fitter.workspace()
    forward(fitter.model, fitter.variables(pose, np.zeros(body.num_betas), np.array([0.0, 0, 3])), w)
    return w.joints[JOINT["right_wrist"], 2] < w.joints[0, 2]


def test_the_noise_of_a_cloud_is_its_own(body, fitter):
    _, betas, _, posed = person(body, seed=1)
    cloud = seen_by_depth(body, posed, betas, points=60)
    c = fitter.clouds
    for sd in (0.005, 0.06):
        block = c.block(replace(observation(posed), cloud=cloud, cloud_sd=sd), cloud, c.coarse, c.coarse_vertices)
        assert block.along == pytest.approx(np.sqrt(0.7) / np.hypot(sd, FLOOR_SD))


def test_of_ties_the_one_like_the_labels_is_taken(body, fitter):
    pose, betas, transl, posed = person(body, seed=3)
    cloud = seen_by_depth(body, posed, betas)
    seen, c = replace(observation(posed), cloud=cloud), fitter.clouds
    plain = fitter.fit(observation(posed))
    like = plain.best.x.copy()
    like[-4:-1] += posed.joints[0] - plain.best.joints[0]
    other = fitter.variables(pose, betas, transl)
    other[3 * JOINT["left_elbow"]] += 0.1
    block = c.block(seen, cloud, c.fine, c.fine_vertices)
    for gap, expected in ((TIE / 2, like), (2 * TIE, other)):
        _, fit = c._checked(seen, plain, [(10.0, other, block), (10.0 + gap, like, block)])
        assert fit.cloud.used
        np.testing.assert_array_equal(fit.best.x, expected)
