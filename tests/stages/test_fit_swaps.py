"""Swapped left and right labels: noticed where one view allows it, and right labels left in peace."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from a3dgen.core.body_config import BodyConfig
from a3dgen.fit.config import Config
from a3dgen.fit.observation import Observation, Support
from a3dgen.fit.swaps import refuse_swapped
from a3dgen.geometry.skeleton import JOINT, ROW
from a3dgen.stages.fit import get_fitter

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.swaps import measure


def test_swaps_are_noticed_without_false_alarms():
    found = measure(10)
    assert found["none"] == 0
    assert found["labels"] >= 0.6
    assert found["arms"] >= 0.5
    assert found["legs"] >= 0.5


def test_a_seated_person_is_not_taken_for_swapped(body):
    """Their fit once stood on the ground known from the others in the photo, at twice the cost of swapped labels."""
    rows = np.arange(25, 41)
    pixels, sd = np.zeros((44, 2)), np.full(44, np.inf)
    pixels[rows] = [
        (552.8, 595.7), (568.3, 449.0), (592.7, 434.1), (660.5, 438.0), (689.5, 458.4), (714.0, 600.8), (528.2, 330.3),
        (540.1, 333.1), (579.5, 283.3), (697.3, 290.4), (724.4, 357.8), (748.0, 340.4), (641.7, 279.9), (645.2, 185.4),
        (631.6, 433.3), (639.5, 287.2),
    ]  # fmt: skip
    sd[rows] = np.array([10, 10, 18, 18, 10, 10, 10, 10, 13, 13, 10, 10, 16, 15, 18, 18]) / 2
    K = np.array([[1468.6, 0, 639.5], [0, 1468.6, 359.5], [0, 0, 1]])
    contact = np.full(44, np.inf)
    contact[[ROW[f"body_{side}_{end}"] for side in ("left", "right") for end in ("big_toe", "heel")]] = 0.04
    seen = Observation(
        K=K, size=498.5, pixels=pixels, pixel_sd=sd, points=np.zeros((44, 3)), point_sd=np.full(44, np.inf),
        support=Support(np.array([-0.0204, 0.99243, 0.12111]), 1.041, contact),
    )  # fmt: skip
    fitter = get_fitter(Config(), BodyConfig(), False, gravity=True)
    fit = fitter.fit(seen)
    settled = refuse_swapped(fitter, seen, fit, None)
    assert settled.best.cost < min(fit.best.cost, 30)
    assert settled.best.joints[JOINT["left_knee"], 2] < settled.best.joints[JOINT["left_hip"], 2] - 0.2
