"""Software rasteriser, compiled; draws the same samples as the OpenGL renderer, needs no driver."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.renderers import Item
from a3dgen.renderers.deferred import DeferredRenderer, Grid, reach_of, tiles_of, to_samples
from a3dgen.renderers.lanes import LANES, keep_nearest
from a3dgen.renderers.prepare import Batch, make_batch, sample_grid

_SLACK = 1e-7
"""Samples this close to an edge, along a row, belong to the triangles on both of its sides."""


@kernel
@no_type_check
def _fill(screen, nearness, faces, closed, front, visible, ids, depth):
    """Keep the face of greatest nearness at every sample whose centre a triangle covers, edges included.

    screen: (V, 2) sample coordinates. nearness: (V,), linear over the picture. closed: leading faces drawn only
    where their signed area has the sign ``front``. visible: (V,) bool. ids: (R, C) u4 face + 1. depth: nearness; both
    with ``LANES`` elements of memory behind them.
    """
    rows, columns = ids.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        # double precision, or the shared edge of two small triangles may show a crack
        ax, ay = np.float64(screen[a, 0]), np.float64(screen[a, 1])
        bx, by = np.float64(screen[b, 0]), np.float64(screen[b, 1])
        cx, cy = np.float64(screen[c, 0]), np.float64(screen[c, 1])
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0.0 or (f < closed and area * front <= 0.0):
            continue
        low_x, high_x = max(0.0, np.ceil(min(ax, bx, cx))), min(columns - 1.0, np.floor(max(ax, bx, cx)))
        low_y, high_y = max(0.0, np.ceil(min(ay, by, cy))), min(rows - 1.0, np.floor(max(ay, by, cy)))
        if low_x > high_x or low_y > high_y or not (visible[a] and visible[b] and visible[c]):
            continue
        inverse = 1.0 / area
        # weight of b is ux (x - ax) + uy (y - ay), of c likewise; both grow linearly along a row
        ux, uy = (cy - ay) * inverse, -(cx - ax) * inverse
        vx, vy = -(by - ay) * inverse, (bx - ax) * inverse
        wx = -ux - vx
        na, nb, nc = nearness[a], nearness[b] - nearness[a], nearness[c] - nearness[a]
        nx = ux * nb + vx * nc
        first, count, step = int(low_x), np.int32(high_x - low_x) + np.int32(1), low_x - ax
        u0, v0, w0 = ux * step + _SLACK * abs(ux), vx * step + _SLACK * abs(vx), wx * step + _SLACK * abs(wx)
        n0 = na + step * nx
        for j in range(int(low_y), int(high_y) + 1):
            u, v = uy * (j - ay), vy * (j - ay)
            w, n = 1.0 - u - v, n0 + u * nb + v * nc
            keep_nearest(
                depth, ids, j * columns + first, count, np.uint32(f + 1), u0 + u, ux, v0 + v, vx, w0 + w, wx, n, nx
            )


class CpuRenderer(DeferredRenderer):
    """Draws with compiled loops on one core; needs no OpenGL. Faces that reach behind the camera are left out."""

    def __init__(self) -> None:
        self._ids = np.zeros(0, np.uint32)
        self._depth = np.zeros(0, np.float32)

    @property
    def driver(self) -> str:
        """Name of what draws, for reports."""
        return "compiled loops"

    def close(self) -> None:
        """Release the buffers."""
        self._ids, self._depth = self._ids[:0].copy(), self._depth[:0].copy()

    def labels(
        self, items: list[Item], K: Float[ndarray, "3 3"], crop: tuple[int, int, int, int]
    ) -> UInt8[ndarray, "h w"]:
        """Return the labels at pixels' centres, as ``render`` does, without colours: an eighth of the work."""
        x0, y0, x1, y1 = crop
        out = np.zeros((y1 - y0, x1 - x0), np.uint8)
        batch = make_batch([item for item in items if len(item.faces)], shaded=False)
        labels = np.concatenate([np.zeros(1, np.uint8), batch.topology.label])
        near, far, touched = reach_of(batch.vertices, K, crop)
        for a0, b0, a1, b1 in tiles_of(touched):
            columns, offset = sample_grid(a1 - a0, 1)
            grid = Grid((a0, b0, a1, b1), columns, sample_grid(b1 - b0, 1)[0], 1, offset, near, far)
            out[b0 - y0 : b1 - y0, a0 - x0 : a1 - x0] = labels[self._faces(batch, K, grid)[0]]
        return out

    def _begin(self, batch: Batch) -> None:
        pass

    def _buffers(self, rows: int, columns: int, nothing: float) -> tuple[ndarray, ndarray]:
        """Return cleared (rows, columns) arrays, views of memory that is kept between pictures."""
        count = rows * columns
        if len(self._ids) < count + LANES:
            self._ids, self._depth = np.zeros(count + LANES, np.uint32), np.zeros(count + LANES, np.float32)
        ids, depth = (a[:count].reshape(rows, columns) for a in (self._ids, self._depth))
        ids.fill(0)
        depth.fill(nothing)
        return ids, depth

    def _faces(self, batch: Batch, K: Float[ndarray, "3 3"], grid: Grid) -> tuple[ndarray, ndarray]:
        ids, depth = self._buffers(grid.rows, grid.columns, 0.0)
        screen, inverse_z = to_samples(batch.vertices, K, grid)
        visible = batch.vertices[:, 2] > grid.near * 0.999
        topology = batch.topology
        _fill(screen, inverse_z, topology.faces, topology.closed, -1.0, visible, ids, depth)
        return ids, depth

    def _depth_map(self, batch: Batch, clip: Float[ndarray, "4 4"], size: int) -> Float[ndarray, "s s"]:
        to_map = clip[:3].copy()
        to_map[:2] *= size / 2
        to_map[:2, 3] += size / 2 - 0.5
        local = batch.vertices @ to_map[:, :3].T.astype(np.float32) + to_map[:, 3].astype(np.float32)
        _, nearness = buffers = self._buffers(size, size, -2.0)
        everything = np.ones(len(local), np.bool_)
        topology = batch.topology
        screen = np.ascontiguousarray(local[:, :2])
        _fill(screen, -local[:, 2], topology.faces, topology.closed, 1.0, everything, *buffers)
        return np.float32(0.5) - np.float32(0.5) * nearness  # where nothing is, 1.5
