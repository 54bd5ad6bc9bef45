"""Resampling: integers decide which frames there are, for every length and rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3dgen.motion.rates import frame_count, frame_places, rational, resample

SOURCES = (24, 25, 30, 50, 59.94, 60, 100, 120, 120.00004577636719, 150, 250)
TARGETS = (25, 30, 50)
LONGEST = 4000


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (120.0, Fraction(120)),
        (120.00004577636719, Fraction(120)),
        (29.97002997, Fraction(30000, 1001)),
        (59.94005994, Fraction(60000, 1001)),
        (59.94, Fraction(2997, 50)),  # 1.000001e-6 from the NTSC rate
        (29.97, Fraction(2997, 100)),
        (12.5, Fraction(25, 2)),
        (Fraction(60000, 1001), Fraction(60000, 1001)),
    ],
)
def test_what_a_rate_means(said, meant):
    assert rational(said) == meant


@pytest.mark.parametrize("bad", [0, -50, float("nan"), float("inf"), 1e-9, 1e9])
def test_what_is_no_rate(bad):
    with pytest.raises(ValueError, match="no frame rate"):
        rational(bad)


def exact_count(frames: int, step: Fraction) -> int:
    """Frames that fit into the duration, none behind the last source frame; by fractions alone."""
    fitting = int(Fraction(frames) / step)  # both are positive: floor
    inside = int(Fraction(frames - 1) / step) + 1
    return min(fitting, inside)


FEW = (*range(130), 1499, 2999, LONGEST)
"""Lengths that the default run looks at; the full count is ``slow``."""


@pytest.mark.parametrize("source", SOURCES)
def test_lengths_and_places_agree_with_fractions(source):
    for target in TARGETS:
        agrees(source, target, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_length_agrees_with_fractions(source, target):
    agrees(source, target, range(LONGEST + 1))


def agrees(source, target, lengths):
    """Counts of all lengths, and places of the longest, of which shorter ones are a beginning."""
    step = rational(source) / rational(target)
    counts = {n: frame_count(n, source, target) for n in lengths}
    assert counts == {n: exact_count(n, step) if n else 0 for n in lengths}
    index, share = frame_places(LONGEST, source, target)
    places = [k * step for k in range(counts[LONGEST])]
    assert index.tolist() == [int(p) for p in places]
    assert share.tolist() == [float(p - int(p)) for p in places]
    for n in (1, 2, 3, 59, 1499):
        some, between = frame_places(n, source, target)
        assert some.tolist() == index[: frame_count(n, source, target)].tolist()
        assert ((some + (between > 0)) < n).all()


@given(frames=st.integers(1, 10**9), source=st.sampled_from(SOURCES), target=st.sampled_from(TARGETS))
@settings(max_examples=200, deadline=None)
def test_long_recordings_end_where_fractions_say(frames, source, target):
    count = frame_count(frames, source, target)
    step = rational(source) / rational(target)
    assert count == exact_count(frames, step)
    index, share = frame_places(frames, source, target, max(0, count - 3))
    for k, i, u in zip(range(max(0, count - 3), count), index, share, strict=True):
        assert (int(i), float(u)) == (int(k * step), float(k * step % 1))


def test_equal_rates_keep_every_bit_and_frame():
    x = np.random.default_rng(0).normal(size=(29, 5, 3)).astype(np.float32)
    x[3, 0, 0], x[4, 1, 1] = np.nan, -0.0
    for rate in (50, 50.00001, 119.88):
        again = resample(x, rate, rate)
        assert again.tobytes() == x.tobytes()
        assert again.dtype == np.float32


def test_frames_that_coincide_keep_their_bits_and_others_lie_on_the_line():
    x = np.random.default_rng(1).normal(size=(121, 2))
    np.testing.assert_array_equal(resample(x, 120, 60), x[:-1:2])
    up = resample(x, 50, 100)
    np.testing.assert_array_equal(up[::2], x)
    np.testing.assert_allclose(up[1::2], (x[1:] + x[:-1]) / 2, atol=1e-15)
    line = np.arange(1000.0)
    np.testing.assert_allclose(resample(line, 59.94, 50), np.arange(834) * 59.94 / 50, atol=1e-9)


def test_nothing_in_nothing_out_and_one_frame_stays():
    assert resample(np.zeros((0, 3)), 120, 50).shape == (0, 3)
    assert resample(np.ones((1, 3)), 50, 50).tolist() == [[1, 1, 1]]
    assert resample(np.arange(3), 50, 100).dtype == np.float64
