import numpy as np
import pytest
from scipy.spatial import cKDTree

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Garment, Hair, Look
from a3dgen.appearance.looks import ENDINGS, LooksConfig, draw_look
from a3dgen.core.rng import generator_for
from a3dgen.geometry.regions import REGION_NAMES, REGIONS
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.light import LightAdjust
from benchmarks.looks_measures import overhang

HAIR = {"style": "short", "colour": "brown", "eyes": "blue", "brows": 0.8, "stubble": 0.0, "age": 30, "length": 0.8}


def person(body, garments, cut=None, geometry="residual", hair=HAIR):
    removed, residual = np.zeros(12, bool), np.ones(12)
    for name, at in (cut or {}).items():
        removed[REGION_NAMES.index(name)], residual[REGION_NAMES.index(name)] = True, at
    pose = np.zeros((24, 3))
    pose[0] = [np.pi, 0, 0]
    pose[JOINT["left_shoulder"]] = [0, 0, -0.9]
    amputee = rebuild(
        body, BodyFit(pose, np.zeros(body.num_betas), np.array([0, 0, 3.0])), Cut(removed, residual, geometry)
    )
    look = Look(5, Hair(**hair), tuple(map(Garment.from_facts, garments)), LightAdjust(), 1)
    return amputee, look


def worn(ending=None, limb="left_arm"):
    top = {"kind": "longsleeve", "lengths": {"left_arm": 1.9, "right_arm": 1.9}, "fabric": "plain",
           "colors": [[150, 30, 30]], "seed": 0}  # fmt: skip
    bottom = {"kind": "trousers", "lengths": {"left_leg": 1.9, "right_leg": 1.9}, "fabric": "denim",
              "colors": [[56, 78, 122]], "seed": 0}  # fmt: skip
    shoes = {"kind": "shoes", "height": "low", "fabric": "plain", "colors": [[90, 60, 40]], "seed": 0}
    out = [top, bottom, shoes]
    if ending == "liner":
        out.append({"kind": "liner", "limb": limb, "fabric": "knit", "colors": [[220, 215, 205]], "seed": 0})
    if ending:
        out["leg" in limb]["ending"] = {limb: "bare" if ending == "liner" else ending}
    return out


def check(items):
    for item in items:
        assert item.vertices.dtype == np.float32
        assert np.isfinite(item.vertices).all()
        assert item.faces.max() < len(item.vertices)
        assert item.face_uv.shape == item.faces.shape
        assert item.face_uv.max() < len(item.uv)
        assert len(item.labels) == len(item.faces)
        assert item.labels.min() >= 1
        assert item.labels.max() <= 24


def test_dressed_person_has_skin_clothes_shoes_and_hair(body):
    amputee, look = person(body, worn())
    items = build_subject(body, amputee, look)
    check(items)
    assert [i.material for i in items] == ["skin", *["cloth"] * 4, "shoe", "shoe", "hair", "hair", "skin"]
    skin = items[0]
    kept = np.unique(skin.faces)
    below = kept[np.abs(amputee.mesh.vertices[kept, 1] - body.joints_template[JOINT["spine1"], 1]) < 0.05]
    assert len(below) == 0  # nothing of the belly is left below the shirt
    assert (skin.labels == 1 + JOINT["head"]).any()
    assert skin.scar is None


def test_meshes_and_textures_are_pooled(body):
    amputee, look = person(body, worn())
    first, second = build_subject(body, amputee, look), build_subject(body, amputee, look)
    for a, b in zip(first, second, strict=True):
        assert a.texture is b.texture
        assert a.faces is b.faces
        assert a.uv is b.uv
        assert np.array_equal(a.vertices, b.vertices)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("cut", [("left_elbow", 0.6), ("left_hand", 0.5), ("left_knee", 0.6), ("left_foot", 0.5)])
def test_endings_over_a_stump(ending, cut, body):
    name, at = cut
    limb = "left_leg" if name in ("left_knee", "left_foot") else "left_arm"
    amputee, look = person(body, worn(ending, limb), {name: at})
    items = build_subject(body, amputee, look)
    check(items)
    absent = REGIONS[REGION_NAMES.index(name)].joints
    assert not np.isin(np.concatenate([i.labels for i in items]), np.array(absent) + 1).any()
    stump = amputee.topology.stumps[0]
    tip = amputee.vertices[stump.tip]
    axis = tip - amputee.vertices[stump.ring].mean(0)
    axis /= np.linalg.norm(axis)
    kept = np.isin(stump.tip, items[0].faces)
    assert kept == (ending in ("bare", "rolled"))  # the skin's end shows, or is hidden
    reach = 0.0
    for item in items:
        near = item.vertices[np.linalg.norm(item.vertices - tip, axis=1) < 0.16]
        on = np.linalg.norm((near - tip) - np.outer((near - tip) @ axis, axis), axis=1) < 0.12
        if on.any() and item.material == "cloth":
            reach = max(reach, float(((near[on] - tip) @ axis).max()))
    if limb == "left_arm" and ending != "hanging":
        assert reach < (0.045 if ending == "pinned" else 0.012)


@pytest.mark.parametrize("name", ["left_shoulder", "right_hip"])
@pytest.mark.parametrize("ending", ["covered", "pinned", "hanging"])
def test_disarticulations_close(name, ending, body):
    limb = "left_arm" if "shoulder" in name else "right_leg"
    amputee, look = person(body, worn(ending, limb), {name: 1.0})
    items = build_subject(body, amputee, look)
    check(items)
    cap = amputee.mesh.faces[amputee.cap_faces]
    shown = {tuple(f) for f in items[0].faces.tolist()} & {tuple(f) for f in cap.tolist()}
    assert not shown
    assert sum(i.material == "shoe" for i in items) == (1 if "hip" in name else 2)


def test_skin_never_lies_outside_the_cloth_that_covers_it(body):
    amputee, look = person(body, worn("covered"), {"left_elbow": 0.7})
    skin, shirt = build_subject(body, amputee, look)[:2]
    tree = cKDTree(skin.vertices[np.unique(skin.faces)])
    distance, _ = tree.query(amputee.vertices[[s.tip for s in amputee.topology.stumps]])
    assert distance.min() > 0.05
    assert len(shirt.faces) > 1000


def test_collapse_geometry_is_dressed(body):
    amputee, look = person(body, worn("covered"), {"left_elbow": 1.0}, "collapse")
    check(build_subject(body, amputee, look))


def test_twins_share_everything_but_the_ending(body):
    removed, residual = np.zeros(12, bool), np.ones(12)
    removed[4], residual[4] = True, 0.6
    config = LooksConfig(garments=("longsleeve", "trousers", "shoes"), endings={"rolled": 1.0})
    items = {}
    for key, cut in (("twin", {}), ("amputee", {"left_elbow": 0.6})):
        look = draw_look(generator_for(0, "look", "a"), config, removed if cut else ~removed & False, residual)
        amputee, _ = person(body, [], cut)
        items[key] = build_subject(body, amputee, look)
    assert [i.material for i in items["twin"]] == [i.material for i in items["amputee"]]
    assert all(a.texture is b.texture for a, b in zip(items["twin"], items["amputee"], strict=True))


@pytest.mark.parametrize(("fit", "cut", "most"), [(0.1, "tapered", 0.15), (0.6, "straight", 0.18), (0.6, "wide", 0.22)])
def test_clothes_add_little_to_the_outline(fit, cut, most, body):
    amputee, look = person(body, [g | {"fit": fit} | ({"cut": cut} if g["kind"] == "trousers" else {}) for g in worn()])
    K = np.array([[420.0, 0, 160], [0, 420, 160], [0, 0, 1]])
    added, whole = overhang(amputee, build_subject(body, amputee, look), K, (0, 0, 320, 320))
    assert most - 0.06 < added / whole < most


def test_painted_texture_replaces_clothes(body, tmp_path):
    import cv2

    path = tmp_path / "person.png"
    cv2.imwrite(str(path), np.full((32, 32, 3), 90, np.uint8))
    amputee, look = person(body, [{"kind": "texture", "file": str(path)}])
    item, skull = build_subject(body, amputee, look)
    assert skull.texture is item.texture
    assert item.texture.shape == (32, 32, 4)
    assert item.uv is amputee.mesh.uv


def test_bodies_without_shells_are_dressed_from_their_skin(body, caplog):
    from dataclasses import replace

    bare = replace(body, mesh=replace(body.mesh), shells={})
    amputee, look = person(bare, worn())
    items = build_subject(bare, amputee, look)
    check(items)
    build_subject(bare, amputee, look)
    assert len(items) == 10
    assert len([r for r in caplog.records if "shells" in r.message]) == 1
