"""What clothes do over prostheses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a3dgen.appearance.look import LINER, Look
from a3dgen.devices.device import Device, is_worn


def over_prostheses(look: Look, devices: Sequence[Device]) -> Look:
    """Return a look whose cloth ends above prostheses, or is worn down to the shoe, as each prosthesis says.

    Only ``ending`` and the liners change, as over a residual limb without a prosthesis: twins stay alike.
    """
    worn = {d.limb_name: d.cover for d in devices if is_worn(d)}
    if not worn:
        return look
    garments = []
    for g in look.garments:
        if g.kind == LINER and g.limb in worn:
            continue
        ending = {k: worn.get(k, v) for k, v in g.ending.items() if worn.get(k) != "trousers"}
        garments.append(replace(g, ending=ending))
    return replace(look, garments=tuple(garments))
