"""An aid tells nothing of the limb in a finished dataset: who carries one stays only if their twin does."""

from __future__ import annotations

import json

from a3dgen.devices.device import Device, devices_to_json
from a3dgen.devices.twins import Pairs

CANE = devices_to_json([Device("cane", "left", colours=((1, 2, 3),), tip=(0.1, 0.2, 3.0), up=(0.0, -1.0, 0.0))])
LEG = devices_to_json([Device("transtibial", "left", "left_foot")])


def drawn(keys: list[str], twins: list[str], devices: list[str], refused: set[str]) -> set[str]:
    """Which samples come through if some cannot be drawn, as stage ``render`` asks."""
    pairs = Pairs.of(keys, twins, devices)
    out = set()
    for key in pairs.order(keys):
        if pairs.lonely(key) or key in refused:
            pairs.refused.add(key)
        else:
            out.add(key)
    return out


def test_a_twin_with_an_aid_goes_with_its_amputee() -> None:
    keys, twins = ["amp", "full"], ["full", "amp"]
    assert drawn(keys, twins, [CANE, CANE], set()) == {"amp", "full"}
    assert drawn(keys, twins, [CANE, CANE], {"amp"}) == set()
    assert drawn(keys, twins, [json.dumps([*json.loads(LEG), *json.loads(CANE)]), CANE], {"amp"}) == set()
    assert drawn(keys, twins, [LEG, "[]"], {"amp"}) == {"full"}  # a prosthesis is the amputee's alone
    assert drawn(keys, twins, ["", ""], {"amp"}) == {"full"}


def test_a_shared_twin_stays_while_one_amputee_does() -> None:
    keys, twins, devices = ["a1", "full", "a2"], ["full", "a1", "full"], [CANE] * 3
    assert drawn(keys, twins, devices, {"a1"}) == {"full", "a2"}
    assert drawn(keys, twins, devices, {"a1", "a2"}) == set()
    assert drawn(keys, twins, devices, {"a2"}) == {"full", "a1"}


def test_who_has_no_twin_by_design_keeps_the_aid() -> None:
    assert drawn(["amp", "other"], ["", ""], [CANE, CANE], {"other"}) == {"amp"}


def test_without_aids_the_order_is_kept() -> None:
    keys = ["a1", "full", "a2", "b1", "b2"]
    pairs = Pairs.of(keys, ["full", "a1", "full", "b2", "b1"], [LEG, "[]", LEG, "", ""])
    assert pairs.order(keys) == keys
