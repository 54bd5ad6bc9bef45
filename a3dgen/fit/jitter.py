"""How much the keypoints of one person jitter from frame to frame: noise that a detector does not know of.

A detector guesses a hidden wrist anew in every frame and may be sure of it each time. What a keypoint lies off the
straight line between the frames before and after it tells its noise, whatever the detector says of it. Where frames
are too few for that, what moves faster than people do is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.fit.observation import Observation

LEAST_FPS = 20.0
"""In fewer frames a second people move too far from frame to frame to tell motion from noise."""
AROUND = 0.2
"""s on either side of a frame that its noise is told from."""
SPAN = 0.2
"""s between the frames before and after a frame, at most."""
EXCESS = 1.5
"""Noise that is at most this factor above what is said of a keypoint changes nothing."""
LEAST = 5
"""Frames that noise is told from, at least."""
FASTEST = 3.0
"""Sizes of the person a second that keypoints move at most where too few frames tell noise from motion."""
MEDIAN = 1.1774
"""Median length of a plane vector whose parts have standard deviation 1 (Rayleigh)."""


def jitter(pixels: Float[ndarray, "t 2"], frames: ndarray, fps: float, size: float) -> Float[ndarray, " t"]:
    """Return the noise (px, standard deviation of a coordinate) of one keypoint around each frame, 0 where nothing
    tells it.

    Args:
        frames: (T,) numbers of the frames where it was seen, ascending. size: of the person, px.
    """
    out = _too_fast(pixels, frames, fps, size)
    if len(frames) < LEAST:
        return out
    share = (frames[1:-1] - frames[:-2]) / (frames[2:] - frames[:-2])
    line = pixels[:-2] + share[:, None] * (pixels[2:] - pixels[:-2])
    off = np.linalg.norm(pixels[1:-1] - line, axis=1) / np.sqrt(1 + share**2 + (1 - share) ** 2)
    tells = frames[2:] - frames[:-2] <= SPAN * fps
    near = (np.abs(frames[:, None] - frames[None, 1:-1]) <= AROUND * fps) & tells
    for n in np.flatnonzero(near.sum(1) >= LEAST):
        out[n] = np.median(off[near[n]]) / MEDIAN
    return out


def _too_fast(pixels: Float[ndarray, "t 2"], frames: ndarray, fps: float, size: float) -> Float[ndarray, " t"]:
    """Return the noise of what moves too fast from the frame before, or to the frame after."""
    over = np.linalg.norm(np.diff(pixels, axis=0), axis=1) - FASTEST * size * np.diff(frames) / fps
    noise = np.maximum(over, 0) / np.sqrt(2)
    return np.maximum(np.append(0, noise), np.append(noise, 0))


def with_jitter(observations: Sequence[Observation | None], fps: float) -> list[Observation | None]:
    """Return the observations with the standard deviations of keypoints that jitter by more than is said of them."""
    frames = np.array([n for n, seen in enumerate(observations) if seen is not None], int)
    if fps < LEAST_FPS or not len(frames):
        return list(observations)
    there = [seen for seen in observations if seen is not None]
    sd, pixels = np.stack([seen.pixel_sd for seen in there]), np.stack([seen.pixels for seen in there])
    out, found, size = list(observations), sd.copy(), float(np.median([seen.size for seen in there]))
    for row in np.flatnonzero(np.isfinite(sd).any(0)):
        used = np.isfinite(sd[:, row])
        noise = jitter(pixels[used, row], frames[used], fps, size)
        found[used, row] = np.where(noise > EXCESS * sd[used, row], noise, sd[used, row])
    for n, seen, own in zip(frames.tolist(), there, found, strict=True):
        if (own != seen.pixel_sd).any():
            out[n] = replace(seen, pixel_sd=own)
    return out
