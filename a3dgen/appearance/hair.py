"""Hair on the head: the scalp displaced, for longer styles a curtain that falls from it, and locks on both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.appearance.locks import Locks, grow_locks
from a3dgen.appearance.surfaces import subdivided
from a3dgen.geometry.head import HeadFrame, head_frame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.skeleton import JOINT

RECEDING = 0.20
"""How far receding hair has gone back, see ``HeadFrame.above_hairline``."""


@dataclass(frozen=True)
class Style:
    """One hair style.

    Attributes:
        thickness: of the hair at the crown, m. rise: degrees from its edge to full thickness. rough: m.
        start: degrees from the hairline to where hair stands off the head; up to there it is painted on the skin.
        locks: depth of the furrows between locks, m. sides: thickness beside the ears relative to the crown's.
        above: elevation (degrees) below which sides and back are only painted; -90 = none.
        receded: how far the hairline has gone back, 0..1. fringe: degrees below the hairline that hair falls to.
        curtain: how far below the eyes hair falls, m, or 0. bun, tail: radius, m, and length of a tail, m, or 0.
        ball: radius that round hair fills up to, from the cranium's centre, m, or 0.
        cropped: matt and without strands.
    """

    thickness: float
    rise: float
    rough: float = 0.0015
    start: float = 2.5
    locks: float = 0.0
    sides: float = 0.22
    above: float = -90.0
    receded: float = 0.0
    fringe: float = 0.0
    curtain: float = 0.0
    bun: float = 0.0
    tail: float = 0.0
    ball: float = 0.0
    cropped: bool = False


LOCKS = {
    "crop": Locks(720, 0.009, 0.0028, 0.9, 0.6),
    "fade": Locks(520, 0.016, 0.0050, 0.6, 0.35),
    "short": Locks(620, 0.023, 0.0060, 0.40, 0.08),
    "receding": Locks(360, 0.020, 0.0055, 0.5, 0.1),
    "fringe": Locks(560, 0.036, 0.0065, 0.25, 0.03),
    "curly": Locks(800, 0.011, 0.0075, 1.6, 0.5),
    "afro": Locks(900, 0.0085, 0.0070, 1.6, 0.6),
    "bob": Locks(520, 0.040, 0.0048, 0.22),
    "long": Locks(520, 0.042, 0.0048, 0.22),
    "bun": Locks(200, 0.012, 0.0016, 0.9, 0.15),
    "ponytail": Locks(200, 0.014, 0.0018, 0.9, 0.15),
}
"""Style -> the locks that grow on its scalp."""
HEM_LOCKS = Locks(260, 0.055, 0.0075, 0.12)
"""Of a curtain, most of them along its lower edge."""

STYLES = {
    "crop": Style(0.010, 12.0, 0.0024, start=4.0, cropped=True),
    "fade": Style(0.015, 27.0, 0.0042, start=3.0, locks=0.002, sides=0.5, above=12.0),
    "short": Style(0.019, 14.0, 0.0042, locks=0.0030),
    "receding": Style(0.011, 12.0, 0.0018, start=5.0, locks=0.0020, receded=RECEDING),
    "fringe": Style(0.017, 14.0, 0.0026, locks=0.0040, sides=0.3, fringe=15.0),
    "curly": Style(0.024, 15.0, 0.0065, start=2.5, sides=0.45, cropped=True),
    "afro": Style(0.020, 16.0, 0.0045, ball=0.123, sides=1.0, cropped=True),
    "bob": Style(0.017, 12.0, 0.0012, start=1.5, locks=0.0016, curtain=0.10),
    "long": Style(0.017, 12.0, 0.0012, start=1.5, locks=0.0016, curtain=0.24),
    "bun": Style(0.009, 10.0, 0.0008, start=1.0, locks=0.0010, sides=1.0, bun=0.034),
    "ponytail": Style(0.010, 10.0, 0.0008, start=1.0, locks=0.0010, sides=1.0, bun=0.022, tail=0.20),
}
"""Styles that stand off the head; the others are only painted on the skin."""
CROPPED = tuple(name for name, style in STYLES.items() if style.cropped)
"""Styles drawn without strands."""


def build_hair(mesh: SkinnedMesh, style: str, length: float) -> list[SkinnedMesh]:
    """Return the surfaces of a hair style on a body's skin, in the rest pose, as meshes that follow the body.

    Args:
        mesh: the skin.
        style: one of ``looks.HAIR_STYLES``; those that are not in ``STYLES`` give none, as do bodies without eyeballs.
        length: 0..1 scale of thickness and fall.
    """
    frame = head_frame(mesh)
    if style not in STYLES or frame is None:
        return []
    look = STYLES[style]
    scalp, inside = _scalp(mesh, frame, look, 0.6 + 0.4 * length)
    pieces = [scalp, _scalp_locks(scalp, inside, frame, style, 0.7 + 0.3 * length)]
    if look.curtain:
        curtain = _curtain(mesh, frame, look, look.curtain * (0.7 + 0.3 * length))
        pieces += [curtain, _hem_locks(curtain, style)]
    if look.bun:
        pieces.append(_bun(mesh, frame, look.bun * (0.8 + 0.3 * length)))
    if look.tail:
        pieces.append(_tail(mesh, frame, look, look.tail * (0.6 + 0.4 * length)))
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


def _scalp_locks(
    scalp: SkinnedMesh, inside: Float[ndarray, " v"], frame: HeadFrame, style: str, scale: float
) -> SkinnedMesh:
    """Locks that fall from the crown, the more of them the nearer the hair's edge."""
    locks = replace(LOCKS[style], length=LOCKS[style].length * scale)
    centre = scalp.vertices[scalp.faces].astype(np.float64).mean(1)
    crown = frame.centre + np.array([0.006, 0.10, -0.035]) * frame.scale
    depth = inside[scalp.faces].min(1)
    chance = smoothstep((depth - 0.5) / 2.0) * (1 + 1.5 * (1 - smoothstep((depth - 2) / 12)))
    fall = centre - crown
    if STYLES[style].curtain or STYLES[style].bun:  # combed out of the face
        fall = fall + np.array([0.0, 0.0, -0.13]) * frame.scale
    return grow_locks(scalp, chance, fall, locks, style)


def _hem_locks(curtain: SkinnedMesh, style: str) -> SkinnedMesh:
    """Locks that hang down a curtain and over its lower edge."""
    centre = curtain.vertices[curtain.faces].astype(np.float64).mean(1)
    low = (centre[:, 1] - centre[:, 1].min()) / np.ptp(centre[:, 1])
    chance = 0.25 + 3 * (1 - smoothstep(low / 0.25))
    down = np.tile([0.0, -1.0, 0.0], (len(centre), 1))
    return grow_locks(curtain, chance, down, HEM_LOCKS, f"{style} hem")


def _scalp(mesh: SkinnedMesh, frame: HeadFrame, look: Style, scale: float) -> tuple[SkinnedMesh, Float[ndarray, " v"]]:
    """The scalp lifted to the hair's surface, and degrees inside its edge, which dips into the skin, so that there is
    neither gap nor step."""
    above = frame.above_hairline(mesh.vertices.astype(np.float64), look.receded)
    part = subdivided(_submesh(mesh, np.flatnonzero((above[mesh.faces] > -6 - look.fringe).all(1) & ~mesh.hidden)))
    points = part.vertices.astype(np.float64)
    inside = _inside(points, frame, look)
    crown = np.clip((points[:, 1] - frame.eyes[:, 1].mean() + 0.01) / (0.09 * frame.scale), 0.0, 1.0)
    cut = look.sides + (1 - look.sides) * smoothstep(crown)  # sides are cut shorter than the top
    lift = 0.0015 + look.thickness * scale * smoothstep(inside / look.rise) * cut
    lift = lift + look.rough * _clumps(points) * smoothstep(inside / 8)
    lift = lift - look.locks * _furrows(points, frame) * smoothstep((inside + 1) / 7)
    lift = np.maximum(lift, 0.001 * smoothstep(inside / 4)) - 0.0045 * (1 - smoothstep((inside + 2) / 3.5))
    lifted = points + lift[:, None] * vertex_normals(points, part.faces)
    if look.ball:
        out = points - frame.centre
        reach = np.linalg.norm(out, axis=1)
        ball = np.maximum(look.ball * (0.75 + 0.25 * scale) * frame.scale - reach, 0) * smoothstep((inside + 2) / 45)
        lifted = lifted + out / reach[:, None] * ball[:, None]
    part = replace(part, vertices=lifted.astype(np.float32))
    return replace(part, uv=_hair_uv(lifted, frame, look.cropped), face_uv=part.faces), inside


def _inside(points: Float[ndarray, "v 3"], frame: HeadFrame, look: Style) -> Float[ndarray, " v"]:
    """Return degrees inside the uneven edge of the hair that stands off the head."""
    azimuth, elevation = frame.angles(points)
    inside = frame.above_hairline(points, look.receded) - look.start
    if look.fringe:
        inside = inside + (look.fringe + look.start) * smoothstep((66 - azimuth) / 30)
    inside = inside - 7 * smoothstep((14 - elevation) / 12) * (azimuth < 92)  # sideburns are painted, not lifted
    if look.above > -90:
        inside = np.minimum(inside, elevation - look.above)
    uneven = 1.1 * np.sin(points[:, 0] / 0.0041) * np.sin(points[:, 1] / 0.0047 + 1)
    uneven = uneven + 1.3 * np.sin(points[:, 0] / 0.0097 + 2 * np.sin(points[:, 2] / 0.011)) + 0.9 * _clumps(points)
    return inside + uneven * (1 + 1.2 * (look.fringe > 0) * smoothstep((66 - azimuth) / 30))


def _clumps(points: Float[ndarray, "v 3"]) -> Float[ndarray, " v"]:
    """Bumps of about -1..1 where hair stands up and lies down."""
    out = np.zeros(len(points))
    for size, share in ((0.021, 0.5), (0.009, 0.5)):
        p = points / size
        out += share * np.sin(p[:, 0] + 2 * np.sin(p[:, 1])) * np.sin(p[:, 2] + 2 * np.sin(0.9 * p[:, 0] + 1))
    return out


def _furrows(points: Float[ndarray, "v 3"], frame: HeadFrame) -> Float[ndarray, " v"]:
    """Furrows 0..1 between locks that fall from the crown."""
    q = points - frame.centre
    turn = np.arctan2(q[:, 0], q[:, 2])
    fall = np.linalg.norm(q[:, [0, 2]], axis=1) / 0.09
    bend = turn + 0.35 * np.sin(2.3 * fall + 1.7 * np.sin(2 * turn)) + 0.1 * np.sin(7 * fall + 5 * turn)
    wave = 0.5 + 0.5 * np.sin(19 * bend + 1.5 * np.sin(3 * turn + 1))
    return (1 - wave) ** 2 * smoothstep(fall / 0.5)


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
    radius = radius + swell - 0.006 + 0.003 * np.sin(azimuth * 0.45 + 6 * t) * smoothstep((t - 0.15) / 0.3)
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


def _tail(mesh: SkinnedMesh, frame: HeadFrame, look: Style, length: float) -> SkinnedMesh:
    """A tail that leaves the back of the head, bends down and lies on the neck and the upper back."""
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
    width = look.bun * (0.55 + 0.55 * np.sin(np.pi * (0.12 + 0.8 * t))) * (1 - 0.75 * smoothstep((t - 0.8) / 0.2))
    ripple = 1 + 0.06 * np.sin(7 * around[None] + 5 * t[:, None])
    x = start[0] + width[:, None] * ripple * np.sin(around)[None] + 0.006 * np.sin(5 * t)[:, None]
    z = back[:, None] - 0.62 * width[:, None] * ripple * np.cos(around)[None]
    points = np.stack([x, np.broadcast_to(y[:, None], x.shape), z], -1)
    uv = np.stack([around[None] * 0.5 + 0 * t[:, None], -t[:, None] * length / 0.12 + 0 * around[None]], -1)
    return _attach(mesh, points, _grid_faces(rows, cols), uv, frame, neck)
