"""One device of one sample as typed values; JSON text only in the column ``devices`` of Plans."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from a3dgen.core.errors import DataError
from a3dgen.core.records import canonical
from a3dgen.geometry.regions import LIMBS, REGION_NAMES, REGIONS

HIP = "hip_disarticulation"
PROSTHESES = {
    "transtibial": "foot", "transfemoral": "knee", "transradial": "hand", "transhumeral": "elbow", HIP: "hip",
}  # fmt: skip
"""Type of prosthesis -> level of the region it replaces."""
LEGS = ("transtibial", "transfemoral", HIP)
DISTAL = ("transtibial", "transradial")
"""Prostheses whose socket is on the second segment of the limb, shank or forearm."""
AIDS = ("forearm_crutch", "axillary_crutch", "cane", "wheelchair", "walker")
TYPES = (*PROSTHESES, *AIDS)
GRIPPED = ("forearm_crutch", "axillary_crutch", "cane")
"""Aids that a hand holds."""
FRAMED = ("wheelchair", "walker")
"""Aids made in a frame of their own, whose place the plan says."""
ENDS = ("foot", "blade", "c_blade", "hook", "hand", "myoelectric")
BLADES = ("blade", "c_blade")
"""Running blades: J-shaped, bolted behind the socket; C-shaped, below a pylon."""
COVERS = ("bare", "rolled", "trousers")
"""What cloth does over a prosthesis: shortened, rolled up, or worn down to the shoe."""
NO_LIMB_LOST, NOTHING_WORN, WORN, UNDER_CLOTH, DOFFED = 0, 1, 2, 3, 4
STATUS_NAMES = ("intact", "none_worn", "worn", "worn_under_cloth", "doffed_in_view")
"""What is with each limb: the values of ``a3dgen_prosthesis``."""

POINTS = ("brim", "end", "joint", "ankle", "heel", "toe")
"""Prosthetic keypoints of a limb: socket brim, socket end, knee or elbow, ankle or wrist, heel or hook, tip of toe,
blade or finger."""
NUM_POINTS = len(LIMBS) * len(POINTS)
AID_POINTS = ("left_grip", "left_tip", "right_grip", "right_tip", "left_hub", "right_hub", "footplate", "seat")

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Device:
    """One device; fields that its type does not have keep their defaults.

    Attributes:
        type: one of ``TYPES``. side: ``left`` or ``right``; empty for a wheelchair.
        region: AJAHR name of the removed region that a prosthesis replaces.
        end: what a prosthesis ends in, one of ``ENDS``. cover: one of ``COVERS``.
        finish: of a socket: ``carbon``, ``skin``, or a fabric laminated into it. colours: sRGB of frame or finish.
        cosmetic: the prosthesis has a cover in the form of the sound limb. sleeve: a suspension sleeve holds it.
        doffed: it lies on the ground beside the person.
        tip: camera frame, m: where a crutch or cane stands. up: against gravity there.
        frame: measures of a wheelchair or walker, m, and ``turn`` (9,) and ``at`` (3,), its place in the camera
            frame, as of a doffed prosthesis (with ``rests``, what it leans against: middle, axis, radius and tube of
            rings in that frame, and ``ahead``, its place along z); of an axillary crutch ``pad``, height of its pad
            above its tip, m.
    """

    type: str
    side: str = ""
    region: str = ""
    end: str = "foot"
    cover: str = "bare"
    finish: str = "carbon"
    colours: tuple[RGB, ...] = ()
    cosmetic: bool = False
    sleeve: bool = False
    doffed: bool = False
    tip: tuple[float, ...] = ()
    up: tuple[float, ...] = ()
    frame: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the fields that are not at their defaults, as plain JSON values."""
        values = dataclasses.asdict(self)
        return {f.name: values[f.name] for f in dataclasses.fields(self)
                if f.name in ("type", "side") or values[f.name] not in (_default(f), None)}  # fmt: skip

    @property
    def limb(self) -> int:
        """Place of a prosthesis's limb in ``regions.LIMBS``."""
        region = REGION_NAMES.index(self.region)
        return next(i for i, limb in enumerate(LIMBS) if region in limb)

    @property
    def limb_name(self) -> str:
        """``left_leg`` and so on."""
        region = REGIONS[REGION_NAMES.index(self.region)]
        return f"{region.side}_{region.limb}"


def _default(field: Any) -> Any:
    return field.default if field.default is not dataclasses.MISSING else field.default_factory()


def is_prosthesis(device: Device) -> bool:
    """Whether a device replaces a limb."""
    return device.type in PROSTHESES


def in_words(device: Device) -> str:
    """Return a device's name for readers, like ``transfemoral prosthesis, taken off``."""
    name = device.type.replace("_", " ") + (" prosthesis" if is_prosthesis(device) else "")
    return f"{name}, taken off" if device.doffed else name


def is_worn(device: Device) -> bool:
    """Whether a device is a prosthesis on its limb."""
    return device.type in PROSTHESES and not device.doffed


def devices_to_json(devices: Sequence[Device]) -> str:
    """Return the column ``devices`` of Plans; equal devices give equal bytes."""
    return canonical([d.facts() for d in devices])


def devices_from_json(text: object) -> tuple[Device, ...]:
    """Return the devices of the column ``devices`` of Plans; an empty text is none.

    Raises:
        DataError: if it is no JSON list of devices.
    """
    try:
        facts = json.loads(str(text)) if str(text) else []
    except ValueError as error:
        raise DataError(f"devices: not JSON ({error}): {str(text)[:60]!r}") from None
    if not isinstance(facts, list):
        raise DataError(f"devices: wanted a JSON list, found {type(facts).__name__}")
    return tuple(device_of(entry) for entry in facts)


def device_of(facts: Any) -> Device:
    """Return the device of one JSON object.

    Raises:
        DataError: if it is none.
    """
    names = {f.name for f in dataclasses.fields(Device)}
    if not isinstance(facts, dict) or not set(facts) <= names or facts.get("type") not in TYPES:
        raise DataError(f"devices: {str(facts)[:80]} is none; its type is one of {', '.join(TYPES)}")
    if facts["type"] in PROSTHESES and facts.get("region") not in REGION_NAMES:
        raise DataError(f"devices: {str(facts)[:80]}: a prosthesis names the region that it replaces")
    tuples: dict[str, Any] = {"colours": tuple(tuple(c) for c in facts.get("colours", ()))}
    tuples |= {name: tuple(facts.get(name, ())) for name in ("tip", "up")}
    return Device(**{**facts, **tuples})
