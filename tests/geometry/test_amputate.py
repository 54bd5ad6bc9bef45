from dataclasses import replace

import numpy as np
import pytest
import trimesh
from synthetic import synthetic_body
from triangles import crossings

from a3dgen.amputation import rebuild as rebuild_module
from a3dgen.amputation.cap import cap_faces
from a3dgen.amputation.rebuild import (
    COLLAPSE,
    DEFAULT_STUMP,
    RESIDUAL,
    BodyFit,
    Cut,
    build_topology,
    rebuild,
    topology_for,
)
from a3dgen.amputation.scar import find_scar_patch, seam_maps
from a3dgen.core.pool import Cache
from a3dgen.fit.limits import joint_limits
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.limbs import limb_coordinate
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, absent_rows
from a3dgen.geometry.skeleton import JOINT

STUMP = np.tile(np.float32(DEFAULT_STUMP), (NUM_REGIONS, 1))
CUTS = [(r.index, f) for r in REGIONS for f in ((0.25, 0.5, 0.75, 1.0) if r.cuttable else (1.0,))]
NAMED = [pytest.param(r, f, id=f"{REGIONS[r].name}-{f}") for r, f in CUTS]


def flags(*regions):
    out = np.zeros(NUM_REGIONS, bool)
    out[list(regions)] = True
    return out


def cut(body, regions, residual, pose=None, betas=None, geometry=RESIDUAL, transl=(0.0, 0.0, 0.0), stump=STUMP):
    removed = flags(*np.atleast_1d(regions))
    return rebuild(
        body,
        BodyFit(
            np.zeros((24, 3)) if pose is None else pose,
            np.zeros(body.num_betas) if betas is None else betas,
            np.array(transl),
        ),
        Cut(removed, np.where(removed, residual, 1.0).astype(np.float32), geometry, stump),
    )


def check_closed(amputee, whole=1):
    mesh = trimesh.Trimesh(amputee.vertices, amputee.mesh.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.body_count == whole
    return mesh


def random_poses(n, seed=0, betas=10):
    rng = np.random.default_rng(seed)
    low, high = joint_limits()
    poses = np.zeros((n, 24, 3))
    poses[:, 1:] = rng.uniform(low, high, (n, 69)).reshape(n, 23, 3)
    return poses, rng.normal(0, 1, (n, betas))


@pytest.mark.parametrize(("region", "residual"), NAMED)
def test_closed_well_shaped_and_free_of_crossings(body, region, residual):
    a = cut(body, region, residual)
    check_closed(a, trimesh.Trimesh(body.mesh.vertices, body.mesh.faces, process=False).body_count)
    corner = a.vertices[a.mesh.faces]
    area = trimesh.triangles.area(corner)
    assert area[a.cap_faces].min() > 1e-6
    assert area.min() >= 0.99 * trimesh.triangles.area(body.mesh.vertices[body.mesh.faces]).min()
    t = a.topology
    as_before = np.zeros(len(a.vertices), bool)
    old = np.flatnonzero(~t.cap_vertices & (t.origin.t == 0))
    as_before[old] = (a.mesh.vertices[old] == body.mesh.vertices[t.origin.a[old]]).all(1)
    changed = ~as_before[a.mesh.faces].all(1)
    assert a.cap_faces[changed].sum() == a.cap_faces.sum()
    assert not len(crossings(a.vertices, a.mesh.faces[changed], a.mesh.faces[~a.mesh.hidden]))


@pytest.mark.parametrize(("region", "residual"), NAMED[::2])
def test_untouched_vertices_are_bit_identical(body, region, residual):
    t = cut(body, region, residual).topology
    r = REGIONS[region]
    field = limb_coordinate(body.mesh, body.joints_template, f"{r.side}_{r.limb}")
    rows = np.flatnonzero(~t.cap_vertices & (t.origin.t == 0))
    far = field[t.origin.a[rows]] < t.stumps[0].plan.cut - 0.36
    far &= body.mesh.weights[t.origin.a[rows]][:, list(r.joints)].sum(1) == 0
    rows, source = rows[far], t.origin.a[rows[far]]
    assert len(rows) > 9000
    for name in ("vertices", "weights", "shape_dirs"):
        assert np.array_equal(getattr(t.mesh, name)[rows], getattr(body.mesh, name)[source]), name
    assert (t.scar[rows] == 0).all()


@pytest.mark.parametrize("region", [r.index for r in REGIONS if r.cuttable])
@pytest.mark.parametrize("residual", [0.25, 0.5, 0.71, 1.0])
def test_tip_lies_at_the_residual(body, region, residual):
    a = cut(body, region, residual)
    start, end = body.joints_template[list(REGIONS[region].segment)]
    bone = end - start
    length = np.linalg.norm(bone)
    stump = a.topology.stumps[0]
    along = (a.vertices - start) @ bone / length
    assert abs(along[stump.tip] - residual * length) < 1e-5
    assert along[a.topology.cap_vertices].max() < along[stump.tip] + 1e-3
    assert a.stump_length[region] == pytest.approx(residual * length, rel=1e-6)
    assert 0.1 < a.stump_girth[region] < 0.75
    row = REGIONS[region].end
    np.testing.assert_allclose(a.ends[row, :3], a.vertices[stump.tip], atol=1e-6)
    assert a.ends[:, 3].tolist() == [float(i == row) for i in range(8)]


@pytest.mark.parametrize("region", [0, 4, 6, 10])
def test_tip_follows_pose_and_shape(body, region):
    poses, betas = random_poses(8)
    for pose, shape in zip(poses, betas, strict=True):
        a = cut(body, region, 0.6, pose, shape)
        start, end = a.posed.joints[list(REGIONS[region].segment)]
        bone = end - start
        along = (a.ends[REGIONS[region].end, :3] - start) @ bone / np.linalg.norm(bone) ** 2
        assert abs(along - 0.6) < 0.2  # skin and bone stretch differently
        assert a.stump_length[region] == pytest.approx(along * np.linalg.norm(bone), abs=2e-3)


def test_absent_joints_have_no_influence(body):
    poses, betas = random_poses(2)
    for region in range(NUM_REGIONS):
        other = poses[0].copy()
        other[list(REGIONS[region].joints)] = poses[1][list(REGIONS[region].joints)]
        first, second = (cut(body, region, 0.6, p, betas[0]) for p in (poses[0], other))
        assert np.array_equal(first.vertices, second.vertices)
        np.testing.assert_array_equal(first.ends, second.ends)


def test_intact_is_the_body_itself(body):
    pose, betas = (x[0] for x in random_poses(1))
    a = cut(body, [], 1.0, pose, betas, transl=(0.1, 0.2, 3.0))
    posed = pose_body(body, pose, betas, np.array([0.1, 0.2, 3.0]))
    assert np.array_equal(a.vertices, posed.vertices(body.mesh, betas))
    np.testing.assert_array_equal(a.keypoints, posed.keypoints)
    assert a.present.all()
    assert not a.scar.any()
    assert not a.cap_faces.any()
    assert a.mesh is body.mesh
    assert 1.2 < a.height < 2.3


def test_several_limbs_at_once(body):
    pose, betas = (x[0] for x in random_poses(1, 3))
    four = cut(body, [0, 4, 7, 9], 0.5, pose, betas)
    check_closed(four, trimesh.Trimesh(body.mesh.vertices, body.mesh.faces, process=False).body_count)
    assert [s.region for s in four.topology.stumps] == [0, 4, 7, 9]
    assert four.ends[:, 3].sum() == 4
    assert (four.keypoints[~four.present] == 0).all()
    for r in (0, 4, 7, 9):
        one = cut(body, r, 0.5, pose, betas)
        row = REGIONS[r].end
        np.testing.assert_allclose(four.ends[row], one.ends[row], atol=1e-6)
        assert four.stump_girth[r] == pytest.approx(one.stump_girth[r], rel=1e-6)
    both = cut(body, [2, 5, 8, 11], 1.0)
    check_closed(both, trimesh.Trimesh(body.mesh.vertices, body.mesh.faces, process=False).body_count)


def test_only_the_most_proximal_region_of_a_limb_counts(body):
    a, b = cut(body, [6, 7], 0.5), cut(body, 7, 0.5)
    assert np.array_equal(a.vertices, b.vertices)
    assert a.stump_length[6] == 0
    assert np.array_equal(a.present, ~absent_rows(flags(6, 7)))


@pytest.mark.parametrize(("region", "residual"), NAMED[::3])
def test_attributes_of_the_cap(body, region, residual):
    a = cut(body, region, residual)
    t, mesh = a.topology, a.mesh
    carrier = REGIONS[region].segment[0]
    np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-5)
    assert (mesh.weights >= -1e-6).all()
    assert (mesh.weights[:, list(REGIONS[region].joints)] == 0).all()
    assert (mesh.face_part[a.cap_faces] == carrier).all()
    assert not np.isin(mesh.face_part, REGIONS[region].joints).any()
    assert not mesh.hidden[a.cap_faces].any()
    assert a.scar.dtype == np.float32
    assert a.scar.min() >= 0
    assert 0.5 < a.scar.max() < 0.7  # reddened; the seam itself is painted
    assert (a.scar[t.cap_vertices] >= 0.29).all()
    value = np.arange(len(body.mesh.vertices), dtype=np.float32)
    assert len(a.origin.apply(value)) == len(a.vertices)
    assert len(a.origin.faces) == len(mesh.faces)
    for corner in (mesh.face_uv.max() < len(mesh.uv), mesh.face_uv.min() >= 0):
        assert corner


@pytest.mark.parametrize(("region", "residual"), NAMED[::2])
def test_cap_texture_is_an_unstretched_island_on_skin(body, region, residual):
    a = cut(body, region, residual)
    mesh = a.mesh
    corner = mesh.uv[mesh.face_uv[a.cap_faces]].astype(np.float64)
    space = a.vertices[mesh.faces[a.cap_faces]].astype(np.float64)
    area = 0.5 * np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (area > 0).all() or (area < 0).all()  # no fold
    edges = np.linalg.norm(np.roll(corner, -1, 1) - corner, axis=2) / np.linalg.norm(
        np.roll(space, -1, 1) - space, axis=2
    )
    scale = np.median(edges)
    assert (edges < 3 * scale).all()
    assert np.mean((edges > 0.5 * scale) & (edges < 2 * scale)) > 0.9
    middle = corner.mean((0, 1))
    here = body.mesh.uv[body.mesh.face_uv].mean(1)
    nearest = body.mesh.face_part[np.argmin(np.linalg.norm(here - middle, axis=1))]
    assert nearest == (REGIONS[region].segment[0] if REGIONS[region].cuttable else REGIONS[region].joint)


@pytest.mark.parametrize("region", range(NUM_REGIONS))
def test_scar_is_painted_in_a_free_part_of_the_texture(body, region):
    a = cut(body, region, 0.6)
    mesh, patch = a.mesh, find_scar_patch(body.mesh)
    rows = np.unique(mesh.face_uv[a.cap_faces])
    assert (np.linalg.norm(a.stump_uv[rows] - patch.middle, axis=1) < 0.95 * patch.radius).all()
    others = np.setdiff1d(np.unique(mesh.face_uv[~a.cap_faces]), rows)
    assert np.array_equal(a.stump_uv[others], mesh.uv[others])
    assert np.linalg.norm(mesh.uv[others] - patch.middle, axis=1).min() > patch.radius
    corner = a.stump_uv[mesh.face_uv[a.cap_faces]].astype(np.float64)
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (area > 0).all() or (area < 0).all()  # no fold


def test_layout_without_room_has_no_scar_patch(body):
    full = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    faces = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    quad = replace(
        body.mesh, vertices=body.mesh.vertices[:4], shape_dirs=body.mesh.shape_dirs[:4], weights=body.mesh.weights[:4],
        faces=faces, uv=full, face_uv=faces, pose_dirs=None, face_part=body.mesh.face_part[:2],
        hidden=body.mesh.hidden[:2],
    )  # fmt: skip
    assert find_scar_patch(quad) is None


def test_seam_is_a_narrow_line_that_ends_within_the_cap():
    y, x = np.mgrid[-1:1:101j, -1:1:101j]
    maps = {k: v.reshape(x.shape) for k, v in seam_maps(np.stack([x.ravel(), y.ravel()], -1)).items()}
    assert maps["scar"].min() >= 0
    assert maps["scar"].max() <= 1
    assert 0.01 < (maps["scar"] > 0.5).mean() < 0.08
    assert np.abs(maps["relief"]).max() <= 1
    for values in maps.values():
        assert np.abs(values[np.abs(x) > 0.81]).max() < 1e-6


@pytest.mark.parametrize("region", range(NUM_REGIONS))
def test_no_limb_beyond_the_stump(body, region):
    r = REGIONS[region]
    a = cut(body, region, 0.6)
    start, end = body.joints_template[list(r.segment)]
    if not r.cuttable:
        start, end = end, body.joints_template[JOINT[f"{r.side}_{'elbow' if r.limb == 'arm' else 'knee'}"]]
    bone = (end - start) / np.linalg.norm(end - start)
    reach = body.mesh.weights[:, list(r.joints)].sum(1)
    kept = a.origin.apply(reach) > 0.5
    tip = a.vertices[a.topology.stumps[0].tip]
    beyond = (a.vertices[kept] - tip) @ bone
    assert len(beyond) == 0 or beyond.max() < (0.001 if r.cuttable else 0.03)


@pytest.mark.parametrize("region", range(NUM_REGIONS))
def test_collapse_as_a3d(body, region):
    pose, betas = (x[0] for x in random_poses(1, 5))
    a = cut(body, region, 1.0, pose, betas, geometry=COLLAPSE, transl=(0.0, 0.0, 4.0))
    faces = a.mesh.faces.astype(np.int64)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = (np.sort(edges @ np.array(k)) for k in ((10**6, 1), (1, 10**6)))
    assert np.array_equal(there, back)  # closed: every edge has its opposite
    joint = REGIONS[region].joint
    np.testing.assert_allclose(a.vertices[a.topology.stumps[0].tip], a.posed.joints[joint], atol=1e-5)
    assert (a.posed.rotations[list(REGIONS[region].joints)] == 0).all()
    np.testing.assert_allclose(a.posed.joints[list(REGIONS[region].joints)] - a.posed.joints[joint], 0, atol=1e-12)
    assert trimesh.triangles.area(a.vertices[a.mesh.faces]).min() > 0
    far = np.flatnonzero(body.mesh.weights[a.origin.a][:, list(REGIONS[region].joints)].sum(1) == 0)
    whole = pose_body(body, pose, betas, np.array([0, 0, 4.0])).vertices(body.mesh, betas)
    np.testing.assert_allclose(a.vertices[far], whole[a.origin.a[far]], atol=1e-6)


def _posed_crossings(body, cuts, n, seed):
    poses, betas = random_poses(n, seed)
    for region, residual in cuts:
        for i in range(n):
            a = cut(body, region, residual, poses[i], betas[i])
            cap = a.mesh.faces[a.cap_faces]
            assert not len(crossings(a.vertices, cap, cap)), (REGIONS[region].name, residual, i)


def test_posed_caps_do_not_cross_themselves(body):
    _posed_crossings(body, CUTS, 4, 1)


@pytest.mark.slow
def test_posed_caps_do_not_cross_themselves_200(body):
    _posed_crossings(body, CUTS, 200, 2)


def test_any_stump_shape_closes(body):
    rng = np.random.default_rng(0)
    for _ in range(12):
        stump = np.stack([rng.uniform(1.5, 4, 12), rng.uniform(0.3, 1.2, 12), rng.uniform(0, 0.4, 12)], 1)
        region = int(rng.integers(12))
        a = cut(body, region, float(rng.uniform(0.2, 1)), stump=stump.astype(np.float32))
        check_closed(a, trimesh.Trimesh(body.mesh.vertices, body.mesh.faces, process=False).body_count)
        cap = a.mesh.faces[a.cap_faces]
        assert not len(crossings(a.vertices, cap, cap))


def test_another_body_and_pose_directions():
    small = synthetic_body()
    offsets = np.random.default_rng(0).normal(0, 1e-3, (len(small.mesh.vertices), 3, 207)).astype(np.float32)
    small = replace(small, mesh=replace(small.mesh, pose_dirs=offsets))
    pose = random_poses(1, 7)[0][0]
    for region, residual in CUTS[::7]:
        a = cut(small, region, residual, pose)
        check_closed(a)
        assert a.mesh.pose_dirs.shape == (len(a.vertices), 3, 207)


def test_topologies_are_cached_by_what_they_depend_on(body):
    residual = np.full(12, 0.5, np.float32)
    first = topology_for(body, Cut(flags(7), residual, RESIDUAL, STUMP))
    other = residual.copy()
    other[3] = 0.9  # not removed: makes no difference
    assert topology_for(body, Cut(flags(7), other, RESIDUAL, STUMP)) is first
    assert topology_for(body, Cut(flags(7), residual + 0.01, RESIDUAL, STUMP)) is not first
    assert topology_for(body, Cut(flags(7), residual, RESIDUAL, STUMP + 0.01)) is not first
    same = build_topology(body.mesh, body.joints_template, flags(7), residual, STUMP)
    assert np.array_equal(same.mesh.vertices, first.mesh.vertices)
    with pytest.raises(ValueError, match="geometry"):
        topology_for(body, Cut(flags(7), residual, "dissolve", STUMP))


def test_a_mesh_that_does_not_fit_its_joints_is_refused(body):
    with pytest.raises(ValueError, match="do not fit together"):
        build_topology(body.mesh, body.joints_template + [0.5, 0, 0], flags(0), np.full(12, 0.5), STUMP)


def test_cap_faces_close_a_loop():
    faces, hangs_on = cap_faces(np.array([3, 1, 2, 0, 4]), 5, rings=2)
    assert len(faces) == len(hangs_on) == 5 * 5
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    lone = {tuple(e) for e in edges.tolist()} - {tuple(e[::-1]) for e in edges.tolist()}
    assert lone == {(1, 3), (2, 1), (0, 2), (4, 0), (3, 4)}
    assert faces.max() == 5 + 2 * 5


def test_a_pose_costs_no_new_topology(body, monkeypatch):
    """One cut in many poses and shapes is made once; another residual is another cut, the whole body none at all."""
    made = []

    def counted(mesh, joints, removed, *rest):
        made.append(np.flatnonzero(removed).tolist())
        return build_topology(mesh, joints, removed, *rest)

    monkeypatch.setattr(rebuild_module, "build_topology", counted)
    monkeypatch.setattr(rebuild_module, "_TOPOLOGIES", Cache(12))
    poses, betas = random_poses(5, betas=body.num_betas)
    for pose, shape in zip(poses, betas, strict=True):
        cut(body, 7, 0.44, pose, shape)
    assert made == [[7]]
    cut(body, 7, 0.45)
    cut(body, [7, 0], 0.44)
    assert made == [[7], [7], [0, 7]]
    for _ in range(3):
        cut(body, 7, 0.44)
        cut(body, [7, 0], 0.44)
    assert len(made) == 3
    for residual in np.linspace(0.2, 0.9, 12):  # the cache is bounded: the oldest are made anew when they come again
        cut(body, 1, float(residual))
    before = len(made)
    cut(body, 7, 0.45)
    assert len(made) == before + 1
