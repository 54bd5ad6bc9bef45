"""The healed end of a stump: how red its skin is, and the place in the texture where the seam of its flaps is painted.

All caps of a body share one patch of texture, a disc in the part of the UV layout that no face uses: there the seam,
its puckers and the skin around them are painted as finely as the rest of the skin, and are filtered like it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh

SCAR_REACH = 0.10
"""Share of the segment before the cut over which the skin turns red."""
_ON_SKIN, _ON_TIP = 0.3, 0.55
_CELLS = 256
_LARGEST = 0.06
"""Radius of the largest patch, texture units; a larger one would hold no more than the skin beside it."""
_LEAST = 0.02
_MARGIN = 0.92


@dataclass(frozen=True)
class ScarPatch:
    """A disc in the texture: ``middle`` (2,) u, v; ``radius`` in texture units. The seam runs along u."""

    middle: Float[ndarray, "2"]
    radius: float

    def place(self, disk: Float[ndarray, "m 2"], line: Float[ndarray, "2"]) -> Float[ndarray, "m 2"]:
        """Lay an unrolled cap into the patch.

        Args:
            disk: (M, 2) from ``cap.unrolled``, any unit. line: (2,) the direction in it in which the seam runs.
        """
        along = line / max(float(np.linalg.norm(line)), 1e-12)
        turned = np.stack([disk @ along, disk @ np.array([-along[1], along[0]])], -1)
        scale = _MARGIN * self.radius / max(float(np.linalg.norm(disk, axis=1).max()), 1e-12)
        return (self.middle + scale * turned).astype(np.float32)


def scar_on_skin(cut: float, field: Float[ndarray, " v"]) -> Float[ndarray, " v"]:
    """Return (V,) 0..0.3: how red the skin before a cut is (``field``: limb coordinate, ``cut``: the ring's)."""
    return _ON_SKIN * smoothstep((field - (cut - SCAR_REACH)) / SCAR_REACH)


def scar_on_cap(axial: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return (n,) how red the rings of a cap are, by their share of its height; the seam itself is painted."""
    return _ON_SKIN + (_ON_TIP - _ON_SKIN) * axial


def find_scar_patch(mesh: SkinnedMesh) -> ScarPatch | None:
    """Return the largest disc of the UV layout that no face covers, or None if there is hardly one."""
    used = np.zeros((_CELLS, _CELLS), np.uint8)
    corners = mesh.uv[mesh.face_uv].astype(np.float64) * (1, -1) + (0, 1)
    for triangle in np.round(corners * _CELLS * 16 - 8).astype(np.int32):
        cv2.fillConvexPoly(used, triangle, 1, cv2.LINE_8, 4)
    distance = cv2.distanceTransform(np.pad(1 - used, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    radius = (float(distance[row, column]) - 1.5) / _CELLS
    if radius < _LEAST:
        return None
    return ScarPatch(np.array([(column + 0.5) / _CELLS, 1 - (row + 0.5) / _CELLS]), min(radius, _LARGEST))


def seam_maps(disk: Float[ndarray, "m 2"]) -> dict[str, Float[ndarray, " m"]]:
    """Return the scar over the unit disc of a cap, as the suture of two flaps heals.

    Args:
        disk: (M, 2) places in units of the patch's radius, the seam along the first axis.

    Returns:
        ``scar``: the pale line, 0..1; ``relief``: a shallow groove with puckers across it, -1..1; ``flush``: how much
        more blood shows beside it, 0..1.
    """
    x, y = disk.T
    middle = 0.045 * np.sin(4.1 * x + 0.6) + 0.018 * np.sin(13.0 * x + 2.0) + 0.008 * np.sin(31.0 * x)
    off = np.abs(y - middle)
    within = smoothstep((0.80 - np.abs(x)) / 0.22)
    width = 0.048 * (1 + 0.35 * np.sin(9.0 * x + 1.0) * np.sin(23.0 * x))
    line = within * np.exp(-((off / width) ** 2))
    drawn = np.cos(2 * np.pi * (x / 0.105 + 0.22 * np.sin(7 * x) + 0.5 * (y > middle) * np.sin(5 * x)))
    pucker = within * np.clip(drawn, -0.2, 1) * np.exp(-((off / 0.15) ** 2)) * smoothstep(off / 0.05)
    groove = within * np.exp(-((off / 0.075) ** 2))
    stitches = within * np.exp(-(((off - 0.13) / 0.025) ** 2)) * np.clip(drawn - 0.35, 0, 1)
    return {
        "scar": np.clip(line + 0.30 * stitches, 0, 1),
        "relief": np.clip(-groove - 0.45 * pucker, -1, 1),
        "flush": 0.65 * within * np.exp(-((off / 0.20) ** 2)),
    }
