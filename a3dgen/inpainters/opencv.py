"""OpenCV's diffusion fills: fast and always possible, but smooth."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError
from a3dgen.inpainters import Inpainter

RADIUS = 4.0
"""Neighbourhood of a filled pixel, px."""
_FLAGS = {"": cv2.INPAINT_TELEA, "telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}


def create(path: str = "") -> Inpainter:
    """Return the inpainter; ``path`` chooses the method, ``telea`` (default) or ``ns`` (Navier-Stokes).

    Raises:
        ConfigError: if the method is neither.
    """
    if path not in _FLAGS:
        raise ConfigError(f"inpainter 'opencv': unknown method '{path}'; valid: telea, ns")
    flag = _FLAGS[path]

    def fill(
        rgb: UInt8[ndarray, "h w 3"],
        hole: Bool[ndarray, "h w"],
        forbidden: Bool[ndarray, "h w"],
        rng: np.random.Generator,
    ) -> UInt8[ndarray, "h w 3"]:
        # Diffusion starts at the hole's rim, so people touching it would smear into it: they are filled with it
        # (and put back afterwards) wherever they border on the hole.
        touching = forbidden & _near(hole, forbidden)
        filled = cv2.inpaint(np.ascontiguousarray(rgb), (hole | touching).astype(np.uint8), RADIUS, flag)
        return np.where(hole[..., None], filled, rgb)

    return fill


def _near(hole: Bool[ndarray, "h w"], forbidden: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    reach = 2 * int(RADIUS) + 5
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return cv2.dilate(hole.astype(np.uint8), kernel) > 0
