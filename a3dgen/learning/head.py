"""Linear answers on limb features by ridge regression: closed form, seconds to train, the same weights every time.

With some hundred people there are far more features than limbs that are absent: strong regularisation beat networks
with a hidden layer on people apart (docs/recover.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.errors import ConfigError

OUTPUTS = {"said": 3, "level": 3, "worn": 1, "end": 2}
"""Answers: present / absent / unsure; level (distal to proximal); prosthesis worn (0..1); residual end (x, y)."""
_SPLITS = np.cumsum(list(OUTPUTS.values()))[:-1]
_FIELDS = ("mean", "scale", "weights", "bias")


@dataclass(frozen=True)
class Targets:
    """What is to be said of n limbs.

    Attributes:
        said: (n,) 0 present, 1 absent, 2 unsure. level: (n,) 0..2 of those absent. worn: (n,) of those absent.
        end: (n, 2) residual end less the limb's root, in extents of the torso; NaN = not known.
        weight: (n,) what a row counts; 0 = nothing is known of it.
    """

    said: Integer[ndarray, "n"]
    level: Integer[ndarray, "n"]
    worn: Bool[ndarray, "n"]
    end: Float[ndarray, "n 2"]
    weight: Float[ndarray, "n"]

    def take(self, rows: Integer[ndarray, "k"]) -> Targets:
        """Return some rows."""
        return Targets(self.said[rows], self.level[rows], self.worn[rows], self.end[rows], self.weight[rows])


@dataclass(frozen=True)
class Training:
    """How a head is trained.

    Attributes:
        ridge: added to the diagonal of the standardised features' mean products.
        absent: what a limb that is absent counts, present ones being 1: there are many more of these.
        unsure: what a limb of which nothing can be said counts.
        worn: what an absent limb with a prosthesis counts as an absent one, of one without: it looks like a limb.
        real: what limbs of the people in photographs count, of those of drawn people.
    """

    ridge: float = 3.0
    absent: float = 5.0
    unsure: float = 1.0
    worn: float = 0.2
    real: float = 2.0

    def __post_init__(self) -> None:
        if min(self.ridge, self.absent, self.unsure, self.real) <= 0 or self.worn < 0:
            raise ConfigError("training: ridge, absent, unsure and real must be above 0, worn not below")


@dataclass(frozen=True)
class Head:
    """Mean and scale (f,) of the features, weights (f, 9) and bias (9,) of the answers."""

    mean: Float[ndarray, "f"]
    scale: Float[ndarray, "f"]
    weights: Float[ndarray, "f o"]
    bias: Float[ndarray, "o"]

    def answers(self, features: Float[ndarray, "n f"]) -> dict[str, Float[ndarray, "n k"]]:
        """Return the answers by name, as linear scores."""
        out = _standard(features, self.mean, self.scale) @ self.weights + self.bias
        return dict(zip(OUTPUTS, np.split(out, _SPLITS, axis=1), strict=True))


def train_head(features: Float[ndarray, "n f"], targets: Targets, how: Training) -> Head:
    """Train a head.

    Args:
        features: one row a limb. targets: of the same limbs. how: settings.
    """
    mean = features.mean(0, dtype=np.float64).astype(np.float32)
    scale = (1 / np.maximum(features.std(0, dtype=np.float64), 1e-2)).astype(np.float32)
    x = _standard(features, mean, scale)
    gone = targets.said == 1
    placed = gone & np.isfinite(targets.end).all(1)
    counts = np.array([1.0, how.absent, how.unsure])[targets.said] * np.where(gone & targets.worn, how.worn, 1.0)
    jobs = (
        (np.eye(3)[targets.said], targets.weight * counts),
        (np.eye(3)[targets.level], targets.weight * gone),
        (targets.worn[:, None].astype(float), targets.weight * gone),
        (np.where(placed[:, None], targets.end, 0.0), targets.weight * placed),
    )
    parts = [_ridge(x, y, weight, how.ridge) for y, weight in jobs]
    return Head(mean, scale, np.concatenate([p[0] for p in parts], 1), np.concatenate([p[1] for p in parts]))


def _ridge(
    x: Float[ndarray, "n f"], y: Float[ndarray, "n k"], weight: Float[ndarray, "n"], ridge: float
) -> tuple[Float[ndarray, "f k"], Float[ndarray, "k"]]:
    """Return weights and bias of a weighted ridge regression; zeros where no row counts."""
    used = np.flatnonzero(weight > 0)
    if not len(used):
        return np.zeros((x.shape[1], y.shape[1]), np.float32), np.zeros(y.shape[1], np.float32)
    x, y, w = x[used], y[used], weight[used, None].astype(np.float32)
    middle = (w * y).sum(0) / w.sum()
    if len(used) < x.shape[1]:  # the same weights from the rows' products, which are fewer
        products = x @ x.T
        products[np.diag_indices(len(products))] += np.float32(ridge * w.sum()) / w[:, 0]
        found = x.T @ np.linalg.solve(products, (y - middle).astype(np.float32))
        return found.astype(np.float32), middle.astype(np.float32)
    products = (x * w).T @ x
    products[np.diag_indices(len(products))] += np.float32(ridge * w.sum())
    found = np.linalg.solve(products, (x * w).T @ (y - middle).astype(np.float32))
    return found.astype(np.float32), middle.astype(np.float32)


def softmax(logits: Float[ndarray, "n k"]) -> Float[ndarray, "n k"]:
    """Return probabilities of each row."""
    out = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(out / out.sum(1, keepdims=True))


def arrays(head: Head) -> Mapping[str, ndarray]:
    """Return the weights by name, as half floats."""
    return {k: getattr(head, k).astype(np.float16) for k in _FIELDS}


def _standard(features: ndarray, mean: ndarray, scale: ndarray) -> Float[ndarray, "n f"]:
    return np.asarray(np.clip((features.astype(np.float32) - mean) * scale, -4, 4))
