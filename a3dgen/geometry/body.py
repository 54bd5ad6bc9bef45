"""The body model as pure arrays: joints, 44 keypoints without vertices, posed vertices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.geometry.mesh import SkinnedMesh, add_directions, check_betas, skin
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import NUM_JOINTS, NUM_ROWS, PARENTS


@dataclass(frozen=True)
class KeypointBlends:
    """The 44 keypoints as sparse blends of joint transforms, exact where pose blend shapes are zero.

    A keypoint that is a fixed combination of skinned vertices is sum_p G[joint_p] (offset_p + dirs_p betas)
    + weight_p * posed_joint[joint_p], where G is the joint's posed rotation: linear blend
    skinning, with the sum over the vertices taken once, before any pose.

    Attributes:
        row: (P,) keypoint row of each pair. joint: (P,) its joint. weight: (P,) its share; rows sum to 1.
        offset: (P, 3) m, and dirs: (P, 3, B): weighted offset from the rest joint, and its shape directions.
    """

    row: Integer[ndarray, " p"]
    joint: Integer[ndarray, " p"]
    weight: Float[ndarray, " p"]
    offset: Float[ndarray, "p 3"]
    dirs: Float[ndarray, "p 3 b"]


@dataclass(frozen=True)
class BodyData:
    """One body model, whatever file it came from.

    Attributes:
        name: ``anny24-adults``, ``anny24-all`` or ``smpl``, as written to dataset.json.
        mesh: the body's skin.
        joints_template: (24, 3) f8 rest joints at betas = 0, m. joint_dirs: (24, 3, B) f8.
        keypoints: the 44 rows as blends.
        shells: helper meshes for garments (``tights``, ``skirt``), empty if the model has none.
        masks: per-vertex maps of the skin mesh in 0..1 (``lips``, ``fingernails``, ``scalp`` ...), may be empty.
        smpl_betas: whether betas are SMPL's own.
    """

    name: str
    mesh: SkinnedMesh
    joints_template: Float[ndarray, "24 3"]
    joint_dirs: Float[ndarray, "24 3 b"]
    keypoints: KeypointBlends
    shells: Mapping[str, SkinnedMesh] = field(default_factory=dict)
    masks: Mapping[str, ndarray] = field(default_factory=dict)
    smpl_betas: bool = False

    @property
    def num_betas(self) -> int:
        return self.joint_dirs.shape[-1]


def rest_joints(body: BodyData, betas: Float[ndarray, "*b k"]) -> Float[ndarray, "*b 24 3"]:
    """Return rest joints (m) under betas; missing betas count as zeros.

    Raises:
        DataError: for more betas than the body has.
    """
    check_betas(betas.shape[-1], body.num_betas)
    dirs = body.joint_dirs[..., : betas.shape[-1]]
    return body.joints_template + np.einsum("jcb,...b->...jc", dirs, betas)


def forward_kinematics(
    rotations: Float[ndarray, "*b 24 3 3"], joints_rest: Float[ndarray, "*b 24 3"]
) -> tuple[Float[ndarray, "*b 24 3 3"], Float[ndarray, "*b 24 3"]]:
    """Chain local rotations down the tree.

    Returns:
        Posed rotations (*b, 24, 3, 3) and posed joints (*b, 24, 3) m. The pelvis stays where the rest pose has it.
        A zero matrix collapses everything below its joint onto that joint, as A3D does.
    """
    posed, joints = np.array(rotations, np.float64), np.array(joints_rest, np.float64)
    for j in range(1, NUM_JOINTS):
        p = PARENTS[j]
        bone = (joints_rest[..., j, :] - joints_rest[..., p, :])[..., None]
        joints[..., j, :] = joints[..., p, :] + (posed[..., p, :, :] @ bone)[..., 0]
        posed[..., j, :, :] = posed[..., p, :, :] @ rotations[..., j, :, :]
    return posed, joints


def keypoints_from_joints(
    body: BodyData,
    posed: Float[ndarray, "*b 24 3 3"],
    joints: Float[ndarray, "*b 24 3"],
    betas: Float[ndarray, "*b k"],
) -> Float[ndarray, "*b 44 3"]:
    """Return the 44 keypoints (m) from posed rotations and joints, without touching a vertex."""
    k = body.keypoints
    offset = k.offset + np.einsum("pcb,...b->...pc", k.dirs[..., : betas.shape[-1]], betas)
    terms = np.einsum("...pij,...pj->...pi", posed[..., k.joint, :, :], offset)
    terms += k.weight[:, None] * joints[..., k.joint, :]
    out = np.zeros((*joints.shape[:-2], NUM_ROWS, 3))
    np.add.at(out, (..., k.row, slice(None)), terms)  # type: ignore[arg-type]
    return out


def pose_body(
    body: BodyData,
    pose: Float[ndarray, "24 3"],
    betas: Float[ndarray, " k"],
    transl: Float[ndarray, "3"],
    rotations: Float[ndarray, "24 3 3"] | None = None,
) -> PosedBody:
    """Pose one body: local rotation vectors (rad), betas, translation (m) to joints, keypoints and transforms.

    Args:
        rotations: local rotation matrices to use instead of ``pose``; zero matrices collapse a joint as A3D does.

    Raises:
        DataError: for more betas than the body has; fewer count as zeros.
    """
    joints_rest = rest_joints(body, betas)
    posed, joints = forward_kinematics(rotvec_to_matrix(pose) if rotations is None else rotations, joints_rest)
    keypoints = keypoints_from_joints(body, posed, joints, betas) + transl
    return PosedBody(posed, joints + transl, keypoints, skinning_transforms(posed, joints + transl, joints_rest))


@dataclass(frozen=True)
class PosedBody:
    """Camera-frame result of ``pose_body``: rotations (24,3,3), joints (24,3) m, keypoints (44,3) m, and the
    rest-to-camera skinning transforms (24,3,4)."""

    rotations: Float[ndarray, "24 3 3"]
    joints: Float[ndarray, "24 3"]
    keypoints: Float[ndarray, "44 3"]
    transforms: Float[ndarray, "24 3 4"]

    def vertices(
        self, mesh: SkinnedMesh, betas: Float[ndarray, " k"], offset: Float[ndarray, "v 3"] | None = None
    ) -> Float[ndarray, "v 3"]:
        """Return the camera-frame vertices (V, 3) f4 m of any mesh that follows this body; ``offset`` (m) is added to
        its rest vertices."""
        rest = mesh.shaped(betas)
        if offset is not None:
            rest = rest + offset
        if mesh.pose_dirs is not None:
            rest = add_directions(rest, mesh.pose_dirs, pose_feature(self.rotations))
        return skin(rest, mesh.weights, self.transforms)


def pose_feature(posed: Float[ndarray, "24 3 3"]) -> Float[ndarray, "207"]:
    """Return SMPL's pose feature, local rotations minus identity of joints 1..23, from posed (chained) rotations."""
    local = np.swapaxes(posed[PARENTS[1:]], 1, 2) @ posed[1:]
    return (local - np.eye(3)).reshape(-1).astype(np.float32)


def pose_offsets(mesh: SkinnedMesh, posed: Float[ndarray, "24 3 3"]) -> Float[ndarray, "v 3"]:
    """Return SMPL's pose blend shapes (V, 3) m for posed (chained) rotations; zero for a mesh without them."""
    if mesh.pose_dirs is None:
        return np.zeros_like(mesh.vertices)
    return add_directions(np.zeros_like(mesh.vertices), mesh.pose_dirs, pose_feature(posed))


def skinning_transforms(
    posed: Float[ndarray, "*b 24 3 3"], joints: Float[ndarray, "*b 24 3"], joints_rest: Float[ndarray, "*b 24 3"]
) -> Float[ndarray, "*b 24 3 4"]:
    """Return rest-to-posed transforms (*b, 24, 3, 4) from posed rotations, posed joints and rest joints (m)."""
    shift = joints - (posed @ joints_rest[..., None])[..., 0]
    return np.concatenate([posed, shift[..., None]], -1)
