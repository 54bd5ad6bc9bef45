"""Locks of hair: tapered ribbons that grow from a hair surface and break its outline and its edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.rng import generator_for
from a3dgen.geometry.mesh import SkinnedMesh

STEPS = np.array([0.0, 0.35, 0.7, 1.0])
"""Places along a lock, the last one its tip."""
TAPER = np.array([1.0, 0.9, 0.6])
HEAD_RADIUS = 0.07
"""m: locks bend around the head."""
STRAND_M, FALL_M = 0.05, 0.12
"""m of hair to one tile of its texture, across and along the strands."""
POINTS = 2 * 3 + 1
"""Points of a lock: three pairs along it and its tip."""


@dataclass(frozen=True)
class Locks:
    """How the locks of a style grow.

    Attributes:
        count: how many. length, width: m, of a typical one. spread: rad, how far they stray from the fall of the hair.
        stand: 0 = they lie on the surface, 1 = they stand up from it.
    """

    count: int
    length: float
    width: float = 0.007
    spread: float = 0.35
    stand: float = 0.0


def grow_locks(
    surface: SkinnedMesh,
    chance: Float[ndarray, " f"],
    fall: Float[ndarray, "f 3"],
    locks: Locks,
    name: str,
) -> SkinnedMesh:
    """Return the locks of a hair surface as a mesh that follows the body as the surface does.

    Args:
        surface: with one row of ``uv`` a vertex. chance: of a face to carry a lock, by area; 0 = none.
        fall: direction in which hair falls at each face; its part across the surface does not matter.
        name: of the style; the same one gives the same locks.
    """
    rng = generator_for(0, "hair.locks", name)
    corners = surface.vertices[surface.faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    share = np.cumsum(area * chance)
    face = np.searchsorted(share, rng.uniform(0, share[-1], locks.count))
    mix = rng.dirichlet((1, 1, 1), locks.count)
    root = np.einsum("nk,nkc->nc", mix, corners[face])
    normal = cross[face] / np.maximum(area[face], 1e-12)[:, None]
    along = _stray(_flat(fall[face], normal), normal, locks.spread * rng.standard_normal(locks.count))
    stand = np.clip(locks.stand + 0.15 * locks.stand * rng.standard_normal(locks.count), 0, 1)[:, None]
    length = locks.length * np.exp(0.3 * rng.standard_normal(locks.count))
    width = locks.width * np.exp(0.25 * rng.standard_normal(locks.count))
    lift = rng.uniform(0.0005, 0.0030, locks.count)
    side = np.cross(normal, along)
    distance = length[:, None] * STEPS
    bend = (distance**2) / (2 * HEAD_RADIUS)
    up = -0.0012 + lift[:, None] * np.sin(np.pi * np.minimum(STEPS, 0.9)) - (1 - stand) * bend
    middle = root[:, None] + distance[..., None] * ((1 - stand) * along + stand * normal)[:, None]
    middle = middle + up[..., None] * normal[:, None]
    half = 0.5 * width[:, None, None] * TAPER[:, None] * side[:, None]
    ribbon = np.stack([middle[:, :3] - half, middle[:, :3] + half], 2).reshape(locks.count, 6, 3)
    points = np.concatenate([ribbon, middle[:, 3:]], 1)
    uv = np.einsum("nk,nkc->nc", mix, surface.uv[surface.faces[face]].astype(np.float64))
    uv = uv + rng.uniform(0, 1, (locks.count, 2))  # neighbouring locks differ in shade
    across = np.concatenate([np.stack([-TAPER, TAPER], 1).ravel(), [0.0]]) * width[:, None] / (2 * STRAND_M)
    down = length[:, None] / FALL_M * np.append(np.repeat(STEPS[:3], 2), STEPS[3])
    uv = uv[:, None] + np.stack([across, -down], -1)
    return _mesh(surface, surface.faces[face, 0], points, uv)


def _flat(direction: Float[ndarray, "n 3"], normal: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    flat = direction - (direction * normal).sum(1, keepdims=True) * normal
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)


def _stray(along: Float[ndarray, "n 3"], normal: Float[ndarray, "n 3"], angle: Float[ndarray, " n"]) -> ndarray:
    return np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * np.cross(normal, along)


def _mesh(surface: SkinnedMesh, owner: ndarray, points: Float[ndarray, "n 7 3"], uv: ndarray) -> SkinnedMesh:
    """Return ribbons of ``POINTS`` points, which follow the surface's vertices ``owner`` (N,)."""
    count, size = points.shape[:2]
    one = np.array([(0, 1, 2), (2, 1, 3), (2, 3, 4), (4, 3, 5), (4, 5, 6)])
    faces = (one[None] + size * np.arange(count)[:, None, None]).reshape(-1, 3).astype(np.int32)
    rows = np.repeat(owner, size)
    return SkinnedMesh(
        vertices=points.reshape(-1, 3).astype(np.float32),
        shape_dirs=surface.shape_dirs[rows],
        weights=surface.weights[rows],
        faces=faces,
        uv=uv.reshape(-1, 2).astype(np.float32),
        face_uv=faces,
        face_part=np.full(len(faces), surface.face_part[0], np.uint8),
        hidden=np.zeros(len(faces), bool),
    )
