"""Closed shapes of gathered hair: the knot of a bun and the tail of a ponytail."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.head import HeadFrame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT


def _attach(
    mesh: SkinnedMesh, points: ndarray, faces: ndarray, uv: ndarray, frame: HeadFrame, neck: float
) -> SkinnedMesh:
    """A new surface that follows the head, and the upper back below ``neck`` (m); shape from the nearest scalp."""
    flat = points.reshape(-1, 3)
    head = np.flatnonzero(mesh.weights[:, JOINT["head"]] > 0.9)
    distance = ((flat[:, None, :] - mesh.vertices[None, head[::4], :]) ** 2).sum(-1)
    nearest = head[::4][distance.argmin(1)]
    low = smoothstep((neck + 0.02 - flat[:, 1]) / 0.12)
    weights = np.zeros((len(flat), mesh.weights.shape[1]), np.float32)
    weights[:, JOINT["head"]] = 1 - low
    weights[:, JOINT["spine3"]] = low
    return SkinnedMesh(
        vertices=flat.astype(np.float32),
        shape_dirs=mesh.shape_dirs[nearest],
        weights=weights,
        faces=faces.astype(np.int32),
        uv=uv.reshape(-1, 2).astype(np.float32),
        face_uv=faces.astype(np.int32),
        face_part=np.full(len(faces), JOINT["head"], np.uint8),
        hidden=np.zeros(len(faces), bool),
    )


def _grid_faces(rows: int, cols: int) -> ndarray:
    a = (np.arange(rows - 1)[:, None] * cols + np.arange(cols - 1)).ravel()
    return np.concatenate([np.stack([a, a + cols, a + 1], 1), np.stack([a + 1, a + cols, a + cols + 1], 1)])


def knot(mesh: SkinnedMesh, frame: HeadFrame, radius: float) -> SkinnedMesh:
    """A knot at the back of the head."""
    rows, cols = 10, 17
    polar = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    around = np.linspace(0, 2 * np.pi, cols)[None]
    middle = frame.centre + np.array([0, 0.03, -0.102]) * frame.scale
    r = radius * (1 + 0.05 * np.sin(6 * around + 5 * polar))
    points = middle + np.stack(
        [r * np.sin(polar) * np.cos(around), r * np.sin(polar) * np.sin(around), -r * np.cos(polar) * 0.8], -1
    )
    uv = np.stack([polar / np.pi * 3 + 0 * around, around + 0 * polar], -1)
    return _attach(mesh, points, _grid_faces(rows, cols)[:, ::-1], uv, frame, -9.0)


def tail(
    mesh: SkinnedMesh, frame: HeadFrame, bun: float, length: float
) -> tuple[SkinnedMesh, Float[ndarray, "k 3"], Float[ndarray, " k"]]:
    """A tail that leaves the back of the head, bends down and lies on the neck and the upper back; its middle line and
    the radius around it, m."""
    rows, cols = 16, 15
    eye = float(frame.eyes[:, 1].mean())
    t = np.linspace(0, 1, rows)
    around = np.linspace(0, 2 * np.pi, cols)
    start = frame.centre + np.array([0, 0.03, -0.104]) * frame.scale
    back = start[2] - 0.020 * np.sin(np.pi * np.clip(t / 0.5, 0, 1)) + 0.012 * smoothstep((t - 0.3) / 0.5)
    y = start[1] + (0.02 * np.sin(np.pi * np.clip(t / 0.3, 0, 1)) - length * t) * frame.scale
    neck = eye - 0.135 * frame.scale
    low = smoothstep((neck + 0.015 - y) / 0.06)
    back = back - 0.012 * low
    width = bun * (0.55 + 0.55 * np.sin(np.pi * (0.12 + 0.8 * t))) * (1 - 0.75 * smoothstep((t - 0.8) / 0.2))
    ripple = 1 + 0.06 * np.sin(7 * around[None] + 5 * t[:, None])
    x = start[0] + width[:, None] * ripple * np.sin(around)[None] + 0.006 * np.sin(5 * t)[:, None]
    z = back[:, None] - 0.62 * width[:, None] * ripple * np.cos(around)[None]
    points = np.stack([x, np.broadcast_to(y[:, None], x.shape), z], -1)
    uv = np.stack([around[None] * 0.5 + 0 * t[:, None], -t[:, None] * length / 0.12 + 0 * around[None]], -1)
    centre = np.stack([start[0] + 0.006 * np.sin(5 * t), y, back], -1)
    return _attach(mesh, points, _grid_faces(rows, cols), uv, frame, neck), centre, width
