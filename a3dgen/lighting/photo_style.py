"""How a photo was developed and focused: its tones if it has no colours, and how far it spreads an edge.

What is drawn into a photo gets the same: a grey person in a grey photo, a soft person in a soft one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.lighting.byte_statistics import luminance_level, percentile, thinned
from a3dgen.lighting.srgb import LUMINANCE, decode, encode

MONOCHROME_STEPS = 3.4
"""A photo has no colours if its pixels lie this near (rms, 8-bit steps) to one colour for each luminance: JPEG's own
rounding of chroma leaves 0 to 2.9 steps in toned photos; the dullest of 16 real colour frames has 4.1."""
VIVID_STEPS, VIVID_SHARE = 24.0, 0.002
"""Nor if more than this share of its pixels lies this far from it (8-bit steps): a small person in a room without
colours. JPEG's rounding leaves 0.0005 at most (quality 30); a person of 2 % of a grey room 0.0054."""
USUAL_BRIGHT = 180.0
"""90th percentile of the luminance (8-bit) of a photo of usual exposure."""
_REBLUR = 1.5
"""Standard deviation of the blur by which edges are tested, px."""
_EDGE_STEPS = 6.0
"""Least gradient of an edge that is measured, 8-bit steps a pixel."""
_SHARPEST = 25
"""Percentile of the edges' spread that counts: many edges in a photo are soft by themselves."""
DRAWN_SPREAD = 0.56
"""Spread of antialiased edges as renderers draw them, px, measured by ``edge_spread``; real frames have 0.05 to 1.0."""
LEAST_BLUR = 0.35
"""Blur that can be seen, px; a lesser one is left out."""
MAX_SPREAD = 4.0


@dataclass(frozen=True)
class PhotoStyle:
    """How a photo renders colours and edges.

    Attributes:
        tones: (256, 3) 8-bit sRGB colour of each luminance in a photo without colours, or None.
        blur: standard deviation (px) of the blur that makes drawn edges as soft as the photo's, 0 where they are.
    """

    tones: Float[ndarray, "256 3"] | None = None
    blur: float = 0.0

    def soften(self, rgba: Float[ndarray, "h w 4"]) -> Float[ndarray, "h w 4"]:
        """Return premultiplied linear pixels with edges as soft as the photo's."""
        return cv2.GaussianBlur(rgba, (0, 0), self.blur) if self.blur > 0 else rgba

    def tint(self, rgba: Float[ndarray, "h w 4"]) -> Float[ndarray, "h w 4"]:
        """Return premultiplied linear pixels in the photo's tones."""
        if self.tones is None:
            return rgba
        alpha = rgba[..., 3:]
        linear = np.clip(rgba[..., :3] @ LUMINANCE.astype(np.float32) / np.maximum(alpha[..., 0], 1e-4), 0, 1)
        level = np.clip(encode(linear), 0, 255)
        low = np.minimum(level.astype(np.int64), 254)
        mixed = self.tones[low] + (level - low)[..., None] * (self.tones[low + 1] - self.tones[low])
        return np.concatenate([decode(mixed).astype(np.float32) * alpha, alpha], -1)


def monochrome_tones(photo: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "256 3"] | None:
    """Return the colour (8-bit sRGB, fractional) of each luminance of a grey or toned photo; None if it has colours."""
    pixels = thinned(photo)
    level = luminance_level(pixels)
    count = np.bincount(level, minlength=256)
    channels = np.ascontiguousarray(pixels.T)
    means = np.stack([np.bincount(level, channel, 256) for channel in channels], 1) / np.maximum(count, 1)[:, None]
    bright = min(percentile(count, 90.0) / USUAL_BRIGHT, 1.0)  # colours of a dark photo are few steps apart
    off = np.stack([np.abs(channel - means[:, c][level]) for c, channel in enumerate(channels)])
    vivid = float((off > VIVID_STEPS * bright).any(0).mean()) > VIVID_SHARE
    if vivid or np.sqrt((off**2).mean()) > MONOCHROME_STEPS * bright or np.ptp(level) < 24:
        return None  # colours, or too dark or flat to tell
    known = np.flatnonzero(count >= max(4, len(pixels) // 20_000))
    grey = np.arange(256.0)
    shift = [np.interp(grey, known, means[known, c] - known) for c in range(3)]
    return np.clip(grey[:, None] + np.stack(shift, 1), 0, 255)


def edge_spread(photo: UInt8[ndarray, "h w 3"], near: Bool[ndarray, "h w"]) -> float | None:
    """Return the standard deviation (px) of the blur of the sharpest edges in a region, or None if it has no edges.

    An edge blurred by s and again by r loses gradient by the factor sqrt(1 + r^2 / s^2) (Zhuo and Sim, Pattern
    Recognition 2011).
    """
    y, x = np.nonzero(near)
    if not len(y):
        return None
    rows, columns = (slice(max(v.min() - 8, 0), v.max() + 9) for v in (y, x))
    grey = cv2.cvtColor(photo[rows, columns], cv2.COLOR_RGB2GRAY).astype(np.float32)
    inside = near[rows, columns]
    fine, coarse = (_gradient(g) for g in (grey, cv2.GaussianBlur(grey, (0, 0), _REBLUR)))
    peak = cv2.dilate(fine, np.ones((3, 3), np.uint8))
    edge = inside & (fine >= _EDGE_STEPS) & (fine >= peak - 1e-6) & (coarse > 0)
    if edge.sum() < 40:
        return None
    strong = edge & (fine >= np.quantile(fine[edge], 0.5))
    ratio = np.maximum(fine[strong] / coarse[strong], 1.0001)
    spread = _REBLUR / np.sqrt(ratio**2 - 1)
    return float(min(np.percentile(spread, _SHARPEST), MAX_SPREAD))


def _gradient(grey: ndarray) -> ndarray:
    """Length of the central difference, steps a pixel."""
    return np.hypot(cv2.Sobel(grey, -1, 1, 0, ksize=1), cv2.Sobel(grey, -1, 0, 1, ksize=1)) / 2


def read_style(photo: UInt8[ndarray, "h w 3"], spread: float | None) -> PhotoStyle:
    """Return the style of a photo.

    Args:
        photo: as taken, with the person. spread: ``edge_spread`` of the person and a little around them.
    """
    extra = 0.0 if spread is None else np.sqrt(max(spread**2 - DRAWN_SPREAD**2, 0.0))
    return PhotoStyle(monochrome_tones(photo), float(extra) if extra >= LEAST_BLUR else 0.0)
