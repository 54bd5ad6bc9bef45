"""Fits one person in consecutive frames together: among near-tied minima the consistent ones, then smoothed.

Only key frames, about an eighth of a second apart, are searched; they keep their near-tied minima, and those that a
lifter leads to if there is one. Several paths are laid through them (Viterbi: costs, and turns from frame to frame),
each is smoothed, and the best way through the smoothed ones is taken, so that a lifter only adds what may be taken:
minima of single frames compare badly, because each bends to its own noise; over a second the wrong depth costs more.
Keypoints that jitter count less than the detector says (``fit.jitter``).
Then limbs are reflected in depth over all key frames and compared likewise, and all frames are smoothed from there.
The result depends on the observations alone.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.core.errors import Rejected
from a3dgen.fit.fitter import DIFFERENT, Fitter, widened
from a3dgen.fit.jitter import with_jitter
from a3dgen.fit.lifted import Lift, lift, lifted_minima
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.fit.search import FLIPS
from a3dgen.fit.smoothing import FPS, Frames, Map, Ties, between


@dataclass(frozen=True)
class SequenceOptions:
    """How a sequence is fitted; standard deviations at 25 fps, scaled to other rates.

    Attributes:
        key_seconds: from one key frame to the next.
        margin: minima that cost at most this much more than a frame's best may be taken. kept: headings solved in full.
        near_steps: trial steps of the frames between, from the minima of the nearest key frame.
        lifted_steps: trial steps from what a lifter says, held to it; free_steps: from there on, without it.
        turn_sd: of a joint's turn between frames, rad; a turn counts as 1 rad at most.
        path_sweeps: how often the frames of a path are solved before it is compared; flip_sweeps: after a limb was
            reflected, merged_sweeps: of the best way through several. flips: rounds of reflections.
        sweeps: of all frames in the end.
        ties: between neighbours in a sweep.
    """

    key_seconds: float = 0.12
    margin: float = 12.0
    kept: int = 3
    near_steps: int = 8
    lifted_steps: int = 12
    free_steps: int = 8
    turn_sd: float = 0.10
    path_sweeps: int = 3
    flip_sweeps: int = 2
    merged_sweeps: int = 2
    flips: int = 2
    sweeps: int = 3
    ties: Ties = field(default_factory=Ties)


def fit_sequence(
    fitter: Fitter,
    observations: Sequence[Observation | None],
    fps: float,
    options: SequenceOptions | None = None,
    run: Map = map,
    lifter: Lift | None = None,
    held: Mapping[int, ndarray] | None = None,
) -> list[Fit | None]:
    """Fit the same person in consecutive frames.

    Args:
        fitter: its options apply, but for margin and headings. observations: one a frame, of equal spacing; None where
            the person was not seen.
        fps: frame rate.
        run: ``map``, or one of a thread pool: frames are independent within a sweep, so that it changes no number.
        lifter: e.g. ``learning.lifter.Lifter.load()``; what it says is solved and added to the minima of key frames.
        held: frame -> its variables, where they are known already (from the piece of a recording beside this one);
            they stay as they are, and their neighbours follow.

    Returns:
        The fit of each frame; its alternatives are the frame's other minima, its cost is that of the frame alone, its
        sigma that of the frame alone too, widened by its near-tied minima: what neighbours share they get wrong alike.
        None where the person was not seen, or no start leads to a body in front of the camera.

    Raises:
        ValueError: if the frame rate is not above 0.
    """
    if not fps > 0:
        raise ValueError(f"a frame rate is above 0, not {fps}")
    options, observations = options or SequenceOptions(), with_jitter(observations, fps)
    wide = fitter.with_options(margin=max(options.margin, fitter.options.margin), kept=options.kept)
    stride = max(1, round(options.key_seconds * fps))
    seen = {n: s for n, s in enumerate(observations) if s is not None and _says_something(s)}
    found = _searched(wide, seen, stride, run)
    there, keys = np.array(sorted(seen)), np.array(sorted(found))
    out: list[Fit | None] = [None] * len(observations)
    held = {n: x for n, x in (held or {}).items() if n in seen}
    if not found:
        return out
    pools = [[found[n].best, *found[n].alternatives] for n in keys]
    lifted: list[list[Solution]] = []
    if lifter is not None:
        said, steps = lift(lifter, observations, fps), (options.lifted_steps, options.free_steps)
        lead = lambda n: [] if n in held else lifted_minima(fitter, seen[n], said, n, *steps)  # noqa: E731
        lifted = list(run(lead, keys.tolist()))
    places = np.cumsum([0, *np.maximum(1, -(-np.diff(keys) // stride))])
    tied = functools.partial(Frames, fitter, ties=options.ties, run=run)
    key_frames = tied([seen[n] for n in keys], places, fps / stride, held=np.isin(keys, [*held]))
    own = [[held[n]] if n in held else [s.x for s in pool] for n, pool in zip(keys.tolist(), pools, strict=True)]
    x = between(_best_path(key_frames, keys, own, lifted, options, options.turn_sd * FPS / fps), keys, there)
    frames = tied([seen[n] for n in there], there, fps, held=np.isin(there, [*held]))
    for i in np.flatnonzero(frames.held):
        x[i] = held[int(there[i])]
    x = frames.smooth(x, options.sweeps)
    if lifted:
        pools = [[*pool, *extra] for pool, extra in zip(pools, lifted, strict=True)]
    of_key = dict(zip(keys.tolist(), pools, strict=True))
    near = wide.with_options(starts=0, flip_steps=0, steps=options.near_steps)

    def finished(i: int) -> Fit:
        n = int(there[i])
        if n in found:
            return _finished(fitter, seen[n], found[n], of_key[n], x[i])
        key = found[int(keys[np.abs(keys - n).argmin()])]
        own = _beside(near, seen[n], [key.best, *key.alternatives])
        return _finished(fitter, seen[n], own, [own.best, *own.alternatives] if own else [], x[i])

    for n, fit in zip(there.tolist(), run(finished, range(len(there))), strict=True):
        out[n] = fit
    return out


def _says_something(seen: Observation) -> bool:
    return bool(np.isfinite(seen.pixel_sd).any() or np.isfinite(seen.point_sd).any())


def key_frames(frames: Sequence[int], stride: int) -> list[int]:
    """Return the frames that are searched: the first, the last, and between them as few as leave no step longer than
    ``stride`` where there are frames to choose from."""
    keys = list(frames[:1])
    for frame, following in zip(frames[1:], [*frames[2:], None], strict=False):
        if following is None or following - keys[-1] > stride:
            keys.append(frame)
    return keys


def _searched(fitter: Fitter, seen: dict[int, Observation], stride: int, run: Map) -> dict[int, Fit]:
    """Return the fits of the key frames, each on its own; a frame without one is removed from ``seen``."""

    def searched(n: int) -> Fit | None:
        try:
            return fitter.fit(seen[n])
        except Rejected:
            return None

    found: dict[int, Fit | None] = {}
    while True:
        keys = key_frames(sorted(seen), stride)
        new = [n for n in keys if n not in found]
        found |= dict(zip(new, run(searched, new), strict=True))
        failed = [n for n in new if found[n] is None]
        for n in failed:
            del seen[n]
        if not failed:
            return {n: fit for n in keys if (fit := found[n]) is not None}


def _best_path(
    frames: Frames,
    keys: ndarray,
    own: Sequence[Sequence[ndarray]],
    lifted: Sequence[Sequence[Solution]],
    options: SequenceOptions,
    turn_sd: float,
) -> Float[ndarray, "n d"]:
    """Return the variables of the key frames.

    Args:
        own: variables of each frame's minima. lifted: those that a lifter leads to, held to it and let go; no rows
            without one, none of a frame that is held.
    """
    gaps = np.diff(keys).astype(np.float64)

    def way(candidates: Sequence[Sequence[ndarray]]) -> ndarray:
        costs = [np.array([frames.cost(n, x) for x in some]) for n, some in enumerate(candidates)]
        return consistent([np.stack(some) for some in candidates], costs, gaps, turn_sd)

    sets = [own]
    if lifted:
        led = [[s.x for s in some] or mine for some, mine in zip(lifted, own, strict=True)]
        sets = [[[*a, *b] for a, b in zip(own, led, strict=True)], own, [v[:1] for v in led], [v[-1:] for v in led]]
    paths = [frames.smooth(way(some), options.path_sweeps) for some in sets]
    best = paths[0]
    if len(paths) > 1:
        best = frames.smooth(way([*zip(*paths, strict=True)]), options.merged_sweeps)
    for _ in range(options.flips):
        turned = [frames.smooth(frames.reflected(best, int(a), int(b)), options.flip_sweeps) for a, b in FLIPS]
        best = frames.smooth(way([*zip(best, *turned, strict=True)]), options.merged_sweeps)
    return best


def consistent(
    candidates: Sequence[Float[ndarray, "_ d"]],
    costs: Sequence[Float[ndarray, " _"]],
    gaps: Float[ndarray, " g"],
    turn_sd: float,
) -> Float[ndarray, "n d"]:
    """Return the variables of one candidate a frame: least sum of costs and squared turns between frames (Viterbi).

    Args:
        candidates: variables (M, D) of each frame's. costs: (M,) of each frame's.
        gaps: frames between one and the next, 1 if none is missing. turn_sd: of a joint's turn in one frame, rad.
    """
    turns = [Rotation.from_rotvec(x[:, :72].reshape(-1, 3)).as_quat().reshape(len(x), 24, 4) for x in candidates]
    total = costs[0]
    came_from: list[ndarray] = []
    for n in range(1, len(candidates)):
        cosine = np.abs(np.einsum("ajk,bjk->abj", turns[n - 1], turns[n]))
        angle = np.minimum(2 * np.arccos(np.clip(cosine, 0, 1)), 1.0)
        step = total[:, None] + 0.5 * (angle**2).sum(-1) / (turn_sd * gaps[n - 1]) ** 2
        came_from.append(step.argmin(0))
        total = step.min(0) + costs[n]
    path = [int(total.argmin())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return np.stack([x[i] for x, i in zip(candidates, reversed(path), strict=True)])


def _beside(fitter: Fitter, seen: Observation, minima: Sequence[Solution]) -> Fit | None:
    """Return the minima of a frame that those of a frame beside it lead to; None if they lead nowhere."""
    try:
        return fitter.fit(seen, first=np.stack([s.x for s in minima]))
    except Rejected:
        return None


def _finished(fitter: Fitter, seen: Observation, alone: Fit | None, pool: Sequence[Solution], x: ndarray) -> Fit:
    """Return the fit of a frame; its near-ties count by what they cost more than the minimum it has moved from.

    Args:
        alone: the frame on its own. pool: all its minima. x: its variables after the sweeps.
    """
    made = fitter.solution(fitter.evidence(seen), x, fitter.workspace())
    minima = () if alone is None else (alone.best, *alone.alternatives)
    others = tuple(s for s in minima if _different(s, made))[:3]
    own = min([made.cost, *(s.cost for s in pool if not _different(s, made))])
    wider = widened(made, [replace(made, cost=own), *others])
    least = min([made.cost, *(s.cost for s in pool)])
    return Fit(wider, others, 0 if alone is None else alone.evaluations, least=least)


def _different(a: Solution, b: Solution) -> bool:
    gap = (a.joints - a.joints[0]) - (b.joints - b.joints[0])
    return bool((gap**2).sum() > 24 * DIFFERENT**2)
