"""Where the photo breaks off at the edge of a filling: a rail that ends in grass, half a chair, hair around no head.

Colours are compared across the edge, a little inside with a little outside. A step counts if it is larger than the
steps that the photo itself has there, farther out: leaves and fences are full of them.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.removal.mask_ops import around, dilate

# Hand-set on the real sample frames (docs/plates.md).
ACROSS, LEAST_ACROSS = 0.015, 2.0
"""How far on both sides of the edge colours are read, share of the height; at least so many px."""
SMOOTH, LEAST_SMOOTH = 0.006, 0.8
"""Finer texture than this share of the height is not compared; px."""
STEP = 30.0
"""A step counts from here on, grey levels (of the channel that differs most) ..."""
NEXT, USUAL = 1.2, 1.6
"""... and if it exceeds the next step outwards so many times, and the mean step around by so much."""
MARGIN = 10.0
"""By so many grey levels."""
COARSE = 4.0
"""So many px are enough for the reach of a smooth mean, which is worked out at reduced size."""
AROUND = 0.06
"""What the photo's steps usually are is asked this near, share of the height."""


def broken_off(
    plate: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"], stay: Bool[ndarray, "h w"], height: float
) -> Bool[ndarray, "h w"]:
    """Return the places, as wide as they are looked at, where the filling does not go on as the photo does beside it.

    Args:
        plate: the photo, filled. hole: what was filled. stay: people and things beside or before the hole, whose edges
            are real. height: of the person, px.
    """
    if not hole.any() or hole.all():
        return np.zeros_like(hole)
    far = max(LEAST_ACROSS, ACROSS * height)
    part = around(hole, int(4 * far + 2 * AROUND * height) + 8)
    out = np.zeros_like(hole)
    out[part] = _broken(plate[part], hole[part], stay[part], height, far)
    return out


def _broken(plate: ndarray, hole: ndarray, stay: ndarray, height: float, far: float) -> Bool[ndarray, "h w"]:
    """Return ``broken_off`` of a crop; ``far``: how far from the edge colours are read, px."""
    inside, outside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (hole, ~hole))
    edge, ring = hole & (inside <= 1.5), (outside > 2 * far) & (outside <= 2 * far + 2) & ~stay
    if not edge.any():
        return np.zeros_like(hole)
    look = _Across(plate, stay, _outwards(outside - inside, far), far, height)
    y, x = np.nonzero(edge)
    step, known = look.steps(y, x, 1, -1)
    beyond, compared = look.steps(y, x, 1, 3)
    usual = look.usual(ring, hole.shape)[y, x]
    most = np.maximum(NEXT * np.where(compared, beyond, 0), USUAL * usual) + MARGIN
    found = np.zeros_like(hole)
    broken = known & (step > np.maximum(most, STEP))
    found[y[broken], x[broken]] = True
    return dilate(found, far)


def _outwards(away: Float[ndarray, "h w"], far: float) -> Float[ndarray, "2 h w"]:
    """Return the unit vectors (x, y) across the edge, from a smooth signed distance."""
    smooth = cv2.GaussianBlur(away, (0, 0), max(1.0, far / 2))
    across = np.stack([cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)])
    return across / np.maximum(np.linalg.norm(across, axis=0), 1e-6)


class _Across:
    """Colours read along the normals of the edge."""

    def __init__(self, plate: ndarray, stay: ndarray, normal: ndarray, far: float, height: float) -> None:
        self.calm = cv2.GaussianBlur(plate.astype(np.float32), (0, 0), max(LEAST_SMOOTH, SMOOTH * height))
        self.stay, self.normal, self.far, self.near = stay, normal, far, AROUND * height

    def steps(self, y: ndarray, x: ndarray, first: int, second: int) -> tuple[ndarray, ndarray]:
        """Return the differences (n,) of colours at two distances from pixels, and whether both lie on free photo."""
        h, w = self.stay.shape
        colours, free = [], np.ones(len(y), bool)
        for k in (first, second):
            across, down = np.rint(self.far * k * self.normal[:, y, x]).astype(int)
            at = np.clip(y + down, 0, h - 1), np.clip(x + across, 0, w - 1)
            free &= (at[0] == y + down) & (at[1] == x + across) & ~self.stay[at]
            colours.append(self.calm[at])
        return np.abs(colours[0] - colours[1]).max(-1), free

    def usual(self, ring: ndarray, shape: tuple[int, ...]) -> Float[ndarray, "h w"]:
        """Return the mean step of the photo around every pixel, read on a ring outside the hole."""
        total, count = np.zeros((2, *shape), np.float32)
        y, x = np.nonzero(ring)
        if len(y):
            step, known = self.steps(y, x, 1, -1)
            total[y[known], x[known]], count[y[known], x[known]] = step[known], 1
        coarse = max(1, int(self.near / COARSE))
        size = (-(-shape[1] // coarse), -(-shape[0] // coarse))
        sums = [cv2.resize(m, size, interpolation=cv2.INTER_AREA) for m in (total, count)]
        total, count = (cv2.GaussianBlur(m, (0, 0), max(1.0, self.near / coarse)) for m in sums)
        return cv2.resize(total / np.maximum(count, 1e-4 / coarse**2), shape[::-1], interpolation=cv2.INTER_LINEAR)
