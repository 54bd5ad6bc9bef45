"""Prosthetic arms: forearm shell, wrist unit, elbow unit, split hook with its cable, and hands cut from a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.geometry.devices.sweep import BLACK, RUBBER, STEEL, Look, Part, bezier, sweep, unit

WRIST_UNIT_M = 0.0235
"""Radius of a wrist unit: 47 mm across."""
LEAST_BUILD_M = {"transradial": 0.045, "transhumeral": 0.055}
"""Room needed from the limb's tip to the wrist's or elbow's centre: socket's end and unit."""
_SHELL_M = 0.037
"""Radius of a forearm's shell below an elbow unit."""
_HOOK_M = 0.105
"""From the wrist's centre to the hook's tip: level with the sound thumb's."""


@dataclass(frozen=True)
class ArmFrame:
    """Where the missing arm's joints would be, m, in any frame.

    Attributes:
        shoulder, elbow, wrist: (3,) joint centres. hand: (3, 3) columns along the fingers, out of the back of the hand,
            towards the thumb.
    """

    shoulder: Float[ndarray, "3"]
    elbow: Float[ndarray, "3"]
    wrist: Float[ndarray, "3"]
    hand: Float[ndarray, "3 3"]


def forearm(level: str, start: Float[ndarray, "3"], frame: ArmFrame, look: Look, wide: float) -> list[Part]:
    """Return the shell from a socket's end, or from an elbow unit, to the wrist unit, and that.

    Args:
        start: the socket's end, m. wide: radius of the socket above its end, m.
    """
    fore = unit(frame.wrist - frame.elbow)
    above = start - 0.010 * fore if level == "transradial" else frame.elbow + 0.012 * fore
    end = frame.wrist - 0.012 * fore
    wide = max(wide, 0.028) if level == "transradial" else _SHELL_M
    path = np.linspace(above, end, 6)
    radii = np.interp(np.linspace(0, 1, 6), (0, 0.3, 1), (wide, 0.96 * wide, WRIST_UNIT_M))
    parts = [
        sweep("forearm", path, radii, look=look, corners=28),
        sweep("wrist unit", np.array([end - 0.004 * fore, end + 0.016 * fore]), WRIST_UNIT_M - 0.0015, corners=28),
    ]
    if level == "transhumeral":
        upper = unit(frame.elbow - frame.shoulder)
        across = unit(np.cross(upper, fore)) if np.linalg.norm(np.cross(upper, fore)) > 0.05 else frame.hand[:, 2]
        turntable = np.array([start - 0.010 * upper, start + 0.012 * upper])
        cap = np.array([start + 0.008 * upper, frame.elbow, frame.elbow + 0.03 * fore])
        parts += [
            sweep("turntable", turntable, 0.031, look=Look("metal", STEEL), corners=28),
            sweep("elbow", cap, np.array([0.031, 0.036, 0.034]), look=Look("plastic", BLACK), corners=28),
            sweep("axis", frame.elbow + 0.041 * np.outer([-1, 1], across), 0.011),
        ]
    return parts


def hook(frame: ArmFrame) -> tuple[list[Part], ndarray]:
    """Return a voluntary-opening split hook with its thumb lever and rubber bands, and its tip."""
    along, back, thumb = frame.hand.T
    base = frame.wrist + 0.004 * along
    palm = -back
    parts = [sweep("stud", np.array([base - 0.004 * along, base + 0.022 * along]), 0.0095)]
    for k, gap in ((-1, 0.0045), (1, 0.0045)):
        side = k * gap * back
        path = bezier(
            base + 0.016 * along + 0.6 * side, base + 0.045 * along + 2.2 * side - 0.004 * thumb,
            base + 0.075 * along + 1.6 * side + 0.010 * thumb, base + (_HOOK_M - 0.012) * along + side + 0.012 * thumb,
            base + _HOOK_M * along + side - 0.016 * thumb, n=16,
        )  # fmt: skip
        width = np.interp(np.linspace(0, 1, 16), (0, 0.5, 1), (0.0062, 0.0055, 0.0036))
        parts.append(sweep("finger", path, width, 0.8 * width, Look("metal", STEEL), 3, 12, palm))
    lever = bezier(
        base + 0.024 * along, base + 0.032 * along + 0.016 * thumb, base + 0.026 * along + 0.034 * thumb, n=6
    )
    parts += [
        sweep("lever", lever, 0.0034, look=Look("metal", STEEL), corners=10),
        sweep("bands", np.array([base + 0.017 * along, base + 0.024 * along]), 0.0125, look=Look("rubber", RUBBER)),
    ]
    return parts, base + _HOOK_M * along - 0.016 * thumb


def myoelectric_hand(frame: ArmFrame) -> tuple[list[Part], ndarray]:
    """Return a motor-driven hand without a glove, half closed: palm, thumb and four fingers of three phalanges; and the
    middle finger's tip."""
    along, back, thumb = frame.hand.T
    base = frame.wrist + 0.006 * along
    shell, dark, steel = Look("plastic", ("solid", (58, 60, 66))), Look("plastic", BLACK), Look("metal", STEEL)
    palm = np.stack([base + d * along + 0.002 * back for d in (0.0, 0.02, 0.05, 0.078)])
    parts = [sweep("palm", palm, np.array([0.0235, 0.033, 0.040, 0.039]), np.array([0.022, 0.019, 0.016, 0.0135]),
                   shell, 3.2, 24, back)]  # fmt: skip
    tip = base
    for off, length in ((0.0285, 0.072), (0.0095, 0.080), (-0.0095, 0.074), (-0.0285, 0.060)):
        at, angle = base + 0.079 * along + off * thumb, np.radians(16)
        for k, (share, bend) in enumerate(((0.45, 0), (0.31, 30), (0.24, 22))):
            angle += np.radians(bend)
            way = np.cos(angle) * along - np.sin(angle) * back
            end = at + share * length * way
            radius = 0.0088 - 0.0009 * k
            parts += [
                sweep("phalanx", np.array([at + 0.002 * way, end - 0.001 * way]), np.array([radius, 0.92 * radius]),
                      look=dark if k < 2 else Look("rubber", RUBBER), corners=14),
                sweep("joint", at + (radius - 0.0005) * np.outer([-1, 1], thumb), 0.0058, look=steel, corners=12),
            ]  # fmt: skip
            at = end
        tip = at if off == 0.0095 else tip
    thumb_path = bezier(base + 0.018 * along + 0.026 * thumb, base + 0.036 * along + 0.056 * thumb - 0.012 * back,
                        base + 0.064 * along + 0.058 * thumb - 0.036 * back,
                        base + 0.088 * along + 0.044 * thumb - 0.050 * back, n=10)  # fmt: skip
    parts.append(sweep("thumb", thumb_path, np.linspace(0.0125, 0.0075, 10), look=dark, corners=14))
    return parts, tip


def cable(lever: Float[ndarray, "3"], frame: ArmFrame, cuff: Float[ndarray, "3"], out: Float[ndarray, "3"]) -> Part:
    """Return the control cable in its housing, from a hook's lever along the forearm to the back of the upper arm.

    Args:
        cuff: where it ends, m. out: direction away from the arm that it keeps to.
    """
    fore = frame.wrist - frame.elbow
    near, far = (frame.elbow + s * fore + 0.047 * out for s in (0.75, 0.30))
    return sweep("cable", bezier(lever, near, far, frame.elbow + 0.06 * out, cuff, n=20), 0.0023,
                 look=Look("plastic", BLACK), corners=8)  # fmt: skip


def closed_piece(name: str, vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"], look: Look) -> Part:
    """Return some faces of a body as a closed part: each open edge is joined to the middle of them all.

    Args:
        vertices: of the whole body, m. faces: of the piece, whose border is one loop.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    size = len(vertices)
    there = np.isin(edges[:, 1] * size + edges[:, 0], edges[:, 0] * size + edges[:, 1], invert=True)
    border = edges[there]
    used, index = np.unique(faces, return_inverse=True)
    middle = vertices[np.unique(border)].mean(0)
    place = np.full(size, -1)
    place[used] = np.arange(len(used))
    cap = np.stack([place[border[:, 1]], place[border[:, 0]], np.full(len(border), len(used))], 1)
    points = np.concatenate([vertices[used], middle[None]])
    everything = np.concatenate([index.reshape(-1, 3), cap]).astype(np.int32)
    span = points - points.min(0)
    uv = (span[:, :2] / look.tile).astype(np.float32)
    return Part(name, points.astype(np.float64), everything, uv, everything, look.material, look.finish)
