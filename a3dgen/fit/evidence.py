"""Inputs of the compiled objective: the pose prior, and the evidence of one person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

MIN_Z = 0.05
"""Depth (m) at which the projection of a point is clamped."""
NEAR = 0.3
"""A pelvis nearer than this (m) is not a solution."""
NEAR_COST = 1e6


CONTACT_ROBUST = 1.5
"""Geman-McClure scale of points above the ground, in sigmas: a lifted foot costs 1.1 at most."""


class PriorArrays(NamedTuple):
    """Pose prior in compiled form.

    Attributes:
        means: (K, 72) f4 gravity in the pelvis frame (3), then the 69 pose variables below the root.
        precisions: (K, 72, 72) f4. whiten: (K, 72, 72) f4 upper triangular, whiten whiten' = precisions.
        energies: (K,) what a component costs at its mean (least = 0).
        lower, upper: (69,) rad joint limits. stiffness: cost 0.5 * stiffness * excess**2.
    """

    means: ndarray
    precisions: ndarray
    whiten: ndarray
    energies: ndarray
    lower: ndarray
    upper: ndarray
    stiffness: float


class Views(NamedTuple):
    """The same instant in V further calibrated cameras: a point X of the first camera is R X + t there.

    Attributes:
        R: (V, 3, 3). t: (V, 3) m. cameras: (V, 4) fx, fy, cx, cy px.
        pixels: (V, 44, 2) undistorted px. pixel_weight: (V, 44) 1 / sigma px; 0 = not used.
    """

    R: ndarray
    t: ndarray
    cameras: ndarray
    pixels: ndarray
    pixel_weight: ndarray


def no_views() -> Views:
    """Return the views of a person seen by one camera alone."""
    return Views(np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 44, 2)), np.zeros((0, 44)))


class Evidence(NamedTuple):
    """What is known of one person.

    Attributes:
        pixels: (44, 2) undistorted px. pixel_weight: (44,) 1 / sigma px; 0 = not used.
        camera: (4,) fx, fy, cx, cy px.
        points: (44, 3) m in the camera frame. point_weight: (44,) 1 / sigma m; 0 = not used.
        robust: Geman-McClure scale, in sigmas.
        down: (3,) direction of gravity in the camera frame.
        anchor: (D,) expected variables. anchor_weight: (D,) 1 / variance; 0 = none.
        free: (D,) bool: the variable may move.
        prior_weight: factor of the pose prior.
        ground: (4,) direction of gravity g and level: g . X = level (m) on the ground, X in the camera frame.
        contact_weight: (44,) 1 / sigma m of how close to the ground a point is; 0 = not known to touch it.
        views: further cameras of the same instant.
    """

    pixels: ndarray
    pixel_weight: ndarray
    camera: ndarray
    points: ndarray
    point_weight: ndarray
    robust: float
    down: ndarray
    anchor: ndarray
    anchor_weight: ndarray
    free: ndarray
    prior_weight: float
    ground: ndarray
    contact_weight: ndarray
    views: Views
