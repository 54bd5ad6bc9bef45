"""Restores the photo's grain where filling has averaged it away."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.channels import mean_of_channels


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
    near = cv2.dilate(hole.astype(np.uint8), np.ones((61, 61), np.uint8)) > 0
    near &= ~(hole | forbidden)
    if near.sum() < 100:
        return filled
    photo, fill_in = _spread(rgb, near), _spread(filled, hole)
    missing = np.sqrt(max(photo**2 - fill_in**2, 0.0))
    noise = rng.standard_normal(hole.shape).astype(np.float32)  # one field for all channels: grey photos stay grey
    noise = cv2.GaussianBlur(noise, (0, 0), 0.5) * 1.35
    noisy = filled.astype(np.float32) + 0.5
    noisy[hole] += missing * noise[hole][:, None]
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _spread(image: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"]) -> float:
    grey = mean_of_channels(image.astype(np.float32))
    residual = (grey - cv2.GaussianBlur(grey, (0, 0), 1.2))[where]
    return 1.4826 * float(np.median(np.abs(residual)))
