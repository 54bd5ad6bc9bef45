"""Beards: locks that grow where stubble is painted, and follow the chin of the person's own face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.amputation.rebuild import Amputee
from a3dgen.appearance.locks import POINTS, Locks, grow_locks
from a3dgen.appearance.look import Hair
from a3dgen.appearance.stump_cloth import Piece
from a3dgen.appearance.wardrobe import Shared
from a3dgen.bodies.faces import face_offsets
from a3dgen.core.pool import Pool
from a3dgen.core.shelf import Shelf
from a3dgen.geometry.head import head_frame
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT

FULL = 1.0
"""Stubble from this density on is a beard."""
STYLES = (
    Locks(3000, 0.0055, 0.0015, 0.6, 0.30),
    Locks(2800, 0.0105, 0.0017, 0.45, 0.26),
    Locks(2600, 0.0210, 0.0021, 0.35, 0.20),
)
"""Short, medium and full beards."""


@dataclass(frozen=True)
class Beard:
    """A beard at rest: a mesh that follows the head, and (V,) the vertex of the skin below each of its vertices."""

    mesh: SkinnedMesh
    roots: Integer[ndarray, " v"]


_BEARDS: Pool[Beard | None] = Pool(len(STYLES))
_SHELF: Shelf[Beard | None] = Shelf("beards", __file__, Beard, SkinnedMesh)


def posed_beard(shared: Shared, amputee: Amputee, hair: Hair, seed: int) -> Piece | None:
    """Return the beard of a person's look, posed, on the chin of their own face; None where there is at most stubble.

    Args:
        shared, amputee: the body, and as it stands. hair, seed: of the look.
    """
    masks = shared.body.masks
    if hair.stubble < FULL or "beard" not in masks:
        return None
    where = masks["beard"] * (1 - masks.get("ears", 0)) * (1 - masks.get("lips", 0))
    style = seed // 16 % len(STYLES)
    name = f"{shared.digest} {style}"
    beard = _BEARDS.get(name, lambda: _SHELF.get(name, lambda: build_beard(shared.body.mesh, where, style)))
    if beard is None:
        return None
    face = face_offsets(shared.body, seed)
    own = None if face is None else face[beard.roots]
    vertices = amputee.posed.vertices(beard.mesh, amputee.betas, own).astype(np.float32)
    return Piece(vertices, beard.mesh.faces, beard.mesh.uv, beard.mesh.face_uv, beard.mesh.face_part)


def build_beard(skin: SkinnedMesh, where: Float[ndarray, " v"], style: int) -> Beard | None:
    """Return a beard on a body's skin, or None if the body has no face (no eyeballs, or no map of beards).

    Args:
        skin: the body's. where: how dense beard grows at its vertices, 0..1. style: one of ``STYLES``.
    """
    frame = head_frame(skin)
    if frame is None or not where.any():
        return None
    faces = skin.faces[(where[skin.faces] > 0.3).all(1) & ~skin.hidden]
    surface = _part(skin, faces)
    centre = skin.vertices[faces].astype(np.float64).mean(1)
    chance = where[faces].mean(1).astype(np.float64)
    out = centre - frame.centre
    fall = np.stack([0.6 * out[:, 0], np.full(len(out), -0.10), 0.35 * out[:, 2]], 1)
    mesh = grow_locks(surface, chance, fall, STYLES[style], f"beard {style}")
    first = mesh.vertices.reshape(-1, POINTS, 3)[:, :2].mean(1)
    used = np.unique(faces)
    roots = used[cKDTree(skin.vertices[used]).query(first)[1]]
    return Beard(mesh, np.repeat(roots, POINTS).astype(np.int32))


def _part(skin: SkinnedMesh, faces: Integer[ndarray, "f 3"]) -> SkinnedMesh:
    """Return chosen faces of the skin as a surface with a texture coordinate a vertex."""
    used, rows = np.unique(faces, return_inverse=True)
    rows = rows.reshape(-1, 3).astype(np.int32)
    points = skin.vertices[used]
    return SkinnedMesh(
        vertices=points,
        shape_dirs=skin.shape_dirs[used],
        weights=skin.weights[used],
        faces=rows,
        uv=(points[:, :2] / 0.06).astype(np.float32),
        face_uv=rows,
        face_part=np.full(len(rows), JOINT["head"], np.uint8),
        hidden=np.zeros(len(rows), bool),
    )
