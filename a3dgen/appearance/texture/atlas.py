"""Texels of a body's texture: which triangle and where in it, for baking maps given on vertices or in space."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.geometry.mesh import SkinnedMesh


@dataclass(frozen=True)
class Atlas:
    """Covered texels of a square texture, row 0 at the top (v = 1).

    Attributes:
        size: side, texels.
        texel: (M,) flat index of each covered texel.
        face: (M,) triangle that covers it.
        bary: (M, 3) barycentric weights.
        source: (size * size,) index into the covered list of the nearest covered texel, for filling seams.
    """

    size: int
    texel: Integer[ndarray, " m"]
    face: Integer[ndarray, " m"]
    bary: Float[ndarray, "m 3"]
    source: Integer[ndarray, " t"]

    def bake(self, faces: Integer[ndarray, "f 3"], values: Float[ndarray, "v *c"]) -> Float[ndarray, "m *c"]:
        """Interpolate per-vertex values (V, ...) at the covered texels (M, ...) f4."""
        flat = np.ascontiguousarray(values).reshape(len(values), -1)
        out = np.empty((len(self.texel), flat.shape[1]), np.float32)
        _bake(np.ascontiguousarray(faces, np.int32), self.face, self.bary, flat, out)
        return out.reshape(len(out), *values.shape[1:])

    def image(self, values: ndarray) -> ndarray:
        """Spread values of covered texels (M, C) over the whole texture (size, size, C)."""
        return values[self.source].reshape(self.size, self.size, *values.shape[1:])

    def sorted_by_tiles(self, tile: int) -> Atlas:
        """Return the atlas with its covered texels sorted: those of a tile of this side lie together."""
        row, column = np.divmod(self.texel, self.size)
        order = np.lexsort((self.texel, column // tile, row // tile))
        place = np.empty(len(order), self.source.dtype)
        place[order] = np.arange(len(order), dtype=place.dtype)
        return Atlas(self.size, self.texel[order], self.face[order], self.bary[order], place[self.source])


@kernel
def _bake(faces: ndarray, face: ndarray, bary: ndarray, values: ndarray, out: ndarray) -> None:
    for i in range(len(face)):
        a, b, c = faces[face[i], 0], faces[face[i], 1], faces[face[i], 2]
        for k in range(values.shape[1]):
            out[i, k] = bary[i, 0] * values[a, k] + bary[i, 1] * values[b, k] + bary[i, 2] * values[c, k]


@kernel
def _rasterise(corners: ndarray, face: ndarray, bary: ndarray) -> None:
    """Fill face (S, S) i4 and bary (S, S, 3) f4 from corners (F, 3, 2) in texels; later triangles never overwrite."""
    size = face.shape[0]
    for f in range(corners.shape[0]):
        ax, ay = corners[f, 0]
        bx, by = corners[f, 1]
        cx, cy = corners[f, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        x0, x1 = max(0, int(np.floor(min(ax, bx, cx)))), min(size - 1, int(np.ceil(max(ax, bx, cx))))
        y0, y1 = max(0, int(np.floor(min(ay, by, cy)))), min(size - 1, int(np.ceil(max(ay, by, cy))))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                if face[y, x] >= 0:
                    continue
                v = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                w = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                u = 1.0 - v - w
                if u >= -1e-5 and v >= -1e-5 and w >= -1e-5:
                    face[y, x] = f
                    bary[y, x, 0], bary[y, x, 1], bary[y, x, 2] = u, v, w


def build_atlas(mesh: SkinnedMesh, size: int) -> Atlas:
    """Rasterise the mesh's UV layout (origin bottom left) into a texture of ``size`` texels a side.

    Hidden faces are drawn last, so that they never take a texel from skin that can be seen.
    """
    order = np.argsort(mesh.hidden, kind="stable")
    uv = mesh.uv[mesh.face_uv[order]].astype(np.float64)
    corners = np.stack([uv[..., 0] * size - 0.5, (1 - uv[..., 1]) * size - 0.5], -1)
    face = np.full((size, size), -1, np.int32)
    bary = np.zeros((size, size, 3), np.float32)
    _rasterise(corners, face, bary)
    covered = face >= 0
    texel = np.flatnonzero(covered)
    _, labels = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    row = np.zeros(labels.max() + 1, np.int32)
    row[labels.ravel()[texel]] = np.arange(len(texel))
    return Atlas(size, texel, order[face.ravel()[texel]], bary.reshape(-1, 3)[texel], row[labels.ravel()])


def free_disc(atlas: Atlas) -> tuple[Float[ndarray, "2"], float]:
    """Return centre (u, v) and radius, in texture units, of the largest disc that no triangle covers."""
    free = np.ones(atlas.size * atlas.size, np.uint8)
    free[atlas.texel] = 0
    distance = cv2.distanceTransform(np.pad(free.reshape(atlas.size, atlas.size), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, col = np.unravel_index(int(distance.argmax()), distance.shape)
    centre = np.array([(col + 0.5) / atlas.size, 1 - (row + 0.5) / atlas.size])
    return centre, float(distance[row, col]) / atlas.size
