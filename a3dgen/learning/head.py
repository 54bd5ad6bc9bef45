"""Answers on limb features by kernel ridge regression: closed form, seconds to train, the same weights every time.

With some hundred people there are far more features than limbs that are absent. So blocks of features count alike, are
reduced to the directions they vary along most, and the answers are quadratic in these: a limb is missing not where one
feature is high, but where two disagree. That beat linear answers and networks with a hidden layer on people apart
(docs/recover.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.linalg import cho_factor, cho_solve

from a3dgen.core.errors import ConfigError
from a3dgen.core.rng import generator_for

OUTPUTS = {"said": 3, "level": 3, "worn": 1, "end": 2}
"""Answers: present / absent / unsure; absent at which level (distal to proximal; their sum is the answer absent);
prosthesis worn (0..1); residual end (x, y)."""
_SPLITS = np.cumsum(list(OUTPUTS.values()))[:-1]
_FIELDS = ("mean", "scale", "projection", "spread", "weights", "bias")


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
        ridge: added to the kernel's diagonal, the mean of which is about 1.
        size: dimensions that the features are reduced to.
        linear: c of the kernel (z . z' + c)^2: what the features count by themselves, beside their products.
        absent: what a limb that is absent counts, present ones being 1: there are many more of these.
        unsure: what a limb of which nothing can be said counts.
        worn: what an absent limb with a prosthesis counts as an absent one, of one without: it looks like a limb.
        real: what limbs of the people in photographs count, of those of drawn people.
    """

    ridge: float = 1e-3
    size: int = 224
    linear: float = 0.5
    absent: float = 5.0
    unsure: float = 1.0
    worn: float = 0.2
    real: float = 2.0

    def __post_init__(self) -> None:
        if min(self.ridge, self.absent, self.unsure, self.real) <= 0 or self.worn < 0:
            raise ConfigError("training: ridge, absent, unsure and real must be above 0, worn not below")
        if self.size < 1 or self.linear < 0:
            raise ConfigError("training: size must be at least 1, linear not below 0")


@dataclass(frozen=True)
class Head:
    """Mean and scale (f,) of the features, projection (f, d) and spread (d,) onto z; weights (d (d + 1) / 2 + d, 9) of
    the products z_i z_j (i <= j, row by row) and of z, and bias (9,)."""

    mean: Float[ndarray, "f"]
    scale: Float[ndarray, "f"]
    projection: Float[ndarray, "f d"]
    spread: Float[ndarray, "d"]
    weights: Float[ndarray, "q o"]
    bias: Float[ndarray, "o"]

    def answers(self, features: Float[ndarray, "n f"]) -> dict[str, Float[ndarray, "n k"]]:
        """Return the answers by name, as scores."""
        z = _standard(features, self.mean, self.scale) @ self.projection * self.spread
        i, j = _products(z.shape[1])
        parts = [np.concatenate([part[:, i] * part[:, j], part], 1) @ self.weights for part in np.split(z, _cuts(z))]
        return dict(zip(OUTPUTS, np.split(np.concatenate(parts) + self.bias, _SPLITS, axis=1), strict=True))


@cache
def _products(size: int) -> tuple[Integer[ndarray, "q"], Integer[ndarray, "q"]]:
    """Return the pairs i <= j of all products, row by row."""
    return np.triu_indices(size)


def _cuts(z: Float[ndarray, "n d"]) -> range:
    """Return where rows are divided: the products of a few hundred at a time fit into memory."""
    return range(256, len(z), 256)


def train_head(
    features: Float[ndarray, "n f"], targets: Targets, how: Training, blocks: Integer[ndarray, "b"] | None = None
) -> Head:
    """Train a head.

    Args:
        features: one row a limb. targets: of the same limbs. how: settings.
        blocks: (b,) lengths of the blocks of features, each of which counts alike; all are one by default.
    """
    mean = features.mean(0, dtype=np.float64).astype(np.float32)
    scale = (1 / np.maximum(features.std(0, dtype=np.float64), 1e-2)).astype(np.float32)
    lengths = np.array([features.shape[1]]) if blocks is None else np.asarray(blocks)
    even = np.sqrt(lengths.mean() / lengths).repeat(lengths).astype(np.float32)
    projection, spread = _subspace(_standard(features, mean, scale) * even, how.size)
    projection *= even[:, None]
    z = _standard(features, mean, scale) @ projection * spread
    gone = targets.said == 1
    placed = gone & np.isfinite(targets.end).all(1)
    counts = np.array([1.0, how.absent, how.unsure])[targets.said] * np.where(gone & targets.worn, how.worn, 1.0)
    levels = np.eye(3)[targets.level] * gone[:, None]
    jobs = (
        (np.concatenate([np.eye(3)[targets.said], levels], 1), targets.weight * counts),
        (targets.worn[:, None].astype(float), targets.weight * gone),
        (np.where(placed[:, None], targets.end, 0.0), targets.weight * placed),
    )
    parts = [_quadratic_ridge(z, y, weight, how) for y, weight in jobs]
    weights, bias = (np.concatenate([p[k] for p in parts], -1) for k in (0, 1))
    return Head(mean, scale, projection, spread, weights, bias)


def _subspace(x: Float[ndarray, "n f"], size: int) -> tuple[Float[ndarray, "f d"], Float[ndarray, "d"]]:
    """Return the directions x varies along most (randomised range finder, Halko et al. 2011), and what each is
    multiplied by: the root of its spread stays, and z has length 1 in the mean."""
    size = min(size, *x.shape)
    found = x @ generator_for(0, "subspace", str(x.shape)).normal(size=(x.shape[1], min(size + 32, *x.shape)))
    for _ in range(3):
        found = np.linalg.qr(found)[0]
        found = x @ (x.T @ found)
    base = np.linalg.qr(found.astype(np.float32))[0]
    _, spread, rows = np.linalg.svd(base.T @ x, full_matrices=False)
    directions, narrow = rows[:size].T.astype(np.float32), 1 / np.sqrt(np.maximum(spread[:size], 1e-6))
    length = float(np.mean(((x @ directions * narrow) ** 2).sum(1)))
    return directions, (narrow / np.sqrt(max(length, 1e-12))).astype(np.float32)


def _quadratic_ridge(
    z: Float[ndarray, "n d"], y: Float[ndarray, "n k"], weight: Float[ndarray, "n"], how: Training
) -> tuple[Float[ndarray, "q k"], Float[ndarray, "k"]]:
    """Return weights and bias of a weighted ridge regression on products and values; zeros where no row counts.

    Solved with the kernel (z . z' + c)^2 - c^2 over (1 + c)^2 - c^2, then written out: a sum of z z^T.
    """
    size, c = z.shape[1], how.linear
    i, j = _products(size)
    used = np.flatnonzero(weight > 0)
    if not len(used):
        return np.zeros((len(i) + size, y.shape[1]), np.float32), np.zeros(y.shape[1], np.float32)
    z, y, w = z[used].astype(np.float32), y[used], weight[used, None].astype(np.float32)
    middle = (w * y).sum(0) / w.sum()
    kernel = z @ z.T
    kernel *= kernel + np.float32(2 * c)
    kernel /= np.float32(1 + 2 * c)
    kernel[np.diag_indices(len(kernel))] += np.float32(how.ridge * w.sum()) / w[:, 0]
    share = cho_solve(cho_factor(kernel, overwrite_a=True, check_finite=False), (y - middle).astype(np.float32))
    share /= np.float32(1 + 2 * c)
    squares = np.stack([(z * share[:, k : k + 1]).T @ z for k in range(y.shape[1])], -1)
    products = squares[i, j] * np.where(i == j, 1, 2)[:, None]
    return np.concatenate([products, 2 * c * z.T @ share]).astype(np.float32), middle.astype(np.float32)


def softmax(logits: Float[ndarray, "n k"]) -> Float[ndarray, "n k"]:
    """Return probabilities of each row."""
    out = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(out / out.sum(1, keepdims=True))


def arrays(head: Head) -> Mapping[str, ndarray]:
    """Return the weights by name, as half floats."""
    return {k: getattr(head, k).astype(np.float16) for k in _FIELDS}


def _standard(features: ndarray, mean: ndarray, scale: ndarray) -> Float[ndarray, "n f"]:
    return np.asarray(np.clip((features.astype(np.float32) - mean) * scale, -4, 4))
