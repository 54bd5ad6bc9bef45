"""The table that turns a detector's confidence into a standard deviation: fitting it, and reading it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

EDGES = (0.0, 0.5, 0.8, 0.95, 1.01)
WORST = 0.25
"""Larger errors (share of the size) count as this: the fitter is robust against gross ones."""
LEAST_POINTS = 30
LEAST_IN_BIN = 5


class Point(NamedTuple):
    """One detected and labelled point: confidence, error over the person's size, joint, error over torso, photo."""

    confidence: float
    error: float
    joint: str
    torso: float
    image: str


def deviation(errors: np.ndarray) -> float:
    """Return the standard deviation of one coordinate, gross errors cut off."""
    return float(np.sqrt(np.mean(np.minimum(errors, WORST) ** 2) / 2))


def fit_table(points: list[Point]) -> dict[str, Any]:
    """Return confidence -> deviation (never rising) and a factor by joint, shrunk to 1 where there are few points."""
    confidence = np.array([p.confidence for p in points])
    errors = np.array([p.error for p in points])
    at, sd = [], []
    for low, high in itertools.pairwise(EDGES):
        inside = (confidence >= low) & (confidence < high)
        if inside.sum() >= LEAST_IN_BIN:
            at.append(round(float(confidence[inside].mean()), 3))
            sd.append(deviation(errors[inside]))
    if not at:
        at, sd = [1.0], [deviation(errors)]
    sd = list(np.maximum.accumulate(sd[::-1])[::-1])
    expected = np.interp(confidence, at, sd)
    by_joint = defaultdict(list)
    for point, base in zip(points, expected, strict=True):
        by_joint[point.joint].append(min(point.error, WORST) / base)
    factor = {}
    for joint, ratios in sorted(by_joint.items()):
        weight = len(ratios) / (len(ratios) + LEAST_POINTS)
        factor[joint] = round(float(np.sqrt(np.mean(np.square(ratios)) / 2)) ** weight, 2)
    return {"confidence": at, "sd": [round(float(s), 4) for s in sd], "factor": factor, "points": len(points)}


def table_sd(table: dict[str, Any], points: list[Point]) -> np.ndarray:
    """Return the deviation (share of the person's size) that a table predicts for every point."""
    base = np.interp([p.confidence for p in points], table["confidence"], table["sd"])
    return base * np.array([table["factor"].get(p.joint, 1.0) for p in points])
