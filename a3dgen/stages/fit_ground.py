"""What the people of a photo stand on: its gravity and ground, from first fits of everybody labelled on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.ground import PITCH, Ground, Stance, estimate, gravity, stance
from a3dgen.fit.inverted import shoulders_below_hips
from a3dgen.fit.noise import pixel_sd
from a3dgen.fit.observation import Observation, Support
from a3dgen.fit.observe import person_size
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import undistort_points
from a3dgen.geometry.skeleton import ANATOMICAL, NUM_ROWS

MOST_PEOPLE = 12
"""The largest people of a photo tell its ground; more of them would add little."""
_LEGS = tuple(
    np.array([i for i, n in enumerate(ANATOMICAL) if n.startswith(s) and n.split("_")[-1] in ("ankle", "heel", "toe")])
    for s in ("left", "right")
)
_GUESS = Support(gravity(PITCH), 0.0, np.full(NUM_ROWS, np.inf))


class Grounds:
    """Grounds of photos, each found once. A ground depends on the labels of the photo alone."""

    def __init__(self, config: Config, persons: Persons, fitter: Callable[[bool], Fitter]) -> None:
        """Take ``fitter``, which returns the fitter in known gravity for (camera known)."""
        self.config, self.persons, self.fitter = config, persons, fitter
        self._found: dict[tuple[str, bytes], Ground] = {}

    def ground(self, i: int) -> Ground | None:
        """Return the ground of a person's photo; None if it is not asked for, or the labels are in 3D already."""
        company = self.persons.company[i]
        if self.config.ground == "off" or not len(company) or (self.persons.joints3d[i, :, 3] > 0).any():
            return None
        name = (str(self.persons.image[i]), company.tobytes())
        if name not in self._found:
            seen = sorted(self._company(i), key=lambda s: -s.size)[:MOST_PEOPLE]
            fitter = self.fitter(bool(self.persons.K_known[i]))
            self._found[name] = estimate([s for s in (first_stance(fitter, o) for o in seen) if s is not None])
        return self._found[name]

    def standing(self, i: int, seen: Observation) -> Observation:
        """Return what is known of a person with what the person stands on, where that can be told."""
        ground = self.ground(i)
        if ground is None:
            return seen
        own = first_stance(self.fitter(bool(self.persons.K_known[i])), seen)
        free = Support(ground.down, ground.height, np.full(NUM_ROWS, np.inf))
        return replace(seen, support=free if own is None else ground.support(own, legs(seen)))

    def _company(self, i: int) -> list[Observation]:
        """Return everybody labelled on the photo, as the first fit sees them."""
        persons, out = self.persons, []
        for rows in persons.company[i].astype(np.float64):
            used = rows[:, 2] > 0
            pixels = np.zeros((NUM_ROWS, 2))
            pixels[used] = undistort_points(rows[used, :2], persons.K[i], persons.dist[i])
            size = person_size(np.full(4, np.nan), pixels[used])
            if used.sum() < self.config.min_points or size < self.config.min_size_px:
                continue
            noise = max(self.config.noise * size, self.config.min_noise_px)
            sd = pixel_sd(noise, rows[:, 2], rows[:, 3].astype(np.int64), used, self.config.occluded)
            out.append(Observation(pixels, sd, persons.K[i], size))
        return out


def legs(seen: Observation) -> tuple[bool, bool]:
    """Return whether the left and the right ankle or foot is labelled."""
    left, right = (bool(np.isfinite(seen.pixel_sd[rows]).any()) for rows in _LEGS)
    return left, right


def first_stance(fitter: Fitter, seen: Observation) -> Stance | None:
    """Return how a quick fit says that somebody stands; None for people upside down and for useless labels."""
    if shoulders_below_hips(seen):
        return None
    plain = replace(seen, support=_GUESS, cloud=None)
    try:
        best = fitter.fit(plain, quick=True).best
    except Rejected:
        return None
    points: ndarray = pose_body(fitter.body, best.pose, best.betas, best.transl).keypoints
    return stance(best.joints, points, legs(seen))
