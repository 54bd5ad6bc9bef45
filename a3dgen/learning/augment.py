"""Pictures as cameras and messengers spoil them: size, JPEG, blur, colour; limbs cut by the border or hidden."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.detectors.blazepose import Square

SHIFT, ZOOM, TURN = 0.04, 0.1, 0.12
"""Standard deviations of the square's place (its sides), size (relative) and angle (rad)."""


def jittered(square: Square, rng: np.random.Generator) -> Square:
    """Return a square that is a little off."""
    x, y = np.array(square.centre) + rng.normal(0, SHIFT, 2) * square.size
    zoom = float(np.exp(np.clip(rng.normal(0, ZOOM), -0.25, 0.25)))
    return replace(
        square, centre=(float(x), float(y)), size=square.size * zoom, angle=square.angle + float(rng.normal(0, TURN))
    )


def spoiled(part: UInt8[ndarray, "s s 3"], rng: np.random.Generator) -> UInt8[ndarray, "s s 3"]:
    """Return pixels with other light and colours, often smaller, blurred, noisy or compressed."""
    side = len(part)
    gains = np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.05, 3))
    out = np.clip(255 * (part / 255.0) ** np.exp(rng.normal(0, 0.15)) * gains, 0, 255)
    if rng.random() < 0.5:
        small = int(side * rng.uniform(0.3, 0.9))
        out = cv2.resize(cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    if rng.random() < 0.3:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.3:
        out = out + rng.normal(0, rng.uniform(1, 8), out.shape)
    result = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, data = cv2.imencode(".jpg", result[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        result = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return result


def hidden(
    part: UInt8[ndarray, "s s 3"], start: Float[ndarray, "2"], end: Float[ndarray, "2"], rng: np.random.Generator
) -> UInt8[ndarray, "s s 3"]:
    """Return pixels with something pasted over a piece of a limb: another piece of the picture, or a plain thing.

    Args:
        part: the square. start, end: px, the piece of the limb to hide.
    """
    side = len(part)
    middle, length = (start + end) / 2, float(np.linalg.norm(end - start))
    axes = (max(0.75 * length, 12.0), max(rng.uniform(0.4, 0.8) * length, 12.0))
    angle = float(np.degrees(np.arctan2(*(end - start)[::-1])))
    mask = np.zeros((side, side), np.float32)
    box = cv2.boxPoints(((float(middle[0]), float(middle[1])), (2 * axes[0], 2 * axes[1]), angle))
    if rng.random() < 0.5:
        cv2.fillConvexPoly(mask, np.rint(box).astype(np.int32), 1.0)
    else:
        centre = (int(middle[0]), int(middle[1]))
        cv2.ellipse(mask, centre, (int(axes[0] * 1.1), int(axes[1] * 1.1)), angle, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None]
    if rng.random() < 0.5:
        shift = rng.integers(side // 4, 3 * side // 4, 2)
        thing = np.roll(part, tuple(shift), (0, 1)).astype(np.float32)
    else:
        thing = rng.uniform(20, 235, 3) + rng.normal(0, 6, part.shape)
    return np.clip(np.rint(part * (1 - mask) + thing * mask), 0, 255).astype(np.uint8)


def cut_off(part: UInt8[ndarray, "s s 3"], point: Float[ndarray, "2"], axis: int) -> UInt8[ndarray, "s s 3"]:
    """Return pixels of a picture that ends at a point: beyond, its last row or column is repeated.

    Args:
        part: the square. point: px. axis: 0 = the picture ends at a column, towards the nearer side; 1 = at a row.
    """
    at = int(np.clip(round(float(point[axis])), 8, len(part) - 9))
    out = part.copy() if axis else part.transpose(1, 0, 2).copy()
    if at > len(part) // 2:
        out[at + 1 :] = out[at]
    else:
        out[:at] = out[at]
    return out if axis else np.ascontiguousarray(out.transpose(1, 0, 2))
