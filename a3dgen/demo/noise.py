"""Deterministic noise for procedural textures: hashed value noise and its sums, as compiled functions."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from a3dgen.core.compiled import kernel

OCTAVES_2, OCTAVES_3, OCTAVES_4, OCTAVES_5 = (np.int64(n) for n in range(2, 6))
"""Numbers of octaves. For a plain 2, 3, 4 and 5 ``fractal`` is compiled once each."""


@kernel(inside=True)
@no_type_check
def hashed(x, y, z):
    """Return a pseudo-random number in [0, 1) for an integer lattice point (Wang-style integer hash)."""
    n = np.uint32(x) * np.uint32(374761393) + np.uint32(y) * np.uint32(668265263) + np.uint32(z) * np.uint32(2147483647)
    n = (n ^ (n >> np.uint32(13))) * np.uint32(1274126177)
    n = n ^ (n >> np.uint32(16))
    return np.float64(n & np.uint32(0xFFFFFF)) / 16777216.0


@kernel(inside=True)
@no_type_check
def value_noise(x, y, seed):
    """Return smooth noise in [0, 1] at a point of the plane; other seeds give other noise."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(seed)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    a = hashed(i, j, k) * (1 - fx) + hashed(i + 1, j, k) * fx
    b = hashed(i, j + 1, k) * (1 - fx) + hashed(i + 1, j + 1, k) * fx
    return a * (1 - fy) + b * fy


@kernel(inside=True)
@no_type_check
def fractal(x, y, seed, octaves):
    """Return fractal noise in [0, 1]: each octave twice as fine and half as strong."""
    total, gain, norm = 0.0, 1.0, 0.0
    for _ in range(octaves):
        total += gain * value_noise(x, y, seed)
        norm += gain
        gain *= 0.5
        x, y, seed = 2.03 * x + 17.1, 2.03 * y + 5.3, seed + 101
    return total / norm
