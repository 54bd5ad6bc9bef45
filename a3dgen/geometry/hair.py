"""Hair as surfaces on the head: the scalp displaced, and for longer styles a curtain that falls from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.head import HeadFrame, head_frame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.sheets import subdivided
from a3dgen.geometry.skeleton import JOINT

RECEDING = 0.42
"""How far receding hair has gone back, see ``HeadFrame.above_hairline``."""


@dataclass(frozen=True)
class Style:
    """One hair style.

    Attributes:
        thickness: of the hair at the crown, m. rise: degrees from the hairline to full thickness. rough: m.
        curtain: how far below the eyes hair falls, m, or 0. bun: radius, m, or 0.
        ball: radius that round hair fills up to, from the cranium's centre, m, or 0.
        cropped: matt and without strands. even: as thick at the sides as on top.
    """

    thickness: float
    rise: float
    rough: float = 0.0015
    curtain: float = 0.0
    bun: float = 0.0
    ball: float = 0.0
    cropped: bool = False
    even: bool = False


STYLES = {
    "buzz": Style(0.003, 4.0, 0.0003, cropped=True, even=True),
    "crop": Style(0.011, 9.0, 0.0016, cropped=True),
    "short": Style(0.019, 12.0, 0.0022),
    "afro": Style(0.020, 16.0, 0.0040, ball=0.136, cropped=True, even=True),
    "bob": Style(0.017, 12.0, 0.0010, curtain=0.10),
    "long": Style(0.017, 12.0, 0.0010, curtain=0.24),
    "bun": Style(0.009, 10.0, 0.0006, bun=0.034, even=True),
}
CROPPED = tuple(name for name, style in STYLES.items() if style.cropped)
"""Styles drawn without strands."""


def build_hair(mesh: SkinnedMesh, style: str, length: float) -> list[SkinnedMesh]:
    """Return the surfaces of a hair style on a body's skin, in the rest pose, as meshes that follow the body.

    Args:
        mesh: the skin.
        style: one of ``looks.HAIR_STYLES``; ``bald`` gives none, as do bodies without eyeballs.
        length: 0..1 scale of thickness and fall.
    """
    frame = head_frame(mesh)
    if style not in STYLES or frame is None:
        return []
    look = STYLES[style]
    pieces = [_scalp(mesh, frame, look, 0.6 + 0.4 * length)]
    if look.curtain:
        pieces.append(_curtain(mesh, frame, look, look.curtain * (0.7 + 0.3 * length)))
    if look.bun:
        pieces.append(_bun(mesh, frame, look.bun * (0.8 + 0.3 * length)))
    return pieces


def _submesh(mesh: SkinnedMesh, faces: ndarray) -> SkinnedMesh:
    """Return the chosen faces as a mesh of their own."""
    used, rows = np.unique(mesh.faces[faces], return_inverse=True)
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        shape_dirs=mesh.shape_dirs[used],
        weights=mesh.weights[used],
        pose_dirs=None,
        faces=rows.reshape(-1, 3).astype(np.int32),
        face_uv=mesh.face_uv[faces],
        face_part=mesh.face_part[faces],
        hidden=mesh.hidden[faces],
    )


def _scalp(mesh: SkinnedMesh, frame: HeadFrame, look: Style, scale: float) -> SkinnedMesh:
    """The scalp lifted to the hair's surface; its edge dips into the skin, so that there is neither gap nor step."""
    above = frame.above_hairline(mesh.vertices.astype(np.float64))
    part = subdivided(_submesh(mesh, np.flatnonzero((above[mesh.faces] > -6).all(1) & ~mesh.hidden)))
    points = part.vertices.astype(np.float64)
    inside = frame.above_hairline(points) + 1.2 * np.sin(points[:, 0] / 0.0041) * np.sin(points[:, 1] / 0.0047 + 1)
    azimuth, elevation = frame.angles(points)
    inside = inside - 7 * smoothstep((14 - elevation) / 12) * (azimuth < 92)  # sideburns are painted, not lifted
    crown = np.clip((points[:, 1] - frame.eyes[:, 1].mean() + 0.01) / (0.09 * frame.scale), 0.0, 1.0)
    cut = 1.0 if look.even else 0.22 + 0.78 * smoothstep(crown)  # sides are cut shorter than the top
    clumps = np.zeros(len(points))
    for size, share in ((0.021, 0.5), (0.009, 0.5)):
        p = points / size
        clumps += share * np.sin(p[:, 0] + 2 * np.sin(p[:, 1])) * np.sin(p[:, 2] + 2 * np.sin(0.9 * p[:, 0] + 1))
    lift = 0.0015 + look.thickness * scale * smoothstep(inside / look.rise) * cut
    lift = lift + look.rough * clumps * smoothstep(inside / 8) - 0.0045 * (1 - smoothstep((inside + 2) / 3.5))
    lifted = points + lift[:, None] * vertex_normals(points, part.faces)
    if look.ball:
        out = points - frame.centre
        reach = np.linalg.norm(out, axis=1)
        ball = np.maximum(look.ball * (0.75 + 0.25 * scale) * frame.scale - reach, 0) * smoothstep(inside / 62)
        lifted = lifted + out / reach[:, None] * ball[:, None]
    part = replace(part, vertices=lifted.astype(np.float32))
    return replace(part, uv=_hair_uv(lifted, frame, look.cropped), face_uv=part.faces)


def _hair_uv(points: Float[ndarray, "v 3"], frame: HeadFrame, cropped: bool) -> Float[ndarray, "v 2"]:
    """Texture coordinates without a seam: strands run down from the crown; cropped hair is unrolled from it."""
    azimuth, elevation = frame.angles(points)
    if not cropped:
        return np.stack([azimuth / 50, elevation / 70], -1).astype(np.float32)
    turn, reach = np.arctan2(points[:, 0] - frame.centre[0], points[:, 2] - frame.centre[2]), (90 - elevation) / 30
    return np.stack([reach * np.sin(turn), reach * np.cos(turn)], -1).astype(np.float32)


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


def _head_radius(mesh: SkinnedMesh, frame: HeadFrame, azimuth: ndarray, y: ndarray) -> ndarray:
    """Horizontal distance from the head's axis to the skin's outermost point near an azimuth (degrees) and height."""
    points = mesh.vertices[(mesh.weights[:, [JOINT["head"], JOINT["neck"]]].sum(1) > 0.4)].astype(np.float64)
    q = points - frame.centre
    angle = np.degrees(np.arctan2(q[:, 0], q[:, 2]))
    turn = np.abs((azimuth[:, None] - angle + 180) % 360 - 180)
    near = (turn < 14) & (np.abs(y[:, None] - points[:, 1]) < 0.02)
    return np.where(near, np.hypot(q[:, 0], q[:, 2]), 0).max(1)


def _curtain(mesh: SkinnedMesh, frame: HeadFrame, look: Style, fall: float) -> SkinnedMesh:
    """Hair that falls behind the face from above the ears, widest at the cheeks, gathered on the back."""
    eye = float(frame.eyes[:, 1].mean())
    neck = eye - 0.135 * frame.scale
    cols, rows = 41, 14
    azimuth = np.linspace(-256, -104, cols)[None] + 0 * np.zeros((rows, 1))  # -180 is the back; faces point outwards
    t = np.linspace(0, 1, rows)[:, None]
    side = np.abs(azimuth + 180) / 76  # 0 at the back, 1 beside the face
    top = eye + 0.065 * frame.scale
    bottom = eye - fall * (1 - 0.25 * side**2) * frame.scale
    y = top + (bottom - top) * t
    radius = np.stack([_head_radius(mesh, frame, azimuth[i], np.maximum(y[i], eye - 0.07)) for i in range(rows)])
    radius = np.maximum.accumulate(radius, 0) * (1 - 0.10 * smoothstep((eye - 0.05 - y) / 0.12))
    swell = look.thickness * smoothstep((t + 0.10) / 0.35) * (1 - 0.35 * smoothstep((t - 0.8) / 0.2))
    swell = swell - 0.012 * smoothstep((side - 0.8) / 0.2) * (1 - smoothstep((t - 0.15) / 0.35))
    radius = radius + swell - 0.006 + 0.003 * np.sin(azimuth * 0.45 + 6 * t)
    x = frame.centre[0] + radius * np.sin(np.radians(azimuth))
    z = frame.centre[2] + radius * np.cos(np.radians(azimuth))
    low = smoothstep((neck + 0.015 - y) / 0.05)  # below the chin hair lies on the back
    z = z - low * np.maximum(z + 0.085, 0) * 0.95 - 0.032 * low
    x = x * (1 - 0.30 * low)
    points = np.stack([x, y, z], -1)
    uv = np.stack([azimuth / 28, -t * (top - bottom) / 0.12], -1)
    return _attach(mesh, points, _grid_faces(rows, cols), uv, frame, neck)


def _bun(mesh: SkinnedMesh, frame: HeadFrame, radius: float) -> SkinnedMesh:
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
