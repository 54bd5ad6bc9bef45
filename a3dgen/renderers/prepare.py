"""Items to arrays: one batch of triangles, normals and projected vertices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.pool import Pool
from a3dgen.renderers import MATERIALS, Item


@dataclass(frozen=True)
class DrawTopology:
    """What a list of items shares over poses: everything but vertices and scars.

    Attributes:
        faces, face_uv: (F, 3) i4 over all items' vertices and uv rows; single-sided items come first.
        uv: (T, 2) f4. label: (F,) u1. item: (F,) u1, place of the face's item in ``order``.
        order: the items' places in the given list. closed: number of leading faces seen from their front only.
        starts: (items + 1,) first vertex of each item in ``order``.
        held: the items' arrays, kept alive because their identity is the key of the cache.
    """

    faces: Integer[ndarray, "f 3"]
    face_uv: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    label: UInt8[ndarray, " f"]
    item: UInt8[ndarray, " f"]
    order: tuple[int, ...]
    closed: int
    starts: tuple[int, ...]
    held: tuple[ndarray, ...]


@dataclass(frozen=True)
class Batch:
    """Items ready to draw: topology; vertices (V, 3) f4 m; unit normals (V, 3) f4, or none; scar (V,) f4."""

    topology: DrawTopology
    vertices: Float[ndarray, "v 3"]
    normals: Float[ndarray, "n 3"]
    scar: Float[ndarray, " v"]


_TOPOLOGIES: Pool[DrawTopology] = Pool(6)
"""3 MB each. Hardly two samples have the same, but for frames of a clip: as many as people in it have samples."""


def make_batch(items: list[Item], shaded: bool = True) -> Batch:
    """Join items; topology is cached by the identity of their arrays.

    Args:
        shaded: False leaves normals out (0, 3): of who is drawn without colours.

    Raises:
        ConfigError: for an unknown material.
    """
    for item in items:
        if item.material not in MATERIALS:
            raise ConfigError(f"unknown material '{item.material}'{nearest(item.material, MATERIALS)}")
    key = tuple((id(i.faces), id(i.uv), id(i.face_uv), id(i.labels), len(i.vertices), i.double_sided) for i in items)
    topology = _TOPOLOGIES.get(key, lambda: _join(items))
    drawn = [items[k] for k in topology.order]
    vertices = np.concatenate([i.vertices for i in drawn]).astype(np.float32, copy=False)
    scars = [np.zeros(len(i.vertices), np.float32) if i.scar is None else i.scar for i in drawn]
    scar = np.concatenate(scars).astype(np.float32, copy=False)
    normals = vertex_normals(vertices, topology.faces) if shaded else vertices[:0]
    return Batch(topology, vertices, normals, scar)


def _join(items: list[Item]) -> DrawTopology:
    order = tuple(sorted(range(len(items)), key=lambda k: items[k].double_sided))
    drawn = [items[k] for k in order]
    starts = np.cumsum([0, *(len(i.vertices) for i in drawn)])
    rows = np.cumsum([0, *(len(i.uv) for i in drawn)])
    number = np.concatenate([np.full(len(i.faces), k, np.uint8) for k, i in enumerate(drawn)])
    return DrawTopology(
        faces=np.concatenate([i.faces + s for i, s in zip(drawn, starts[:-1], strict=True)]).astype(np.int32),
        face_uv=np.concatenate([i.face_uv + s for i, s in zip(drawn, rows[:-1], strict=True)]).astype(np.int32),
        uv=np.concatenate([i.uv for i in drawn]).astype(np.float32),
        label=np.concatenate([i.labels for i in drawn]),
        item=number,
        order=order,
        closed=sum(len(i.faces) for i in drawn if not i.double_sided),
        starts=tuple(int(s) for s in starts),
        held=tuple(a for i in items for a in (i.faces, i.uv, i.face_uv, i.labels)),
    )


@kernel
@no_type_check
def _normals(v, faces):
    out = np.zeros_like(v)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[b, 2] - v[a, 2]
        wx, wy, wz = v[c, 0] - v[a, 0], v[c, 1] - v[a, 1], v[c, 2] - v[a, 2]
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for i in (a, b, c):
            out[i, 0] += nx
            out[i, 1] += ny
            out[i, 2] += nz
    for i in range(v.shape[0]):
        length = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2)
        if length > 1e-20:
            for k in range(3):
                out[i, k] /= length
    return out


def vertex_normals(vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"]) -> Float[ndarray, "v 3"]:
    """Return area-weighted unit vertex normals, f4."""
    return _normals(np.ascontiguousarray(vertices, np.float32), faces)


@kernel
@no_type_check
def _project(vertices, fx, skew, fy, cx, cy, screen, inverse_z):
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for i in range(vertices.shape[0]):
        nearness = 1.0 / max(vertices[i, 2], 1e-3)
        u = (fx * vertices[i, 0] + skew * vertices[i, 1]) * nearness + cx
        v = fy * vertices[i, 1] * nearness + cy
        screen[i, 0], screen[i, 1], inverse_z[i] = u, v, nearness
        low_x, low_y = min(low_x, u), min(low_y, v)
        high_x, high_y = max(high_x, u), max(high_y, v)
    return low_x, low_y, high_x, high_y


def project_all(
    vertices: Float[ndarray, "v 3"],
    K: Float[ndarray, "3 3"],
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> tuple[Float[ndarray, "v 2"], Float[ndarray, " v"], tuple[float, float, float, float]]:
    """Return pixels times ``scale`` plus ``shift`` (f4), 1 / depth (f4, 1/m), and the box they span."""
    screen, inverse_z = np.empty((len(vertices), 2), np.float32), np.empty(len(vertices), np.float32)
    fx, skew, cx = (float(k) * scale for k in K[0])
    fy, cy = float(K[1, 1]) * scale, float(K[1, 2]) * scale
    box = _project(vertices, fx, skew, fy, cx + shift[0], cy + shift[1], screen, inverse_z)
    return screen, inverse_z, box


@kernel
@no_type_check
def _bounds(points):
    low, high = points[0].copy(), points[0].copy()
    for i in range(points.shape[0]):
        for k in range(points.shape[1]):
            low[k] = min(low[k], points[i, k])
            high[k] = max(high[k], points[i, k])
    return low, high


def bounds(points: Float[ndarray, "n k"]) -> tuple[Float[ndarray, " k"], Float[ndarray, " k"]]:
    """Return the least and greatest coordinates, f8."""
    low, high = _bounds(np.ascontiguousarray(points))
    return low.astype(np.float64), high.astype(np.float64)


def sample_grid(size: int, supersample: int) -> tuple[int, int]:
    """Return (number of samples along an axis of ``size`` pixels, index of the sample on pixel 0's centre).

    The grid has a sample on every pixel's centre, where depth and label are read.
    """
    if supersample == 1:
        return size, 0
    return (2 * size + 1, 1) if supersample == 2 else (3 * size, 1)


def filter_weights(supersample: int) -> Float[ndarray, "9"]:
    """Return the weights of the 3x3 samples around a pixel's centre: a tent (2 samples a pixel) or a box (3)."""
    if supersample == 3:
        return np.full(9, 1 / 9, np.float32)
    return (np.outer([1, 2, 1], [1, 2, 1]).ravel() / 16).astype(np.float32)
