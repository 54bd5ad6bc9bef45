"""Samples prostheses and walking aids from a configuration and a random generator."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.random import Generator

from a3dgen.appearance.palette import palette
from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.package_files import data_folder
from a3dgen.devices.device import BLADES, COVERS, HIP, LEGS, PROSTHESES, Device
from a3dgen.geometry.devices import arms, legs
from a3dgen.geometry.regions import REGIONS, absent_joints
from a3dgen.geometry.skeleton import JOINT

USES = ("none", "balanced", "clinical")
AID_NAMES = ("none", "cane", "crutch", "crutches", "axillary", "walker", "wheelchair")
"""Kinds of aid: nothing; a cane or one forearm crutch, in the hand away from a removed leg; two forearm crutches;
two axillary crutches; a walking frame; a wheelchair."""
KINDS = (
    *PROSTHESES,
    "blade",
    "hook",
    "myoelectric",
    "cosmetic",
    "doffed",
    "cane",
    "crutch",
    "crutches",
    "axillary",
    "walker",
    "wheelchair",
    "folding",
    "racing",
    "push",
    "swing_through",
)
LEAST_BUILD_M = legs.LEAST_BUILD_M | arms.LEAST_BUILD_M
LEAST_RESIDUAL = {"foot": 0.25, "knee": 0.35, "hand": 0.35, "elbow": 0.45, "hip": 0.0}
"""Shorter residual limbs hold no socket here."""
ELBOW = (17.0, 29.0)
"""Flexion of the elbow on a crutch or cane, degrees: fitting guides say 15 to 30."""
RIMS_SHARE, PUSH_SHARE, SWING_SHARE, TURN = 0.6, 0.2, 0.25, 50.0
"""Share of people in wheelchairs whose hands are on the rims, and who push them (among these); of people on two
crutches who swing through them; how far the chair is turned to either side, degrees."""
SKIN_SHARE = 0.15
"""Share of skin-coloured sockets; a bucket in that colour would look like a bare hip."""
_LAMINATIONS = ("plaid", "floral", "camouflage", "stripes")
_SKIN_SHELLS = ((226, 184, 158), (204, 158, 128), (176, 128, 98), (134, 92, 66), (92, 62, 46), (62, 42, 34))
_FRAMES = ((40, 60, 160), (60, 60, 66), (150, 152, 158), (170, 60, 140), (30, 140, 120), (150, 30, 34))


@dataclass(frozen=True)
class DevicesConfig:
    """Prostheses and walking aids; none by default.

    Attributes:
        use: ``none``; ``clinical`` (shares of ``configs/device_use.json``, an engineering proposal with its sources);
            ``balanced`` (even shares, for training).
        prosthesis: share of removed legs with a prosthesis where one fits; below 0 = as ``use`` says.
        aid: share of people with a walking aid; below 0 = as ``use`` says.
        exclude: devices that are not drawn, of transtibial, transfemoral, transradial, transhumeral,
            hip_disarticulation, blade, hook, myoelectric, cosmetic, doffed, cane, crutch, crutches, axillary, walker,
            wheelchair, folding, racing; and of the postures push (in a wheelchair) and swing_through (on crutches).
        cover: weight of what cloth does that would reach over a prosthesis: ``bare`` (shortened), ``rolled``, or
            ``trousers`` (worn down to the shoe; most of such samples are rejected because nothing shows).
        contact_mm: most that a grip may be off the hand, or a tip or sole off the ground.
        penetration_mm: most that a rigid device may lie inside the body.
    """

    use: str = "none"
    prosthesis: float = -1.0
    aid: float = -1.0
    exclude: tuple[str, ...] = ()
    cover: Mapping[str, float] = field(default_factory=lambda: {"bare": 0.8, "rolled": 0.2})
    contact_mm: float = 5.0
    penetration_mm: float = 5.0

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise ConfigError(f"devices.use: '{self.use}' is unknown{nearest(self.use, USES)}")
        for name in self.exclude:
            if name not in KINDS:
                raise ConfigError(f"devices.exclude: '{name}' is unknown{nearest(name, KINDS)}")
        for name in ("prosthesis", "aid"):
            if getattr(self, name) > 1:
                raise ConfigError(f"devices.{name} is a share, 0 to 1 (or below 0 for that of devices.use)")
        for name, weight in self.cover.items():
            if name not in COVERS or weight < 0:
                raise ConfigError(f"devices.cover: '{name}: {weight}': give weights of {', '.join(COVERS)}")
        if not sum(self.cover.values()) > 0:
            raise ConfigError("devices.cover: one weight must be positive")
        if min(self.contact_mm, self.penetration_mm) <= 0:
            raise ConfigError("devices: contact_mm and penetration_mm must be positive")

    @property
    def off(self) -> bool:
        """Whether no device is drawn at all."""
        return self.use == "none"


@functools.cache
def device_use() -> dict[str, Any]:
    """Return ``configs/device_use.json``: shares of prostheses and aids with their sources."""
    return json.loads((data_folder("configs") / "device_use.json").read_text("utf-8"))


@dataclass(frozen=True)
class Drawn:
    """What one pair of twins has.

    Attributes:
        prostheses: of the amputee, worn or doffed. aid: of both, one of ``AID_NAMES``; side: of the hand that holds it.
        colour: of its frame. chair: ``active``, ``folding`` or ``racing``.
        posture: in a wheelchair, hands on the ``rims`` at rest, in a ``push``, or in the ``lap``; on two crutches
            ``swing_through``; where it says nothing of an aid, that has but one posture.
        turn: of the wheelchair about the vertical, degrees. elbow: how far it is bent on a crutch or cane, degrees.
        handless: sides whose hand is gone.
    """

    prostheses: tuple[Device, ...] = ()
    aid: str = "none"
    side: str = "left"
    colour: tuple[int, int, int] = _FRAMES[0]
    chair: str = "active"
    posture: str = "rims"
    turn: float = 0.0
    elbow: float = 23.0
    handless: tuple[str, ...] = ()

    @property
    def hands(self) -> tuple[str, ...]:
        """The sides whose hands hold something."""
        if self.aid == "none":
            return ()
        if self.aid in ("crutches", "axillary", "walker", "wheelchair"):
            return tuple(s for s in ("left", "right") if s not in self.handless)
        return (self.side,)

    def aids(self) -> tuple[Device, ...]:
        """Return the aids before they have a place."""
        kind = {"cane": "cane", "axillary": "axillary_crutch"}.get(self.aid, "forearm_crutch")
        return tuple(Device(kind, side, colours=(self.colour,)) for side in self.hands)


def draw_devices(
    rng: Generator,
    config: DevicesConfig,
    removed: Bool[ndarray, "12"],
    residual: Float[ndarray, "12"],
    segment: Float[ndarray, "12"],
    tone: int,
) -> Drawn:
    """Draw the devices of one amputee and their twin.

    Args:
        rng: generator of this pair. removed, residual: of Plans. segment: lengths of the carrying segments, m.
        tone: Monk Skin Tone, for cosmetic covers.

    Takes as many numbers from ``rng`` whatever is removed. An aid goes to the hand away from a removed leg; a hand
    that is gone holds none.
    """
    preset = device_use()["presets"]["clinical" if config.off else config.use]
    prostheses, doffed = [], 0.0 if "doffed" in config.exclude else preset["doffed"]["share"]
    for region in REGIONS:
        level = region.name.split("_")[1]
        numbers = rng.random(5)
        if level not in preset["worn"]:
            continue
        kind = next(k for k, v in PROSTHESES.items() if v == level)
        share = preset["worn"][level]["share"] if config.prosthesis < 0 else config.prosthesis
        room = (1 - float(residual[region.index])) * float(segment[region.index])
        fits = room >= LEAST_BUILD_M[kind] and residual[region.index] >= LEAST_RESIDUAL[level]
        if not (removed[region.index] and kind not in config.exclude and fits):
            continue
        if numbers[0] < share:
            prostheses.append(_prosthesis(kind, region.name, region.side, config, preset, numbers, tone))
        elif kind in LEGS and kind != HIP and numbers[0] < share + (1 - share) * doffed:
            off = _prosthesis(kind, region.name, region.side, config, preset, numbers, tone)
            prostheses.append(replace(off, end="foot", cover="bare", cosmetic=False, sleeve=False, doffed=True))
    worn = {d.side for d in prostheses if d.type in LEGS and not d.doffed}
    side, aid, colour, chair = _aid(rng, config, preset, removed, worn)
    if aid != "none":  # nobody walks on a running blade with an aid, or sits with one in a wheelchair
        prostheses = [replace(d, end="foot") if d.end in BLADES else d for d in prostheses]
    how = rng.random(3)
    gone = absent_joints(removed)
    handless = tuple(s for s in ("left", "right") if gone[JOINT[f"{s}_wrist"]])
    posture, turn = _posture(config, aid, float(how[0])), round(float(TURN * (2 * how[1] - 1)), 1)
    elbow = round(float(np.interp(how[2], (0, 1), ELBOW)), 1)
    return Drawn(tuple(prostheses), aid, side, colour, chair, posture, turn, elbow, handless)


def _posture(config: DevicesConfig, aid: str, u: float) -> str:
    if aid in ("crutches", "axillary"):
        return "swing_through" if u < SWING_SHARE and "swing_through" not in config.exclude else "rims"
    if u >= RIMS_SHARE:
        return "lap"
    return "push" if u < RIMS_SHARE * PUSH_SHARE and "push" not in config.exclude else "rims"


def _prosthesis(
    kind: str, region: str, side: str, config: DevicesConfig, preset: Any, u: Float[ndarray, "5"], tone: int
) -> Device:
    end = _end(kind, config, preset, float(u[1]))
    cosmetic = u[2] < preset["cosmetic"]["share"] and kind == "transtibial" and end == "foot"
    cosmetic = bool(cosmetic and "cosmetic" not in config.exclude)
    covers = list(config.cover)
    weights = np.cumsum([config.cover[c] for c in covers])
    cover = covers[int(np.searchsorted(weights, u[3] * weights[-1], side="right"))]
    finish, colours = _finish(max(u[4], SKIN_SHARE) if kind == HIP else u[4], tone, cosmetic)
    sleeve = kind == "transtibial" and not cosmetic and u[2] > 1 - preset["sleeve"]["share"]
    return Device(kind, side, region, end, cover, finish, colours, cosmetic, bool(sleeve))


def _end(kind: str, config: DevicesConfig, preset: Any, u: float) -> str:
    if kind == HIP:
        return "foot"
    if kind in LEGS:
        share = preset["blade"]["share"]
        blade = "c_blade" if u < preset["blade"]["c_shaped"] * share else "blade"
        return blade if u < share and "blade" not in config.exclude else "foot"
    hook, motor = (preset[name]["share"] for name in ("hook", "myoelectric"))
    if u < hook:
        return "hook" if "hook" not in config.exclude else "hand"
    return "myoelectric" if u < hook + motor and "myoelectric" not in config.exclude else "hand"


def _finish(u: float, tone: int, cosmetic: bool) -> tuple[str, tuple[tuple[int, int, int], ...]]:
    if cosmetic or u < SKIN_SHARE:
        return "skin", (_SKIN_SHELLS[min((tone - 1) * len(_SKIN_SHELLS) // 10, len(_SKIN_SHELLS) - 1)],)
    if u < 0.55:
        return "carbon", ()
    place = (u - 0.55) / 0.45 * len(_LAMINATIONS)
    kind, rest = _LAMINATIONS[int(place)], place % 1
    tables = palette()
    if kind == "camouflage":
        return kind, tuple(tables.camouflage[int(rest * len(tables.camouflage))])
    cloth = list(dict.fromkeys(tables.cloth))
    at = int(rest * len(cloth))
    return kind, tuple(cloth[(at + step) % len(cloth)] for step in (0, 3, 7))


def _aid(
    rng: Generator, config: DevicesConfig, preset: Any, removed: ndarray, worn: set[str]
) -> tuple[str, str, tuple[int, int, int], str]:
    gone = absent_joints(removed)
    legs = [bool(gone[JOINT[f"{s}_ankle"]]) for s in ("left", "right")]
    arms = [bool(gone[JOINT[f"{s}_wrist"]]) for s in ("left", "right")]
    numbers = rng.random(4)
    lost = [s for s, gone in zip(("left", "right"), legs, strict=True) if gone]
    table = preset["aid_other" if not lost else "aid_leg_worn" if worn >= set(lost) else "aid_leg_not_worn"]["weights"]
    side = "left" if (legs[1] if legs[0] != legs[1] else numbers[0] < 0.5) else "right"
    if arms[0 if side == "left" else 1]:
        side = "right" if side == "left" else "left"
    free = {"none": True, "crutches": not any(arms), "axillary": not any(arms), "walker": not any(arms),
            "wheelchair": True}  # fmt: skip
    some = {a: w for a, w in table.items() if a not in config.exclude and free.get(a, not all(arms))}
    if len(lost) == 2 and not worn >= set(lost):  # nobody stands on no leg, or on one prosthesis alone
        some = {a: w for a, w in some.items() if a in ("none", "wheelchair")}
    if config.aid >= 0:
        total = sum(w for a, w in some.items() if a != "none")
        some = {a: w * config.aid / total for a, w in some.items() if a != "none"} if total else {}
        some["none"] = 1 - config.aid if total else 1.0
    names = [a for a in AID_NAMES if some.get(a, 0) > 0] or ["none"]
    cumulative = np.cumsum([some.get(a, 1.0) for a in names])
    aid = names[min(int(np.searchsorted(cumulative, numbers[1] * cumulative[-1], side="right")), len(names) - 1)]
    chair = "folding" if numbers[3] < preset["folding"]["share"] and "folding" not in config.exclude else "active"
    races = numbers[3] > 1 - preset["racing"]["share"] and not worn and not any(arms)
    if races and "racing" not in config.exclude:
        chair = "racing"
    return side, aid, _FRAMES[int(numbers[2] * len(_FRAMES))], chair
