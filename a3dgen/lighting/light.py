"""Light of a scene, found in its plate: order-2 harmonics of the surroundings and one key light, camera frame.

The plate serves as a crude environment map: its columns span the half circle before the camera, its rows the half
circle from zenith to nadir, and what lies behind the camera is its mirror image. Where the fitted body and the
photo are at hand, the shading of the removed person says where the key light stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.lighting.srgb import LUMINANCE, decode_table

# Formulas name their source. Every other constant here is hand-set on the demo's pictures and the real sample frames,
# with `a3dgen bench looks` (``lstar_std``) and the contact sheets as the measure.
_ROWS, _COLUMNS = 24, 32
_COSINE = np.array([np.pi, *[2 * np.pi / 3] * 3, *[np.pi / 4] * 5])
"""Clamped-cosine convolution of harmonics (Ramamoorthi and Hanrahan 2001)."""
WHITE_LEVEL = (0.42, 1.5)
"""Plausible value (linear) of the best lit upright white surface that the camera sees. Less where both the plate and
the removed person say so: an underexposed photo."""
DARKEST = 0.001
"""Least value of that surface, nine stops under a usual exposure."""
UNEVEN_OWN, UNEVEN_LEAST = 0.15, 0.36
"""Where the plate is bright above and dark below, the removed person counts so much more, and may be so much darker."""
KEY_SHARE = (0.58, 0.84)
"""Plausible share of the key in the light on a surface that faces it."""
_DILUTION = 1.5
"""Misfit of body and photo makes the measured slope of the shading so much too small."""
_KEY_GREY, _AROUND_GREY = 0.65, 0.5
"""Shares of key and surroundings that are grey in white light, and have the light's colour where it has one."""
KEY_ELEVATION = (0.36, 0.85)
"""Plausible sine of the key's height above the ground: 21 to 58 degrees."""


@dataclass(frozen=True)
class LightAdjust:
    """How one sample's light differs from the scene's: the key turned by ``azimuth`` degrees about the vertical, all
    light times ``gain``, the key light times ``key``."""

    azimuth: float = 0.0
    gain: float = 1.0
    key: float = 1.0


@dataclass(frozen=True)
class Light:
    """Light of the scene in the camera frame, linear, scaled so that a white diffuse surface shows it as its value.

    Attributes:
        sh: (9, 3) irradiance / pi as order-2 real spherical harmonics in the order
            1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2 (Ramamoorthi and Hanrahan 2001), RGB.
        key_dir: (3,) unit vector towards the key light.
        key_color: (3,) its irradiance / pi at normal incidence, RGB.
    """

    sh: Float[ndarray, "9 3"]
    key_dir: Float[ndarray, "3"]
    key_color: Float[ndarray, "3"]


def to_linear(srgb: UInt8[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return linear light 0..1 of 8-bit sRGB values (IEC 61966-2-1), f4."""
    return decode_table()[srgb]


def harmonics(d: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 9"]:
    """Return the nine real harmonics of orders 0 to 2 at unit directions."""
    x, y, z = np.moveaxis(d, -1, 0)
    return np.stack(
        [
            np.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z,
            0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y),
        ],
        -1,
    )  # fmt: skip


def irradiance(sh: Float[ndarray, "9 3"], normal: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
    """Return irradiance / pi on surfaces with these unit normals, never negative."""
    return np.maximum(harmonics(normal) @ sh, 0)


@cache
def _sky() -> tuple[ndarray, ndarray]:
    """Return directions (R, C, 3) of the front half and the solid angle (R, C) of each cell."""
    y, x = np.mgrid[:_ROWS, :_COLUMNS] + 0.5
    azimuth, elevation = (x / _COLUMNS - 0.5) * np.pi, (0.5 - y / _ROWS) * np.pi
    flat = np.cos(elevation)
    directions = np.stack([flat * np.sin(azimuth), -np.sin(elevation), flat * np.cos(azimuth)], -1)
    return directions, flat * (np.pi / _COLUMNS) * (np.pi / _ROWS)


@dataclass(frozen=True)
class Surroundings:
    """What a plate says about the light, before a sample's adjustments.

    Attributes:
        up: unit vector against gravity. key_dir: direction of the key. key_color: (3,) of luminance 1.
        white: value of a well lit white surface. share: of the key in the light on a surface that faces it.
        sh: (9, 3) of the surroundings, at the plate's own scale.
    """

    up: Float[ndarray, "3"]
    key_dir: Float[ndarray, "3"]
    key_color: Float[ndarray, "3"]
    white: float
    share: float
    sh: Float[ndarray, "9 3"]

    def light(self, adjust: LightAdjust | None = None) -> Light:
        """Return the light with a sample's adjustments, see ``estimate_light``."""
        adjust = adjust or LightAdjust()
        key_dir = _turn(self.key_dir, self.up, adjust.azimuth)
        white = self.white * adjust.gain
        facing = float(irradiance(self.sh, key_dir) @ LUMINANCE)
        color = self.key_color * adjust.key
        key = self.share / (1 - self.share) * facing  # so that the key has its share on a surface that faces it
        seen = _facing_the_camera()
        seen = seen[np.abs(seen @ self.up) < 0.5]
        lit = irradiance(self.sh, seen) @ LUMINANCE + key * np.maximum(seen @ key_dir, 0)
        # exposed for what is seen of the person, not for the brightest edge alone: backlit people keep their faces
        # 0.6 and 0.64 are hand-set: a front-lit white shirt (max 1, mean about 0.6) shows ``white``;
        # `a3dgen bench looks` compares the spread of luminance with that of real people
        scale = white / max(0.6 * float(lit.max()) + 0.64 * float(lit.mean()), 1e-6)
        return Light(self.sh * scale, key_dir, color * (key * scale))


def mean_surroundings(some: Sequence[Surroundings]) -> Surroundings:
    """Return what several pictures of one place say about the light, e.g. frames of a clip."""

    def unit(vectors: list[ndarray]) -> ndarray:
        total = np.sum(vectors, axis=0)
        length = float(np.linalg.norm(total))
        return total / length if length > 1e-6 else vectors[0]  # opposite ones: none is righter

    return Surroundings(
        up=unit([s.up for s in some]),
        key_dir=unit([s.key_dir for s in some]),
        key_color=np.mean([s.key_color for s in some], axis=0),
        white=float(np.median([s.white for s in some])),
        share=float(np.median([s.share for s in some])),
        sh=np.mean([s.sh for s in some], axis=0),
    )


def estimate_light(
    plate: UInt8[ndarray, "h w 3"],
    up: Float[ndarray, "3"] | None = None,
    shading: Float[ndarray, "3"] | None = None,
    brightness: float | None = None,
    adjust: LightAdjust | None = None,
) -> Light:
    """Estimate the light of a scene.

    Args:
        plate: the photo without the person.
        up: unit vector against gravity, camera frame; (0, -1, 0) if None.
        shading: what ``shading_direction`` found on the removed person, or None.
        brightness: 95th percentile of the removed person's linear luminance, or None.
        adjust: the sample's own adjustments.

    Returns:
        The light, clamped to what photos of people show: the key well above the horizon, with a half to four fifths
        of the light on a surface that faces it; scaled for the surfaces that the camera sees.
    """
    return read_surroundings(plate, up, shading, brightness).light(adjust)


def read_surroundings(
    plate: UInt8[ndarray, "h w 3"],
    up: Float[ndarray, "3"] | None = None,
    shading: Float[ndarray, "3"] | None = None,
    brightness: float | None = None,
    cast: Float[ndarray, "3"] | None = None,
) -> Surroundings:
    """Return what all samples of one scene share of ``estimate_light``; ``cast``: see ``read_cast``."""
    up = np.array([0.0, -1.0, 0.0]) if up is None else up / np.linalg.norm(up)
    small = cv2.resize(plate, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    radiance = to_linear(small).astype(np.float64)
    directions, solid = _sky()
    height = directions @ up
    # plates rarely show the sky above the person, and the ground in reach lies in the person's own shade
    usual = np.interp(height, (-1.0, 0.0, 1.0), (0.25, 0.75, 1.35))[..., None] * radiance.mean((0, 1))
    around = (0.5 * _calm(radiance) + 0.5 * _calm(usual)) * np.interp(height, (-1.0, 0.3), (0.5, 1.0))[..., None]
    sh = np.zeros((9, 3))
    for mirror in (1.0, -1.0):
        sh += np.einsum("rck,rcl,rc->kl", harmonics(directions * (1.0, 1.0, mirror)), around, solid)
    sh *= _COSINE[:, None] / np.pi
    tint = np.ones(3) if cast is None else np.maximum(cast, 1e-3)
    return Surroundings(
        up=up,
        key_dir=_key_direction(radiance, directions, up, shading),
        key_color=_key_color(radiance) * tint**_KEY_GREY,
        white=_white_level(radiance @ LUMINANCE, brightness),
        share=_key_share(radiance @ LUMINANCE, shading),
        sh=sh * tint**_AROUND_GREY,
    )


@cache
def _facing_the_camera() -> Float[ndarray, "n 3"]:
    """Return unit normals of surfaces that a camera sees well."""
    y, x = np.mgrid[-3:4, -3:4] * 0.3
    flat = np.stack([x, y], -1).reshape(-1, 2)
    flat = flat[(flat**2).sum(1) < 0.92]
    return np.concatenate([flat, -np.sqrt(1 - (flat**2).sum(1, keepdims=True))], 1)


def _calm(radiance: ndarray) -> ndarray:
    """Halve the colourfulness: surroundings are seen in their own colour, but light from all of them mixes."""
    grey = (radiance @ LUMINANCE)[..., None]
    return (1 - _AROUND_GREY) * radiance + _AROUND_GREY * grey


def _key_direction(radiance: ndarray, directions: ndarray, up: ndarray, shading: ndarray | None) -> ndarray:
    """Return the unit direction of the key: brightest upper part of the plate, or the person's own shading."""
    luminance = radiance @ LUMINANCE
    above = directions @ up > 0.05
    bright = above & (luminance >= np.quantile(luminance[above], 0.85))
    found = (directions * (luminance * bright)[..., None]).sum((0, 1))
    found /= max(float(np.linalg.norm(found)), 1e-9)
    found[2] = -0.6 * abs(found[2])  # photos are taken with the light behind the photographer more often than not
    if shading is not None:
        strength = float(np.linalg.norm(shading))
        found = found * 0.25 + shading / max(strength, 1e-9) * min(strength / 0.2, 1.0)
    height = float(found @ up)
    flat = found - height * up
    flat /= max(float(np.linalg.norm(flat)), 1e-9)
    height = float(np.clip(height / max(float(np.linalg.norm(found)), 1e-9), *KEY_ELEVATION))
    return flat * np.sqrt(1 - height**2) + up * height


def _turn(direction: ndarray, axis: ndarray, degrees: float) -> ndarray:
    angle = np.radians(degrees)
    turned = direction * np.cos(angle) + np.cross(axis, direction) * np.sin(angle)
    return turned + axis * (axis @ direction) * (1 - np.cos(angle))


def _white_level(luminance: ndarray, brightness: float | None) -> float:
    """Return the value of a well lit white surface: grey world, bright surfaces, and the removed person."""
    by_mean = float(luminance.mean()) / 0.15
    by_bright = float(np.quantile(luminance, 0.9)) / 0.65
    level = np.sqrt(max(by_mean, 1e-4) * max(by_bright, 1e-4))
    least = WHITE_LEVEL[0]
    if brightness is not None and brightness > 0:
        least = float(np.clip(max(level, brightness / 0.42), DARKEST, least))
        level = float(np.clip(level, least, WHITE_LEVEL[1]))
        uneven = _bright_above(luminance)
        own = 0.5 + UNEVEN_OWN * uneven
        level = level ** (1 - own) * max(brightness / 0.42, (0.6 - UNEVEN_LEAST * uneven) * level) ** own
    return float(np.clip(level, least, WHITE_LEVEL[1]))


def _bright_above(luminance: ndarray) -> float:
    """Return 0..1, how much brighter the upper part of a plate is than the lower one: under a bright sky it does not
    tell how a person before a dark field is lit."""
    split = round(0.42 * len(luminance))
    above, below = (max(float(part.mean()), 1e-6) for part in (luminance[:split], luminance[split:]))
    return float(np.clip(np.log(above / below) / 1.5, 0, 1))


def _key_share(luminance: ndarray, shading: ndarray | None) -> float:
    """Return the key's share. For light A + K max(n.l, 0) the mean slope over n relative to the mean is about
    (K / 2) / (A + K / 4), which the person's shading measures; else the plate's contrast stands in."""
    if shading is not None:
        slope = min(_DILUTION * float(np.linalg.norm(shading)), 1.3)
        ratio = slope / (0.5 - slope / 4)
        return float(np.clip(ratio / (1 + ratio), *KEY_SHARE))
    spread = float(np.log(luminance + 0.01).std())
    return float(np.clip(0.40 + 0.15 * spread, *KEY_SHARE))


def _key_color(radiance: ndarray) -> ndarray:
    """Return the key's colour with luminance 1: that of the plate's bright parts, three quarters grey."""
    luminance = radiance @ LUMINANCE
    bright = radiance[luminance >= np.quantile(luminance, 0.9)].mean(0)
    color = bright / max(float(bright @ LUMINANCE), 1e-6)
    return (1 - _KEY_GREY) * np.clip(color, 0.5, 1.6) + _KEY_GREY


def shading_direction(
    luminance: Float[ndarray, " n"], normals: Float[ndarray, "n 3"], parts: Integer[ndarray, " n"]
) -> Float[ndarray, "3"] | None:
    """Find from which side a photographed body is lit.

    Every part of the body has its own unknown reflectance (skin, cloth), so only the variation within a part
    counts: I / mean_part(I) - 1 = g . (n - mean_part(n)), solved by reweighted least squares with a weak prior.

    Args:
        luminance: linear, of pixels on the person. normals: unit, camera frame. parts: which part each pixel is of.

    Returns:
        g (3,): towards the light; its length is the relative slope. None where the pixels do not tell.
    """
    rows, targets = [], []
    for part in np.unique(parts):
        own = parts == part
        if own.sum() < 25:
            continue
        values = luminance[own] / max(float(np.median(luminance[own])), 1e-4)
        rows.append(normals[own] - normals[own].mean(0))
        targets.append(np.clip(values, 0.1, 3.0))
        targets[-1] = targets[-1] - targets[-1].mean()
    if sum(len(t) for t in targets) < 200:
        return None
    a, b = np.concatenate(rows).astype(np.float64), np.concatenate(targets).astype(np.float64)
    weight = np.ones(len(b))
    g = np.zeros(3)
    for _ in range(5):
        weighted = (a * weight[:, None]).T
        g = np.linalg.solve(weighted @ a + 0.01 * len(b) * np.eye(3), weighted @ b)
        weight = 1 / np.maximum(1.0, np.abs(b - a @ g) / 0.35)
    return g if np.linalg.norm(g) > 0.08 else None
