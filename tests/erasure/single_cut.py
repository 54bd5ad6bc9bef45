"""Camera, picture size and cuts of one region, for tests of erasure."""

from __future__ import annotations

import numpy as np

from a3dgen.amputation.rebuild import Cut
from a3dgen.erasure.config import Bars
from a3dgen.geometry.regions import REGION_NAMES

W, H = 320, 400
K = np.array([[430.0, 0, 165.0], [0, 430.0, 190.0], [0, 0, 1]])
BARS = Bars(gain=-10.0)
"""The drawn person's left hand is coloured much like the wall behind it."""


def single(name: str, residual: float = 0.55) -> Cut:
    """Return the cut of one region."""
    removed, at = np.zeros(12, bool), np.ones(12)
    removed[REGION_NAMES.index(name)], at[REGION_NAMES.index(name)] = True, residual
    return Cut(removed, at)
