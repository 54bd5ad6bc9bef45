"""Shading of the end of the residual limb: light over its round form, creases and cuffs of cloth, a scar on skin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.erasure.stump_frame import StumpFrame
from a3dgen.erasure.stump_outline import PINNED, ROLLED, EndGrid, EndOutline
from a3dgen.erasure.subject import LUMINANCE, Subject
from a3dgen.geometry.limbs import smoothstep

CUFF = 0.5
"""Height of a rolled cuff, shares of the limb's half width."""


def shading(
    subject: Subject, grid: EndGrid, frame: StumpFrame, outline: EndOutline, u: ndarray, u_source: ndarray
) -> Float[ndarray, "h w"]:
    """Return by how much the end is lit differently from where its colours come from.

    Luminance across the limb is fitted (ridge) by 1, u and sqrt(1 - u^2) at the limb itself; along it the whole body's
    shading tells.
    """
    side, round_ = 0.0, 0.35
    lum = subject.linear[grid.crop] @ LUMINANCE
    across = (grid.s - outline.centre) / np.maximum(outline.width, 1e-3)
    fit = grid.here & (np.abs(across) < 0.92)
    n = int(fit.sum())
    if n > 30:
        y = np.clip(lum[fit] / max(float(np.median(lum[fit])), 1e-4), 0.2, 2.5)
        a = np.stack([np.ones(n), across[fit], np.sqrt(1 - across[fit] ** 2) - 0.785], 1)
        prior = np.array([0, 0.05, 0.25]) * n
        k = np.linalg.solve(a.T @ a + np.diag(prior), a.T @ y + np.array([0, 0, 0.25 * 0.3]) * n)
        side, round_ = float(np.clip(k[1], -0.6, 0.6)), float(np.clip(k[2], 0.15, 0.9))
    if subject.light is not None:
        distal = float(np.clip(subject.light[:2] @ frame.along, -0.35, 0.35))
    else:
        distal = float(np.clip(-0.2 * frame.along[1], -0.2, 0.2))
    z, e = outline.share, outline.exponent
    slope = np.where(z < 1, z ** (e - 1) / max(frame.height, 1e-6), 0)
    base = np.clip(outline.radius, 1e-3, 1) ** (e - 1) / max(frame.half, 1e-3)
    flank = np.where(grid.t > 0, base / np.hypot(base, slope), 1.0)
    end = np.sqrt(np.clip(1 - flank**2, 0, 1))
    facing = flank * np.sqrt(1 - u**2)
    source = np.clip(u_source, -1, 1)
    facing_source = np.sqrt(1 - np.clip(source, -0.97, 0.97) ** 2)
    here = 1 + side * flank * u + round_ * (facing - 0.785) + distal * end
    gain = here / np.maximum(1 + side * source + round_ * (facing_source - 0.785), 0.25)
    return np.where(grid.t > 0, np.clip(gain, 0.4, 1.3), 1)


def creases(grid: EndGrid, frame: StumpFrame, cover: str, rng: np.random.Generator) -> Float[ndarray, "h w"]:
    """Creases of cloth gathered at the end; for pinned cloth the edge of a fold across, for rolled cloth its cuff."""
    t, s, half = grid.t, grid.s - frame.middle, frame.half
    if cover == ROLLED:
        return _cuff(t - (frame.height - CUFF * half), CUFF * half, rng.uniform(0.85, 1.0))
    angle = np.arctan2(s, np.maximum(1.8 * half - (t - frame.height + 1.2 * half), 0.2 * half))
    fade = smoothstep((t + 1.2 * half) / (1.4 * half))
    out = np.ones_like(t)
    for _ in range(3):
        wave = rng.uniform(10, 18) * angle + rng.uniform(0, 6.3) + 0.5 * np.sin(t / max(half, 1))
        out *= 1 + 0.10 * fade * np.sin(wave)
    if cover == PINNED:
        edge = (t + 0.15 * half) / max(0.05 * half, 0.8)
        out *= 1 - 0.35 * np.exp(-0.5 * edge**2)
        out *= np.where(edge > 0, 1 + 0.05 * np.exp(-np.maximum(edge, 0) / 6), 1)
    return out


def _cuff(above: ndarray, high: float, bright: float) -> Float[ndarray, "h w"]:
    """Return the shading of a roll of cloth: round like a cylinder laid across, with a dark seam where it begins."""
    v = np.clip(2 * above / max(high, 1e-3) - 1, -1, 1)
    roll = 0.72 + 0.33 * bright * np.sqrt(1 - 0.9 * v**2)
    seam = 1 - 0.4 * np.exp(-0.5 * (above / max(0.06 * high, 0.8)) ** 2)
    return np.where(above > 0, roll, 1.0) * seam


def scar(grid: EndGrid, frame: StumpFrame, outline: EndOutline, rng: np.random.Generator) -> Float[ndarray, "h w 3"]:
    """Return the tint of a bare end: a scar line across it and redder skin."""
    s, tall = grid.s - frame.middle, frame.height
    line = 0.72 * tall + 0.10 * tall * np.sin(3 * s / frame.half + rng.uniform(0, 6))
    scar = np.exp(-0.5 * ((grid.t - line) / max(0.035 * frame.half, 0.7)) ** 2)
    scar = scar * (np.abs(s) < 0.62 * outline.half) * (grid.t > 0)
    red = 0.14 * smoothstep(grid.t / tall)[..., None] * np.array([-0.15, 0.55, 0.45])
    return (1 - scar[..., None] * np.array([0.10, 0.26, 0.24])) * (1 - red)
