"""Cloth over a stump, made on posed garments: shortened, rolled up, closed tightly, pinned, or hanging empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.appearance.garment_bounds import levels
from a3dgen.appearance.garments import HEM, TILE, GarmentMesh
from a3dgen.appearance.stump_cloth_shapes import ClothStump, cuff, dome, flat_frame, hanging, pinned, radial
from a3dgen.appearance.surfaces import cylinder_uv, strip
from a3dgen.geometry.clip import clip
from a3dgen.geometry.mesh import SkinnedMesh, index_uv, vertex_normals

SHOWING = ("bare", "rolled")
"""Endings that leave the stump's end to be seen."""
_SHORTER = {"bare": 0.30, "rolled": 0.24}
"""How far proximal of the tip the hem lies, in limb coordinates."""
_MIN_LENGTH = 0.1
_MAX_EMPTY = 0.30
"""An empty sleeve or leg hangs no longer than this (m): a full-length one would be taken for a limb."""


@dataclass(frozen=True)
class Piece:
    """Posed cloth, ready to draw: vertices (V, 3) f4 m camera frame, faces, uv, face_uv, part (F,) SMPL joint."""

    vertices: Float[ndarray, "v 3"]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    part: UInt8[ndarray, " f"]


def end_level(ending: str, length: float, stump: ClothStump) -> float:
    """Return the limb coordinate at which the cloth's tube ends before its ending begins."""
    if ending in SHOWING:
        return max(min(length, stump.tip - _SHORTER[ending]), min(_MIN_LENGTH, stump.tip))
    if ending == "covered":
        return stump.ring
    return stump.ring + (0.06 if stump.tip < 0.05 else 0.0)


def hidden_level(ending: str, length: float, stump: ClothStump) -> float:
    """Return the limb coordinate below which the cloth hides skin; inf if it hides the whole stump."""
    return end_level(ending, length, stump) if ending in SHOWING else np.inf


def finish(
    garment: GarmentMesh, vertices: Float[ndarray, "v 3"], ends: Mapping[str, str], stumps: Mapping[str, ClothStump]
) -> Piece:
    """Cut the posed garment back over stumps and end it there.

    Args:
        garment: the garment; vertices: its posed vertices, m, camera frame.
        ends: limb -> ending, for limbs where something changes.
        stumps: limb -> stump.
    """
    mesh = _bare_mesh(garment.mesh, vertices)
    coordinates = dict(garment.limbs)
    for limb, ending in ends.items():
        stump = stumps[limb]
        length = levels(garment.spec).get(limb, np.inf)
        cut = clip(mesh, coordinates[limb], end_level(ending, length, stump))
        coordinates = {k: cut.origin.apply(v) for k, v in coordinates.items()}
        mesh = cut.mesh
        part = mesh.face_part.copy()
        part[np.isin(part, stump.absent)] = stump.carrier
        mesh = replace(mesh, face_part=part)
        if cut.loops:
            rest = (length - end_level(ending, length, stump)) * stump.length
            mesh = _evened(mesh, cut.loops[0], stump)
            mesh = _close(mesh, cut.loops[0], ending, stump, rest)
            coordinates = {k: np.r_[v, np.full(len(mesh.vertices) - len(v), 9.0)] for k, v in coordinates.items()}
    return Piece(mesh.vertices, mesh.faces, mesh.uv, mesh.face_uv, mesh.face_part)


def sock(
    mesh: SkinnedMesh,
    vertices: Float[ndarray, "v 3"],
    coordinate: Float[ndarray, " v"],
    stump: ClothStump,
    start: float,
    lift: float = 0.0035,
) -> Piece:
    """A liner drawn over a stump: its own skin from ``start`` (limb coordinate) on, lifted by a few millimetres.

    Args:
        mesh: the cut body; vertices: its posed vertices, m. coordinate: its limb coordinate, caps included.
        stump: the stump; start: limb coordinate; lift: distance from the skin, m.
    """
    on = (coordinate[mesh.faces] > start - 0.2).all(1)
    used, rows = np.unique(mesh.faces[on], return_inverse=True)
    faces = rows.reshape(-1, 3).astype(np.int32)
    points = vertices[used]
    lifted = points + lift * vertex_normals(points, faces)
    count = len(used)
    small = replace(
        _bare_mesh(mesh, vertices),
        vertices=lifted.astype(np.float32),
        shape_dirs=np.zeros((count, 3, 0), np.float32),
        weights=np.broadcast_to(np.float32(0), (count, 24)),
        pose_dirs=None,
        faces=faces,
        face_uv=np.zeros_like(faces),
        uv=np.zeros((1, 2), np.float32),
        face_part=mesh.face_part[on],
        hidden=mesh.hidden[on],
    )
    cut = clip(small, -coordinate[used], -start)
    corners = cut.mesh.vertices[cut.mesh.faces].astype(np.float64)
    if stump.tip > 0.05:
        unrolled = cylinder_uv(corners, stump.place, stump.axis, TILE)
    else:  # the torso's closure is flat: seen from outside
        wide, thin = flat_frame(stump.axis, stump.front)
        unrolled = np.stack([(corners - stump.place) @ wide, (corners - stump.place) @ thin], -1) / TILE
    uv, face_uv = index_uv(unrolled, cut.mesh.faces)
    return Piece(cut.mesh.vertices, cut.mesh.faces, uv, face_uv, cut.mesh.face_part)


def _bare_mesh(mesh: SkinnedMesh, vertices: Float[ndarray, "v 3"]) -> SkinnedMesh:
    """The same surface in its posed place, without shape directions (nothing follows after posing)."""
    count = len(vertices)
    return replace(
        mesh,
        vertices=vertices,
        shape_dirs=np.zeros((count, 3, 0), np.float32),
        weights=np.broadcast_to(np.float32(0), (count, 24)),
    )


def _evened(mesh: SkinnedMesh, loop: Integer[ndarray, " l"], stump: ClothStump) -> SkinnedMesh:
    """Round a cut edge and, on a limb, bring it into one plane, as a seam would."""
    points = mesh.vertices[loop].astype(np.float64)
    on_limb = stump.tip > 0.05
    if on_limb:
        across = radial(points, points.mean(0), stump.axis)
        along = (points - points.mean(0)) @ stump.axis
        slope, *_ = np.linalg.lstsq(across, along, rcond=None)
        points += np.outer(across @ slope - along, stump.axis)
    for _ in range(6 if on_limb else 2):
        points = 0.5 * points + 0.25 * (np.roll(points, 1, 0) + np.roll(points, -1, 0))
    vertices = mesh.vertices.copy()
    vertices[loop] = points
    return replace(mesh, vertices=vertices)


def _close(mesh: SkinnedMesh, loop: Integer[ndarray, " l"], ending: str, stump: ClothStump, rest: float) -> SkinnedMesh:
    """Add rings of cloth beyond the cut loop."""
    points = mesh.vertices[loop].astype(np.float64)
    centre = points.mean(0)
    axis = stump.axis
    if ending == "bare":
        normals = vertex_normals(mesh.vertices, mesh.faces)[loop]
        return _sew(mesh, loop, [points - HEM * normals], stump.carrier)
    if ending == "rolled":
        return _sew(mesh, loop, cuff(points, centre, axis), stump.carrier)
    if ending == "covered" and stump.tip < 0.05:
        return mesh  # the torso's closure gets a cover of its own shape
    if ending == "covered":
        return _sew(mesh, loop, dome(points, centre, axis, stump), stump.carrier, capped=True)
    if ending == "pinned":
        return _sew(mesh, loop, pinned(points, centre, axis, stump), stump.carrier)
    return _sew(mesh, loop, hanging(points, centre, stump, float(np.clip(rest, 0.10, _MAX_EMPTY))), stump.torso)


def _sew(
    mesh: SkinnedMesh, loop: Integer[ndarray, " l"], rings: list[ndarray], part: int, capped: bool = False
) -> SkinnedMesh:
    """Append rings beyond a loop; the texture runs on along them, or from above over a cap."""
    count, n, texels = len(mesh.vertices), len(loop), len(mesh.uv)
    ids = [loop, *(count + k * n + np.arange(n) for k in range(len(rings)))]
    faces = [strip(a, b) for a, b in pairwise(ids)]
    vertices = [mesh.vertices, *(r.astype(np.float32) for r in rings)]
    stack = np.stack([mesh.vertices[loop], *rings])
    if capped:
        faces.append(np.stack([np.roll(ids[-1], -1), ids[-1], np.full(n, count + len(rings) * n)], 1))
        vertices.append(rings[-1].mean(0, keepdims=True).astype(np.float32))
    uv = _ring_uv(stack, _along_loop(mesh, loop))
    all_faces = np.concatenate(faces)
    position = np.full(count + len(rings) * n + 1, -1)
    for k, ring in enumerate(ids):
        position[ring] = k * (n + 1) + np.arange(n)
    position[count + len(rings) * n] = len(uv) - 1
    face_uv = position[all_faces]
    column = np.where(all_faces == count + len(rings) * n, -1, face_uv % (n + 1))
    face_uv = face_uv + n * ((column == 0) & (column == n - 1).any(1, keepdims=True))  # once round
    new = np.zeros((len(all_faces)), np.uint8) + part
    grown = np.concatenate(vertices)
    return replace(
        mesh,
        vertices=grown,
        shape_dirs=np.zeros((len(grown), 3, 0), np.float32),
        weights=np.broadcast_to(np.float32(0), (len(grown), 24)),
        faces=np.concatenate([mesh.faces, all_faces]).astype(np.int32),
        uv=np.concatenate([mesh.uv, uv]).astype(np.float32),
        face_uv=np.concatenate([mesh.face_uv, face_uv + texels]).astype(np.int32),
        face_part=np.concatenate([mesh.face_part, new.astype(mesh.face_part.dtype)]),
        hidden=np.concatenate([mesh.hidden, np.zeros(len(all_faces), bool)]),
    )


def _along_loop(mesh: SkinnedMesh, loop: Integer[ndarray, " l"]) -> Float[ndarray, "m 2"]:
    """Texture coordinates along a closed loop and back to its start (l + 1), freed of jumps by whole tiles."""
    row = np.zeros(len(mesh.vertices), np.int64)
    row[mesh.faces.ravel()] = mesh.face_uv.ravel()
    uv = mesh.uv[row[np.r_[loop, loop[0]]]].astype(np.float64)
    step = np.diff(uv, axis=0)
    step[:, 0] -= np.round(step[:, 0])
    return np.vstack([uv[:1], uv[:1] + np.cumsum(step, 0)])


def _ring_uv(stack: Float[ndarray, "r l 3"], first: Float[ndarray, "m 2"]) -> Float[ndarray, "t 2"]:
    """Texture rows of rings, (rings, l + 1) in order, then one for a cap's pole: the cloth runs on from the loop."""
    down = np.r_[0, np.cumsum(np.linalg.norm(np.diff(stack, axis=0), axis=2).mean(1))] / TILE
    uv = first[None] - np.stack([np.zeros_like(down), down], -1)[:, None]
    return np.vstack([uv.reshape(-1, 2), uv[-1].mean(0, keepdims=True) - [[0, 0.02]]])
