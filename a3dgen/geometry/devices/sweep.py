"""The primitive of all devices: a section swept along a path, closed by bevelled caps or into a ring; watertight."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

Finish = tuple[object, ...]
"""Name of a tile and its colours, e.g. ``("metal", (140, 142, 147))``; see ``devices.materials``."""
TILE_M = 0.08
"""Width and height of one texture tile, m."""
RUBBER: Finish = ("solid", (30, 30, 32))
STEEL: Finish = ("metal", (140, 142, 147))
BLACK: Finish = ("solid", (22, 22, 24))
CARBON: Finish = ("carbon",)


@dataclass(frozen=True)
class Part:
    """One closed piece of a device.

    Attributes:
        name: what it is, e.g. ``pylon``.
        vertices: (V, 3) m. faces: (F, 3) counter-clockwise seen from outside.
        uv: (T, 2); values beyond 0..1 repeat. face_uv: (F, 3) rows of ``uv``.
        material: of ``renderers.MATERIALS``. finish: its texture.
        soft: a cushion, that gives under the body.
    """

    name: str
    vertices: Float[ndarray, "v 3"]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    material: str
    finish: Finish
    soft: bool = False

    def moved(self, rotation: Float[ndarray, "3 3"], shift: Float[ndarray, "3"]) -> Part:
        """Return the part turned and shifted: x -> rotation x + shift."""
        return replace(self, vertices=self.vertices @ rotation.T + shift)


@dataclass(frozen=True)
class Look:
    """What a part is made of: material, finish, width of a texture tile (m), and whether it gives."""

    material: str = "metal"
    finish: Finish = STEEL
    tile: float = TILE_M
    soft: bool = False


def unit(v: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
    """Return vectors of length 1."""
    v = np.asarray(v, np.float64)
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def tangents(path: Float[ndarray, "n 3"], closed: bool = False) -> Float[ndarray, "n 3"]:
    """Return unit tangents along a path."""
    return unit(np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0))


def transported(path: Float[ndarray, "n 3"], closed: bool = False) -> tuple[ndarray, ndarray]:
    """Return (side, normal) at every point, carried along the path without twist (Bishop frames)."""
    t = tangents(path, closed)
    first = np.cross(t[0], np.eye(3)[np.abs(t[0]).argmin()])
    normal = np.empty_like(t)
    normal[0] = unit(first)
    if np.abs(t - t[0]).max() < 1e-9:
        normal[:] = normal[0]
    else:
        for k in range(1, len(t)):
            v = normal[k - 1] - (normal[k - 1] @ t[k]) * t[k]
            normal[k] = v / np.sqrt(v @ v)
    return np.cross(normal, t), normal


def upright(path: Float[ndarray, "n 3"], up: Float[ndarray, "3"], closed: bool = False) -> tuple[ndarray, ndarray]:
    """Return (side, normal) whose normals lean to ``up``."""
    t = tangents(path, closed)
    normal = unit(np.asarray(up, np.float64) - (t @ up)[:, None] * t)
    return np.cross(normal, t), normal


def superellipse(rx: ndarray, ry: ndarray, power: float | int, corners: int) -> Float[ndarray, "n m 2"]:
    """Return sections |x / rx|^power + |y / ry|^power = 1, counter-clockwise; power 2 = ellipse, 6 = rounded box."""
    a = np.linspace(0, 2 * np.pi, corners, endpoint=False) + np.pi / corners
    c, s = (np.sign(f) * np.abs(f) ** (2 / power) for f in (np.cos(a), np.sin(a)))
    return np.stack([np.multiply.outer(rx, c), np.multiply.outer(ry, s)], -1)


def sweep(
    name: str,
    path: Float[ndarray, "n 3"],
    rx: float | Float[ndarray, " n"],
    ry: float | Float[ndarray, " n"] | None = None,
    look: Look = Look(),
    power: float | int = 2.0,
    corners: int = 14,
    frame: Float[ndarray, "3"] | tuple[ndarray, ndarray] | None = None,
) -> Part:
    """Return a superellipse swept along an open path, with bevelled caps.

    Args:
        path: points, m; two of them make a straight piece.
        rx, ry: half-axes along side and normal, m, constant or one a point.
        frame: direction that the normals lean to, or (side, normal) at every point; carried without twist if None.
    """
    path = np.asarray(path, np.float64)
    n = len(path)
    rx = np.broadcast_to(np.asarray(rx, np.float64), (n,))
    ry = rx if ry is None else np.broadcast_to(np.asarray(ry, np.float64), (n,))
    rings = _rings(path, superellipse(rx, ry, power, corners), frame)
    return tube(name, rings, look, bevel=min(0.0015, 0.3 * float(min(rx[0], ry[0], rx[-1], ry[-1]))))


def ring(
    name: str,
    path: Float[ndarray, "n 3"],
    rx: float,
    axis: Float[ndarray, "3"],
    look: Look = Look(),
    corners: int = 12,
) -> Part:
    """Return a round section swept along a closed path in a plane across ``axis``."""
    radius = np.full(len(path), rx)
    side, normal = upright(path, axis, closed=True)
    section = superellipse(radius, radius, 2.0, corners)
    rings = path[:, None] + section[..., :1] * side[:, None] + section[..., 1:] * normal[:, None]
    return tube(name, rings, look, closed=True)


def _rings(path: ndarray, section: ndarray, frame: ndarray | tuple[ndarray, ndarray] | None) -> ndarray:
    if frame is None:
        side, normal = transported(path)
    elif isinstance(frame, tuple):
        side, normal = frame
    else:
        side, normal = upright(path, frame)
    return path[:, None] + section[..., :1] * side[:, None] + section[..., 1:] * normal[:, None]


def tube(
    name: str,
    rings: Float[ndarray, "n m 3"],
    look: Look = Look(),
    closed: bool = False,
    bevel: float = 0.0015,
) -> Part:
    """Return the closed surface over rings of equally many points, counter-clockwise seen from ahead.

    Args:
        closed: the last ring is joined to the first one; otherwise both ends get caps, whose edges are bevelled by
            ``bevel`` m so that they stay crisp under smooth normals.
    """
    rings = np.asarray(rings, np.float64)
    if not closed and bevel > 0:
        rings = np.concatenate([_inset(rings[0], rings[1], bevel), rings, _inset(rings[-1], rings[-2], bevel)])
    n, m = rings.shape[:2]
    faces, face_uv = _grid(n, m, closed)
    middle = rings.mean(1)
    steps = np.diff(np.concatenate([middle, middle[:1]]) if closed else middle, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(steps, axis=1))]) / look.tile
    girth = float(np.linalg.norm(np.roll(rings, -1, 1) - rings, axis=2).sum(1).mean())
    around = np.linspace(0, max(0.25, round(girth / look.tile * 4) / 4), m + 1)
    if closed:
        along *= max(1, round(along[-1])) / along[-1]
    uv = np.stack(np.meshgrid(around, along), -1).reshape(-1, 2)
    vertices = rings.reshape(-1, 3)
    if not closed:
        vertices = np.concatenate([vertices, middle[:1], middle[-1:]])
        uv = np.concatenate([uv, np.zeros((1, 2))])
    return Part(name, vertices, faces, uv.astype(np.float32), face_uv, look.material, look.finish, look.soft)


def _inset(ring: ndarray, inner: ndarray, bevel: float) -> ndarray:
    """The rim of a cap: a little beyond the end ring, a little smaller."""
    middle = ring.mean(0)
    out = unit(middle - inner.mean(0)) * bevel
    radius = max(float(np.linalg.norm(ring - middle, axis=1).max()), 1e-9)
    return (middle + (ring - middle) * (1 - min(0.3, 1.5 * bevel / radius)) + out)[None]


@lru_cache(64)
def _grid(n: int, m: int, closed: bool) -> tuple[ndarray, ndarray]:
    """Return faces and texture rows of n rings of m points; the caps' centres come last, first cap first."""
    rows = n if closed else n - 1
    i, j = (x.ravel() for x in np.meshgrid(np.arange(rows), np.arange(m), indexing="ij"))
    i2, j2 = (i + 1) % n, (j + 1) % m
    faces = np.concatenate(
        [np.stack([i * m + j, i * m + j2, i2 * m + j2], 1), np.stack([i * m + j, i2 * m + j2, i2 * m + j], 1)]
    )
    w, up = m + 1, i + 1
    uv = np.concatenate(
        [np.stack([i * w + j, i * w + j + 1, up * w + j + 1], 1), np.stack([i * w + j, up * w + j + 1, up * w + j], 1)]
    )
    if not closed:
        k = np.arange(m)
        last = (n - 1) * m
        first_cap = np.stack([np.full(m, n * m), (k + 1) % m, k], 1)
        last_cap = np.stack([np.full(m, n * m + 1), last + k, last + (k + 1) % m], 1)
        faces = np.concatenate([faces, first_cap, last_cap])
        uv = np.concatenate([uv, np.full((2 * m, 3), n * w)])
    faces, uv = faces.astype(np.int32), uv.astype(np.int32)
    faces.setflags(write=False)
    uv.setflags(write=False)
    return faces, uv


def arc(
    centre: Float[ndarray, "3"],
    a: Float[ndarray, "3"],
    b: Float[ndarray, "3"],
    radius: float,
    angles: tuple[float, float] | None = None,
    n: int = 24,
) -> Float[ndarray, "n 3"]:
    """Return points centre + radius (cos t a + sin t b) for t between two angles (rad), or all the way round."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False) if angles is None else np.linspace(*angles, n)
    return np.asarray(centre) + radius * (np.cos(t)[:, None] * a + np.sin(t)[:, None] * b)


def bezier(*control: Float[ndarray, "3"], n: int = 18) -> Float[ndarray, "n 3"]:
    """Return n points of the Bezier curve with these control points (de Casteljau)."""
    t = np.linspace(0, 1, n)[:, None]
    points = [np.broadcast_to(np.asarray(p, np.float64), (n, 3)) for p in control]
    while len(points) > 1:
        points = [(1 - t) * a + t * b for a, b in itertools.pairwise(points)]
    return np.array(points[0])


def polyline(points: Float[ndarray, "k 3"], n: int) -> Float[ndarray, "n 3"]:
    """Return n points, evenly spaced, along straight pieces."""
    points = np.asarray(points, np.float64)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = np.linspace(0, along[-1], n)
    return np.stack([np.interp(at, along, points[:, k]) for k in range(3)], 1)
