"""Solves the frames of one person again and again, each anchored to the mean of its neighbours.

All frames of a sweep start from the last sweep's (block Gauss-Newton); betas are drawn to the median of the sequence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.fit.fitter import Fitter
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.lm import minimise
from a3dgen.fit.model import num_betas
from a3dgen.fit.observation import Anchor, Observation
from a3dgen.fit.residuals import evaluate
from a3dgen.fit.search import MIN_FLIP, reflect

FPS = 25.0
"""Frame rate that the standard deviations below were measured at."""
TOLERANCE = 1e-3
BLEND = 10
"""Frames of 25 fps over which betas go from those of held frames to the median of the sequence."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Ties:
    """How frames are tied together; standard deviations at 25 fps, scaled to other rates.

    Attributes:
        steps: trial steps of a frame in a sweep.
        prior_weight: of the pose prior. About seven frames of 25 fps share a pose, and its prior counts once for them
            all: with weight 1 a clip is drawn towards the prior's mean by what is no evidence.
        anchor_sd: of a joint's rotation about the mean of its neighbours, rad.
        betas_sd: of the betas about their median.
        place_sd: of the translation about the mean of the neighbours, m, along the camera's axes.
        weights: of the neighbours one, two and three frames away.
    """

    steps: int = 4
    prior_weight: float = 0.15
    anchor_sd: float = 0.06
    betas_sd: float = 0.15
    place_sd: tuple[float, float, float] = (0.03, 0.03, 0.15)
    weights: tuple[float, ...] = (0.8, 0.4, 0.15)


class Frames:
    """N frames of one person, ready to be solved."""

    def __init__(
        self,
        fitter: Fitter,
        seen: Sequence[Observation],
        numbers: ndarray,
        fps: float,
        ties: Ties,
        run: Map = map,
        held: Bool[ndarray, " n"] | None = None,
    ) -> None:
        """Prepare.

        Args:
            numbers: (N,) of the frames, ascending. fps: frame numbers a second.
            run: ``map``, or one of a thread pool: frames are independent within a sweep, so that it changes no number.
            held: frames that stay as they are, and that their neighbours follow.
        """
        self.held = np.zeros(len(seen), bool) if held is None else held
        self.fitter, self.numbers, self.ties, self.run, self.scale = fitter, numbers, ties, run, FPS / fps
        weight = fitter.options.prior_weight * min(1.0, ties.prior_weight * self.scale)
        self.plain = [fitter.evidence(replace(s, anchor=_shape(s.anchor))) for s in seen]
        self.weak = [ev._replace(prior_weight=weight) for ev in self.plain]
        self.free = [np.flatnonzero(ev.free) for ev in self.plain]
        self.shaped = np.array([_shape(s.anchor) is not None for s in seen], bool)
        self._threads = threading.local()

    def _space(self) -> Workspace:
        if not hasattr(self._threads, "space"):
            self._threads.space = self.fitter.workspace()
        space: Workspace = self._threads.space
        space.component[0] = 0
        return space

    def cost(self, n: int, x: Float[ndarray, " d"]) -> float:
        """Return what variables cost in frame n, the pose prior weighing as little as in the sweeps."""
        return float(evaluate(self.fitter.model, self.fitter.prior, self.weak[n], x, self._space()))

    def smooth(self, x: Float[ndarray, "n d"], sweeps: int) -> Float[ndarray, "n d"]:
        """Return the variables after some sweeps."""
        for _ in range(sweeps):
            x = self._sweep(x)
        return x

    def _sweep(self, x: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
        ties, count = self.ties, len(x)
        turns, places, known = neighbours(x, self.numbers, ties.weights)
        shape, transl = slice(72, 72 + num_betas(self.fitter.model)), slice(-4, -1)
        anchor = np.stack([ev.anchor for ev in self.plain])
        weight = np.stack([ev.anchor_weight for ev in self.plain])
        anchor[:, :72] = next_branch(turns, x[:, :72].reshape(count, 24, 3)).reshape(count, 72)
        weight[known, :72] = 1 / (ties.anchor_sd * self.scale) ** 2
        anchor[:, transl] = places
        weight[known, transl] = 1 / (np.array(ties.place_sd) * self.scale) ** 2
        anchor[~self.shaped, shape] = self._shapes(x[:, shape])[~self.shaped]
        weight[~self.shaped, shape] = 1 / ties.betas_sd**2

        def solved(n: int) -> ndarray:
            if self.held[n]:
                return x[n].copy()
            ev = (self.weak if known[n] else self.plain)[n]  # a frame without neighbours has its prior for itself
            ev, own = ev._replace(anchor=anchor[n], anchor_weight=weight[n]), x[n].copy()
            minimise(
                self.fitter.model, self.fitter.prior, ev, self.free[n], own, ties.steps, TOLERANCE, np.inf,
                self._space(),
            )  # fmt: skip
            return own

        return np.stack(list(self.run(solved, range(count))))

    def _shapes(self, betas: Float[ndarray, "n b"]) -> Float[ndarray, "n b"]:
        """Return the betas that each frame is drawn to: their median; beside held frames more and more those."""
        out = np.tile(np.median(betas, axis=0), (len(betas), 1))
        if self.held.any():
            gaps = np.abs(self.numbers[:, None] - self.numbers[self.held]) * self.scale
            share = np.clip(1 - gaps.min(1) / BLEND, 0, 1)[:, None]
            out += share * (betas[self.held][gaps.argmin(1)] - out)
        return out

    def reflected(self, x: Float[ndarray, "n d"], joint: int, child: int) -> Float[ndarray, "n d"]:
        """Return the variables with a bone reflected in depth in every frame where that makes a difference."""
        out, space = x.copy(), self._space()
        for n in np.flatnonzero(~self.held):
            own = x[n]
            trial = np.empty_like(own)
            if reflect(self.fitter.model, own, joint, child, trial, space) >= MIN_FLIP:
                out[n] = trial
        return out


def _shape(known: Anchor | None) -> Anchor | None:
    """Return the part of what is known beforehand that holds over time: the shape."""
    if known is None or known.betas is None:
        return None
    return Anchor(betas=known.betas, betas_sd=known.betas_sd)


def neighbours(
    x: Float[ndarray, "n d"], frames: ndarray, weights: Sequence[float]
) -> tuple[Float[ndarray, "n 24 3"], Float[ndarray, "n 3"], ndarray]:
    """Return the mean rotations (rotation vectors) and translations of the frames around each, itself left out, and
    whether there are any (N,) bool."""
    count = len(x)
    quaternions = Rotation.from_rotvec(x[:, :72].reshape(-1, 3)).as_quat().reshape(count, 24, 4)
    turn, place, mass = np.zeros_like(quaternions), np.zeros((count, 3)), np.zeros(count)
    for distance, weight in enumerate(weights, 1):
        for offset in (-distance, distance):
            other = np.searchsorted(frames, frames + offset)
            other = np.minimum(other, count - 1)
            w = weight * (frames[other] == frames + offset)
            sign = np.sign((quaternions[other] * quaternions).sum(-1, keepdims=True))
            turn += w[:, None, None] * sign * quaternions[other]
            place += w[:, None] * x[other, -4:-1]
            mass += w
    alone = mass == 0
    turn[alone], place[alone], mass[alone] = quaternions[alone], x[alone, -4:-1], 1
    return Rotation.from_quat(turn.reshape(-1, 4)).as_rotvec().reshape(count, 24, 3), place / mass[:, None], ~alone


def next_branch(turns: Float[ndarray, "*n 3"], near: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
    """Return rotation vectors of the same rotations that lie next to others: v, or v on the other branch of 2 pi."""
    angle = np.linalg.norm(turns, axis=-1, keepdims=True)
    other = turns * (1 - 2 * np.pi / np.maximum(angle, 1e-9))
    closer = ((other - near) ** 2).sum(-1, keepdims=True) < ((turns - near) ** 2).sum(-1, keepdims=True)
    return np.where(closer & (angle > 1e-9), other, turns)


def between(x: Float[ndarray, "k d"], keys: ndarray, frames: ndarray) -> Float[ndarray, "n d"]:
    """Return the variables of all frames from those of some: rotations turn evenly, the rest goes straight.

    Args:
        keys: (K,) numbers of the known frames, ascending. frames: (N,) wanted; outside the keys the nearest is taken.
    """
    after = np.clip(np.searchsorted(keys, frames), 1, max(len(keys) - 1, 1))
    before, after = after - 1, np.minimum(after, len(keys) - 1)
    gap = np.maximum(keys[after] - keys[before], 1)
    share = np.clip((frames - keys[before]) / gap, 0, 1)
    out: ndarray = (1 - share[:, None]) * x[before] + share[:, None] * x[after]
    first = Rotation.from_rotvec(x[before, :72].reshape(-1, 3))
    arc = (first.inv() * Rotation.from_rotvec(x[after, :72].reshape(-1, 3))).as_rotvec()
    turned = (first * Rotation.from_rotvec(np.repeat(share, 24)[:, None] * arc)).as_rotvec()
    out[:, :72] = next_branch(turned, x[before, :72].reshape(-1, 3)).reshape(-1, 72)
    exact = np.where(share == 0, before, np.where(share == 1, after, -1))
    out[exact >= 0] = x[exact[exact >= 0]]
    return out
