"""The OpenGL renderer: shadow map, then one supersampled pass that yields colour, coverage, part labels and depth."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.errors import ConfigError, nearest
from a3dgen.renderers import MATERIALS, Caster, Frame, Item, Light, shaders
from a3dgen.renderers.context import open_context
from a3dgen.renderers.prepare import dynamic_vertices, resolve, sample_grid, split_at_seams, wrinkle_map

SHADOW_SIZE = 512
SHADOW_BIAS = 0.002
TILE = 1536
"""Longest side (px) drawn at once; larger windows are drawn in tiles, so that memory stays bounded."""
MAX_MESHES = 48
MAX_TEXTURE_BYTES = 384 << 20
_DRAW_ORDER = {"shoe": 0, "cloth": 1, "hair": 2, "skin": 3}
"""What covers is drawn before what it covers, so that the depth test saves the hidden pixels' shading."""


@dataclass
class _Mesh:
    """One topology on the device. ``held`` keeps the arrays alive whose identity is the cache key."""

    held: tuple[ndarray, ...]
    vertex: ndarray
    faces: ndarray
    dynamic: moderngl.Buffer
    labels: moderngl.Texture
    color: moderngl.VertexArray
    shadow: moderngl.VertexArray
    objects: tuple[Any, ...]

    def release(self) -> None:
        for thing in (self.color, self.shadow, *self.objects):
            thing.release()


class GlRenderer:
    """Draws through moderngl; see ``renderers.Renderer``. One a process: get it from ``get_renderer("gl")``."""

    def __init__(self) -> None:
        self._context = open_context()
        self._programs: dict[tuple[str, bool], moderngl.Program] = {}
        self._meshes: OrderedDict[tuple, _Mesh] = OrderedDict()
        self._textures: OrderedDict[int, tuple[ndarray, moderngl.Texture]] = OrderedDict()
        self._texture_bytes = 0
        self._target: moderngl.Framebuffer | None = None
        self._capacity = (0, 0)
        context = self._context
        self._shadow_program = context.program(
            vertex_shader=shaders.SHADOW_VERTEX, fragment_shader=shaders.SHADOW_FRAGMENT
        )
        self._shadow_map = context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        self._shadow_map.compare_func = "<="
        self._shadow_map.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_target = context.framebuffer([], self._shadow_map)
        wrinkles = wrinkle_map()
        self._wrinkles = context.texture(wrinkles.shape[1::-1], 2, wrinkles.tobytes())
        self._wrinkles.build_mipmaps()
        self._wrinkles.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)

    @property
    def driver(self) -> str:
        """Name and version of the driver, for reports."""
        return f"{self._context.info['GL_RENDERER']}, {self._context.info['GL_VERSION']}"

    def close(self) -> None:
        """Release the context and all it holds."""
        self._context.release()

    def render(
        self,
        items: list[Item],
        K: Float[ndarray, "3 3"],
        width: int,
        height: int,
        light: Light,
        crop: tuple[int, int, int, int] | None = None,
        supersample: int = 2,
    ) -> Frame:
        """Draw ``items``; see ``renderers.Renderer.render``."""
        if supersample not in (1, 2, 3):
            raise ConfigError(f"supersample is {supersample}; valid: 1, 2, 3")
        x0, y0, x1, y1 = crop if crop is not None else (0, 0, width, height)
        out = _blank(x1 - x0, y1 - y0)
        drawn = sorted((i for i in items if len(i.faces)), key=lambda i: _DRAW_ORDER[_checked(i.material)])
        if not drawn:
            return Frame(*out)
        meshes = [self._upload(item) for item in drawn]
        points = np.concatenate([item.vertices for item in drawn])
        has_key = bool(np.any(light.key_color > 0))
        caster, lookup = self._draw_shadow(drawn, meshes, points, light.key_dir) if has_key else (None, None)
        near, far = _depth_range(points)
        window = _window(points, K, near, (x0, y0, x1, y1))
        for tile in _tiles(window):
            part = [a[tile[1] - y0 : tile[3] - y0, tile[0] - x0 : tile[2] - x0] for a in out]
            self._draw_tile(drawn, meshes, K, light, lookup, tile, supersample, (near, far), part)
        self._trim()
        return Frame(*out, caster=caster)

    def _draw_tile(
        self,
        items: list[Item],
        meshes: list[_Mesh],
        K: ndarray,
        light: Light,
        lookup: ndarray | None,
        tile: tuple[int, int, int, int],
        supersample: int,
        depth_range: tuple[float, float],
        out: list[ndarray],
    ) -> None:
        columns, offset = sample_grid(tile[2] - tile[0], supersample)
        rows, _ = sample_grid(tile[3] - tile[1], supersample)
        target = self._framebuffer(columns, rows)
        context = self._context
        target.use()
        target.viewport = (0, 0, columns, rows)
        target.clear(0.0, 0.0, 0.0, 0.0, depth=1.0, viewport=(0, 0, columns, rows))
        context.enable_only(moderngl.DEPTH_TEST)
        context.front_face = "cw"  # image rows grow downwards, which mirrors the winding
        clip = _clip_matrix(K, tile, columns, rows, offset, supersample, *depth_range)
        ready: set[int] = set()
        for item, mesh in zip(items, meshes, strict=True):
            program = self._program(item.material, item.double_sided)
            if id(program) not in ready:
                ready.add(id(program))
                _set_uniforms(program, clip, lookup, light)
            self._texture(item.texture).use(0)
            mesh.labels.use(1)
            self._wrinkles.use(2)
            self._shadow_map.use(3)
            self._cull(not item.double_sided)
            mesh.color.render()
        samples = np.empty((rows, columns, 4), np.uint8)
        depth = np.empty((rows, columns), np.float32)
        target.read_into(samples, viewport=(0, 0, columns, rows), components=4, alignment=1)
        target.read_into(depth, viewport=(0, 0, columns, rows), components=1, attachment=-1, alignment=1, dtype="f4")
        resolve(samples, depth, supersample, *depth_range, tuple(out))

    def _draw_shadow(
        self, items: list[Item], meshes: list[_Mesh], points: ndarray, key_dir: ndarray
    ) -> tuple[Caster, ndarray]:
        """Draw the depth map seen from the key light; return the outline in it, and camera frame -> texture (4, 4)."""
        axes = _light_axes(key_dir)
        local = points @ axes.T.astype(np.float32)
        low, high = local.min(0).astype(np.float64), local.max(0).astype(np.float64)
        middle = (low + high) / 2
        radius = float((high - low)[:2].max() / 2) * 1.03 + 1e-3
        reach = float((high - low)[2] / 2) * 1.03 + 1e-3
        clip = np.eye(4)
        clip[:3, :3] = axes * np.array([[1 / radius], [1 / radius], [-1 / reach]])
        clip[:3, 3] = -middle * np.array([1 / radius, 1 / radius, -1 / reach])
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        self._context.enable_only(moderngl.DEPTH_TEST)
        self._context.front_face = "ccw"
        _write(self._shadow_program, "to_clip", clip.T)
        for item, mesh in zip(items, meshes, strict=True):
            self._cull(not item.double_sided)
            mesh.shadow.render()
        raw = np.frombuffer(self._shadow_map.read(alignment=1), np.float32).reshape(SHADOW_SIZE, SHADOW_SIZE)
        matrix = clip[:3].copy()
        matrix[:2] *= SHADOW_SIZE / 2
        matrix[:2, 3] += SHADOW_SIZE / 2 - 0.5
        matrix[2] *= -reach
        lookup = 0.5 * clip
        lookup[:3, 3] += (0.5, 0.5, 0.5 - SHADOW_BIAS)
        return Caster(raw < 1.0, matrix), lookup

    def _cull(self, on: bool) -> None:
        (self._context.enable if on else self._context.disable)(moderngl.CULL_FACE)

    def _upload(self, item: Item) -> _Mesh:
        key = (*(id(a) for a in (item.faces, item.uv, item.face_uv, item.labels)), item.material, item.double_sided)
        mesh = self._meshes.get(key)
        if mesh is None:
            mesh = self._meshes[key] = self._new_mesh(item)
        self._meshes.move_to_end(key)
        data = dynamic_vertices(item.vertices, mesh.faces, mesh.vertex, item.scar)
        mesh.dynamic.orphan()
        mesh.dynamic.write(data)
        return mesh

    def _new_mesh(self, item: Item) -> _Mesh:
        context = self._context
        faces = np.ascontiguousarray(item.faces, np.int32)
        vertex, row, index = split_at_seams(faces, item.face_uv, len(item.uv))
        dynamic = context.buffer(reserve=max(1, len(vertex)) * 28, dynamic=True)
        static = context.buffer(np.ascontiguousarray(item.uv[row], np.float32))
        indices = context.buffer(index)
        rows = -(-len(faces) // shaders.LABEL_COLUMNS)
        table = np.zeros(rows * shaders.LABEL_COLUMNS, np.uint8)
        table[: len(faces)] = item.labels
        labels = context.texture((shaders.LABEL_COLUMNS, rows), 1, table.tobytes(), alignment=1)
        labels.filter = (moderngl.NEAREST, moderngl.NEAREST)
        program = self._program(item.material, item.double_sided)
        moving = (dynamic, "3f 3f 1f", "position", "normal", "scar")  # a program may not use all: skip_errors
        color = context.vertex_array(program, [moving, (static, "2f", "uv")], indices, skip_errors=True)
        shadow = context.vertex_array(self._shadow_program, [(dynamic, "3f 16x", "position")], indices)
        held = (item.faces, item.uv, item.face_uv, item.labels)
        return _Mesh(held, vertex, faces, dynamic, labels, color, shadow, (dynamic, static, indices, labels))

    def _program(self, material: str, double_sided: bool) -> moderngl.Program:
        key = (material, double_sided)
        if key not in self._programs:
            program = self._context.program(
                vertex_shader=shaders.VERTEX, fragment_shader=shaders.fragment(material, double_sided)
            )
            for unit, name in enumerate(("albedo", "labels", "wrinkles", "lit")):
                if name in program:
                    program[name].value = unit
            self._programs[key] = program
        return self._programs[key]

    def _texture(self, image: ndarray) -> moderngl.Texture:
        key = id(image)
        if key not in self._textures:
            flipped = np.ascontiguousarray(image[::-1])
            texture = self._context.texture(image.shape[1::-1], 4, flipped, alignment=1)
            texture.build_mipmaps()
            texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            self._textures[key] = (image, texture)
            self._texture_bytes += image.nbytes
        self._textures.move_to_end(key)
        return self._textures[key][1]

    def _framebuffer(self, columns: int, rows: int) -> moderngl.Framebuffer:
        """Return the sample grid's target, grown in steps of 128 samples where it is too small."""
        if self._target is None or columns > self._capacity[0] or rows > self._capacity[1]:
            if self._target is not None:
                for attachment in (*self._target.color_attachments, self._target.depth_attachment, self._target):
                    attachment.release()
            size = tuple(-(-max(a, b) // 128) * 128 for a, b in zip((columns, rows), self._capacity, strict=True))
            context = self._context
            self._target = context.framebuffer([context.texture(size, 4)], context.depth_texture(size))
            self._capacity = size
        return self._target

    def _trim(self) -> None:
        """Drop what was used longest ago, beyond the limits; never what the last frame used."""
        while len(self._meshes) > MAX_MESHES:
            self._meshes.popitem(last=False)[1].release()
        while self._texture_bytes > MAX_TEXTURE_BYTES and len(self._textures) > 8:
            image, texture = self._textures.popitem(last=False)[1]
            self._texture_bytes -= image.nbytes
            texture.release()


def _checked(material: str) -> str:
    if material not in MATERIALS:
        raise ConfigError(f"unknown material '{material}'{nearest(material, MATERIALS)}")
    return material


def _blank(width: int, height: int) -> tuple[ndarray, ndarray, ndarray]:
    depth = np.full((height, width), np.inf, np.float32)
    return np.zeros((height, width, 4), np.float32), depth, np.zeros((height, width), np.uint8)


def _depth_range(points: ndarray) -> tuple[float, float]:
    z = points[:, 2]
    near = max(0.02, float(z.min()) * 0.98)
    return near, max(near * 1.01, float(z.max()) * 1.02)


def _window(points: ndarray, K: ndarray, near: float, crop: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the part of the crop that the points' projections can touch (all of it if some lie behind)."""
    if points[:, 2].min() < near:
        return crop
    x = (points[:, 0] * np.float32(K[0, 0]) + points[:, 1] * np.float32(K[0, 1])) / points[:, 2] + np.float32(K[0, 2])
    y = points[:, 1] * np.float32(K[1, 1]) / points[:, 2] + np.float32(K[1, 2])
    low = np.floor([x.min(), y.min()]) - 1
    high = np.ceil([x.max(), y.max()]) + 2
    x0, y0, x1, y1 = crop
    low = np.clip(low, (x0, y0), (x1, y1)).astype(int)
    high = np.clip(high, (x0, y0), (x1, y1)).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _tiles(window: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    x0, y0, x1, y1 = window
    return [(x, y, min(x + TILE, x1), min(y + TILE, y1)) for y in range(y0, y1, TILE) for x in range(x0, x1, TILE)]


def _clip_matrix(
    K: ndarray,
    tile: tuple[int, int, int, int],
    columns: int,
    rows: int,
    offset: int,
    supersample: int,
    near: float,
    far: float,
) -> ndarray:
    """Return camera frame -> clip space (4, 4): pixel (u, v) falls on sample (u - x0) * supersample + offset, whose
    centre is half a sample further in GL's window; rows grow downwards, as in the image."""
    sx, sy = 2.0 * supersample / columns, 2.0 * supersample / rows
    bx, by = (2.0 * offset + 1) / columns - 1, (2.0 * offset + 1) / rows - 1
    return np.array(
        [
            [sx * K[0, 0], sx * K[0, 1], sx * (K[0, 2] - tile[0]) + bx, 0],
            [0, sy * K[1, 1], sy * (K[1, 2] - tile[1]) + by, 0],
            [0, 0, (far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, 1, 0],
        ]
    )


def _light_axes(key_dir: ndarray) -> ndarray:
    """Return an orthonormal basis (3, 3), rows x, y, towards the light."""
    to_light = np.asarray(key_dir, np.float64) / np.linalg.norm(key_dir)
    helper = np.array([0.0, 0.0, 1.0]) if abs(to_light[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    x = np.cross(helper, to_light)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(to_light, x), to_light])


def _set_uniforms(program: moderngl.Program, clip: ndarray, lookup: ndarray | None, light: Light) -> None:
    _write(program, "to_clip", clip.T)
    _write(program, "to_shadow", (np.eye(4) if lookup is None else lookup).T)
    _write(program, "sh", light.sh)
    _write(program, "key_dir", np.asarray(light.key_dir) / np.linalg.norm(light.key_dir))
    _write(program, "key_color", light.key_color)
    _write(program, "has_key", np.array([float(lookup is not None)]))


def _write(program: moderngl.Program, name: str, value: ndarray) -> None:
    if name in program:
        program[name].write(np.ascontiguousarray(value, np.float32).tobytes())
