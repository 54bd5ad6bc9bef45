"""Hands at rest: fingers side by side and half bent, as offsets of rest vertices; SMPL's tree has no finger joints.

The rest pose of body models splays the fingers of a flat hand, which people do for a scanner and nowhere else. Every
finger is bent along its own middle line at three joints. Fingers are found by how the mesh branches, so that any body
with hands will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.skeleton import JOINT

REACH_M = 0.0874
"""From the hand's joint to the longest finger's tip on the open body, off which the lengths below were read."""
_KNUCKLE_M = 0.016
"""The knuckle lies so far before the web of the fingers."""
_PHALANGES = (0.0, 0.50, 0.80)
"""Joints along a finger, from knuckle to tip (Buryanov and Kotiuk, Int. J. Morphol. 2010: 45, 26 and 17 mm and the
pulp's 4 mm on the middle finger)."""
_FLEXION = np.radians([[14, 26, 12], [19, 30, 15], [22, 33, 16], [26, 33, 16]])
"""Of knuckle, middle and end joint, index to little finger: the cascade of a hand at rest, which bends more towards
the little finger; hand-set, looked at from four sides."""
_TOGETHER = 1.2
"""Share of the fingers' fan that closes: bent fingers point at one place on the wrist."""
_BEND_M = 0.011
"""A joint bends over this length."""
_THUMB_ROOT = np.array([-0.072, -0.012, 0.024])
"""The thumb's saddle joint from the hand's joint, left hand, m."""
_THUMB = np.radians([19.0, 10.0])
"""The thumb turns so far towards the fingers, and under the palm."""
_CACHE = Cache(16)


@dataclass(frozen=True)
class _Finger:
    """A finger of a left hand in metres from the hand's joint: its vertices, knuckle, direction and length."""

    rows: Integer[ndarray, " n"]
    knuckle: Float[ndarray, "3"]
    along: Float[ndarray, "3"]
    length: float


def relaxed_hands(body: BodyData, curl: float) -> Float[ndarray, "v 3"]:
    """Return offsets (V, 3) f4, m, that are added to a body's rest vertices, both hands; made once a process.

    Args:
        body: the body model.
        curl: 0 = flat, as the model has them; 1 = a hand at rest; 2 = nearly a fist.
    """
    return _CACHE.get(body.mesh, ("hands", float(curl)), lambda: _offsets(body, curl))


def _offsets(body: BodyData, curl: float) -> Float[ndarray, "v 3"]:
    rest, owner = body.mesh.vertices.astype(np.float64), body.mesh.owner
    offsets = np.zeros_like(rest)
    if curl == 0:
        return offsets.astype(np.float32)
    for side, sign in (("right", -1.0), ("left", 1.0)):
        joint = body.joints_template[JOINT[f"{side}_hand"]]
        rows = np.flatnonzero(np.isin(owner, [JOINT[f"{side}_hand"], JOINT[f"{side}_wrist"]]))
        mirror = np.array([sign, 1.0, 1.0])
        local = (rest[rows] - joint) * mirror
        scale = local[:, 0].max() / REACH_M
        moved = _relaxed(local / scale, _edges(body.mesh.faces, rows, len(rest)), curl) * scale
        offsets[rows] = (moved - local) * mirror
    return offsets.astype(np.float32)


def _edges(faces: Integer[ndarray, "f 3"], rows: Integer[ndarray, " n"], count: int) -> Integer[ndarray, "e 2"]:
    """Return the edges among some vertices, in their own numbers."""
    number = np.full(count, -1)
    number[rows] = np.arange(len(rows))
    edges = number[np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])]
    return edges[(edges >= 0).all(1)]


def _relaxed(points: Float[ndarray, "n 3"], edges: Integer[ndarray, "e 2"], curl: float) -> Float[ndarray, "n 3"]:
    """Return a left hand's vertices (m from its joint; palm down, fingers along x, thumb towards z) at rest."""
    out = points.copy()
    fingers = _find_fingers(points, edges)
    if not fingers:
        return out
    fan = [float(np.arctan2(f.along[2], f.along[0])) for f in fingers]
    close = _TOGETHER * min(1.0, curl)
    for finger, angle, bend in zip(fingers, fan, _FLEXION, strict=True):
        out[finger.rows] = _bent(points[finger.rows], finger, close * (angle - float(np.mean(fan))), bend * curl)
    taken = np.zeros(len(points), bool)
    for finger in fingers:
        taken[finger.rows] = True
    return _thumb(out, ~taken, min(1.0, curl))


def _find_fingers(points: Float[ndarray, "n 3"], edges: Integer[ndarray, "e 2"]) -> list[_Finger]:
    """Return the four fingers, index first, from where the mesh falls into branches; none if it never does."""
    for web in np.arange(0.004, 0.05, 0.002):
        beyond = points[:, 0] > web
        groups = _branches(beyond, edges)
        fingers = [g for g in groups if len(g) > 8 and np.ptp(points[g, 0]) > 0.012]
        if len(fingers) == 4:
            fingers.sort(key=lambda g: -points[g, 2].mean())
            found = [_finger(points, g, web) for g in fingers]
            return _share_out(points, found)
    return []


def _branches(chosen: Bool[ndarray, " n"], edges: Integer[ndarray, "e 2"]) -> list[ndarray]:
    rows = np.flatnonzero(chosen)
    number = np.full(len(chosen), -1)
    number[rows] = np.arange(len(rows))
    inside = number[edges]
    inside = inside[(inside >= 0).all(1)]
    graph = coo_matrix((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), (len(rows), len(rows)))
    count, label = connected_components(graph, directed=False)
    return [rows[label == k] for k in range(count)]


def _finger(points: Float[ndarray, "n 3"], rows: ndarray, web: float) -> _Finger:
    own = points[rows]
    base = own[own[:, 0] < web + 0.006].mean(0)
    tip = own[np.argsort(own[:, 0])[-12:]].mean(0)
    along = (tip - base) / np.linalg.norm(tip - base)
    knuckle = base - _KNUCKLE_M * along
    return _Finger(rows, knuckle, along, float(((own - knuckle) @ along).max()))


def _share_out(points: Float[ndarray, "n 3"], fingers: list[_Finger]) -> list[_Finger]:
    """Return the fingers with the vertices between knuckle and web too, each given to the nearest middle line."""
    branch = np.full(len(points), -1)
    for k, finger in enumerate(fingers):
        branch[finger.rows] = k
    aside = []
    for finger in fingers:
        away = points - finger.knuckle
        s = away @ finger.along
        aside.append(np.where(s > 0, np.linalg.norm(away - s[:, None] * finger.along, axis=1), np.inf))
    nearest = np.argmin(aside, 0)
    loose = (branch < 0) & (np.min(aside, 0) < 0.016) & (points[:, 0] < 0.03)
    branch[loose] = nearest[loose]
    return [_Finger(np.flatnonzero(branch == k), f.knuckle, f.along, f.length) for k, f in enumerate(fingers)]


def _bent(
    points: Float[ndarray, "n 3"], finger: _Finger, aside: float, bend: Float[ndarray, "3"]
) -> Float[ndarray, "n 3"]:
    """Return a finger's vertices after it was turned aside (rad, in the palm's plane) and bent at its joints (rad)."""
    up = np.array([0.0, 1.0, 0.0])
    normal = up - (up @ finger.along) * finger.along
    normal /= np.linalg.norm(normal)
    across = np.cross(finger.along, normal)
    away = points - finger.knuckle
    s, h, side = away @ finger.along, away @ normal, away @ across

    line = np.arange(-0.002, finger.length + 0.02, 0.0005)
    places = finger.length * np.array(_PHALANGES)
    turns = smoothstep((line[:, None] - places) / _BEND_M + (0.0, 0.5, 0.5)) @ bend
    ahead = np.concatenate([[0.0], np.cumsum(np.cos(turns[:-1]) * 0.0005)]) + line[0]
    down = np.concatenate([[0.0], np.cumsum(-np.sin(turns[:-1]) * 0.0005)])
    theta = np.interp(s, line, turns)
    x = np.where(s < line[0], s, np.interp(s, line, ahead)) + h * np.sin(theta)
    y = np.interp(s, line, down) + h * np.cos(theta)

    bent = x[:, None] * finger.along + y[:, None] * normal + side[:, None] * across
    return finger.knuckle + _about(bent, normal, aside * smoothstep(s / 0.02))


def _thumb(points: Float[ndarray, "n 3"], free: Bool[ndarray, " n"], share: float) -> Float[ndarray, "n 3"]:
    """Return the vertices with the thumb turned about its saddle joint, towards the fingers and under the palm."""
    candidates = np.flatnonzero(free & (points[:, 0] < 0.03) & (points[:, 2] > 0.02))
    tip = points[candidates[np.argsort(points[candidates, 2])[-12:]]].mean(0)
    length = float(np.linalg.norm(tip - _THUMB_ROOT))
    along = (tip - _THUMB_ROOT) / length
    away = points - _THUMB_ROOT
    s = away @ along
    distance = np.linalg.norm(away - s[:, None] * along, axis=1)
    weight = smoothstep(s / (0.45 * length)) * (1 - smoothstep((distance - 0.014) / 0.014)) * free
    turn = share * weight
    out = _about(away, np.array([0.0, 1.0, 0.0]), turn * _THUMB[0])
    out = _about(out, np.array([1.0, 0.0, 0.0]), turn * _THUMB[1])
    return np.where(weight[:, None] > 0, out + _THUMB_ROOT, points)


def _about(vectors: Float[ndarray, "n 3"], axis: Float[ndarray, "3"], angle: Float[ndarray, " n"]) -> ndarray:
    """Return vectors turned about a unit axis, each by its own angle (Rodrigues)."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return vectors * c + np.cross(axis, vectors) * s + axis * (vectors @ axis)[:, None] * (1 - c)
