"""The posed amputee: the mesh is cut and capped once per topology, then skinned like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Real
from numpy import ndarray

from a3dgen.amputation import measurements
from a3dgen.amputation.topology import Stump, Topology, build_topology, removed_regions
from a3dgen.core.pool import Cache
from a3dgen.geometry.body import (
    BodyData,
    PosedBody,
    forward_kinematics,
    keypoints_from_joints,
    pose_body,
    rest_joints,
    skinning_transforms,
)
from a3dgen.geometry.clip import Origin
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, RESIDUAL_ENDS, absent_joints, absent_rows
from a3dgen.geometry.rotations import rotvec_to_matrix

__all__ = (
    "COLLAPSE",
    "DEFAULT_STUMP",
    "GEOMETRIES",
    "RESIDUAL",
    "Amputee",
    "BodyFit",
    "Cut",
    "Stump",
    "Topology",
    "build_topology",
    "collapse_topology",
    "rebuild",
    "removed_regions",
    "topology_for",
)

RESIDUAL, COLLAPSE = "residual", "collapse"
GEOMETRIES = (RESIDUAL, COLLAPSE)
DEFAULT_STUMP = (2.1, 0.8, 0.12)
"""Superellipse exponent, cap height / ring radius, taper."""
_TOPOLOGIES = Cache(6)


@dataclass(frozen=True)
class BodyFit:
    """Pose and shape of one person: pose (24, 3) rad, axis-angle, joint 0 in the camera frame; betas (B,); transl m."""

    pose: Real[ndarray, "24 3"]
    betas: Real[ndarray, " b"]
    transl: Real[ndarray, "3"]

    @classmethod
    def of(cls, row: Mapping[str, Any], plan: Mapping[str, Any] | None = None) -> BodyFit:
        """Return the fit of a row of Bodies, in the posture of a row of Plans where that has one."""
        if plan is not None and np.any(plan["reposed"]):
            return cls(plan["pose"], row["betas"], plan["transl"])
        return cls(row["pose"], row["betas"], row["transl"])


@dataclass(frozen=True)
class Cut:
    """What is removed of a body, and how it ends; as it stands, an intact body.

    Attributes:
        removed: (12,) regions in AJAHR order, at most one a limb, the most proximal.
        residual: (12,) where the tip of the residual limb lies along its segment; 1 where nothing is removed.
        geometry: ``residual`` (a closed, rounded residual limb) or ``collapse`` (A3D's joint collapse).
        stump: (12, 3) superellipse exponent, cap height / ring radius, and taper of each end.

    Raises:
        ValueError: for another geometry.
    """

    removed: Bool[ndarray, "12"] = field(default_factory=lambda: np.zeros(NUM_REGIONS, bool))
    residual: Float[ndarray, "12"] = field(default_factory=lambda: np.ones(NUM_REGIONS))
    geometry: str = RESIDUAL
    stump: Float[ndarray, "12 3"] = field(default_factory=lambda: np.tile(DEFAULT_STUMP, (NUM_REGIONS, 1)))

    def __post_init__(self) -> None:
        if self.geometry not in GEOMETRIES:
            raise ValueError(f"geometry '{self.geometry}' is none of {', '.join(GEOMETRIES)}")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Cut:
        """Return the cut of a row of Plans."""
        return cls(
            np.asarray(row["removed"], bool),
            np.asarray(row["residual"], np.float64),
            str(row["geometry"]),
            np.asarray(row["stump"], np.float64),
        )


@dataclass(frozen=True)
class Amputee:
    """A posed amputee (or intact person).

    Attributes:
        cut: what is removed.
        topology: the cut mesh it comes from; ``mesh``, ``origin``, ``scar``, ``stump_uv`` and ``cap_faces`` are its
            parts.
        posed: joints, rotations and skinning transforms (joints that are absent included). betas: shape.
        vertices: (V, 3) f4 m, camera frame.
        keypoints: (44, 3) m, camera frame, zero where absent. present: (44,) bool.
        ends: (8, 4) residual-limb ends, m, camera frame, and 1 where there is one.
        height: m. segment, stump_length, stump_girth: (12,) m, see ``amputation.measurements``.
    """

    cut: Cut
    topology: Topology
    posed: PosedBody
    betas: Float[ndarray, " k"]
    vertices: Float[ndarray, "v 3"]
    keypoints: Float[ndarray, "44 3"]
    present: Bool[ndarray, "44"]
    ends: Float[ndarray, "8 4"]
    height: float
    segment: Float[ndarray, "12"]
    stump_length: Float[ndarray, "12"]
    stump_girth: Float[ndarray, "12"]

    @property
    def mesh(self) -> SkinnedMesh:
        return self.topology.mesh

    @property
    def origin(self) -> Origin:
        return self.topology.origin

    @property
    def scar(self) -> Float[ndarray, " v"]:
        return self.topology.scar

    @property
    def stump_uv(self) -> Float[ndarray, "t 2"]:
        return self.topology.stump_uv

    @property
    def cap_faces(self) -> Bool[ndarray, " f"]:
        return self.topology.cap_faces


def collapse_topology(mesh: SkinnedMesh, removed: Bool[ndarray, "12"]) -> Topology:
    """Return the mesh of A3D's joint collapse: vertices that follow only absent joints become one point a region.

    Faces that would be degenerate are left out; the mesh stays closed.
    """
    joint_of = np.full(len(mesh.vertices), -1)
    part = mesh.face_part.copy()
    for index in removed_regions(removed):
        region = REGIONS[index]
        joint_of[mesh.weights[:, list(region.joints)].sum(1) > 1 - 1e-4] = region.joint
        part[np.isin(part, region.joints)] = region.segment[0]
    merged = np.arange(len(joint_of))
    weights = mesh.weights.copy()
    tips = {}
    for index in removed_regions(removed):
        joint = REGIONS[index].joint
        rows = np.flatnonzero(joint_of == joint)
        merged[rows] = tips[index] = rows[0]
        weights[rows[0]] = np.eye(weights.shape[1], dtype=weights.dtype)[joint]
    faces = merged[mesh.faces]
    proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    used = np.zeros(len(merged), bool)
    used[faces[proper]] = True
    kept = np.flatnonzero(used)
    number = np.cumsum(used) - 1
    origin = Origin(kept, kept, np.zeros(len(kept), np.float32), np.flatnonzero(proper))
    cut = SkinnedMesh(
        vertices=mesh.vertices[kept],
        shape_dirs=mesh.shape_dirs[kept],
        weights=weights[kept],
        faces=number[faces[proper]].astype(np.int32),
        uv=mesh.uv,
        face_uv=mesh.face_uv[proper],
        face_part=part[proper],
        hidden=mesh.hidden[proper],
        pose_dirs=None if mesh.pose_dirs is None else mesh.pose_dirs[kept],
    )
    stumps = tuple(Stump(i, None, np.zeros(0, np.int64), int(number[t])) for i, t in tips.items())
    nothing = np.zeros(len(kept), bool)
    scar, caps = np.zeros(len(kept), np.float32), np.zeros(len(cut.faces), bool)
    return Topology(cut, origin, scar, caps, nothing, stumps, mesh.uv)


def topology_for(body: BodyData, cut: Cut) -> Topology:
    """Return the cut, capped mesh of a body, from a bounded cache of this process."""
    removed, residual, stump = cut.removed, cut.residual, cut.stump
    regions = removed_regions(removed)
    if cut.geometry == COLLAPSE and regions:
        return _TOPOLOGIES.get(body.mesh, (COLLAPSE, *regions), lambda: collapse_topology(body.mesh, removed))
    key = (RESIDUAL, *((r, float(residual[r]), *map(float, stump[r])) for r in regions))
    make = lambda: build_topology(body.mesh, body.joints_template, removed, residual, stump)  # noqa: E731
    return _TOPOLOGIES.get(body.mesh, key, make)


def _pose_collapsed(body: BodyData, pose: ndarray, betas: ndarray, transl: ndarray, removed: ndarray) -> PosedBody:
    rotations = rotvec_to_matrix(np.asarray(pose, np.float64))
    rotations[absent_joints(removed)] = 0
    joints_rest = rest_joints(body, betas)
    posed, joints = forward_kinematics(rotations, joints_rest)
    keypoints = keypoints_from_joints(body, posed, joints, betas) + transl
    return PosedBody(posed, joints + transl, keypoints, skinning_transforms(posed, joints + transl, joints_rest))


def rebuild(body: BodyData, fit: BodyFit, cut: Cut, offset: Float[ndarray, "v 3"] | None = None) -> Amputee:
    """Return the posed amputee; the same numbers give the same mesh wherever it is needed.

    Args:
        body: the body model.
        fit: pose and shape, ``BodyFit.of`` a row of Bodies.
        cut: what is removed, ``Cut.of`` a row of Plans.
        offset: of the whole skin's rest vertices, m: closed hands (``geometry.devices.grip``).
    """
    betas, removed = np.asarray(fit.betas, np.float64), cut.removed
    topology = topology_for(body, cut)
    posed = (
        _pose_collapsed(body, fit.pose, betas, fit.transl, removed)
        if cut.geometry == COLLAPSE
        else pose_body(body, np.asarray(fit.pose, np.float64), betas, fit.transl)
    )
    rest = topology.mesh.shaped(betas)
    moved = None if offset is None else topology.origin.apply(offset)
    vertices = posed.vertices(topology.mesh, betas, moved)
    present = ~absent_rows(removed)
    ends, girth, length = np.zeros((len(RESIDUAL_ENDS), 4)), np.zeros(NUM_REGIONS), np.zeros(NUM_REGIONS)
    joints_rest = rest_joints(body, betas)
    for s in topology.stumps:
        region = REGIONS[s.region]
        if region.end is not None:
            ends[region.end] = (*vertices[s.tip], 1)
        at = joints_rest[region.joint] if cut.geometry == COLLAPSE else rest[s.tip]
        length[s.region] = measurements.stump_length(joints_rest, region, np.asarray(at, np.float64))
        girth[s.region] = measurements.circumference(rest[s.ring])
    return Amputee(
        cut=cut,
        topology=topology,
        posed=posed,
        betas=betas,
        vertices=vertices,
        keypoints=np.where(present[:, None], posed.keypoints, 0.0),
        present=present,
        ends=ends,
        height=measurements.standing_height(body, betas),
        segment=measurements.segment_lengths(body, betas),
        stump_length=length,
        stump_girth=girth,
    )
