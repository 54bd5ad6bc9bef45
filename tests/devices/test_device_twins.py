"""An aid tells nothing of the limb in a finished dataset: who carries one stays only if their twin does."""

from __future__ import annotations

import json

from a3dgen.core.errors import Rejected
from a3dgen.devices.device import Device, devices_to_json
from a3dgen.devices.twins import LONELY, Pairs

CANE = devices_to_json([Device("cane", "left", colours=((1, 2, 3),), tip=(0.1, 0.2, 3.0), up=(0.0, -1.0, 0.0))])
LEG = devices_to_json([Device("transtibial", "left", "left_foot")])


def drawn(keys: list[str], twins: list[str], devices: list[str], refused: set[str]) -> set[str]:
    """Which samples come through if some cannot be drawn, as stage ``render`` asks."""
    return set(outcome(keys, twins, devices, refused)[0])


def outcome(
    keys: list[str], twins: list[str], devices: list[str], refused: set[str]
) -> tuple[list[str], dict[str, str]]:
    """The samples that were drawn, in order, and why the others were not."""
    pairs, out, why = Pairs.of(keys, twins, devices), [], {}

    def draw(key: str) -> None:
        if key in refused:
            raise Rejected("nothing of it is seen")

    for key in pairs.order(keys):
        try:
            with pairs.turn_of(key, draw):
                draw(key)
                out.append(key)
        except Rejected as error:
            why[key] = str(error)
    return out, why


def test_a_twin_with_an_aid_goes_with_its_amputee() -> None:
    keys, twins = ["amp", "full"], ["full", "amp"]
    assert drawn(keys, twins, [CANE, CANE], set()) == {"amp", "full"}
    assert drawn(keys, twins, [CANE, CANE], {"amp"}) == set()
    assert drawn(keys, twins, [json.dumps([*json.loads(LEG), *json.loads(CANE)]), CANE], {"amp"}) == set()
    assert drawn(keys, twins, [LEG, "[]"], {"amp"}) == {"full"}  # a prosthesis is the amputee's alone
    assert drawn(keys, twins, ["", ""], {"amp"}) == {"full"}


def test_an_amputee_is_not_drawn_whose_twin_will_be_refused() -> None:
    """The amputee comes first: whether the twin can be drawn is asked before anything is written."""
    done, why = outcome(["amp", "full"], ["full", "amp"], [CANE, CANE], {"full"})
    assert done == []
    assert why == {"amp": LONELY, "full": "nothing of it is seen"}
    both = outcome(["amp", "full"], ["full", "amp"], [CANE, CANE], {"amp", "full"})[1]
    assert both == dict.fromkeys(("amp", "full"), "nothing of it is seen")  # the own reason, not the twin
    assert drawn(["a1", "full", "a2"], ["full", "a1", "full"], [CANE] * 3, {"full"}) == set()
    assert drawn(["amp", "full"], ["full", "amp"], [LEG, "[]"], {"full"}) == {"amp"}  # no aid: nothing is told


def test_a_sample_that_is_drawn_again_alone_is_drawn() -> None:
    assert outcome(["amp"], ["full"], [CANE], {"full"}) == (["amp"], {})


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
