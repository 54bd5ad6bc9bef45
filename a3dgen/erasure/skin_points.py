"""Points on a body's skin that move rigidly with their parts: cheap to pose many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData, rest_joints
from a3dgen.geometry.mesh import vertex_normals

_CHOSEN = Cache(4)


@dataclass(frozen=True)
class SkinPoints:
    """Points of skin in the rest frames of their parts.

    Attributes:
        part: (s,) SMPL joint. offset, normal: (s, 3), m and unit length.
    """

    part: Integer[ndarray, " s"]
    offset: Float[ndarray, "s 3"]
    normal: Float[ndarray, "s 3"]

    @classmethod
    def of(cls, body: BodyData, betas: Float[ndarray, " b"], parts: Sequence[int], points: int) -> SkinPoints:
        """Return about ``points`` points of the visible skin of each part, of a body with these betas."""
        index = _CHOSEN.get(body.mesh, (tuple(parts), points), lambda: _chosen(body, parts, points))
        part = body.mesh.owner[index]
        rest = body.mesh.shaped(betas).astype(np.float64)
        normal = vertex_normals(rest, body.mesh.faces)[index]
        return cls(part, rest[index] - rest_joints(body, betas)[part], normal)

    def placed(
        self,
        posed: Float[ndarray, "n 24 3 3"],
        joints: Float[ndarray, "n 24 3"],
        index: Integer[ndarray, " m"] | slice = slice(None),
    ) -> Float[ndarray, "n m 3"]:
        """Return points of posed bodies, m, before their translation.

        Args:
            posed, joints: world rotations and places of the joints. index: which points; all by default.
        """
        part = self.part[index]
        return np.einsum("nsij,sj->nsi", posed[:, part], self.offset[index]) + joints[:, part]


def _chosen(body: BodyData, parts: Sequence[int], points: int) -> Integer[ndarray, " s"]:
    owner = body.mesh.owner
    shown = np.unique(body.mesh.faces[~body.mesh.hidden])
    of_parts = [shown[owner[shown] == part] for part in parts]
    return np.concatenate([own[:: max(1, len(own) // points)] for own in of_parts])
