"""A walking frame without wheels: two bent side tubes with handles, joined in front, on four rubber feet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.geometry.devices.sweep import RUBBER, Look, Part, bezier, sweep

TUBE_M, HANDLE_M = 0.0125, 0.0155
"""Radii of the tubes and of the handles (25 mm tube: engineering choice)."""
FRONT_M, REAR_M, FLARE_M = 0.27, 0.20, 0.03
"""Feet stand so far ahead of, behind, and outside of the middle of the handles."""
_Y = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Frame:
    """Measures of a walking frame, m: between the handles' middles, and of their height above the ground."""

    width: float
    height: float

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Frame:
        """Return the frame of plain JSON values."""
        return cls(float(facts["width"]), float(facts["height"]))

    def facts(self) -> dict[str, float]:
        """Return plain JSON values."""
        return asdict(self)


def walker(frame: Frame, colour: tuple[int, int, int]) -> tuple[list[Part], dict[str, ndarray]]:
    """Return the parts of a walking frame in its own frame (x to the user's left, y up, z ahead; origin on the ground
    between the handles), and its grips and rear feet."""
    painted, rubber = Look("metal", ("metal", colour)), Look("rubber", RUBBER)
    parts: list[Part] = []
    points: dict[str, ndarray] = {}
    h = frame.height
    for side, s in (("left", 1.0), ("right", -1.0)):
        x, out = s * frame.width / 2, s * FLARE_M
        rear, front = np.array([x + out, 0, -REAR_M]), np.array([x + out, 0, FRONT_M])
        back, ahead = np.array([x, h, -0.075]), np.array([x, h, 0.075])
        up = _bent(rear + 0.03 * _Y, back, -0.07)
        down = _bent(front + 0.03 * _Y, ahead, 0.07)[::-1]
        level = np.linspace(back, ahead, 4)[1:-1]
        parts += [
            sweep("tube", np.concatenate([up, level, down]), TUBE_M, look=painted, corners=14),
            sweep("grip", np.linspace(back + (0, 0, 0.013), ahead - (0, 0, 0.013), 6),
                  np.array([0.0150, HANDLE_M, HANDLE_M, HANDLE_M, HANDLE_M, 0.0150]),
                  look=Look("rubber", ("grip", (44, 44, 48))), corners=16),
            sweep("side bar", np.linspace(_along(rear, back, 0.34), _along(front, ahead, 0.34), 12), 0.010,
                  look=painted, corners=12),
            *(_foot(p, rubber) for p in (rear, front)),
        ]  # fmt: skip
        points[f"{side}_grip"], points[f"{side}_tip"] = np.array([x, h, 0.0]), rear
    for share in (0.84, 0.46):
        left, right = (_along(np.array([s * (frame.width / 2 + FLARE_M), 0, FRONT_M]),
                              np.array([s * frame.width / 2, h, 0.075]), share) for s in (1, -1))  # fmt: skip
        bulge = np.array([0, 0, 0.03])
        parts.append(sweep("front bar", bezier(left, left * (0.6, 1, 1) + bulge, right * (0.6, 1, 1) + bulge, right),
                           0.0115, look=painted, corners=12))  # fmt: skip
    return parts, points


def _bent(foot: ndarray, top: ndarray, corner: float) -> ndarray:
    """A leg from its foot up, bent over into the handle's direction ``corner`` m before its end; its points lie so
    close that a body between them is noticed."""
    knee = top + np.array([0, 0, corner])
    below = knee + 0.10 * (foot - knee) / np.linalg.norm(foot - knee)
    return np.concatenate([np.linspace(foot, below, 16)[:-1], bezier(below, knee, top, n=9)])


def _along(foot: ndarray, top: ndarray, share: float) -> ndarray:
    """A point of a leg: ``share`` of the way up, on the straight line to its corner."""
    corner = top + (0, 0, np.sign(top[2]) * 0.07)
    return foot + share * (corner - foot)


def _foot(at: ndarray, look: Look) -> Part:
    path = at + np.outer([0.0, 0.004, 0.02, 0.05], _Y)
    part = sweep("foot", path, np.array([0.0185, 0.020, 0.0175, TUBE_M + 0.004]), look=look, corners=16)
    return part.moved(np.eye(3), np.array([0.0, -float(part.vertices[:, 1].min()), 0.0]))
