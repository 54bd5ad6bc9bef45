"""Procedural, tileable fabrics: one tile is 0.32 m; sRGB with the height of the weave and of creases in alpha."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from numpy.random import Generator
from scipy import fft

from a3dgen.core.compiled import kernel
from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.pool import Pool
from a3dgen.core.rng import generator_for
from a3dgen.core.shelf import Shelf
from a3dgen.lighting.srgb import ENCODE, to_linear
from a3dgen.renderers.tiled import TiledTexture

SIZE = 512
TILE = 0.32
"""Width and height of one tile on the cloth, m."""

Pattern = tuple[UInt8[ndarray, "s s 2"], Float[ndarray, "s s"], UInt8[ndarray, "s s"]]
"""Shares of the second and third colour in 1/255 (the first has the rest), shade factor f2, height (128 = flat)."""


def periodic_noise(rng: Generator, slope: float, cut: int | None = None) -> Float[ndarray, "s s"]:
    """Return tileable noise (SIZE, SIZE) of unit variance: spectrum k**-slope, low-pass at ``cut`` cycles."""
    k = _wavenumbers()[2]
    spectrum = k**-slope
    spectrum[0, 0] = 0
    if cut:
        spectrum = spectrum * np.exp(-((k / cut) ** 2))
    out = _filtered(rng.standard_normal((SIZE, SIZE)), spectrum)
    return (out / out.std()).astype(np.float32)


def _filtered(image: Float[ndarray, "s s"], spectrum: Float[ndarray, "s h"]) -> Float[ndarray, "s s"]:
    """Multiply the spectrum of an image by a real one that is the same at k and -k: its half is given."""
    return fft.irfft2(fft.rfft2(image) * spectrum, s=image.shape)


@lru_cache(1)
def _wavenumbers() -> tuple[ndarray, ndarray, ndarray]:
    f = np.fft.fftfreq(SIZE) * SIZE
    kx, ky = np.meshgrid(np.abs(f[: SIZE // 2 + 1]), f)  # the last column's sign does not matter
    k = np.hypot(kx, ky)
    k[0, 0] = 1
    return kx, ky, k


@lru_cache(1)
def _grid() -> tuple[Float[ndarray, "s s"], Float[ndarray, "s s"]]:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    return x, y


@lru_cache(4)
def creases(seed: int) -> Float[ndarray, "s s"]:
    """Return tileable creases (SIZE, SIZE), about -2..2: long ridges at a few angles, as in worn cloth."""
    rng = generator_for(seed, "creases")
    kx, ky, _ = _wavenumbers()
    height = np.zeros((SIZE, SIZE), np.float32)
    for angle, weight in ((0.85, 1.0), (-0.62, 0.8), (0.15, 0.45)):
        c, s = np.cos(angle), np.sin(angle)
        k = np.hypot((kx * c + ky * s) * 2.8, -kx * s + ky * c) + 1e-6
        window = np.exp(-((k / 5.0) ** 2)) * (1 - np.exp(-((k / 1.2) ** 2))) / k
        ridge = _filtered(rng.standard_normal((SIZE, SIZE)), window)
        height -= weight * np.abs(ridge / ridge.std()).astype(np.float32) ** 0.7
    margin = 16
    blurred = cv2.GaussianBlur(np.pad(height, margin, mode="wrap"), (0, 0), 4.0)[margin:-margin, margin:-margin]
    return (blurred - blurred.mean()) / blurred.std()


def _shares(second: ndarray | float = 0.0, third: ndarray | float = 0.0) -> Float[ndarray, "s s 3"]:
    """Colour shares from masks painted in order: the third over the second over the first."""
    out = np.zeros((SIZE, SIZE, 3), np.float32)
    out[..., 2] = third
    out[..., 1] = second * (1 - out[..., 2])
    out[..., 0] = 1 - out[..., 1] - out[..., 2]
    return out


def _box(wave: ndarray, low: float, high: float, soft: float = 0.02) -> Float[ndarray, "s s"]:
    """Soft indicator of low < wave mod 1 < high."""
    w = wave % 1
    return np.clip((w - low) / soft + 0.5, 0, 1) * np.clip((high - w) / soft + 0.5, 0, 1)


def _plain(rng: Generator) -> tuple:
    return _shares(), 0.0, 0.0


def _heather(rng: Generator) -> tuple:
    return _shares(), 0.10 * periodic_noise(rng, 0.35, 90), 0.0


def _stripes(rng: Generator) -> tuple:
    _, y = _grid()
    count = int(rng.choice([4, 6, 9]))
    duty = float(rng.choice([0.5, 0.3, 0.15]))
    thin = _box(y * count + 0.25, 0.5, 0.56) if rng.random() < 0.3 else 0.0
    return _shares(_box(y * count, 0.02, 0.02 + duty, 0.02), thin), 0.0, 0.0


def _pinstripes(rng: Generator) -> tuple:
    x, _ = _grid()
    return _shares(0.75 * _box(x * int(rng.choice([10, 16, 22])), 0.02, 0.14, 0.06)), 0.0, 0.0


def _plaid(rng: Generator) -> tuple:
    x, y = _grid()
    n = int(rng.choice([2, 3, 4]))
    wide = 0.5 * (_box(x * n, 0.05, 0.5) + _box(y * n, 0.05, 0.5))
    fine = np.maximum(_box(x * n, 0.73, 0.79), _box(y * n, 0.73, 0.79))
    twill = 0.05 * np.sin(2 * np.pi * (x + y) * 64)
    return _shares(wide, 0.75 * fine), twill, 0.0


def _denim(rng: Generator) -> tuple:
    x, y = _grid()
    twill = np.sin(2 * np.pi * (x + y) * 90)
    shade = 0.09 * twill + 0.09 * periodic_noise(rng, 0.2, 120) + 0.09 * periodic_noise(rng, 1.3)
    return _shares(), shade, 0.25 * twill


def _knit(rng: Generator) -> tuple:
    x, y = _grid()
    loops = np.sin(2 * np.pi * x * 40) * np.cos(2 * np.pi * (y * 52 + 0.25 * np.sin(2 * np.pi * x * 40)))
    return _shares(), 0.12 * loops, 0.4 * loops


def _camouflage(rng: Generator) -> tuple:
    a, b = periodic_noise(rng, 2.2, 24), periodic_noise(rng, 2.2, 24)
    return _shares(np.clip((a - 0.45) * 12, 0, 1), np.clip((b - 0.6) * 12, 0, 1)), 0.0, 0.0


def _floral(rng: Generator) -> tuple:
    masks = np.zeros((2, SIZE, SIZE), np.float32)
    for i in range(46):
        cx, cy, phase = rng.random(3)
        radius = 0.018 + 0.03 * rng.random()
        rows = np.arange(int((cy - radius) * SIZE) - 1, int((cy + radius) * SIZE) + 2)
        cols = np.arange(int((cx - radius) * SIZE) - 1, int((cx + radius) * SIZE) + 2)
        dy, dx = np.meshgrid(rows / SIZE - cy, cols / SIZE - cx, indexing="ij")
        petals = radius * (0.72 + 0.28 * np.cos(5 * np.arctan2(dy, dx) + 6.3 * phase))
        distance = np.hypot(dx, dy)
        where = np.ix_(rows % SIZE, cols % SIZE)
        masks[i % 2][where] = np.maximum(masks[i % 2][where], np.clip((petals - distance) * SIZE / 2, 0, 1))
        heart = np.clip((0.25 * radius - distance) * SIZE / 2, 0, 1)
        masks[1 - i % 2][where] = np.maximum(masks[1 - i % 2][where], heart)
    return _shares(masks[0], masks[1]), 0.0, 0.0


def _sports(rng: Generator) -> tuple:
    x, y = _grid()
    zigzag = np.abs((x * 2) % 1 - 0.5)
    style = int(rng.integers(3))
    if style == 0:  # chevrons
        second, third = _box(y + 0.5 * zigzag, 0.3, 0.52, 0.01), _box(y + 0.5 * zigzag, 0.56, 0.62, 0.01)
    elif style == 1:  # slanted panels
        second, third = _box(x + y, 0.1, 0.45, 0.01), _box(x + y, 0.5, 0.56, 0.01)
    else:  # mesh with bands
        second, third = _box(y, 0.2, 0.42, 0.01), _box(y, 0.46, 0.5, 0.01)
    mesh = np.maximum(np.sin(2 * np.pi * x * 64) * np.sin(2 * np.pi * y * 64), 0)
    return _shares(second, third), -0.10 * mesh, -0.4 * mesh


_MAKERS = {
    "plain": _plain, "heather": _heather, "stripes": _stripes, "pinstripes": _pinstripes, "plaid": _plaid,
    "denim": _denim, "knit": _knit, "camouflage": _camouflage, "floral": _floral, "sports": _sports,
}  # fmt: skip


def _maker(kind: str) -> Callable[[Generator], tuple]:
    if kind not in _MAKERS:
        raise ConfigError(f"unknown fabric '{kind}'{nearest(kind, _MAKERS)}")
    return _MAKERS[kind]


_PATTERNS: Pool[Pattern] = Pool(8)
_SHELF: Shelf[Pattern] = Shelf("fabrics", __file__)


def pattern(kind: str, seed: int) -> Pattern:
    """Return the colour-free part of a fabric, from the pool or its shelf.

    Raises:
        ConfigError: for an unknown kind.
    """
    return _PATTERNS.get((kind, seed), lambda: _SHELF.get(f"{kind} {seed}", lambda: _weave(kind, seed)))


def _weave(kind: str, seed: int) -> Pattern:
    rng = generator_for(seed, "fabric", kind)
    shares, shade, height = _maker(kind)(rng)
    fibre = rng.standard_normal((SIZE, SIZE)).astype(np.float32)
    folds = creases(seed % 4)
    shade = shade + 0.05 * periodic_noise(rng, 1.5) + 0.03 * fibre + 0.025 * folds
    height = height + 0.08 * fibre + 0.8 * folds
    return (
        np.round(255 * shares[..., 1:]).astype(np.uint8),
        np.exp(shade).astype(np.float16),
        np.clip(128 + 22 * height, 0, 255).astype(np.uint8),
    )


@lru_cache(1)
def _halves() -> Float[ndarray, "n"]:
    """Return every 16-bit float as f4, by its bits."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


@kernel
def _dye(
    shares: ndarray, shade: ndarray, halves: ndarray, height: ndarray, table: ndarray, encode: ndarray, out: ndarray
) -> None:
    """Colour a pattern; ``shade`` holds the bits of positive 16-bit floats, whose values are in ``halves``."""
    low, high = shade.min(), shade.max()
    first = np.empty((int(high) - int(low) + 1, 3), np.uint8)  # the first colour alone: by far the most texels
    for i in range(len(first)):
        for k in range(3):
            v = np.float64(table[0, k]) * np.float64(halves[int(low) + i])
            first[i, k] = encode[int(min(max(v, 0.0), 1.0) * 4095.0 + 0.5)]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x, 3] = height[y, x]
            if shares[y, x, 0] == 0 and shares[y, x, 1] == 0:
                i = int(shade[y, x]) - int(low)
                for k in range(3):
                    out[y, x, k] = first[i, k]
                continue
            b, c = shares[y, x, 0] / 255.0, shares[y, x, 1] / 255.0
            for k in range(3):
                v = ((1.0 - b - c) * table[0, k] + b * table[1, k] + c * table[2, k]) * halves[shade[y, x]]
                out[y, x, k] = encode[int(min(max(v, 0.0), 1.0) * 4095.0 + 0.5)]


def fabric(kind: str, colours: Sequence[Sequence[int]], seed: int) -> TiledTexture:
    """Return one tile (512, 512, 4), dyed once it is seen: sRGB, and height in alpha (128 = flat).

    Args:
        kind: one of ``looks.FABRICS``.
        colours: up to three sRGB colours 0..255; missing ones repeat the first.
        seed: variant of the pattern.

    Raises:
        ConfigError: for an unknown kind.
    """
    _maker(kind)

    def paint(tiles: Bool[ndarray, "t t"], out: UInt8[ndarray, "s s 4"]) -> None:
        dye(kind, colours, seed, slice(0, SIZE), out)

    return TiledTexture(SIZE, SIZE, paint)


def dye(kind: str, colours: Sequence[Sequence[int]], seed: int, rows: slice, out: UInt8[ndarray, "n s 4"]) -> None:
    """Write some rows of a fabric's tile; see ``fabric``."""
    shares, shade, height = pattern(kind, seed)
    table = np.stack([to_linear(colours[i] if i < len(colours) else colours[0]) for i in range(3)])
    _dye(shares[rows], shade[rows].view(np.uint16), _halves(), height[rows], table, ENCODE, out)
