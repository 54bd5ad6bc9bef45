"""Cloth over a stump, made on posed garments: shortened, rolled up, closed tightly, pinned, or hanging empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.geometry.clip import clip
from a3dgen.geometry.garments import HEM, TILE, Garment, levels
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.sheets import cylinder_uv, index_uv, strip

SHOWING = ("bare", "rolled")
"""Endings that leave the stump's end to be seen."""
_SHORTER = {"bare": 0.30, "rolled": 0.24}
"""How far proximal of the tip the hem lies, in limb coordinates."""
_MIN_LENGTH = 0.1
_CLOTH = 0.007
"""Distance of a tight cover from the tip, m."""


@dataclass(frozen=True)
class Stump:
    """A posed stump as the cloth sees it.

    Attributes:
        limb: e.g. ``left_arm``. tip: limb coordinate of the tip; ring: of the cut ring.
        place: (3,) the tip, m, camera frame. axis: (3,) unit, distal; front: (3,) unit, where the torso faces.
        carrier: SMPL joint of the carrying segment; torso: of the part an empty sleeve belongs to.
        absent: SMPL joints that are missing.
        length: length of the carrying segment, m.
    """

    limb: str
    tip: float
    ring: float
    place: Float[ndarray, "3"]
    axis: Float[ndarray, "3"]
    front: Float[ndarray, "3"]
    carrier: int
    torso: int
    absent: tuple[int, ...]
    length: float


@dataclass(frozen=True)
class Piece:
    """Posed cloth, ready to draw: vertices (V, 3) f4 m camera frame, faces, uv, face_uv, part (F,) SMPL joint."""

    vertices: Float[ndarray, "v 3"]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    part: UInt8[ndarray, " f"]


def end_level(ending: str, length: float, stump: Stump) -> float:
    """Return the limb coordinate at which the cloth's tube ends before its ending begins."""
    if ending in SHOWING:
        return max(min(length, stump.tip - _SHORTER[ending]), min(_MIN_LENGTH, stump.tip))
    if ending == "covered":
        return stump.ring
    return stump.ring + (0.06 if stump.tip < 0.05 else 0.0)


def hidden_level(ending: str, length: float, stump: Stump) -> float:
    """Return the limb coordinate below which the cloth hides skin; inf if it hides the whole stump."""
    return end_level(ending, length, stump) if ending in SHOWING else np.inf


def finish(
    garment: Garment, vertices: Float[ndarray, "v 3"], ends: Mapping[str, str], stumps: Mapping[str, Stump]
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
            mesh = _evened(mesh, cut.loops[0], stump.axis)
            mesh = _close(mesh, cut.loops[0], ending, stump, rest)
            coordinates = {k: np.r_[v, np.full(len(mesh.vertices) - len(v), 9.0)] for k, v in coordinates.items()}
    return Piece(mesh.vertices, mesh.faces, mesh.uv, mesh.face_uv, mesh.face_part)


def sock(
    mesh: SkinnedMesh, vertices: Float[ndarray, "v 3"], coordinate: Float[ndarray, " v"], stump: Stump, start: float
) -> Piece:
    """A liner drawn over a stump: its own skin from ``start`` (limb coordinate) on, lifted by a few millimetres.

    Args:
        mesh: the cut body; vertices: its posed vertices, m. coordinate: its limb coordinate, caps included.
    """
    on = (coordinate[mesh.faces] > start - 0.2).all(1)
    used, rows = np.unique(mesh.faces[on], return_inverse=True)
    faces = rows.reshape(-1, 3).astype(np.int32)
    points = vertices[used]
    lifted = points + 0.0035 * vertex_normals(points, faces)
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
    uv, face_uv = index_uv(cylinder_uv(corners, stump.place, stump.axis, TILE), cut.mesh.faces)
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


def _evened(mesh: SkinnedMesh, loop: Integer[ndarray, " l"], axis: Float[ndarray, "3"]) -> SkinnedMesh:
    """Bring a cut edge into one plane and round it, as a seam would."""
    points = mesh.vertices[loop].astype(np.float64)
    q = points - points.mean(0)
    across = _radial(points, points.mean(0), axis)
    slope, *_ = np.linalg.lstsq(across, q @ axis, rcond=None)
    points += np.outer(across @ slope - q @ axis, axis)
    for _ in range(6):
        points = 0.5 * points + 0.25 * (np.roll(points, 1, 0) + np.roll(points, -1, 0))
    vertices = mesh.vertices.copy()
    vertices[loop] = points
    return replace(mesh, vertices=vertices)


def _close(mesh: SkinnedMesh, loop: Integer[ndarray, " l"], ending: str, stump: Stump, rest: float) -> SkinnedMesh:
    """Add rings of cloth beyond the cut loop."""
    points = mesh.vertices[loop].astype(np.float64)
    centre = points.mean(0)
    axis = stump.axis
    if ending == "bare":
        normals = vertex_normals(mesh.vertices, mesh.faces)[loop]
        return _sew(mesh, loop, [points - HEM * normals], stump.carrier)
    if ending == "rolled":
        return _sew(mesh, loop, _cuff(points, centre, axis), stump.carrier)
    if ending == "covered":
        return _sew(mesh, loop, _dome(points, centre, axis, stump), stump.carrier, capped=True)
    if ending == "pinned":
        return _sew(mesh, loop, _pinned(points, centre, axis, stump), stump.carrier)
    return _sew(mesh, loop, _hanging(points, centre, stump, max(rest, 0.10)), stump.torso)


def _radial(points: Float[ndarray, "l 3"], centre: Float[ndarray, "3"], axis: Float[ndarray, "3"]) -> ndarray:
    q = points - centre
    return q - np.outer(q @ axis, axis)


def _cuff(points: ndarray, centre: ndarray, axis: ndarray) -> list[ndarray]:
    """A band turned back over the cloth: out, back along the limb, and in again."""
    q = _radial(points, centre, axis)
    out = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-6)
    profile = ((0.004, 0.004), (0.010, 0.003), (0.013, -0.006), (0.013, -0.030), (0.010, -0.037), (-0.001, -0.034))
    return [points + r * out + z * axis for r, z in profile]


def _dome(points: ndarray, centre: ndarray, axis: ndarray, stump: Stump) -> list[ndarray]:
    """A rounded end that stays a cloth's thickness off the tip (superellipse, exponent 2.3)."""
    q = _radial(points, centre, axis)
    lean = ((points - centre) @ axis)[:, None] * axis
    height = max(float((stump.place - centre) @ axis) + _CLOTH, 0.25 * float(np.linalg.norm(q, axis=1).mean()))
    shift = stump.place - centre
    shift = shift - (shift @ axis) * axis
    rings = []
    for k in range(1, 7):
        theta = 0.5 * np.pi * k / 6.3
        scale, rise = np.cos(theta) ** (2 / 2.3), np.sin(theta) ** (2 / 2.3)
        rings.append(centre + q * scale + lean * scale * (1 - rise) + (axis * height + 0.5 * shift) * rise)
    return rings


def _flat_frame(axis: ndarray, front: ndarray) -> tuple[ndarray, ndarray]:
    """Directions across a tube: wide and thin; empty cloth lies flat to the front, as it is pinned and falls."""
    wide = np.cross(axis, front)
    norm = np.linalg.norm(wide)
    wide = wide / norm if norm > 0.2 else np.cross(axis, np.roll(front, 1))
    wide = wide / np.linalg.norm(wide)
    return wide, np.cross(axis, wide)


def _pinned(points: ndarray, centre: ndarray, axis: ndarray, stump: Stump) -> list[ndarray]:
    """Round the stump, then flattened to a seam just past the tip, the end folded back on itself."""
    q = _radial(points, centre, axis)
    lean = (points - centre) @ axis
    wide, thin = _flat_frame(axis, stump.front)
    reach = max(float((stump.place - centre) @ axis), 0.01) + 0.026
    rings = []
    for t in (0.25, 0.45, 0.62, 0.78, 0.9, 1.0):
        flat = float(smoothstep(np.array((t - 0.15) / 0.85)))
        a, b = (q @ wide) * (1 + 0.06 * flat), (q @ thin) * (1 - 0.93 * flat)
        rings.append(centre + np.outer(a, wide) + np.outer(b, thin) + np.outer(lean * (1 - t) + reach * t, axis))
    fold = rings[-1]
    side = thin if thin @ stump.front > 0 else -thin
    return [*rings, fold + 0.008 * side + 0.002 * axis, fold + 0.012 * side - 0.032 * axis]


def _hanging(points: ndarray, centre: ndarray, stump: Stump, length: float) -> list[ndarray]:
    """An empty tube that bends to the vertical over 9 cm and lies nearly flat."""
    down = np.array([0.0, 1.0, 0.0])
    axis = stump.axis
    q, direction, place = points - centre, axis.copy(), centre.copy()
    wide, thin = _flat_frame(axis, stump.front)
    a, b, c = q @ wide, q @ thin, q @ axis
    rings, steps = [], max(4, int(np.ceil(length / 0.03)))
    for k in range(1, steps + 1):
        s = length * k / steps
        bend = min(1.0, s / 0.09)
        direction = axis * (1 - bend) + down * bend
        norm = np.linalg.norm(direction)
        direction = direction / norm if norm > 1e-3 else wide
        place = place + direction * length / steps
        wide = wide - (wide @ direction) * direction
        wide = wide / np.linalg.norm(wide)
        thin = np.cross(direction, wide)
        flat = min(1.0, s / 0.06)
        wave = 0.006 * np.sin(s * 45 + 3 * a / max(np.abs(a).max(), 1e-6)) * flat
        rings.append(
            place
            + np.outer(a * (1 + 0.2 * flat), wide)
            + np.outer(b * (1 - 0.78 * flat) + wave, thin)
            + np.outer(c * (1 - flat), direction)
        )
    return rings


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
