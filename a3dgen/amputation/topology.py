"""The cut mesh of an amputee before it is posed: clipped, closed with caps, weights handed over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.cap import (
    RING_REACH,
    RINGS,
    Ring,
    cap_faces,
    cap_points,
    carried_dirs,
    fair,
    loop_centre,
    loop_normal,
    ring_conormals,
    rounded_ring,
    smooth_around,
    unrolled,
)
from a3dgen.amputation.cut_mesh import Stump, Topology
from a3dgen.amputation.scar import find_scar_patch, scar_on_cap, scar_on_skin
from a3dgen.amputation.stump import (
    LimbTable,
    StumpPlan,
    find_uv_spot,
    limb_table,
    place_disk,
    plan_stump,
    slice_edges,
    stiff_shares,
    taper_shares,
)
from a3dgen.core.pool import Cache
from a3dgen.geometry.clip import Clipped, Origin, clip
from a3dgen.geometry.limbs import OFF_LIMB, limb_weights, smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, faces_touching
from a3dgen.geometry.regions import REGIONS, most_proximal

_SEAM_DIRECTION = {"arm": (0.0, 0.0, 1.0), "leg": (1.0, 0.0, 0.0)}
_TORSO_SEAM_DIRECTION = {"arm": (0.0, 1.0, 0.0), "leg": (0.0, 0.0, 1.0)}
"""Rest-pose direction of the scar line: front to back on the arm, side to side on the leg; over the torso top to bottom
at the shoulder, front to back at the hip."""
_SNAP = 0.3
"""Generous, because the ring is rounded afterwards: no thin triangles remain beside it to show as creases."""
_NEAR_TORSO = 0.2
"""Cuts before this level lie where skin follows limb and torso alike."""
_FAIR_RINGS = 4
"""Rings of a cap, and half as many of the skin before it, that are smoothed there."""
_OWN_MARGIN = 0.2
"""Vertices whose weights of this limb and of the opposite one differ by less are stiffened less."""
_TORSO_HEIGHT = {"arm": 0.5, "leg": 0.58}
"""Height of the closure over the torso relative to a stump's."""


_TABLES = Cache(64)


def _table(mesh: SkinnedMesh, joints_template: ndarray, limb: str) -> LimbTable:
    return _TABLES.get(mesh, (limb, joints_template.tobytes()), lambda: limb_table(mesh, joints_template, limb))


def removed_regions(removed: Bool[ndarray, "12"]) -> list[int]:
    """Return the regions to cut: the most proximal one of each limb, in AJAHR order."""
    return most_proximal(np.flatnonzero(removed).tolist())


def build_topology(
    mesh: SkinnedMesh,
    joints_template: Float[ndarray, "24 3"],
    removed: Bool[ndarray, "12"],
    residual: Float[ndarray, "12"],
    stump: Float[ndarray, "12 3"],
) -> Topology:
    """Cut the removed regions off the rest mesh and close it with caps.

    Args:
        mesh: the body's skin.
        joints_template: rest joints at betas = 0, m.
        removed: AJAHR flags; of several on one limb the most proximal counts.
        residual: (12,) 0..1, where the tip lies along the carrying segment.
        stump: (12, 3) superellipse exponent, cap height / ring radius, taper.

    Raises:
        ValueError: if a cut does not give one closed ring, i.e. the mesh is not a body with these joints.
    """
    plans = [
        plan_stump(_table(mesh, joints_template, f"{r.side}_{r.limb}"), r, float(residual[r.index]), stump[r.index])
        for r in (REGIONS[i] for i in removed_regions(removed))
    ]
    tables = [_table(mesh, joints_template, f"{p.region.side}_{p.region.limb}") for p in plans]
    if not plans:
        nothing = np.zeros(len(mesh.vertices), bool)
        same = np.arange(len(mesh.vertices))
        origin = Origin(same, same, np.zeros(len(same), np.float32), np.arange(len(mesh.faces)))
        faces = np.zeros(len(mesh.faces), bool)
        return Topology(mesh, origin, np.zeros(len(same), np.float32), faces, nothing, (), mesh.uv)
    distance = np.max([(t.field - p.cut) * t.lengths[p.segment] for t, p in zip(tables, plans, strict=True)], axis=0)
    clipped = clip(mesh, distance, 0.0, snap=_SNAP)
    work = _Work(clipped, mesh)
    for table, plan in zip(tables, plans, strict=True):
        work.close(table, plan)
    return work.finish()


class _Work:
    """The arrays of a mesh while caps are added to it."""

    def __init__(self, clipped: Clipped, intact: SkinnedMesh) -> None:
        self.clipped, self.intact = clipped, intact
        mesh = clipped.mesh
        self.vertices = mesh.vertices.astype(np.float64)
        self.dirs, self.weights, self.part = mesh.shape_dirs.copy(), mesh.weights.copy(), mesh.face_part.copy()
        self.scar = np.zeros(len(mesh.vertices))
        self.count, self.texels = len(mesh.vertices), len(mesh.uv)
        self.added: list[dict[str, ndarray]] = []
        self.stumps: list[Stump] = []

    def close(self, table: LimbTable, plan: StumpPlan) -> None:
        """Taper the stump, hand the absent joints' weights to the joint that carries it, and add the cap."""
        field = self.clipped.origin.apply(table.field)
        loop = self._loop(field, table, plan)
        region, carrier = plan.region, plan.region.segment[0]
        absent = list(region.joints)
        own, opposite = limb_weights(self.weights, region.side, region.limb)
        self.weights[:, carrier] += self.weights[:, absent].sum(1)
        self.weights[:, absent] = 0
        self._stiffen(plan, field, loop, smoothstep((own - opposite) / _OWN_MARGIN))
        self.part[np.isin(self.part, absent)] = carrier
        axis = loop_normal(self.vertices[loop]) if plan.torso else table.axes[plan.segment]
        self._taper(table, plan, field, axis, self.dirs[loop].mean(0))
        on_limb = field > OFF_LIMB
        self.scar[on_limb] = np.maximum(self.scar[on_limb], scar_on_skin(plan.cut, field[on_limb]))

        length = table.lengths[plan.segment]
        self.vertices[loop] += np.outer((plan.cut - field[loop]) * length, table.axes[plan.segment])  # snapped ones
        conormals = ring_conormals(self.vertices, self.clipped.mesh.faces, loop)
        ring = Ring(self.vertices[loop], conormals, loop_centre(self.vertices[loop]), axis)
        self.vertices[loop] = rounded_ring(ring)
        ring = replace(ring, points=self.vertices[loop])
        self.dirs[loop] = smooth_around(ring.points, self.dirs[loop], RING_REACH * ring.radius)
        self.weights[loop] = smooth_around(ring.points, self.weights[loop], RING_REACH * ring.radius)
        self._add_cap(ring, loop, self._tip(ring, table, plan), table, plan)

    def _loop(self, field: ndarray, table: LimbTable, plan: StumpPlan) -> ndarray:
        scale = table.lengths[plan.segment]
        own = [loop for loop in self.clipped.loops if np.abs(field[loop] - plan.cut).max() * scale < 0.02]
        if len(own) != 1:
            raise ValueError(
                f"cutting {plan.region.name} at {plan.residual:g} gives {len(own)} rings: "
                "the mesh and its joints do not fit together"
            )
        return own[0]

    def _stiffen(self, plan: StumpPlan, field: ndarray, loop: ndarray, own: ndarray) -> None:
        """Let the end of the stump follow one joint, so that bending the next one cannot fold the cap. A stump next to
        the torso, or the closure of a shoulder, follows the mean of its ring. ``own`` (V,) 0..1 spares the midline
        between the legs."""
        mean = self.weights[loop].mean(0, dtype=np.float64)
        near_torso = plan.segment == 0 and plan.cut < _NEAR_TORSO and plan.region.name[-3:] != "hip"
        target = mean if near_torso else np.eye(len(mean))[plan.region.segment[0]]
        share = stiff_shares(plan, field) * own
        rows = np.flatnonzero(share > 0)
        self.weights[rows] += (share[rows, None] * (target - self.weights[rows])).astype(np.float32)

    def _taper(self, table: LimbTable, plan: StumpPlan, field: ndarray, axis: ndarray, mean_dirs: ndarray) -> None:
        share = taper_shares(plan, field)
        rows = np.flatnonzero((share > 0) & (field > OFF_LIMB))
        out = self.vertices[rows] - table.centre(field[rows])
        self.vertices[rows] -= share[rows, None] * (out - np.outer(out @ axis, axis))
        spread = self.dirs[rows] - mean_dirs
        across = spread - axis[:, None] * np.einsum("vcb,c->vb", spread, axis)[:, None]
        self.dirs[rows] -= (share[rows, None, None] * across).astype(np.float32)

    def _tip(self, ring: Ring, table: LimbTable, plan: StumpPlan) -> ndarray:
        """The tip lies exactly at the residual along the bone; beside it, where the limb's centre line leads."""
        if plan.torso:
            return ring.centre + _TORSO_HEIGHT[plan.region.limb] * plan.height * ring.radius * ring.axis
        target = table.starts[plan.segment] + plan.residual * table.lengths[plan.segment] * ring.axis
        return ring.centre + ((target - ring.centre) @ ring.axis) * ring.axis

    def _tip_dirs(self, loop: ndarray, table: LimbTable, plan: StumpPlan) -> ndarray:
        """Shape directions of the tip: those of the intact limb's slice at that place."""
        if plan.torso:
            return self.dirs[loop].mean(0)
        a, b, t = slice_edges(table.field, table.edges, plan.tip)
        t = t[:, None, None]
        return ((1 - t) * self.intact.shape_dirs[a] + t * self.intact.shape_dirs[b]).mean(0)

    def _add_cap(self, ring: Ring, loop: ndarray, tip: ndarray, table: LimbTable, plan: StumpPlan) -> None:
        cap = cap_points(ring, tip, plan.exponent)
        faces, hangs_on = cap_faces(loop, self.count)
        tip_dirs = self._tip_dirs(loop, table, plan)
        cap_dirs = carried_dirs(ring, cap, self.dirs[loop], tip_dirs)
        weights, middle = self.weights[loop], self.weights[loop].mean(0)
        z = cap.axial[:, None, None]
        cap_weights = (1 - z) * weights + z * middle
        region = plan.region
        seam = np.array((_TORSO_SEAM_DIRECTION if plan.torso else _SEAM_DIRECTION)[region.limb])
        scar = np.repeat(scar_on_cap(cap.axial), len(loop))

        disk, polar = unrolled(ring, cap), ring.polar
        spot = _TABLES.get(self.intact, ("uv", region.name), lambda: find_uv_spot(self.intact, table, plan.segment))
        patch = _TABLES.get(self.intact, ("scar",), lambda: find_scar_patch(self.intact))
        uv = place_disk(spot, disk)
        n = len(loop)
        levels = [np.arange(n) + k * n for k in range(RINGS + 1)]
        face_uv = _renumber(faces, [loop, *(self.count + k * n + np.arange(n) for k in range(RINGS))], levels)
        face_uv[faces == self.count + RINGS * n] = (RINGS + 1) * n
        self.added.append({
            "vertices": np.vstack([cap.rings.reshape(-1, 3), tip]),
            "dirs": np.concatenate([cap_dirs.reshape(-1, *tip_dirs.shape), tip_dirs[None]]),
            "weights": np.vstack([cap_weights.reshape(-1, weights.shape[1]), middle]),
            "scar": np.concatenate([scar, scar_on_cap(np.ones(1))]),
            "faces": faces,
            "uv": uv,
            "stump_uv": uv if patch is None else patch.place(disk, np.array([seam @ polar.first, seam @ polar.second])),
            "face_uv": face_uv + self.texels,
            "part": np.full(len(faces), region.segment[0], np.uint8),
            "hangs_on": np.concatenate([np.tile(loop, RINGS), loop[:1]]),
            "face_from": loop[hangs_on],
        })  # fmt: skip
        self.stumps.append(Stump(region.index, plan, loop, self.count + RINGS * n))
        self.count += RINGS * n + 1
        self.texels += (RINGS + 1) * n + 1

    def _fair(self, cut: SkinnedMesh) -> SkinnedMesh:
        """Smooth the surroundings of rings that lie askew, where cap and torso would meet in an edge."""
        vertices = cut.vertices
        for stump in self.stumps:
            if stump.plan is None or stump.plan.segment or stump.plan.cut >= _NEAR_TORSO:
                continue
            cap = np.arange(stump.tip - RINGS * len(stump.ring), stump.tip)
            amount = np.zeros(len(vertices))
            amount[stump.ring] = 1.0
            fade = np.linspace(1, 0, _FAIR_RINGS + 1)[1:]
            amount[cap.reshape(RINGS, -1)[:_FAIR_RINGS]] = fade[:, None]
            vertices = fair(vertices, cut.faces, amount, fade[1::2])
        return replace(cut, vertices=vertices)

    def finish(self) -> Topology:
        """Join the clipped mesh and its caps."""
        mesh, origin = self.clipped.mesh, self.clipped.origin
        both = {k: np.concatenate([a[k] for a in self.added]) for k in self.added[0]}
        owner, rim = np.zeros(len(mesh.vertices), np.int64), np.zeros(len(mesh.vertices), bool)
        rim[both["face_from"]] = True
        beside = faces_touching(mesh.faces, rim)
        owner[mesh.faces[beside]] = beside[:, None]
        hangs_on = both["hangs_on"]
        pose_dirs = None if mesh.pose_dirs is None else np.concatenate([mesh.pose_dirs, mesh.pose_dirs[hangs_on]])
        cut = replace(
            mesh,
            vertices=_joined(self.vertices, both["vertices"]),
            shape_dirs=_joined(self.dirs, both["dirs"]),
            weights=_joined(self.weights, both["weights"]),
            faces=np.concatenate([mesh.faces, both["faces"]]).astype(np.int32),
            uv=np.concatenate([mesh.uv, both["uv"]]).astype(np.float32),
            face_uv=np.concatenate([mesh.face_uv, both["face_uv"]]).astype(np.int32),
            face_part=np.concatenate([self.part, both["part"]]),
            hidden=np.concatenate([mesh.hidden, np.zeros(len(both["faces"]), bool)]),
            pose_dirs=pose_dirs,
        )
        source = Origin(
            np.concatenate([origin.a, origin.a[hangs_on]]),
            np.concatenate([origin.b, origin.b[hangs_on]]),
            np.concatenate([origin.t, origin.t[hangs_on]]),
            np.concatenate([origin.faces, origin.faces[owner[both["face_from"]]]]),
        )
        cut = self._fair(cut)
        new_faces = np.arange(len(cut.faces)) >= len(mesh.faces)
        new_vertices = np.arange(len(cut.vertices)) >= len(mesh.vertices)
        scar = np.concatenate([self.scar, both["scar"]]).astype(np.float32)
        stump_uv = np.concatenate([mesh.uv, both["stump_uv"]]).astype(np.float32)
        return Topology(cut, source, scar, new_faces, new_vertices, tuple(self.stumps), stump_uv)


def _joined(before: ndarray, added: ndarray) -> ndarray:
    return np.concatenate([before.astype(np.float32, copy=False), added.astype(np.float32)])


def _renumber(faces: ndarray, old: list[ndarray], new: list[ndarray]) -> ndarray:
    table = np.zeros(int(max(faces.max(), max(o.max() for o in old))) + 1, np.int64)
    for o, n in zip(old, new, strict=True):
        table[o] = n
    return table[faces]
