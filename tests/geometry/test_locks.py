"""Locks and strands of hair root in the hair, follow it, and stay off the face and the body."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from a3dgen.appearance.hair import FLOWS, LOCKS, STYLES, VARIANTS, build_hair
from a3dgen.geometry.head import head_frame
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.skeleton import JOINT


@pytest.fixture(scope="module", params=["crop", "afro"])
def hair(request, body):
    return request.param, build_hair(body.mesh, request.param, 0.6)


@pytest.fixture(scope="module")
def strands(body):
    """Style -> the middle line (n, k, 3) of its strands, and its scalp and strands as meshes."""
    out = {}
    for style, flow in FLOWS.items():
        scalp, mesh = build_hair(body.mesh, style, 1.0)[:2]
        ribbon = mesh.vertices.reshape(flow.count, flow.nodes, 2, 3).astype(float)
        out[style] = ribbon.mean(2), scalp, mesh
    return out


def test_every_style_has_locks_or_strands():
    assert set(LOCKS) | set(FLOWS) == set(STYLES)
    assert not set(LOCKS) & set(FLOWS)


def test_locks_root_in_the_hair_and_stick_out_of_it(body, hair):
    style, pieces = hair
    scalp, locks = pieces[0].vertices.astype(float), pieces[1].vertices.reshape(-1, 7, 3).astype(float)
    assert len(locks) == LOCKS[style].count
    roots = (locks[:, 0] + locks[:, 1]) / 2
    gap = lambda p: np.sqrt(((p[:, None] - scalp[None]) ** 2).sum(-1).min(1))  # noqa: E731
    assert np.quantile(gap(roots), 0.95) < 0.011
    assert np.quantile(gap(locks[:, 6]), 0.8) > 0.0035
    reach = np.linalg.norm(locks[:, 6] - roots, axis=1)
    assert 0.5 < np.median(reach) / LOCKS[style].length < 1.1
    frame = head_frame(body.mesh)
    eyes = np.linalg.norm(locks.reshape(-1, 1, 3) - frame.eyes, axis=2)
    assert eyes.min() > 0.02  # nothing hangs over the eyes


def test_locks_move_with_the_surface_they_grow_on(hair):
    _, (surface, locks) = hair
    known = {row.tobytes() for row in surface.weights}
    assert all(row.tobytes() in known for row in locks.weights[::7])
    assert locks.weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert (locks.faces.max() + 1) == len(locks.vertices)


def test_strands_begin_on_the_scalp_and_leave_the_face_free(body, strands):
    frame = head_frame(body.mesh)
    for style, (path, _, _) in strands.items():
        assert np.percentile(frame.above_hairline(path[:, 0], STYLES[style].receded), 2) > -2
        q = (path.reshape(-1, 3) - frame.eyes.mean(0)) / frame.scale
        face = (np.abs(q[:, 0]) < 0.045) & (q[:, 1] < 0.005) & (q[:, 1] > -0.1) & (q[:, 2] > -0.04)
        assert face.mean() < 0.002, style


def test_strands_lie_outside_the_body(body, strands):
    """On head, neck, shoulders and back, further off where a shirt may be."""
    normals = vertex_normals(body.mesh.vertices, body.mesh.faces)
    shown = np.unique(body.mesh.faces[~body.mesh.hidden])
    tree = cKDTree(body.mesh.vertices[shown])
    for style in ("bob", "long", "short"):
        path = strands[style][0][:, 2:].reshape(-1, 3)
        _, i = tree.query(path)
        away = np.einsum("nc,nc->n", path - body.mesh.vertices[shown[i]], normals[shown[i]])
        assert np.mean(away < 0) < 0.01, style
        back = (path[:, 1] < body.joints_template[JOINT["neck"], 1] - 0.05) & (path[:, 2] < 0)
        assert not back.any() or np.percentile(away[back], 5) > 0.028


def test_long_hair_is_longer_than_a_bob_and_follows_the_shoulders(body, strands):
    low = {style: np.percentile(path[..., 1], 1) for style, (path, _, _) in strands.items()}
    assert low["long"] < low["bob"] - 0.08 < low["short"] - 0.12
    mesh = strands["long"][2]
    assert mesh.weights.sum(1) == pytest.approx(1, abs=1e-4)
    head = mesh.weights[:, JOINT["head"]]
    assert head[mesh.vertices[:, 1] > head_frame(body.mesh).centre[1]].min() > 0.8
    assert head[mesh.vertices[:, 1] < body.joints_template[JOINT["neck"], 1] - 0.08].max() < 0.2


def test_strands_of_a_bun_meet_in_its_knot(strands):
    path = strands["bun"][0]
    assert np.ptp(path[:, -1], axis=0).max() < 0.5 * np.ptp(path[:, 0], axis=0).max()


def test_variants_differ_and_the_same_style_gives_the_same_hair(body):
    one, two = (build_hair(body.mesh, "short", 0.6)[1].vertices for _ in range(2))
    assert np.array_equal(one, two)
    long = [build_hair(body.mesh, "long", 0.6, v)[1].vertices for v in range(len(VARIANTS))]
    assert all(np.abs(long[0] - other).max() > 0.01 for other in long[1:])
