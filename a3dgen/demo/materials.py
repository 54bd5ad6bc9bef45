"""Surfaces of the demo's scenes: albedo as a function of place, compiled.

Every material takes a point (m) in the surface's own plane, ``u`` along, ``v`` up or away, and the distance from the
camera, beyond which fine detail fades (it would only flicker).
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from a3dgen.core.compiled import kernel
from a3dgen.demo.noise import OCTAVES_2, OCTAVES_3, OCTAVES_4, fractal, hashed, value_noise

NAMES = (
    "plaster", "planks", "tiles", "grass", "asphalt", "brick", "carpet", "facade", "sand", "wood", "cloth", "poster",
    "glow", "foliage", "paving", "backdrop",
)  # fmt: skip
PLASTER, PLANKS, TILES, GRASS, ASPHALT, BRICK, CARPET, FACADE = range(8)
SAND, WOOD, CLOTH, POSTER, GLOW, FOLIAGE, PAVING, BACKDROP = range(8, 16)


@kernel(inside=True)
@no_type_check
def _line(value, period, width):
    """Return 1 near multiples of ``period``, else 0."""
    phase = value / period - np.floor(value / period)
    return 1.0 if phase * period < width else 0.0


@kernel(inside=True)
@no_type_check
def shade_factor(kind, u, v, seed, far):
    """Return (brightness, redness): albedo = colour x brightness, red and blue shifted by -+ redness.

    Args:
        kind: number of the material. u, v: place, m. seed: of the object. far: distance from the camera, m.
    """
    fine = 1.0 / (1.0 + (far / 14.0) ** 2)
    s = int(seed) * 7
    if kind == PLASTER:
        return 0.94 + 0.08 * fractal(1.3 * u, 1.3 * v, s, OCTAVES_3) + fine * 0.05 * (
            value_noise(60 * u, 60 * v, s) - 0.5
        ), 0.0
    if kind == PLANKS:
        row = np.floor(u / 0.13)
        shift = hashed(int(row), np.int64(3), int(seed)) * 1.7
        piece = np.floor((v + shift) / 1.25)
        tone = 0.78 + 0.34 * hashed(int(row), int(piece), int(seed) + 11)
        grain = fractal(55 * u, 3 * v + 9 * row, s, OCTAVES_3)
        gap = max(_line(u, 0.13, 0.004), _line(v + shift, 1.25, 0.004)) * (0.35 + 0.65 * fine)
        return tone * (0.82 + 0.36 * grain) * (1 - 0.6 * gap), 0.02 * (grain - 0.5)
    if kind == TILES:
        tone = 0.92 + 0.1 * hashed(int(np.floor(u / 0.33)), int(np.floor(v / 0.33)), int(seed))
        joint = max(_line(u, 0.33, 0.008), _line(v, 0.33, 0.008)) * (0.3 + 0.7 * fine)
        return tone * (0.95 + 0.1 * fractal(9 * u, 9 * v, s, OCTAVES_3)) * (1 - 0.35 * joint), 0.0
    if kind == GRASS:
        patch = fractal(0.35 * u, 0.35 * v, s, OCTAVES_3)
        blades = fractal(38 * u, 22 * v, s, OCTAVES_3) if far < 30 else 0.5
        bare = max(0.0, fractal(0.8 * u, 0.8 * v, s + 4, OCTAVES_4) - 0.62) * 2.6
        return 0.62 + 0.5 * patch + (0.25 + 0.75 * fine) * 0.9 * (blades - 0.5), 0.02 + 0.05 * (
            patch - 0.5
        ) + 0.5 * bare
    if kind == ASPHALT:
        grit = hashed(int(np.floor(170 * u)), int(np.floor(170 * v)), int(seed)) - 0.5
        crack = abs(fractal(0.9 * u, 0.9 * v, s, OCTAVES_4) - 0.5)
        dark = 0.35 * max(0.0, 1 - crack / 0.006) * fine
        return 0.82 + 0.32 * fractal(0.7 * u, 0.7 * v, s + 2, OCTAVES_4) + fine * 0.3 * grit - dark, 0.0
    if kind == BRICK:
        row = np.floor(v / 0.075)
        along = u + 0.11 * (row % 2)
        joint = max(_line(v, 0.075, 0.010), _line(along, 0.22, 0.010)) * (0.3 + 0.7 * fine)
        tone = 0.75 + 0.5 * hashed(int(np.floor(along / 0.22)), int(row), int(seed))
        return tone * (0.85 + 0.3 * fractal(20 * u, 20 * v, s, OCTAVES_2)) * (1 - joint) + 1.25 * joint, -0.09 * joint
    if kind == CARPET:
        tuft = hashed(int(np.floor(130 * u)), int(np.floor(130 * v)), int(seed)) - 0.5
        return 0.9 + 0.2 * fractal(2 * u, 2 * v, s, OCTAVES_3) + fine * 0.25 * tuft, 0.0
    if kind == FACADE:
        a, b = u / 2.4 - np.floor(u / 2.4), v / 3.0 - np.floor(v / 3.0)
        if 0.27 < a < 0.73 and 0.3 < b < 0.8:
            frame = a < 0.29 or a > 0.71 or b < 0.33 or b > 0.77 or abs(a - 0.5) < 0.012
            pane = 0.18 + 0.5 * hashed(int(np.floor(u / 2.4)), int(np.floor(v / 3.0)), int(seed)) * b
            return 1.15 if frame else pane, 0.0 if frame else -0.06
        return 0.85 + 0.25 * fractal(0.8 * u, 0.8 * v, s, OCTAVES_4) - 0.12 * _line(v, 3.0, 0.12), 0.0
    if kind == SAND:
        ripple = fractal(1.5 * u, 6 * v, s, OCTAVES_3)
        return 0.8 + 0.25 * ripple + fine * 0.35 * (fractal(45 * u, 45 * v, s, OCTAVES_2) - 0.5), 0.0
    if kind == WOOD:
        grain = fractal(3 * u, 40 * v, s, OCTAVES_4)
        return 0.7 + 0.55 * grain, 0.03 * (grain - 0.5)
    if kind == CLOTH:
        weave = 0.5 * (np.sin(240 * u) * np.sin(240 * v)) * fine
        return 0.85 + 0.25 * fractal(5 * u, 5 * v, s, OCTAVES_3) + 0.1 * weave, 0.0
    if kind == POSTER:
        big = fractal(2.5 * u, 2.5 * v, s, OCTAVES_2)
        band = np.floor(5 * big) / 5
        return 0.35 + 1.1 * band, 0.35 * (fractal(1.5 * u, 1.5 * v, s + 3, OCTAVES_2) - 0.5)
    if kind == FOLIAGE:
        return 0.35 + 1.2 * fractal(9 * u, 9 * v, s, OCTAVES_3), 0.05 * (value_noise(2 * u, 2 * v, s) - 0.5)
    if kind == PAVING:
        row = np.floor(v / 0.4)
        along = u + 0.3 * (row % 2)
        joint = max(_line(v, 0.4, 0.012), _line(along, 0.6, 0.012)) * (0.3 + 0.7 * fine)
        tone = 0.85 + 0.25 * hashed(int(np.floor(along / 0.6)), int(row), int(seed))
        return tone * (0.9 + 0.25 * fractal(6 * u, 6 * v, s, OCTAVES_3)) * (1 - 0.45 * joint), 0.0
    return 1.0 + 0.03 * (fractal(0.8 * u, 0.8 * v, s, OCTAVES_3) - 0.5), 0.0
