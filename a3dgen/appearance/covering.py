"""How much of a hole in a photo clothes would cover: outlines of the skin moved out by the cloth's distance.

Nothing is built for it but skirts: a shirt or a pair of trousers is the skin, moved out along its normals by
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
from a3dgen.appearance.look import Garment
from a3dgen.appearance.wardrobe import Shared, dress, garment_of, shared_parts
from a3dgen.core.pool import Pool
from a3dgen.core.shelf import Shelf
from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.raster import silhouette

_STAND_OFF: Pool[tuple[Float[ndarray, " v"], Integer[ndarray, "m 3"]]] = Pool(64)
"""Of every shape of top and trousers on the skin: at half precision, 27 kB each; and the faces that it moves."""
_ANY_CUT = 0.5
"""Fit of the trousers that stand for those of their cut: the cut makes the outline."""


_ARRAYS: Shelf[Float[ndarray, " v"]] = Shelf("standoff", __file__)


@dataclass(frozen=True)
class Coverage:
    """What clothes would cover of a hole, beside what the bare body covers.

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

    def gain(self, worn: Garment) -> float:
        """Return what something worn would cover of the hole, share of the body's longer side squared."""
        key = _shape_of(worn)
        if key is None:
            return 0.0
        if key not in self.known:
            h, w = self.open.shape
            seen = silhouette(*self._surface(key), self.K, w, h)
            self.known[key] = float((seen & self.open).sum()) / self.size**2
        return self.known[key]

    def _surface(self, key: Spec) -> tuple[Float[ndarray, "n 3"], Integer[ndarray, "f 3"]]:
        if key.kind == "skirt":
            mesh = garment_of(self.shared, key).mesh
            return self.posed.vertices(mesh, self.betas), mesh.faces
        token = (self.shared.token, key)
        off, faces = _STAND_OFF.get(token, lambda: self._moved(key))
        return self.skin + off[:, None] * self.normals, faces

    def _moved(self, spec: Spec) -> tuple[Float[ndarray, " v"], Integer[ndarray, "m 3"]]:
        off = _ARRAYS.get(f"{self.shared.digest} {spec}", lambda: _stand_off(self.shared, spec))
        return off, self.faces[off[self.faces].any(1)]


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
