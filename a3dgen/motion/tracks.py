"""Links people over the frames of a recording by overlap of boxes and distance of keypoints, lost and found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.geometry.boxes import overlap

LOST = 1.0
"""s; somebody who was not seen for longer comes back as somebody else."""
NEAR, SPEED = 0.3, 0.5
"""Keypoints of one person in two frames lie at most ``NEAR + SPEED x seconds`` apart, in sizes of the person."""
GROWTH = 1.6
"""Factor by which a person's size may change between two frames."""
FAR = 1e6
"""Cost of two people who cannot be one."""


@dataclass(frozen=True)
class Detected:
    """One person in one frame: box (4,) px xyxy, keypoints (K, 3) px and confidence (0 = not seen)."""

    box: Float[ndarray, "4"]
    keypoints: Float[ndarray, "k 3"]


def link(frames: Sequence[Sequence[Detected]], seconds: Sequence[float]) -> list[list[int]]:
    """Return a number for everybody in every frame, the same for the same person, from 0 in order of appearance.

    People of the last frame are linked first, each to the nearest (Hungarian method), then those who were lost.

    Args:
        frames: who is seen in each. seconds: times of the frames, ascending.
    """
    from scipy.optimize import linear_sum_assignment  # most builds have no clips, and it takes long to load

    last: list[tuple[int, Detected]] = []  # by track: frame number and person as last seen
    out: list[list[int]] = []
    for n, people in enumerate(frames):
        numbers = [-1] * len(people)
        for lately in (True, False):
            known = [t for t, (frame, _) in enumerate(last) if t not in numbers and (frame == n - 1) == lately
                     and seconds[n] - seconds[frame] <= max(LOST, seconds[n] - seconds[n - 1])]  # fmt: skip
            free = [i for i, number in enumerate(numbers) if number < 0]
            if not known or not free:
                continue
            cost = np.array([[_apart(last[t][1], people[i], seconds[n] - seconds[last[t][0]]) for i in free]
                             for t in known])  # fmt: skip
            for a, b in zip(*linear_sum_assignment(cost), strict=True):
                if cost[a, b] < FAR:
                    numbers[free[b]] = known[a]
        for i, person in enumerate(people):
            if numbers[i] < 0:
                numbers[i] = len(last)
                last.append((n, person))
            last[numbers[i]] = n, person
        out.append(numbers)
    return out


def frame_places(seconds: Float[ndarray, " t"]) -> tuple[Int[ndarray, " t"], float]:
    """Return numbers of frames of equal spacing, from 0, and that spacing, s: the least between two frames, so that
    somebody who is seen in few of a recording's frames has the recording's frame rate.

    Args:
        seconds: times of two frames or more, each above the last; they may jitter.
    """
    gaps = np.diff(seconds)
    step = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    return np.append(0, np.cumsum(np.maximum(1, np.round(gaps / step).astype(int)))), step


def _apart(a: Detected, b: Detected, gap: float) -> float:
    """Return how unlike two people ``gap`` seconds apart are, ``FAR`` if they cannot be one."""
    sizes = [float(max(box[2] - box[0], box[3] - box[1])) for box in (a.box, b.box)]
    if min(sizes) <= 0 or max(sizes) > GROWTH * min(sizes):
        return FAR
    both = (a.keypoints[:, 2] > 0) & (b.keypoints[:, 2] > 0)
    if both.sum() >= 3:
        distance = float(np.median(np.linalg.norm((a.keypoints - b.keypoints)[both, :2], axis=1)))
    else:
        middle = (a.box[:2] + a.box[2:] - b.box[:2] - b.box[2:]) / 2
        distance = float(np.linalg.norm(middle))
    distance /= max(sizes)
    return FAR if distance > NEAR + SPEED * gap else distance + 0.5 * (1 - overlap(a.box, b.box))
