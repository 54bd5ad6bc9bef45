"""The body that devices and arms must stay out of: trunk and legs, and how deep something lies in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.devices.person import Person, body_rows
from a3dgen.geometry.devices.crutches import SHAFT_M
from a3dgen.geometry.mesh import vertex_normals

ARM_INSIDE_M = 0.006
"""The arm may lie so deep in the body."""
_PLANES, _REACH_M = 4, 0.09
"""What lies further from any vertex is not in the body."""


@dataclass(frozen=True)
class Trunk:
    """Trunk and legs of a planted person, whose arms move: thinned vertices (n, 3) m and their normals."""

    vertices: Float[ndarray, "n 3"]
    normals: Float[ndarray, "n 3"]
    tree: cKDTree

    @classmethod
    def of(cls, person: Person, rows: ndarray | None = None) -> Trunk:
        """Return the trunk of a person as they stand or sit, or other rows of vertices of them."""
        vertices = person.vertices(np.arange(len(person.skin)))
        normals = vertex_normals(vertices.astype(np.float32), person.body.mesh.faces)
        rows = body_rows(person.body).trunk if rows is None else rows
        return cls(vertices[rows], normals[rows].astype(float), cKDTree(vertices[rows]))

    def depth(self, points: Float[ndarray, "n 3"]) -> float:
        """Return how deep the deepest of some points lies in the body, m; negative = all are outside, or far away.

        A point is as deep as it lies under the surface at that of its nearest vertices where this is least: a single
        vertex's plane says wrong things where the body bends away.
        """
        away, k = self.tree.query(points, _PLANES, distance_upper_bound=_REACH_M)
        near = np.isfinite(away).all(1)
        offset = points[near][:, None] - self.vertices[k[near]]
        depth = -np.einsum("nkj,nkj->nk", offset, self.normals[k[near]]).max(1)
        return float(depth.max(initial=-_REACH_M))

    def rod_depth(self, top: Float[ndarray, "3"], tip: Float[ndarray, "3"]) -> float:
        """Return how deep a shaft from a handle to its tip lies in trunk and legs, m; negative = clear of them."""
        along = np.linspace(0.06, 0.97, 28)[:, None]
        return self.depth(top + along * (tip - top)) + SHAFT_M

    def arm_depth(self, person: Person, side: str, offsets: Float[ndarray, "v 3"] | None = None) -> float:
        """Return how deep forearm and hand lie in trunk and legs, m; 0 if they do not.

        Args:
            offsets: of the skin's rest vertices, m: hands that are closed.
        """
        return max(0.0, self.depth(person.vertices(body_rows(person.body).arms[side], offsets)))
