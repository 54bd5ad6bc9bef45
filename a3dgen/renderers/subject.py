"""A dressed person as items to draw: skin without what clothes hide, garments, hair. Meshes and textures are pooled."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.geometry.amputate import Amputee
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.endings import Piece, Stump, finish, hidden_level, sock
from a3dgen.geometry.garments import Garment, Measure, Spec, build_garment, hides, levels, measure
from a3dgen.geometry.hair import CROPPED, build_hair
from a3dgen.geometry.limbs import LIMB_JOINTS
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.regions import REGIONS
from a3dgen.geometry.sheets import subdivided
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io import textures
from a3dgen.io.pool import Pool
from a3dgen.looks import TOPS, tips
from a3dgen.renderers import Item

log = logging.getLogger("a3dgen")

LINER_REACH = 0.5
"""How far a liner reaches up from the tip, in limb coordinates."""


@dataclass(frozen=True)
class _Shared:
    """What every subject of one body shares."""

    body: BodyData
    skin: Measure
    shells: Mapping[str, SkinnedMesh]


@dataclass(frozen=True)
class _Worn:
    """One garment of one person: its shape, what it is made of, and limb -> ending over stumps."""

    spec: Spec
    entry: Mapping[str, Any]
    ends: Mapping[str, str]


_SHARED: Pool[_Shared] = Pool(4)
_GARMENTS: Pool[Garment] = Pool(128)
_MEASURES: Pool[Measure] = Pool(128)
_HIDDEN: Pool[Bool[ndarray, " v"]] = Pool(256)
_VISIBLE: Pool[tuple[object, ndarray, ndarray, ndarray]] = Pool(48)
_HAIR: Pool[list[SkinnedMesh]] = Pool(64)


def build_subject(body: BodyData, amputee: Amputee, plan: Mapping[str, Any], folder: str = "") -> list[Item]:
    """Return everything to draw of one sample, skin first.

    Args:
        body: the body model the amputee was rebuilt from.
        amputee: the posed, cut body.
        plan: one row of Plans: ``removed``, ``residual``, ``skin``, ``hair``, ``garments``, ``look_seed``.
        folder: where whole-person textures named in the plan lie (``looks.textures``).

    Raises:
        DataError: if a texture file named in the plan cannot be read.
    """
    shared = _SHARED.get(id(body.mesh), lambda: _prepare(body))
    hair, garments = json.loads(str(plan["hair"])), json.loads(str(plan["garments"]))
    stumps = _stumps(amputee, np.asarray(plan["removed"], bool), np.asarray(plan["residual"], float))
    worn = _dress(garments, stumps, "skirt" in shared.shells)
    liners = [g for g in garments if g["kind"] == "liner" and g["limb"] in stumps]
    seed = int(plan["look_seed"])
    painted = [g["file"] for g in garments if g["kind"] == "texture"]
    if painted:
        texture, uv = textures.painted(str(Path(folder) / painted[0])), amputee.mesh.uv
    else:
        texture, uv = textures.skin(body, int(plan["skin"]), hair, seed), _with_eyes(body, amputee)
    items = [_skin(shared, amputee, worn, liners, stumps, texture, uv)]
    items += [_cloth(shared, amputee, w, worn, stumps) for w in worn]
    items += [_liner(shared, amputee, g, worn, stumps) for g in liners]
    if not painted:
        items += _hair(shared, amputee, hair, seed)
    return items


def _prepare(body: BodyData) -> _Shared:
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
    return _Shared(body, measure(body.mesh, body.joints_template), shells)


def _with_eyes(body: BodyData, amputee: Amputee) -> Float[ndarray, "t 2"]:
    """The cut mesh's texture coordinates with the body's own rows as the skin texture has them."""
    uv = textures.body_maps(body).uv
    if amputee.mesh is body.mesh:
        return uv
    return np.concatenate([uv, amputee.mesh.uv[len(uv) :]])


def _stumps(amputee: Amputee, removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"]) -> dict[str, Stump]:
    """Return limb -> stump as the clothes see it."""
    place = tips(removed, residual)
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
        out[limb] = Stump(
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


def _dress(garments: Sequence[Mapping[str, Any]], stumps: Mapping[str, Stump], skirts: bool) -> list[_Worn]:
    """Translate the look's garments; endings count only where the limb is gone."""
    worn = []
    for g in garments:
        kind, lengths = g["kind"], g.get("lengths", {})
        ends = {limb: e for limb, e in g.get("ending", {}).items() if limb in stumps}
        fit = float(g.get("fit", 0.5))
        if kind in TOPS:
            neck = "tank" if kind == "tanktop" else str(g.get("neck", "crew"))
            left, right = float(lengths["left_arm"]), float(lengths["right_arm"])
            worn.append(_Worn(Spec("top", left, right, neck, bool(g.get("tucked", False)), fit), g, ends))
        elif kind in ("trousers", "shorts", "skirt"):
            left, right = float(lengths["left_leg"]), float(lengths["right_leg"])
            if kind == "skirt" and skirts:
                worn.append(_Worn(Spec("skirt", left, right), g, {}))
            else:
                worn.append(_Worn(Spec("trousers", left, right, fit=fit), g, ends))
        elif kind == "shoes":
            rim = 1.80 if g.get("height") == "boot" else 1.92
            sides = [s for s in ("left", "right") if f"{s}_leg" not in stumps]
            worn += [_Worn(Spec("shoe", rim, rim, side=s), g, {}) for s in sides]
    return worn


def _garment(shared: _Shared, spec: Spec) -> Garment:
    key = (id(shared.body.mesh), spec)
    return _GARMENTS.get(key, lambda: build_garment(spec, shared.shells, shared.body.joints_template))


def _over(worn: Sequence[_Worn], inner: _Worn) -> list[_Worn]:
    """Return the garments worn over ``inner``."""
    top = next((w for w in worn if w.spec.kind == "top"), None)
    below = [w for w in worn if w.spec.kind in ("trousers", "skirt")]
    if inner.spec.kind == "top":
        return below if inner.spec.tucked else []
    if inner.spec.kind in ("trousers", "skirt"):
        return [top] if top and not top.spec.tucked else []
    return below if inner.spec.kind == "shoe" else [*below, *([top] if top else [])]


def _ends(worn: _Worn, stumps: Mapping[str, Stump]) -> dict[str, float]:
    """Return limb -> level below which the garment hides what is on its limb, where a stump changes it."""
    own = levels(worn.spec)
    return {limb: hidden_level(e, own[limb], stumps[limb]) for limb, e in worn.ends.items()}


def _skin(
    shared: _Shared,
    amputee: Amputee,
    worn: Sequence[_Worn],
    liners: Sequence[Mapping[str, Any]],
    stumps: Mapping[str, Stump],
    texture: ndarray,
    uv: ndarray,
) -> Item:
    ends = [(w.spec, tuple(sorted(_ends(w, stumps).items()))) for w in worn]
    socks = tuple(sorted((g["limb"], stumps[g["limb"]].tip) for g in liners))
    key = (id(amputee.topology), tuple(ends), socks)
    _, faces, face_uv, labels = _VISIBLE.get(key, lambda: _visible(shared, amputee, ends, socks))
    scar = amputee.scar if len(stumps) else None
    return Item(amputee.vertices, faces, uv, face_uv, labels, texture, "skin", scar)


def _visible(
    shared: _Shared, amputee: Amputee, ends: Sequence[tuple[Spec, Any]], socks: Sequence[tuple[str, float]]
) -> tuple[object, ndarray, ndarray, ndarray]:
    """Faces of the cut body that are not hidden for good or by clothes (the topology is returned to keep it alive)."""
    mesh, origin = amputee.mesh, amputee.origin
    covered = np.zeros(len(mesh.faces), bool)
    joints = shared.body.joints_template
    for spec, changed in ends:
        under = hides(spec, shared.skin, joints, dict(changed))
        covered |= origin.apply(under.astype(np.float32))[mesh.faces].min(1) > 0.999
    for limb, tip in socks:
        on = origin.apply(shared.skin.limbs[limb])
        covered |= (on >= tip - LINER_REACH + 0.05)[mesh.faces].all(1)
    keep = ~(covered | mesh.hidden)
    return amputee.topology, mesh.faces[keep], mesh.face_uv[keep], (mesh.face_part[keep] + 1).astype(np.uint8)


def _hidden_cloth(shared: _Shared, inner: Spec, outer: Spec) -> Bool[ndarray, " v"]:
    """Return (V,) bool: vertices of a garment that lie under another one (stumps left out)."""
    key = (id(shared.body.mesh), inner, outer)

    def make() -> Bool[ndarray, " v"]:
        joints = shared.body.joints_template
        mesh = _garment(shared, inner).mesh
        m = _MEASURES.get((id(shared.body.mesh), inner), lambda: measure(mesh, joints))
        return hides(outer, m, joints)

    return _HIDDEN.get(key, make)


def _cloth(shared: _Shared, amputee: Amputee, item: _Worn, worn: Sequence[_Worn], stumps: Mapping[str, Stump]) -> Item:
    garment = _garment(shared, item.spec)
    mesh = garment.mesh
    over = _over(worn, item)
    if over:
        under = np.any([_hidden_cloth(shared, item.spec, o.spec) for o in over], axis=0)
        shown = ~under[mesh.faces].all(1)
        mesh = replace(
            mesh, faces=mesh.faces[shown], face_uv=mesh.face_uv[shown], face_part=mesh.face_part[shown],
            hidden=mesh.hidden[shown],
        )  # fmt: skip
        garment = replace(garment, mesh=mesh)
    vertices = amputee.posed.vertices(mesh, amputee.betas).astype(np.float32)
    piece = Piece(vertices, mesh.faces, mesh.uv, mesh.face_uv, mesh.face_part)
    if item.ends:
        piece = finish(garment, vertices, item.ends, stumps)
    entry = item.entry
    if item.spec.kind == "shoe":
        return _draw(piece, textures.shoe(entry["colors"], int(entry["seed"])), "shoe")
    return _draw(piece, textures.fabric(entry["fabric"], entry["colors"], int(entry["seed"])), "cloth")


def _liner(
    shared: _Shared,
    amputee: Amputee,
    entry: Mapping[str, Any],
    worn: Sequence[_Worn],
    stumps: Mapping[str, Stump],
) -> Item:
    stump = stumps[entry["limb"]]
    start = stump.tip - LINER_REACH
    for w in worn:
        ends = _ends(w, stumps) | {}
        level = ends.get(stump.limb, levels(w.spec).get(stump.limb))
        if level is not None and np.isfinite(level):
            start = max(start, min(level - 0.15, stump.tip - 0.2))
    coordinate = amputee.origin.apply(shared.skin.limbs[stump.limb])
    piece = sock(amputee.mesh, amputee.vertices, coordinate, stump, start)
    return _draw(piece, textures.fabric(entry["fabric"], entry["colors"], int(entry["seed"])), "cloth")


def _draw(piece: Piece, texture: ndarray, material: str) -> Item:
    labels = (piece.part + 1).astype(np.uint8)
    vertices = np.ascontiguousarray(piece.vertices, np.float32)
    return Item(vertices, piece.faces, piece.uv, piece.face_uv, labels, texture, material, None, True)


def _hair(shared: _Shared, amputee: Amputee, hair: Mapping[str, Any], seed: int) -> list[Item]:
    style, length = str(hair["style"]), float(hair["length"])
    key = (id(shared.body.mesh), style, length)
    meshes = _HAIR.get(key, lambda: build_hair(shared.body.mesh, style, length))
    texture = textures.hair(str(hair["colour"]), seed, style in CROPPED)
    out = []
    for mesh in meshes:
        vertices = amputee.posed.vertices(mesh, amputee.betas).astype(np.float32)
        piece = Piece(vertices, mesh.faces, mesh.uv, mesh.face_uv, mesh.face_part)
        out.append(_draw(piece, texture, "hair"))
    return out
