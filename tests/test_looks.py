import json

import numpy as np
import pytest

from a3dgen.appearance.look import BOTTOMS, FOOTWEAR, KINDS, TOPS, Look
from a3dgen.appearance.looks import FABRICS, LooksConfig, draw_look, tips
from a3dgen.appearance.palette import FILES, palette
from a3dgen.appearance.trousers import CUTS
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.package_files import data_folder
from a3dgen.core.rng import generator_for

INTACT, ONES = np.zeros(12, bool), np.ones(12, np.float32)


def cut(index, residual=0.6):
    removed, at = INTACT.copy(), ONES.copy()
    removed[index], at[index] = True, residual
    return removed, at


def look(i, config=None, removed=INTACT, residual=ONES, **more):
    return draw_look(generator_for(0, "look", str(i)), config or LooksConfig(), removed, residual, **more).columns()


def test_same_state_same_look_and_canonical_json():
    a, b = look(3), look(3)
    assert a == b
    for column in ("hair", "garments", "light"):
        assert a[column] == json.dumps(json.loads(a[column]), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("index", range(12))
def test_twin_differs_only_in_endings_and_liners(index):
    for i in range(8):
        amputee, twin = look(i, None, *cut(index)), look(i)
        assert {k for k in twin if twin[k] != amputee[k]} <= {"garments"}
        worn = [g for g in json.loads(amputee["garments"]) if g["kind"] != "liner"]
        for g in worn:
            g.pop("ending", None)
        assert worn == json.loads(twin["garments"])


def test_tones_are_balanced_and_restricted():
    tones = [look(i)["skin"] for i in range(400)]
    assert np.bincount(tones, minlength=11)[1:].min() > 20
    assert {look(i, LooksConfig(skin=(8, 9)))["skin"] for i in range(50)} == {8, 9}


def test_outfits_are_whole_and_everything_appears():
    kinds, fabrics = set(), set()
    for i in range(400):
        worn = json.loads(look(i)["garments"])
        assert [sum(g["kind"] in group for g in worn) for group in (TOPS, BOTTOMS, FOOTWEAR)] == [1, 1, 1]
        kinds |= {g["kind"] for g in worn}
        fabrics |= {g["fabric"] for g in worn}
    assert kinds == set(KINDS)
    assert fabrics == set(FABRICS)


def test_endings_follow_the_configured_weights():
    removed, residual = cut(4)
    config = LooksConfig(garments=("longsleeve", "trousers", "shoes"), endings={"rolled": 1.0})
    worn = json.loads(look(0, config, removed, residual)["garments"])
    assert worn[0]["ending"] == {"left_arm": "rolled"}
    assert "ending" not in worn[1]


def test_nothing_is_bare_below_a_shoulder_or_hip():
    for i in range(15):
        for index in (2, 5, 8, 11):
            for g in json.loads(look(i, None, *cut(index, 1.0))["garments"]):
                assert not set(g.get("ending", {}).values()) & {"bare", "rolled"}


def test_tips_in_limb_coordinates():
    removed, residual = INTACT.copy(), ONES.copy()
    removed[[0, 5, 7]] = True
    residual[0], residual[7] = 0.5, 0.25
    assert tips(removed, residual) == {"right_arm": 1.5, "left_arm": 0.0, "left_leg": 0.25}


def test_painted_textures_replace_garments():
    config = LooksConfig(textures="/some/folder", texture_share=1.0)
    worn = json.loads(look(0, config, textures=["a.png", "b.png"])["garments"])
    assert worn[0]["kind"] == "texture"
    assert worn[0]["file"] in ("/some/folder/a.png", "/some/folder/b.png")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"skin": (0,)}, "looks.skin"),
        ({"garments": ("tshrt",)}, "tshirt"),
        ({"exclude_garments": TOPS}, "a top"),
        ({"fabrics": ()}, "looks.fabrics"),
        ({"hair_styles": ("mohawk",)}, "looks.hair_styles"),
        ({"endings": {"pinned": 0.0}}, "looks.endings"),
        ({"endings": {"tucked": 1.0}}, "looks.endings"),
    ],
)
def test_wrong_configurations_name_the_key(wrong, where):
    with pytest.raises(ConfigError, match=where):
        LooksConfig(**wrong)


def test_looks_survive_plans():
    removed, residual = cut(4)
    for i in range(20):
        drawn = draw_look(generator_for(0, "look", str(i)), LooksConfig(), removed, residual)
        assert Look.from_columns(drawn.columns()) == drawn


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("garments", "[{]", "garments: not JSON"),
        ("garments", '{"kind": "tshirt"}', "garments: wanted a JSON list"),
        ("garments", '[{"kind": "tshirt", "colour": 1}]', "garments: .*has the keys"),
        ("garments", "[{}]", "garments: .*has the keys"),
        ("hair", '{"stile": "bald"}', "hair: .*style"),
        ("light", "[1]", "light: .*azimuth"),
    ],
)
def test_an_edited_plan_with_a_wrong_look_says_where(column, text, message):
    with pytest.raises(DataError, match=message):
        Look.from_columns(look(0) | {column: text})


def test_the_palette_is_read_from_the_textures_folder(monkeypatch, tmp_path):
    for name in FILES:
        text = (data_folder("textures") / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("liner: [[226, 222, 212]", "liner: [[226, 222, 300]"), "utf-8")
    monkeypatch.setattr("a3dgen.appearance.palette.data_folder", lambda name: tmp_path)
    with pytest.raises(ConfigError, match=r"colours.liner: \[226, 222, 300\] is no colour"):
        palette.__wrapped__()
    (tmp_path / "garments.yaml").write_text("colours: {}\n")
    with pytest.raises(ConfigError, match="lack or misspell a table"):
        palette.__wrapped__()


def test_every_fabric_and_garment_of_the_palette_is_known():
    tables = palette()
    assert {f for weights in tables.fabrics.values() for f in weights} == set(FABRICS)
    assert set(tables.lengths) == {*TOPS, *BOTTOMS}


def test_tops_are_tucked_into_skirts_and_trousers_have_a_cut():
    """A skirt stands further off than the hem of a shirt that would hang over it."""
    garments = [draw_look(generator_for(i, "tucked"), LooksConfig(), INTACT, ONES).garments for i in range(120)]
    skirts = [g for g in garments if g[1].kind == "skirt"]
    assert len(skirts) > 5
    assert all(top.tucked for top, *_ in skirts)
    assert {g[1].cut for g in garments if g[1].kind == "trousers"} == set(CUTS)
