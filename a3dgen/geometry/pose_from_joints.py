"""Rotations of joints from their places alone: bones turn to where they point, turns about them stay unsaid."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.skeleton import NUM_JOINTS, PARENTS


def pose_from_joints(joints: Float[ndarray, "t 24 3"], rest: Float[ndarray, "24 3"]) -> Float[ndarray, "t 24 3 3"]:
    """Return parent-relative rotations that turn the bones of a body at rest to those seen, from the root outwards.

    A joint of several children takes the rotation that suits them best in least squares (Kabsch, Acta Cryst. 1976); one
    of a single child the smallest turn; the last ones none. Lengths of bones do not matter.

    Args:
        joints: m, any origin. rest: m, of the body whose rotations are meant.
    """
    count = len(joints)
    world, out = np.empty((2, count, NUM_JOINTS, 3, 3))
    for joint in range(NUM_JOINTS):
        above = world[:, PARENTS[joint]] if joint else np.broadcast_to(np.eye(3), (count, 3, 3))
        children = np.flatnonzero(joint == PARENTS)
        bones = _unit(rest[children] - rest[joint])
        seen = _unit((joints[:, children] - joints[:, joint, None]) @ above)  # in the parent's frame
        out[:, joint] = _turn(np.broadcast_to(bones, seen.shape), seen)
        world[:, joint] = above @ out[:, joint]
    return out


def _turn(bones: Float[ndarray, "t c 3"], seen: Float[ndarray, "t c 3"]) -> Float[ndarray, "t 3 3"]:
    """Return the rotations that take directions to others."""
    if not bones.shape[1]:
        return np.broadcast_to(np.eye(3), (len(bones), 3, 3))
    if bones.shape[1] == 1:
        return _smallest(bones[:, 0], seen[:, 0])
    u, _, v = np.linalg.svd(np.einsum("tci,tcj->tij", seen, bones))
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[:, None]
    return u @ v


def _smallest(a: Float[ndarray, "t 3"], b: Float[ndarray, "t 3"]) -> Float[ndarray, "t 3 3"]:
    """Return the smallest rotations from unit vectors to others, opposite ones too: two half turns."""
    middle = a + b
    length = np.linalg.norm(middle, axis=1, keepdims=True)
    aside = np.cross(a, np.eye(3)[np.abs(a).argmin(1)])
    middle = np.where(length > 1e-8, middle / np.maximum(length, 1e-8), _unit(aside))
    flip = 2 * middle[:, :, None] * middle[:, None] - np.eye(3)  # half a turn about the middle
    own = 2 * a[:, :, None] * a[:, None] - np.eye(3)
    return flip @ own


def _unit(v: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
