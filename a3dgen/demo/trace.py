"""A small ray caster for the demo's scenes: a ground, a room or a sky, boxes, upright cylinders, ellipsoids.

World frame: X left, Y up, Z forward (right-handed), metres, ground at Y = 0. It returns the light in two parts,
from the key light and from everywhere else, so that people can cast shadows afterwards. Colours are linear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.demo.rays import BOX, CYLINDER, ELLIPSOID, FAR, RayScene, Scratch, aim, shadowed, trace

Real = float | int | np.integer | np.floating
Triple = tuple[Real, Real, Real]
TILE = 32
__all__ = ["BOX", "CYLINDER", "ELLIPSOID", "FAR", "World", "cast", "key_reaches", "solid"]
_SOLID = 16  # columns of one solid: kind, centre, half sizes, yaw, material, colour, seed, cos and sin of yaw, radius


@dataclass
class World:
    """A scene to be cast.

    Attributes:
        solids: rows made by ``solid``.
        ground: (material, r, g, b, seed). room: (x0, x1, height, z1) and z0 = behind the camera; or None outdoors.
        wall, ceiling: (material, r, g, b, seed).
        key_dir: towards the key light. key: its colour. upper, lower: light from above and from below.
        lamp: (x, y, z, strength) of a ceiling lamp that brightens the room around it.
        sky: zenith and horizon colour, cloud cover, seed. hills: height (rad), r, g, b, seed.
    """

    ground: tuple[Real, ...]
    key_dir: Float[ndarray, "3"]
    key: Float[ndarray, "3"]
    upper: Float[ndarray, "3"]
    lower: Float[ndarray, "3"]
    solids: list[list[Real]] = field(default_factory=list)
    room: tuple[Real, Real, Real, Real, Real] | None = None
    wall: tuple[Real, ...] = (0, 0.7, 0.7, 0.7, 1)
    ceiling: tuple[Real, ...] = (0, 0.8, 0.8, 0.8, 2)
    lamp: tuple[Real, Real, Real, Real] = (0.0, 3.0, 3.0, 0.0)
    zenith: Triple = (0.25, 0.45, 0.85)
    horizon: Triple = (0.8, 0.87, 0.95)
    clouds: Real = 0.5
    hills: tuple[Real, ...] = (0.05, 0.2, 0.25, 0.15, 3)
    haze: Real = 0.006


def solid(
    kind: int,
    centre: Triple,
    half: Triple,
    material: int,
    colour: Triple,
    yaw: Real = 0.0,
    seed: Real = 0.0,
) -> list[Real]:
    """Return the row of one solid: ``BOX`` (turned by yaw, rad), upright ``CYLINDER`` or ``ELLIPSOID``."""
    radius = float(np.hypot(half[0], half[1])) if kind == CYLINDER else float(np.linalg.norm(np.asarray(half, float)))
    turn = (float(np.cos(yaw)), float(np.sin(yaw)))
    return [float(kind), *centre, *half, yaw, float(material), *colour, seed, *turn, radius]


def cast(
    world: World,
    rotation: Float[ndarray, "3 3"],
    centre: Float[ndarray, "3"],
    K: Float[ndarray, "3 3"],
    width: int,
    height: int,
    samples: int = 2,
) -> tuple[Float[ndarray, "h w 3"], Float[ndarray, "h w 3"], Float[ndarray, "h w"]]:
    """Cast the scene.

    Args:
        rotation: world to camera (OpenCV). centre: camera's place in the world, m. K: px.
        samples: rays a pixel and axis.

    Returns:
        Light of the key (h, w, 3) and all other light (h, w, 3), linear, and depth along the optical axis (h, w) m
        at the pixel's centre (a very large number for the sky).
    """
    direct = np.zeros((height, width, 3))
    other = np.zeros((height, width, 3))
    depth = np.full((height, width), FAR)
    solids = np.array(world.solids, np.float64).reshape(-1, _SOLID)
    room = np.array(world.room if world.room is not None else (0, 0, -1, 0, 0), np.float64)
    surfaces = np.array([world.ground, world.wall, world.ceiling], np.float64)
    light = np.array([world.key_dir, world.key, world.upper, world.lower], np.float64)
    air = np.array([*world.zenith, *world.horizon, world.clouds, *world.hills, world.haze, *world.lamp], np.float64)
    scene = RayScene(solids, room, surfaces, light, air)
    _cast(direct, other, depth, _View(rotation, np.asarray(centre, np.float64), np.linalg.inv(K)), scene, samples)
    return direct, other, depth


def key_reaches(world: World, at: Float[ndarray, "3"]) -> bool:
    """Return whether the key light reaches a place (m) past the solids."""
    solids = np.array(world.solids, np.float64).reshape(-1, _SOLID)
    light = np.asarray(world.key_dir, np.float64)
    return not shadowed(solids, float(at[0]), float(at[1]), float(at[2]), light, np.zeros(3))


class _View(NamedTuple):
    """A camera: world to camera, its place (m), inverse intrinsics."""

    rotation: Float[ndarray, "3 3"]
    centre: Float[ndarray, "3"]
    inverse: Float[ndarray, "3 3"]


@kernel(inside=True)
@no_type_check
def _rough(direct, other, depth, y, x):
    """Return whether a pixel's neighbours differ so much from it, in depth or in light, that it lies on an edge."""
    height, width = direct.shape[:2]
    here = direct[y, x, 1] + other[y, x, 1]
    for j in range(4):
        a, b = y + (j == 0) - (j == 1), x + (j == 2) - (j == 3)
        if 0 <= a < height and 0 <= b < width:
            there = direct[a, b, 1] + other[a, b, 1]
            if abs(there - here) > 0.2 * (there + here) + 0.01:
                return True
            if abs(depth[a, b] - depth[y, x]) > 0.04 * min(depth[a, b], depth[y, x]):
                return True
    return False


@kernel(inside=True)
@no_type_check
def _candidates(solids, view, x0, y0, x1, y1, scratch):
    """Write the solids whose bounding ball may show in a tile of the picture (a cone around it); return how many."""
    rotation, centre, inverse = view
    ray, near = scratch.ray, scratch.near
    ox, oy, oz = centre[0], centre[1], centre[2]
    aim(0.5 * (x0 + x1), 0.5 * (y0 + y1), rotation, inverse, ray)
    mx, my, mz = ray[0], ray[1], ray[2]
    widest = 0.0
    for j in range(4):
        aim(x0 if j % 2 else x1, y0 if j < 2 else y1, rotation, inverse, ray)
        widest = max(widest, np.arccos(min(1.0, mx * ray[0] + my * ray[1] + mz * ray[2])))
    count = 0
    for i in range(len(solids)):
        dx, dy, dz = solids[i, 1] - ox, solids[i, 2] - oy, solids[i, 3] - oz
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        if length > solids[i, 15]:
            angle = np.arccos(max(-1.0, min(1.0, (dx * mx + dy * my + dz * mz) / length)))
            if angle > widest + np.arcsin(solids[i, 15] / length):
                continue
        near[count] = i
        count += 1
    return count


@kernel
@no_type_check
def _cast(direct, other, depth, view, scene, samples):
    """Cast the centre of every pixel, then ``samples`` squared rays through those that lie on an edge."""
    height, width = depth.shape
    key, rest, ray = np.zeros(3), np.zeros(3), np.zeros(3)
    near = np.zeros(len(scene.solids) + 1, np.int64)
    scratch = Scratch(ray, key, rest, np.zeros(3), np.zeros(3), near)
    rotation, centre, inverse = view
    ox, oy, oz = centre[0], centre[1], centre[2]
    edges = np.zeros((height, width), np.bool_)
    share = 1.0 / (samples * samples)
    for again in range(2 if samples > 1 else 1):
        if again:
            for y in range(height):
                for x in range(width):
                    edges[y, x] = _rough(direct, other, depth, y, x)
        rays = samples * samples if again else 1
        for ty in range(0, height, TILE):
            for tx in range(0, width, TILE):
                ey, ex = min(ty + TILE, height), min(tx + TILE, width)
                count = _candidates(scene.solids, view, tx - 0.5, ty - 0.5, ex - 0.5, ey - 0.5, scratch)
                for y in range(ty, ey):
                    for x in range(tx, ex):
                        if again and not edges[y, x]:
                            continue
                        direct[y, x], other[y, x] = 0.0, 0.0
                        for j in range(rays):
                            sx, sy = float(x), float(y)
                            if again:
                                sx += (j % samples + 0.5) / samples - 0.5
                                sy += (j // samples + 0.5) / samples - 0.5
                            norm = aim(sx, sy, rotation, inverse, ray)
                            length = trace(ox, oy, oz, scene, count, scratch)
                            if not again:
                                depth[y, x] = length / norm if length < FAR else FAR
                            weight = share if again else 1.0
                            for k in range(3):
                                direct[y, x, k] += weight * key[k]
                                other[y, x, k] += weight * rest[k]
