"""A racing wheelchair to kneel in: cambered wheels, small push rims, a long tube to one front wheel, a tray."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.geometry.devices.sweep import CARBON, RUBBER, STEEL, Look, Part, arc, bezier, ring, sweep, unit
from a3dgen.geometry.devices.wheelchair import RACING, TUBE_M, Seat, drive_wheel, hub_height, wheels

FRONT_M = 0.23
"""Radius of the front wheel; World Para Athletics allows 0.35 m for the rear and 0.25 m for the front ones."""
AHEAD_M = 0.98
"""From the rear axle to that of the front wheel."""
TRAY_M = 0.04
_X, _Y, _Z = np.eye(3)
_SLING = Look("cloth", ("weave", (26, 26, 30)), soft=True)


def racing_chair(seat: Seat, colour: tuple[int, int, int]) -> tuple[list[Part], dict[str, ndarray]]:
    """Return the parts of a racing chair in its own frame (``wheelchair.Seat``), and its hubs, knee tray and seat.

    ``seat``: rear and front of the tray that the shins lie on; foot: the knees' end of it.
    """
    frame = Look("metal", ("metal", colour))
    parts: list[Part] = []
    points: dict[str, ndarray] = {}
    for side, wheel in wheels(seat, RACING).items():
        s = 1.0 if side == "left" else -1.0
        parts += [*drive_wheel(seat, wheel, s, frame), _guard(seat, s)]
        points[f"{side}_hub"] = wheel.hub
    parts += [*_middle(seat, frame), *_front(seat, frame)]
    points["footplate"], points["seat"] = np.array([0, *seat.foot]), np.array([0, *seat.rear])
    return parts, points


def _axle(seat: Seat) -> ndarray:
    return np.array([0.0, hub_height(RACING), wheels(seat, RACING)["left"].hub[2]])


def _guard(seat: Seat, s: float) -> Part:
    """A side panel that keeps the thigh off the wheel."""
    x, y, z = s * (seat.width / 2 + 0.012), seat.rear[0], seat.rear[1]
    path = bezier(*(np.array([x, y + h, z + d]) for h, d in ((0.13, -0.05), (0.20, 0.10), (0.07, 0.30))), n=10)
    return sweep("guard", path, 0.002, 0.062, Look("carbon", CARBON), 4, 14, _Y)


def _middle(seat: Seat, frame: Look) -> list[Part]:
    (yb, zb), (yf, zf), w, axle = seat.rear, seat.front, seat.width, _axle(seat)
    half = min(w / 2 - 0.02, 0.19)
    tray = np.linspace((0, yb - TRAY_M / 2, zb), (0, yf - TRAY_M / 2, zf), 10)
    rails = [np.array([[s * half, yb - TRAY_M - 0.012, zb], [s * half, yf - TRAY_M - 0.012, zf - 0.01],
                       [s * 0.05, axle[1] - 0.05, zf + 0.10]]) for s in (-1, 1)]  # fmt: skip
    ends = [[s * (w / 2 + 0.06), axle[1], axle[2]] for s in (-1, 1)]
    struts = [sweep("strut", np.array([[s * half, axle[1], axle[2]], [s * half, yb - TRAY_M - 0.012, axle[2]]]),
                    0.0125, look=frame, corners=12) for s in (-1, 1)]  # fmt: skip
    sides = [sweep("post", np.array([[s * (w / 2 + 0.03), axle[1], axle[2]],
                                     [s * (w / 2 + 0.012), yb + 0.14, zb + 0.08]]), 0.009, look=frame, corners=12)
             for s in (-1, 1)]  # fmt: skip
    return [
        sweep("tray", tray, half, TRAY_M / 2, _SLING, 5, 28, _Y),
        sweep("camber tube", np.array(ends), 0.019, look=frame),
        *struts, *sides,
        *(sweep("rail", rail, TUBE_M - 0.003, look=frame, corners=12) for rail in rails),
    ]  # fmt: skip


def _front(seat: Seat, frame: Look) -> list[Part]:
    axle, steel = _axle(seat), Look("metal", STEEL)
    hub = np.array([0.0, FRONT_M, axle[2] + AHEAD_M])
    head = np.array([0.0, 2 * FRONT_M + 0.045, hub[2] - 0.05])
    low = axle - (0, 0.05, 0)
    tube = bezier(low, low + 0.45 * _Z, head - (0, 0.10, 0.32), head - (0, 0.045, 0.02), n=16)
    bar = head + np.array([(-0.13, 0.09, -0.16), (-0.05, 0.05, -0.03), (0, 0.03, 0.0), (0.05, 0.05, -0.03),
                           (0.13, 0.09, -0.16)])  # fmt: skip
    parts = [
        sweep("strut", np.array([axle, low - (0, 0.012, 0)]), 0.016, look=frame),
        sweep("main tube", tube, 0.024, 0.030, frame, 2.4, 18, _Y),
        sweep("head tube", np.array([head - (0, 0.075, -0.006), head + (0, 0.035, -0.004)]), 0.021, look=frame),
        sweep("handle", bezier(*bar, n=16), 0.009, look=frame, corners=12),
        ring("tyre", arc(hub, _Y, _Z, FRONT_M - 0.0115, n=48), 0.0115, _X, Look("rubber", RUBBER)),
        ring("rim", arc(hub, _Y, _Z, FRONT_M - 0.028, n=48), 0.009, _X, Look("plastic", ("solid", (38, 38, 42))), 10),
        sweep("disc", np.array([hub - 0.004 * _X, hub + 0.004 * _X]), FRONT_M - 0.03, look=Look("carbon", CARBON),
              corners=40),
        sweep("hub", np.array([hub - 0.038 * _X, hub + 0.038 * _X]), 0.014, look=steel),
    ]  # fmt: skip
    for s in (-1, 1):
        crown = head - (0, 0.06, 0)
        leg = bezier(hub + s * 0.034 * _X, hub + s * 0.036 * _X + 0.6 * (crown - hub), crown + s * 0.02 * _X, n=8)
        parts.append(sweep("fork", leg, 0.006, 0.011, frame, 2, 10, unit(_X)))
    return parts
