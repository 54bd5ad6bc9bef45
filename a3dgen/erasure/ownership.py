"""Which part of the drawn body every pixel belongs to, and how far along the limb it lies."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import project
from a3dgen.geometry.limbs import LIMB_JOINTS, limb_coordinate
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.skeleton import IS_BELOW

OFF = -1.0
"""Level of a pixel that does not belong to the limb."""
_ROOT = 0.25
"""Below this level the skin of the torso has a limb coordinate, too."""


@dataclass(frozen=True)
class Drawn:
    """The intact body drawn into the photo, and its labels carried on to every pixel.

    Attributes:
        faces: (F, 3) of the visible skin. vertices: (V, 3) m. pixels: (V, 2) their projection.
        owner: (h, w) face, -1 where nothing is drawn. depth: (h, w) m, inf there. body: (h, w) bool, drawn.
        away: (h, w) px from the drawn body. nearest: (h, w) flat index of the nearest drawn pixel.
        part: (h, w) SMPL joint of the nearest drawn pixel.
    """

    faces: Integer[ndarray, "f 3"]
    vertices: Float[ndarray, "v 3"]
    pixels: Float[ndarray, "v 2"]
    owner: Integer[ndarray, "h w"]
    depth: Float[ndarray, "h w"]
    body: Bool[ndarray, "h w"]
    away: Float[ndarray, "h w"]
    nearest: Integer[ndarray, "h w"]
    part: Integer[ndarray, "h w"]
    coordinates: dict[str, ndarray]
    levels: dict[str, ndarray] = field(default_factory=dict)

    def own_part(self) -> Integer[ndarray, "h w"]:
        """Return the SMPL joint of the drawn body at its own pixels, -1 elsewhere."""
        return np.where(self.body, self.part, -1)

    def level(self, limb: str) -> Float[ndarray, "h w"]:
        """Return the limb coordinate (see ``geometry.limbs``) of the nearest drawn pixel; ``OFF`` off the limb."""
        if limb not in self.levels:
            self.levels[limb] = self._level(limb)
        return self.levels[limb]

    def _level(self, limb: str) -> Float[ndarray, "h w"]:
        on = np.full(self.body.shape, OFF, np.float32)
        value = self.interpolate(self.coordinates[limb][:, None])[..., 0]
        root = LIMB_JOINTS[limb][0]
        mine = np.zeros(self.body.shape, bool)
        mine[self.body] = IS_BELOW[root][self.part[self.body]]
        keep = self.body & (value > OFF + 0.01) & (mine | (value >= _ROOT))
        on[keep] = value[keep]
        return on.ravel()[self.nearest]

    def interpolate(self, values: Float[ndarray, "v k"]) -> Float[ndarray, "h w k"]:
        """Return the vertices' values at the drawn pixels, perspective-correct; 0 elsewhere."""
        y, x = np.nonzero(self.body)
        corners = self.faces[self.owner[y, x]]
        a, b, c = (self.pixels[corners[:, i]] for i in range(3))
        area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        wb = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / area
        wc = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / area
        weight = np.clip(np.stack([1 - wb - wc, wb, wc], 1), 0, 1) / self.vertices[corners, 2]
        weight /= weight.sum(1, keepdims=True)
        out = np.zeros((*self.body.shape, values.shape[1]), np.float32)
        out[y, x] = np.einsum("nk,nkc->nc", weight, values[corners])
        return out

    def normals(self) -> Float[ndarray, "h w 3"]:
        """Return the unit normals of the drawn body."""
        n = self.interpolate(vertex_normals(self.vertices, self.faces))
        return n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-6)


def draw_body(body: BodyData, vertices: Float[ndarray, "v 3"], K: Float[ndarray, "3 3"], w: int, h: int) -> Drawn:
    """Draw the intact body and carry its labels to every pixel of the picture (w, h px)."""
    shown = ~body.mesh.hidden
    faces = body.mesh.faces[shown]
    depth, owner = rasterize(vertices, faces, K, w, h)
    drawn = owner >= 0
    away, label = cv2.distanceTransformWithLabels(
        (~drawn).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.zeros(int(label.max()) + 1, np.int64)
    place[label[drawn]] = np.flatnonzero(drawn)
    nearest = place[label]
    part = np.where(drawn, body.mesh.face_part[shown][owner], 0).ravel()[nearest]
    pixels = project(vertices.astype(np.float64), K)
    coordinates = coordinates_of(body)
    return Drawn(faces, vertices, pixels, owner, depth, drawn, away, nearest, part, coordinates)


_COORDINATES = Cache(2)


def coordinates_of(body: BodyData) -> dict[str, ndarray]:
    """Return limb -> (V,) limb coordinate of the body's vertices (once a process)."""
    return _COORDINATES.get(
        body.mesh, "limbs", lambda: {x: limb_coordinate(body.mesh, body.joints_template, x) for x in LIMB_JOINTS}
    )
