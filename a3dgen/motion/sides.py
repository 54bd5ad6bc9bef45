"""Finds frames of a recording where a detector took left for right: all labels, those of the arms, or of the legs.

What a detector exchanges from one frame to the next jumps from side to side; what turns or crosses passes the middle.
So half the way from a right joint to the left one is followed over time: exchanging labels changes its sign and nothing
else. A shortest path (Viterbi) takes one state a frame: motion from frame to frame, shoulders against hips, and a price
for every change and every frame where the detector is not believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.skeleton import EXCHANGES, ROW

STATES = ("", *EXCHANGES)
"""What is exchanged in a frame."""
SIGNS = np.array([[1, 1], [-1, -1], [-1, 1], [1, -1]])
"""Of the arms and of the legs in each state."""
# Set on synthetic clips with labels exchanged and on real detections: none of 72 clips as they were is touched.
CHANGE = 5.0
"""Cost (natural-log units) of another state than in the frame before."""
ENDS = 5.0
"""Cost of beginning or ending with a frame where the detector is not believed: where no believed frames stand on both
sides, motion tells that two runs of frames do not go together, and not which of them is right."""
DOUBTED = 0.1
"""Cost of a frame where the detector is not believed: of two parts that do not go together the shorter one is wrong."""
LOST = 1.0
"""s; over a longer gap nothing is known of the motion."""
WEIGHT = 0.7
"""Of the motion: joints of a limb jump together."""
ROBUST = 4.0
"""Standard deviations that one joint counts for at most, about."""
SPEED = {"shoulder": 0.3, "elbow": 0.6, "wrist": 1.1, "hip": 0.3, "knee": 0.6, "ankle": 1.1}
"""Standard deviation of its speed, sizes of the person a second. The detector's noise is left out: at up to some
hundred frames a second it changes nothing that is found."""
TWIST = 1.0
"""Cost of shoulders that face the other way than the hips."""
NARROW = 0.05
"""Half widths of shoulders or hips below this (sizes) do not tell which way they face."""

_ARMS = 3
_PAIRS = np.array([[[ROW[f"{kind}_left_{joint}"], ROW[f"{kind}_right_{joint}"]] for kind in ("body", "extra")]
                   for joint in SPEED])  # fmt: skip
_SPEEDS = np.array(list(SPEED.values()))


def exchanged_sides(keypoints: Float[ndarray, "t 44 3"], seconds: Float[ndarray, " t"]) -> list[str]:
    """Return what is to be exchanged in every frame of one person, of ``STATES``; nothing where nobody was seen.

    Args:
        keypoints: px, px, confidence (0 = not seen), as detected. seconds: times of the frames, each above the last.
    """
    out = [""] * len(keypoints)
    frames = np.flatnonzero((keypoints[..., 2] > 0).any(1))
    if not len(frames):
        return out
    for some in np.split(frames, np.flatnonzero(np.diff(seconds[frames]) > LOST) + 1):
        if len(some) > 1:
            for n, state in zip(some, _path(keypoints[some], seconds[some]), strict=True):
                out[n] = STATES[state]
    return out


def exchange(rows: ndarray, states: Sequence[str]) -> ndarray:
    """Return what is said of the keypoints of T frames (T, 44, ...) with left and right exchanged as ``states`` say."""
    return np.stack([row[EXCHANGES[state]] if state else row for row, state in zip(rows, states, strict=True)])


def _path(keypoints: Float[ndarray, "t 44 3"], seconds: Float[ndarray, " t"]) -> list[int]:
    halves = _halves(keypoints) / _size(keypoints)
    doubted = (SIGNS < 0).any(1)
    own = _twist(halves) + DOUBTED * doubted
    change = CHANGE * (1 - np.eye(len(STATES)))
    signs = np.repeat(SIGNS, _ARMS, axis=1)[:, :, None]
    total, came_from = own[0] + ENDS * doubted, []
    last = signs * halves[0]  # what each state has seen last of each joint, and when; NaN = never
    when = np.full(len(_SPEEDS), seconds[0])
    for n in range(1, len(keypoints)):
        spread = (_SPEEDS * (seconds[n] - when)) ** 2
        gap = ((last[:, None] - (signs * halves[n])[None]) ** 2).sum(-1) / spread
        cost = WEIGHT * 0.5 * gap / (1 + gap / ROBUST**2)
        step = total[:, None] + change + np.nansum(cost, axis=-1)
        came_from.append(step.argmin(0))
        total = step.min(0) + own[n]
        there = np.isfinite(halves[n, :, 0])
        last = np.where(there[:, None], signs * halves[n], last[came_from[-1]])
        when = np.where(there, seconds[n], when)
    path = [int((total + ENDS * doubted).argmin())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _size(keypoints: Float[ndarray, "t 44 3"]) -> float:
    """Return the median over frames of the longer side of a person's keypoints, px."""
    seen = np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.nan)
    return max(float(np.median((np.nanmax(seen, 1) - np.nanmin(seen, 1)).max(1))), 1.0)


def _halves(keypoints: Float[ndarray, "t 44 3"]) -> Float[ndarray, "t 6 2"]:
    """Return half the way (px) from each right joint to the left one, NaN where one of them is not seen."""
    pixels = keypoints[:, _PAIRS, :2]  # (T, 6, kinds, sides, 2)
    there = (keypoints[:, _PAIRS, 2] > 0).all(-1)
    half = np.where(there[..., None], (pixels[..., 0, :] - pixels[..., 1, :]) / 2, 0).sum(2)
    half /= np.maximum(there.sum(2), 1)[..., None]
    half[~there.any(2)] = np.nan
    return half


def _twist(halves: Float[ndarray, "t 6 2"]) -> Float[ndarray, "t 4"]:
    """Return what shoulders that do not face as the hips do cost in each state."""
    shoulders, hips = halves[:, 0], halves[:, _ARMS]
    width = np.sqrt(((shoulders**2).sum(1) + NARROW**2) * ((hips**2).sum(1) + NARROW**2))
    same = np.nan_to_num((shoulders * hips).sum(1) / width)
    return TWIST * np.maximum(0, -same[:, None] * SIGNS.prod(1))
