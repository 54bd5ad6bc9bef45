"""A hip disarticulation prosthesis: a bucket about the pelvis, a hip joint in front of it, a thigh tube to the knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.devices.hull import Hull, limb_hull, sectors, widened
from a3dgen.geometry.devices.legs import Points
from a3dgen.geometry.devices.sweep import BLACK, Look, Part, sweep, tube, unit

WALL_M = 0.006
CREST_M, BELOW_M = 0.045, 0.018
"""The brim lies so far above the pelvis's joint; the bucket's floor so far below the closed hip."""
_RINGS = 10


@dataclass(frozen=True)
class Pelvis:
    """A pelvis without one leg, m, in any frame.

    Attributes:
        origin: (3,) its joint. turn: (3, 3) columns to its left, up, ahead. side: 1 if the left leg is gone, else -1.
        hip: (3,) where the missing hip's joint was. skin: what is left of the pelvis's skin, the other thigh left out.
    """

    origin: Float[ndarray, "3"]
    turn: Float[ndarray, "3 3"]
    side: int
    hip: Float[ndarray, "3"]
    skin: Float[ndarray, "v 3"]


def pelvis_hull(pelvis: Pelvis) -> Hull:
    """Return the hull of the pelvis about its vertical axis, from the brim down to the missing hip's height."""
    down, ahead = -pelvis.turn[:, 1], pelvis.turn[:, 2]
    level = float((pelvis.hip - pelvis.origin) @ down)
    along = (pelvis.skin - pelvis.origin) @ down
    own = pelvis.skin[(along > -CREST_M - 0.03) & (along < level + 0.012)]
    return widened(limb_hull(own, pelvis.origin, pelvis.origin + down, ahead, -CREST_M), own)


def bucket(pelvis: Pelvis, hull: Hull, look: Look) -> tuple[Part, Points]:
    """Return the socket: the hull and a wall, closed below the missing hip, and its brim and hip joint."""
    a, right_down = sectors(), -pelvis.turn[:, 1]
    across = np.cos(a)[:, None] * hull.x + np.sin(a)[:, None] * hull.y
    t = np.linspace(hull.levels[0], hull.levels[-1], _RINGS)[:, None] + 0 * a
    t = t - 0.02 * np.linspace(1, 0, _RINGS)[:, None] * np.cos(2 * a)  # higher at the sides than before and behind
    angle = np.broadcast_to(a, t.shape)
    r = hull.radius(t.ravel(), angle.ravel()).reshape(t.shape) + WALL_M
    rings = hull.origin + t[..., None] * hull.axis + r[..., None] * across
    lowest = float(((pelvis.skin - hull.origin) @ right_down)[_near(pelvis)].max()) + BELOW_M
    centre = pelvis.hip - ((pelvis.hip - hull.origin) @ right_down) * right_down
    centre = centre + 0.012 * pelvis.side * pelvis.turn[:, 0]
    last, dome = rings[-1], []
    flat = last - ((last - hull.origin) @ right_down)[:, None] * right_down
    for u in np.linspace(0, 1, 9)[1:]:
        depth = float(hull.levels[-1]) + (lowest - float(hull.levels[-1])) * np.sin(u * np.pi / 2)
        dome.append(centre + (flat - centre) * np.sqrt(max(1 - u**2.4, 0.02)) + depth * right_down)
    part = tube("socket", np.concatenate([rings, dome]), look, bevel=0.002)
    joint = pelvis.hip + pelvis.turn @ np.array([0.015 * pelvis.side, -0.045, 0.0])
    front = part.vertices[np.abs((part.vertices - joint) @ pelvis.turn[:, :2]).max(1) < 0.035]
    ahead = float(((front - joint) @ pelvis.turn[:, 2]).max(initial=0.05))
    return part, {"brim": rings[0].mean(0), "end": joint + (ahead + 0.016) * pelvis.turn[:, 2]}


def _near(pelvis: Pelvis) -> ndarray:
    """Which skin lies below the missing hip."""
    return ((pelvis.skin - pelvis.origin) @ pelvis.turn[:, 0]) * pelvis.side > 0.03


def thigh(joint: Float[ndarray, "3"], knee: Float[ndarray, "3"], pelvis: Pelvis) -> tuple[list[Part], ndarray]:
    """Return hip joint and thigh tube, and where the knee's adapter begins."""
    side, ahead = pelvis.turn[:, 0], pelvis.turn[:, 2]
    way = unit(knee - joint)
    end = knee - 0.065 * way
    parts = [
        sweep("hip joint", joint + 0.034 * np.outer([-1, 1], side), 0.017, look=Look("plastic", BLACK), corners=20),
        sweep("hip plate", np.array([joint - 0.030 * ahead, joint + 0.004 * ahead]), 0.026, 0.036, Look(), 4, 18,
              pelvis.turn[:, 1]),
        sweep("clamp", np.array([joint, joint + 0.055 * way]), 0.0195),
        sweep("thigh tube", np.array([joint + 0.02 * way, end]), 0.015, look=Look("metal", ("metal", (150, 153, 160)))),
    ]  # fmt: skip
    return parts, end
