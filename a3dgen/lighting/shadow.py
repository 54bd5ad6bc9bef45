"""Shadows on the ground: a plane under the feet, the key light's shadow with a penumbra, and dark contacts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.contact import contact_spots
from a3dgen.lighting.light import Light, irradiance

MAX_PITCH = np.radians(40)
_UNDER_SOLES = 0.78
"""Most light that is missing where something touches the ground: soles are not flat."""


@dataclass(frozen=True)
class Caster:
    """What the key light sees of the subject.

    Attributes:
        covered: (S, S) bool: the map's texel is covered by the subject.
        matrix: (3, 4): camera-frame point (homogeneous, m) to map column, row (texel centres at integers) and
            a depth of the renderer's own (not used here).
    """

    covered: Bool[ndarray, "s s"]
    matrix: Float[ndarray, "3 4"]


@dataclass(frozen=True)
class Shade:
    """Darkening of a window of the ground: a pixel's channel c keeps (1 - ``contact``) (1 - ``cast`` ``depth[c]``).

    Attributes:
        cast: (h, w) f4 0..1, how much of the key light is blocked. contact: (h, w) f4 0..1, dark below what touches.
        depth: (3,) share of the light on the ground that is the key's, RGB.
    """

    cast: Float[ndarray, "h w"]
    contact: Float[ndarray, "h w"]
    depth: Float[ndarray, "3"]

    def factor(self) -> Float[ndarray, "h w 3"]:
        """Return the factor on every pixel and channel, 1 = untouched."""
        return (1 - self.contact)[..., None] * (1 - self.cast[..., None] * self.depth)


@dataclass(frozen=True)
class Ground:
    """A plane up . x = level (m, camera frame). ``foot`` is the point of contact below the body's middle."""

    up: Float[ndarray, "3"]
    level: float
    foot: Float[ndarray, "3"]


def estimate_up(joints: Float[ndarray, "24 3"]) -> Float[ndarray, "3"]:
    """Return the direction against gravity (3,) in the camera frame.

    Cameras are held level, so only their pitch is unknown; the spine and the legs of a person who stands say
    something about it, those of one who bends or sits little. The estimate is half of what they say, and at most
    ``MAX_PITCH``.
    """
    ankles = (joints[JOINT["left_ankle"]] + joints[JOINT["right_ankle"]]) / 2
    pitches = []
    for low, high in ((joints[JOINT["pelvis"]], joints[JOINT["neck"]]), (ankles, joints[JOINT["neck"]])):
        axis = high - low
        axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
        pitch = np.arctan2(-axis[2], -axis[1])
        if abs(axis[0]) < 0.5 and abs(pitch) < np.radians(60):
            pitches.append(pitch)
    pitch = 0.5 * float(np.mean(pitches)) if pitches else 0.0
    pitch = float(np.clip(pitch, -MAX_PITCH, MAX_PITCH))
    return np.array([0.0, -np.cos(pitch), -np.sin(pitch)])


def estimate_ground(vertices: Float[ndarray, "v 3"], up: Float[ndarray, "3"]) -> Ground:
    """Return the plane through the lowest points of the (intact) body."""
    heights = vertices.astype(np.float64) @ up
    level = float(np.partition(heights, 12)[12])  # a dozen vertices may dip below: toes, a heel
    middle = vertices[heights < level + 0.15].astype(np.float64).mean(0)
    return Ground(np.asarray(up, np.float64), level, middle - up * (middle @ up - level))


def ground_shadow(
    ground: Ground,
    light: Light,
    caster: Caster | None,
    vertices: Float[ndarray, "v 3"],
    K: Float[ndarray, "3 3"],
    crop: tuple[int, int, int, int],
    strength: float = 0.8,
) -> Shade | None:
    """Return by how much the ground is darkened over the crop, or None if no ground is in view.

    A shadow leaves the ambient light's share of the light on the ground; its edge softens with the distance from
    the feet, as what casts it rises above the ground. Large crops are worked on at half their resolution: no edge
    of a shadow is sharper.

    Args:
        ground: plane the person stands on. light: the scene's light. caster: the subject seen from the key, or None.
        vertices: all drawn vertices (m), for the contacts. K: camera. crop: x0, y0, x1, y1 (exclusive), px.
        strength: 1 = full physical darkness.
    """
    grid = _half(K, crop)
    seen = _ground_in_front(ground, grid)
    if seen is None:
        return None
    touched, hidden = _contact(ground, vertices, grid)
    cast, depth = np.zeros_like(seen), np.zeros(3)
    if caster is not None:
        ambient = irradiance(light.sh, ground.up)
        direct = light.key_color * max(float(light.key_dir @ ground.up), 0.0)
        depth = strength * direct / np.maximum(ambient + direct, 1e-6)
        window, shadow = _warp(_penumbra(caster, ground), _to_map(ground, caster.matrix[:2]), grid)
        cast[window] = shadow
        cast *= seen
    # the hidden sky takes its share of what light the cast shadow leaves; under a sole there is none
    key = np.float32(depth.mean())
    hidden *= (1 - key) / np.maximum(1 - cast * key, np.float32(1e-3))
    contact = np.minimum(1 - (1 - touched) * (1 - hidden), np.float32(_UNDER_SOLES))
    contact *= seen * np.float32(min(1.25 * strength, 1.0))
    return Shade(grid.grown(cast), grid.grown(contact), depth.astype(np.float32))


@dataclass(frozen=True)
class _Grid:
    """Pixels at which a crop is worked on: ``to_ray`` takes (column, row, 1) to a viewing ray."""

    columns: int
    rows: int
    to_ray: ndarray
    crop: tuple[int, int, int, int]

    def grown(self, image: ndarray) -> Float[ndarray, "h w"]:
        """Return an image of this grid at the crop's own resolution."""
        h, w = self.crop[3] - self.crop[1], self.crop[2] - self.crop[0]
        if image.shape == (h, w):
            return image
        return cv2.resize(image, (2 * self.columns, 2 * self.rows), interpolation=cv2.INTER_LINEAR)[:h, :w]


def _half(K: ndarray, crop: tuple[int, int, int, int]) -> _Grid:
    h, w = crop[3] - crop[1], crop[2] - crop[0]
    factor = 2 if min(h, w) > 96 else 1
    shift = (factor - 1) / 2
    pixel = np.array([[factor, 0, crop[0] + shift], [0, factor, crop[1] + shift], [0, 0, 1.0]])
    return _Grid(-(-w // factor), -(-h // factor), np.linalg.inv(K) @ pixel, crop)


def _ground_in_front(ground: Ground, grid: _Grid) -> Float[ndarray, "h w"] | None:
    """Return (h, w) f4: 1 where the pixel's ray meets the ground near the feet, fading out with distance; None if
    the camera lies below the ground or nothing is met."""
    if ground.level > -0.05:
        return None
    slope = (ground.up @ grid.to_ray).astype(np.float32)
    reach = slope[0] * np.arange(grid.columns, dtype=np.float32) + slope[2]
    reach = reach[None] + (slope[1] * np.arange(grid.rows, dtype=np.float32))[:, None]
    foot = float(ground.foot[2])
    # nearness is level-free and linear over the picture: 1 / depth = (up . ray) / level
    nearness = reach * np.float32(foot / ground.level)
    if not (nearness > 1 / 3).any():
        return None
    np.maximum(nearness, np.float32(1e-3), out=nearness)
    return np.clip((np.float32(2.2) - 1 / nearness) * np.float32(1 / 0.6), 0, 1)


def _to_map(ground: Ground, affine: ndarray) -> Float[ndarray, "3 3"]:
    """Return the matrix from viewing rays to map coordinates of the ground seen there.

    The ray r meets the plane in level r / (up . r); an affine map m takes it to (level m[:3] + m[3] up) . r / (up . r).
    """
    return np.stack([*(row[:3] * ground.level + row[3] * ground.up for row in affine), ground.up])


Window = tuple[slice, slice]


def _warp(image: ndarray, rays_to_map: ndarray, grid: _Grid) -> tuple[Window, Float[ndarray, "h w *c"]]:
    """Sample a map at a grid's pixels, 0 beyond the map; return which pixels see it, and their values."""
    to_map = rays_to_map @ grid.to_ray
    x0, y0, x1, y1 = _seen_on(to_map, image.shape[:2], grid)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shifted = to_map @ np.array([[1.0, 0, x0], [0, 1, y0], [0, 0, 1]])
    size = (x1 - x0, y1 - y0)
    window = (slice(y0, y1), slice(x0, x1))
    if not all(size):
        return window, np.zeros((size[1], size[0], *image.shape[2:]), np.float32)
    return window, cv2.warpPerspective(image, shifted, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)


def _seen_on(to_map: ndarray, shape: tuple[int, ...], grid: _Grid) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (exclusive) of the pixels that can see a map, all if some of it lies behind the camera."""
    rows, columns = shape
    corners = np.array([[-1, columns, columns, -1], [-1, -1, rows, rows], [1, 1, 1, 1]], np.float64)
    try:
        x, y, w = np.linalg.solve(to_map, corners)
    except np.linalg.LinAlgError:  # the ground is seen edge on
        return 0, 0, grid.columns, grid.rows
    if (np.abs(w) < 1e-9).any() or (w > 0).any() != (w > 0).all():
        return 0, 0, grid.columns, grid.rows
    low = np.clip(np.floor([(x / w).min(), (y / w).min()]) - 1, 0, (grid.columns, grid.rows))
    high = np.clip(np.ceil([(x / w).max(), (y / w).max()]) + 2, low, (grid.columns, grid.rows))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _penumbra(caster: Caster, ground: Ground) -> Float[ndarray, "s s"]:
    """Return the shadow over the caster's map, sharp at the feet, soft away from them."""
    size = caster.covered.shape[0]
    texel = 1 / float(np.linalg.norm(caster.matrix[0, :3]))
    covered = caster.covered.view(np.uint8) * np.uint8(255)
    half = cv2.resize(covered, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    eighth = cv2.resize(half, (size // 8, size // 8), interpolation=cv2.INTER_AREA).astype(np.float32)
    sharp = cv2.GaussianBlur(half, (0, 0), max(0.6, 0.009 / (2 * texel))).astype(np.float32)
    soft = cv2.GaussianBlur(eighth, (0, 0), max(0.6, 0.045 / (8 * texel)))
    soft = cv2.resize(soft, (size // 2, size // 2), interpolation=cv2.INTER_LINEAR)
    # a texel's shadow falls from a height above the ground that grows along the map's projection of `up`
    tall = caster.matrix[:2, :3] @ ground.up
    foot = caster.matrix[:2, :3] @ ground.foot + caster.matrix[:2, 3]
    tall = tall / max(float(tall @ tall), 1e-9)
    at = np.arange(size // 2) * 2 + 0.5
    height = ((at - foot[0]) * tall[0])[None] + ((at - foot[1]) * tall[1])[:, None]
    soft -= sharp
    soft *= np.clip(height / 1.1, 0, 1).astype(np.float32)
    sharp += soft
    sharp *= np.float32(1 / 255)
    return cv2.resize(sharp, (size, size), interpolation=cv2.INTER_LINEAR)


def _contact(ground: Ground, vertices: ndarray, grid: _Grid) -> tuple[Float[ndarray, "h w"], Float[ndarray, "h w"]]:
    """Return (h, w) f4 0..1 each: how far the ground at a pixel is touched, and the share of its sky that is hidden."""
    touched, hidden = np.zeros((2, grid.rows, grid.columns), np.float32)
    for spot in contact_spots(ground.up, ground.level, vertices):
        if spot.level > -0.05:
            continue
        there = _to_map(replace(ground, level=spot.level), spot.matrix)
        window, shade = _warp(spot.shade, there, grid)
        np.maximum(touched[window], shade[..., 0], out=touched[window])
        np.maximum(hidden[window], shade[..., 1], out=hidden[window])
    return touched, hidden
