"""What a rotating LiDAR or a depth camera beside the demo's camera measures of its true surfaces.

Everything that the camera sees is in the way of the rays: ground, furniture, other people, clothes.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

from a3dgen.core.errors import ConfigError
from a3dgen.io.images import replace_file

CLOUDS = "clouds"
"""Folder of the clouds, beside the raw trees."""
LINES, STEP = np.radians(0.45), np.radians(0.2)
"""Of the rotating LiDAR: between its lines, and between the pulses of one line (64-beam sensors: 0.4 and 0.1-0.2)."""
LIDAR_SD, LIDAR_RANGE, LIDAR_DROPPED = 0.02, 100.0, 0.08
DEPTH_SD, DEPTH_RANGE, DEPTH_DROPPED = 0.0015, 8.0, 0.03
"""Of the depth camera: noise a metre squared (active stereo), range (m), share of pixels without a value."""
EDGE = 0.05
"""Depth steps by more than this share are edges, where depth cameras see nothing."""


def write_cloud(
    folder: Path, stem: str, kind: str, depth: Float[ndarray, "h w"], K: Float[ndarray, "3 3"], rng: Generator
) -> None:
    """Write what the sensor measured of one photo.

    Args:
        kind: ``lidar`` or ``depth``. depth: m along the optical axis of what every pixel shows. K: px.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "lidar":
        data = io.BytesIO()
        np.savez(data, points=lidar(depth, K, rng).astype(np.float32), sd=np.float32(LIDAR_SD), K=K)
        replace_file(folder / f"{stem}.npz", data.getvalue())
    elif kind == "depth":
        _, png = cv2.imencode(".png", depth_picture(depth, rng))
        replace_file(folder / f"{stem}.png", png.tobytes())
        replace_file(folder / f"{stem}.json", json.dumps({"K": K.tolist(), "depth_scale": 0.001}).encode())
    else:
        raise ConfigError(f"demo.lidar: off, lidar or depth, found '{kind}'")


def lidar(depth: Float[ndarray, "h w"], K: Float[ndarray, "3 3"], rng: Generator) -> Float[ndarray, "m 3"]:
    """Return the returns (M, 3) m of a LiDAR in the camera's place, camera frame, line by line."""
    h, w = depth.shape
    corners = np.linalg.solve(K, np.array([[0, w - 1, 0, w - 1], [0, 0, h - 1, h - 1], [1, 1, 1, 1.0]]))
    azimuth = np.arctan2(corners[0], corners[2])
    elevation = np.arctan2(corners[1], np.hypot(corners[0], corners[2]))
    lines = np.arange(elevation.min() + rng.uniform(0, LINES), elevation.max(), LINES)
    pulses = np.arange(azimuth.min() + rng.uniform(0, STEP), azimuth.max(), STEP)
    up, side = (a.ravel() for a in np.meshgrid(lines, pulses, indexing="ij"))
    rays = np.stack([np.cos(up) * np.sin(side), np.sin(up), np.cos(up) * np.cos(side)], 1)
    pixels = rays[:, :2] / rays[:, 2:] @ K[:2, :2].T + K[:2, 2]
    column, row = np.round(pixels).astype(int).T
    shown = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    rays, z = rays[shown], depth[row[shown], column[shown]]
    far = z / rays[:, 2]
    returned = (far < LIDAR_RANGE) & (rng.random(len(far)) >= LIDAR_DROPPED)
    return rays[returned] * (far + LIDAR_SD * rng.standard_normal(len(far)))[returned, None]


def depth_picture(depth: Float[ndarray, "h w"], rng: Generator) -> ndarray:
    """Return a 16-bit depth picture (mm, 0 = nothing) of a depth camera in the camera's place."""
    noisy = depth + DEPTH_SD * np.square(np.minimum(depth, DEPTH_RANGE)) * rng.standard_normal(depth.shape)
    low, high = (f(depth.astype(np.float32), np.ones((3, 3), np.uint8)) for f in (cv2.erode, cv2.dilate))
    nothing = (depth > DEPTH_RANGE) | (high - low > EDGE * depth) | (rng.random(depth.shape) < DEPTH_DROPPED)
    return np.where(nothing, 0, np.round(1000 * noisy)).clip(0, 65535).astype(np.uint16)
