"""Where the end of the residual limb is drawn: a crop in the limb's own coordinates, and a superellipse in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.stump_frame import StumpFrame, soft_edge
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.limbs import smoothstep

BARE, CLOTH, PINNED, ROLLED, HANGING = "bare", "cloth", "pinned", "rolled", "hanging"
EXPONENT = {BARE: 2.1, CLOTH: 2.3, PINNED: 5.0, ROLLED: 6.0}
"""Superellipse exponent of the outline by what covers the end."""


@dataclass(frozen=True)
class EndGrid:
    """A crop, (t, s) of its pixels, where it is reworked, the limb's pixels before the cut, and how far back."""

    crop: tuple[slice, slice]
    t: ndarray
    s: ndarray
    zone: ndarray
    here: ndarray
    own: ndarray
    back: float

    @classmethod
    def of(cls, subject: Subject, limb: LimbPixels, frame: StumpFrame, reach: float = 0.0) -> EndGrid:
        """``reach``: how far around the cut there must be room, px."""
        h, w = subject.outline.shape
        reach = max(reach, 2.6 * frame.height + 2.5 * frame.half + 6)
        x0, y0 = (int(np.clip(frame.origin[k] - reach, 0, (w, h)[k] - 1)) for k in (0, 1))
        x1, y1 = (int(np.clip(frame.origin[k] + reach + 1, 1, (w, h)[k])) for k in (0, 1))
        crop = (slice(y0, max(y1, y0 + 1)), slice(x0, max(x1, x0 + 1)))
        t, s = frame.coordinates(subject.outline[crop].shape, (x0, y0))
        back = 1.6 * frame.half
        zone = (t > -back - 2) & (t < 2.6 * frame.height + 2.5 * frame.half)
        zone &= np.abs(s - frame.middle) < 2.2 * frame.half + 4
        own = subject.fine[crop] & (limb.level[crop] > -0.5)
        here = own & (t > -back) & (t < 0) & (np.abs(s - frame.middle) < 2 * frame.half)
        return cls(crop, t, s, zone, here, own, back)


@dataclass(frozen=True)
class EndOutline:
    """Half width and centre of the new limb at every pixel, opacity, share of the height, level (0 in the middle of the
    end, 1 at its outline), arc length along it."""

    exponent: float
    width: ndarray
    centre: ndarray
    half: ndarray
    radius: ndarray
    share: ndarray
    alpha: ndarray
    level: ndarray
    arc: ndarray
    arc_at: ndarray

    @classmethod
    def of(cls, grid: EndGrid, frame: StumpFrame, exponent: float) -> EndOutline:
        t, s, tall = grid.t, grid.s, frame.height
        width, centre = frame.at(t)
        width = np.where(t > 0, frame.half, width)
        settled = centre + (frame.middle - centre) * smoothstep(t / frame.half + 1)
        centre = np.where(t > 0, frame.middle, np.where(t > -frame.half, settled, centre))
        share = np.clip(t / tall, 0, 1)
        radius = (1 - share**exponent) ** (1 / exponent)
        past = np.clip(t, 0, None) / tall
        level = (np.abs((s - centre) / np.maximum(width, 1e-3)) ** exponent + past**exponent) ** (1 / exponent)
        gy, gx = np.gradient(level) if min(level.shape) > 1 else (np.ones_like(level),) * 2
        inside = np.where(
            t > 0, (1 - level) / np.maximum(np.hypot(gx, gy), 1e-4), width - np.abs(s - centre)
        )  # signed distance to the outline, px
        alpha = soft_edge(inside) * grid.zone * (t > 0)
        z = np.linspace(0, 1, 200)
        r = (1 - z**exponent) ** (1 / exponent)
        arc = np.concatenate([[0], np.cumsum(np.hypot(np.diff(z) * tall, np.diff(r) * frame.half))])
        half = width * np.where(t > 0, radius, 1)
        return cls(exponent, width, centre, half, radius, share, alpha, level, arc, np.interp(share, z, arc))
