"""Procedural scenes: rooms, streets, fields and studios, with a light that suits them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from a3dgen.demo import materials as m
from a3dgen.demo.trace import BOX, CYLINDER, ELLIPSOID, Real, Triple, World, solid

Colour = Triple
KINDS = ("room", "street", "field", "studio")

_WALLS = ((0.62, 0.60, 0.54), (0.48, 0.54, 0.56), (0.60, 0.52, 0.42), (0.45, 0.50, 0.42), (0.66, 0.65, 0.63))
_WOODS = ((0.30, 0.19, 0.11), (0.42, 0.29, 0.17), (0.20, 0.13, 0.09), (0.52, 0.40, 0.26))
_CLOTHS = ((0.10, 0.14, 0.25), (0.28, 0.08, 0.07), (0.12, 0.20, 0.14), (0.33, 0.31, 0.28), (0.35, 0.24, 0.10))
_STONES = ((0.42, 0.38, 0.33), (0.36, 0.18, 0.13), (0.50, 0.45, 0.36), (0.33, 0.33, 0.35))
_LEAVES = ((0.09, 0.16, 0.05), (0.13, 0.20, 0.06), (0.06, 0.13, 0.06), (0.22, 0.17, 0.05))
_CARS = ((0.45, 0.05, 0.05), (0.05, 0.08, 0.22), (0.5, 0.5, 0.5), (0.04, 0.04, 0.05), (0.55, 0.52, 0.45))


@dataclass
class DemoScene:
    """A world and where people may stand in it.

    Attributes:
        kind: one of ``KINDS``. world: what is cast.
        reach: (nearest, farthest) distance of people from the camera, m. half: how far to the side they may stand
            at the nearest distance, m. height: (lowest, highest) camera, m.
        fronts: index into ``world.solids`` of objects that may stand before people, with their COCO category.
        exposure: brightness of the finished photo.
    """

    kind: str
    world: World
    reach: tuple[Real, Real]
    half: float
    height: tuple[Real, Real]
    fronts: dict[int, int] = field(default_factory=dict)
    exposure: float = 1.0


def make_scene(rng: Generator, kind: str) -> DemoScene:
    """Return a scene of one of ``KINDS``; the camera stands near the world's origin and looks along +Z."""
    return {"room": _room, "street": _street, "field": _field, "studio": _studio}[kind](rng)


def _pick(rng: Generator, table: tuple) -> tuple:
    return table[int(rng.integers(len(table)))]


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    """Return the unit vector towards a light; azimuth 0 = behind the camera, positive = from the left."""
    c = np.cos(elevation)
    return np.array([c * np.sin(azimuth), np.sin(elevation), -c * np.cos(azimuth)])


def _sun(rng: Generator) -> dict:
    """Return the light of a sunny, hazy or overcast day."""
    strength = float(rng.choice([1.0, 0.75, 0.12], p=[0.5, 0.3, 0.2]))
    warm = rng.uniform(0, 1)
    key = strength * 2.0 * np.array([1.0, 0.95 - 0.08 * warm, 0.86 - 0.2 * warm])
    grey = 1 - strength
    upper = 0.62 * ((1 - grey) * np.array([0.62, 0.76, 1.0]) + grey * np.array([1.5, 1.5, 1.5]))
    azimuth = float(rng.choice([-1, 1]) * rng.uniform(0.35, 1.9))
    return {
        "key_dir": _direction(azimuth, rng.uniform(0.5, 1.05)),
        "key": key,
        "upper": upper,
        "lower": np.array([0.26, 0.24, 0.18]) * (0.5 + 0.5 * strength),
        "clouds": float(0.25 + 0.75 * grey * rng.uniform(0.7, 1.0)),
        "zenith": (0.16 + 0.5 * grey, 0.33 + 0.35 * grey, 0.75),
        "horizon": (0.72, 0.80, 0.88),
        "haze": float(rng.uniform(0.002, 0.008)),
    }


def _tree(rng: Generator, x: Real, z: Real, colour: Colour) -> list[list[Real]]:
    height, seed = rng.uniform(4, 9), float(rng.integers(1000))
    trunk = solid(CYLINDER, (x, 0.3 * height, z), (0.03 * height, 0.3 * height, 1), m.WOOD, (0.13, 0.10, 0.08), 0, seed)
    crown = [trunk]
    for _ in range(int(rng.integers(4, 7))):
        size = height * rng.uniform(0.16, 0.28)
        dx, dy, dz = rng.normal(0, 0.15, 3) * height
        centre = (x + dx, 0.72 * height + 0.6 * dy, z + 0.5 * dz)
        shade = tuple(float(c * rng.uniform(0.8, 1.25)) for c in colour)
        crown.append(solid(ELLIPSOID, centre, (size, 0.8 * size, size), m.FOLIAGE, shade, 0.0, seed + len(crown)))
    return crown


def _building(rng: Generator, x: Real, z: Real, width: Real, yaw: Real = 0.0) -> list[list[Real]]:
    height, deep, colour = 3.0 * rng.integers(2, 7), rng.uniform(6, 12), _pick(rng, _STONES)
    body = solid(BOX, (x, height / 2, z), (width / 2, height / 2, deep / 2), m.FACADE, colour, yaw, rng.integers(99))
    base = solid(BOX, (x, 0.35, z), (width / 2 + 0.05, 0.35, deep / 2 + 0.05), m.PLASTER, (0.28, 0.27, 0.26), yaw, 5.0)
    cornice = (width / 2 + 0.2, 0.15, deep / 2 + 0.2)
    return [body, base, solid(BOX, (x, height, z), cornice, m.PLASTER, (0.5, 0.48, 0.45), yaw, 6.0)]


def _car(rng: Generator, x: Real, z: Real, yaw: Real) -> list[list[Real]]:
    """A parked car of boxes and cylinders, good enough at ten metres."""
    colour = _pick(rng, _CARS)
    c, s = np.cos(yaw), np.sin(yaw)

    def at(dx: Real, y: Real, dz: Real) -> Triple:
        return (x + c * dx + s * dz, y, z - s * dx + c * dz)

    parts = [
        solid(BOX, at(0, 0.52, 0), (2.1, 0.25, 0.85), m.BACKDROP, colour, yaw),
        solid(ELLIPSOID, at(-0.1, 0.8, 0), (1.5, 0.62, 0.78), m.BACKDROP, colour, yaw),
        solid(ELLIPSOID, at(-0.1, 0.86, 0), (1.32, 0.5, 0.8), m.BACKDROP, (0.03, 0.04, 0.05), yaw),
    ]
    for dx in (-1.3, 1.3):
        for dz in (-0.8, 0.8):
            wheel = solid(ELLIPSOID, at(dx, 0.32, dz), (0.32, 0.32, 0.13), m.BACKDROP, (0.02, 0.02, 0.02), yaw)
            parts.append(wheel)
    return parts


def _bench(rng: Generator, x: Real, z: Real, yaw: Real) -> list[list[Real]]:
    wood, c, s = _pick(rng, _WOODS), np.cos(yaw), np.sin(yaw)

    def at(dx: Real, y: Real, dz: Real) -> Triple:
        return (x + c * dx + s * dz, y, z - s * dx + c * dz)

    seat = solid(BOX, at(0, 0.44, 0), (0.75, 0.025, 0.2), m.WOOD, wood, yaw, 1.0)
    back = solid(BOX, at(0, 0.68, 0.2), (0.75, 0.1, 0.02), m.WOOD, wood, yaw, 2.0)
    legs = [solid(BOX, at(dx, 0.21, 0), (0.03, 0.21, 0.18), m.BACKDROP, (0.05, 0.05, 0.05), yaw) for dx in (-0.6, 0.6)]
    return [seat, back, *legs]


def _room(rng: Generator) -> DemoScene:
    width, deep, tall = rng.uniform(4.5, 7.5), rng.uniform(5.0, 7.5), rng.uniform(2.5, 3.0)
    off = rng.uniform(-0.6, 0.6)
    x0, x1 = off - width / 2, off + width / 2
    floor = int(rng.choice([m.PLANKS, m.TILES, m.CARPET]))
    tone = {m.PLANKS: _pick(rng, _WOODS), m.TILES: (0.45, 0.42, 0.38), m.CARPET: _pick(rng, _CLOTHS)}[floor]
    wall, side = _pick(rng, _WALLS), float(rng.choice([-1, 1]))
    solids = _furniture(rng, x0, x1, deep, side)
    window = x0 if side < 0 else x1
    glow = tuple(1.6 * v for v in (0.9, 0.97, 1.0))
    middle = rng.uniform(0.45, 0.6) * deep
    for dz in (-0.62, 0.62):
        solids.append(solid(BOX, (window, 1.5, middle + dz), (0.035, 0.65, 0.55), m.GLOW, glow))
    solids.append(solid(BOX, (window, 1.5, middle), (0.025, 0.75, 1.3), m.PLASTER, (0.75, 0.74, 0.72)))
    skirting = (0.72, 0.71, 0.69)
    solids.append(solid(BOX, (off, 0.05, deep), (width / 2, 0.05, 0.015), m.PLASTER, skirting))
    for x in (x0, x1):
        solids.append(solid(BOX, (x, 0.05, deep / 2), (0.015, 0.05, deep / 2 + 3), m.PLASTER, skirting))
    warm = rng.uniform(0, 1)
    world = World(
        ground=(floor, *tone, int(rng.integers(99))),
        wall=(int(rng.choice([m.PLASTER, m.PLASTER, m.BRICK])), *wall, int(rng.integers(99))),
        ceiling=(m.PLASTER, 0.75, 0.74, 0.71, 2),
        room=(x0, x1, tall, deep, -3.0),
        solids=solids,
        key_dir=_direction(side * rng.uniform(0.5, 1.3), rng.uniform(0.5, 0.9)),
        key=rng.uniform(0.5, 1.1) * np.array([1.0, 0.95, 0.86]),
        upper=rng.uniform(0.55, 0.8) * np.array([1.0, 0.94 - 0.04 * warm, 0.84 - 0.12 * warm]),
        lower=rng.uniform(0.3, 0.42) * np.array([1.0, 0.88, 0.72]),
        lamp=(off + rng.uniform(-1, 1), tall, 0.5 * deep, 0.5),
    )
    return DemoScene(
        "room", world, (2.3, min(4.6, deep - 1.3)), 0.9, (1.2, 1.65), exposure=float(rng.uniform(0.95, 1.15))
    )


def _furniture(rng: Generator, x0: float, x1: float, deep: float, side: float) -> list[list[Real]]:
    """Return what stands along the walls: a sofa or cabinet, shelves with books, pictures, a lamp, a plant, a rug."""
    out: list[list[Real]] = []
    x, wood = rng.uniform(x0 + 1.2, x1 - 1.2), _pick(rng, _WOODS)
    if rng.random() < 0.5:
        cloth = _pick(rng, _CLOTHS)
        out.append(solid(BOX, (x, 0.2, deep - 0.5), (0.95, 0.2, 0.42), m.CLOTH, cloth, 0, 3))
        out.append(solid(BOX, (x, 0.6, deep - 0.17), (0.95, 0.28, 0.12), m.CLOTH, cloth, 0, 4))
        for dx in (-0.95, 0.95):
            out.append(solid(BOX, (x + dx, 0.32, deep - 0.5), (0.11, 0.32, 0.45), m.CLOTH, cloth, 0, 5))
        out.append(solid(BOX, (x - 0.4, 0.52, deep - 0.42), (0.2, 0.2, 0.08), m.CLOTH, _pick(rng, _CLOTHS), 0.3, 6))
    else:
        out.append(solid(BOX, (x, 0.4, deep - 0.25), (0.8, 0.4, 0.24), m.WOOD, wood, 0, 7))
        out.append(solid(BOX, (x, 0.81, deep - 0.25), (0.84, 0.015, 0.27), m.WOOD, wood, 0, 8))
        for dx in (-0.4, 0.0, 0.4):
            knob = (x + dx, 0.5, deep - 0.5)
            out.append(solid(ELLIPSOID, knob, (0.02, 0.02, 0.02), m.BACKDROP, (0.5, 0.4, 0.2)))
        out.append(solid(BOX, (x + 0.3, 0.95, deep - 0.25), (0.12, 0.13, 0.1), m.CLOTH, _pick(rng, _CLOTHS), 0.2, 9))
    for k in range(int(rng.integers(1, 4))):
        size = (rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.35))
        place = (rng.uniform(x0 + 0.6, x1 - 0.6), rng.uniform(1.45, 1.75), deep)
        out.append(solid(BOX, place, (size[0] + 0.03, size[1] + 0.03, 0.02), m.WOOD, _pick(rng, _WOODS), 0, k))
        paint = tuple(rng.uniform(0.1, 0.6, 3))
        out.append(solid(BOX, place, (*size, 0.026), m.POSTER, paint, 0, float(rng.integers(99))))
    far_side = x0 + 0.18 if side > 0 else x1 - 0.18
    z = rng.uniform(0.5, 0.8) * deep
    out.append(solid(BOX, (far_side, 1.0, z), (0.16, 1.0, 0.5), m.WOOD, wood, 0, 11))
    for level in range(5):
        for k in range(int(rng.integers(5, 9))):
            book = (far_side - side * -0.13, 0.32 + 0.38 * level, z - 0.42 + 0.1 * k)
            out.append(
                solid(BOX, book, (0.05, rng.uniform(0.1, 0.15), 0.035), m.CLOTH, tuple(rng.uniform(0.03, 0.5, 3)))
            )
    if rng.random() < 0.6:
        corner = (x0 + 0.4 if rng.random() < 0.5 else x1 - 0.4, deep - 0.4)
        out.append(solid(CYLINDER, (corner[0], 0.2, corner[1]), (0.16, 0.2, 1), m.BACKDROP, (0.4, 0.25, 0.17)))
        for _ in range(5):
            leaf = (corner[0] + rng.normal(0, 0.12), rng.uniform(0.6, 1.1), corner[1] + rng.normal(0, 0.1))
            out.append(solid(ELLIPSOID, leaf, (0.24, 0.22, 0.24), m.FOLIAGE, _pick(rng, _LEAVES), 0, rng.integers(99)))
    if rng.random() < 0.6:
        rug = (rng.uniform(-0.6, 0.6), 0.004, 0.55 * deep)
        out.append(solid(BOX, rug, (1.2, 0.004, 0.8), m.CARPET, _pick(rng, _CLOTHS), rng.uniform(-0.1, 0.1), 3))
    return out


def _street(rng: Generator) -> DemoScene:
    sun, side = _sun(rng), float(rng.choice([-1, 1]))
    solids: list[list[Real]] = []
    x = -30.0
    far = rng.uniform(16, 24)
    while x < 30:
        width = rng.uniform(7, 13)
        solids += _building(rng, x + width / 2, far + 5 + rng.uniform(-0.6, 0.6), width - 0.2)
        x += width
    solids += _building(rng, side * rng.uniform(13, 17), rng.uniform(12, 16), 14.0, yaw=np.pi / 2)
    for _ in range(int(rng.integers(1, 4))):
        solids += _car(rng, rng.uniform(-9, 9), far - 4.0 + rng.uniform(-0.2, 0.2), rng.choice([0, np.pi]))
    for _ in range(int(rng.integers(1, 4))):
        solids += _tree(rng, rng.uniform(-11, 11), rng.uniform(10, far - 6), _pick(rng, _LEAVES))
    for k in range(-2, 3):
        pole = (6.5 * k + 2.0, 2.6, far - 6.5)
        solids.append(solid(CYLINDER, pole, (0.06, 2.6, 1), m.BACKDROP, (0.08, 0.08, 0.09)))
    kerb = (0.0, 0.06, far - 6.2)
    solids.append(solid(BOX, kerb, (40, 0.06, 0.12), m.PLASTER, (0.42, 0.41, 0.40), 0, 1))
    fronts: dict[int, int] = {}
    if rng.random() < 0.5:
        fronts[len(solids)] = 15  # bench
        solids += _bench(rng, rng.uniform(-3, 3), rng.uniform(6.5, 8.5), rng.uniform(-0.3, 0.3))
    floor = int(rng.choice([m.ASPHALT, m.PAVING, m.PAVING]))
    tone = (0.17, 0.17, 0.175) if floor == m.ASPHALT else _pick(rng, ((0.33, 0.31, 0.28), (0.28, 0.26, 0.25)))
    world = World(ground=(floor, *tone, int(rng.integers(99))), solids=solids, hills=(0.03, 0.2, 0.22, 0.2, 3), **sun)
    return DemoScene("street", world, (3.2, 6.5), 1.3, (1.2, 1.75), exposure=_exposure(sun), fronts={})


def _field(rng: Generator) -> DemoScene:
    sun, solids = _sun(rng), []
    for _ in range(int(rng.integers(4, 9))):
        solids += _tree(rng, rng.uniform(-18, 18), rng.uniform(13, 32), _pick(rng, _LEAVES))
    if rng.random() < 0.5:
        z = rng.uniform(9, 13)
        for k in range(-7, 8):
            solids.append(solid(BOX, (2.2 * k, 0.55, z), (0.05, 0.55, 0.05), m.WOOD, (0.26, 0.21, 0.16), 0, k + 9))
        for y in (0.45, 0.9):
            solids.append(solid(BOX, (0, y, z), (18, 0.05, 0.025), m.WOOD, (0.28, 0.23, 0.18), 0, 2))
    for _ in range(int(rng.integers(2, 6))):
        size = rng.uniform(0.4, 1.1)
        place = (rng.uniform(-9, 9), 0.5 * size, rng.uniform(8, 16))
        bush = (1.3 * size, size, size)
        solids.append(solid(ELLIPSOID, place, bush, m.FOLIAGE, _pick(rng, _LEAVES), 0, rng.integers(99)))
    floor = int(rng.choice([m.GRASS, m.GRASS, m.SAND]))
    tone = (0.13, 0.19, 0.06) if floor == m.GRASS else (0.48, 0.39, 0.27)
    hills = (rng.uniform(0.02, 0.12), 0.10, 0.15, 0.07, int(rng.integers(99)))
    world = World(ground=(floor, *tone, int(rng.integers(99))), solids=solids, hills=hills, **sun)
    return DemoScene("field", world, (3.2, 6.5), 1.3, (1.1, 1.7), exposure=_exposure(sun))


def _exposure(sun: dict) -> float:
    """Return an exposure that brings the day's light to a usual level."""
    return float(1.15 / (0.55 * sun["key"][1] + 0.6 * sun["upper"][1]))


def _studio(rng: Generator) -> DemoScene:
    """A large bare room with a carpet and pale walls, as motion is captured in."""
    tone = _pick(rng, ((0.16, 0.05, 0.06), (0.10, 0.12, 0.16), (0.22, 0.21, 0.19)))
    solids = [
        solid(BOX, (-2.0, 0.9, 5.9), (0.9, 0.9, 0.05), m.BACKDROP, (0.7, 0.69, 0.66)),
        solid(BOX, (2.8, 0.35, 5.85), (0.6, 0.3, 0.08), m.PLASTER, (0.65, 0.64, 0.6)),
        solid(BOX, (-4.9, 0.35, 1.0), (0.08, 0.3, 0.7), m.PLASTER, (0.65, 0.64, 0.6)),
        solid(BOX, (4.9, 1.0, -1.0), (0.3, 1.0, 0.6), m.WOOD, (0.35, 0.25, 0.16)),
        solid(BOX, (0.6, 0.9, -5.9), (0.5, 1.0, 0.04), m.WOOD, (0.3, 0.22, 0.15)),
    ]
    for x, z in ((-4.6, 5.6), (4.6, 5.6), (4.6, -5.6), (-4.6, -5.6)):
        solids.append(solid(CYLINDER, (x, 0.9, z), (0.02, 0.9, 1), m.BACKDROP, (0.05, 0.05, 0.05)))
        solids.append(solid(BOX, (x, 1.9, z), (0.09, 0.12, 0.09), m.BACKDROP, (0.04, 0.04, 0.05)))
    for _ in range(9):  # tape marks
        spot = (rng.uniform(-3, 3), 0.002, rng.uniform(-3, 3))
        mark = solid(BOX, spot, (0.12, 0.002, 0.02), m.BACKDROP, (0.6, 0.6, 0.58), rng.uniform(0, 3))
        solids.append(mark)
    world = World(
        ground=(m.CARPET, *tone, 4),
        wall=(m.PLASTER, 0.60, 0.57, 0.53, 5),
        ceiling=(m.PLASTER, 0.6, 0.58, 0.55, 2),
        room=(-5.0, 5.0, 3.2, 6.0, -6.0),
        solids=solids,
        key_dir=_direction(rng.uniform(-0.8, 0.8), 1.15),
        key=np.array([0.55, 0.5, 0.45]),
        upper=np.array([0.8, 0.72, 0.64]),
        lower=np.array([0.34, 0.27, 0.24]),
        lamp=(0.0, 3.2, 0.0, 0.6),
    )
    return DemoScene("studio", world, (3.5, 5.5), 1.0, (1.4, 1.7))
