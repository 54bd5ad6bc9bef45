"""The ground that a fitted body rests on: both feet, or feet and hands, touch it, if gravity allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import ConvexHull, QhullError

from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.shadow import Ground, estimate_ground

REST, STEP = np.radians(12.0), np.radians(6.0)
"""The ground is tilted by less than the first to meet three places that nearly touch it, by the second to lie under two
feet: so much is unsure of gravity and fit."""
STANDS = 0.12
"""A foot whose sole is so much higher than the lowest point (m) is lifted."""
APART = 0.15
"""Feet closer than this (m) say nothing about a slope."""
_HEAVY = [JOINT[n] for n in ("pelvis", "spine1", "spine2", "spine3", "neck", "left_hip", "right_hip")]
_EVERY = 3
"""Every so many vertices are enough to find a face of the hull."""


def ground_below(
    vertices: Float[ndarray, "v 3"],
    joints: Float[ndarray, "24 3"],
    up: Float[ndarray, "3"],
    feet: Sequence[Float[ndarray, "_ 3"]],
) -> Ground:
    """Return the plane that supports a body, as close to level as gravity is known.

    Fits and gravity are some degrees wrong, so that a foot hangs above a plane across the gravity given. Of the planes
    that touch the body from below, the one is taken that touches it at most places and is not tilted too far: a body at
    rest touches the ground at three points at least, around the place below its centre of mass (a face of its convex
    hull); who walks touches it with both feet (an edge); who stands on one leg or falls, at one point.

    Args:
        vertices, joints: camera frame, m. up: unit vector against gravity. feet: vertices of each (intact) foot, m.
    """
    up = np.asarray(up, np.float64)
    face = _face(vertices, joints, up)
    if face is not None:
        return estimate_ground(vertices, face)
    level = estimate_ground(vertices, up)
    return _edge(level, feet) or level


def _face(vertices: ndarray, joints: ndarray, up: ndarray) -> Float[ndarray, "3"] | None:
    """Return the normal of the hull's face below the centre of mass, if it is nearly level."""
    try:
        hull = ConvexHull(np.asarray(vertices[::_EVERY], np.float64))
    except QhullError:
        return None  # flat, or no body at all
    normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
    centre = np.asarray(joints, np.float64)[_HEAVY].mean(0)
    falls = normals @ -up
    below = falls > 1e-6
    path = np.full(len(falls), np.inf)
    path[below] = -(normals[below] @ centre + offsets[below]) / falls[below]
    face = -normals[int(np.argmin(path))]
    return face if float(face @ up) > np.cos(REST) else None


def _edge(ground: Ground, feet: Sequence[ndarray]) -> Ground | None:
    """Return the plane turned as little as it takes, and by no more than ``STEP``, to lie under both feet; None if they
    are not both near it."""
    soles = []
    for foot in feet:
        heights = foot.astype(np.float64) @ ground.up
        soles.append(foot[heights <= np.partition(heights, 6)[6]].astype(np.float64).mean(0))
    step = soles[1] - soles[0]
    rise, apart = float(step @ ground.up), float(np.linalg.norm(step))
    if max(float(sole @ ground.up) for sole in soles) - ground.level > STANDS or apart < APART:
        return None
    along = step / apart
    tilt = float(np.arcsin(np.clip(rise / apart, -1, 1)))
    up = ground.up - np.sin(np.clip(tilt, -STEP, STEP)) * along
    up /= np.linalg.norm(up)
    level = min(float(sole @ up) for sole in soles)
    return Ground(up, level, ground.foot - up * (ground.foot @ up - level))
