"""Ray intersection and shading of demo scenes, compiled."""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.demo.materials import FOLIAGE, GLOW, shade_factor
from a3dgen.demo.noise import OCTAVES_2, OCTAVES_3, OCTAVES_4, OCTAVES_5, fractal

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
FAR = 1e9


class RayScene(NamedTuple):
    """A scene as the kernels read it.

    solids: one row each, see ``trace.solid``. room: x0, x1, height, z1, z0; height -1 = outdoors. surfaces: material,
    colour and seed of ground, walls, ceiling. light: towards the key, its colour, light from above, from below.
    air: zenith, horizon (RGB each), clouds, hills (height, RGB, seed), haze, lamp (x, y, z, strength).
    """

    solids: Float[ndarray, "n 16"]
    room: Float[ndarray, "5"]
    surfaces: Float[ndarray, "3 5"]
    light: Float[ndarray, "4 3"]
    air: Float[ndarray, "17"]


class Scratch(NamedTuple):
    """Room of one ray: direction, light of the key and all other light (out), two normals, candidate solids."""

    ray: Float[ndarray, "3"]
    direct: Float[ndarray, "3"]
    other: Float[ndarray, "3"]
    normal: Float[ndarray, "3"]
    found: Float[ndarray, "3"]
    near: ndarray


@kernel(inline=True)
@no_type_check
def _hit_box(row, px, py, pz, ux, uy, uz):
    """Return the distance to a box along a ray in its own axes (or FAR), and the normal there."""
    near, far, axis = -FAR, FAR, 0
    for i in range(3):
        p = px if i == 0 else (py if i == 1 else pz)
        u = ux if i == 0 else (uy if i == 1 else uz)
        h = row[4 + i]
        if abs(u) < 1e-12:
            if abs(p) > h:
                return FAR, 0.0, 0.0, 0.0
            continue
        a, b = (-h - p) / u, (h - p) / u
        if a > b:
            a, b = b, a
        if a > near:
            near, axis = a, i
        far = min(far, b)
    if near > far or near < 1e-4:
        return FAR, 0.0, 0.0, 0.0
    if axis == 0:
        return near, -np.sign(ux), 0.0, 0.0
    if axis == 1:
        return near, 0.0, -np.sign(uy), 0.0
    return near, 0.0, 0.0, -np.sign(uz)


@kernel(inline=True)
@no_type_check
def _hit_cylinder(row, px, py, pz, ux, uy, uz):
    """Return the distance to an upright cylinder or its lid (or FAR), and the normal there."""
    a = ux * ux + uz * uz
    b = px * ux + pz * uz
    q = b * b - a * (px * px + pz * pz - row[4] * row[4])
    if q < 0 or a < 1e-12:
        return FAR, 0.0, 0.0, 0.0
    t = (-b - np.sqrt(q)) / a
    y = py + t * uy
    if t > 1e-4 and abs(y) <= row[5]:
        return t, (px + t * ux) / row[4], 0.0, (pz + t * uz) / row[4]
    if uy >= 0:  # the lid is seen from above only
        return FAR, 0.0, 0.0, 0.0
    t = (row[5] - py) / uy
    if t < 1e-4 or (px + t * ux) ** 2 + (pz + t * uz) ** 2 > row[4] * row[4]:
        return FAR, 0.0, 0.0, 0.0
    return t, 0.0, 1.0, 0.0


@kernel(inline=True)
@no_type_check
def _hit_ellipsoid(row, px, py, pz, ux, uy, uz):
    """Return the distance to an ellipsoid (or FAR), and the unit normal there."""
    ex, ey, ez = px / row[4], py / row[5], pz / row[6]
    vx, vy, vz = ux / row[4], uy / row[5], uz / row[6]
    a = vx * vx + vy * vy + vz * vz
    b = ex * vx + ey * vy + ez * vz
    q = b * b - a * (ex * ex + ey * ey + ez * ez - 1)
    if q < 0:
        return FAR, 0.0, 0.0, 0.0
    t = (-b - np.sqrt(q)) / a
    if t < 1e-4:
        return FAR, 0.0, 0.0, 0.0
    nx, ny, nz = (ex + t * vx) / row[4], (ey + t * vy) / row[5], (ez + t * vz) / row[6]
    n = np.sqrt(nx * nx + ny * ny + nz * nz)
    return t, nx / n, ny / n, nz / n


@kernel(inside=True)
@no_type_check
def hit_solid(row, ox, oy, oz, dx, dy, dz, normal):
    """Return the distance to one solid along a ray (or FAR); writes the world normal."""
    rx, ry, rz = ox - row[1], oy - row[2], oz - row[3]
    along = -(rx * dx + ry * dy + rz * dz)  # unit direction: does it pass the bounding ball at all?
    away = rx * rx + ry * ry + rz * rz - along * along
    if away > row[15] * row[15] or along < -row[15]:
        return FAR
    c, s = row[13], row[14]
    px, py, pz = c * rx - s * rz, ry, s * rx + c * rz
    ux, uy, uz = c * dx - s * dz, dy, s * dx + c * dz
    if row[0] == BOX:
        t, nx, ny, nz = _hit_box(row, px, py, pz, ux, uy, uz)
    elif row[0] == CYLINDER:
        t, nx, ny, nz = _hit_cylinder(row, px, py, pz, ux, uy, uz)
    else:
        t, nx, ny, nz = _hit_ellipsoid(row, px, py, pz, ux, uy, uz)
        if t < FAR and row[8] == FOLIAGE:  # leaves: ragged rim
            facing = -(nx * ux + ny * uy + nz * uz) / np.sqrt(ux * ux + uy * uy + uz * uz)
            hx, hy, hz = ox + t * dx, oy + t * dy, oz + t * dz
            if fractal(7 * hx + 3 * hz, 7 * hy + 5 * hz, int(row[12]), OCTAVES_3) > 0.35 + 0.55 * facing:
                return FAR
    if t >= FAR:
        return FAR
    normal[0], normal[1], normal[2] = c * nx + s * nz, ny, -s * nx + c * nz
    return t


@kernel
@no_type_check
def shadowed(solids, x, y, z, light, normal):
    for i in range(len(solids)):
        if solids[i, 8] != GLOW and hit_solid(solids[i], x, y, z, light[0], light[1], light[2], normal) < FAR:
            return True
    return False


@kernel(inside=True)
@no_type_check
def sky(dx, dy, dz, air, out):
    """Write the colour of the sky, with clouds and the hills on the horizon."""
    up = max(dy, 0.0)
    blend = np.exp(-4.5 * up)
    cloud = 0.0
    if dy > 0.02:
        n = fractal(1.6 * dx / (dy + 0.12), 1.6 * dz / (dy + 0.12), int(air[11]), OCTAVES_5)
        cloud = min(1.0, max(0.0, (n - 0.75 + 0.4 * air[6]) * 5)) * min(1.0, 6 * up)
    turn = np.arctan2(dx, dz)
    ridge = air[7] * (0.4 + 1.2 * fractal(3.1 * turn, 0.5, int(air[11]), OCTAVES_4))
    rough = 0.012 * fractal(90 * turn, 300 * dy, int(air[11]) + 5, OCTAVES_2)
    hill = dy < ridge + rough
    for k in range(3):
        colour = air[k] * (1 - blend) + air[3 + k] * blend
        colour = colour * (1 - cloud) + cloud * (0.95 - 0.03 * k)
        if hill:
            tree = 0.55 + 0.9 * fractal(60 * turn, 160 * dy, int(air[11]) + 2, OCTAVES_3)
            colour = 0.55 * air[8 + k] * tree + 0.5 * air[3 + k]
        out[k] = colour


@kernel(inline=True)
@no_type_check
def _first_hit(ox, oy, oz, scene, count, scratch):
    """Return length of the ray, the solid it meets (-1 = none) and else the plane: 0 ground, 1 wall, 2 ceiling; -1 sky.

    ``scratch.found`` takes the normal.
    """
    ray, found = scratch.ray, scratch.found
    room = scene.room
    best, which = FAR, -1
    for n in range(count):
        i = scratch.near[n]
        t = hit_solid(scene.solids[i], ox, oy, oz, ray[0], ray[1], ray[2], scratch.normal)
        if t < best:
            best, which = t, i
            found[:] = scratch.normal
    plane = -1
    if ray[1] < -1e-9 and -oy / ray[1] < best:
        best, which, plane = -oy / ray[1], -1, 0
        found[:] = 0.0
        found[1] = 1.0
    if room[2] > 0:
        walls = ((0, room[0], 1.0), (0, room[1], -1.0), (1, room[2], -1.0), (2, room[3], -1.0), (2, room[4], 1.0))
        for axis, place, sign in walls:
            u = ray[axis]
            p = ox if axis == 0 else (oy if axis == 1 else oz)
            if u * sign < -1e-9:
                t = (place - p) / u
                if 1e-4 < t < best:
                    best, which, plane = t, -1, 1 if axis != 1 else 2
                    found[:] = 0.0
                    found[axis] = sign
    return best, which, plane


@kernel(inline=True)
@no_type_check
def _on_solid(row, x, y, z, found):
    """Return texture coordinates (m) of a point on a solid: on its lid, its side or its front."""
    c, s = row[13], row[14]
    px, py, pz = c * (x - row[1]) - s * (z - row[3]), y - row[2] + row[5], s * (x - row[1]) + c * (z - row[3])
    if abs(found[1]) > 0.7:
        return px, pz
    if abs(c * found[0] - s * found[2]) > 0.7:
        return pz, py
    return px, py


@kernel(inline=True)
@no_type_check
def _contact(solids, x, z, open_share):
    """Return ``open_share``, the light from everywhere that reaches the ground, less beside what stands on it."""
    for i in range(len(solids)):
        if solids[i, 2] - solids[i, 5] < 0.05 and solids[i, 5] > 0.02:
            rx, rz = x - solids[i, 1], z - solids[i, 3]
            if rx * rx + rz * rz > (solids[i, 15] + 1.0) ** 2:
                continue
            c, s = solids[i, 13], solids[i, 14]
            ax, az = abs(c * rx - s * rz) - solids[i, 4], abs(s * rx + c * rz) - solids[i, 6]
            away = np.sqrt(max(ax, 0.0) ** 2 + max(az, 0.0) ** 2)
            open_share *= 1 - 0.5 * np.exp(-away / 0.22)
    return open_share


@kernel(inline=True)
@no_type_check
def _occlusion(x, y, z, scene, which, plane):
    """Return how much of the light from everywhere reaches a point: less in corners, near the ground, under things."""
    room, air = scene.room, scene.air
    occlusion = 1.0
    if room[2] > 0:  # corners are darker
        gap = min(min(x - room[0], room[1] - x), min(min(y, room[2] - y), room[3] - z))
        second = min(y, room[3] - z) if plane != 0 else min(min(x - room[0], room[1] - x), room[3] - z)
        occlusion = (1 - 0.30 * np.exp(-max(second, 0.0) / 0.35)) * (1 - 0.08 * np.exp(-max(gap, 0.0) / 0.6))
        away = (x - air[13]) ** 2 + (y - air[14]) ** 2 + (z - air[15]) ** 2
        occlusion *= 1 + air[16] * (6.0 / (away + 3.0) - 0.6)
    elif which >= 0:
        occlusion = 1 - 0.45 * np.exp(-max(y, 0.0) / 0.4)
    if which < 0 and plane == 0:
        occlusion = _contact(scene.solids, x, z, occlusion)
    return occlusion


@kernel(inside=True)
@no_type_check
def trace(ox, oy, oz, scene, count, scratch):
    """Cast one ray along ``scratch.ray`` (unit) at its ``count`` candidates; write its light, return its length."""
    solids, _, surfaces, light, air = scene
    ray, direct, other, normal, found, _ = scratch
    best, which, plane = _first_hit(ox, oy, oz, scene, count, scratch)
    if best >= FAR:
        direct[:] = 0.0
        sky(ray[0], ray[1], ray[2], air, other)
        return FAR
    x, y, z = ox + best * ray[0], oy + best * ray[1], oz + best * ray[2]
    if which >= 0:
        row = solids[which]
        material, seed = int(row[8]), row[12]
        red, green, blue = row[9], row[10], row[11]
        u, v = _on_solid(row, x, y, z, found)
    else:
        kind = surfaces[plane]
        material, seed = int(kind[0]), kind[4]
        red, green, blue = kind[1], kind[2], kind[3]
        u, v = (x, z) if abs(found[1]) > 0.5 else ((z, y) if abs(found[0]) > 0.5 else (x, y))
    if material == GLOW:
        direct[:] = 0.0
        other[0], other[1], other[2] = red, green, blue
        return best
    bright, redness = shade_factor(material, u, v, seed, best)
    bright = max(bright, 0.03)
    albedo = (max(0.01, red * (bright + redness)), green * bright, max(0.01, blue * (bright - redness)))
    lit = max(found[0] * light[0, 0] + found[1] * light[0, 1] + found[2] * light[0, 2], 0.0)
    e = 2e-3
    if lit > 0 and shadowed(solids, x + e * found[0], y + e * found[1], z + e * found[2], light[0], normal):
        lit = 0.0
    occlusion = _occlusion(x, y, z, scene, which, plane)
    fog = 0.0 if scene.room[2] > 0 else 0.7 * (1 - np.exp(-best * air[12]))
    for k in range(3):
        ambient = 0.5 * (light[2, k] + light[3, k]) + 0.5 * found[1] * (light[2, k] - light[3, k])
        direct[k] = albedo[k] * light[1, k] * lit * (1 - fog)
        other[k] = albedo[k] * ambient * occlusion * (1 - fog) + 0.9 * air[3 + k] * fog
    return best


@kernel(inside=True)
@no_type_check
def aim(sx, sy, rotation, inverse, ray):
    """Write the unit direction (world) of the ray through a pixel; returns its length per unit of depth."""
    a = inverse[0, 0] * sx + inverse[0, 1] * sy + inverse[0, 2]
    b = inverse[1, 1] * sy + inverse[1, 2]
    for k in range(3):
        ray[k] = rotation[0, k] * a + rotation[1, k] * b + rotation[2, k]
    norm = np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
    ray /= norm
    return norm
