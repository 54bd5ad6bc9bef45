"""Body measurements written as labels: standing height, segment lengths, residual-limb length and circumference."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.amputation.cap import perimeter
from a3dgen.geometry.body import BodyData, rest_joints
from a3dgen.geometry.regions import REGIONS, Region


def standing_height(body: BodyData, betas: Float[ndarray, " k"]) -> float:
    """Return the intact body's height in the T-pose, sole to crown, m."""
    k = len(betas)
    level = body.mesh.vertices[:, 1] + body.mesh.shape_dirs[:, 1, :k] @ np.asarray(betas, np.float32)
    return float(np.ptp(level))


def segment_lengths(body: BodyData, betas: Float[ndarray, " k"]) -> Float[ndarray, "12"]:
    """Return the intact length (m) of each region's carrying segment, joint centre to joint centre."""
    joints = rest_joints(body, np.asarray(betas, np.float64))
    start, end = np.array([r.segment for r in REGIONS]).T
    return np.linalg.norm(joints[end] - joints[start], axis=1)


def stump_length(joints_rest: Float[ndarray, "24 3"], region: Region, tip: Float[ndarray, "3"]) -> float:
    """Return how far (m) a stump's tip lies along the bone from the joint that carries it; 0 over the torso.

    It is ``residual`` times the segment's length at betas = 0; under other shapes the skin, and the tip with it, may
    stretch otherwise than the bone, and what counts is where the tip is.
    """
    if not region.cuttable:
        return 0.0
    start, end = joints_rest[list(region.segment)]
    return float((tip - start) @ (end - start) / np.linalg.norm(end - start))


def circumference(ring: Float[ndarray, "l 3"]) -> float:
    """Return the circumference (m) of a stump at its cut; 0 for a collapsed limb, which has no cut."""
    return perimeter(ring) if len(ring) else 0.0
