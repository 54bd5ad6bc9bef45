"""From a picture to the columns of Renders that tell of devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Integer, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.core.records import canonical
from a3dgen.devices.attach import Devices
from a3dgen.devices.device import WORN, is_worn
from a3dgen.devices.seen import device_ids, hidden_by, limb_status, prosthetic_states, seen_of
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.visibility import Buffers

HIDDEN = "prosthesis hidden: most of it is under cloth, occluded or outside the image"


def device_columns(
    devices: Devices,
    amputee: Amputee,
    state: Integer[ndarray, "44"],
    buffers: Buffers,
    part: UInt8[ndarray, "h w"],
    labels: UInt8[ndarray, "hh ww"],
    share: float,
) -> dict[str, Any]:
    """Return the columns of Renders from ``prosthesis`` to ``hidden_by``.

    Args:
        state: of the keypoints. buffers, part: of the drawn window; ``part`` with the devices' labels. labels: of the
            whole picture, after occlusion. share: of a prosthesis that must be seen for it to count as such.
    """
    ids = device_ids(labels)
    seen = [seen_of(a, ids, buffers.K) for a in devices.attached]
    points = devices.prosthetic()
    facts = [
        {**a.device.facts(), "id": n, "pixels": s.visible, "whole_pixels": s.silhouette}
        for n, (a, s) in enumerate(zip(devices.attached, seen, strict=True), start=1)
    ]
    return {
        "prosthesis": limb_status(amputee.cut.removed, devices, seen, share),
        "devices": canonical(facts),
        "prosthetic": points,
        "prosthetic_state": prosthetic_states(points, devices, buffers, part),
        "aids": devices.aid_points(),
        "hidden_by": hidden_by(state, amputee.keypoints, buffers, part),
    }


def why_prosthesis_hidden(region: int, devices: Devices, seen: Mapping[str, Any]) -> str | None:
    """Return why the prosthesis on a removed region cannot be told, "" if it can, None if none is worn there."""
    for a in devices.attached:
        if is_worn(a.device) and REGION_NAMES.index(a.device.region) == region:
            return "" if seen["prosthesis"][a.device.limb] == WORN else HIDDEN
    return None
