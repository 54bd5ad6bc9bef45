"""The hull of a residual limb about its limb's axis: what a socket is made to, so that no skin is outside of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.devices.sweep import unit

LEVELS, SECTORS = 16, 36
HARMONICS = 6
"""Roundness of a lamination: higher harmonics of the radius about the axis are left out."""
REACH_M, REACH_RAD = 0.022, 0.22
"""Skin this far along and around counts for a radius of the hull."""
GAP_M = 0.0015
"""Least distance between skin and socket."""


@dataclass(frozen=True)
class Hull:
    """Radii about an axis: point (t, angle) lies at origin + t axis + r (cos(angle) x + sin(angle) y).

    Attributes:
        origin: (3,) m. axis, x, y: unit vectors, right-handed as (x, y, axis).
        levels: (L,) m along the axis. radii: (L, SECTORS) m, at the angles ``sectors()``.
        tip: how far along the axis the limb reaches, m.
    """

    origin: Float[ndarray, "3"]
    axis: Float[ndarray, "3"]
    x: Float[ndarray, "3"]
    y: Float[ndarray, "3"]
    levels: Float[ndarray, " l"]
    radii: Float[ndarray, "l s"]
    tip: float

    def rings(self) -> Float[ndarray, "l s 3"]:
        """Return the hull's points."""
        a = sectors()
        across = np.cos(a)[:, None] * self.x + np.sin(a)[:, None] * self.y
        return self.origin + self.levels[:, None, None] * self.axis + self.radii[..., None] * across

    def cylindrical(self, points: Float[ndarray, "n 3"]) -> tuple[ndarray, ndarray, ndarray]:
        """Return t (m), angle (rad, -pi..pi) and radius (m) of points."""
        v = np.asarray(points, np.float64) - self.origin
        px, py = v @ self.x, v @ self.y
        return v @ self.axis, np.arctan2(py, px), np.hypot(px, py)

    def radius(self, t: Float[ndarray, " n"], angle: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
        """Return the hull's radius (m), linear between levels and sectors; that of the end rings beyond them."""
        i, u, j, v, k = self._cell(t, angle)
        r = self.radii
        return (1 - u) * ((1 - v) * r[i, j] + v * r[i, k]) + u * ((1 - v) * r[i + 1, j] + v * r[i + 1, k])

    def _cell(self, t: ndarray, angle: ndarray) -> tuple[ndarray, ...]:
        i = np.clip(np.searchsorted(self.levels, t, "right") - 1, 0, len(self.levels) - 2)
        u = np.clip((t - self.levels[i]) / (self.levels[i + 1] - self.levels[i]), 0, 1)
        turn = (angle + np.pi) / (2 * np.pi) * SECTORS
        j = np.floor(turn).astype(int)
        return i, u, j % SECTORS, turn - j, (j + 1) % SECTORS


def sectors() -> Float[ndarray, " s"]:
    """Return the angles of a hull's columns, rad."""
    return np.linspace(-np.pi, np.pi, SECTORS, endpoint=False)


def limb_axes(axis: Float[ndarray, "3"], front: Float[ndarray, "3"]) -> tuple[ndarray, ndarray]:
    """Return x to the front and y, so that (x, y, axis) is right-handed."""
    x = unit(front - (front @ axis) * axis)
    return x, np.cross(axis, x)


def limb_hull(
    skin: Float[ndarray, "v 3"],
    origin: Float[ndarray, "3"],
    end: Float[ndarray, "3"],
    front: Float[ndarray, "3"],
    start: float,
) -> Hull:
    """Return the smoothed hull of a residual limb.

    Args:
        skin: vertices of the residual limb, a little more proximal than ``start`` included, m.
        origin, end: two points on the axis: joint centres, m. front: direction of the hull's angle 0.
        start: where the hull begins, m from ``origin`` along the axis.
    """
    axis = unit(end - origin)
    x, y = limb_axes(axis, front)
    v = np.asarray(skin, np.float64) - origin
    t, angle, r = v @ axis, np.arctan2(v @ y, v @ x), np.hypot(v @ x, v @ y)
    tip = float(t.max())
    levels = np.linspace(start, max(tip - 0.012, start + 0.03), LEVELS)
    raw = _filled(_binned(levels, t, angle, r))
    spectrum = np.fft.rfft(raw, axis=1)
    spectrum[:, HARMONICS + 1 :] = 0
    smooth = np.fft.irfft(spectrum, SECTORS, axis=1)
    smooth[1:-1] = (smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4
    return Hull(np.asarray(origin, np.float64), axis, x, y, levels, smooth, tip)


def _binned(levels: ndarray, t: ndarray, angle: ndarray, r: ndarray) -> ndarray:
    a = sectors()
    out = np.full((len(levels), SECTORS), np.nan)
    for i, level in enumerate(levels):
        near = np.abs(t - level) < REACH_M
        apart = np.abs((angle[near] - a[:, None] + np.pi) % (2 * np.pi) - np.pi)
        inside = np.where(apart < REACH_RAD, r[near], -1.0).max(1, initial=-1.0)
        out[i] = np.where(inside > 0, inside, np.nan)
    return out


def _filled(table: ndarray) -> ndarray:
    """Fill gaps around each level, then levels without any skin from the one before."""
    a = sectors()
    for i, row in enumerate(table):
        known = np.isfinite(row)
        if known.any():
            table[i] = np.interp(a, a[known], row[known], period=2 * np.pi)
        elif i:
            table[i] = table[i - 1]
    return table


def widened(hull: Hull, skin: Float[ndarray, "v 3"], rounds: int = 6) -> Hull:
    """Return the hull with its radii raised just so far that no vertex of ``skin`` beyond its first level lies outside
    it, or closer to it than ``GAP_M``."""
    t, angle, r = hull.cylindrical(skin)
    inside = (t >= hull.levels[0]) & (t <= hull.levels[-1])
    t, angle, r = t[inside], angle[inside], r[inside]
    radii = hull.radii.copy()
    for _ in range(rounds):
        now = Hull(hull.origin, hull.axis, hull.x, hull.y, hull.levels, radii, hull.tip)
        lack = r + GAP_M - now.radius(t, angle)
        if lack.max(initial=-1.0) <= 0:
            return now
        i, _, j, _, k = now._cell(t, angle)
        add = np.zeros_like(radii)
        short = lack > 0
        for a, b in ((i, j), (i, k), (i + 1, j), (i + 1, k)):
            np.maximum.at(add, (a[short], b[short]), lack[short] + 1e-5)
        radii = radii + add
    return Hull(hull.origin, hull.axis, hull.x, hull.y, hull.levels, radii, hull.tip)
