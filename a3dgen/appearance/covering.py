"""How much of a hole in a photo hair and clothes would cover: outlines of the skin moved out by the cloth's distance.

Nothing is built for it but skirts and hair: a shirt or a pair of trousers is the skin, moved out along its normals by
what the garment's own rules say, and drawn at the size of a stamp. That tells wide from close, not fold from fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.appearance import trousers
from a3dgen.appearance.garment_bounds import Spec, body_scale, levels, within_bounds
from a3dgen.appearance.garments import ease, room
from a3dgen.appearance.hair import STYLES, build_hair
from a3dgen.appearance.look import Garment, Hair
from a3dgen.appearance.wardrobe import Shared, dress, garment_of, shared_parts
from a3dgen.core.pool import Pool
from a3dgen.core.shelf import Shelf
from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.raster import silhouette
from a3dgen.geometry.skeleton import JOINT

_STAND_OFF: Pool[tuple[Float[ndarray, " v"], Integer[ndarray, "m 3"]]] = Pool(64)
"""Of every shape of top and trousers on the skin: at half precision, 27 kB each; and the faces that it moves."""
_LOCKS: Pool["_Locks"] = Pool(16)
_ANY_CUT = 0.5
"""Fit of the trousers that stand for those of their cut: the cut makes the outline."""


@dataclass(frozen=True)
class _Locks:
    """Hair of one style at rest: points, m, the head's share in each (the rest is the chest's), faces."""

    points: Float[ndarray, "n 3"]
    head: Float[ndarray, " n"]
    faces: Integer[ndarray, "f 3"]


_ARRAYS: Shelf[Float[ndarray, " v"]] = Shelf("standoff", __file__)
_SHELF: Shelf[_Locks] = Shelf("locks", __file__, _Locks)


@dataclass(frozen=True)
class Coverage:
    """What hair and clothes would cover of a hole, beside what the bare body covers.

    Attributes:
        shared, posed, betas: the body as it stands in the photo. K: camera of the small picture.
        skin: posed vertices, m. normals: of them. faces: of the skin.
        open: (h, w) the hole, small, where the bare body does not cover it. size: the body's longer side there, px.
        known: gains that were asked before.
    """

    shared: Shared
    posed: PosedBody
    betas: Float[ndarray, " k"]
    K: Float[ndarray, "3 3"]
    skin: Float[ndarray, "v 3"]
    normals: Float[ndarray, "v 3"]
    faces: Integer[ndarray, "f 3"]
    open: Bool[ndarray, "h w"]
    size: float
    known: dict[Any, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, body: BodyData, fitted: Mapping[str, Any], K: Float[ndarray, "3 3"], hole: Bool[ndarray, "h w"]
    ) -> Coverage:
        """Return the coverage of a hole by somebody.

        Args:
            body: the body model. fitted: row of Bodies. K: camera of the picture of ``hole``, px. hole: what is filled.
        """
        posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
        skin = posed.vertices(body.mesh, fitted["betas"])
        faces = body.mesh.faces[~body.mesh.hidden]
        bare = silhouette(skin, faces, K, hole.shape[1], hole.shape[0])
        rows, columns = np.flatnonzero(bare.any(1)), np.flatnonzero(bare.any(0))
        size = float(max(np.ptp(rows), np.ptp(columns)) + 1) if len(rows) else 1.0
        normals = vertex_normals(skin, body.mesh.faces)
        shared = shared_parts(body)
        return cls(shared, posed, np.asarray(fitted["betas"]), K, skin, normals, faces, hole & ~bare, size)

    def gain(self, worn: Hair | Garment) -> float:
        """Return what something worn would cover of the hole, share of the body's longer side squared."""
        key = worn.style if isinstance(worn, Hair) else _shape_of(worn)
        if key is None:
            return 0.0
        if key not in self.known:
            h, w = self.open.shape
            seen = silhouette(*self._surface(key), self.K, w, h)
            self.known[key] = float((seen & self.open).sum()) / self.size**2
        return self.known[key]

    def _surface(self, key: str | Spec) -> tuple[Float[ndarray, "n 3"], Integer[ndarray, "f 3"]]:
        if isinstance(key, str):
            return self._hair(key)
        if key.kind == "skirt":
            mesh = garment_of(self.shared, key).mesh
            return self.posed.vertices(mesh, self.betas), mesh.faces
        token = (self.shared.token, key)
        off, faces = _STAND_OFF.get(token, lambda: self._moved(key))
        return self.skin + off[:, None] * self.normals, faces

    def _moved(self, spec: Spec) -> tuple[Float[ndarray, " v"], Integer[ndarray, "m 3"]]:
        off = _ARRAYS.get(self._name(spec), lambda: _stand_off(self.shared, spec))
        return off, self.faces[off[self.faces].any(1)]

    def _name(self, key: str | Spec) -> str:
        return f"{self.shared.digest} {key}"

    def _hair(self, style: str) -> tuple[Float[ndarray, "n 3"], Integer[ndarray, "f 3"]]:
        mesh = self.shared.body.mesh
        token = (self.shared.token, style)
        locks = _LOCKS.get(token, lambda: _SHELF.get(self._name(style), lambda: _locks_of(self.shared, style)))
        if not len(locks.points):
            return locks.points, locks.faces
        on_head = mesh.weights[:, JOINT["head"]] > 0.9
        moved = (mesh.shape_dirs[on_head].mean(0) @ self.betas.astype(np.float32)).astype(np.float32)
        at = np.column_stack([locks.points + moved, np.ones(len(locks.points), np.float32)])
        head, chest = (at @ self.posed.transforms[JOINT[name]].T for name in ("head", "spine3"))
        return chest + locks.head[:, None] * (head - chest), locks.faces


def _shape_of(garment: Garment) -> Spec | None:
    """Return the shape that stands for a garment's outline; None for shoes, whose outlines hardly differ."""
    worn = dress([garment], {}, skirts=True)
    if not worn or worn[0].spec.kind == "shoe":
        return None
    spec = worn[0].spec
    if spec.kind == "top":
        return Spec("top", spec.left, spec.right, fit=spec.fit)
    return spec if spec.kind == "skirt" else Spec("trousers", spec.left, spec.right, fit=_ANY_CUT, cut=spec.cut)


def _stand_off(shared: Shared, spec: Spec) -> Float[ndarray, " v"]:
    """Return how far a top or trousers stand off each vertex of the skin, m; 0 where they do not cover it."""
    mesh, joints, m = shared.body.mesh, shared.body.joints_template, shared.skin
    off = ease(spec, mesh, m.limbs, joints)
    if spec.kind == "top" and spec.fit > 1:
        off = off + room(spec, mesh, m.limbs, joints)
    if spec.kind == "trousers":
        cut = trousers.CUTS[spec.cut]
        wide = trousers.widened(mesh, m.limbs, joints, cut, max(spec.left, spec.right), body_scale(joints))
        off = np.maximum(off, np.linalg.norm(wide.vertices - mesh.vertices, axis=1))
    covered = within_bounds(spec, m, joints)
    for limb, level in levels(spec).items():
        covered &= m.limbs[limb] <= level
    return np.where(covered, off, 0.0).astype(np.float16)


def _locks_of(shared: Shared, style: str) -> _Locks:
    if style not in STYLES:
        return _Locks(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros((0, 3), np.int32))
    points, head, faces, count = [], [], [], 0
    for mesh in build_hair(shared.body.mesh, style, 1.0):
        points.append(mesh.vertices)
        head.append(mesh.weights[:, JOINT["head"]])
        faces.append(mesh.faces + count)
        count += len(mesh.vertices)
    if not points:  # a body without eyeballs
        return _locks_of(shared, "")
    return _Locks(np.concatenate(points), np.concatenate(head), np.concatenate(faces).astype(np.int32))
