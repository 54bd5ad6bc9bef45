"""A folding wheelchair: two side frames with arm and leg rests, a cross brace below a sling seat, larger casters."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.geometry.devices.sweep import BLACK, RUBBER, STEEL, Look, Part, arc, bezier, ring, sweep
from a3dgen.geometry.devices.wheelchair import CUSHION_M, FOLDING, TUBE_M, WHEEL_M, Seat, drive_wheel, wheels

CASTER_M = 0.095
"""Radius of a caster: 190 mm across (engineering choice)."""
ARMREST_M = 0.225
"""Height of the armrest above the seat's cushion, m."""
_X, _Y, _Z = np.eye(3)
_VINYL = Look("cloth", ("weave", (24, 26, 40)), soft=True)
_CHROME = Look("metal", STEEL)


def folding_chair(seat: Seat, colour: tuple[int, int, int]) -> tuple[list[Part], dict[str, ndarray]]:
    """Return the parts of a folding chair in its own frame (``wheelchair.Seat``), and its hubs, footplate and seat."""
    frame = Look("metal", ("metal", colour))
    parts: list[Part] = []
    points: dict[str, ndarray] = {}
    for side, wheel in wheels(seat, FOLDING).items():
        s = 1.0 if side == "left" else -1.0
        parts += [*_side_frame(seat, s, frame), *drive_wheel(seat, wheel, s, frame), *_caster(seat, s, frame)]
        parts += _leg_rest(seat, s, frame)
        points[f"{side}_hub"] = wheel.hub
    parts += _middle(seat, frame)
    points["footplate"], points["seat"] = np.array([0, *seat.foot]), np.array([0, *seat.rear])
    return parts, points


def _levels(seat: Seat) -> tuple[float, float]:
    """Heights of the lower rail and of the seat's rail."""
    return 2 * CASTER_M + 0.045, min(seat.rear[0], seat.front[0]) - CUSHION_M - TUBE_M


def _side_frame(seat: Seat, s: float, frame: Look) -> list[Part]:
    (yb, zb), (_, zf) = seat.rear, seat.front
    x = s * (seat.width / 2 + 0.004)
    low, rail = _levels(seat)
    at = lambda y, z: np.array([x, y, z])  # noqa: E731
    top = at(yb + seat.back, zb - 0.055)
    handle = bezier(top - 0.03 * _Y, top + 0.006 * _Y, top + (0, 0.006, -0.03), top - 0.115 * _Z, n=8)
    out = [
        sweep(
            "cane", np.array([at(low - 0.03, zb - 0.02), at(yb + 0.05, zb - 0.025), top]), TUBE_M - 0.002, look=frame
        ),
        sweep("post", np.array([at(low - 0.02, zf - 0.02), at(rail + 0.012, zf - 0.02)]), TUBE_M - 0.002, look=frame),
        sweep("seat rail", np.array([at(rail, zb - 0.02), at(rail, zf - 0.01)]), TUBE_M, look=frame),
        sweep("lower rail", np.array([at(low, zb - 0.02), at(low, zf - 0.02)]), TUBE_M - 0.002, look=frame),
        sweep("push handle", handle, 0.0155, look=Look("rubber", RUBBER), corners=12),
    ]
    return [*out, *(armrest(seat, s, frame) if seat.armrests else ())]


def armrest(seat: Seat, s: float, frame: Look) -> list[Part]:
    """Return the armrest, its pad and the side panel below it; ``s``: 1 on the left, -1 on the right."""
    yb, zb = seat.rear
    x, rail, over = s * (seat.width / 2 + 0.004), _levels(seat)[1], yb + ARMREST_M
    at = lambda y, z: np.array([x, y, z])  # noqa: E731
    loop = np.concatenate([
        np.linspace(at(rail, zb + 0.02), at(over - 0.06, zb + 0.02), 4)[:-1],
        bezier(at(over - 0.06, zb + 0.02), at(over - 0.02, zb + 0.02), at(over - 0.02, zb + 0.06), n=6)[:-1],
        bezier(at(over - 0.02, zb + 0.22), at(over - 0.02, zb + 0.27), at(over - 0.07, zb + 0.27), n=6),
        [at(rail, zb + 0.275)],
    ])  # fmt: skip
    pad = np.linspace(at(over - 0.004, zb + 0.01), at(over - 0.004, zb + 0.265), 6)
    return [
        sweep("armrest", loop, 0.0105, look=frame, corners=12),
        sweep("armrest pad", pad, 0.024, 0.012, Look("rubber", ("solid", (34, 34, 36))), 3.5, 16, _Y),
        sweep("side panel", np.array([at((rail + over) / 2, zb + 0.035), at((rail + over) / 2, zb + 0.26)]), 0.002,
              (over - rail) / 2 - 0.04, Look("plastic", BLACK), 5, 14, _Y),
    ]  # fmt: skip


def _leg_rest(seat: Seat, s: float, frame: Look) -> list[Part]:
    (_, _), (_, zf), foot = seat.rear, seat.front, seat.foot
    _, rail = _levels(seat)
    x = s * (seat.width / 2 + 0.002)
    hang = np.array([x, rail - 0.02, zf - 0.005])
    low = np.array([s * 0.165, foot[0] + 0.03, foot[1] + 0.05])
    knee = np.array([x, rail - 0.03, max(zf + 0.07, foot[1] - 0.03)])
    end = np.array([s * 0.165, foot[0] - 0.008, foot[1] + 0.055])
    path = np.concatenate([bezier(hang, hang + 0.05 * _Z, knee, low, n=14)[:-1], np.linspace(low, end, 3)])
    plate = np.array([[s * 0.158, foot[0] - 0.008, foot[1] + 0.06], [s * 0.018, foot[0] - 0.008, foot[1] + 0.06]])
    return [
        sweep("hanger", path, 0.0115, look=frame, corners=12),
        sweep("footplate", plate, 0.075, 0.006, Look("plastic", BLACK), 6, 20, _Y),
    ]


def _caster(seat: Seat, s: float, frame: Look) -> list[Part]:
    low, _ = _levels(seat)
    z, r = seat.front[1] - 0.02, CASTER_M
    c = np.array([s * (seat.width / 2 + 0.004), r, z - 0.04])
    at = lambda y, zz, x=c[0]: np.array([x, y, zz])  # noqa: E731
    parts = [
        ring("caster", arc(c, _Y, _Z, r - 0.014, n=36), 0.014, _X, Look("rubber", ("solid", (92, 92, 96)))),
        sweep("caster hub", np.array([c - 0.012 * _X, c + 0.012 * _X]), r - 0.022, look=Look("plastic", STEEL),
              corners=20),
        sweep("stem", np.array([at(2 * r + 0.016, z), at(low + 0.03, z)]), 0.017, look=frame),
    ]  # fmt: skip
    for g in (-1, 1):
        leg = bezier(c + g * 0.021 * _X, c + (g * 0.025, r, 0.01), at(2 * r + 0.02, z, c[0] + g * 0.012),
                     at(2 * r + 0.03, z), n=8)  # fmt: skip
        parts.append(sweep("fork", leg, 0.004, 0.011, _CHROME, 2, 10, _X))
    return parts


def _middle(seat: Seat, frame: Look) -> list[Part]:
    (yb, zb), (yf, zf), w = seat.rear, seat.front, seat.width
    low, rail = _levels(seat)
    at = lambda y, z, x=0.0: np.array([x, y, z])  # noqa: E731
    cushion = np.linspace(at(yb - CUSHION_M / 2, zb + 0.02), at(yf - CUSHION_M / 2, zf), 10)
    back = np.array([at(yb + 0.03, zb - 0.030), at(yb + seat.back - 0.03, zb - 0.056)])
    z = (zb + zf) / 2
    brace = [np.array([at(low + 0.01, z + s * 0.016, s * (w / 2 - 0.004)), at(rail - 0.005, z + s * 0.016,
             -s * (w / 2 - 0.012))]) for s in (1, -1)]  # fmt: skip
    return [
        sweep("cushion", cushion, w / 2 - 0.010, CUSHION_M / 2, _VINYL, 5, 28, _Y),
        sweep("back", back, w / 2 - 0.006, 0.008, _VINYL, 5, 24, _Z),
        *(sweep("brace", b, 0.0125, look=frame, corners=12) for b in brace),
        sweep("axle block", np.array([at(WHEEL_M, zb + 0.055, -w / 2 + 0.02), at(WHEEL_M, zb + 0.055, -w / 2 - 0.01)]),
              0.016, look=frame),
        sweep("axle block", np.array([at(WHEEL_M, zb + 0.055, w / 2 - 0.02), at(WHEEL_M, zb + 0.055, w / 2 + 0.01)]),
              0.016, look=frame),
    ]  # fmt: skip
