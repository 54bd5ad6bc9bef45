"""How far the body's own surface may lie in front of a joint: visibility radii, measured in the rest pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS
from a3dgen.geometry.skeleton import JOINT, LANDMARK_ROWS, NUM_JOINTS, NUM_ROWS, PARENTS

LANDMARK_M = 0.015
"""A landmark is visible if the nearest surface is at most this far before it, m."""

CLOTH_M = 0.12
"""Cloth over a stump stands off its tip by at most this, m."""

_WIDE = 80
_MAX_UNDER_SKIN_M = 0.03
TRUNK = [JOINT[n] for n in ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "left_collar", "right_collar")]
"""Parts of the trunk."""


def _near_parts() -> ndarray:
    """(24, 24) bool: parts that may cover a joint's centre: itself and its tree neighbours; as the trunk's parts are
    thin slices, also the neighbours' neighbours for a joint of the trunk, and those on the trunk for any joint."""
    step = np.eye(NUM_JOINTS, dtype=int)
    for j in range(1, NUM_JOINTS):
        step[j, PARENTS[j]] = step[PARENTS[j], j] = 1
    near, two_steps = step > 0, step @ step > 0
    near[TRUNK] = two_steps[TRUNK]
    near[:, TRUNK] |= two_steps[:, TRUNK]
    return near


NEAR_PARTS = _near_parts()


@dataclass(frozen=True)
class Reach:
    """How far before a point of the body its own surface may lie.

    Attributes:
        joints: (24,) local radii at the joints, m. segments: (12,) of the segments that carry the regions' stumps.
        landmarks: (44,) allowance of the landmark rows, m: 15 mm, and as much as the model puts the row under its skin.
    """

    joints: Float[ndarray, "24"]
    segments: Float[ndarray, "12"]
    landmarks: Float[ndarray, "44"]


_REACHES = Cache(4)


def visibility_reach(body: BodyData) -> Reach:
    """Return the allowances of one body model, measured in its rest pose (once a process)."""
    return _REACHES.get(body.mesh, "reach", lambda: _measured(body))


def _measured(body: BodyData) -> Reach:
    rest = pose_body(body, np.zeros((NUM_JOINTS, 3)), np.zeros(body.num_betas), np.zeros(3))
    seen = np.unique(body.mesh.faces[~body.mesh.hidden])
    skin = rest.vertices(body.mesh, np.zeros(body.num_betas))[seen].astype(np.float64)
    under = np.zeros(NUM_ROWS)
    for row in LANDMARK_ROWS:
        under[row] = np.linalg.norm(skin - rest.keypoints[row], axis=1).min()
    joints = joint_radii(body)
    return Reach(joints, segment_radii(body, joints), LANDMARK_M + np.minimum(under, _MAX_UNDER_SKIN_M))


def segment_radii(body: BodyData, joints: Float[ndarray, "24"]) -> Float[ndarray, "12"]:
    """Return how thick the carrying segments are, m: the 80th percentile of the distance of the part's vertices to the
    bone; over the torso, and where it is more, the radius at the joint."""
    at, owner = body.joints_template, body.mesh.owner
    out = np.zeros(NUM_REGIONS)
    for r in REGIONS:
        start, end = r.segment
        out[r.index] = joints[start]
        offset = body.mesh.vertices[owner == start] - at[start]
        if r.cuttable and len(offset):
            bone = at[end] - at[start]
            across = offset - np.outer(offset @ bone / (bone @ bone), bone)
            out[r.index] = max(joints[start], float(np.percentile(np.linalg.norm(across, axis=1), _WIDE)))
    return out


def joint_radii(body: BodyData) -> Float[ndarray, "24"]:
    """Return for each joint the typical distance (m) from its centre to the skin around it, at betas = 0.

    It is the 80th percentile of the distances of the own and neighbouring parts' vertices in a 4 cm slab across the
    bone: near the wide half-axis of the trunk, which is what stands before a joint seen from the side.
    """
    mesh, at = body.mesh, body.joints_template
    seen = np.unique(mesh.faces[~mesh.hidden])
    vertices, owner = mesh.vertices[seen].astype(np.float64), mesh.weights[seen].argmax(1)
    out = np.zeros(NUM_JOINTS)
    for j in range(NUM_JOINTS):
        children = np.flatnonzero(j == PARENTS)
        other = children[0] if len(children) else PARENTS[j]
        axis = at[other] - at[j]
        axis = axis / np.linalg.norm(axis)
        offset = vertices - at[j]
        rise = offset @ axis
        across = np.linalg.norm(offset - np.outer(rise, axis), axis=1)
        slab = (np.abs(rise) < 0.02) & NEAR_PARTS[j][owner] & (across < 0.3)
        out[j] = np.percentile(across[slab], _WIDE) if slab.any() else np.linalg.norm(offset, axis=1).min()
    return out
