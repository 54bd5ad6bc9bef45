"""Shadows on the ground: a plane under the feet, the key light's shadow with a penumbra, and dark contacts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.geometry.light import Light, irradiance
from a3dgen.geometry.skeleton import JOINT

MAX_PITCH = np.radians(40)
_CONTACT_SIZE = 160
_CONTACT_REACH = 0.06
"""Surface this close to the ground (m) darkens it."""


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
) -> Float[ndarray, "h w 3"]:
    """Return by how much the ground is darkened, per pixel of the crop and channel, 0..1 (1 = untouched), f4.

    A shadow leaves the ambient light's share of the light on the ground; its edge softens with the distance from
    the feet, as what casts it rises above the ground.

    Args:
        ground: plane the person stands on. light: the scene's light. caster: the subject seen from the key, or None.
        vertices: all drawn vertices (m), for the contacts. K: camera. crop: x0, y0, x1, y1 (exclusive), px.
        strength: 1 = full physical darkness.
    """
    x0, y0, x1, y1 = crop
    out = np.ones((y1 - y0, x1 - x0, 3), np.float32)
    seen = _ground_in_front(ground, K, crop)
    if seen is None:
        return out
    contact = _contact(ground, vertices, K, crop)
    out *= 1 - 0.62 * (contact * seen)[..., None]
    if caster is not None:
        ambient = irradiance(light.sh, ground.up)
        direct = light.key_color * max(float(light.key_dir @ ground.up), 0.0)
        depth = strength * direct / np.maximum(ambient + direct, 1e-6)
        cast = _warp(_penumbra(caster, ground, light), _to_map(ground, caster.matrix[:2], K), crop)
        out *= 1 - (cast * seen)[..., None] * depth.astype(np.float32)
    return out


def _rays(K: ndarray, crop: tuple[int, int, int, int]) -> ndarray:
    """Return pixel of the crop -> viewing ray (3, 3)."""
    shift = np.array([[1.0, 0, crop[0]], [0, 1, crop[1]], [0, 0, 1]])
    return np.linalg.inv(K) @ shift


def _ground_in_front(ground: Ground, K: ndarray, crop: tuple[int, int, int, int]) -> ndarray | None:
    """Return (h, w) f4: 1 where the pixel's ray meets the ground near the feet, fading out with distance; None if
    the camera lies below the ground or nothing is met."""
    if ground.level > -0.05:
        return None
    h, w = crop[3] - crop[1], crop[2] - crop[0]
    to_ray = _rays(K, crop)
    slope = ground.up @ to_ray
    reach = (slope[0] * np.arange(w))[None] + (slope[1] * np.arange(h))[:, None] + slope[2]
    with np.errstate(divide="ignore"):
        depth = np.where(reach < -1e-6, ground.level / reach, np.inf)
    foot = float(ground.foot[2])
    if not (depth < 3 * foot).any():
        return None
    return np.clip((2.2 * foot - depth) / (0.6 * foot), 0, 1).astype(np.float32)


def _to_map(ground: Ground, affine: ndarray, K: ndarray) -> ndarray:
    """Return the homography from image pixels to map coordinates of the ground seen there.

    The ray r meets the plane in level r / (up . r); an affine map m takes it to (level m[:3] + m[3] up) . r / (up . r).
    """
    rows = [row[:3] * ground.level + row[3] * ground.up for row in affine]
    return np.stack([*rows, ground.up]) @ np.linalg.inv(K)


def _warp(image: ndarray, homography: ndarray, crop: tuple[int, int, int, int]) -> ndarray:
    """Sample a map over the crop, at half the resolution where the crop is large."""
    h, w = crop[3] - crop[1], crop[2] - crop[0]
    factor = 2 if min(h, w) > 96 else 1
    size = (-(-w // factor), -(-h // factor))
    scale = np.array([[factor, 0, crop[0] + (factor - 1) / 2], [0, factor, crop[1] + (factor - 1) / 2], [0, 0, 1.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    small = cv2.warpPerspective(image, homography @ scale, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    if factor == 1:
        return small
    grown = cv2.resize(small, (size[0] * factor, size[1] * factor), interpolation=cv2.INTER_LINEAR)
    return grown[:h, :w]


def _penumbra(caster: Caster, ground: Ground, light: Light) -> ndarray:
    """Return the shadow (S', S') f4 over the caster's map (texels kept), sharp at the feet, soft away from them."""
    size = caster.covered.shape[0]
    texel = 1 / float(np.linalg.norm(caster.matrix[0, :3]))
    covered = caster.covered.astype(np.float32)
    half = cv2.resize(covered, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    sharp = cv2.GaussianBlur(half, (0, 0), max(0.6, 0.009 / (2 * texel)))
    soft = cv2.resize(half, (size // 8, size // 8), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(soft, (0, 0), max(0.6, 0.045 / (8 * texel)))
    soft = cv2.resize(soft, (size // 2, size // 2), interpolation=cv2.INTER_LINEAR)
    # the ground below the map's texel lies as far from the foot as the caster there is above it, over tan(elevation)
    tall = caster.matrix[:2, :3] @ ground.up  # texels a metre of height covers
    foot = caster.matrix[:2, :3] @ ground.foot + caster.matrix[:2, 3]
    length = float(np.linalg.norm(tall))
    direction = tall / max(length, 1e-9)
    at = np.arange(size // 2) * 2 + 0.5
    height = ((at[None] - foot[0]) * direction[0] + (at[:, None] - foot[1]) * direction[1]) / max(length, 1e-9)
    blend = np.clip(height / 1.1, 0, 1).astype(np.float32)
    mixed = sharp + (soft - sharp) * blend
    return cv2.resize(mixed, (size, size), interpolation=cv2.INTER_LINEAR)


def _contact(ground: Ground, vertices: ndarray, K: ndarray, crop: tuple[int, int, int, int]) -> Float[ndarray, "h w"]:
    """Return (h, w) f4 0..1: how near the ground below the pixel some surface lies, softened."""
    heights = vertices @ ground.up.astype(np.float32) - np.float32(ground.level)
    near = heights < _CONTACT_REACH
    h, w = crop[3] - crop[1], crop[2] - crop[0]
    if not near.any():
        return np.zeros((h, w), np.float32)
    points = vertices[near].astype(np.float64)
    side = np.cross(ground.up, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(side, ground.up)])
    flat = points @ axes.T
    middle, radius = (flat.max(0) + flat.min(0)) / 2, float(np.ptp(flat, axis=0).max()) / 2 + 0.12
    scale = _CONTACT_SIZE / (2 * radius)
    affine = np.concatenate([axes * scale, (_CONTACT_SIZE / 2 - middle * scale)[:, None]], 1)
    spots = np.zeros((_CONTACT_SIZE, _CONTACT_SIZE), np.float32)
    column, row = np.clip(np.round((flat - middle) * scale + _CONTACT_SIZE / 2), 0, _CONTACT_SIZE - 1).astype(int).T
    weight = np.clip(1 - heights[near] / _CONTACT_REACH, 0, 1)
    np.maximum.at(spots, (row, column), weight)
    spots = cv2.dilate(spots, np.ones((3, 3), np.uint8), iterations=max(1, round(0.006 * scale)))
    spots = 0.5 * cv2.GaussianBlur(spots, (0, 0), max(0.8, 0.012 * scale)) + 0.5 * cv2.GaussianBlur(
        spots, (0, 0), max(0.8, 0.035 * scale)
    )
    return np.clip(_warp(spots, _to_map(ground, affine, K), crop), 0, 1)
