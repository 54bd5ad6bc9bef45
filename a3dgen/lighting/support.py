"""The ground that a fitted body rests on: both feet, or feet and hands, touch it, if gravity allows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import ConvexHull, QhullError

from a3dgen.geometry.skeleton import JOINT

TILT = np.radians(12.0)
"""The ground is tilted by less than this to meet what nearly touches it: so much is unsure of gravity and fit."""
_HEAVY = [JOINT[n] for n in ("pelvis", "spine1", "spine2", "spine3", "neck", "left_hip", "right_hip")]
_EVERY = 3
"""Every so many vertices are enough to find a face of the hull."""


def resting_up(
    vertices: Float[ndarray, "v 3"], joints: Float[ndarray, "24 3"], up: Float[ndarray, "3"]
) -> Float[ndarray, "3"]:
    """Return the direction against gravity by which a body rests on the ground, near the one given.

    A body at rest touches the ground below its centre of mass, at three points at least: a face of its convex hull.
    Fits and gravity are some degrees wrong, so that one foot hangs above the ground. Who stands on one leg, walks or
    falls rests on no such face, and keeps the direction given.

    Args:
        vertices, joints: camera frame, m. up: unit vector.
    """
    up = np.asarray(up, np.float64)
    try:
        hull = ConvexHull(np.asarray(vertices[::_EVERY], np.float64))
    except QhullError:
        return up  # flat, or no body at all
    normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
    centre = np.asarray(joints, np.float64)[_HEAVY].mean(0)
    falls = normals @ -up
    below = falls > 1e-6
    path = np.full(len(falls), np.inf)
    path[below] = -(normals[below] @ centre + offsets[below]) / falls[below]
    face = -normals[int(np.argmin(path))]
    return face if float(face @ up) > np.cos(TILT) else up
