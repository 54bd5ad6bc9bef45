"""A dressed person as items to draw: skin without what clothes hide, garments, hair. Meshes and textures are pooled."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee, Topology
from a3dgen.appearance import hair as hair_shapes
from a3dgen.appearance.beards import posed_beard
from a3dgen.appearance.garment_bounds import LIMB_MARGIN, Spec, levels, within_bounds
from a3dgen.appearance.hair import CROPPED, FLOWS, VARIANTS, build_hair
from a3dgen.appearance.look import LINER, TEXTURE, Garment, Hair, Look
from a3dgen.appearance.stump_cloth import Piece, finish, sock
from a3dgen.appearance.stump_cloth_shapes import ClothStump
from a3dgen.appearance.texture import pool
from a3dgen.appearance.under_cloth import sunk_depth
from a3dgen.appearance.wardrobe import (
    Shared,
    Worn,
    dress,
    find_stumps,
    hidden_levels,
    hung,
    shared_parts,
    trimmed,
    worn_over,
)
from a3dgen.core.pool import Pool
from a3dgen.core.shelf import Shelf
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import SkinnedMesh, faces_within, renumber
from a3dgen.geometry.regions import among
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Item, TiledTexture
from a3dgen.renderers.prepare import vertex_normals

log = logging.getLogger("a3dgen")

LINER_REACH = 0.5
"""How far a liner reaches up from the tip, in limb coordinates."""
CLOSURE_REACH, CLOSURE_LIFT = 0.12, 0.009
"""How far cloth over a closed shoulder or hip runs under the rest of the garment (limb coordinate); lift, m."""
LINING_TILES = 5.0
"""Fabric tiles over the whole texture of the body (which spans about 1.6 m of skin)."""

LINING_BACK_M = 0.02
_BEHIND_THE_FACE = (JOINT["head"], JOINT["neck"], JOINT["spine3"])

_HIDDEN: Pool[Bool[ndarray, " v"]] = Pool(1024)
"""Of every garment on the skin: a few kilobytes each."""
_VISIBLE: Pool["_Layers"] = Pool(6)
_LABELS: Pool[tuple[ndarray, UInt8[ndarray, " f"]]] = Pool(16)
"""Each keeps its whole mesh in memory."""
_HAIR: Pool[list[SkinnedMesh]] = Pool(6)
_HAIR_SHELF: Shelf[list[SkinnedMesh]] = Shelf("hair", hair_shapes.__file__, SkinnedMesh, most=16 << 20)


def build_subject(body: BodyData, amputee: Amputee, look: Look) -> list[Item]:
    """Return everything to draw of one sample, skin first.

    Args:
        body: the body model the amputee was rebuilt from.
        amputee: the posed, cut body.
        look: skin, hair and garments.

    Raises:
        DataError: if a texture file named in the look cannot be read.
    """
    shared = shared_parts(body)
    stumps = find_stumps(amputee)
    worn = dress(look.garments, stumps, "skirt" in shared.shells)
    liners = [g for g in look.garments if g.kind == LINER and g.limb in stumps]
    painted = [g.file for g in look.garments if g.kind == TEXTURE]
    texture: ndarray | TiledTexture
    if painted:
        texture, uv = pool.painted(painted[0], body), amputee.mesh.uv
    else:
        texture, uv = pool.skin(body, look.skin, look.hair, look.seed), _with_eyes(body, amputee)
    layers = _layers(shared, amputee, worn, liners, stumps)
    scar = amputee.scar if stumps else None
    sunk = amputee.vertices - layers.sunk[:, None] * vertex_normals(amputee.vertices, amputee.mesh.faces)
    items = [Item(sunk, layers.faces, uv, layers.face_uv, layers.labels, texture, "skin", scar)]
    for w, lining in zip(worn, layers.linings, strict=True):
        items.append(_cloth(shared, amputee, w, worn, stumps))
        over = worn_over(worn, w)
        items += [_closure(shared, amputee, stumps[k], over, items[-1]) for k in w.ends if stumps[k].tip < 0.05]
        if lining is not None:
            items.append(_inner(amputee, lining, items[-1]))
    items += [_liner(shared, replace(amputee, vertices=sunk), g, worn, stumps) for g in liners]
    if not painted:
        items += _hair(shared, amputee, look.hair, look.seed)
    items.append(_inner(amputee, layers.skull, items[0]))
    return items


def shoe_item(body: BodyData, amputee: Amputee, look: Look, side: str) -> Item | None:
    """Return the look's shoe on one foot, posed with the foot's own joints whether or not they are absent, or None if
    the person wears none."""
    shared = shared_parts(body)
    shoes = [w for w in dress(look.garments, {}, "skirt" in shared.shells) if w.spec.kind == "shoe"]
    own = [w for w in shoes if w.spec.side == side]
    return _cloth(shared, amputee, own[0], own, {}) if own else None


def _with_eyes(body: BodyData, amputee: Amputee) -> Float[ndarray, "t 2"]:
    """The cut mesh's texture coordinates with the body's own rows as the skin texture has them."""
    uv = pool.body_maps(body).uv
    if amputee.mesh is body.mesh:
        return uv
    return np.concatenate([uv, amputee.stump_uv[len(uv) :]])


@dataclass(frozen=True)
class _Lining:
    """Skin drawn once more behind what hides it: as cloth, where a pose presses a garment into the body; or the back of
    the head, seen from inside, where the slit between the lips would show through. No gap opens in the outline.

    ``used``: (W,) vertices of the cut body; the rest as in Item.
    """

    used: Integer[ndarray, " w"]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    labels: UInt8[ndarray, " f"]


@dataclass(frozen=True)
class _Layers:
    """The faces of a cut body sorted by what is drawn there; keeps the topology alive, whose identity is its key.

    ``sunk``: how far its vertices are drawn in under cloth, m.
    """

    topology: Topology
    faces: Integer[ndarray, "f 3"]
    face_uv: Integer[ndarray, "f 3"]
    labels: UInt8[ndarray, " f"]
    linings: tuple[_Lining | None, ...]
    skull: _Lining
    sunk: Float[ndarray, " v"]


def _layers(
    shared: Shared,
    amputee: Amputee,
    worn: Sequence[Worn],
    liners: Sequence[Garment],
    stumps: Mapping[str, ClothStump],
) -> _Layers:
    ends = tuple((w.spec, tuple(sorted(hidden_levels(w, stumps).items()))) for w in worn)
    socks = tuple(sorted((g.limb, stumps[g.limb].tip) for g in liners))
    key = (id(amputee.topology), ends, socks)
    return _VISIBLE.get(key, lambda: _sort_faces(shared, amputee, ends, socks))


def _sort_faces(
    shared: Shared, amputee: Amputee, ends: Sequence[tuple[Spec, Any]], socks: Sequence[tuple[str, float]]
) -> _Layers:
    """Give every face of the cut body to the skin, to the outermost garment that hides it, or to nothing."""
    mesh, origin = amputee.mesh, amputee.origin
    free = ~mesh.hidden
    joints = shared.body.joints_template
    sunk = np.zeros(len(shared.skin.points))
    for limb, tip in socks:
        on = origin.apply(shared.skin.limbs[limb])
        free &= ~faces_within(mesh.faces, on >= tip - LINER_REACH + 0.05)
    linings: list[_Lining | None] = [None] * len(ends)
    for i in sorted(range(len(ends)), key=lambda i: ends[i][0].kind == "top" and ends[i][0].tucked):
        spec, changed = ends[i]
        under = _under(shared, spec).copy()
        for limb, level in (levels(spec) | dict(changed)).items():
            under &= shared.skin.limbs[limb] <= level - LIMB_MARGIN
        covered = faces_within(mesh.faces, origin.apply(under.astype(np.float32)) > 0.999) & free
        free &= ~covered
        sunk = np.maximum(sunk, sunk_depth(spec, shared.skin, joints, dict(changed)))
        if covered.any() and spec.kind != "shoe":
            linings[i] = _lining(mesh, covered, LINING_TILES)
    labels = (mesh.face_part + 1).astype(np.uint8)
    skull = _lining(mesh, ~mesh.hidden & np.isin(mesh.face_part, _BEHIND_THE_FACE), 1.0)
    skull = replace(skull, faces=skull.faces[:, ::-1].copy(), face_uv=skull.face_uv[:, ::-1].copy())
    shown = np.flatnonzero(free)
    return _Layers(
        amputee.topology,
        mesh.faces[shown],
        mesh.face_uv[shown],
        labels[shown],
        tuple(linings),
        skull,
        origin.apply(sunk.astype(np.float32)),
    )


def _lining(mesh: SkinnedMesh, covered: Bool[ndarray, " f"], tiles: float) -> _Lining:
    chosen = np.flatnonzero(covered)
    used, rows = renumber(mesh.faces[chosen], len(mesh.vertices))
    texels, columns = renumber(mesh.face_uv[chosen], len(mesh.uv))
    return _Lining(
        used,
        rows,
        (mesh.uv[texels] * tiles).astype(np.float32),
        columns,
        (mesh.face_part[chosen] + 1).astype(np.uint8),
    )


def _inner(amputee: Amputee, lining: _Lining, over: Item) -> Item:
    vertices = amputee.vertices[lining.used]
    if over.material == "cloth":  # further along the same viewing rays: seen only where no cloth is near
        away = LINING_BACK_M / np.linalg.norm(vertices, axis=1, keepdims=True)
        vertices = (vertices * (1 + away)).astype(np.float32)
    return Item(vertices, lining.faces, lining.uv, lining.face_uv, lining.labels, over.texture, over.material)


def _cloth(
    shared: Shared, amputee: Amputee, item: Worn, worn: Sequence[Worn], stumps: Mapping[str, ClothStump]
) -> Item:
    garment = trimmed(shared, item, worn)
    mesh = garment.mesh
    vertices = hung(garment, amputee)
    piece = Piece(vertices, mesh.faces, mesh.uv, mesh.face_uv, mesh.face_part)
    if item.ends:
        piece = finish(garment, vertices, item.ends, stumps)
    piece = _of_what_is_left(piece, stumps)
    cloth = item.garment
    if item.spec.kind == "shoe":
        return _draw(piece, pool.shoe(cloth.colors, cloth.seed), "shoe")
    return _draw(piece, pool.fabric(cloth.fabric, cloth.colors, cloth.seed), "cloth")


def _of_what_is_left(piece: Piece, stumps: Mapping[str, ClothStump]) -> Piece:
    """Label cloth that hangs where a limb is gone, such as a skirt, as the part that carries the stump."""
    part = piece.part
    for stump in stumps.values():
        part = np.where(among(part, stump.absent), np.uint8(stump.carrier), part)
    return replace(piece, part=part) if stumps else piece


def _closure(shared: Shared, amputee: Amputee, stump: ClothStump, over: Sequence[Worn], cloth: Item) -> Item:
    """Cloth over the place where a whole limb is gone, in the torso's own shape."""
    coordinate = shared.skin.limbs[stump.limb].copy()
    for outer in over:
        coordinate[_under(shared, outer.spec)] = -9.0
    coordinate = amputee.origin.apply(coordinate)
    piece = sock(amputee.mesh, amputee.vertices, coordinate, stump, stump.ring - CLOSURE_REACH, CLOSURE_LIFT)
    return _draw(piece, cloth.texture, "cloth")


def _under(shared: Shared, spec: Spec) -> Bool[ndarray, " v"]:
    """Return (V,) bool: the skin within a garment's bounds, sleeves and legs left out (pooled; do not write)."""
    key = (shared.token, spec, "skin")
    return _HIDDEN.get(key, lambda: within_bounds(spec, shared.skin, shared.body.joints_template))


def _liner(
    shared: Shared, amputee: Amputee, garment: Garment, worn: Sequence[Worn], stumps: Mapping[str, ClothStump]
) -> Item:
    stump = stumps[garment.limb]
    start = stump.tip - LINER_REACH
    for w in worn:
        ends = hidden_levels(w, stumps)
        level = ends.get(stump.limb, levels(w.spec).get(stump.limb))
        if level is not None and np.isfinite(level):
            start = max(start, min(level - 0.15, stump.tip - 0.2))
    coordinate = amputee.origin.apply(shared.skin.limbs[stump.limb])
    piece = sock(amputee.mesh, amputee.vertices, coordinate, stump, start)
    return _draw(piece, pool.fabric(garment.fabric, garment.colors, garment.seed), "cloth")


def _draw(piece: Piece, texture: ndarray | TiledTexture, material: str) -> Item:
    # renderers know a surface again by its arrays: those of pooled meshes keep their labels
    _, labels = _LABELS.get(id(piece.part), lambda: (piece.part, (piece.part + 1).astype(np.uint8)))
    vertices = np.ascontiguousarray(piece.vertices, np.float32)
    return Item(vertices, piece.faces, piece.uv, piece.face_uv, labels, texture, material, None, True)


def _hair(shared: Shared, amputee: Amputee, hair: Hair, seed: int) -> list[Item]:
    variant = seed % len(VARIANTS)
    key = (shared.token, hair.style, hair.length, variant if hair.style in FLOWS else 0)
    name = f"{shared.digest} {key[1:]}"
    meshes = _HAIR.get(
        key, lambda: _HAIR_SHELF.get(name, lambda: build_hair(shared.body.mesh, hair.style, hair.length, variant))
    )
    texture = pool.hair(hair.colour, seed, hair.style in CROPPED)
    posed = [amputee.posed.vertices(mesh, amputee.betas).astype(np.float32) for mesh in meshes]
    pieces = [Piece(v, m.faces, m.uv, m.face_uv, m.face_part) for v, m in zip(posed, meshes, strict=True)]
    items = [_draw(piece, texture, "cloth" if hair.style in CROPPED else "hair") for piece in pieces]
    beard = posed_beard(shared, amputee, hair, seed)
    return items if beard is None else [*items, _draw(beard, pool.hair(hair.colour, seed, True), "cloth")]
