"""Resampling in exact rational time: frame rates are fractions, and integers decide which frames there are.

Frame k of the result lies at source frame k * src / dst. With src / dst = p / q in lowest terms that is frame
k * p // q and the share (k * p % q) / q of the way to the next one: no float ever decides about a frame.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from jaxtyping import Float, Integer, Shaped
from numpy import ndarray

Rate = float | int | Fraction
"""Frames a second."""
NTSC = 1001
"""Rates of video are k * 1000 / 1001 (29.97, 59.94 ...)."""
TOLERANCE = Fraction(1, 10**6)
"""A rate this near (relative) to a whole number or to an NTSC rate is that rate: mocap files say 120.00004577."""
DENOMINATOR = 1000
MOST_FPS = 100_000
"""Higher rates are no frame rates."""


def rational(rate: Rate) -> Fraction:
    """Return the frame rate that a float means: whole, k * 1000 / 1001, or the nearest with denominator <= 1000.

    Raises:
        ValueError: unless it is a finite number above 0 and at most 100,000.
    """
    if isinstance(rate, Fraction) and 0 < rate <= MOST_FPS:
        return rate
    if not (np.isfinite(float(rate)) and 0 < rate <= MOST_FPS):
        raise ValueError(f"{rate} is no frame rate")
    exact = Fraction(float(rate))
    for unit in (Fraction(1), Fraction(1000, NTSC)):
        found = round(exact / unit) * unit
        if abs(found - exact) <= TOLERANCE * exact:
            return found
    found = exact.limit_denominator(DENOMINATOR)
    if found == 0:
        raise ValueError(f"{rate} is no frame rate")
    return found


def frame_count(frames: int, src: Rate, dst: Rate) -> int:
    """Return how many frames ``frames`` frames at ``src`` fps give at ``dst`` fps.

    As many as fit into their duration, floor(N dst / src), of which none may lie behind the last source frame.
    """
    step = rational(src) / rational(dst)
    p, q = step.numerator, step.denominator
    return min(frames * q // p, (frames - 1) * q // p + 1) if frames > 0 else 0


def frame_places(
    frames: int, src: Rate, dst: Rate, start: int = 0, stop: int | None = None
) -> tuple[Integer[ndarray, " m"], Float[ndarray, " m"]]:
    """Return where frames ``start`` to ``stop`` of the result lie: the source frame before, and the share beyond it.

    Shares are exactly 0 wherever a result falls on a source frame; where a share is above 0 there is a next frame.

    Args:
        frames: number of source frames. src, dst: rates, fps. start, stop: which of the result; all by default.
    """
    count = frame_count(frames, src, dst)
    step = rational(src) / rational(dst)
    p, q = step.numerator, step.denominator
    k = range(start, count if stop is None else min(stop, count))
    if count * p < 2**62:
        ticks = np.arange(k.start, max(k.start, k.stop), dtype=np.int64) * p
        return ticks // q, (ticks % q) / q
    return np.array([i * p // q for i in k], np.int64), np.array([i * p % q / q for i in k], np.float64)


def resample(x: Shaped[ndarray, "n *s"], src: Rate, dst: Rate) -> Shaped[ndarray, "m *s"]:
    """Resample frames linearly from ``src`` to ``dst`` fps; equal rates and frames that coincide keep their bits.

    Args:
        x: (N, ...) numbers. Whole numbers become f8.

    Returns:
        (M, ...) of the dtype of ``x``, M = ``frame_count(N, src, dst)``. Sums are taken in f8.

    Raises:
        ValueError: for a rate that is none.
    """
    x = np.asarray(x)
    index, share = frame_places(len(x), src, dst)
    return blend(x, index, share)


def blend(
    x: Shaped[ndarray, "n *s"], index: Integer[ndarray, " m"], share: Float[ndarray, " m"]
) -> Shaped[ndarray, "m *s"]:
    """Return x[index] + share * (x[index + 1] - x[index]) where share is above 0, and x[index] to the bit elsewhere."""
    dtype = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
    out = x[index].astype(dtype)
    between = np.flatnonzero(share)
    if len(between):
        i = index[between]
        u = share[between].reshape(-1, *[1] * (x.ndim - 1))
        out[between] = (x[i].astype(np.float64) * (1 - u) + x[i + 1].astype(np.float64) * u).astype(dtype)
    return out
