"""What a person wears, from the entries of a look to garments on one body: shapes, layers, endings over stumps."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.appearance import garments, trousers
from a3dgen.appearance.garment_bounds import Measure, Spec, hides, levels, measure
from a3dgen.appearance.garments import GarmentMesh, build_garment
from a3dgen.appearance.look import TOPS, Garment
from a3dgen.appearance.looks import tips
from a3dgen.appearance.stump_cloth import hidden_level
from a3dgen.appearance.stump_cloth_shapes import ClothStump
from a3dgen.appearance.surfaces import subdivided
from a3dgen.appearance.under_cloth import follow_skin
from a3dgen.core.pool import Pool
from a3dgen.core.shelf import Shelf, digest_of
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.limbs import LIMB_JOINTS
from a3dgen.geometry.mesh import SkinnedMesh, faces_within
from a3dgen.geometry.regions import REGIONS
from a3dgen.geometry.skeleton import JOINT

DOWN = np.array([0.0, 1.0, 0.0])
"""Where things fall in the camera frame: photos are upright."""
log = logging.getLogger("a3dgen")


@dataclass(frozen=True)
class Shared:
    """What every subject of one body shares; ``token`` tells bodies apart in pools, also after one is gone, ``digest``
    on shelves."""

    token: int
    digest: str
    body: BodyData
    skin: Measure
    shells: Mapping[str, SkinnedMesh]


@dataclass(frozen=True)
class Worn:
    """One garment of one person: its shape, what it is made of, and limb -> ending over stumps."""

    spec: Spec
    garment: Garment
    ends: Mapping[str, str]


_TOKENS = count()
_SHARED: Pool[Shared] = Pool(4)
_MEASURES: Pool[Measure] = Pool(64)
_COVERED: Pool[Bool[ndarray, " v"]] = Pool(1024)
"""Of every garment under every other: a few kilobytes each."""
_TRIMMED: Pool[GarmentMesh] = Pool(8)
_GARMENTS: Pool[GarmentMesh] = Pool(16)
"""Of the 124 shapes that looks have, 1.3 MB each. A few of the last people's: the shelf has the others."""
_SHELF: Shelf[GarmentMesh] = Shelf("garments", garments.__file__, GarmentMesh, SkinnedMesh, Spec)


def shared_parts(body: BodyData) -> Shared:
    """Return what all subjects of a body share, made on first use."""
    return _SHARED.get(id(body.mesh), lambda: _prepare(body))


def _prepare(body: BodyData) -> Shared:
    shells = dict(body.shells)
    if "tights" not in shells:
        log.warning("the body '%s' has no garment shells: clothes are cut from its skin, without skirts", body.name)
        visible = ~body.mesh.hidden
        shells["tights"] = replace(
            body.mesh,
            faces=body.mesh.faces[visible],
            face_uv=body.mesh.face_uv[visible],
            face_part=body.mesh.face_part[visible],
            hidden=body.mesh.hidden[visible],
        )
    else:
        shells = {name: subdivided(shell) for name, shell in shells.items()}
        shells["tights"] = follow_skin(shells["tights"], body.mesh)
    digest = digest_of([body.mesh, body.joints_template, shells])
    return Shared(next(_TOKENS), digest, body, measure(body.mesh, body.joints_template), shells)


def find_stumps(amputee: Amputee) -> dict[str, ClothStump]:
    """Return limb -> stump as the clothes see it."""
    place = tips(amputee.cut.removed, amputee.cut.residual)
    out = {}
    for s in amputee.topology.stumps:
        region = REGIONS[s.region]
        limb = f"{region.side}_{region.limb}"
        tip = amputee.vertices[s.tip].astype(np.float64)
        carrier = region.segment[0]
        torso = JOINT["spine3"] if region.limb == "arm" else JOINT["pelvis"]
        ring = amputee.vertices[s.ring].mean(0) if len(s.ring) else amputee.posed.joints[carrier]
        axis = tip - ring
        root, mid, end = (amputee.posed.joints[j] for j in LIMB_JOINTS[limb])
        length = np.linalg.norm(mid - root) if place[limb] <= 1 else np.linalg.norm(end - mid)
        out[limb] = ClothStump(
            limb=limb,
            tip=place[limb],
            ring=float(s.plan.cut) if s.plan is not None else place[limb] - 0.05,
            place=tip,
            axis=axis / max(float(np.linalg.norm(axis)), 1e-9),
            front=amputee.posed.rotations[JOINT["spine3" if region.limb == "arm" else "pelvis"]]
            @ np.array([0.0, 0, 1]),
            carrier=carrier,
            torso=torso,
            absent=region.joints,
            length=float(length) if length > 1e-6 else 0.25,
        )
    return out


def dress(garments: Sequence[Garment], stumps: Mapping[str, ClothStump], skirts: bool) -> list[Worn]:
    """Translate the look's garments; endings count only where the limb is gone."""
    worn = []
    for g in garments:
        ends = {limb: e for limb, e in g.ending.items() if limb in stumps}
        if g.kind in TOPS:
            neck = "tank" if g.kind == "tanktop" else g.neck
            left, right = g.lengths["left_arm"], g.lengths["right_arm"]
            worn.append(Worn(Spec("top", left, right, neck, g.tucked, g.fit), g, ends))
        elif g.kind in ("trousers", "shorts", "skirt"):
            left, right = g.lengths["left_leg"], g.lengths["right_leg"]
            if g.kind == "skirt" and skirts:
                worn.append(Worn(Spec("skirt", left, right), g, {}))
            else:
                worn.append(Worn(Spec("trousers", left, right, fit=g.fit, cut=g.cut), g, ends))
        elif g.kind == "shoes":
            rim = 1.80 if g.height == "boot" else 1.975
            sides = [s for s in ("left", "right") if f"{s}_leg" not in stumps]
            worn += [Worn(Spec("shoe", rim, rim, side=s), g, {}) for s in sides]
    return worn


def garment_of(shared: Shared, spec: Spec) -> GarmentMesh:
    """Return a garment for a body from the pool, else from the shelf; made once a machine."""

    def make() -> GarmentMesh:
        return build_garment(spec, shared.shells, shared.body.mesh, shared.body.joints_template)

    return _GARMENTS.get((shared.token, spec), lambda: _SHELF.get(f"{shared.digest} {spec}", make))


def worn_over(worn: Sequence[Worn], inner: Worn) -> list[Worn]:
    """Return the garments worn over ``inner``."""
    top = next((w for w in worn if w.spec.kind == "top"), None)
    below = [w for w in worn if w.spec.kind in ("trousers", "skirt")]
    if inner.spec.kind == "top":
        return below if inner.spec.tucked else []
    if inner.spec.kind in ("trousers", "skirt"):
        return [top] if top and not top.spec.tucked else []
    return below if inner.spec.kind == "shoe" else [*below, *([top] if top else [])]


def hidden_levels(worn: Worn, stumps: Mapping[str, ClothStump]) -> dict[str, float]:
    """Return limb -> level below which the garment hides what is on its limb, where a stump changes it."""
    own = levels(worn.spec)
    return {limb: hidden_level(e, own[limb], stumps[limb]) for limb, e in worn.ends.items()}


def _hidden_cloth(shared: Shared, inner: Spec, outer: Spec) -> Bool[ndarray, " v"]:
    """Return (V,) bool: vertices of a garment that lie under another one (stumps left out)."""
    key = (shared.token, inner, outer)

    def make() -> Bool[ndarray, " v"]:
        joints = shared.body.joints_template
        mesh = garment_of(shared, inner).mesh
        m = _MEASURES.get((shared.token, inner), lambda: measure(mesh, joints))
        return hides(outer, m, joints)

    return _COVERED.get(key, make)


def trimmed(shared: Shared, item: Worn, worn: Sequence[Worn]) -> GarmentMesh:
    """Return a garment without what lies under the garments worn over it."""
    over = tuple(w.spec for w in worn_over(worn, item))
    if not over:
        return garment_of(shared, item.spec)

    def make() -> GarmentMesh:
        garment = garment_of(shared, item.spec)
        mesh = garment.mesh
        under = np.any([_hidden_cloth(shared, item.spec, outer) for outer in over], axis=0)
        shown = np.flatnonzero(~faces_within(mesh.faces, under))
        kept = {name: getattr(mesh, name)[shown] for name in ("faces", "face_uv", "face_part", "hidden")}
        mesh = replace(mesh, **kept)
        return replace(garment, mesh=mesh)

    return _TRIMMED.get((shared.token, item.spec, over), make)


def hung(garment: GarmentMesh, amputee: Amputee) -> Float[ndarray, "v 3"]:
    """Return a garment's posed vertices, m: trousers fold in the hollow of a bent knee and fall towards the ground."""
    joints, offset = amputee.posed.joints, None
    for leg, fold in garment.bends.items():
        much = np.float32(trousers.bent(joints, leg))
        offset = fold * much if offset is None else offset + fold * much
    vertices = amputee.posed.vertices(garment.mesh, amputee.betas, offset).astype(np.float32)
    if garment.slack is not None:
        vertices = vertices + trousers.sag(garment.slack, garment.limbs, joints, DOWN)
    return vertices
