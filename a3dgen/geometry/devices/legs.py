"""Sockets of all prostheses, and prosthetic legs: adapters, pylon, knee unit, cover, foot shell, running blades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.devices.hull import Hull, sectors
from a3dgen.geometry.devices.sweep import (
    CARBON,
    RUBBER,
    Finish,
    Look,
    Part,
    bezier,
    sweep,
    tangents,
    tube,
    unit,
)

ADAPTER_M = {"transtibial": 0.024, "transfemoral": 0.028, "transradial": 0.024, "transhumeral": 0.027}
"""Radius of a socket's distal end."""
WALL_M = {"transtibial": 0.0045, "transfemoral": 0.005, "transradial": 0.004, "transhumeral": 0.004}
TRIM_M = {
    "transtibial": (0.010, 0.020, -0.012, 0.020),
    "transfemoral": (0.000, 0.025, 0.012, -0.010),
    "transradial": (0.004, 0.010, 0.004, 0.010),
    "transhumeral": (0.006, 0.016, 0.006, -0.006),
}
"""How much further proximal the brim lies in front, at the outer side, behind, at the inner side, m."""
END_M = {"transtibial": 0.030, "transfemoral": 0.030, "transradial": 0.014, "transhumeral": 0.016}
"""From the tip of the limb to the socket's end."""
LEAST_BUILD_M = {"transtibial": 0.125, "transfemoral": 0.075, "hip_disarticulation": 0.0}
"""Room needed from the limb's tip to the ankle's or knee's centre: socket's end, adapters, pylon."""
_PYLON = ("metal", (150, 153, 160))
_KNEE = ("solid", (52, 54, 60))
_FOOT_Z = np.array([-0.055, -0.048, -0.03, 0.0, 0.03, 0.06, 0.10, 0.14, 0.165, 0.178]) / 0.25
_FOOT_TOP = np.array([-0.035, -0.01, 0.0, 0.0, -0.008, -0.025, -0.045, -0.056, -0.064, -0.07]) / 0.085
_FOOT_HALF = np.array([0.018, 0.027, 0.031, 0.032, 0.033, 0.036, 0.042, 0.043, 0.034, 0.018]) / 0.25


@dataclass(frozen=True)
class LegFrame:
    """Where the missing leg's joints would be, m, in any frame.

    Attributes:
        hip, knee, ankle: (3,) joint centres. foot: (3, 3) columns left, up, forward of the foot. fore: (3,) forward
            of the shank. outer: 1 if the leg's outer side is on the left of the shank, else -1.
        sole: from the ankle's centre down to the sole of the bare foot, m. length: of the foot, m.
        shoe: thickness of the shoe's sole, m: where a blade without a shoe stands.
    """

    hip: Float[ndarray, "3"]
    knee: Float[ndarray, "3"]
    ankle: Float[ndarray, "3"]
    foot: Float[ndarray, "3 3"]
    fore: Float[ndarray, "3"]
    outer: int
    sole: float
    length: float
    shoe: float


Points = dict[str, ndarray]
"""Name of a prosthetic keypoint -> (3,) m."""


def brim_line(hull: Hull, level: str, outer: int) -> Float[ndarray, " s"]:
    """Return where the brim lies along the axis, by sector, m; it undulates below the hull's first level."""
    a = sectors()
    front, lateral, back, medial = TRIM_M[level]
    side = np.sin(a) * outer  # y = axis x front points to the right of a leg that hangs down
    rise = np.maximum(np.cos(a), 0) ** 2 * front + np.maximum(-np.cos(a), 0) ** 2 * back
    rise = rise + np.maximum(-side, 0) ** 2 * lateral + np.maximum(side, 0) ** 2 * medial
    return hull.levels[0] + max(TRIM_M[level]) - rise


def socket(hull: Hull, level: str, outer: int, look: Look, hollow: bool = False) -> tuple[Part, Points]:
    """Return a laminated socket: the limb's hull and a wall, domed to its adapter, and its brim and end.

    Args:
        hull: of the residual limb, from ``max(TRIM_M)`` proximal of the brim on. level: key of ``WALL_M``.
        hollow: one sees into it; else the limb fills it.
    """
    a, adapter = sectors(), ADAPTER_M[level]
    brim = brim_line(hull, level, outer)
    last = hull.levels[-1]
    share = (hull.levels - hull.levels[0]) / (last - hull.levels[0])
    t = brim + share[:, None] * (last - brim)
    angle = np.broadcast_to(a, t.shape)
    r = hull.radius(t.ravel(), angle.ravel()).reshape(t.shape) + WALL_M[level]
    r[0] += 0.003  # a flared brim
    u = np.linspace(0, 1, 9)[1:, None]
    dome_t = last + (hull.tip + END_M[level] - last) * np.sin(u * np.pi / 2) + 0 * r[-1]
    dome_r = adapter + (r[-1] - adapter) * np.sqrt(np.maximum(0, 1 - u**2.2))
    t, r = np.concatenate([t, dome_t]), np.concatenate([r, dome_r])
    across = np.cos(a)[:, None] * hull.x + np.sin(a)[:, None] * hull.y
    if hollow:  # from inside at the bottom up to the brim, and down again outside
        wall = WALL_M[level] * np.ones(len(r))
        wall[0], floor = 0.004, END_M[level] - 0.006
        t = np.concatenate([np.minimum(t, hull.tip + END_M[level] - floor)[:0:-1], t])
        r = np.concatenate([np.maximum(r - wall[:, None], 0.5 * r)[:0:-1], r])
    rings = hull.origin + t[..., None] * hull.axis + r[..., None] * across
    end = hull.origin + (hull.tip + END_M[level]) * hull.axis
    brim_ring = rings[len(rings) // 2 if hollow else 0]
    return tube("socket", rings, look, bevel=0.0 if hollow else 0.002), {"brim": brim_ring.mean(0), "end": end}


def sleeve(hull: Hull, level: str, outer: int, look: Look) -> Part:
    """Return the part of a suspension sleeve that lies over a socket: from its brim 70 mm down."""
    line = brim_line(hull, level, outer)
    t = line + np.linspace(-0.002, min(0.07, 0.6 * (hull.levels[-1] - float(line.max()))), 8)[:, None]
    angle = np.broadcast_to(sectors(), t.shape)
    r = hull.radius(t.ravel(), angle.ravel()).reshape(t.shape) + WALL_M[level] + 0.0025
    r[0] += 0.003
    across = np.cos(sectors())[:, None] * hull.x + np.sin(sectors())[:, None] * hull.y
    return tube("sleeve", hull.origin + t[..., None] * hull.axis + r[..., None] * across, look, bevel=0.0015)


def cover(hull: Hull, look: Look) -> Part:
    """Return a cosmetic cover over socket and pylon in the form of ``hull`` (of the sound shape of the limb)."""
    return tube("cover", hull.rings(), look, bevel=0.002)


def pylon(start: Float[ndarray, "3"], frame: LegFrame) -> list[Part]:
    """Return clamp, tube and foot adapter from a socket's end or a knee unit down to the ankle."""
    up = frame.foot[:, 1]
    top = frame.ankle + 0.035 * up
    down = unit(top - start)
    return [
        sweep("clamp", np.array([start - 0.012 * down, start + 0.03 * down]), 0.0195, look=Look()),
        sweep("pylon", np.array([start, top]), 0.015, look=Look("metal", _PYLON)),
        sweep(
            "foot adapter",
            np.array([top - 0.03 * down, top - 0.012 * up, frame.ankle - 0.005 * up]),
            np.array([0.0195, 0.0215, 0.026]),
        ),
    ]


def knee_unit(end: Float[ndarray, "3"], frame: LegFrame) -> tuple[list[Part], ndarray]:
    """Return a transfemoral knee on the knee's centre, joined to the socket's end, and where its pylon begins."""
    knee, fore = frame.knee, frame.fore
    thigh, shank = unit(frame.knee - frame.hip), unit(frame.ankle - frame.knee)
    parts = [
        sweep("adapter", np.array([end - 0.012 * thigh, knee - 0.030 * thigh]), 0.017),
        sweep(
            "knee",
            np.linspace(knee - 0.036 * thigh + 0.006 * fore, knee + 0.005 * thigh, 5),
            np.array([0.022, 0.029, 0.031, 0.031, 0.028]),
            np.array([0.024, 0.032, 0.035, 0.034, 0.030]),
            Look("plastic", _KNEE), 3.5, 22, fore,
        ),
        sweep(
            "knee body",
            np.array([knee - 0.012 * shank, knee + 0.05 * shank - 0.004 * fore, knee + 0.12 * shank - 0.006 * fore,
                      knee + 0.17 * shank]),
            np.array([0.024, 0.031, 0.029, 0.020]), np.array([0.026, 0.034, 0.031, 0.020]),
            Look("carbon", CARBON), 3.5, 22, fore,
        ),
        sweep("axis", knee + 0.036 * np.outer([-1, 1], np.cross(fore, shank)), 0.012),
    ]  # fmt: skip
    return parts, knee + 0.165 * shank


def foot_shell(frame: LegFrame, finish: Finish) -> tuple[Part, Points]:
    """Return a prosthetic foot with a flat sole where the bare foot's was, and its heel and toe."""
    z, top = _FOOT_Z * frame.length, _FOOT_TOP * frame.sole
    bottom = np.full(len(z), -frame.sole)
    bottom[0] += 0.010
    bottom[-1] += 0.006
    middle = np.stack([np.zeros(len(z)), (top + bottom) / 2, z], 1)
    half = _FOOT_HALF * frame.length
    part = sweep(
        "foot", frame.ankle + middle @ frame.foot.T, half, (top - bottom) / 2, Look("plastic", finish), 3.2, 20,
        frame.foot[:, 1],
    )  # fmt: skip
    at = lambda k: frame.ankle + frame.foot @ np.array([0, -frame.sole, z[k]])  # noqa: E731
    return part, {"heel": at(0), "toe": at(-1)}


def running_blade(end: Float[ndarray, "3"], wall: Float[ndarray, "v 3"], frame: LegFrame) -> tuple[list[Part], Points]:
    """Return a J-shaped blade bolted behind a socket or knee unit, its rubber sole and bolt.

    Args:
        end: the socket's or the knee unit's end. wall: vertices of what it is bolted to, m.
    """
    shank, up, fore = unit(frame.ankle - frame.knee), frame.foot[:, 1], frame.fore
    down = frame.sole + frame.shoe
    near = wall - (end - 0.05 * shank)
    near = near[np.abs(near @ shank) < 0.02]
    back = -(near @ fore).min(initial=-0.030) + 0.004
    bolt = end - 0.05 * shank - back * fore
    toe = frame.ankle + frame.foot @ np.array([0, 0.008 - down, 0.6 * frame.length])
    ahead, rear = frame.foot[:, 2], frame.ankle - 0.15 * fore + 0.035 * up
    path = bezier(
        bolt - 0.03 * shank, bolt + 0.07 * shank, (bolt + rear) / 2 - 0.05 * fore, rear - 0.02 * fore,
        frame.ankle - 0.55 * down * up - 0.12 * ahead, toe - 0.14 * ahead, toe - 0.05 * ahead, toe + 0.006 * up, n=34,
    )  # fmt: skip
    low = np.maximum(0, (0.006 - down) - (path - frame.ankle) @ up)  # the arc does not dip below the sole's plane
    path = path + low[:, None] * up
    half = np.interp(np.linspace(0, 1, 34), [0, 0.3, 1], [0.034, 0.036, 0.031])
    side = frame.foot[:, 0]
    across = unit(side - (tangents(path) @ side)[:, None] * tangents(path))
    bands = (across, np.cross(tangents(path), across))
    tread = (bands[0][22:], bands[1][22:])
    parts = [
        sweep("blade", path, half, 0.0055, Look("carbon", CARBON, 0.06), 6, 24, bands),
        sweep("tread", path[22:] - 0.0075 * up, half[22:] + 0.0005, 0.002, Look("rubber", RUBBER), 6, 20, tread),
        sweep("bolt", np.array([bolt + 0.01 * fore, bolt - 0.012 * fore]), 0.010),
    ]
    return parts, {"toe": path[-1], "heel": path[12]}


def c_blade(start: Float[ndarray, "3"], frame: LegFrame) -> tuple[list[Part], Points]:
    """Return a C-shaped running blade below a pylon, with clamp, rubber sole and bolt.

    Args:
        start: the socket's or the knee unit's end, m.
    """
    up, ahead, side = frame.foot[:, 1], frame.foot[:, 2], frame.foot[:, 0]
    down = frame.sole + frame.shoe
    ground = frame.ankle - down * up
    height = min(0.21, 0.75 * float((start - ground) @ up))
    top = frame.ankle + (height - down) * up
    path = bezier(
        top + 0.035 * ahead, top - 0.03 * ahead, top - 0.14 * ahead + 0.02 * up, top - 0.20 * ahead - 0.4 * height * up,
        ground - 0.17 * ahead - 0.02 * up, ground - 0.04 * ahead - 0.02 * up, ground + 0.10 * ahead,
        ground + 0.55 * frame.length * ahead + 0.012 * up, n=38,
    )  # fmt: skip
    path = path + np.maximum(0, 0.011 - (path - ground) @ up)[:, None] * up
    half = np.interp(np.linspace(0, 1, 38), [0, 0.3, 1], [0.031, 0.035, 0.033])
    across = unit(side - (tangents(path) @ side)[:, None] * tangents(path))
    normal = np.cross(tangents(path), across)
    to = unit(top - start)
    parts = [
        sweep("clamp", np.array([start - 0.012 * to, start + 0.03 * to]), 0.0195),
        sweep("pylon", np.array([start, top + 0.004 * to]), 0.015, look=Look("metal", _PYLON)),
        sweep("adapter", np.array([top - 0.034 * to, top - 0.002 * to]), np.array([0.0195, 0.024])),
        sweep("blade", path, half, 0.0055, Look("carbon", CARBON, 0.06), 6, 24, (across, normal)),
        sweep("tread", path[27:] - 0.0075 * up, half[27:] + 0.0005, 0.002, Look("rubber", RUBBER), 6, 20,
              (across[27:], normal[27:])),
        sweep("bolt", np.array([top + 0.010 * up, top - 0.014 * up]), 0.010),
    ]  # fmt: skip
    return parts, {"toe": path[-1], "heel": path[19]}
