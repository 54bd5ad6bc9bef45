"""Limb coordinate of rest-pose vertices: 0 at the root joint, 1 at elbow or knee, 2 at wrist or ankle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import IS_BELOW, JOINT

LIMB_JOINTS: dict[str, tuple[int, int, int]] = {
    f"{side}_{limb}": tuple(JOINT[f"{side}_{name}"] for name in names)  # type: ignore[misc]
    for side in ("left", "right")
    for limb, names in (("arm", ("shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle")))
}
"""Limb -> (root, mid, end) joint."""

OFF_LIMB = -1.0
"""Coordinate of every vertex that does not belong to the limb."""

_TORSO_SIDE = {"arm": ("collar", ("spine3",)), "leg": ("hip", ("pelvis", "spine1"))}
_MEMBER_WEIGHT = 0.02
_ROOT_TILT = {"arm": 0.35, "leg": 0.9}
"""Slope of the level surfaces at the root: through the axilla and over the acromion, through the groin and below the
iliac crest. A plane across the bone would cut into the torso there."""
_TILT_END = 0.5
"""The tilt fades out at this share of the first segment."""
_BEND_START = 0.7
"""From this share of a segment on, level surfaces turn towards the plane that halves the angle at the mid joint."""


def smoothstep(x: ndarray) -> ndarray:
    """Return 3x^2 - 2x^3 with x clamped to 0..1."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _unit(v: ndarray) -> ndarray:
    return v / np.linalg.norm(v)


def _towards_torso(joints: ndarray, limb: str, along: ndarray) -> ndarray:
    """Unit vector across the first segment that points to the axilla or to the other leg."""
    side, kind = limb.split("_")
    if kind == "arm":
        target = joints[JOINT["pelvis"]] - joints[JOINT["spine3"]]
    else:
        other = "right" if side == "left" else "left"
        target = joints[JOINT[f"{other}_hip"]] - joints[JOINT[f"{side}_hip"]]
    return _unit(target - (target @ along) * along)


def limb_position(
    points: Float[ndarray, "v 3"], joints_template: Float[ndarray, "24 3"], limb: str
) -> Float[ndarray, " v"]:
    """Return the limb coordinate of any rest-pose points (m), without asking whether they lie on the limb.

    0 at the root joint, 1 at the mid joint, 2 at the end joint, continuous, linear along both bones and increasing
    along them. Near the root the level surfaces are tilted (see ``_ROOT_TILT``), at the mid joint they halve the bend.
    """
    root, mid, end = (joints_template[j] for j in LIMB_JOINTS[limb])
    upper, lower = np.linalg.norm(mid - root), np.linalg.norm(end - mid)
    d1, d2 = (mid - root) / upper, (end - mid) / lower
    across = _unit(d1 + d2)
    from_mid = np.asarray(points, np.float64) - mid
    u, v1, v2 = from_mid @ across, from_mid @ d1, from_mid @ d2

    # normals turn from the bone's direction to the halving plane's; dividing keeps the bone itself linear
    turn1 = smoothstep((1 + v1 / upper - _BEND_START) / (1 - _BEND_START))
    turn2 = smoothstep((1 - v2 / lower - _BEND_START) / (1 - _BEND_START))
    proximal = 1 + (v1 + turn1 * (u - v1)) / (upper * (1 + turn1 * (d1 @ across - 1)))
    distal = 1 + (v2 + turn2 * (u - v2)) / (lower * (1 + turn2 * (d2 @ across - 1)))

    inward = (points - root) @ _towards_torso(joints_template, limb, d1) / upper
    fade = 1 - smoothstep((1 + v1 / upper) / _TILT_END)
    proximal = proximal - _ROOT_TILT[limb.split("_")[1]] * fade * inward
    return np.where(u < 0, proximal, distal)


def limb_weights(weights: Float[ndarray, "v 24"], side: str, kind: str) -> tuple[ndarray, ndarray]:
    """Return (V,) weight of the limb and of its counterpart on the other side (for an arm, collar included)."""
    other = "right" if side == "left" else "left"
    start = _TORSO_SIDE[kind][0]
    return tuple(weights[:, IS_BELOW[JOINT[f"{s}_{start}"]]].sum(1) for s in (side, other))


def limb_members(mesh: SkinnedMesh, limb: str) -> ndarray:
    """Return (V,) bool: vertices that follow the limb or the piece of torso it grows from, never the other side."""
    side, kind = limb.split("_")
    own, opposite = limb_weights(mesh.weights, side, kind)
    trunk = mesh.weights[:, [JOINT[name] for name in _TORSO_SIDE[kind][1]]].sum(1)
    return (own + trunk > _MEMBER_WEIGHT) & (own >= opposite)


def limb_coordinate(mesh: SkinnedMesh, joints_template: Float[ndarray, "24 3"], limb: str) -> Float[ndarray, " v"]:
    """Return (V,) f4: 0 at the root joint (shoulder, hip), 1 at the mid joint (elbow, knee), 2 at the end joint (wrist,
    ankle), continuing beyond.

    Args:
        mesh: the skin or a garment shell, rest pose.
        joints_template: rest joints at betas = 0, m.
        limb: ``left_arm``, ``right_arm``, ``left_leg`` or ``right_leg``.

    Vertices off the limb are -1. The torso next to the limb has values between -0.99 and about 0, so that a level
    set at 0 is smooth.
    """
    coordinate = limb_position(mesh.vertices, joints_template, limb)
    member = limb_members(mesh, limb)
    return np.where(member, np.maximum(coordinate, -0.99), OFF_LIMB).astype(np.float32)
