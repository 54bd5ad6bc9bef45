"""How deep things lie in a posed body, by rays that Embree casts: nothing here is shared with the product's checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.geometry.devices.sweep import unit
from a3dgen.geometry.skeleton import JOINT

_NEAREST = 24
_SHIFT_M = 2e-5
_ASLANT = 0.02


def owners_of(*names: str) -> list[int]:
    """Return SMPL joints by name."""
    return [JOINT[n] for n in names]


@dataclass(frozen=True)
class Flesh:
    """A posed skin, m, any frame.

    Attributes:
        solid: its faces; where they are open, no ray along ``way`` may leave. owner: (F,) joint that owns a face.
        way: direction of the rays.
    """

    solid: trimesh.Trimesh
    owner: Integer[ndarray, " f"]
    way: Float[ndarray, "3"]

    @classmethod
    def of(
        cls, vertices: ndarray, faces: ndarray, owner: ndarray, way: ndarray, only: list[int] | None = None
    ) -> Flesh:
        """Return the skin of a body.

        Args:
            owner: (V,) joint that a vertex follows most. only: joints whose faces count; all if None.
        """
        face_owner = owner[faces[:, 0]]
        keep = np.ones(len(faces), bool) if only is None else np.isin(face_owner, only)
        return cls(trimesh.Trimesh(vertices, faces[keep], process=False), face_owner[keep], way)

    def inside(self, points: Float[ndarray, "n 3"]) -> Bool[ndarray, " n"]:
        """Return which points lie inside: rays leave through more faces than they enter by.

        A ray may slip between two faces, so that one point in some thousands would be called inside that is not: a
        second ray, a little aslant, or a third one has to say the same.
        """
        out = self._leaves(points, self.way)
        found = np.flatnonzero(out)
        turned = [unit(self.way + _ASLANT * np.roll(self.way, k)) for k in (1, 2)]
        out[found] = np.any([self._leaves(points[found], way) for way in turned], axis=0)
        return out

    def _leaves(self, points: Float[ndarray, "n 3"], way: Float[ndarray, "3"]) -> Bool[ndarray, " n"]:
        if not len(points):
            return np.zeros(0, bool)
        ways = np.broadcast_to(way, points.shape)
        triangle, ray = self.solid.ray.intersects_id(points + _SHIFT_M * way, ways, multiple_hits=True)
        out = np.zeros(len(points))
        np.add.at(out, ray, np.sign(self.solid.face_normals[triangle] @ way))
        return out > 0.5

    def depth(self, points: Float[ndarray, "n 3"], ignore: list[int] | None = None) -> float:
        """Return how deep the deepest point lies under the surface, m; 0 if none does.

        Args:
            ignore: joints whose skin does not count: of the hand that holds a device.
        """
        points = np.asarray(points, np.float64)
        points = points[self.inside(points)]
        if not len(points):
            return 0.0
        near = cKDTree(self.solid.triangles_center).query(points, min(_NEAREST, len(self.owner)))[1]
        flat = np.repeat(points, near.shape[1], 0)
        close = trimesh.triangles.closest_point(self.solid.triangles[near.ravel()], flat)
        away = np.linalg.norm(close - flat, axis=1).reshape(near.shape)
        best = away.argmin(1)
        rows = np.arange(len(points))
        counts = ~np.isin(self.owner[near[rows, best]], ignore or [])
        return float(away[rows, best][counts].max(initial=0.0))


def surface_points(vertices: Float[ndarray, "v 3"], faces: Integer[ndarray, "f 3"], spacing: float = 0.006) -> ndarray:
    """Return vertices, and points on the faces, about one to ``spacing`` squared (m)."""
    solid = trimesh.Trimesh(vertices, faces, process=False)
    count = int(solid.area / spacing**2)
    return np.concatenate([vertices, trimesh.sample.sample_surface(solid, count, seed=0)[0]]) if count else vertices
