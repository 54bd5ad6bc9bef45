"""Hands that hold a handle, for any body: offsets of rest vertices by a bend deformer, as SMPL has no finger joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import JOINT

HANDLE_M = 0.0155
"""Radius of the handle that the fingers close round."""
_FINGER_M = 0.0874
"""From the hand's joint to the longest finger's tip on the body that the other lengths were read off."""
_CURL = 3.3
"""Fingertips go round by at most so much, rad."""
_BINS, _BIN_M, _MOST_HALF_M = 12, 0.008, 0.012
_GRIPS = Cache(4)


@dataclass(frozen=True)
class Grip:
    """Closed hands of one body.

    Attributes:
        offsets: (V, 3) m, to be added to rest vertices of both hands. left: (V,) bool: the left hand's.
        centre: (3,) m: the middle of the handle from the left hand's joint, in its rest frame; mirrored on the right.
            The handle's axis is the rest frame's z.
    """

    offsets: Float[ndarray, "v 3"]
    left: ndarray
    centre: Float[ndarray, "3"]

    def of(self, sides: tuple[str, ...]) -> Float[ndarray, "v 3"] | None:
        """Return the offsets of some hands, None for no hand."""
        return (self.offsets * self.on(sides)[:, None]).astype(np.float32) if sides else None

    def on(self, sides: tuple[str, ...]) -> Bool[ndarray, " v"]:
        """Return which vertices lie on some sides of the body."""
        on = np.zeros(len(self.left), bool)
        for side in sides:
            on |= self.left if side == "left" else ~self.left
        return on

    def handle(self, side: str) -> Float[ndarray, "3"]:
        """Return the middle of the handle from the hand's joint, in its rest frame, m."""
        return self.centre * (1 if side == "left" else -1, 1, 1)


def wrapped_hands(body: BodyData) -> Grip:
    """Return the closed hands of a body (made once a process); see ``devices.hands`` for those with finger bones.

    In the T-pose the palm looks down and the fingers point away from the body. Each finger's middle line is bent round
    a cylinder under the palm (a bend deformer); the thumb stays as it is.
    """
    return _GRIPS.get(body.mesh, "grip", lambda: _closed(body))


def _closed(body: BodyData) -> Grip:
    rest = body.mesh.vertices.astype(np.float64)
    owner = body.mesh.owner
    offsets, centre = np.zeros_like(rest), np.zeros(3)
    for side, sign in (("right", -1.0), ("left", 1.0)):
        joint = body.joints_template[JOINT[f"{side}_hand"]]
        rows = np.flatnonzero(np.isin(owner, [JOINT[f"{side}_hand"], JOINT[f"{side}_wrist"]]))
        local = (rest[rows] - joint) * (sign, 1, 1)
        bent, centre = _bent(local, local[:, 0].max() / _FINGER_M)
        offsets[rows] = (bent - local) * (sign, 1, 1)
    return Grip(offsets, rest[:, 0] > 0, centre)


def _bent(p: Float[ndarray, "n 3"], scale: float) -> tuple[ndarray, ndarray]:
    """Return a left hand's vertices (from its joint, m) with the fingers bent, and the handle's middle."""
    x, y, z = (p / scale).T
    thumb = (y < -0.033) & (x < 0.03)
    finger = (x > 0.003) & (z < 0.058) & ~thumb
    bins = np.clip((x / _BIN_M).astype(int), 0, _BINS - 1)
    middle, half = np.zeros(_BINS), np.zeros(_BINS)
    for b in range(_BINS):
        own = y[finger & (bins == b)]
        if len(own):
            middle[b], half[b] = (own.max() + own.min()) / 2, min((own.max() - own.min()) / 2, _MOST_HALF_M)
    at = _BIN_M * (np.arange(_BINS) + 0.5)
    known = half > 0
    m, h = (np.interp(x, at[known], values[known]) for values in (middle, half))
    radius = HANDLE_M / scale
    cy = float(np.interp(0, at[known], middle[known]) - np.interp(0, at[known], half[known]) - radius)
    r = radius + 0.001 + h + (y - m)
    turn = np.minimum(np.maximum(x, 0) / (radius + 0.0105), _CURL)
    share = np.clip((x - 0.003) / 0.02, 0, 1)[:, None]
    wrapped = np.stack([r * np.sin(turn), cy + r * np.cos(turn), z], 1)
    flat = np.stack([x, y, z], 1)
    out = np.where(finger[:, None], flat + share * (wrapped - flat), flat)
    return out * scale, np.array([0.0, cy * scale, 0.0])
