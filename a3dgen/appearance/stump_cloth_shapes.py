"""Shapes of cloth beyond the edge where a sleeve or leg is cut over a stump: rings of points, posed, in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.limbs import smoothstep

_CLOTH = 0.007
"""Distance of a tight cover from the tip, m."""


@dataclass(frozen=True)
class ClothStump:
    """A posed stump as the cloth sees it.

    Attributes:
        limb: e.g. ``left_arm``. tip: limb coordinate of the tip; ring: of the cut ring.
        place: (3,) the tip, m, camera frame. axis: (3,) unit, distal; front: (3,) unit, where the torso faces.
        carrier: SMPL joint of the carrying segment; torso: of the part an empty sleeve belongs to.
        absent: SMPL joints that are missing.
        length: length of the carrying segment, m.
    """

    limb: str
    tip: float
    ring: float
    place: Float[ndarray, "3"]
    axis: Float[ndarray, "3"]
    front: Float[ndarray, "3"]
    carrier: int
    torso: int
    absent: tuple[int, ...]
    length: float


def radial(points: Float[ndarray, "l 3"], centre: Float[ndarray, "3"], axis: Float[ndarray, "3"]) -> ndarray:
    q = points - centre
    return q - np.outer(q @ axis, axis)


def cuff(points: ndarray, centre: ndarray, axis: ndarray) -> list[ndarray]:
    """A band turned back over the cloth: out, back along the limb, and in again."""
    q = radial(points, centre, axis)
    out = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-6)
    profile = ((0.004, 0.004), (0.010, 0.003), (0.013, -0.006), (0.013, -0.030), (0.010, -0.037), (-0.001, -0.034))
    return [points + r * out + z * axis for r, z in profile]


def dome(points: ndarray, centre: ndarray, axis: ndarray, stump: ClothStump) -> list[ndarray]:
    """A rounded end that stays a cloth's thickness off the tip (superellipse, exponent 2.3)."""
    q = radial(points, centre, axis)
    lean = ((points - centre) @ axis)[:, None] * axis
    height = max(float((stump.place - centre) @ axis) + _CLOTH, 0.25 * float(np.linalg.norm(q, axis=1).mean()))
    shift = stump.place - centre
    shift = shift - (shift @ axis) * axis
    rings = []
    for k in range(1, 7):
        theta = 0.5 * np.pi * k / 6.3
        scale, rise = np.cos(theta) ** (2 / 2.3), np.sin(theta) ** (2 / 2.3)
        rings.append(centre + q * scale + lean * scale * (1 - rise) + (axis * height + 0.5 * shift) * rise)
    return rings


def flat_frame(axis: ndarray, front: ndarray) -> tuple[ndarray, ndarray]:
    """Directions across a tube: wide and thin; empty cloth lies flat to the front, as it is pinned and falls."""
    wide = np.cross(axis, front)
    norm = np.linalg.norm(wide)
    wide = wide / norm if norm > 0.2 else np.cross(axis, np.roll(front, 1))
    wide = wide / np.linalg.norm(wide)
    return wide, np.cross(axis, wide)


def pinned(points: ndarray, centre: ndarray, axis: ndarray, stump: ClothStump) -> list[ndarray]:
    """Round the stump, then flattened to a seam just past the tip, the end folded back on itself."""
    q = radial(points, centre, axis)
    lean = (points - centre) @ axis
    wide, thin = flat_frame(axis, stump.front)
    reach = max(float((stump.place - centre) @ axis), 0.01) + 0.026
    rings = []
    places = np.array([0.25, 0.45, 0.62, 0.78, 0.9, 1.0])
    for t, flat in zip(places, smoothstep((places - 0.15) / 0.85), strict=True):
        a, b = (q @ wide) * (1 + 0.06 * flat), (q @ thin) * (1 - 0.93 * flat)
        rings.append(centre + np.outer(a, wide) + np.outer(b, thin) + np.outer(lean * (1 - t) + reach * t, axis))
    fold = rings[-1]
    side = thin if thin @ stump.front > 0 else -thin
    return [*rings, fold + 0.008 * side + 0.002 * axis, fold + 0.012 * side - 0.032 * axis]


def hanging(points: ndarray, centre: ndarray, stump: ClothStump, length: float) -> list[ndarray]:
    """An empty tube that bends to the vertical over 9 cm and lies nearly flat."""
    down = np.array([0.0, 1.0, 0.0])
    axis = stump.axis
    q, direction, place = points - centre, axis.copy(), centre.copy()
    wide, thin = flat_frame(axis, stump.front)
    a, b, c = q @ wide, q @ thin, q @ axis
    rings, steps = [], max(4, int(np.ceil(length / 0.03)))
    for k in range(1, steps + 1):
        s = length * k / steps
        bend = min(1.0, s / 0.09)
        direction = axis * (1 - bend) + down * bend
        norm = np.linalg.norm(direction)
        direction = direction / norm if norm > 1e-3 else wide
        place = place + direction * length / steps
        wide = wide - (wide @ direction) * direction
        wide = wide / np.linalg.norm(wide)
        thin = np.cross(direction, wide)
        flat = min(1.0, s / 0.06)
        wave = 0.006 * np.sin(s * 45 + 3 * a / max(np.abs(a).max(), 1e-6)) * flat
        rings.append(
            place
            + np.outer(a * (1 + 0.2 * flat), wide)
            + np.outer(b * (1 - 0.78 * flat) + wave, thin)
            + np.outer(c * (1 - flat), direction)
        )
    return rings
