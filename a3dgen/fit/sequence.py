"""Fits one person in consecutive frames together: among near-tied minima the consistent ones, then smoothed.

Each frame keeps its near-tied minima, and those that a lifter leads to if there is one. A shortest path (Viterbi) takes
the one of each frame that costs least together with the turns between frames, so that a lifter only adds what may be
taken. Then each frame is solved again, anchored to the mean of its neighbours, its betas to the median of the sequence
(block Gauss-Newton, all frames of a sweep from the last sweep's). The result depends on the observations alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.core.errors import Rejected
from a3dgen.fit.fitter import DIFFERENT, Anchor, Fit, Fitter, Observation, Solution, widened
from a3dgen.fit.lifted import Lift, lift, lifted_minima
from a3dgen.fit.lm import minimise
from a3dgen.fit.model import num_betas

FPS = 25.0
"""Frame rate that the standard deviations below were measured at."""


@dataclass(frozen=True)
class SequenceOptions:
    """How frames are tied together; standard deviations at 25 fps, scaled to other rates.

    Attributes:
        margin: minima that cost at most this much more than a frame's best may be taken. kept: headings solved in full.
        turn_sd: of a joint's turn between frames, rad; a turn counts as 1 rad at most.
        sweeps: how often every frame is solved again. steps: trial steps of each.
        prior_weight: of the pose prior in the sweeps. About seven frames of 25 fps share a pose, and its prior counts
            once for them all: with weight 1 a clip is drawn towards the prior's mean by what is no evidence.
        anchor_sd: of a joint's rotation about the mean of its neighbours, rad.
        lifted_steps: trial steps from what a lifter says, held to it; free_steps: from there on, without it.
        betas_sd: of the betas about their median.
        place_sd: of the translation about the mean of the neighbours, m, along the camera's axes.
        weights: of the neighbours one, two and three frames away.
    """

    margin: float = 12.0
    kept: int = 3
    turn_sd: float = 0.10
    sweeps: int = 5
    steps: int = 4
    prior_weight: float = 0.15
    anchor_sd: float = 0.06
    betas_sd: float = 0.15
    place_sd: tuple[float, float, float] = (0.03, 0.03, 0.15)
    weights: tuple[float, ...] = (0.8, 0.4, 0.15)
    lifted_steps: int = 12
    free_steps: int = 8


Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def fit_sequence(
    fitter: Fitter,
    observations: Sequence[Observation | None],
    fps: float,
    options: SequenceOptions | None = None,
    run: Map = map,
    lifter: Lift | None = None,
) -> list[Fit | None]:
    """Fit the same person in consecutive frames.

    Args:
        fitter: its options apply, but for margin and headings. observations: one a frame, of equal spacing; None where
            the person was not seen.
        fps: frame rate.
        run: ``map``, or one of a thread pool: frames are independent within a sweep, so that it changes no number.
        lifter: e.g. ``learning.lifter.Lifter.load()``; what it says is solved and added to the minima of each frame.

    Returns:
        The fit of each frame; its alternatives are the frame's other minima, its cost is that of the frame alone, its
        sigma that of the frame alone too, widened by its near-tied minima: what neighbours share they get wrong alike.
        None where the person was not seen, or no start leads to a body in front of the camera.

    Raises:
        ValueError: if the frame rate is not above 0.
    """
    if not fps > 0:
        raise ValueError(f"a frame rate is above 0, not {fps}")
    options = options or SequenceOptions()
    wide = fitter.with_options(margin=max(options.margin, fitter.options.margin), kept=options.kept)
    found = list(run(lambda seen: _cold(wide, seen), observations))
    there = [i for i, fit in enumerate(found) if fit is not None]
    if not there:
        return found
    fits = [fit for fit in found if fit is not None]
    seen = [s for s, fit in zip(observations, found, strict=True) if s is not None and fit is not None]
    pools = [[fit.best, *fit.alternatives] for fit in fits]
    if lifter is not None:
        lifted = lift(lifter, observations, fps)
        steps = options.lifted_steps, options.free_steps
        more = run(lambda n: lifted_minima(fitter, seen[n], lifted, there[n], *steps), range(len(there)))
        pools = [[*pool, *extra] for pool, extra in zip(pools, more, strict=True)]
    gaps = np.diff(there).astype(np.float64)
    x = consistent(pools, gaps, options.turn_sd * FPS / fps)
    x = smoothed(fitter, seen, np.array(there), x, fps, options, run)
    made = run(lambda n: _finished(fitter, seen[n], fits[n], pools[n], x[n]), range(len(there)))
    out: list[Fit | None] = [None] * len(found)
    for i, fit in zip(there, made, strict=True):
        out[i] = fit
    return out


def _cold(fitter: Fitter, seen: Observation | None) -> Fit | None:
    try:
        return None if seen is None else fitter.fit(seen)
    except Rejected:
        return None


def consistent(
    pools: Sequence[Sequence[Solution]], gaps: Float[ndarray, " g"], turn_sd: float
) -> Float[ndarray, "n d"]:
    """Return the variables of one minimum a frame: least sum of costs and squared turns between frames (Viterbi).

    Args:
        pools: the minima of each frame.
        gaps: frames between one pool and the next, 1 if none is missing. turn_sd: of a joint's turn in one frame, rad.
    """
    turns = [np.stack([Rotation.from_rotvec(s.pose).as_quat() for s in pool]) for pool in pools]
    total = np.array([s.cost for s in pools[0]])
    came_from: list[ndarray] = []
    for n in range(1, len(pools)):
        cosine = np.abs(np.einsum("ajk,bjk->abj", turns[n - 1], turns[n]))
        angle = np.minimum(2 * np.arccos(np.clip(cosine, 0, 1)), 1.0)
        step = total[:, None] + 0.5 * (angle**2).sum(-1) / (turn_sd * gaps[n - 1]) ** 2
        came_from.append(step.argmin(0))
        total = step.min(0) + np.array([s.cost for s in pools[n]])
    path = [int(total.argmin())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return np.stack([pool[i].x for pool, i in zip(pools, reversed(path), strict=True)])


def smoothed(
    fitter: Fitter,
    seen: Sequence[Observation],
    frames: ndarray,
    x: Float[ndarray, "n d"],
    fps: float,
    options: SequenceOptions,
    run: Map = map,
) -> Float[ndarray, "n d"]:
    """Return the variables after the sweeps.

    Args:
        seen: (N) observations. frames: (N,) their numbers, ascending. x: their variables.
    """
    betas = slice(72, 72 + num_betas(fitter.model))
    weak = fitter.with_options(prior_weight=fitter.options.prior_weight * min(1.0, options.prior_weight * FPS / fps))
    for _ in range(options.sweeps):
        anchors = neighbours(x, frames, options.weights)
        shape = np.median(x[:, betas], axis=0)
        x = np.stack(list(run(lambda n: _solved((fitter, weak), seen[n], x[n], anchors, n, shape, fps, options),  # noqa: B023
                              range(len(x)))))  # fmt: skip
    return x


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


def _solved(
    fitters: tuple[Fitter, Fitter],
    seen: Observation,
    x: ndarray,
    anchors: tuple[ndarray, ndarray, ndarray],
    n: int,
    shape: ndarray,
    fps: float,
    options: SequenceOptions,
) -> ndarray:
    turns, places, known = (part[n] for part in anchors)
    fitter = fitters[int(known)]  # a frame without neighbours has its prior for itself
    scale = FPS / fps if known else np.inf
    pose = next_branch(turns, x[:72].reshape(24, 3))
    anchor = Anchor(
        pose, np.full((24, 3), options.anchor_sd * scale), shape, options.betas_sd, places,
        np.array(options.place_sd) * scale,
    )  # fmt: skip
    ev, x = fitter.evidence(replace(seen, anchor=_both(anchor, seen.anchor))), x.copy()
    minimise(
        fitter.model, fitter.prior, ev, np.flatnonzero(ev.free), x, options.steps, 1e-3, np.inf, fitter.workspace()
    )
    return x


def _both(neighbours: Anchor, own: Anchor | None) -> Anchor:
    """Return the neighbours' anchor, with the shape that is known beforehand if there is one."""
    if own is None or own.betas is None:
        return neighbours
    return replace(neighbours, betas=own.betas, betas_sd=own.betas_sd)


def next_branch(turns: Float[ndarray, "*n 3"], near: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
    """Return rotation vectors of the same rotations that lie next to others: v, or v on the other branch of 2 pi."""
    angle = np.linalg.norm(turns, axis=-1, keepdims=True)
    other = turns * (1 - 2 * np.pi / np.maximum(angle, 1e-9))
    closer = ((other - near) ** 2).sum(-1, keepdims=True) < ((turns - near) ** 2).sum(-1, keepdims=True)
    return np.where(closer & (angle > 1e-9), other, turns)


def _finished(fitter: Fitter, seen: Observation, cold: Fit, pool: Sequence[Solution], x: ndarray) -> Fit:
    """Return the fit of a frame; its near-ties count by what they cost more than the minimum it has moved from."""
    made = fitter.solution(fitter.evidence(seen), x, fitter.workspace())
    others = tuple(s for s in (cold.best, *cold.alternatives) if _different(s, made))[:3]
    own = min([made.cost, *(s.cost for s in pool if not _different(s, made))])
    wider = widened(made, [replace(made, cost=own), *others])
    return Fit(wider, others, cold.evaluations)


def _different(a: Solution, b: Solution) -> bool:
    gap = (a.joints - a.joints[0]) - (b.joints - b.joints[0])
    return bool((gap**2).sum() > 24 * DIFFERENT**2)
