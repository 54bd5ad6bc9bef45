"""Legs of trousers: tubes of a cut's own width around the leg, hems that lie on the shoe, and cloth that hangs down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.appearance.surfaces import averaged, boundary_loops, with_rings
from a3dgen.geometry.limbs import LIMB_JOINTS, smoothstep
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT

LEGS = ("left_leg", "right_leg")
LONG = 1.8
"""Limb coordinate from which on trousers are long: their hem hangs free of the leg."""


@dataclass(frozen=True)
class Cut:
    """How wide trousers are.

    Attributes:
        thigh: m that cloth stands off the middle of the thigh. knee, hem: radius of the tube at knee and ankle, m.
        drop: how far the crotch hangs, m. below: how far the hem hangs below where the leg is cut, m.
        cuff: the hem is gathered around the ankle.
    """

    thigh: float
    knee: float
    hem: float
    drop: float
    below: float
    cuff: bool = False


CUTS = {
    "tapered": Cut(0.016, 0.080, 0.063, 0.014, 0.022),
    "straight": Cut(0.016, 0.082, 0.076, 0.018, 0.036),
    "wide": Cut(0.021, 0.093, 0.093, 0.028, 0.042),
    "jogger": Cut(0.018, 0.086, 0.075, 0.032, 0.0, True),
}
"""Cuts of trousers and shorts; radii on the open body, whose thigh has 85, knee 60, ankle 37 mm."""
_BEHIND_M = 0.010
"""How much further back than the ankle the middle of a hem is, m: cloth falls from the calf."""
_RING_M = 0.014
_BINS = np.linspace(-0.1, 2.3, 25)


def lengthened(
    mesh: SkinnedMesh, limbs: Mapping[str, Float[ndarray, " v"]], joints: Float[ndarray, "24 3"], below: float
) -> tuple[SkinnedMesh, dict[str, Float[ndarray, " w"]]]:
    """Sew rings to the hems of long legs that hang down by ``below`` (m) in line with the shank, and follow it alone.

    Args:
        mesh: the cut shell. limbs: limb coordinates of its vertices. joints: rest joints, m.

    Returns:
        The mesh and the limb coordinates of its vertices; faces of the rings are the shank's.
    """
    coordinates = dict(limbs)
    for _ in range(round(below / _RING_M)):
        loops, places = [], []
        for loop in boundary_loops(mesh.faces):
            leg = next((leg for leg in LEGS if coordinates[leg][loop].mean() > LONG), None)
            if leg:
                _, knee, ankle = (joints[j] for j in LIMB_JOINTS[leg])
                along = (ankle - knee) / np.linalg.norm(ankle - knee)
                loops.append(loop)
                places.append(mesh.vertices[loop] + _RING_M * along)
        before, count = len(mesh.faces), len(mesh.vertices)
        mesh, owner = with_rings(mesh, loops, places)
        coordinates = {k: v[owner] for k, v in coordinates.items()}
        weights, part = mesh.weights.copy(), mesh.face_part.copy()
        for leg in LEGS:
            _, knee, ankle = LIMB_JOINTS[leg]
            new = np.flatnonzero((np.arange(len(owner)) >= count) & (coordinates[leg] > LONG))
            weights[new] = np.eye(weights.shape[1], dtype=np.float32)[knee]
            part[before:][(coordinates[leg][mesh.faces[before:]] > LONG).all(1)] = knee
            coordinates[leg] = coordinates[leg].copy()
            coordinates[leg][new] += _RING_M / np.linalg.norm(joints[ankle] - joints[knee])
        mesh = replace(mesh, weights=weights, face_part=part)
    return mesh, coordinates


def widened(
    mesh: SkinnedMesh,
    limbs: Mapping[str, Float[ndarray, " v"]],
    joints: Float[ndarray, "24 3"],
    cut: Cut,
    end: float,
    scale: float,
) -> SkinnedMesh:
    """Widen close legs to the tubes of a cut, which hide knee and calf, and let the crotch hang.

    Args:
        mesh: trousers close to the skin. limbs, joints: as in ``lengthened``. end: limb coordinate of the hems.
        scale: of the body, 1 for the one on which the lengths were measured.
    """
    points = mesh.vertices.astype(np.float64)
    moved = points.copy()
    for leg in LEGS:
        on = np.flatnonzero(limbs[leg] > -0.05)
        if not len(on):
            continue
        at = limbs[leg][on]
        centre, along = _axis(at, leg, joints, scale)
        q = points[on] - centre
        q -= np.einsum("vc,vc->v", q, along)[:, None] * along
        radius = np.linalg.norm(q, axis=1)
        mean = _mean_radius(at, radius)
        wanted = _profile(at, mean, cut, end, scale)
        share = smoothstep((at - 0.02) / 0.35) * below_hem(points[on], joints, scale)
        grown = _at_least(radius, radius + share * (wanted - radius), 0.006)
        out = q / np.maximum(radius, 1e-6)[:, None]
        moved[on] += np.where(share > 0, grown - radius, 0)[:, None] * out
    low = joints[[JOINT["left_hip"], JOINT["right_hip"]]].mean(0) - np.array([0, 0.075 * scale, 0.0])
    near = np.exp(-(((points[:, 0] - low[0]) / 0.05) ** 2) - ((points[:, 1] - low[1]) / 0.06) ** 2)
    moved[:, 1] -= cut.drop * near
    step = averaged(mesh.faces, moved - points, 3)
    return replace(mesh, vertices=(points + step).astype(np.float32))


def below_hem(points: Float[ndarray, "v 3"], joints: Float[ndarray, "24 3"], scale: float) -> Float[ndarray, " v"]:
    """Return 0 where a shirt may hang over trousers, which lie flat there, to 1 further down."""
    return smoothstep((joints[JOINT["left_hip"], 1] - 0.055 * scale - points[:, 1]) / (0.15 * scale))


def _axis(at: ndarray, leg: str, joints: ndarray, scale: float) -> tuple[ndarray, ndarray]:
    """Return the middle of a leg's tube at limb coordinates, m, and its unit direction."""
    hip, knee, ankle = (joints[j] for j in LIMB_JOINTS[leg])
    back = np.array([0, 0, -1.0]) * _BEHIND_M * scale
    middle = np.where((at < 1)[:, None], hip + (knee - hip) * at[:, None], knee + (ankle - knee) * (at - 1)[:, None])
    middle = middle + back * smoothstep(at - 1.0)[:, None] - back * 0.5 * (1 - smoothstep(at / 0.8))[:, None]
    turn = smoothstep((at - 0.8) / 0.4)[:, None]
    along = (1 - turn) * (knee - hip) / np.linalg.norm(knee - hip) + turn * (ankle - knee) / np.linalg.norm(
        ankle - knee
    )
    return middle, along / np.linalg.norm(along, axis=1, keepdims=True)


def _mean_radius(at: ndarray, radius: ndarray) -> ndarray:
    """Return the mean distance of cloth from the axis at each vertex's limb coordinate, m."""
    which = np.clip(np.digitize(at, _BINS) - 1, 0, len(_BINS) - 2)
    count = np.bincount(which, minlength=len(_BINS) - 1)
    mean = np.bincount(which, radius, len(_BINS) - 1) / np.maximum(count, 1)
    full = np.flatnonzero(count)
    return np.interp(at, 0.5 * (_BINS[:-1] + _BINS[1:])[full], mean[full])


def _profile(at: ndarray, mean: ndarray, cut: Cut, end: float, scale: float) -> ndarray:
    """Return the radius of a cut's tube at limb coordinates, m."""
    thigh = mean + cut.thigh
    if end < LONG:  # shorts fall straight from the thigh
        return mean + 0.7 * cut.thigh + 0.005 * smoothstep((at - 0.2) / max(end - 0.2, 0.1))
    tube = scale * np.interp(at, (0.95, end), (cut.knee, cut.hem))
    if cut.cuff:
        tube = tube + (mean + 0.002 - tube) * smoothstep((at - end + 0.14) / 0.10)
    return thigh + smoothstep((at - 0.35) / 0.55) * (tube - thigh)


def _at_least(value: ndarray, other: ndarray, soft: float) -> ndarray:
    """Return the greater of two lengths, without an edge where they are equal."""
    return 0.5 * (value + other + np.sqrt((value - other) ** 2 + soft**2)) - 0.5 * soft


def folds(
    points: Float[ndarray, "v 3"],
    limbs: Mapping[str, Float[ndarray, " v"]],
    joints: Float[ndarray, "24 3"],
    cut: Cut,
    end: float,
) -> Float[ndarray, " v"]:
    """Return how far the folds of the legs rise, m: stacked above the hem, across the knee, dragging from the crotch.

    Args:
        points: vertices, m. limbs, joints, cut, end: as in ``widened``.
    """
    out = np.zeros(len(points))
    loose = float(np.clip((cut.thigh - 0.006) / 0.014, 0.4, 1.0))
    for leg in LEGS:
        at = limbs[leg]
        hip, knee, ankle = (joints[j] for j in LIMB_JOINTS[leg])
        side = 1.0 if leg == "left_leg" else -1.0
        q = points - (hip + (knee - hip) * np.clip(at, 0, 1)[:, None])
        turn = np.arctan2(side * q[:, 0], q[:, 2])  # 0 front, positive outside
        shank = np.linalg.norm(ankle - knee)
        length = np.where(at < 1, np.linalg.norm(knee - hip) * at, np.linalg.norm(knee - hip) + shank * (at - 1))
        if end > LONG:
            stack = smoothstep((at - end + 0.55) / 0.5) * (0.7 + 0.3 * np.cos(turn - 0.4))
            stack = stack * (1 - cut.cuff * smoothstep((at - end + 0.16) / 0.1))
            out += 0.015 * loose * stack * _zigzag(length / 0.052, turn, side)
        mid = np.exp(-(((at - 1.0) / 0.22) ** 2)) * (end > 1.1)
        out += 0.012 * loose * mid * (0.6 - 0.4 * np.cos(turn)) * _zigzag(length / 0.044 + 0.3, turn, -side)
        groin = np.exp(-(((at - 0.12) / 0.14) ** 2)) * np.exp(-(((turn + 0.5) / 0.9) ** 2))
        out += 0.010 * loose * groin * _ridge(length / 0.040 - 0.55 * turn)
        under = np.exp(-(((at - 0.16) / 0.16) ** 2)) * smoothstep((-np.cos(turn) - 0.2) / 0.5)
        out += 0.012 * loose * under * _ridge(length / 0.050 + 0.35 * np.abs(turn) + 0.4)
        drag = smoothstep((at - 0.25) / 0.3) * smoothstep((min(end, 1.5) - at) / 0.4)
        out += 0.010 * loose * drag * _ridge(1.1 * turn / np.pi * 2 + 1.7 * at + 0.3 * np.sin(3 * at + side))
    return out * below_hem(points, joints, 1.0)


def _ridge(phase: ndarray) -> ndarray:
    """Rounded folds 0..1 with narrow valleys, one a unit of phase."""
    return np.abs(np.sin(np.pi * phase)) ** 0.8


def _zigzag(phase: ndarray, turn: ndarray, side: float) -> ndarray:
    """Folds across a tube that slant to and fro around it and run out, as cloth that is too long piles up."""
    slant = 0.55 * np.sin(turn + 0.9 * side + 1.1 * np.sin(0.9 * phase)) + 0.25 * np.sin(2 * turn + 1.7 * phase)
    fade = 0.55 + 0.45 * np.sin(turn * 1.0 + 2.1 * phase + side)
    return _ridge(phase + slant) * fade


def slack(cloth: SkinnedMesh, close: Float[ndarray, "v 3"], limbs: Mapping[str, Float[ndarray, " v"]]) -> ndarray:
    """Return how far cloth may sink towards the leg below it, m: what it stands off further than close trousers do.

    Args:
        cloth: the finished garment. close: the same vertices of close trousers, m. limbs: limb coordinates.
    """
    away = np.linalg.norm(cloth.vertices - close, axis=1)
    at = np.maximum(limbs["left_leg"], limbs["right_leg"])
    return (0.85 * away * smoothstep((at - 0.15) / 0.3)).astype(np.float32)


def sag(
    slack: Float[ndarray, " v"],
    limbs: Mapping[str, Float[ndarray, " v"]],
    joints: Float[ndarray, "24 3"],
    down: Float[ndarray, "3"],
) -> Float[ndarray, "v 3"]:
    """Return how far posed cloth falls, m: every section of a leg sinks until it rests on the leg.

    Args:
        slack: see there. limbs: limb coordinates. joints: posed, m. down: unit vector.
    """
    out = np.zeros((len(slack), 3), np.float32)
    for leg in LEGS:
        hip, knee, ankle = (joints[j] for j in LIMB_JOINTS[leg])
        falls = []
        for a, b in ((hip, knee), (knee, ankle)):
            along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
            falls.append(down - (down @ along) * along)
        turn = smoothstep((limbs[leg] - 0.8) / 0.4)[:, None]
        out += ((limbs[leg] > 0) * slack)[:, None] * ((1 - turn) * falls[0] + turn * falls[1])
    return out


def bend_folds(
    mesh: SkinnedMesh,
    normals: Float[ndarray, "v 3"],
    limbs: Mapping[str, Float[ndarray, " v"]],
    joints: Float[ndarray, "24 3"],
) -> dict[str, Float[ndarray, "v 3"]]:
    """Return leg -> displacement of the rest pose (m) at a knee bent by a right angle: folds in its hollow."""
    out = {}
    for leg in LEGS:
        _, knee, _ = (joints[j] for j in LIMB_JOINTS[leg])
        q = mesh.vertices - knee
        behind = smoothstep((0.01 - q[:, 2]) / 0.05)
        where = np.exp(-(((limbs[leg] - 1.0) / 0.2) ** 2)) * behind * (limbs[leg] > 0)
        ridges = _ridge(q[:, 1] / 0.034 + 2.5 * np.abs(q[:, 0])) - 0.35
        out[leg] = ((0.012 * where * ridges)[:, None] * normals).astype(np.float32)
    return out


def bent(joints: Float[ndarray, "24 3"], leg: str) -> float:
    """Return how far a knee is bent: 0 straight, 1 a right angle, at most 1.5."""
    hip, knee, ankle = (joints[j] for j in LIMB_JOINTS[leg])
    a, b = knee - hip, ankle - knee
    cosine = float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))
    return float(np.clip(1 - cosine, 0, 1.5))
