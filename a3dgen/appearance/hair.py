"""Hair on the head: the scalp displaced, and on it locks, or for longer styles strands that fall from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.appearance import hair_shapes
from a3dgen.appearance.locks import Locks, grow_locks
from a3dgen.appearance.strands import Flow, bundle, grow_strands
from a3dgen.appearance.surfaces import subdivided
from a3dgen.core.rng import generator_for
from a3dgen.geometry.head import HeadFrame, head_frame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals

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
        bun, tail: radius, m, and length of a tail, m, or 0.
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
    bun: float = 0.0
    tail: float = 0.0
    ball: float = 0.0
    cropped: bool = False


LOCKS = {
    "buzz": Locks(900, 0.0045, 0.0020, 0.9, 0.7),
    "crop": Locks(720, 0.009, 0.0028, 0.9, 0.6),
    "curly": Locks(800, 0.011, 0.0075, 1.6, 0.5),
    "afro": Locks(900, 0.0085, 0.0070, 1.6, 0.6),
}
"""Style of cropped or curly hair -> the locks that grow on its scalp."""
FLOWS = {
    "fade": Flow(460, 5, 0.042, 0.0060, 0.006, 0.020, part=0.03, side=0.5, back=0.9, spread=0.35, cling=0.4, nape=0.3),
    "short": Flow(
        640, 6, 0.046, 0.0060, 0.004, 0.019, part=0.025, back=0.4, down=0.5, spread=0.35, cling=0.5, nape=0.5
    ),
    "receding": Flow(
        480, 5, 0.038, 0.0060, 0.003, 0.011, part=0.03, side=0.6, back=0.8, spread=0.30, cling=0.5, nape=0.45
    ),
    "fringe": Flow(520, 6, 0.072, 0.0075, 0.005, 0.016, part=0.0, side=0.8, back=0.3, down=0.8, fringe=0.7, nape=0.45),
    "bob": Flow(500, 11, 0.26, 0.0095, 0.005, 0.020, part=0.018, back=0.35, spread=0.12, cling=1.5, cut=0.115),
    "long": Flow(520, 13, 0.42, 0.0100, 0.005, 0.020, part=0.018, back=0.45, spread=0.12, cling=1.5, cut=0.33),
    "bun": Flow(440, 7, 0.1, 0.0060, 0.002, 0.010, spread=0.10),
    "ponytail": Flow(440, 7, 0.1, 0.0060, 0.002, 0.010, spread=0.10),
}
"""Style -> how its strands run."""
FLYAWAY = Locks(260, 0.020, 0.0013, 0.8, 0.10)
TAIL_FLOW = Flow(100, 16, 0.22, 0.0080)

STYLES = {
    "buzz": Style(0.002, 24.0, 0.0008, start=6.0, sides=0.3, cropped=True),
    "crop": Style(0.010, 20.0, 0.0024, start=8.0, sides=0.10, cropped=True),
    "fade": Style(0.009, 30.0, 0.0030, start=8.0, locks=0.002, sides=0.5, above=18.0),
    "short": Style(0.008, 20.0, 0.0025, start=8.0, locks=0.0020),
    "receding": Style(0.006, 18.0, 0.0018, start=8.0, locks=0.0015, receded=RECEDING),
    "fringe": Style(0.008, 18.0, 0.0020, start=6.0, locks=0.0030, sides=0.3),
    "curly": Style(0.024, 22.0, 0.0065, start=8.0, sides=0.45, cropped=True),
    "afro": Style(0.020, 22.0, 0.0045, start=6.0, ball=0.123, sides=1.0, cropped=True),
    "bob": Style(0.007, 18.0, 0.0012, start=8.0, locks=0.0016),
    "long": Style(0.007, 18.0, 0.0012, start=8.0, locks=0.0016),
    "bun": Style(0.004, 20.0, 0.0008, start=9.0, locks=0.0010, sides=1.0, bun=0.034),
    "ponytail": Style(0.004, 20.0, 0.0008, start=9.0, locks=0.0010, sides=1.0, bun=0.022, tail=0.20),
}
"""Styles that stand off the head; the others are only painted on the skin."""
CROPPED = tuple(name for name, style in STYLES.items() if style.cropped)
"""Styles drawn without strands."""


VARIANTS: tuple[dict[str, float], ...] = ({}, {"wave": 0.007, "part": 0.4}, {"part": -1.0})
"""Of styles with strands: factors of their parting, and how high their waves are, m."""


def build_hair(mesh: SkinnedMesh, style: str, length: float, variant: int = 0) -> list[SkinnedMesh]:
    """Return the surfaces of a hair style on a body's skin, in the rest pose, as meshes that follow the body.

    Args:
        mesh: the skin.
        style: one of ``looks.HAIR_STYLES``; those that are not in ``STYLES`` give none, as do bodies without eyeballs.
        length: 0..1 scale of thickness and fall.
        variant: one of ``VARIANTS``: where the parting is, straight or wavy.
    """
    frame = head_frame(mesh)
    if style not in STYLES or frame is None:
        return []
    look, scale = STYLES[style], 0.7 + 0.3 * length
    scalp, inside = _scalp(mesh, frame, look, 0.6 + 0.4 * length)
    if style not in FLOWS:
        return [scalp, _scalp_locks(scalp, inside, frame, style, scale)]
    flow, own = FLOWS[style], VARIANTS[variant]
    wave = own.get("wave", 0.0) if flow.length > 0.2 else 0.0
    flow = replace(flow, length=flow.length * scale, part=flow.part * own.get("part", 1.0), wave=wave)
    knot = frame.centre + np.array([0, 0.03, -0.104]) * frame.scale
    gathered = bool(look.bun or look.tail)
    roots = _roots(mesh, frame, flow, look, style)
    pieces = [scalp, grow_strands(mesh, frame, roots, flow, style, knot if gathered else None)]
    if gathered or flow.length > 0.2:
        pieces.append(_flyaway(scalp, inside, frame, style))
    if look.tail:
        tail, centre, radius = hair_shapes.tail(mesh, frame, look.bun, look.tail * (0.6 + 0.4 * length))
        pieces += [tail, bundle(mesh, frame, centre, radius, TAIL_FLOW, "tail")]
    elif look.bun:
        pieces.append(hair_shapes.knot(mesh, frame, look.bun * (0.8 + 0.3 * length)))
    return pieces


def _flyaway(scalp: SkinnedMesh, inside: Float[ndarray, " v"], frame: HeadFrame, style: str) -> SkinnedMesh:
    """Short fine hair along the hairline and loose ends on top, which escape from what is combed or gathered."""
    centre = scalp.vertices[scalp.faces].astype(np.float64).mean(1)
    depth = inside[scalp.faces].min(1)
    chance = np.where(depth > -3, 0.25 + 4 * np.exp(-(((depth - 0.5) / 3.0) ** 2)), 0)
    return grow_locks(scalp, chance, centre - frame.centre - [0, 0, 0.1], FLYAWAY, f"{style} flyaway")


def _roots(mesh: SkinnedMesh, frame: HeadFrame, flow: Flow, look: Style, style: str) -> Float[ndarray, "n 3"]:
    """Draw places on the scalp where strands begin, more of them along the hairline and the parting, m."""
    rng = generator_for(0, "hair.roots", style)
    above = frame.above_hairline(mesh.vertices.astype(np.float64), look.receded)
    if look.above > -90:
        above = np.minimum(above, frame.angles(mesh.vertices.astype(np.float64))[1] - look.above)
    faces = mesh.faces[(above[mesh.faces] > 0).all(1) & ~mesh.hidden]
    corners = mesh.vertices[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    centre = corners.mean(1)
    edge = np.exp(-frame.above_hairline(centre, look.receded) / 8)
    parting = np.exp(-(((centre[:, 0] - frame.centre[0] - flow.part) / 0.012) ** 2)) * (centre[:, 1] > frame.centre[1])
    share = np.cumsum(area * (1 + 1.2 * edge + 1.5 * parting))
    chosen = np.searchsorted(share, rng.uniform(0, share[-1], flow.count))
    return np.einsum("nk,nkc->nc", rng.dirichlet((1, 1, 1), flow.count), corners[chosen])


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
    low = smoothstep((centre[:, 1] - frame.eyes[:, 1].mean() + 0.035 * frame.scale) / (0.06 * frame.scale))
    chance = chance * (0.12 + 0.88 * low)  # nape and sides are shorn closer
    fall = centre - crown
    return grow_locks(scalp, chance, fall, locks, style)


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
    lift = lift + look.rough * _clumps(points) * smoothstep(inside / 8) * (0.25 + 0.75 * smoothstep(crown))
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
