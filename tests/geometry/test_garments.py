import numpy as np
import pytest
from scipy.spatial import cKDTree

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.garment_bounds import LIMB_MARGIN, Spec, hides, levels, measure, waist_height
from a3dgen.appearance.garments import build_garment, seam_level
from a3dgen.appearance.hair import STYLES, build_hair
from a3dgen.appearance.looks import HAIR_STYLES
from a3dgen.appearance.surfaces import boundary_loops, cylinder_uv, strip, subdivided
from a3dgen.geometry.head import beard_map, brow_map, eyeballs, head_frame
from a3dgen.geometry.mesh import index_uv, vertex_normals
from a3dgen.geometry.skeleton import JOINT

TSHIRT = Spec("top", 0.5, 0.5)
TROUSERS = Spec("trousers", 1.9, 1.9)
SPECS = [TSHIRT, Spec("top", 1.9, 1.9, "v", True), Spec("top", -0.15, -0.15, "tank"), TROUSERS,
         Spec("trousers", 0.6, 0.6), Spec("skirt", 1.0, 1.0), Spec("shoe", 1.92, 1.92, side="left")]  # fmt: skip


@pytest.fixture(scope="module")
def shells(body):
    return {name: subdivided(shell) for name, shell in body.shells.items()}


def outside(points, body):
    """Signed distance (m) of points from the skin at its nearest visible vertex; positive = outside."""
    mesh = body.mesh
    normals = vertex_normals(mesh.vertices, mesh.faces)
    _, i = cKDTree(mesh.vertices).query(points)
    return np.einsum("vc,vc->v", points - mesh.vertices[i], normals[i])


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.kind}-{s.left}")
def test_garments_are_clean_surfaces_outside_the_body(spec, body, shells):
    garment = build_garment(spec, shells, body.mesh, body.joints_template)
    mesh = garment.mesh
    assert np.allclose(mesh.weights.sum(1), 1, atol=1e-4)
    assert mesh.faces.max() == len(mesh.vertices) - 1
    assert np.isfinite(mesh.vertices).all()
    assert np.isfinite(mesh.uv).all()
    assert all(len(v) == len(mesh.vertices) for v in garment.limbs.values())
    openings = {"top": 4, "trousers": 3, "skirt": 2, "shoe": 1}[spec.kind]
    assert len(boundary_loops(mesh.faces)) == openings
    if spec.kind != "shoe":  # soles are flat, feet are not; hems turn inwards
        shown = mesh.vertices[:, 1] > waist_height(body.joints_template) + 0.005 if spec.tucked else slice(None)
        cloth = outside(mesh.vertices[shown], body)
        assert np.mean(cloth < -0.002) < 0.03


def test_a_tucked_shirt_lies_inside_the_trousers_it_is_tucked_into(body, shells):
    """Below the waistband by more than bending can turn over, so that it never comes through."""
    joints = body.joints_template
    shirt, trousers = (
        build_garment(spec, shells, body.mesh, joints).mesh
        for spec in (Spec("top", 1.9, 1.9, tucked=True, fit=0.6), Spec("trousers", 1.9, 1.9, fit=0.1))
    )
    low = shirt.vertices[shirt.vertices[:, 1] < waist_height(joints) - 0.012]
    assert len(low) > 50
    _, i = cKDTree(trousers.vertices).query(low)
    inside = np.einsum("vc,vc->v", low - trousers.vertices[i], vertex_normals(trousers.vertices, trousers.faces)[i])
    assert np.percentile(inside, 98) < -0.005


def test_texture_is_in_metres_and_never_wraps(body, shells):
    mesh = build_garment(TSHIRT, shells, body.mesh, body.joints_template).mesh
    uv = mesh.uv[mesh.face_uv]
    assert np.ptp(uv, axis=1).max() < 0.5
    a, b, c = mesh.vertices[mesh.faces].swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    d = uv[:, 1:] - uv[:, :1]
    texture = np.abs(d[:, 0, 0] * d[:, 1, 1] - d[:, 0, 1] * d[:, 1, 0]) * 0.32**2
    assert 0.6 < texture.sum() / area.sum() < 1.3


@pytest.mark.parametrize("spec", [TSHIRT, TROUSERS], ids=lambda s: s.kind)
def test_sleeves_and_legs_are_sewn_on_along_a_line(spec, body, shells):
    """No face lies on both sides of the seam, where the pattern breaks."""
    garment = build_garment(spec, shells, body.mesh, body.joints_template)
    for limb in levels(spec):
        corners = garment.limbs[limb][garment.mesh.faces] - seam_level(limb)
        known = corners.min(1) > -0.5
        astride = known & (corners.min(1) < -1e-4) & (corners.max(1) > 1e-4)
        beside = known & (np.abs(corners).min(1) < 0.03)
        assert astride.sum() < 0.03 * beside.sum()


def test_hidden_skin_lies_inside_the_hems(body):
    m = measure(body.mesh, body.joints_template)
    under = hides(TSHIRT, m, body.joints_template)
    chest = np.linalg.norm(body.mesh.vertices - body.joints_template[JOINT["spine2"]] - [0, 0, 0.12], axis=1) < 0.05
    assert under[chest].all()
    assert not under[body.mesh.weights[:, JOINT["head"]] > 0.5].any()
    assert not under[m.limbs["left_arm"] > 0.5 - LIMB_MARGIN + 1e-6].any()
    assert not under[m.limbs["left_leg"] > 0.3].any()
    whole = hides(TSHIRT, m, body.joints_template, {"left_arm": np.inf})
    assert whole[m.limbs["left_arm"] > 1.5].all()


def test_levels_name_only_limbs_the_garment_has():
    assert levels(TSHIRT) == {"left_arm": 0.5, "right_arm": 0.5}
    assert levels(Spec("skirt", 1.0)) == {}


@pytest.mark.parametrize("which", [0, 1])
def test_clothes_follow_shape_and_pose(which, body, shells):
    betas = np.zeros(body.num_betas)
    betas[which] = 2.0
    pose = np.zeros((24, 3))
    pose[JOINT["left_shoulder"]] = [0, 0, -1.0]
    pose[JOINT["left_knee"]] = [0.8, 0, 0]
    person = rebuild(body, BodyFit(pose, betas, np.zeros(3)), Cut())
    tree = cKDTree(person.vertices)
    for spec in (TSHIRT, TROUSERS):
        mesh = build_garment(spec, shells, body.mesh, body.joints_template).mesh
        distance, _ = tree.query(person.posed.vertices(mesh, betas))
        assert np.percentile(distance, 99) < 0.06
        assert np.median(distance) < 0.03


def test_head_frame_finds_the_face(body):
    frame = head_frame(body.mesh)
    assert eyeballs(body.mesh).sum() > 50
    assert 0.9 < frame.scale < 1.1
    assert 0.010 < frame.radius < 0.018
    between = frame.eyes.mean(0)
    brow = between + [[0.030, 0.021, 0.015], [0.0, -0.07, 0.02]]
    assert brow_map(frame, brow)[0] > 0.5
    assert brow_map(frame, brow)[1] < 0.01
    assert beard_map(frame, brow)[1] > 0.5
    assert frame.above_hairline(frame.centre + np.array([[0, 0.1, 0], [0, 0, 0.1]]))[0] > 30


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_hair_sits_on_the_head(style, body):
    pieces = build_hair(body.mesh, style, 1.0)
    assert bool(pieces) == (style not in ("bald", "balding"))  # those are only painted
    tree = cKDTree(body.mesh.vertices)
    for piece in pieces:
        distance, _ = tree.query(piece.vertices)
        assert distance.max() < 0.11  # nothing floats
        assert np.allclose(piece.weights.sum(1), 1, atol=1e-4)
        assert piece.uv.shape[0] >= piece.face_uv.max() + 1
        assert piece.vertices[:, 1].min() > body.joints_template[JOINT["spine2"], 1]


def test_every_style_is_one_that_looks_know():
    assert set(STYLES) < set(HAIR_STYLES)


def test_edge_of_cropped_hair_lies_on_painted_hair(body):
    frame = head_frame(body.mesh)
    for style in ("crop", "short", "fade", "receding"):
        shell, _ = build_hair(body.mesh, style, 0.8)
        points = shell.vertices.astype(np.float64)
        seen = outside(points, body) > 0.001
        lowest = frame.above_hairline(points[seen], STYLES[style].receded)
        assert np.percentile(lowest, 1) > -4  # nothing stands off the bare forehead
        uneven = lowest[lowest < np.percentile(lowest, 12)]
        assert uneven.std() > 0.8


def test_receding_hair_leads_to_a_wreath(body):
    frame = head_frame(body.mesh)
    front, side, crown = frame.centre + np.array([[0, 0.075, 0.075], [0.09, 0.02, -0.03], [0, 0.12, -0.01]])
    full, bald = (frame.above_hairline(np.stack([front, side, crown]), r) for r in (0.0, 1.0))
    assert (full > 0).all()
    assert bald[1] > 0 > max(bald[0], bald[2])


def test_strip_continues_the_winding():
    faces = np.array([[0, 1, 2]])
    (loop,) = boundary_loops(faces)
    band = strip(loop, np.array([3, 4, 5]))
    edges = np.concatenate([faces, band])
    edges = np.concatenate([edges[:, [0, 1]], edges[:, [1, 2]], edges[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)  # no half-edge twice


def test_cylinder_unrolls_without_wrapping():
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], 1) * 0.1
    points = np.concatenate([ring, ring + [0, 0.05, 0]])
    faces = np.concatenate([[[i, (i + 1) % 12, 12 + i], [(i + 1) % 12, 12 + (i + 1) % 12, 12 + i]] for i in range(12)])
    corners = cylinder_uv(points[faces], np.zeros(3), np.array([0.0, 1, 0]), 0.32)
    assert np.ptp(corners[..., 0], axis=1).max() == pytest.approx(2 / 12)
    assert np.ptp(corners[..., 1]) == pytest.approx(0.05 / 0.32)
    uv, face_uv = index_uv(corners, faces)
    assert np.allclose(uv[face_uv], corners, atol=1e-3)


def test_subdivision_keeps_the_surface(body):
    shell = body.shells["skirt"]
    fine = subdivided(shell)
    assert len(fine.faces) == 4 * len(shell.faces)
    assert np.allclose(fine.vertices[: len(shell.vertices)], shell.vertices)
    assert len(boundary_loops(fine.faces)) == len(boundary_loops(shell.faces))
