"""Renderers draw textured meshes in the camera frame. One file each; this package is their protocol and their table."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.core.registry import resolve
from a3dgen.lighting.light import Light
from a3dgen.lighting.shadow import Caster
from a3dgen.renderers.tiled import TiledTexture, whole_texture

__all__ = (
    "MATERIALS",
    "TABLE",
    "Caster",
    "Frame",
    "Item",
    "Light",
    "Renderer",
    "TiledTexture",
    "flat_light",
    "get_renderer",
    "reset_renderer",
    "whole_texture",
)

MATERIALS = ("skin", "cloth", "hair", "shoe", "metal", "carbon", "plastic", "rubber")
TABLE = {
    "cpu": "a3dgen.renderers.cpu:CpuRenderer",
    "gl": "a3dgen.renderers.gl:GlRenderer",
    "pyrender": "a3dgen.renderers.pyrender_backend:PyrenderRenderer",
}


@dataclass(frozen=True)
class Item:
    """One mesh to draw. Arrays are never written to; topology and texture are cached by identity, so pool them.

    Attributes:
        vertices: (V, 3) m, camera frame (x right, y down, z forward).
        faces: (F, 3) counter-clockwise seen from outside.
        uv: (T, 2) texture coordinates, origin bottom left; values beyond 0..1 repeat.
        face_uv: (F, 3) rows of ``uv`` per face corner.
        labels: (F,) 1 + SMPL joint that owns the face; 64 and more are assistive devices.
        texture: (H, W, 4) u1, row 0 at the top: sRGB, and a bump height in alpha (128 = level); or one that is painted
            where it is seen.
        material: one of ``MATERIALS``.
        scar: (V,) 0..1 along a stump's end (1 at the tip), or None.
        double_sided: draw back faces too (open sheets such as garments).
    """

    vertices: Float[ndarray, "v 3"]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    labels: UInt8[ndarray, " f"]
    texture: UInt8[ndarray, "h w 4"] | TiledTexture
    material: str
    scar: Float[ndarray, " v"] | None = None
    double_sided: bool = False


@dataclass(frozen=True)
class Frame:
    """What was drawn, over the crop.

    Attributes:
        rgba: (h, w, 4) f4, premultiplied alpha, linear light.
        depth: (h, w) f4 distance along the optical axis at the pixel's centre, m; inf = nothing.
        part: (h, w) u1 label at the pixel's centre: 0 = nothing, else 1 + SMPL joint, or a device's (64 and more).
        caster: the subject's outline seen from the key light, or None if the renderer has no shadow map.
    """

    rgba: Float[ndarray, "h w 4"]
    depth: Float[ndarray, "h w"]
    part: UInt8[ndarray, "h w"]
    caster: Caster | None = None


@runtime_checkable
class Renderer(Protocol):
    """What every renderer offers."""

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
        """Draw ``items`` seen by a pinhole camera.

        Args:
            items: what to draw.
            K: camera matrix, px; (0, 0) is the centre of the top-left pixel.
            width, height: size of the whole image, px.
            light: the scene's light.
            crop: x0, y0, x1, y1 (exclusive) of the window to draw; the whole image if None.
            supersample: samples per pixel and axis, 1 to 3.
        """
        ...

    def close(self) -> None:
        """Release everything held on the graphics device."""
        ...


_OPEN: dict[str, Any] = {}


def get_renderer(name: str) -> Renderer:
    """Return this process's renderer ``name``, made on first use.

    Raises:
        ConfigError: for an unknown name, or if no OpenGL context can be had (the message names the packages).
    """
    if name not in _OPEN:
        _OPEN[name] = resolve("renderer", TABLE, name)()
    return _OPEN[name]


def reset_renderer(name: str) -> Renderer:
    """Throw this process's renderer away (its context may have died) and return a fresh one."""
    old = _OPEN.pop(name, None)
    if old is not None:
        with contextlib.suppress(Exception):  # what is dead need not be closed
            old.close()
    return get_renderer(name)


def flat_light(level: float = 1.0) -> Light:
    """Return an even light from everywhere: a white surface shows ``level``."""
    sh = np.zeros((9, 3))
    sh[0] = level / 0.282095
    return Light(sh, np.array([0.0, -1.0, 0.0]), np.zeros(3))
