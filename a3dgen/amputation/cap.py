"""The closing surface of a stump: a rounded cap over a ring, with positions, shape directions, weights and UVs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.geometry.mesh import faces_touching, vertex_normals

RINGS = 7
"""Rings of vertices between the cut and the tip (recipe 1 of the looks)."""
_MAX_SLOPE = 0.7
RING_REACH, _SMOOTH_SLOPE = 0.2, 0.4
"""Reach of smoothing around a ring (of its shape, and of the slopes that the cap goes on from), as shares of its
radius."""


@dataclass(frozen=True)
class Ring:
    """The cut's boundary in the rest pose.

    Attributes:
        points: (L, 3) m, in the order of the kept faces' half-edges.
        conormals: (L, 3) unit vectors along the surface, across the cut, away from what is kept.
        centre: (3,) m, weighted by length.
        axis: (3,) unit vector towards the tip.
    """

    points: Float[ndarray, "l 3"]
    conormals: Float[ndarray, "l 3"]
    centre: Float[ndarray, "3"]
    axis: Float[ndarray, "3"]

    @cached_property
    def radius(self) -> float:
        """Mean distance of the ring from the axis, m."""
        across = self.points - self.centre
        across = across - np.outer(across @ self.axis, self.axis)
        return float(np.average(np.linalg.norm(across, axis=1), weights=_shares(self.points)))

    @cached_property
    def polar(self) -> PolarRing:
        """The ring in cylindrical coordinates."""
        return polar_ring(self)


def _shares(points: ndarray) -> ndarray:
    """Length of the loop that each point stands for."""
    step = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    return 0.5 * (step + np.roll(step, 1))


def perimeter(points: Float[ndarray, "l 3"]) -> float:
    """Return the length of a closed loop, m."""
    return float(np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1).sum())


def loop_centre(points: Float[ndarray, "l 3"]) -> Float[ndarray, "3"]:
    """Return the centre of a loop weighted by length, so that uneven spacing does not pull it."""
    return np.average(points, axis=0, weights=_shares(points))


def loop_normal(points: Float[ndarray, "l 3"]) -> Float[ndarray, "3"]:
    """Return the unit normal of a loop (Newell), away from the kept faces whose half-edges it follows."""
    around = points - points.mean(0)
    normal = np.cross(np.roll(around, -1, axis=0), around).sum(0)
    return normal / np.linalg.norm(normal)


def smooth_around(points: Float[ndarray, "l 3"], values: ndarray, reach: float) -> ndarray:
    """Smooth values (L, ...) around a loop with a Gaussian of standard deviation ``reach`` (m) in arc length."""
    step = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    at, total = np.cumsum(step) - step, step.sum()
    gap = np.abs(at[:, None] - at)
    gap = np.minimum(gap, total - gap)
    kernel = np.exp(-0.5 * (gap / reach) ** 2) * _shares(points)
    return np.tensordot(kernel / kernel.sum(1, keepdims=True), values, 1)


def ring_conormals(
    vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"], loop: Integer[ndarray, " l"]
) -> Float[ndarray, "l 3"]:
    """Return for each vertex of a boundary loop the direction in which the kept surface would go on."""
    position = np.full(len(vertices), -1)
    position[loop] = np.arange(len(loop))
    faces = faces[faces_touching(faces, position >= 0)]
    out = np.zeros((len(loop), 3))
    for corner in range(3):
        a, b, apex = faces[:, corner], faces[:, (corner + 1) % 3], faces[:, (corner + 2) % 3]
        on = (position[a] >= 0) & (position[b] == (position[a] + 1) % len(loop))
        edge = vertices[b[on]] - vertices[a[on]]
        inward = vertices[apex[on]] - vertices[a[on]]
        length = np.linalg.norm(edge, axis=1, keepdims=True)
        along = edge / np.maximum(length, 1e-12)
        outward = (inward * along).sum(1, keepdims=True) * along - inward
        outward *= length / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12)
        np.add.at(out, position[a[on]], outward)
        np.add.at(out, position[b[on]], outward)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class CapPoints:
    """A cap's rest vertices: ``rings`` (n, L, 3) from the cut to the tip, ``tip`` (3,), for each ring the share of the
    cut's radius ``radial`` (n,) and of the height ``axial`` (n,) that it has, and the ``angles`` (n + 1, L) of the
    points about the axis (rad), those of the cut first."""

    rings: Float[ndarray, "n l 3"]
    tip: Float[ndarray, "3"]
    radial: Float[ndarray, " n"]
    axial: Float[ndarray, " n"]
    angles: Float[ndarray, "m l"]


def superellipse(exponent: float, rings: int = RINGS) -> tuple[Float[ndarray, " n"], Float[ndarray, " n"]]:
    """Return (radial, axial) shares of a quarter superellipse |r|^e + |z|^e = 1 at evenly spaced parameters."""
    angle = np.arange(1, rings + 1) / (rings + 1) * np.pi / 2
    return np.cos(angle) ** (2 / exponent), np.sin(angle) ** (2 / exponent)


def cap_points(ring: Ring, tip: Float[ndarray, "3"], exponent: float, rings: int = RINGS) -> CapPoints:
    """Round a ring off towards a tip.

    Every point of the ring runs along a quarter superellipse to the tip. It leaves the ring in the direction in which
    the kept surface arrives (so there is no crease) and reaches the tip across the axis.

    Args:
        ring: the cut.
        tip: (3,) m; where the cap is highest.
        exponent: 2 is an ellipse, more is blunter.
        rings: number of vertex rings before the tip.
    """
    radial, axial = superellipse(exponent, rings)
    polar = ring.polar
    height = (tip - ring.centre) @ ring.axis
    drift = tip - ring.centre - height * ring.axis  # the tip may sit beside the axis

    smooth = smooth_around(ring.points, ring.conormals, _SMOOTH_SLOPE * ring.radius)
    slope = (smooth * polar.direction(polar.angle)).sum(1) / np.maximum(smooth @ ring.axis, 0.3)
    slope = np.clip(slope, -_MAX_SLOPE, _MAX_SLOPE)
    z = axial[:, None]
    angle = _spoke_angles(polar.angle, axial)
    shape = _at_angles(angle, polar.angle, np.stack([polar.radius, polar.rise, slope], 1))
    radius, rise, slope = np.moveaxis(shape, -1, 0)
    climb = height - rise
    level = rise + climb * z
    bulge = (slope * climb) * z * (1 - z) ** 2  # starts with the surface's slope, ends at the tip with none
    reach = radial[:, None] * radius + bulge
    points = (
        ring.centre
        + reach[..., None] * polar.direction(angle)
        + level[..., None] * ring.axis
        + (1 - radial)[:, None, None] * drift
    )
    return CapPoints(points, tip, radial, axial, np.vstack([polar.angle, angle]))


@dataclass(frozen=True)
class PolarRing:
    """A ring in cylindrical coordinates about its axis: angle (rad, monotonic), radius and rise along the axis (m)."""

    first: Float[ndarray, "3"]
    second: Float[ndarray, "3"]
    angle: Float[ndarray, " l"]
    radius: Float[ndarray, " l"]
    rise: Float[ndarray, " l"]

    def direction(self, angle: Float[ndarray, "*n l"]) -> Float[ndarray, "*n l 3"]:
        """Return unit vectors across the axis at these angles."""
        return np.cos(angle)[..., None] * self.first + np.sin(angle)[..., None] * self.second


def polar_ring(ring: Ring) -> PolarRing:
    """Return a ring in cylindrical coordinates."""
    offset = ring.points - ring.centre
    rise = offset @ ring.axis
    across = offset - rise[:, None] * ring.axis
    radius = np.linalg.norm(across, axis=1)
    first = across[0] / radius[0]
    second = np.cross(ring.axis, first)
    angle = np.unwrap(np.arctan2(across @ second, across @ first))
    return PolarRing(first, second, angle, radius, rise)


def _even_angles(angle: ndarray) -> ndarray:
    """The evenly spaced angles nearest to the given ones."""
    turn = np.sign(angle[-1] - angle[0]) * 2 * np.pi
    even = turn * np.arange(len(angle)) / len(angle)
    return even + np.mean(angle - even)


def _spoke_angles(angle: ndarray, axial: ndarray) -> Float[ndarray, "n l"]:
    """Angles of the spokes at each cap ring: the cut's own there, evenly spaced towards the tip."""
    return angle + np.clip(2 * axial[:, None], 0, 1) * (_even_angles(angle) - angle)


def _at_angles(wanted: Float[ndarray, "n l"], angle: ndarray, values: Float[ndarray, "l k"]) -> Float[ndarray, "n l k"]:
    """Interpolate values given around a ring linearly at other angles."""
    turn = 2 * np.pi
    order = np.argsort(angle % turn)
    at = (angle % turn)[order]
    at = np.concatenate([at[-1:] - turn, at, at[:1] + turn])
    rows = np.concatenate([order[-1:], order, order[:1]])
    right = np.clip(np.searchsorted(at, wanted % turn, side="right"), 1, len(at) - 1)
    t = ((wanted % turn) - at[right - 1]) / np.maximum(at[right] - at[right - 1], 1e-12)
    return (1 - t[..., None]) * values[rows[right - 1]] + t[..., None] * values[rows[right]]


def rounded_ring(ring: Ring) -> Float[ndarray, "l 3"]:
    """Return the ring's points without the facets that a cut through large triangles has (moves them by about 1 mm)."""
    polar = ring.polar
    radius, rise = smooth_around(ring.points, np.stack([polar.radius, polar.rise], 1), RING_REACH * ring.radius).T
    return ring.centre + radius[:, None] * polar.direction(polar.angle) + rise[:, None] * ring.axis


def carried_dirs(
    ring: Ring, cap: CapPoints, dirs: Float[ndarray, "l 3 b"], tip_dirs: Float[ndarray, "3 b"]
) -> Float[ndarray, "n l 3 b"]:
    """Return shape directions of a cap's rings that go on from those of its ring.

    The ring's directions are split into an affine part, which the whole cap follows (an affine map cannot make it
    cross itself), and a rest, which shrinks with the ring. Towards the tip they turn to ``tip_dirs``.
    """
    mean = dirs.mean(0)
    polar = ring.polar
    frame = np.stack([polar.first, polar.second], 1)
    spread = (dirs - mean).reshape(len(dirs), -1)
    slope, *_ = np.linalg.lstsq((ring.points - ring.centre) @ frame, spread, rcond=None)
    rest = spread - (ring.points - ring.centre) @ frame @ slope
    rest = _at_angles(cap.angles[1:], polar.angle, rest)
    axial, radial = cap.axial[:, None, None], cap.radial[:, None, None]
    out = (cap.rings - ring.centre) @ frame @ slope + radial * rest
    return out.reshape(*cap.rings.shape[:2], *mean.shape) + mean + axial[..., None] * (tip_dirs - mean)


def cap_faces(
    loop: Integer[ndarray, " l"], first: int, rings: int = RINGS
) -> tuple[Integer[ndarray, "f 3"], Integer[ndarray, "f"]]:
    """Return the cap's faces and the loop position each hangs on.

    Args:
        loop: (L,) vertices of the cut, in the order of the kept half-edges.
        first: number of the first cap vertex; ring after ring, then the tip.
        rings: rings of cap vertices.
    """
    n = len(loop)
    here, after = np.arange(n), np.roll(np.arange(n), -1)
    levels = [np.asarray(loop), *(first + k * n + here for k in range(rings))]
    faces = []
    for a, b in pairwise(levels):
        faces.append(np.stack([a[after], a[here], b[here]], 1))
        faces.append(np.stack([a[after], b[here], b[after]], 1))
    last = levels[-1]
    faces.append(np.stack([last[after], last[here], np.full(n, first + rings * n)], 1))
    return np.concatenate(faces), np.tile(here, 2 * rings + 1)


def unrolled(ring: Ring, cap: CapPoints) -> Float[ndarray, "m 2"]:
    """Flatten a cap to a disk (m): each point keeps its angle about the axis and its distance from the tip along the
    surface, so that nothing is smeared. Returns the points of ring, cap rings and tip, in order."""
    spokes = np.concatenate([ring.points[None], cap.rings, np.broadcast_to(cap.tip, (1, *ring.points.shape))])
    step = np.linalg.norm(np.diff(spokes, axis=0), axis=2)
    to_tip = np.concatenate([np.cumsum(step[::-1], 0)[::-1], np.zeros((1, step.shape[1]))])
    ray = np.stack([np.cos(cap.angles), np.sin(cap.angles)], -1)
    disk = to_tip[:-1, :, None] * ray
    return np.concatenate([disk.reshape(-1, 2), np.zeros((1, 2))])


def fair(
    vertices: Float[ndarray, "v 3"],
    faces: Integer[ndarray, "f 3"],
    amount: Float[ndarray, " v"],
    fade: Float[ndarray, " k"],
    passes: int = 12,
) -> Float[ndarray, "v 3"]:
    """Return vertices smoothed by repeated averaging with their neighbours where ``amount`` (0..1) is above 0.

    The amount spreads to the vertices beside those, ring by ring, by the shares ``fade``. Shrinkage is mostly undone
    by alternating steps (Taubin 1995). Vertices move along their normals only, so that none run together.
    """
    share = np.array(amount, np.float64)
    reached = share > 0
    wider = reached.copy()
    for _ in fade:
        wider[faces[faces_touching(faces, wider)]] = True
    faces = faces[faces_touching(faces, wider)]  # no other is looked at below
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    for level in fade:
        touching = reached[pairs[:, 0]] & ~reached[pairs[:, 1]]
        beside = pairs[touching, 1]
        share[beside] = level
        reached[beside] = True
    near = pairs[reached[pairs[:, 0]]]
    rows, local = np.unique(near[:, 0], return_inverse=True)
    count = np.bincount(local)[:, None]
    out = vertices.astype(np.float64)
    touching = faces[reached[faces].any(1)]
    normals, weight = vertex_normals(out, touching)[rows], share[rows, None]
    for step in range(2 * passes):
        total = np.stack([np.bincount(local, out[near[:, 1], c]) for c in range(3)], 1)
        move = ((total / count - out[rows]) * normals).sum(1, keepdims=True) * normals
        out[rows] += (0.5 if step % 2 == 0 else -0.3) * weight * move
    return out.astype(vertices.dtype)
