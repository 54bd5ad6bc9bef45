"""Where a body touches the ground: how much of the sky above the ground around its soles is hidden from there.

The ground below something low sees less of the sky. What lies at a height z above it, as a level sheet of coverage C,
hides from a point of the ground the share C convolved with z^2 / (pi (r^2 + z^2)^2), the form factor of a level
element (Siegel and Howell, Thermal Radiation Heat Transfer, configuration factors of parallel elements).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import fft

from a3dgen.geometry.limbs import smoothstep

CELL_M = 0.0125
"""Size of a cell of the maps below."""
SIZES = (64, 96, 144, 208, 288)
"""Cells along a side of a map, as few as hold a spot and its surroundings."""
MARGIN_M = 0.24
"""Ground around a spot that its shade can reach."""
LOW_M = 0.16
"""What is lower than this above the ground may stand on it."""
LIFTED_M = (0.08, 0.14)
"""Feet whose soles are so high above the ground touch it, and surely do not: the ground of a photo is known to some
centimetres."""
SHEETS_M = (0.0, 0.030, 0.07, 0.15, 0.30, 0.50)
"""Heights between which the body is taken as one level sheet; the first one touches."""


@dataclass(frozen=True)
class Spot:
    """A place where the body touches the ground, seen from above.

    Attributes:
        level: of the ground there, along its up, m.
        matrix: (2, 4): camera-frame point (homogeneous, m) to the map's column and row.
        shade: (s, s, 2) f4 0..1: how far it is touched, and the share of the sky that is hidden.
    """

    level: float
    matrix: Float[ndarray, "2 4"]
    shade: Float[ndarray, "s s 2"]


def contact_spots(up: Float[ndarray, "3"], level: float, vertices: Float[ndarray, "v 3"]) -> list[Spot]:
    """Return the places where surfaces touch a ground plane up . x = level, each with a level of its own.

    Args:
        up, level: of the plane, unit and m. vertices: of all that is drawn, m.
    """
    heights = vertices @ up.astype(np.float32) - np.float32(level)
    low = heights < SHEETS_M[-1] + LIFTED_M[1]
    if not (heights[low] < LOW_M).any():
        return []
    heights = heights[low].astype(np.float64)
    side = np.cross(up, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(side, up)])
    flat = vertices[low].astype(np.float64) @ axes.T
    spots = []
    for members in _apart(flat, heights < LOW_M):
        own = float(heights[members].min())
        weight = float(np.clip((LIFTED_M[1] - own) / (LIFTED_M[1] - LIFTED_M[0]), 0, 1))
        if weight > 0:
            spots.append(_spot(flat, heights - own, flat[members], axes, weight, level + own))
    return spots


def _apart(flat: Float[ndarray, "n 2"], low: ndarray) -> list[ndarray]:
    """Return the rows of the points near the ground, one array for each place that is apart from the others."""
    rows = np.flatnonzero(low)
    cell = 2 * CELL_M
    at = np.floor((flat[rows] - [axis[rows].min() for axis in flat.T]) / cell).astype(int) + 1
    taken = np.zeros(np.minimum(at.max(0) + 2, 1024), np.uint8)
    at = np.minimum(at, np.array(taken.shape) - 1)
    taken[at[:, 0], at[:, 1]] = 1
    count, label = cv2.connectedComponents(cv2.dilate(taken, np.ones((3, 3), np.uint8)))
    place = label[at[:, 0], at[:, 1]]
    return [rows[place == k] for k in range(1, count)]


def _spot(flat: ndarray, heights: ndarray, members: ndarray, axes: ndarray, weight: float, level: float) -> Spot:
    low, high = (np.array([edge(axis) for axis in members.T]) for edge in (np.min, np.max))
    wanted = float((high - low).max() + 2 * MARGIN_M) / CELL_M
    size = next((s for s in SIZES if s >= wanted), SIZES[-1])
    corner = (low + high) / 2 - 0.5 * size * CELL_M
    column, row = np.floor((flat - corner) / CELL_M).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < size) & (row < size)
    column, row, sheet = column[inside], row[inside], np.searchsorted(SHEETS_M, heights[inside], side="right") - 1
    keep = (sheet >= 0) & (sheet < len(SHEETS_M) - 1)
    cover = np.zeros((len(SHEETS_M) - 1, size, size), np.uint8)
    cover[sheet[keep], row[keep], column[keep]] = 1
    shade = np.empty((size, size, 2), np.float32)
    closed = [cv2.morphologyEx(c, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(np.float32) for c in cover]
    shade[..., 0] = cv2.GaussianBlur(closed[0], (0, 0), 0.9)
    spectra = fft.rfft2(np.stack(closed[1:]), axes=(1, 2)) * _spectra(size)
    hidden = np.clip(fft.irfft2(spectra, s=(size, size), axes=(1, 2)), 0, 1)
    shade[..., 1] = 1 - np.prod(1 - hidden, axis=0)
    at = (np.arange(size) + 0.5) / size
    rim = np.minimum(at, 1 - at) * size * CELL_M / (0.7 * MARGIN_M)
    rim = smoothstep(rim).astype(np.float32)  # the maps end before their edges
    shade *= np.float32(weight) * (rim[:, None] * rim)[..., None]
    matrix = np.concatenate([axes / CELL_M, (-corner / CELL_M - 0.5)[:, None]], 1)
    return Spot(level, matrix, shade)


@cache
def _spectra(size: int) -> ndarray:
    """Return the Fourier transforms of what each sheet but the first hides, on maps of ``size`` cells."""
    step = (np.arange(size) + size // 2) % size - size // 2
    squared = ((step[:, None] ** 2 + step**2) * CELL_M**2)[None]
    low, high = np.array(SHEETS_M[1:-1]), np.array(SHEETS_M[2:])
    z = np.sqrt(low * high)[:, None, None]
    kernel = z**2 / (np.pi * (squared + z**2) ** 2) * CELL_M**2
    kernel /= np.maximum(kernel.sum((1, 2), keepdims=True), 1.0)
    return fft.rfft2(kernel.astype(np.float32), axes=(1, 2))
