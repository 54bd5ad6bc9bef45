"""The admission score: how likely an erasure is a good one, from everything that was measured on it.

Logistic regression fitted on demo people that are really rendered without the limb (``a3dgen bench erase --calibrate``
prints the table below anew; docs/erase.md has how it does on people it was not fitted on).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

WEIGHTS: dict[str, float] = {
    "spread": 0.0,
    "rim_gradient": -0.623,
    "free": -0.295,
    "contact": -3.06,
    "behind": -14.5,
    "flat": -1.42,
    "recall": -3.76,
    "visible": -3.87,
    "covered": 0.0,
    "neighbours": -3.38,
    "colour_step": 0.0,
    "width": -1.76,
    "clicks": -0.228,
    "ring_px": 0.0,
    "background": -1.09,
    "gain": -0.58,
}
"""Weight of each feature, see ``features``."""
BIAS = 2.17
FEATURES = tuple(WEIGHTS)


def features(facts: Mapping[str, float]) -> Float[ndarray, " f"]:
    """Return the features of an admission's facts, each near 0..1 and larger where it is harder."""
    f = facts
    found = {
        "spread": np.log(max(f["spread"], 1.0)) / 2,
        "rim_gradient": min(f["rim_gradient"], 40.0) / 12,
        "free": 1 - f["free"],
        "contact": f["contact"],
        "behind": f["behind"],
        "flat": 1 - min(f["flat"], 1.0),
        "recall": 1 - f["recall"],
        "visible": 1 - min(f["visible"], 1.0),
        "covered": f["covered"],
        "neighbours": f["neighbours"],
        "colour_step": min(f["colour_step"], 60.0) / 30,
        "width": abs(np.log(max(f["width"], 0.1))),
        "clicks": f["clicks"] / 0.025,
        "ring_px": 8 / max(f["ring_px"], 1.0),
        "background": 1 - f["background"],
        "gain": -np.clip(f["gain"], -6, 12) / 6,
    }
    return np.array([found[name] for name in FEATURES])


@dataclass(frozen=True)
class Score:
    """Weights of the features and the bias of a logistic regression."""

    weights: tuple[float, ...] = tuple(WEIGHTS.values())
    bias: float = BIAS

    def of(self, facts: Mapping[str, float]) -> float:
        """Return the probability that an erasure is good."""
        return float(1 / (1 + np.exp(-np.clip(features(facts) @ np.array(self.weights) + self.bias, -50, 50))))
