"""Forearm and underarm crutches and canes, built from the hand that holds them down to where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.devices.sweep import BLACK, RUBBER, Look, Part, arc, bezier, sweep, unit

SHAFT_M, SLEEVE_M, TUBE_M, FERRULE_M = 0.0095, 0.0125, 0.011, 0.019
"""Radii."""
CUFF_BELOW_M = 0.075
"""From the elbow down to the middle of the cuff: its edge lies 40 mm below the elbow."""
HUB_BEHIND_M = 0.058
"""The shaft stands so far behind the middle of the grip."""
AXILLA_PAD_M, BOW_M = 0.016, 0.0095
"""Half-thickness of an underarm pad, and of the bows below it."""
_RUBBER, _BLACK = Look("rubber", RUBBER), Look("plastic", BLACK)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Hold:
    """A hand on a handle, and the arm above it, m, in any frame.

    Attributes:
        grip: middle of the handle. axis: along it, forward. elbow, wrist: joint centres. girth: radius of the forearm
            at the cuff. tip: where the device stands. up: away from the ground.
    """

    grip: Float[ndarray, "3"]
    axis: Float[ndarray, "3"]
    elbow: Float[ndarray, "3"]
    wrist: Float[ndarray, "3"]
    girth: float
    tip: Float[ndarray, "3"]
    up: Float[ndarray, "3"]


def forearm_crutch(hold: Hold, colour: Colour) -> tuple[list[Part], dict[str, ndarray]]:
    """Return an elbow crutch with an open cuff, and its grip and tip."""
    down = unit(hold.tip - hold.grip)
    ahead = unit(hold.axis - (hold.axis @ down) * down)
    hub = hold.grip - HUB_BEHIND_M * ahead
    down = unit(hold.tip - hub)
    fore = unit(hold.elbow - hold.wrist)
    cuff = hold.elbow - CUFF_BELOW_M * fore
    radius = hold.girth + 0.004
    behind = unit(ahead - (ahead @ fore) * fore)
    back = cuff - behind * (radius + 0.012)
    painted = Look("metal", ("metal", colour))
    grip = np.array([0.013, 0.015, 0.0165, 0.0155, 0.0155, 0.0165, 0.0155, 0.013])
    side = unit(np.cross(fore, behind))
    parts = [
        _ferrule(hold.tip, down, hold.up),
        sweep("shaft", np.array([hold.tip - 0.03 * down, hub + 0.22 * down]), SHAFT_M, corners=12),
        sweep("sleeve", np.array([hub + 0.30 * down, hub + 0.02 * down]), SLEEVE_M, look=painted, corners=12),
        sweep("upper", bezier(hub + 0.03 * down, hub - 0.05 * down, back - fore * 0.12, back + fore * 0.01, n=10),
              TUBE_M, look=painted, corners=12),
        sweep("hub", np.array([hub - ahead * 0.016, hub + ahead * 0.022]), 0.019, look=_BLACK),
        sweep("grip", np.linspace(hub + 0.018 * ahead, hold.grip + 0.062 * ahead, 8), grip,
              look=Look("rubber", ("grip", (40, 40, 44))), corners=16),
        sweep("cuff", arc(cuff, -behind, side, radius, (-2.1, 2.1), 22), 0.0025, 0.028, _BLACK, 5, 12, fore),
    ]  # fmt: skip
    return parts, {"grip": hold.grip, "tip": hold.tip}


def pad_at(grip: Float[ndarray, "3"], tip: Float[ndarray, "3"], up: Float[ndarray, "3"], height: float) -> ndarray:
    """Return the top of an axillary crutch (m): on the line from its tip through the middle of its handle, ``height`` m
    above the tip."""
    along = unit(grip - tip)
    return tip + height / float(along @ up) * along


def axillary_crutch(hold: Hold, colour: Colour, pad: Float[ndarray, "3"]) -> tuple[list[Part], dict[str, ndarray]]:
    """Return an underarm crutch, two bows with the handle between them, and its grip and tip.

    Args:
        pad: middle of the underarm pad's top, m; see ``pad_at``.
    """
    down = unit(hold.tip - pad)
    ahead = unit(hold.axis - (hold.axis @ down) * down)
    low = pad + 0.64 * float(np.linalg.norm(hold.tip - pad)) * down
    side = np.cross(down, ahead)
    frame, handle = Look("metal", ("metal", colour)), np.array([0.0135, 0.0155, 0.0155, 0.0155, 0.0155, 0.0135])
    parts = [
        _ferrule(hold.tip, down, hold.up),
        sweep("shaft", np.array([hold.tip - 0.03 * down, low - 0.14 * down]), SHAFT_M, corners=12),
        sweep("sleeve", np.array([low + 0.03 * down, low - 0.03 * down]), 0.0145, look=_BLACK, corners=12),
        sweep("grip", np.linspace(hold.grip - 0.058 * ahead, hold.grip + 0.058 * ahead, 6), handle,
              look=Look("rubber", ("grip", (150, 128, 104)))),
        sweep("pad", arc(pad + 0.18 * down, -down, ahead, 0.18 - AXILLA_PAD_M, (-0.5, 0.5), 12), AXILLA_PAD_M, 0.017,
              Look("rubber", ("solid", (120, 104, 88))), 2.6, 16, side),
    ]  # fmt: skip
    for s in (-1, 1):
        bow = bezier(low + 0.008 * s * ahead, low - 0.12 * down + 0.012 * s * ahead, hold.grip + 0.22 * down
                     + 0.068 * s * ahead, hold.grip + 0.062 * s * ahead, pad + 0.03 * down + 0.076 * s * ahead,
                     n=18)  # fmt: skip
        parts.append(sweep("bow", bow, BOW_M, 0.008, frame, 2.4, 12, side))
    return parts, {"grip": hold.grip, "tip": hold.tip}


def cane(hold: Hold, colour: Colour) -> tuple[list[Part], dict[str, ndarray]]:
    """Return a cane with a straight handle on its shaft, and its grip and tip."""
    down = unit(hold.tip - hold.grip)
    ahead = unit(hold.axis - (hold.axis @ down) * down)
    bow = bezier(hold.grip - 0.058 * ahead + 0.004 * down, hold.grip - 0.02 * ahead - 0.004 * down,
                 hold.grip + 0.02 * ahead, hold.grip + 0.058 * ahead + 0.002 * down, n=8)  # fmt: skip
    grip = np.array([0.011, 0.0145, 0.016, 0.0155, 0.0155, 0.0155, 0.015, 0.012])
    shaft = np.array([hold.tip - 0.03 * down, hold.grip + 0.006 * down])
    parts = [
        _ferrule(hold.tip, down, hold.up),
        sweep("shaft", shaft, SHAFT_M, look=Look("metal", ("metal", colour)), corners=12),
        sweep("grip", bow, grip, look=_BLACK),
    ]
    return parts, {"grip": hold.grip, "tip": hold.tip}


def _ferrule(tip: ndarray, down: ndarray, up: ndarray) -> Part:
    """A rubber bell whose lowest point is on the ground at the tip's height."""
    path = tip - np.outer([0.0, 0.004, 0.02, 0.05], down)
    part = sweep("ferrule", path, np.array([0.0175, 0.019, 0.016, SHAFT_M + 0.0045]), look=_RUBBER, corners=16)
    rise = float((tip - part.vertices[(part.vertices @ up).argmin()]) @ up)
    return replace(part, vertices=part.vertices + rise * up)


def girth_at(skin: Float[ndarray, "v 3"], elbow: Float[ndarray, "3"], wrist: Float[ndarray, "3"]) -> float:
    """Return the radius (m) of a forearm where the cuff goes, from its skin."""
    fore = unit(elbow - wrist)
    v = skin - (elbow - CUFF_BELOW_M * fore)
    along = v @ fore
    near = np.abs(along) < 0.02
    if not near.any():
        return 0.045
    return float(np.percentile(np.linalg.norm(v[near] - np.outer(along[near], fore), axis=1), 85))
