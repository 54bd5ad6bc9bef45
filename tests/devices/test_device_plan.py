"""What a person's samples carry: nothing by default; twins the same aids; prostheses only where they have room."""

from __future__ import annotations

import numpy as np
import pytest
from people import LOOK, fit_of

from a3dgen.appearance.look import LINER, Garment, Look, garments_from_json
from a3dgen.config import build_config
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OCCLUDED, VISIBLE, Plans
from a3dgen.core.typed import plain
from a3dgen.devices.device import BLADES, Device, devices_from_json, devices_to_json, in_words, is_prosthesis, is_worn
from a3dgen.devices.dressing import over_prostheses
from a3dgen.devices.person import Person
from a3dgen.devices.plan import clear_of_body, equip, feet_on_view
from a3dgen.devices.sampling import DevicesConfig, device_use, draw_devices
from a3dgen.geometry.regions import NUM_REGIONS, REGION_NAMES
from a3dgen.geometry.skeleton import JOINT, ROW

CLINICAL = DevicesConfig(use="clinical")
LONG = np.full(NUM_REGIONS, 0.42)


def removed(*names: str) -> np.ndarray:
    return np.isin(REGION_NAMES, names)


def draw(config: DevicesConfig, seed: int, *names: str, residual: float = 0.5):
    gone = removed(*names)
    return draw_devices(np.random.default_rng(seed), config, gone, np.where(gone, residual, 1.0), LONG, 5)


def rows_of(person: str, region: str) -> list[dict]:
    out = []
    for name, gone, twin in (("amp_6_v0", removed(region), "full_v0"), ("full_v0", removed(), "amp_6_v0")):
        out.append({"key": f"{person}/{name}", "parent": person, "twin": f"{person}/{twin}", "removed": gone,
                    "residual": np.where(gone, 0.5, 1.0).astype(np.float32), **LOOK.columns()})  # fmt: skip
    return out


def test_devices_survive_their_text() -> None:
    device = Device("forearm_crutch", "left", colours=((1, 2, 3),), tip=(0.1, 0.2, 3.0), up=(0.0, -1.0, 0.0))
    leg = Device("transtibial", "right", "right_foot", finish="plaid", colours=((1, 2, 3), (4, 5, 6)), cover="rolled")
    text = devices_to_json([device, leg])
    assert devices_from_json(text) == (device, leg)
    assert devices_to_json(devices_from_json(text)) == text
    assert devices_from_json("[]") == ()
    for wrong in ("{}", "[1]", '[{"type":"jetpack"}]', "[", '[{"type":"transtibial"}]'):
        with pytest.raises(DataError):
            devices_from_json(wrong)


def test_devices_are_named_as_readers_know_them() -> None:
    leg = Device("hip_disarticulation", "left", "left_hip", doffed=True)
    assert in_words(leg) == "hip disarticulation prosthesis, taken off"
    assert in_words(Device("forearm_crutch", "left")) == "forearm crutch"


def test_twins_carry_the_same_aids_in_the_same_posture(body) -> None:
    pairs, with_aid = 0, 0
    for n in range(6):
        out, _ = equip(
            CLINICAL, n, body, fit_of(body, 20 * n, 8, n), rows_of(f"p{n}", ("left_foot", "right_knee")[n % 2])
        )
        assert len(out) == 2
        amputee, intact = (devices_from_json(r["devices"]) for r in out)
        assert [d for d in amputee if not is_prosthesis(d)] == list(intact)
        assert all(np.array_equal(out[0].get(k), out[1].get(k)) for k in ("pose", "transl", "reposed"))
        Plans.from_rows(out)
        pairs, with_aid = pairs + 1, with_aid + bool(intact)
    assert pairs == 6
    assert with_aid > 0


def test_who_sits_at_a_table_gets_no_wheelchair(body) -> None:
    fit = {**fit_of(body, 0, 80, 1), "K": np.array([[600.0, 0, 400], [0, 600.0, 400], [0, 0, 1]])}
    rows, always = rows_of("p", "left_foot"), DevicesConfig(use="balanced", aid=1.0, exclude=("cane", "crutch"))
    state = np.full(44, VISIBLE)
    person = {"state": state, "image_size": np.array([800, 900])}
    assert feet_on_view(body, person, fit)
    state[[ROW["extra_left_ankle"], ROW["extra_right_ankle"]]] = OCCLUDED
    assert not feet_on_view(body, person, fit)
    assert feet_on_view(body, {**person, "image_size": np.array([800, 450])}, fit)  # the picture ends above them
    for on_view in (True, False):
        found = [equip(always, n, body, fit, rows, on_view)[0] for n in range(8)]
        aids = {d.type for out in found for r in out for d in devices_from_json(r["devices"]) if not is_prosthesis(d)}
        assert aids == ({"wheelchair"} if on_view else set())


def test_the_same_seed_gives_the_same_rows(body) -> None:
    fit = fit_of(body, 0, 8, 1)
    one, two = (equip(CLINICAL, 3, body, fit, rows_of("p", "left_foot"))[0] for _ in range(2))
    assert [r["devices"] for r in one] == [r["devices"] for r in two]
    assert all(np.array_equal(a.get("pose"), b.get("pose")) for a, b in zip(one, two, strict=True))


def test_a_prosthesis_needs_room_and_a_limb_that_is_gone() -> None:
    always = DevicesConfig(use="balanced", prosthesis=1.0)
    assert [d.type for d in draw(always, 0, "left_foot").prostheses] == ["transtibial"]
    assert [d.type for d in draw(always, 0, "left_foot", "right_knee").prostheses] == ["transtibial", "transfemoral"]
    assert draw(always, 0, "left_foot", residual=0.9).prostheses == ()
    assert draw(always, 0, "left_foot", residual=0.2).prostheses == ()
    assert draw(always, 0, "right_shoulder").prostheses == ()
    found = draw(always, 0, "left_hip", "right_hand", residual=0.5).prostheses
    assert [d.type for d in found] == ["transradial", "hip_disarticulation"]
    ends = {d.end for n in range(40) for d in draw(always, n, "left_elbow").prostheses}
    assert ends == {"hook", "myoelectric", "hand"}
    assert draw(DevicesConfig(use="balanced", prosthesis=0.0), 0, "left_foot").prostheses == ()
    none = DevicesConfig(use="balanced", prosthesis=1.0, exclude=("transtibial",))
    assert draw(none, 0, "left_foot").prostheses == ()


def test_shares_follow_the_table_and_hands_that_are_gone_hold_nothing() -> None:
    share = device_use()["presets"]["clinical"]["worn"]["foot"]["share"]
    drawn = [draw(CLINICAL, n, "left_foot") for n in range(400)]
    assert np.mean([bool(d.prostheses) for d in drawn]) == pytest.approx(share, abs=0.07)
    held = {d.side for d in drawn if d.aid in ("cane", "crutch")}
    assert held == {"right"}  # away from the removed leg
    one_handed = [draw(DevicesConfig(use="clinical", aid=1.0), n, "left_foot", "right_hand") for n in range(60)]
    assert all("right" not in d.hands for d in one_handed)
    always = DevicesConfig(use="clinical", aid=1.0, prosthesis=0.0)
    assert {draw(always, n, "left_foot", "right_knee").aid for n in range(40)} == {"wheelchair"}  # no leg to stand on
    nobody = DevicesConfig(use="clinical", aid=0.0)
    assert {draw(nobody, n, "left_knee").aid for n in range(50)} == {"none"}


def test_a_doffed_prosthesis_lies_on_the_ground_and_is_worn_by_nobody(body) -> None:
    config = DevicesConfig(use="balanced", prosthesis=0.0, aid=0.0)
    fit, seen = fit_of(body, 0, 8, 1), set()
    for n in range(12):
        amputee, intact = (
            devices_from_json(r["devices"]) for r in equip(config, n, body, fit, rows_of("p", "left_foot"))[0]
        )
        assert intact == ()
        seen.add(len(amputee))
        for device in amputee:
            assert device.doffed
            assert not is_worn(device)
            person = Person.of(body, fit)
            at = person.frame.T @ (np.array(device.frame["at"]) - person.place)
            assert at[1] == pytest.approx(0, abs=1e-5)
            assert at[0] > 0.6  # beside the crutch, on the missing leg's side
        assert equip(config, n, body, fit, rows_of("p", "left_foot"), on_view=False)[0][0]["devices"] == "[]"
    assert seen == {0, 1}


def test_running_blades_come_without_aids() -> None:
    always = DevicesConfig(use="balanced", prosthesis=1.0)
    drawn = [draw(always, n, "left_foot") for n in range(120)]
    blades = [d for d in drawn if d.prostheses[0].end in BLADES]
    assert {d.prostheses[0].end for d in blades} == set(BLADES)
    assert {d.aid for d in blades} == {"none"}


def test_cloth_ends_above_a_prosthesis() -> None:
    trousers = Garment("trousers", {"left_leg": 2.0, "right_leg": 2.0}, ending={"left_leg": "pinned"})
    liner = Garment(LINER, limb="left_leg", colors=((9, 9, 9),))
    look = Look(LOOK.skin, LOOK.hair, (trousers, liner), LOOK.light, 0)
    for cover, ending in (("bare", {"left_leg": "bare"}), ("rolled", {"left_leg": "rolled"}), ("trousers", {})):
        worn = over_prostheses(look, [Device("transtibial", "left", "left_foot", cover=cover)])
        assert [g.kind for g in worn.garments] == ["trousers"]
        assert worn.garments[0].ending == ending
    assert over_prostheses(look, []) is look
    assert garments_from_json(look.columns()["garments"]) == look.garments


def test_the_configuration_says_nothing_of_devices_while_they_are_off() -> None:
    off, on = (build_config(t, "x", "x.yaml") for t in ({}, {"devices": {"use": "clinical", "aid": 0.2}}))
    assert "devices" not in off.settings()["amputate"]
    assert on.settings()["amputate"]["devices"] == plain(DevicesConfig(use="clinical", aid=0.2))
    for wrong in ({"use": "of"}, {"exclude": ["cain"]}, {"cover": {"bear": 1}}, {"prosthesis": 2}, {"contact_mm": 0}):
        with pytest.raises(ConfigError, match="devices"):
            build_config({"devices": wrong}, "x", "x.yaml")
    with pytest.raises(ConfigError, match="key of its own"):
        build_config({"amputate": {"devices": {"use": "clinical"}}}, "x", "x.yaml")


def test_no_prosthesis_where_the_arm_of_the_photo_lies_in_the_body(body) -> None:
    arm = Device("transradial", "left", "left_hand", end="hook")
    leg, free = Device("transtibial", "left", "left_foot"), fit_of(body, 0, 8, 1)
    assert clear_of_body([arm, leg], body, free) == [arm, leg]
    folded = {**free, "pose": free["pose"].copy()}
    folded["pose"][JOINT["left_shoulder"]] = (0, 0, -1.55)
    assert clear_of_body([arm, leg], body, folded) == [leg]
