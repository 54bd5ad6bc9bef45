import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from a3dgen.appearance.looks import LooksConfig
from a3dgen.appearance.texture.colour import monk_albedo
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Bodies, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.geometry.regions import REGIONS
from a3dgen.io import rle
from a3dgen.lighting.srgb import to_srgb
from a3dgen.stages.amputate import Config, other_people, run

WIDTH, HEIGHT, FOCAL = 320, 400, 420.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])


def inputs(count=1, shift=(0.0, -0.1, 4.0), betas=10, yaw=0.0, **person):
    """People who stand upright before the camera, arms lowered."""
    pose = np.zeros((24, 3))
    pose[0] = np.array([np.cos(yaw / 2), 0, np.sin(yaw / 2)]) * np.pi
    pose[16, 2], pose[17, 2] = -1.0, 1.0
    keys = [f"src/{i}" for i in range(count)]
    base = {
        "subset": "S", "stem": "x", "image": "x.png", "image_size": (WIDTH, HEIGHT), "bbox": (0, 0, 9, 9),
        "keypoints": np.zeros((44, 3)), "state": np.zeros(44), "K": K,
    }  # fmt: skip
    persons = Persons.from_rows([{"key": k, **base, **person} for k in keys])
    fit = {"pose": pose, "betas": np.zeros(betas), "transl": shift, "K": K, "reproj_px": 1.0, "sigma": np.zeros(24),
           "alt_betas": np.zeros((3, betas))}  # fmt: skip
    return Inputs(persons, Bodies.from_rows([{"key": k, **fit} for k in keys]))


def context(seed=0):
    return Context(seed, BodyConfig(), Path("."), Path("."))


@pytest.fixture(scope="module")
def planned():
    return run(Config(per_person=3, multi_limb=0.3), inputs(6), context())


def test_every_person_gets_its_samples(planned):
    plans, outcome = planned.record, planned.outcome
    assert outcome.counts() == {"ok": 6, "rejected": 0, "failed": 0}
    assert len(plans) == 6 * 3 * 2
    for key in outcome.key:
        own = plans.parent == key
        assert own.sum() == 6
        assert sorted(plans.variant[own & ~plans.removed.any(1)]) == [0, 1, 2]


def test_keys_and_twins(planned):
    plans = planned.record
    at = plans.index()
    for i in range(len(plans)):
        row, twin = plans.row(i), plans.row(at[plans.twin[i]])
        first = np.flatnonzero(row["removed"])
        kind = f"amp_{first[0]}" if len(first) else "full"
        assert row["key"] == f"{row['parent']}/{kind}_v{row['variant']}"
        assert twin["twin"] == row["key"]
        assert twin["removed"].any() != row["removed"].any()
        for name in ("skin", "hair", "light", "look_seed", "parent", "variant"):
            assert row[name] == twin[name]
        assert (row["stump"] == twin["stump"]).all()
        kinds = [[g["kind"] for g in json.loads(r["garments"]) if g["kind"] != "liner"] for r in (row, twin)]
        assert kinds[0] == kinds[1]


def test_residuals(planned):
    plans = planned.record
    assert (plans.residual[~plans.removed] == 1).all()
    assert (plans.residual[plans.removed] >= 0.2).all()
    for r in REGIONS:
        if not r.cuttable:
            assert (plans.residual[:, r.index] == 1).all()


def test_same_seed_same_rows_whatever_the_shard(planned):
    whole = inputs(6)
    part = Inputs(whole.persons.take([4, 2]), whole.bodies.take([4, 2]))
    again = run(Config(per_person=3, multi_limb=0.3), part, context()).record
    at = planned.record.index()
    for i in range(len(again)):
        row, before = again.row(i), planned.record.row(at[again.key[i]])
        assert all(np.array_equal(row[name], before[name]) for name in row)
    other = run(Config(per_person=3, multi_limb=0.3), part, context(1)).record
    assert other.look_seed.tolist() != again.look_seed.tolist()


def test_shared_and_no_twins():
    shared = run(Config(per_person=3, twins="shared"), inputs(1), context()).record
    assert len(shared) == 4
    intact = shared.key[~shared.removed.any(1)]
    assert intact.tolist() == ["src/0/full_v0"]
    assert set(shared.twin[shared.removed.any(1)]) == {"src/0/full_v0"}
    assert len(set(shared.look_seed.tolist())) == 1
    alone = run(Config(per_person=2, twins="none"), inputs(1), context()).record
    assert alone.removed.any(1).all()
    assert set(alone.twin) == {""}


def test_intact_only():
    out = run(Config(per_person=0), inputs(2), context())
    assert out.record.key.tolist() == ["src/0/full_v0", "src/1/full_v0"]
    assert not out.record.removed.any()
    assert out.outcome.counts()["ok"] == 2


def test_cropped_at_the_shin_loses_no_foot_but_a_knee():
    low = inputs(1, shift=(0.0, 0.55, 2.2))  # the lower edge cuts the shins
    feet = run(Config(regions=("left_foot", "right_foot"), per_person=1, residual="0.8..0.9"), low, context())
    assert feet.outcome.status.tolist() == ["rejected"]
    assert "left_foot: stump tip outside the image" in feet.outcome.reason[0]
    knees = run(Config(regions=("left_knee", "right_foot"), per_person=4, residual="0.5..0.9"), low, context())
    assert knees.outcome.status.tolist() == ["ok"]
    assert set(np.flatnonzero(knees.record.removed.any(0))) == {7}
    assert "right_foot: stump tip outside" in knees.outcome.reason[0]


def test_shorter_stump_where_the_drawn_one_is_outside():
    low = inputs(1, shift=(0.0, 0.40, 2.2))
    out = run(Config(regions="left_transtibial", per_person=6, residual="0.25..0.95"), low, context())
    plans = out.record
    lengths = plans.residual[plans.removed.any(1), 6]
    assert len(lengths) == 6
    assert lengths.max() < 0.9
    free = run(Config(regions="left_transtibial", per_person=6, residual="0.25..0.95"), inputs(1), context()).record
    drawn = free.residual[free.removed.any(1), 6]
    assert (lengths <= drawn + 1e-6).all()
    assert (lengths < drawn - 1e-3).any()


def test_from_the_side_the_far_arm_is_not_removed():
    side = inputs(1, yaw=-np.pi / 2)
    out = run(Config(regions=("left_elbow", "right_elbow"), per_person=6, multi_limb=0.0), side, context())
    assert len(set(np.flatnonzero(out.record.removed.any(0)).tolist())) == 1


def test_another_person_in_front():
    cover = np.zeros((HEIGHT, WIDTH), bool)
    cover[:, WIDTH // 2 :] = True  # image right: the person's left side
    scene = inputs(1, others=rle.list_to_json([rle.encode(cover)]))
    out = run(Config(per_person=12, multi_limb=0.0), scene, context())
    removed = np.flatnonzero(out.record.removed.any(0))
    assert all(REGIONS[r].side == "right" for r in removed)
    assert "hidden" in out.outcome.reason[0]
    free = run(Config(per_person=12, multi_limb=0.0, check_visibility=False), scene, context())
    assert any(REGIONS[r].side == "left" for r in np.flatnonzero(free.record.removed.any(0)))


def test_other_people_spare_the_person_itself():
    own, other = np.zeros((2, HEIGHT, WIDTH), bool)
    own[100:200, 100:200], other[50:300, 150:300] = True, True
    keypoints, state = np.zeros((44, 3)), np.zeros(44, np.uint8)
    keypoints[3], state[3] = (250, 250, 1), 2
    person = inputs(
        1, mask=rle.to_json(rle.encode(own)), others=rle.list_to_json([rle.encode(other)]),
        keypoints=keypoints, state=state,
    ).persons.row(0)  # fmt: skip
    found = other_people(person, K)
    assert not found[own].any()
    assert not found[244:257, 247:254].any()
    assert found[60, 160]
    assert found[280, 290]


def test_the_tone_of_a_painted_person_is_that_of_the_picture(tmp_path):
    for name, tone in (("fair", 3), ("dark", 9)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((32, 32, 3), to_srgb(monk_albedo(tone))[::-1], np.uint8))
    looks = LooksConfig(textures=str(tmp_path), texture_share=1.0)
    plans = run(Config(per_person=6, looks=looks), inputs(), context()).record
    files = [Path(json.loads(g)[0]["file"]).name for g in plans.garments]
    shown = dict(zip(files, plans.skin.tolist(), strict=True))
    assert shown == {"fair.png": pytest.approx(3, abs=1), "dark.png": 9}


def test_present_amputation_stays_in_every_sample():
    present = np.zeros(12, bool)
    present[7] = True
    residual = np.ones(12, np.float32)
    residual[7] = 0.6
    out = run(
        Config(per_person=3, multi_limb=0.0), inputs(1, present_removed=present, present_residual=residual), context()
    )
    plans = out.record
    assert len(plans) == 6
    assert len(set(plans.key)) == 6
    assert plans.removed[:, 7].all()
    np.testing.assert_allclose(plans.residual[:, 7], 0.6)
    assert sorted(plans.removed.sum(1)) == [1, 1, 1, 2, 2, 2]
    assert sorted(plans.variant) == [0, 1, 2, 3, 4, 5]
    only = Config(regions=("left_foot", "left_knee"), per_person=2)
    alone = run(only, inputs(1, present_removed=present, present_residual=residual), context())
    assert alone.record.key.tolist() == ["src/0/amp_7_v0"]


def test_collapse_is_at_the_joint():
    plans = run(Config(geometry="collapse", per_person=4), inputs(1), context()).record
    assert (plans.residual == 1).all()
    assert set(plans.geometry) == {"collapse"}


def test_out_of_sight_is_rejected_with_a_reason():
    out = run(Config(per_person=1), inputs(1, shift=(9.0, 0.0, 3.0)), context())
    assert out.outcome.status.tolist() == ["rejected"]
    assert "outside the image" in out.outcome.reason[0]
    assert len(out.record) == 0
