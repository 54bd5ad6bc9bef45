"""Body measurements that go with a sample as labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.body import BodyData, rest_joints
from a3dgen.geometry.cap import perimeter
from a3dgen.geometry.regions import REGIONS


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


def stump_lengths(
    segment: Float[ndarray, "12"], removed: ndarray, residual: Float[ndarray, "12"]
) -> Float[ndarray, "12"]:
    """Return the length (m) from the carrying segment's joint to the stump's tip; 0 where there is no such stump."""
    carried = np.array([r.cuttable for r in REGIONS]) & removed
    return np.where(carried, segment * residual, 0.0)


def girth(ring: Float[ndarray, "l 3"]) -> float:
    """Return the circumference (m) of a stump at its cut; 0 for a collapsed limb, which has no cut."""
    return perimeter(ring) if len(ring) else 0.0
