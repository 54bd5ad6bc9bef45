"""Cameras of the demo in the world frame (X left, Y up, Z forward, metres)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Viewpoint:
    """A camera.

    Attributes:
        K: px. width, height: px. rotation: world to camera (OpenCV axes). centre: m, world.
        dist: OpenCV's k1 k2 p1 p2 k3.
    """

    K: Float[ndarray, "3 3"]
    width: int
    height: int
    rotation: Float[ndarray, "3 3"]
    centre: Float[ndarray, "3"]
    dist: Float[ndarray, "5"]

    def to_camera(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        """Return world points (m) in the camera frame."""
        return (points - self.centre) @ self.rotation.T

    def padded(self, margin: int) -> Viewpoint:
        """Return the pinhole camera whose picture is larger by ``margin`` px on every side."""
        K = self.K.copy()
        K[:2, 2] += margin
        size = (self.width + 2 * margin, self.height + 2 * margin)
        return Viewpoint(K, *size, self.rotation, self.centre, np.zeros(5))


def look_at(centre: Float[ndarray, "3"], target: Float[ndarray, "3"], roll: float = 0.0) -> Float[ndarray, "3 3"]:
    """Return the world-to-camera rotation of a camera at ``centre`` that looks at ``target``, rolled by rad."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, -s * right + c * down, forward])
