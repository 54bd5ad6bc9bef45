"""What a lifter says of one person in consecutive frames, and how a sequence asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.fit.fitter import Fitter
from a3dgen.fit.lm import minimise
from a3dgen.fit.observation import Anchor, Observation, Solution

LIFTED_SD = 1.4
"""Factor of a lifter's sigma while a fit is held to what it says."""
LEAST_SIGMA = 0.06
"""rad; a lifter is never trusted more than this."""


@dataclass(frozen=True)
class Lifted:
    """Pose (T, 24, 3) rad, joint 0 in the camera frame; betas (B,); sigma (T, 24) rad, of each joint's rotation."""

    pose: Float[ndarray, "t 24 3"]
    betas: Float[ndarray, " b"]
    sigma: Float[ndarray, "t 24"]


@runtime_checkable
class Lift(Protocol):
    """Poses from 2D keypoints over time."""

    def __call__(
        self,
        pixels: Float[ndarray, "t 44 2"],
        conf: Float[ndarray, "t 44"],
        K: Float[ndarray, "*t 3 3"],
        fps: float = ...,
        removed: Bool[ndarray, "12"] | None = None,
    ) -> Lifted:
        """Lift T consecutive frames; confidence 0 = not seen."""
        ...


def lift(lifter: Lift, observations: Sequence[Observation | None], fps: float) -> Lifted:
    """Ask a lifter about one person in consecutive frames, None where they were not seen (not in all of them)."""
    known = [s for s in observations if s is not None]
    pixels, conf = np.zeros((len(observations), 44, 2)), np.zeros((len(observations), 44))
    K = np.tile(known[0].K, (len(observations), 1, 1))
    for i, seen in enumerate(observations):
        if seen is not None:
            conf[i] = np.isfinite(seen.pixel_sd)
            pixels[i], K[i] = np.where(conf[i][:, None] > 0, seen.pixels, 0), seen.K
    return lifter(pixels, conf, K, fps, known[0].removed)


def lifted_minima(
    fitter: Fitter, seen: Observation, lifted: Lifted, frame: int, steps: int, free_steps: int
) -> list[Solution]:
    """Return where a lifter leads to in one frame: the fit held to what it says, and that one let go.

    Both carry the cost of the frame without the lifter, so that they are taken only where they deserve it.

    Args:
        frame: number of the frame in ``lifted``. steps: trial steps held; free_steps: let go.
    """
    pose, w = lifted.pose[frame], fitter.workspace()
    sd = np.repeat(LIFTED_SD * np.maximum(lifted.sigma[frame], LEAST_SIGMA)[:, None], 3, 1)
    sd[0] = np.inf
    plain = fitter.evidence(seen)
    known = seen.anchor or Anchor()
    held = fitter.evidence(
        replace(seen, anchor=Anchor(pose=pose, pose_sd=sd, betas=known.betas, betas_sd=known.betas_sd))
    )
    x = fitter.placed(seen, pose, lifted.betas if known.betas is None else known.betas)
    free, out = np.flatnonzero(plain.free), []
    for evidence, most in ((held, steps), (plain, free_steps)):
        cost, _ = minimise(fitter.model, fitter.prior, evidence, free, x, most, 1e-3, np.inf, w)
        if np.isfinite(cost):
            out.append(fitter.solution(plain, x, w))
    return out
