"""The outline of a posed mesh in the image, without a renderer."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.geometry.camera import MIN_DEPTH


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
    _fill(x, y, kept, mask)
    return mask


@kernel
@no_type_check
def _fill(x, y, faces, mask):
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
