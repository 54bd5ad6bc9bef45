"""Whether a picture shows that a limb is missing: it is compared with the picture of the same person, intact."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

LEAST_STEP = 9.0
"""Grey levels (of the channel that differs most) at which two pictures differ, grain apart: what JPEG leaves of the
photo's own edges stays below it."""
GRAIN_SDS = 3.0
"""The same in standard deviations of the photo's grain, which lies elsewhere in the two pictures."""


def told_share(
    picture: UInt8[ndarray, "h w 3"],
    intact: UInt8[ndarray, "h w 3"],
    limb: Bool[ndarray, "h w"],
    sigma: Float[ndarray, "3"],
) -> float:
    """Return the share of the removed limb's pixels at which the pictures of amputee and intact twin differ.

    1: the whole limb is seen to be gone. 0: nobody can tell, as when a dark trouser leg stood before dark ground, or a
    skirt covers both.

    Args:
        picture, intact: 8-bit sRGB of the two. limb: where the intact picture shows what the amputee lacks.
        sigma: the photo's grain per channel, 8-bit (``compose.noise_sigma``).
    """
    if not limb.any():
        return 0.0
    rows, columns = np.flatnonzero(limb.any(1)), np.flatnonzero(limb.any(0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    calm = [cv2.blur(p[window].astype(np.float32), (3, 3)) for p in (picture, intact)]
    limits = np.maximum(LEAST_STEP, GRAIN_SDS * np.sqrt(2) / 3 * np.asarray(sigma, np.float64))
    differs = (np.abs(calm[0] - calm[1]) > limits).any(2)
    return float((differs & limb[window]).sum() / limb.sum())
