"""Draws one sample into its scene: window, light, shadow, person, composite."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.compositing.compose import compose
from a3dgen.compositing.scene import Scene
from a3dgen.core.errors import A3dgenError
from a3dgen.lighting.light import Light, LightAdjust
from a3dgen.lighting.shadow import Ground, ground_shadow
from a3dgen.renderers import Frame, Item, get_renderer, reset_renderer

log = logging.getLogger("a3dgen")

_MARGIN = 3
"""Pixels kept around the drawn person and their shadow."""


@dataclass(frozen=True)
class Picture:
    """One drawn sample: the whole image, and over the drawn window depth (m, inf = nothing) and part labels of the
    person as if nothing stood before them. ``window``: x0, y0, x1, y1 (exclusive), px."""

    rgb: UInt8[ndarray, "h w 3"]
    depth: Float[ndarray, "ch cw"]
    part: UInt8[ndarray, "ch cw"]
    window: tuple[int, int, int, int]


def draw(config: Any, items: list[Item], scene: Scene, adjust: LightAdjust, rng: np.random.Generator) -> Picture:
    """Draw items into a scene; only the window that person and shadow can touch is worked on.

    Args:
        config: ``render.Config``. items: camera frame. adjust: a plan's ``light``. rng: places the grain.
    """
    h, w = scene.plate.shape[:2]
    light = scene.light(adjust)
    points = np.concatenate([item.vertices for item in items])
    crop = _window(points, scene.ground, light, scene.K, w, h, config.shadow > 0)
    if crop is None:
        return Picture(scene.plate, np.full((1, 1), np.inf, np.float32), np.zeros((1, 1), np.uint8), (0, 0, 1, 1))
    frame = _render(config, items, scene.K, w, h, light, crop)
    window = (slice(crop[1], crop[3]), slice(crop[0], crop[2]))
    shade = None
    if config.shadow > 0:
        shade = ground_shadow(scene.ground, light, frame.caster, points, scene.K, crop, config.shadow)
    rgb = scene.plate.copy()
    rgb[window] = compose(
        scene.plate[window],
        scene.style.tint(scene.style.soften(frame.rgba)),
        shade,
        scene.black if config.black else np.zeros(3),
        scene.sigma if config.grain else np.zeros(3),
        rng,
        None if scene.front is None else scene.front[window],
        scene.photo[window],
    )
    return Picture(rgb, frame.depth, frame.part, crop)


def outline(config: Any, items: list[Item], scene: Scene) -> UInt8[ndarray, "h w"] | None:
    """Return the labels of the whole image as ``draw`` would find them, before occlusion; None if the renderer of the
    configuration draws no labels alone.

    Args:
        config: ``render.Config``. items: camera frame.
    """
    renderer = get_renderer(config.renderer)
    h, w = scene.plate.shape[:2]
    return renderer.labels(items, scene.K, (0, 0, w, h)) if hasattr(renderer, "labels") else None


def _render(
    config: Any,
    items: list[Item],
    K: ndarray,
    width: int,
    height: int,
    light: Light,
    crop: tuple[int, int, int, int],
) -> Frame:
    """Draw; if the graphics context has died, once more with a fresh one."""
    renderer = get_renderer(config.renderer)
    try:
        return renderer.render(items, K, width, height, light, crop, config.supersample)
    except (A3dgenError, MemoryError):
        raise
    except Exception:  # moderngl.Error, or whatever a dead context makes of a call
        log.warning("drawing failed; trying once more with a fresh graphics context", exc_info=True)
        return reset_renderer(config.renderer).render(items, K, width, height, light, crop, config.supersample)


def _window(
    points: ndarray, ground: Ground, light: Light, K: ndarray, width: int, height: int, shadow: bool
) -> tuple[int, int, int, int] | None:
    """Return x0, y0, x1, y1 of what person and shadow can touch, or None if that is nothing."""
    if points[:, 2].min() <= 0.05:
        return (0, 0, width, height) if points[:, 2].max() > 0.05 else None
    low, high = _box(points, K)
    stature = (high - low).max()
    slope = float(light.key_dir @ ground.up)
    if shadow and slope > 0.05:
        some = points[::16].astype(np.float64)
        cast = some - ((some @ ground.up - ground.level) / slope)[:, None] * light.key_dir
        cast = cast[cast[:, 2] > 0.05]
        if len(cast):
            least, most = _box(cast, K)
            soft = 0.12 * K[0, 0] / cast[:, 2].min()  # the penumbra
            low = np.minimum(low, np.maximum(least - soft, low - 1.5 * stature))
            high = np.maximum(high, np.minimum(most + soft, high + 1.5 * stature))
    x0, y0 = (int(v) for v in np.clip(np.floor(low - _MARGIN), 0, (width, height)))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high + _MARGIN + 1), 0, (width, height)))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _box(points: ndarray, K: ndarray) -> tuple[ndarray, ndarray]:
    """Return the least and greatest pixel of points before the camera."""
    inverse = 1 / points[:, 2]
    u, v = points[:, 0] * inverse, points[:, 1] * inverse
    corners = np.array([[u.min(), v.min()], [u.max(), v.max()]], np.float64)
    return tuple(corners * (K[0, 0], K[1, 1]) + K[:2, 2])
