"""An active wheelchair with a rigid frame, made to the measures of the person who sits in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.devices.sweep import BLACK, CARBON, RUBBER, STEEL, Look, Part, arc, bezier, ring, sweep, unit

WHEEL_M, RIM_M, CASTER_M = 0.305, 0.262, 0.0625
"""Radii of the wheel (24 inches), its hand rim and the casters."""
CUSHION_M, TUBE_M = 0.05, 0.0145
RIM_ASIDE_M, HAND_RIM_TUBE_M, TYRE_M = 0.032, 0.0095, 0.0125
SPOKES = 18
_X, _Y, _Z = np.eye(3)


@dataclass(frozen=True)
class Drive:
    """Drive wheels: radii of wheel and hand rim (m), camber (rad), and how far beside the seat the hubs are (m)."""

    wheel: float = WHEEL_M
    rim: float = RIM_M
    camber: float = 0.0
    beside: float = 0.045


ACTIVE, FOLDING = Drive(camber=np.radians(3)), Drive()
RACING = Drive(0.35, 0.19, np.radians(11), 0.115)
"""Wheels of 700 mm, as race rules allow; rim and camber: engineering choices."""


def hub_height(drive: Drive) -> float:
    """Return how high the hubs are, m: cambered wheels stand on their lower edge (3 degrees: less than half a mm)."""
    lost = (drive.wheel - TYRE_M) * (1 - np.cos(drive.camber))
    return drive.wheel - (float(lost) if lost > 0.001 else 0.0)


@dataclass(frozen=True)
class Seat:
    """Measures of a chair, m, in its own frame: x to the sitter's left, y up from the ground, z ahead.

    Attributes:
        width: of the seat. rear, front: (y, z) of the cushion's top at its edges. foot: (y, z) of the footplate's top
            below the heels. back: height of the backrest above the cushion.
        kind: of ``chairs.CHAIRS``. armrests: of a folding chair.
    """

    width: float
    rear: tuple[float, float]
    front: tuple[float, float]
    foot: tuple[float, float]
    back: float = 0.34
    kind: str = "active"
    armrests: bool = False

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Seat:
        """Return the seat of plain JSON values."""
        pairs = {k: (float(facts[k][0]), float(facts[k][1])) for k in ("rear", "front", "foot")}
        kind, armrests = str(facts.get("kind", "active")), bool(facts.get("armrests", False))
        return cls(float(facts["width"]), **pairs, back=float(facts["back"]), kind=kind, armrests=armrests)

    def facts(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Wheel:
    """One drive wheel: hub (3,) m; axle, the direction away from the chair; up and ahead span its plane."""

    hub: Float[ndarray, "3"]
    axle: Float[ndarray, "3"]
    up: Float[ndarray, "3"]
    ahead: Float[ndarray, "3"]
    drive: Drive = ACTIVE

    def rim(self, angle: float) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        """Return a point of the hand rim, ``angle`` (rad) ahead of its top, and the rim's direction there."""
        out = np.cos(angle) * self.up + np.sin(angle) * self.ahead
        along = np.cos(angle) * self.ahead - np.sin(angle) * self.up
        return self.hub + RIM_ASIDE_M * self.axle + self.drive.rim * out, along


def wheels(seat: Seat, drive: Drive = ACTIVE) -> dict[str, Wheel]:
    """Return the drive wheels by side; they stand closer together at the top than on the ground."""
    out = {}
    for side, s in (("left", 1.0), ("right", -1.0)):
        axle = unit(np.array([s * np.cos(drive.camber), np.sin(drive.camber), 0]))
        up = unit(_Y - (_Y @ axle) * axle)
        hub = np.array([s * (seat.width / 2 + drive.beside), hub_height(drive), seat.rear[1] + 0.055])
        out[side] = Wheel(hub, axle, up, _Z, drive)
    return out


def wheelchair(seat: Seat, colour: tuple[int, int, int]) -> tuple[list[Part], dict[str, ndarray]]:
    """Return the parts of a chair in its own frame, and its hubs, footplate and seat."""
    frame = Look("metal", ("metal", colour))
    parts: list[Part] = []
    points: dict[str, ndarray] = {}
    for side, wheel in wheels(seat).items():
        s = 1.0 if side == "left" else -1.0
        parts += [*_side_frame(seat, s, frame), *drive_wheel(seat, wheel, s, frame), *_caster(seat, s, frame)]
        points[f"{side}_hub"] = wheel.hub
    parts += _middle(seat, frame)
    points["footplate"] = np.array([0, *seat.foot])
    points["seat"] = np.array([0, *seat.rear])
    return parts, points


def _side_frame(seat: Seat, s: float, frame: Look) -> list[Part]:
    (yb, zb), (yf, zf), foot = seat.rear, seat.front, seat.foot
    x = s * (seat.width / 2 - 0.005)
    rear = np.array([x, yb - CUSHION_M - TUBE_M, zb - 0.01])
    front = np.array([x, yf - CUSHION_M - TUBE_M, zf - 0.02])
    end = np.array([s * 0.162, foot[0] - 0.01, foot[1] + 0.02])
    knee = np.array([x * 0.97, (yf + foot[0]) / 2, max(zf + 0.06, foot[1] - 0.05)])
    down = bezier(front, front + (0, -0.01, 0.075), knee, end + (0, 0.06, -0.01), end, n=16)
    top = np.array([s * (seat.width / 2 - 0.015), yb + seat.back, zb - 0.02 - 0.10 * seat.back])
    handle = bezier(top - 0.03 * _Y, top + 0.005 * _Y, top + (0, 0.005, -0.02), top - 0.10 * _Z, n=8)
    guard = np.array([[s * (seat.width / 2 + 0.006), yb + 0.05, zb + 0.02],
                      [s * (seat.width / 2 + 0.006), yb + 0.16, zb + 0.145],
                      [s * (seat.width / 2 + 0.006), yb + 0.03, zb + 0.27]])  # fmt: skip
    return [
        sweep("frame", np.concatenate([np.linspace(rear, front, 6)[:-1], down]), TUBE_M, look=frame),
        sweep("cane", np.array([rear + (0, -0.005, 0.005), top]), 0.0115, look=frame, corners=12),
        sweep("push handle", handle, 0.0145, look=Look("rubber", RUBBER), corners=12),
        sweep("guard", bezier(*guard, n=8), 0.002, 0.05, Look("carbon", CARBON), 4, 14, _Y),
    ]


def drive_wheel(seat: Seat, wheel: Wheel, s: float, frame: Look) -> list[Part]:
    """Return a drive wheel with its axle and the plate that holds that; ``s``: 1 on the left, -1 on the right."""
    turn = np.stack([wheel.axle, wheel.up, np.cross(wheel.axle, wheel.up)], 1)
    yb, x, hub = seat.rear[0], s * (seat.width / 2 - 0.005), wheel.hub
    axle = np.array([hub - wheel.axle * 0.03, [s * (seat.width / 2 - 0.03), hub[1] + 0.002, hub[2]]])
    plate = np.array([[x, WHEEL_M - 0.03, hub[2]], [x, yb - CUSHION_M - TUBE_M, hub[2]]])
    turned = [part.moved(turn, hub) for part in _wheel(wheel.drive.wheel, wheel.drive.rim)]
    if wheel.drive == RACING:  # its axle is one tube from side to side
        return turned
    return [
        *turned,
        sweep("axle", axle, 0.0125, look=frame, corners=12),
        sweep("plate", plate, 0.006, 0.03, frame, 5, 12, _Z),
    ]


@lru_cache(4)
def _wheel(radius: float, rim: float) -> tuple[Part, ...]:
    """A drive wheel with its hand rim about the origin, x along the axle."""
    black, steel = Look("plastic", BLACK), Look("metal", STEEL)
    circle = lambda r, off=0.0: arc(off * _X, _Y, _Z, r, n=56)  # noqa: E731
    parts = [
        ring("tyre", circle(radius - TYRE_M), TYRE_M, _X, Look("rubber", RUBBER)),
        ring("rim", circle(radius - 0.031), 0.010, _X, Look("plastic", ("solid", (38, 38, 42))), 10),
        ring("hand rim", circle(rim, RIM_ASIDE_M), HAND_RIM_TUBE_M, _X, steel),
        sweep("hub", np.array([-0.028 * _X, 0.022 * _X]), 0.02, look=black),
    ]
    disc = rim < 0.7 * radius  # a push rim so small is bolted to a disc, not to the wheel's rim
    if disc:
        parts.append(sweep("disc", np.array([-0.004 * _X, 0.004 * _X]), radius - 0.033, look=Look("carbon", CARBON),
                           corners=48))  # fmt: skip
    for k in range(0 if disc else SPOKES):
        a, lean = 2 * np.pi * k / SPOKES, (-1) ** k
        out, foot = np.cos(a) * _Y + np.sin(a) * _Z, np.cos(a + lean) * _Y + np.sin(a + lean) * _Z
        start = 0.018 * lean * _X + 0.018 * foot
        parts.append(sweep("spoke", np.array([start, (radius - 0.033) * out]), 0.0011, look=steel, corners=5))
    for k in range(6):
        a = 2 * np.pi * (k + 0.5) / 6
        out = np.cos(a) * _Y + np.sin(a) * _Z
        ends = np.array([out * (rim if disc else radius - 0.032), RIM_ASIDE_M * _X + out * rim])
        parts.append(sweep("tab", ends, 0.004, look=steel, corners=8))
    return tuple(parts)


def _caster(seat: Seat, s: float, frame: Look) -> list[Part]:
    yf, zf = seat.front
    steel, z = Look("metal", STEEL), zf - 0.03
    c = np.array([s * (seat.width / 2 - 0.02), CASTER_M, z - 0.035])
    at = lambda y, zz=z, x=c[0]: np.array([x, y, zz])  # noqa: E731
    r = CASTER_M
    under = yf - CUSHION_M
    stem = bezier(at(2 * r + 0.085), at(2 * r + 0.16), at(under - 0.10, z - 0.04), at(under - TUBE_M, z - 0.05), n=8)
    parts = [
        ring("caster", arc(c, _Y, _Z, r - 0.014, n=32), 0.014, _X, Look("rubber", RUBBER)),
        sweep("caster hub", np.array([c - 0.012 * _X, c + 0.012 * _X]), r - 0.022, look=Look("plastic", STEEL),
              corners=20),
        sweep("housing", np.array([at(2 * r + 0.03), at(2 * r + 0.10)]), 0.017, look=frame),
        sweep("stem", stem, 0.012, look=frame, corners=12),
    ]  # fmt: skip
    for g in (-1, 1):
        leg = bezier(c + g * 0.02 * _X, c + (g * 0.024, r, 0.01), at(2 * r + 0.025, z, c[0] + g * 0.012),
                     at(2 * r + 0.035), n=8)  # fmt: skip
        parts.append(sweep("fork", leg, 0.004, 0.011, steel, 2, 10, _X))
    return parts


def _middle(seat: Seat, frame: Look) -> list[Part]:
    (yb, zb), (yf, zf), foot, w = seat.rear, seat.front, seat.foot, seat.width
    at = lambda y, z, x=0.0: np.array([x, y, z])  # noqa: E731
    cushion = np.linspace(at(yb - CUSHION_M / 2, zb + 0.02), at(yf - CUSHION_M / 2, zf), 10)
    back = np.array([at(yb + 0.03, zb - 0.022), at(yb + seat.back - 0.02, zb - 0.022 - 0.10 * seat.back)])
    hub_z = zb + 0.055
    plate = np.array([at(foot[0] - 0.008, foot[1] + 0.06, x) for x in (-0.165, 0.165)])
    return [
        sweep("cushion", cushion, w / 2 - 0.012, CUSHION_M / 2, Look("cloth", ("weave", (26, 26, 30)), soft=True), 5,
              28, _Y),
        sweep("back", back, w / 2 - 0.008, 0.010, Look("cloth", ("weave", (30, 30, 36)), soft=True), 5, 24, _Z),
        sweep("camber tube", np.array([at(WHEEL_M + 0.002, hub_z, x) for x in (-w / 2 + 0.03, w / 2 - 0.03)]), 0.016,
              look=frame),
        sweep("footplate", plate, 0.075, 0.006, Look("plastic", BLACK), 6, 20, _Y),
    ]  # fmt: skip
