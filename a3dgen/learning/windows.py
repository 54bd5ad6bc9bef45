"""What the lifter sees: windows of 25 points over time, in a camera turned to the person and scaled to its size."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.geometry.skeleton import ANATOMICAL, NUM_BODY_ROWS, ROW

WINDOW = 27
"""Frames of a window."""
FPS = 25.0
"""Frame rate of a window."""
POINTS = NUM_BODY_ROWS
"""Points of a frame: the rows of BODY_25."""
REGIONS = 12
CHANNELS = 3 * POINTS + 1 + REGIONS
"""Numbers of a frame: place and confidence of each point, log size, AJAHR regions known to be absent."""
LEAST_SIZE = 1e-3
LEAST_DEPTH = 0.2
"""Rays further than this from the window's axis (of its unit depth) are clipped."""

_TWINS = tuple(tuple(i for i, name in enumerate(ANATOMICAL) if name == ANATOMICAL[r]) for r in range(POINTS))
"""Row of BODY_25 -> rows of the 44 that show the same anatomical point, its own first."""
_BETWEEN = tuple(
    (ROW[f"body_{middle}"], ROW[f"body_left_{end}"], ROW[f"body_right_{end}"])
    for middle, end in (("neck", "shoulder"), ("mid_hip", "hip"))
)
"""Points that lie between two others where nobody labels them: (row, left, right)."""


def fill_between(points: Float[ndarray, "*b 25 2"], conf: Float[ndarray, "*b 25"]) -> None:
    """Set neck and mid hip, where they are missing and both sides are there, to the middle of shoulders and hips."""
    for row, left, right in _BETWEEN:
        lacking = (conf[..., row] <= 0) & (conf[..., left] > 0) & (conf[..., right] > 0)
        middle = (points[..., left, :] + points[..., right, :]) / 2
        points[..., row, :] = np.where(lacking[..., None], middle, points[..., row, :])
        conf[..., row] = np.where(lacking, np.minimum(conf[..., left], conf[..., right]), conf[..., row])


def body_points(
    pixels: Float[ndarray, "t 44 2"], conf: Float[ndarray, "t 44"]
) -> tuple[Float[ndarray, "t 25 2"], Float[ndarray, "t 25"]]:
    """Return the 25 points of BODY_25, from whichever of their rows is seen, and their confidence."""
    points, there = np.zeros((len(pixels), POINTS, 2)), np.zeros((len(pixels), POINTS))
    for r, rows in enumerate(_TWINS):
        for row in rows:
            take = (there[:, r] <= 0) & (conf[:, row] > 0)
            points[take, r], there[take, r] = pixels[take, row], conf[take, row]
    fill_between(points, there)
    return points, there


def rays(points: Float[ndarray, "t k 2"], K: Float[ndarray, "*t 3 3"]) -> Float[ndarray, "t k 2"]:
    """Return pixels as places on the plane at depth 1."""
    K = np.broadcast_to(K, (len(points), 3, 3))
    focal, centre = K[:, None, [0, 1], [0, 1]], K[:, None, :2, 2]
    return (points - centre) / focal


def window_frames(count: int, fps: float) -> tuple[Integer[ndarray, "t w"], Bool[ndarray, "t w"]]:
    """Return the frames of each frame's window, clipped to those there are, and whether each of them is there."""
    offset = np.round((np.arange(WINDOW) - WINDOW // 2) * fps / FPS).astype(np.int64)
    frames = np.arange(count)[:, None] + offset
    return np.clip(frames, 0, count - 1), (frames >= 0) & (frames < count)


def normalise(
    places: Float[ndarray, "b w 25 2"], conf: Float[ndarray, "b w 25"], removed: Bool[ndarray, "b 12"]
) -> tuple[Float[ndarray, "b w c"], Float[ndarray, "b 3 3"]]:
    """Return what the network reads, f4, and the turn of each window: camera to the camera that looks at the person.

    Args:
        places: on the plane at depth 1 (``rays``). conf: 0 = not seen; it counts as seen or not seen only.
    """
    seen = (conf > 0).astype(np.float64)
    mass = np.maximum(seen.sum((1, 2)), 1)
    centre = (places * seen[..., None]).sum((1, 2)) / mass[:, None]
    turn = look_at(centre)
    flat = np.concatenate([places, np.ones_like(places[..., :1])], -1)
    turned = turned_by(turn, flat)
    turned = turned[..., :2] / np.maximum(turned[..., 2:], LEAST_DEPTH)
    size = np.sqrt(((turned**2).sum(-1) * seen).sum((1, 2)) / mass)
    size = np.maximum(size, LEAST_SIZE)
    scaled = np.clip(turned / size[:, None, None, None], -5, 5) * seen[..., None]
    shape = (*places.shape[:2],)
    parts = (
        scaled.reshape(*shape, 2 * POINTS), seen, np.broadcast_to(np.log(size)[:, None, None], (*shape, 1)),
        np.broadcast_to(removed[:, None].astype(np.float64), (*shape, REGIONS)),
    )  # fmt: skip
    return np.concatenate(parts, -1).astype(np.float32), turn


def turned_by(turn: Float[ndarray, "b 3 3"], points: Float[ndarray, "b w k 3"]) -> Float[ndarray, "b w k 3"]:
    """Return the points of each window, turned."""
    return (points.reshape(len(points), -1, 3) @ np.swapaxes(turn, 1, 2)).reshape(points.shape)


def look_at(centre: Float[ndarray, "b 2"]) -> Float[ndarray, "b 3 3"]:
    """Return rotations that take a place on the plane at depth 1 to the axis, the image's x axis staying level."""
    z = np.concatenate([centre, np.ones((len(centre), 1))], 1)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    x = np.stack([z[:, 2], np.zeros(len(z)), -z[:, 0]], 1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], 1)
