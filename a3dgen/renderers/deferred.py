"""Deferred shading: a visibility buffer says which face each sample shows, compiled code shades it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt32
from numpy import ndarray

from a3dgen.core.errors import ConfigError
from a3dgen.lighting.light import Light
from a3dgen.lighting.shadow import Caster
from a3dgen.lighting.srgb import decode_table
from a3dgen.renderers import Frame, Item
from a3dgen.renderers import samples as kernels
from a3dgen.renderers.materials import MATERIAL
from a3dgen.renderers.prepare import Batch, bounds, filter_weights, make_batch, project_all, sample_grid
from a3dgen.renderers.shade import Lighting, Requests, Surface, Texture, constants_of, shade_item
from a3dgen.renderers.textures import pyramid

SHADOW_SIZE = 448
SHADOW_BIAS_M = 0.006
TILE = 1536
"""Longest side (px) drawn at once; larger windows are drawn in tiles, so that memory stays bounded."""
OVERVIEW = 640
"""Longer side (px) of the small version from which a tiled picture's hollows are read."""
_NO_SHADOW = np.zeros((0, 0), np.float32)

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Grid:
    """The samples of one tile: ``tile`` x0, y0, x1, y1 px; columns x rows samples, ``step`` a pixel and axis, the
    first pixel's centre on sample ``offset``; depth between ``near`` and ``far`` m."""

    tile: Box
    columns: int
    rows: int
    step: int
    offset: int
    near: float
    far: float


@dataclass(frozen=True)
class KeyShadow:
    """Depth map (S, S) f4 seen from the key light, and camera frame -> its column, row, depth (3, 4)."""

    depth: Float[ndarray, "s s"]
    lookup: Float[ndarray, "3 4"]


@dataclass(frozen=True)
class Hollows:
    """How far surfaces lie in hollows, 0..1, at ``scale`` of the picture's resolution; ``corner``: its pixel there."""

    share: Float[ndarray, "h w"]
    corner: tuple[float, float]
    scale: float

    def place(self, grid: Grid) -> tuple[float, float, float]:
        """Return column, row and step so that sample (x, y) lies at share[row + step y, column + step x]."""
        step = self.scale / grid.step
        x, y = (
            (t - c + 0.5) * self.scale - 0.5 - grid.offset * step
            for t, c in zip(grid.tile[:2], self.corner, strict=True)
        )
        return x, y, step


class DeferredRenderer(ABC):
    """What renderers of this kind share; one says in ``_faces`` and ``_depth_map`` how triangles are drawn."""

    def render(
        self,
        items: list[Item],
        K: Float[ndarray, "3 3"],
        width: int,
        height: int,
        light: Light,
        crop: Box | None = None,
        supersample: int = 2,
    ) -> Frame:
        """Draw ``items``; see ``renderers.Renderer.render``."""
        if supersample not in (1, 2, 3):
            raise ConfigError(f"supersample is {supersample}; valid: 1, 2, 3")
        x0, y0, x1, y1 = crop if crop is not None else (0, 0, width, height)
        shape = (y1 - y0, x1 - x0)
        rgba, part = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.uint8)
        depth = np.full(shape, np.inf, np.float32)
        items = [i for i in items if len(i.faces)]
        if not items:
            return Frame(rgba, depth, part)
        batch = make_batch(items)
        self._begin(batch)
        key = self._key_shadow(batch, light)
        near, far, touched = reach_of(batch.vertices, K, (x0, y0, x1, y1))
        tiles = tiles_of(touched)
        hollow = self._overview(batch, K, touched, near, far) if len(tiles) > 1 else None
        for tile in tiles:
            columns, offset = sample_grid(tile[2] - tile[0], supersample)
            rows, _ = sample_grid(tile[3] - tile[1], supersample)
            grid = Grid(tile, columns, rows, supersample, offset, near, far)
            window = (slice(tile[1] - y0, tile[3] - y0), slice(tile[0] - x0, tile[2] - x0))
            out = (rgba[window], depth[window], part[window])
            self._draw_tile(items, batch, K, light, key, grid, hollow, out)
        caster = None if key is None else Caster(key.depth < 1.0, key.lookup)
        return Frame(rgba, depth, part, caster)

    @abstractmethod
    def close(self) -> None:
        """Release what is held on a device, or in memory."""

    @abstractmethod
    def _begin(self, batch: Batch) -> None:
        """Take the vertices of this picture."""

    @abstractmethod
    def _faces(self, batch: Batch, K: Float[ndarray, "3 3"], grid: Grid) -> tuple[ndarray, ndarray]:
        """Return (rows, columns) u4 face + 1 and (rows, columns) f4 inverse depth (1 / m) of every sample."""

    @abstractmethod
    def _depth_map(self, batch: Batch, clip: Float[ndarray, "4 4"], size: int) -> Float[ndarray, "s s"]:
        """Return window depth 0..1 (1 = nothing) of all faces under an affine clip matrix, row 0 at y = -1."""

    def _draw_tile(
        self,
        items: list[Item],
        batch: Batch,
        K: ndarray,
        light: Light,
        key: KeyShadow | None,
        grid: Grid,
        hollow: Hollows | None,
        out: tuple[ndarray, ndarray, ndarray],
    ) -> None:
        rgba, depth, part = out
        topology = batch.topology
        ids, inverse = self._faces(batch, K, grid)
        kernels.depth_at_centres(inverse, ids, grid.step, grid.offset, depth)
        labels = np.concatenate([np.zeros(1, np.uint8), topology.label])
        centres = ids[grid.offset :: grid.step, grid.offset :: grid.step][: depth.shape[0], : depth.shape[1]]
        part[...] = labels[centres]
        slot, face, at, edge, source, edges = _requests(ids, depth, inverse, grid, topology.item)
        order, start = kernels.by_item(face, topology.item, len(face), len(items))
        color = np.empty((len(face), 3), np.float32)
        if hollow is None:
            hollow = _hollows(depth, K, grid)
        screen, inverse_z = to_samples(batch.vertices, K, grid)
        requests = Requests(face, at, grid.step)
        surface = Surface(
            topology.faces, topology.uv, topology.face_uv, screen, inverse_z, batch.vertices, batch.normals, batch.scar
        )
        lighting = _lighting(light, key, hollow, grid)
        for k, place in enumerate(topology.order):
            if start[k + 1] > start[k]:
                chosen = order[start[k] : start[k + 1]]
                levels = pyramid(items[place].texture, chosen, requests, surface)
                texture = Texture(levels.texels, levels.levels, decode_table())
                material = MATERIAL[items[place].material].constants()
                same = constants_of(material, lighting, texture, grid.step)
                shade_item(chosen, requests, surface, texture, same, lighting, color)
        kernels.resolve(slot, color, edge, source, edges, filter_weights(grid.step), rgba)

    def _overview(self, batch: Batch, K: ndarray, box: Box, near: float, far: float) -> Hollows:
        """Return the hollows of a picture too large for one tile, from a small version of it."""
        scale = OVERVIEW / max(box[2] - box[0], box[3] - box[1])
        small = np.array(K, np.float64)
        small[:2] *= scale
        small[:2, 2] += (scale - 1) / 2 - scale * np.array(box[:2])
        size = [max(1, round((b - a) * scale)) for a, b in ((box[0], box[2]), (box[1], box[3]))]
        grid = Grid((0, 0, *size), size[0], size[1], 1, 0, near, far)
        ids, inverse = self._faces(batch, small, grid)
        depth = np.empty((size[1], size[0]), np.float32)
        kernels.depth_at_centres(inverse, ids, 1, 0, depth)
        return Hollows(_smooth_cavities(depth, float(small[0, 0])), (float(box[0]), float(box[1])), scale)

    def _key_shadow(self, batch: Batch, light: Light) -> KeyShadow | None:
        """Draw the depth map seen from the key light, tight around the subject."""
        if not np.any(light.key_color > 0):
            return None
        axes = _light_axes(light.key_dir)
        local = batch.vertices @ axes.T.astype(np.float32)
        low, high = bounds(local)
        middle = (low + high) / 2
        radius = float((high - low)[:2].max() / 2) * 1.03 + 1e-3
        reach = float((high - low)[2] / 2) * 1.03 + 1e-3
        scale = np.array([1 / radius, 1 / radius, -1 / reach])
        clip = np.eye(4)
        clip[:3, :3] = axes * scale[:, None]
        clip[:3, 3] = -middle * scale
        depth = self._depth_map(batch, clip, SHADOW_SIZE)
        lookup = clip[:3] * 0.5
        lookup[:, 3] += 0.5
        lookup[:2] *= SHADOW_SIZE
        lookup[:2, 3] -= 0.5
        lookup[2, 3] -= SHADOW_BIAS_M / (2 * reach)
        return KeyShadow(depth, lookup)


def _lighting(light: Light, key: KeyShadow | None, hollow: Hollows, grid: Grid) -> Lighting:
    shadow, lookup = (_NO_SHADOW, np.zeros((3, 4))) if key is None else (key.depth, key.lookup)
    return Lighting(
        np.asarray(light.sh, np.float64),
        _unit(light.key_dir),
        np.asarray(light.key_color, np.float64),
        lookup,
        shadow,
        hollow.share,
        np.array(hollow.place(grid)),
    )


def _hollows(depth: ndarray, K: ndarray, grid: Grid) -> Hollows:
    """Return the hollows of one tile, on a lattice of pixels that stays in place wherever the tile begins."""
    factor = max(2, round(max(depth.shape) / 280))
    corner = tuple(int(v) // factor * factor for v in grid.tile[:2])
    rows, columns = (
        np.clip(np.arange(-(-(t - c + n) // factor)) * factor + c - t, 0, n - 1)
        for t, c, n in zip(grid.tile[1::-1], corner[::-1], depth.shape, strict=True)
    )
    share = _smooth_cavities(np.ascontiguousarray(depth[rows][:, columns]), float(K[0, 0]) / factor)
    half = (factor - 1) / 2  # the lattice reads the corner of each block, not its middle
    return Hollows(share, (corner[0] - half, corner[1] - half), 1 / factor)


def _smooth_cavities(depth: ndarray, focal: float) -> Float[ndarray, "h w"]:
    share = np.empty_like(depth)
    nearest = float(depth.min())
    margin = min(int(focal * kernels.CAVITY_M / nearest) + 2, max(depth.shape)) if nearest < np.inf else 1
    around = cv2.copyMakeBorder(depth, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=np.inf)
    kernels.cavities(around, focal, margin, share)
    return cv2.blur(cv2.blur(share, (3, 3)), (3, 3))


def _requests(
    ids: UInt32[ndarray, "r c"], depth: ndarray, inverse: ndarray, grid: Grid, item: ndarray
) -> tuple[ndarray, ndarray, ndarray, ndarray, ndarray, int]:
    """Return what to shade, see ``samples.edges``; the arrays are grown until they suffice."""
    slot = np.empty(depth.shape, np.int32)
    begin = np.searchsorted(item, np.arange(int(item[-1]) + 2))
    room = int(np.count_nonzero(np.isfinite(depth)))
    for share in (1, 4, 10):
        face = np.empty(room * share + 1024, np.int32)
        at = np.empty((len(face), 2), np.int32)
        count = kernels.centres(ids, grid.step, grid.offset, slot, face, at)
        edge = np.empty((min(len(face), depth.size) + 4 * sum(depth.shape), 2), np.int32)
        source = np.empty((len(edge), 9), np.int32)
        edges = 0
        if grid.step > 1:
            count, edges = kernels.edges(
                ids, depth, inverse, grid.step, grid.offset, item, begin, slot, face, at, count, edge, source
            )
        if count >= 0:
            break
    return slot, face[:count], at[:count], edge, source, edges


def clip_matrix(K: Float[ndarray, "3 3"], grid: Grid) -> Float[ndarray, "4 4"]:
    """Return camera frame -> clip space: pixel (u, v) falls on sample (u - x0) * step + offset, whose centre is half a
    sample further in OpenGL's window; rows grow downwards, as in the image."""
    sx, sy = 2.0 * grid.step / grid.columns, 2.0 * grid.step / grid.rows
    bx, by = (2.0 * grid.offset + 1) / grid.columns - 1, (2.0 * grid.offset + 1) / grid.rows - 1
    near, far = grid.near, grid.far
    return np.array(
        [
            [sx * K[0, 0], sx * K[0, 1], sx * (K[0, 2] - grid.tile[0]) + bx, 0],
            [0, sy * K[1, 1], sy * (K[1, 2] - grid.tile[1]) + by, 0],
            [0, 0, (far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, 1, 0],
        ]
    )


def to_samples(vertices: ndarray, K: ndarray, grid: Grid) -> tuple[ndarray, ndarray]:
    """Return sample coordinates (V, 2) and 1 / depth (V,), f4."""
    shift = tuple(float(grid.offset - grid.step * t) for t in grid.tile[:2])
    return project_all(vertices, K, float(grid.step), shift)[:2]


def _touched(points: ndarray, K: ndarray, crop: Box) -> Box:
    """Return the part of the crop that the projections of points before the camera can touch."""
    *low, right, bottom = project_all(points, K)[2]
    high = (right, bottom)
    x0, y0, x1, y1 = crop
    low = np.clip(np.floor(low) - 1, (x0, y0), (x1, y1)).astype(int)
    high = np.clip(np.ceil(high) + 2, (x0, y0), (x1, y1)).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def reach_of(points: ndarray, K: ndarray, crop: Box) -> tuple[float, float, Box]:
    """Return the nearest and farthest depth of points, m, and the part of the crop that they can touch."""
    low, high = bounds(points)
    near = max(0.02, low[2] * 0.98)
    far = max(near * 1.01, high[2] * 1.02)
    return near, far, crop if low[2] < near else _touched(points, K, crop)


def tiles_of(box: Box) -> list[Box]:
    """Return the tiles that a box is drawn in."""
    x0, y0, x1, y1 = box
    rows, columns = range(y0, y1, TILE), range(x0, x1, TILE)
    return [(x, y, min(x + TILE, x1), min(y + TILE, y1)) for y in rows for x in columns]


def _unit(v: ndarray) -> Float[ndarray, "3"]:
    return np.asarray(v, np.float64) / np.linalg.norm(v)


def _light_axes(key_dir: ndarray) -> Float[ndarray, "3 3"]:
    """Return an orthonormal basis, rows x, y, towards the light."""
    to_light = _unit(key_dir)
    helper = np.array([0.0, 0.0, 1.0]) if abs(to_light[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    x = _unit(np.cross(helper, to_light))
    return np.stack([x, np.cross(to_light, x), to_light])
