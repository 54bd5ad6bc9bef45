"""Restores the photo's grain where filling has averaged it away."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.channels import mean_of_channels

REACH = 30
"""The photo's noise is measured this near to the hole, px."""


def add_grain(
    rgb: UInt8[ndarray, "h w 3"],
    filled: UInt8[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    forbidden: Bool[ndarray, "h w"],
    rng: np.random.Generator,
) -> UInt8[ndarray, "h w 3"]:
    """Return a filled photo with the fine noise that averaging has taken away.

    Args:
        rgb: photo, whose noise is measured around the hole (robust spread of the high-pass residual).
        filled: the photo with its hole filled. hole: what was filled. forbidden: pixels that are no background.
        rng: draws the noise.
    """
    if not hole.any():
        return filled
    rows, columns = (slice(max(0, int(v[0]) - REACH - 6), int(v[-1]) + REACH + 7) for v in (
        np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))))  # fmt: skip
    part = np.s_[rows, columns]
    inside = hole[part]
    near = cv2.dilate(inside.astype(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)) > 0
    near &= ~(inside | forbidden[part])
    if near.sum() < 100:
        return filled
    photo, fill_in = _spread(rgb[part], near), _spread(filled[part], inside)
    missing = np.sqrt(max(photo**2 - fill_in**2, 0.0))
    # One field for all channels: grey photos stay grey.
    noise = cv2.GaussianBlur(rng.standard_normal(inside.shape, np.float32), (0, 0), 0.5)[inside] * 1.35
    out = filled.copy()
    noisy = out[part][inside] + (missing * noise[:, None] + 0.5)
    out[part][inside] = np.clip(noisy, 0, 255).astype(np.uint8)
    return out


def _spread(image: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"]) -> float:
    grey = mean_of_channels(image.astype(np.float32))
    residual = (grey - cv2.GaussianBlur(grey, (0, 0), 1.2))[where]
    return 1.4826 * float(np.median(np.abs(residual)))
