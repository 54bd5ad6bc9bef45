"""Looks that cover a hole: what garments are said to cover, and what is chosen by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.covering import Coverage
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Garment, Hair, Look
from a3dgen.appearance.looks import TOP_FITS, LooksConfig, draw_look
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Bodies, Persons
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context, Inputs
from a3dgen.geometry.raster import silhouette
from a3dgen.io import rle
from a3dgen.lighting.light import LightAdjust
from a3dgen.renderers import get_renderer
from a3dgen.stages.amputate import Config, run
from a3dgen.stages.amputate_cover import gain_of

SIDE = 240
K = np.array([[1.1 * SIDE, 0, SIDE / 2], [0, 1.1 * SIDE, SIDE / 2], [0, 0, 1.0]])
INTACT, ONES = np.zeros(12, bool), np.ones(12, np.float32)
TRIED = {
    "tanktop": Garment("tanktop", {"left_arm": -0.15, "right_arm": -0.15}, fit=0.1),
    "close": Garment("longsleeve", {"left_arm": 1.9, "right_arm": 1.9}, fit=0.1),
    "wide top": Garment("longsleeve", {"left_arm": 1.9, "right_arm": 1.9}, fit=1.8),
    "shorts": Garment("shorts", {"left_leg": 0.5, "right_leg": 0.5}, cut="straight"),
    "tapered": Garment("trousers", {"left_leg": 1.92, "right_leg": 1.92}, cut="tapered"),
    "wide": Garment("trousers", {"left_leg": 1.92, "right_leg": 1.92}, cut="wide"),
    "skirt": Garment("skirt", {"left_leg": 1.0, "right_leg": 1.0}),
}


@pytest.fixture(scope="module")
def fitted(body):
    pose = np.zeros((24, 3))
    pose[0, 0] = np.pi
    pose[16, 2], pose[17, 2] = -1.0, 1.0
    return {"pose": pose, "betas": np.zeros(body.num_betas), "transl": np.array([0.0, -0.2, 2.2])}


@pytest.fixture(scope="module")
def gains(body, fitted):
    coverage = Coverage.of(body, fitted, K, np.ones((SIDE, SIDE), bool))
    return {name: coverage.gain(worn) for name, worn in TRIED.items()}, coverage.size


def drawn(body, fitted, *worn):
    """Return what a bald person in these garments covers of the picture."""
    amputee = rebuild(body, BodyFit(fitted["pose"], fitted["betas"], fitted["transl"]), Cut(INTACT, ONES))
    garments = tuple(replace(w, colors=((90, 90, 90),)) for w in worn)
    look = Look(5, Hair("bald"), garments, LightAdjust(), 0)
    return get_renderer("cpu").labels(build_subject(body, amputee, look), K, (0, 0, SIDE, SIDE)) > 0


@pytest.mark.parametrize("name", ["close", "wide top", "tapered", "wide", "skirt"])
def test_what_is_said_to_be_covered_is_what_is_drawn(body, fitted, gains, name):
    said, size = gains
    bare = silhouette(
        rebuild(body, BodyFit(fitted["pose"], fitted["betas"], fitted["transl"]), Cut(INTACT, ONES)).vertices,
        body.mesh.faces[~body.mesh.hidden], K, SIDE, SIDE,
    )  # fmt: skip
    truly = (drawn(body, fitted, TRIED[name]) & ~bare).sum() / size**2
    assert said[name] == pytest.approx(truly, rel=0.35, abs=0.002)


def test_wider_and_longer_covers_more(gains):
    said, _ = gains
    assert said["wide top"] > 2 * said["close"] > 2 * said["tanktop"] > 0
    assert said["wide"] > 1.2 * said["tapered"] > 1.2 * said["shorts"] > 0


def gain_for(**wanted):
    return lambda worn: float(any(getattr(worn, name, None) == value for name, value in wanted.items()))


def looks(gain, count=60):
    return [draw_look(generator_for(i, "cover"), LooksConfig(), INTACT, ONES, (), gain) for i in range(count)]


def test_cuts_are_chosen_and_the_rest_stays():
    chosen, usual = looks(gain_for(cut="wide", fit=TOP_FITS[-1])), looks(None)
    for a, b in zip(chosen, usual, strict=True):
        assert (a.skin, a.hair, a.seed, a.light, a.hands) == (b.skin, b.hair, b.seed, b.light, b.hands)
        for x, y in zip(a.garments, b.garments, strict=True):
            assert replace(x, fit=y.fit, cut=y.cut) == y, "colours, fabrics, lengths and kinds are those drawn"
            if x.kind in ("trousers", "shorts"):
                assert x.cut == "wide"
            if x.kind in ("tshirt", "longsleeve", "tanktop"):
                assert x.fit == (y.fit if x.tucked else TOP_FITS[-1]), "nothing wide is tucked in"


def test_where_nothing_is_to_be_covered_everything_is_drawn():
    fits = [
        g.fit for look in looks(lambda worn: 0.0, 200) for g in look.garments if g.kind == "longsleeve" and not g.tucked
    ]
    assert all(fits.count(fit) > 0.2 * len(fits) for fit in TOP_FITS)


def people(body, fitted, wide):
    """Return two people, the second with a mask: as wide as the body, or narrower."""
    outline = silhouette(
        rebuild(body, BodyFit(fitted["pose"], fitted["betas"], fitted["transl"]), Cut(INTACT, ONES)).vertices,
        body.mesh.faces[~body.mesh.hidden], K, SIDE, SIDE,
    )  # fmt: skip
    mask = outline if wide else outline & np.roll(outline, 7, 1) & np.roll(outline, -7, 1)
    base = {"subset": "S", "stem": "x", "image": "x.png", "image_size": (SIDE, SIDE), "bbox": (0, 0, 9, 9),
            "keypoints": np.zeros((44, 3)), "state": np.zeros(44), "K": K}  # fmt: skip
    masks = ["", rle.to_json(rle.encode(mask))]
    persons = Persons.from_rows([{"key": f"s/{i}", "mask": m, **base} for i, m in enumerate(masks)])
    fit = {**fitted, "K": K, "reproj_px": 1.0, "sigma": np.zeros(24), "alt_betas": np.zeros((3, body.num_betas))}
    return persons, Bodies.from_rows([{"key": f"s/{i}", **fit} for i in range(2)])


def test_the_hole_is_foretold_from_the_mask_or_the_fitted_body(body, fitted):
    (close, wide) = (people(body, fitted, wide) for wide in (False, True))
    ask = [gain_of(body, persons.row(i), bodies.row(i)) for persons, bodies in (close, wide) for i in (0, 1)]
    unknown, narrow, _, broad = (gain(TRIED["wide"]) for gain in ask)
    assert 0 < narrow < 0.8 * broad, "what lies beyond the hole is not covered"
    assert broad <= unknown, "a fitted body is grown further than a mask"
    assert broad > ask[3](TRIED["tapered"])


def test_nobody_in_the_photo_no_preference(body, fitted):
    persons, bodies = people(body, fitted, False)
    away = {**bodies.row(0), "transl": np.array([40.0, 0.0, 2.2])}
    behind = {**bodies.row(0), "transl": np.array([0.0, 0.0, -2.2])}
    assert gain_of(body, persons.row(0), away) is None
    assert gain_of(body, persons.row(0), behind) is None


@pytest.mark.parametrize("cover", [True, False])
def test_samples_are_the_same_again_and_twins_alike(body, fitted, cover):
    persons, bodies = people(body, fitted, True)
    config = Config(per_person=2, check_visibility=False, looks=LooksConfig(cover=cover))
    context = Context(3, BodyConfig(), Path("."), Path("."))
    first, again = (run(config, Inputs(persons, bodies), context).record for _ in range(2))
    assert first.garments.tolist() == again.garments.tolist()
    at = first.index()
    for i in range(len(first)):
        look, twin = (Look.from_columns(first.row(n)) for n in (i, at[first.twin[i]]))
        assert look.hair == twin.hair
        assert [(g.kind, g.fit, g.cut) for g in look.garments if g.kind != "liner"] == [
            (g.kind, g.fit, g.cut) for g in twin.garments if g.kind != "liner"
        ]
    loose = [g.fit for i in range(len(first)) for g in Look.from_columns(first.row(i)).garments if g.fit > 1]
    assert bool(loose) == cover


def test_frames_of_a_track_keep_one_look_whatever_each_shows(body, fitted):
    persons, bodies = people(body, fitted, True)
    rows = [{**persons.row(i), "track": "walk"} for i in range(2)]
    config = Config(per_person=1, check_visibility=False, per_track=True)
    plans = run(config, Inputs(Persons.from_rows(rows), bodies), Context(3, BodyConfig(), Path("."), Path("."))).record
    assert len(plans) == 4
    assert len(set(plans.hair.tolist())) == 1
    assert all(g.fit <= 1 for i in range(4) for g in Look.from_columns(plans.row(i)).garments)
