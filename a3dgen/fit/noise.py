"""Standard deviations of labels: annotation noise and differences of joint definition."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.records import OCCLUDED
from a3dgen.geometry.skeleton import ANATOMICAL, NUM_BODY_ROWS

_EXTRA_PIXEL = {"hip": 1.8, "pelvis_mpii": 1.8, "thorax_mpii": 1.8, "neck_lsp": 1.6, "spine_h36m": 1.8, "shoulder": 1.3,
                "head_top_lsp": 1.5, "jaw_h36m": 1.5, "head_h36m": 1.5}  # fmt: skip
"""Factor of the noise of the extra rows: annotators mark hips, necks and heads by habits of their data set."""
_EXTRA_POINT = {"hip": 1.5, "pelvis_mpii": 1.5, "thorax_mpii": 2.0, "neck_lsp": 2.0, "spine_h36m": 2.0, "shoulder": 1.5,
                "jaw_h36m": 2.0, "head_h36m": 2.0, "head_top_lsp": 2.0}  # fmt: skip


def _factors(table: dict[str, float]) -> Float[ndarray, "44"]:
    out = np.ones(len(ANATOMICAL))
    for row in range(NUM_BODY_ROWS, len(ANATOMICAL)):
        name = ANATOMICAL[row]
        out[row] = table.get(name, table.get(name.split("_")[-1], 1.0))
    return out


PIXEL_FACTOR = _factors(_EXTRA_PIXEL)
POINT_FACTOR = _factors(_EXTRA_POINT)


def pixel_sd(
    noise: float,
    confidence: Float[ndarray, "44"],
    state: Integer[ndarray, "44"],
    used: Bool[ndarray, "44"],
    occluded: float,
) -> Float[ndarray, "44"]:
    """Return the standard deviation (px) of every row; inf where it is not used.

    Args:
        noise: of a plainly visible label, px. occluded: factor for rows in state ``OCCLUDED``.
        confidence: 0..1; the variance is divided by it.
    """
    sd = noise * PIXEL_FACTOR / np.sqrt(np.clip(np.where(used, confidence, 1.0), 0.05, 1.0))
    sd = np.where(state == OCCLUDED, occluded * sd, sd)
    return np.where(used, sd, np.inf)


def point_sd(noise: float, confidence: Float[ndarray, "44"], used: Bool[ndarray, "44"]) -> Float[ndarray, "44"]:
    """Return the standard deviation (m) of every 3D joint; inf where there is none. ``noise`` as in ``pixel_sd``, m."""
    sd = noise * POINT_FACTOR / np.sqrt(np.clip(np.where(used, confidence, 1.0), 0.05, 1.0))
    return np.where(used, sd, np.inf)
