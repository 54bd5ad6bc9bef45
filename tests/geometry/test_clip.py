from dataclasses import replace

import numpy as np
import pytest
import trimesh
from synthetic import synthetic_body

from a3dgen.geometry.clip import clip
from a3dgen.geometry.limbs import limb_coordinate
from a3dgen.geometry.mesh import SkinnedMesh


@pytest.fixture(scope="module")
def body():
    return synthetic_body()


def grid(n: int = 12) -> SkinnedMesh:
    """A unit square of 2 n^2 triangles."""
    x, y = np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0))
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1).astype(np.float32) / n
    a = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + n + 2], 1), np.stack([a, a + n + 2, a + n + 1], 1)]).astype(
        np.int32
    )
    weights = np.zeros((len(vertices), 24), np.float32)
    weights[:, 0], weights[:, 1] = 1 - vertices[:, 0], vertices[:, 0]
    return SkinnedMesh(
        vertices=vertices,
        shape_dirs=np.repeat(vertices[..., None], 2, 2),
        weights=weights,
        faces=faces,
        uv=vertices[:, :2].copy(),
        face_uv=faces.copy(),
        face_part=(np.arange(len(faces)) % 24).astype(np.uint8),
        hidden=np.zeros(len(faces), bool),
    )


def area(mesh: SkinnedMesh) -> np.ndarray:
    return trimesh.triangles.area(mesh.vertices[mesh.faces])


@pytest.mark.parametrize("angle", np.linspace(0, 6.1, 9))
@pytest.mark.parametrize("threshold", [-0.4, 0.0, 0.21, 0.5])
def test_area_and_attributes_of_a_plane_cut(angle, threshold):
    mesh = grid()
    direction = np.array([np.cos(angle), np.sin(angle)])
    field = (mesh.vertices[:, :2] - 0.5) @ direction
    out = clip(mesh, field, threshold, snap=0.0)
    np.testing.assert_allclose(out.mesh.uv[out.mesh.face_uv], out.mesh.vertices[out.mesh.faces][..., :2], atol=1e-6)
    np.testing.assert_allclose(out.mesh.weights[:, 1], out.mesh.vertices[:, 0], atol=1e-6)
    np.testing.assert_allclose(out.mesh.shape_dirs[..., 1], out.mesh.vertices, atol=1e-6)
    kept = out.origin.apply(field)
    assert kept.max(initial=-1) <= threshold + 1e-6
    other = clip(mesh, -field, -threshold, snap=0.0)
    assert area(out.mesh).sum() + area(other.mesh).sum() == pytest.approx(1.0, abs=1e-5)
    for loop in out.loops:
        np.testing.assert_allclose(kept[loop], threshold, atol=1e-6)


def test_untouched_vertices_are_bit_identical_and_in_order(body):
    f = limb_coordinate(body.mesh, body.joints_template, "left_leg")
    out = clip(body.mesh, f, 0.6)
    old = out.origin.t == 0
    assert (np.diff(out.origin.a[old]) > 0).all()
    for name in ("vertices", "weights", "shape_dirs"):
        assert (getattr(out.mesh, name)[old] == getattr(body.mesh, name)[out.origin.a[old]]).all()
    values = np.random.default_rng(0).normal(size=(len(f), 3)).astype(np.float32)
    assert (out.origin.apply(values)[old] == values[out.origin.a[old]]).all()
    assert out.origin.apply(values).dtype == np.float32


@pytest.mark.parametrize("limb", ["left_arm", "right_leg"])
@pytest.mark.parametrize("threshold", [0.1, 0.333, 0.7, 1.0, 1.5, 1.97])
def test_closed_body_gives_one_loop_that_closes_it(body, limb, threshold):
    f = limb_coordinate(body.mesh, body.joints_template, limb)
    out = clip(body.mesh, f, threshold)
    assert len(out.loops) == 1
    loop = out.loops[0]
    assert len(set(loop.tolist())) == len(loop)
    pole = len(out.mesh.vertices)
    fan = np.stack([np.roll(loop, -1), loop, np.full(len(loop), pole)], 1)  # against the loop's direction
    closed = trimesh.Trimesh(
        np.vstack([out.mesh.vertices, out.mesh.vertices[loop].mean(0)]), np.vstack([out.mesh.faces, fan]), process=False
    )
    assert closed.is_watertight
    assert closed.is_winding_consistent
    assert area(out.mesh).min() > 1e-8
    assert np.abs(out.origin.apply(f)[loop] - threshold).max() < 0.01
    np.testing.assert_allclose(out.mesh.weights.sum(1), 1, atol=1e-6)
    assert len(out.mesh.face_part) == len(out.mesh.faces) == len(out.origin.faces)


def test_values_exactly_on_the_level_make_no_slivers():
    mesh = grid(10)
    out = clip(mesh, mesh.vertices[:, 0], 0.5)
    assert area(out.mesh).sum() == pytest.approx(0.5, abs=1e-6)
    assert area(out.mesh).min() == pytest.approx(0.005, rel=1e-3)
    assert len(out.loops) == 1
    assert len(out.loops[0]) == 11
    assert (np.diff(out.mesh.vertices[out.loops[0], 1]) > 0).all() or (
        np.diff(out.mesh.vertices[out.loops[0], 1]) < 0
    ).all()


@pytest.mark.parametrize("shift", [1e-7, -1e-7, 1e-3, -1e-3])
def test_values_next_to_the_level_are_snapped(shift):
    mesh = grid(10)
    out = clip(mesh, mesh.vertices[:, 0], 0.5 + shift)
    assert area(out.mesh).min() == pytest.approx(0.005, rel=1e-3)


def test_all_or_nothing():
    mesh = grid(4)
    everything = clip(mesh, mesh.vertices[:, 0], 2.0)
    assert (everything.mesh.faces == mesh.faces).all()
    assert everything.loops == []
    assert len(clip(mesh, mesh.vertices[:, 0], -1.0).mesh.faces) == 0


def test_pose_directions_follow(body):
    pose_dirs = np.repeat(body.mesh.vertices[:200, :, None], 207, 2)
    small = replace(
        body.mesh,
        vertices=body.mesh.vertices[:200],
        shape_dirs=body.mesh.shape_dirs[:200],
        weights=body.mesh.weights[:200],
        faces=(f := body.mesh.faces[(body.mesh.faces < 200).all(1)]),
        face_uv=body.mesh.face_uv[: len(f)],
        face_part=body.mesh.face_part[: len(f)],
        hidden=body.mesh.hidden[: len(f)],
        pose_dirs=pose_dirs,
    )
    field = small.vertices[:, 1]
    out = clip(small, field, float(np.median(field)))
    np.testing.assert_allclose(out.mesh.pose_dirs[:, :, 5], out.mesh.vertices, atol=1e-6)
