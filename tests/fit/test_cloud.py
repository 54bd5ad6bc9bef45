"""Point clouds in the fit: exact derivatives, better depth, bad clouds left aside, stumps, other cameras' order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.fit.cloud import evaluate_cloud
from a3dgen.fit.cloud_sampling import clusters, make_block, spread_skin, without_strays
from a3dgen.fit.cloud_skin import find_front, find_hidden, match, pose_skin
from a3dgen.fit.cloud_space import cloud_space
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.kinematics import forward
from a3dgen.fit.residuals import evaluate
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT
from tests.fit.test_fitter import K, observation, person, rooted


@pytest.fixture(scope="module")
def fitter(body):
    return Fitter(body)


def seen_by_depth(body, posed, betas, points=250, sd=0.02, seed=0):
    """What a depth camera in the photo's camera sees of a posed body: (M, 3) m, with noise along its rays."""
    vertices = posed.vertices(body.mesh, betas).astype(np.float64)
    depth, face = rasterize(vertices, body.mesh.faces, K, 640, 480)
    rows, columns = np.nonzero(face >= 0)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(rows), points, replace=False))
    rays = np.linalg.solve(K, np.stack([columns[chosen], rows[chosen], np.ones(points)])).T
    cloud = rays * depth[rows[chosen], columns[chosen]][:, None]
    far = np.linalg.norm(cloud, axis=1, keepdims=True)
    return cloud * (1 + sd * rng.standard_normal((points, 1)) / far)


def error(found, posed):
    return float(np.linalg.norm(rooted(found.joints) - rooted(posed.joints), axis=1).mean())


def test_skin_is_the_bodys_and_its_derivative_exact(body, fitter):
    pose, betas, transl, posed = person(body, seed=2)
    skin, vertices = spread_skin(body, 0.06)
    x = fitter.variables(pose, betas, transl)
    seen = observation(posed)
    cloud = seen_by_depth(body, posed, betas)
    block = make_block(cloud, 0.02, np.full(3, np.nan), np.ones(len(vertices), bool), 3.0)
    block = block._replace(along=1e-9, reverse=0.0)  # normals are held still by the Gauss-Newton step
    w, ev = fitter.workspace(), fitter.evidence(seen)
    space = cloud_space(skin, len(cloud))
    labels = lambda y: evaluate(fitter.model, fitter.prior, ev, y, w)  # noqa: E731
    cost = lambda y: evaluate_cloud(fitter.model, fitter.prior, ev, skin, block, y, w, space) - labels(y)  # noqa: E731
    labels(x)
    gradient = -w.gradient.copy()
    evaluate_cloud(fitter.model, fitter.prior, ev, skin, block, x, w, space)
    gradient += w.gradient
    whole = posed.vertices(body.mesh, betas)[vertices]
    assert np.linalg.norm(space.vertices - whole, axis=1).mean() < 5e-4
    for i in [*range(0, 72, 5), *range(72, len(x) - 1)]:
        step = 2e-4 if 72 <= i < len(x) - 4 else 1e-5  # shaped skin is in single precision
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        assert gradient[i] == pytest.approx((cost(up) - cost(down)) / (2 * step), abs=0.02, rel=2e-3), i


def test_normal_equations_are_those_of_the_whole_jacobian(body, fitter):
    """Against J'AJ and J'Ae with J by differences of the posed skin, for points along and across the normals."""
    pose, betas, transl, posed = person(body, seed=3)
    skin, vertices = spread_skin(body, 0.06)
    x = fitter.variables(pose, betas, transl)
    w, ev = fitter.workspace(), fitter.evidence(observation(posed))
    cloud = seen_by_depth(body, posed, betas, points=150)
    block = make_block(cloud, 0.02, np.zeros(3), np.ones(len(vertices), bool), 1e6)._replace(reverse=0.0)
    space = cloud_space(skin, len(cloud))
    evaluate_cloud(fitter.model, fitter.prior, ev, skin, block, x, w, space)
    normal, gradient, where, normals = (
        w.normal.astype(float),
        w.gradient.copy(),
        space.match.copy(),
        space.normals.copy(),
    )
    evaluate(fitter.model, fitter.prior, ev, x, w)
    d = len(x)
    normal, gradient = np.triu((normal - w.normal)[:d, :d]), gradient - w.gradient

    def skin_at(y):
        forward(fitter.model, y, w)
        pose_skin(fitter.model, skin, y, w, space)
        return space.vertices[where].copy()

    steps = np.where((np.arange(d) >= 72) & (np.arange(d) < d - 4), 1e-2, 1e-5)  # shaped skin is in single precision
    jacobian = np.stack([(skin_at(x + e) - skin_at(x - e)) / (2 * e.max()) for e in np.diag(steps)], 2)
    n = normals[where]
    across = np.eye(3) * block.across**2
    weight = block.along**2 * n[:, :, None] * n[:, None] + across
    expected = np.einsum("mac,mab,mbd->cd", jacobian, weight, jacobian)
    pull = np.einsum("mac,mab,mb->c", jacobian, weight, skin_at(x) - cloud)
    assert np.abs(normal - np.triu(expected)).max() < 1e-3 * np.abs(expected).max()
    blocks = [slice(3 * j, 3 * j + 3) for j in range(24)] + [slice(72, d - 4), slice(d - 4, d - 1)]
    for i, a in enumerate(blocks):
        for b in blocks[i:]:
            size = np.sqrt(np.abs(expected[a, a]).max() * np.abs(expected[b, b]).max())
            assert np.abs(normal[a, b] - np.triu(expected)[a, b]).max() <= 2e-3 * size + 1e-6
    np.testing.assert_allclose(gradient, pull, atol=2e-3 * np.abs(pull).max())


def test_nearest_skin_is_the_nearest(body, fitter):
    pose, betas, transl, posed = person(body, seed=4)
    skin, vertices = spread_skin(body, 0.05)
    cloud = seen_by_depth(body, posed, betas, points=80)
    block = make_block(cloud, 0.02, np.zeros(3), np.ones(len(vertices), bool), 3.0)
    w = fitter.workspace()
    space = cloud_space(skin, len(cloud))
    x = fitter.variables(pose, betas, transl)
    forward(fitter.model, x, w)
    pose_skin(fitter.model, skin, x, w, space)
    count = find_front(skin, block, space)
    match(skin, block, space)
    front = space.front[:count]
    away = np.linalg.norm(cloud[:, None] - space.vertices[front], axis=2)
    np.testing.assert_array_equal(space.match, front[away.argmin(1)])


def test_an_arm_behind_the_trunk_is_hidden(body, fitter):
    """Facing the camera with the right arm bent behind the back: its skin is behind other skin."""
    pose = np.zeros((24, 3))
    pose[0] = matrix_to_rotvec(rotvec_to_matrix(np.array([np.pi, 0, 0])))
    pose[JOINT["right_shoulder"]] = [0, 0, 1.2]
    pose[JOINT["right_elbow"]] = [0, -1.8, 0]
    x = fitter.variables(pose, np.zeros(body.num_betas), np.array([0.0, 0, 3]))
    skin, vertices = spread_skin(body, 0.03)
    w = fitter.workspace()
    space = cloud_space(skin, 4)
    turned = x.copy()
    turned[:3] = matrix_to_rotvec(rotvec_to_matrix(np.array([np.pi, 0, 0])) @ rotvec_to_matrix(np.array([0, np.pi, 0])))
    shares = []
    for y in (x, turned):
        forward(fitter.model, y, w)
        pose_skin(fitter.model, skin, y, w, space)
        cloud = space.vertices[:4] * 0 + [0.0, 0, 3] + np.eye(4)[:, :3] * 0.1
        block = make_block(cloud, 0.02, np.zeros(3), np.ones(len(vertices), bool), 3.0)
        space.hidden[:] = False
        find_hidden(skin, block, space, find_front(skin, block, space))
        hand = np.isin(skin.bones[:, 0], [JOINT["right_wrist"], JOINT["right_hand"]]) & (space.place >= 0)
        shares.append(space.hidden[hand].mean())
    assert min(shares) < 0.3 < 0.7 < max(shares)


def test_a_cloud_pins_depth_and_pose(body, fitter):
    gains = []
    for seed in range(4):
        _, betas, _, posed = person(body, seed=seed, yaw=0.9 * seed)
        seen = observation(posed, noise=2)
        plain = fitter.fit(seen).best
        fit = fitter.fit(replace(seen, cloud=seen_by_depth(body, posed, betas)))
        assert fit.cloud.used
        assert fit.cloud.inliers > 0.9
        assert fit.cloud.median < 0.03
        assert np.linalg.norm(fit.best.joints[0] - posed.joints[0]) < 0.04
        assert fit.best.sigma[1:].mean() < 0.8 * plain.sigma[1:].mean()
        gains.append(error(fit.best, posed) / error(plain, posed))
    assert np.mean(gains) < 0.7
    assert max(gains) < 1.05


def test_it_is_repeatable_and_a_fused_cloud_works(body, fitter):
    _, betas, _, posed = person(body, seed=1)
    seen = replace(observation(posed, noise=2), cloud=seen_by_depth(body, posed, betas))
    assert np.array_equal(fitter.fit(seen).best.x, fitter.fit(seen).best.x)
    rng = np.random.default_rng(3)
    skin = posed.vertices(body.mesh, betas)[rng.choice(len(body.mesh.vertices), 400)]
    fused = fitter.fit(replace(seen, cloud=skin.astype(np.float64), cloud_origin=np.full(3, np.nan)))
    assert fused.cloud.used
    assert error(fused.best, posed) < 0.03


BAD = {
    "empty": (lambda c: c[:0], "0 finite points"),
    "tiny": (lambda c: c[:5], "5 finite points"),
    "NaN": (lambda c: np.full_like(c, np.nan), "0 finite points"),
    "padding": (lambda c: np.zeros_like(c), "0 finite points"),
    "millimetres": (lambda c: 1000 * c, "millimetres"),
    "LiDAR frame": (lambda c: c[:, [2, 0, 1]] * [1, -1, -1], "another frame"),
    "behind": (lambda c: -c, "another frame"),
    "somebody beside": (lambda c: c + [1.5, 0, 0], "another frame"),
    "somebody far behind": (lambda c: 3 * c, "times as far"),
    "a wall": (lambda c: np.column_stack([c[:, 0], c[:, 1], np.full(len(c), 5.2)]), ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_cloud_is_left_aside_with_the_reason(body, fitter, name):
    _, betas, _, posed = person(body, seed=5)
    seen = observation(posed, noise=2)
    plain = fitter.fit(seen)
    spoil, reason = BAD[name]
    fit = fitter.fit(replace(seen, cloud=spoil(seen_by_depth(body, posed, betas))))
    assert not fit.cloud.used
    assert reason in fit.cloud.remark
    assert fit.cloud.remark.endswith("fitted without it")
    assert np.array_equal(fit.best.x, plain.best.x)


def test_somebody_elses_cloud_at_the_same_place_never_harms(body, fitter):
    """Another pose, moved to where the person is: either it is refused, or the fit still keeps to the labels."""
    worse = 0
    for seed in range(6):
        _, _, _, posed = person(body, seed=seed, yaw=0.7 * seed)
        _, betas, _, other = person(body, seed=seed + 20, yaw=0.7 * seed + 2)
        seen = observation(posed, noise=2)
        cloud = seen_by_depth(body, other, betas)
        plain = fitter.fit(seen)
        fit = fitter.fit(replace(seen, cloud=cloud))
        worse += fit.cloud.used and error(fit.best, posed) > error(plain.best, posed) + 0.03
    assert worse <= 1


def test_others_and_strays_in_the_cloud_do_not_matter(body, fitter):
    _, betas, _, posed = person(body, seed=3)
    seen = observation(posed, noise=2)
    own = seen_by_depth(body, posed, betas)
    rng = np.random.default_rng(0)
    wall = np.column_stack([rng.uniform(-0.4, 0.6, 120), rng.uniform(-0.9, 0.9, 120), np.full(120, 6.5)])
    wild = own[:40] + rng.uniform(-0.4, 0.4, (40, 3))
    clean = error(fitter.fit(replace(seen, cloud=own)).best, posed)
    fit = fitter.fit(replace(seen, cloud=np.concatenate([wall, own, wild])))
    assert fit.cloud.used
    assert error(fit.best, posed) < clean + 0.015


def test_a_prediction_and_a_cloud_compose(body, fitter):
    """A start 20 degrees off in every joint is one more minimum that votes; it never makes the fit worse."""
    for seed in (2, 6):
        pose, betas, _, posed = person(body, seed=seed)
        seen = replace(observation(posed, noise=2), cloud=seen_by_depth(body, posed, betas))
        rng = np.random.default_rng(seed)
        axes = rng.standard_normal((24, 3))
        turns = np.radians(20) * axes / np.linalg.norm(axes, axis=1, keepdims=True)
        off = matrix_to_rotvec(rotvec_to_matrix(pose) @ rotvec_to_matrix(turns))
        start = fitter.placed(seen, off, np.zeros(0))[None]
        without, with_start = fitter.fit(seen).best, fitter.fit(seen, start).best
        assert with_start.cost <= without.cost + 1
        assert error(with_start, posed) < error(without, posed) + 0.01
        # and the start counts: where no heading is tried, it alone leads there
        lone = fitter.clouds.solve(seen, [start[0]], seen.cloud)
        assert lone
        assert np.isfinite(lone[0][0])


def test_clusters_and_strays():
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 0.05, (60, 3)) + [0, 0, 4], rng.normal(0, 0.05, (80, 3)) + [0, 0, 6]
    groups = clusters(np.concatenate([near, far]), 0.4, 20)
    assert sorted(map(len, groups)) == [60, 80]
    assert len(without_strays(np.concatenate([near, [[1.0, 1, 4]]]))) <= 60


def test_skin_beyond_a_stump_does_not_exist(body, fitter):
    """With the right forearm gone, the region's skin is out of the match, and the rest fits as well as ever."""
    from a3dgen.fit.limb_skin import skin_exists
    from a3dgen.geometry.regions import REGION_NAMES

    removed, residual = np.zeros(12, bool), np.ones(12)
    removed[REGION_NAMES.index("right_hand")], residual[REGION_NAMES.index("right_hand")] = True, 0.5
    exists = skin_exists(body, removed, residual)
    posed = pose_body(body, np.zeros((24, 3)), np.zeros(body.num_betas), np.zeros(3))
    vertices = posed.vertices(body.mesh, np.zeros(body.num_betas))
    elbow, wrist = posed.joints[JOINT["right_elbow"]], posed.joints[JOINT["right_wrist"]]
    along = (vertices - elbow) @ (wrist - elbow) / ((wrist - elbow) ** 2).sum()
    gone = ~exists
    assert gone.any()
    assert along[gone].min() > 0.35
    assert along[exists & (body.mesh.weights[:, JOINT["right_elbow"]] > 0.5)].max() < 0.65
    assert exists[body.mesh.weights[:, JOINT["left_elbow"]] > 0.5].all()
