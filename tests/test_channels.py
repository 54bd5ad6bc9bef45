"""Sums over channels agree with NumPy's to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.channels import largest_channel, mean_of_channels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_and_maxima_are_those_of_numpy(dtype):
    image = np.random.default_rng(4).normal(90, 70, (37, 21, 3)).astype(dtype)
    assert np.array_equal(mean_of_channels(image), image.mean(-1))
    assert np.array_equal(largest_channel(image.astype(np.uint8)), image.astype(np.uint8).max(-1))
