"""Where a limb is cut and how its end is shaped: ring level, taper, and the patch of skin its cap shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.amputation.cap import loop_centre
from a3dgen.geometry.limbs import LIMB_JOINTS, OFF_LIMB, limb_coordinate, smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, face_normals
from a3dgen.geometry.regions import Region

TAPER_REACH = 0.35
"""Share of the segment over which a stump tapers (recipe 1 of the looks)."""
STIFF_REACH = 0.2
"""Share of the segment before the cut over which the skin's weights turn to those of the cap."""
_LOWEST_LEVEL = {"arm": 0.10, "leg": 0.06}
"""Cuts nearer to the torso would open the axilla or the groin."""
_TORSO_LEVEL = {"arm": 0.02, "leg": 0.035}
"""Level of the closure of a shoulder or hip disarticulation; two hips' closures must not meet in the middle."""
_SKIN_WITHIN = 0.3
"""A cap shows skin from this share of the segment before or after its middle."""


@dataclass(frozen=True)
class LimbTable:
    """Everything about one limb of one mesh that does not depend on the stump.

    Attributes:
        limb: e.g. ``left_arm``. field: (V,) limb coordinate.
        lengths: (2,) m of the upper and the lower segment. axes: (2, 3) their unit vectors. starts: (2, 3) m.
        levels: (n,) coordinates at which the limb was sliced; centres: (n, 3) m; radii: (n,) m.
        edges: (E, 2) mesh edges on the limb.
    """

    limb: str
    field: Float[ndarray, " v"]
    lengths: Float[ndarray, "2"]
    axes: Float[ndarray, "2 3"]
    starts: Float[ndarray, "2 3"]
    levels: Float[ndarray, " n"]
    centres: Float[ndarray, "n 3"]
    radii: Float[ndarray, " n"]
    edges: ndarray

    def centre(self, level: ndarray) -> Float[ndarray, "k 3"]:
        """Return the limb's centre line (k, 3) m at coordinates ``level`` (k,)."""
        return np.stack([np.interp(level, self.levels, self.centres[:, c]) for c in range(3)], -1)


def limb_table(mesh: SkinnedMesh, joints_template: Float[ndarray, "24 3"], limb: str) -> LimbTable:
    """Slice a limb of the rest mesh at many levels.

    Raises:
        ValueError: if the mesh has no such limb at these joints.
    """
    field = limb_coordinate(mesh, joints_template, limb).astype(np.float64)
    at = joints_template[list(LIMB_JOINTS[limb])]
    bones = np.diff(at, axis=0)
    lengths = np.linalg.norm(bones, axis=1)
    pairs = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = pairs[(pairs[:, 0] < pairs[:, 1]) & (field[pairs] > OFF_LIMB).all(1)].astype(np.int64)
    levels = np.linspace(0.0, 2.1, 85)
    centres, radii = np.zeros((len(levels), 3)), np.zeros(len(levels))
    for i, level in enumerate(levels):
        a, b, t = slice_edges(field, edges, level)
        points = (1 - t)[:, None] * mesh.vertices[a] + t[:, None] * mesh.vertices[b]
        axis = bones[int(level >= 1)] / lengths[int(level >= 1)]
        if len(points) < 3:
            if level < 2:
                raise ValueError(f"{limb} gives no ring at {level:g}: the mesh and its joints do not fit together")
            centres[i], radii[i] = centres[i - 1], radii[i - 1]
            continue
        centres[i], radii[i] = _centre_and_radius(points.astype(np.float64), axis)
    return LimbTable(limb, field, lengths, bones / lengths[:, None], at[:2], levels, centres, radii, edges)


def slice_edges(field: ndarray, edges: ndarray, level: float) -> tuple[ndarray, ndarray, ndarray]:
    """Return (a, b, t) of the edges that cross ``level``: the crossing lies at (1 - t) a + t b."""
    fa, fb = field[edges[:, 0]], field[edges[:, 1]]
    hit = (fa <= level) != (fb <= level)
    return edges[hit, 0], edges[hit, 1], (level - fa[hit]) / (fb[hit] - fa[hit])


def _centre_and_radius(points: ndarray, axis: ndarray) -> tuple[ndarray, float]:
    middle = points.mean(0)
    across = points - middle
    across = across - np.outer(across @ axis, axis)
    first = across[np.argmax(np.linalg.norm(across, axis=1))]
    first = first / np.linalg.norm(first)
    angle = np.arctan2(across @ np.cross(axis, first), across @ first)
    loop = points[np.argsort(angle)]
    centre = loop_centre(loop)
    out = loop - centre
    out = out - np.outer(out @ axis, axis)
    return centre, float(np.linalg.norm(out, axis=1).mean())


@dataclass(frozen=True)
class StumpPlan:
    """How one region is cut.

    Attributes:
        region: the AJAHR region. residual: 0..1.
        cut: level of the ring on the limb coordinate. tip: level of the tip (1 + residual below elbow and knee).
        segment: 0 upper, 1 lower. exponent, height, taper: the cap's shape parameters.
    """

    region: Region
    residual: float
    cut: float
    tip: float
    segment: int
    exponent: float
    height: float
    taper: float

    @property
    def torso(self) -> bool:
        """Whether the cut closes over the torso."""
        return not self.region.cuttable


def plan_stump(table: LimbTable, region: Region, residual: float, shape: Float[ndarray, "3"]) -> StumpPlan:
    """Find the ring's level for which a cap of the wanted height ends at ``residual`` along the segment.

    Args:
        table: the region's limb.
        region: what is removed.
        residual: 0..1 along the carrying segment; ignored for Shoulder and Hip.
        shape: superellipse exponent, cap height / ring radius, taper.
    """
    exponent, height, taper = (float(s) for s in shape)
    segment = int(region.name.endswith(("hand", "foot")))
    if not region.cuttable:
        level = _TORSO_LEVEL[region.limb]
        return StumpPlan(region, 1.0, level, level, segment, exponent, height, 0.0)
    tip = segment + residual
    ends = table.levels + height * (1 - taper) * table.radii / table.lengths[segment]
    below = np.flatnonzero(ends <= tip)
    cut = _LOWEST_LEVEL[region.limb]
    if len(below) and below[-1] + 1 < len(ends):
        i = int(below[-1])
        share = (tip - ends[i]) / (ends[i + 1] - ends[i])
        cut = max(cut, float(table.levels[i] + share * (table.levels[i + 1] - table.levels[i])))
    return StumpPlan(region, residual, cut, tip, segment, exponent, height, taper)


def taper_shares(plan: StumpPlan, field: Float[ndarray, " v"]) -> Float[ndarray, " v"]:
    """Return (V,) how far each vertex is drawn towards the centre line, 0 .. plan.taper."""
    reach = min(TAPER_REACH, 0.8 * (plan.cut - plan.segment) if plan.segment == 0 else TAPER_REACH)
    if plan.torso or reach < 0.02:
        return np.zeros(len(field))
    return plan.taper * smoothstep((field - (plan.cut - reach)) / reach)


def stiff_shares(plan: StumpPlan, field: Float[ndarray, " v"]) -> Float[ndarray, " v"]:
    """Return (V,) 0..1: how far each vertex on the way to the cut follows the stump's joint instead of its weights."""
    return smoothstep((field - (plan.cut - STIFF_REACH)) / STIFF_REACH)


@dataclass(frozen=True)
class UvSpot:
    """A place inside a texture chart: its middle (2,), how far the chart reaches from there, texture units a metre
    there, and -1 where the chart is mirrored."""

    middle: Float[ndarray, "2"]
    reach: float
    scale: float
    handed: int


def find_uv_spot(mesh: SkinnedMesh, table: LimbTable, segment: int) -> UvSpot:
    """Return the point farthest from any seam on the middle of a limb segment: plain skin for a cap to show."""
    level = table.field[mesh.faces].mean(1) - segment
    rows = np.flatnonzero((np.abs(level - 0.5) < _SKIN_WITHIN) & ~mesh.hidden)
    corners = mesh.uv[mesh.face_uv[rows]].astype(np.float64)
    pairs = np.concatenate([mesh.face_uv[:, [0, 1]], mesh.face_uv[:, [1, 2]], mesh.face_uv[:, [2, 0]]])
    pairs = np.sort(pairs, axis=1).astype(np.int64)
    _, first, count = np.unique(pairs[:, 0] * len(mesh.uv) + pairs[:, 1], return_index=True, return_counts=True)
    seam = mesh.uv[pairs[first[count == 1]]].astype(np.float64)
    seam = np.concatenate([seam[:, 0], seam.mean(1)])
    middle = corners.mean(1)
    near = np.abs(seam[:, None] - middle.mean(0)).max(-1)[:, 0] < 0.5
    reach = np.minimum(cKDTree(seam[near]).query(middle)[0], 1.0) if near.any() else np.ones(len(middle))
    best = int(np.argmax(reach))
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    space = np.linalg.norm(face_normals(mesh.vertices, mesh.faces[rows]), axis=1)
    close = np.linalg.norm(middle - middle[best], axis=1) <= max(reach[best], 1e-6)
    scale = float(np.sqrt(np.abs(area[close]).sum() / max(space[close].sum(), 1e-12)))
    return UvSpot(middle[best], float(reach[best]), scale, 1 if area[close].sum() >= 0 else -1)


def place_disk(spot: UvSpot, disk: Float[ndarray, "m 2"]) -> Float[ndarray, "m 2"]:
    """Lay an unrolled cap (m) into a texture spot at the skin's own texture density, shrunk only if it does not fit."""
    size = float(np.linalg.norm(disk, axis=1).max())
    scale = min(spot.scale, 0.95 * spot.reach / max(size, 1e-9))
    return (spot.middle + scale * disk * (spot.handed, 1)).astype(np.float32)
