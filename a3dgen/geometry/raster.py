"""Z-buffer and silhouettes for geometric tests; pictures are drawn by ``a3dgen.renderers``."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.geometry.camera import MIN_DEPTH


@kernel
def _fill(points, inverse_z, faces, height, width, depth, owner):  # type: ignore[no-untyped-def]
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if inverse_z[a] <= 0 or inverse_z[b] <= 0 or inverse_z[c] <= 0:
            continue
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        double_area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if double_area == 0.0:
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx))))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0 = max(0, int(np.ceil(min(ay, by, cy))))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy))))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                wb = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / double_area
                wc = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / double_area
                wa = 1.0 - wb - wc
                if wa < 0.0 or wb < 0.0 or wc < 0.0:
                    continue
                nearness = wa * inverse_z[a] + wb * inverse_z[b] + wc * inverse_z[c]
                if nearness > depth[y, x]:
                    depth[y, x] = nearness
                    owner[y, x] = f


def rasterize(
    vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"], K: Float[ndarray, "3 3"], width: int, height: int
) -> tuple[Float[ndarray, "h w"], Integer[ndarray, "h w"]]:
    """Draw camera-frame triangles (m) into a z-buffer, one sample at each pixel's centre, both sides visible.

    Args:
        vertices: (V, 3) camera frame, m.
        faces: (F, 3); faces that reach behind the camera are left out.
        K: camera matrix, px; see ``scaled_K`` for a smaller picture.
        width, height: size of the picture, px.

    Returns:
        depth (h, w) f4 m, inf where nothing is; face (h, w) i4, -1 where nothing is.
    """
    z = np.asarray(vertices[:, 2], np.float64)
    inverse = np.where(z > MIN_DEPTH, 1.0 / np.maximum(z, MIN_DEPTH), 0.0)
    points = (vertices.astype(np.float64) * inverse[:, None]) @ np.asarray(K, np.float64)[:2].T
    nearness = np.zeros((height, width))
    owner = np.full((height, width), -1, np.int32)
    _fill(points, inverse, np.ascontiguousarray(faces, np.int32), height, width, nearness, owner)
    with np.errstate(divide="ignore"):
        return (1.0 / nearness).astype(np.float32), owner


def scaled_K(K: Float[ndarray, "3 3"], scale: float) -> Float[ndarray, "3 3"]:
    """Return the camera of the picture resized by ``scale`` (pixel centres at integers before and after)."""
    out = np.array(K, np.float64)
    out[:2] *= scale
    out[:2, 2] += (scale - 1) / 2
    return out


def silhouette(
    vertices: Float[ndarray, "v 3"],
    faces: Integer[ndarray, "f 3"],
    K: Float[ndarray, "3 3"],
    width: int,
    height: int,
) -> Bool[ndarray, "h w"]:
    """Return (height, width) bool: the pixel's centre lies inside the projection of some face.

    Args:
        vertices: camera frame, m.
        faces: triangles; one with a corner behind the camera is left out.
        K: camera matrix, px.
    """
    z = vertices[:, 2].astype(np.float64)
    ahead = z > MIN_DEPTH
    safe = np.where(ahead, z, 1.0)
    x = (K[0, 0] * vertices[:, 0] + K[0, 1] * vertices[:, 1]) / safe + K[0, 2]
    y = K[1, 1] * vertices[:, 1] / safe + K[1, 2]
    mask = np.zeros((height, width), np.bool_)
    kept = np.ascontiguousarray(faces[ahead[faces].all(1)], np.int64)
    _cover(x, y, kept, mask)
    return mask


@kernel
@no_type_check
def _cover(x, y, faces, mask):
    """Mark every pixel centre inside a triangle, edges included, whichever way the triangle is wound."""
    height, width = mask.shape
    for f in range(len(faces)):
        ax, ay = x[faces[f, 0]], y[faces[f, 0]]
        bx, by = x[faces[f, 1]], y[faces[f, 1]]
        cx, cy = x[faces[f, 2]], y[faces[f, 2]]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        x0 = max(0, int(np.ceil(min(ax, min(bx, cx)))))
        x1 = min(width - 1, int(np.floor(max(ax, max(bx, cx)))))
        y0 = max(0, int(np.ceil(min(ay, min(by, cy)))))
        y1 = min(height - 1, int(np.floor(max(ay, max(by, cy)))))
        sign = 1.0 if area > 0 else -1.0
        for py in range(y0, y1 + 1):
            for px in range(x0, x1 + 1):
                if mask[py, px]:
                    continue
                u = sign * ((bx - ax) * (py - ay) - (by - ay) * (px - ax))
                v = sign * ((cx - bx) * (py - by) - (cy - by) * (px - bx))
                w = sign * ((ax - cx) * (py - cy) - (ay - cy) * (px - cx))
                if u >= 0.0 and v >= 0.0 and w >= 0.0:
                    mask[py, px] = True
