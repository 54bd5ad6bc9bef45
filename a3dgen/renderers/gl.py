"""The OpenGL renderer: triangles are drawn by the driver (EGL or OSMesa), one context a process."""

from __future__ import annotations

import moderngl
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.renderers import shaders
from a3dgen.renderers.context import open_context
from a3dgen.renderers.deferred import SHADOW_SIZE, DeferredRenderer, Grid, clip_matrix
from a3dgen.renderers.prepare import Batch, DrawTopology

_FATAL = ("GL_OUT_OF_MEMORY", "GL_UNKNOWN_ERROR")
"""Errors after which the pixels are worth nothing; moderngl knows no name for that of a lost context."""
_STEP = 128
"""Targets grow in steps of so many samples."""


class GlRenderer(DeferredRenderer):
    """Draws through moderngl; see ``renderers.Renderer``. One a process: get it from ``get_renderer("gl")``."""

    def __init__(self) -> None:
        context = self._context = open_context()
        self._face_program = context.program(vertex_shader=shaders.VERTEX, fragment_shader=shaders.FACE)
        self._depth_program = context.program(vertex_shader=shaders.VERTEX, fragment_shader=shaders.DEPTH_ONLY)
        self._vertices = context.buffer(reserve=1 << 16, dynamic=True)
        self._indices = context.buffer(reserve=1 << 16, dynamic=True)
        self._drawn: DrawTopology | None = None
        self._arrays: tuple[moderngl.VertexArray, ...] = ()
        self._map = context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        self._map_target = context.framebuffer([], self._map)
        self._target: moderngl.Framebuffer | None = None
        self._capacity = (0, 0)

    @property
    def driver(self) -> str:
        """Name and version of the driver, for reports."""
        return f"{self._context.info['GL_RENDERER']}, {self._context.info['GL_VERSION']}"

    def close(self) -> None:
        """Release the context and all it holds."""
        self._context.release()

    def _begin(self, batch: Batch) -> None:
        fresh = self._write("_vertices", batch.vertices)
        if batch.topology is not self._drawn:
            fresh |= self._write("_indices", batch.topology.faces)
            self._drawn = batch.topology
        if fresh or not self._arrays:
            for array in self._arrays:
                array.release()
            content = [(self._vertices, "3f", "position")]
            programs = (self._face_program, self._depth_program)
            self._arrays = tuple(self._context.vertex_array(p, content, self._indices) for p in programs)

    def _write(self, name: str, data: ndarray) -> bool:
        """Write a buffer, made anew where it is too small (then return True)."""
        buffer = getattr(self, name)
        grown = buffer.size < data.nbytes
        if grown:
            buffer.release()
            buffer = self._context.buffer(reserve=1 << (data.nbytes - 1).bit_length(), dynamic=True)
            setattr(self, name, buffer)
        else:
            buffer.orphan()
        buffer.write(np.ascontiguousarray(data))
        return grown

    def _faces(self, batch: Batch, K: Float[ndarray, "3 3"], grid: Grid) -> tuple[ndarray, ndarray]:
        box = (0, 0, grid.columns, grid.rows)
        target = self._framebuffer(grid.columns, grid.rows)
        target.use()
        target.viewport = box
        target.clear(0.0, 0.0, 0.0, 0.0, depth=1.0, viewport=box)
        self._context.front_face = "cw"  # rows grow downwards, which mirrors the winding
        self._draw(batch, clip_matrix(K, grid), self._face_program, self._arrays[0])
        ids = np.empty((grid.rows, grid.columns), np.uint32)
        depth = np.empty((grid.rows, grid.columns), np.float32)
        target.read_into(ids, viewport=box, components=4, alignment=1)
        target.read_into(depth, viewport=box, components=1, attachment=-1, alignment=1, dtype="f4")
        error = self._context.error
        if error in _FATAL:
            raise RuntimeError(f"the OpenGL context failed ({error})")
        near, far = grid.near, grid.far
        depth *= np.float32((near - far) / (near * far))
        depth += np.float32(1 / near)
        return ids, depth

    def _depth_map(self, batch: Batch, clip: Float[ndarray, "4 4"], size: int) -> Float[ndarray, "s s"]:
        self._map_target.use()
        self._map_target.clear(depth=1.0)
        self._context.front_face = "ccw"
        self._draw(batch, clip, self._depth_program, self._arrays[1])
        return np.frombuffer(self._map.read(alignment=1), np.float32).reshape(size, size)

    def _draw(self, batch: Batch, clip: ndarray, program: moderngl.Program, array: moderngl.VertexArray) -> None:
        """Draw closed meshes without their backs, then sheets from both sides."""
        context, closed, count = self._context, batch.topology.closed, len(batch.topology.faces)
        program["to_clip"].write(np.ascontiguousarray(clip.T, np.float32).tobytes())
        for first, last, flags in (
            (0, closed, moderngl.DEPTH_TEST | moderngl.CULL_FACE),
            (closed, count, moderngl.DEPTH_TEST),
        ):
            if last > first:
                context.enable_only(flags)
                if "first" in program:
                    program["first"].value = first + 1
                array.render(vertices=3 * (last - first), first=3 * first)

    def _framebuffer(self, columns: int, rows: int) -> moderngl.Framebuffer:
        """Return the sample grid's target, grown where it is too small."""
        if self._target is None or columns > self._capacity[0] or rows > self._capacity[1]:
            if self._target is not None:
                for thing in (*self._target.color_attachments, self._target.depth_attachment, self._target):
                    thing.release()
            wanted = zip((columns, rows), self._capacity, strict=True)
            self._capacity = tuple(-(-max(a, b) // _STEP) * _STEP for a, b in wanted)
            color, depth = self._context.texture(self._capacity, 4), self._context.depth_texture(self._capacity)
            self._target = self._context.framebuffer([color], depth)
        return self._target
