"""Gaussian mixtures with full covariances: learning by expectation-maximisation, storage, compiled form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.rng import generator_for
from a3dgen.fit.evidence import PriorArrays
from a3dgen.fit.limits import joint_limits
from a3dgen.fit.pose_distribution import CAMERA_TILT, mirror_features, sample_poses
from a3dgen.io.npz import read

DEFAULT_PRIOR = Path(__file__).parent / "pose_prior.npz"
FLOOR = 3e-3
"""Added to every variance (rad^2, about 3 degrees squared): the width of what a mixture cannot know."""
LIMIT_STIFFNESS = 200.0
KNOWN_GRAVITY = np.radians(3.5)
"""Standard deviation of gravity estimated from a photo's people."""


@dataclass(frozen=True)
class Mixture:
    """Weights (K,), means (K, 72) and covariances (K, 72, 72) over gravity in the pelvis frame and the pose."""

    weights: Float[ndarray, " k"]
    means: Float[ndarray, "k d"]
    covariances: Float[ndarray, "k d d"]

    def arrays(self) -> PriorArrays:
        """Return the form the compiled objective reads."""
        _, logdet = np.linalg.slogdet(self.covariances)
        energies = -np.log(self.weights) + 0.5 * logdet
        precisions = np.linalg.inv(self.covariances)
        precisions = 0.5 * (precisions + precisions.transpose(0, 2, 1))
        flipped = np.linalg.cholesky(precisions[:, ::-1, ::-1])
        lower, upper = joint_limits()
        return PriorArrays(
            means=np.ascontiguousarray(self.means, np.float32),
            precisions=np.ascontiguousarray(precisions, np.float32),
            whiten=np.ascontiguousarray(flipped[:, ::-1, ::-1], np.float32),
            energies=(energies - energies.min()).astype(np.float32),
            lower=lower,
            upper=upper,
            stiffness=LIMIT_STIFFNESS,
        )

    def in_known_gravity(self, sd: float = KNOWN_GRAVITY) -> Mixture:
        """Return the mixture with the camera's tilt taken out again, as far as gravity is known (``sd``, radians).

        Poses are learnt in cameras tilted by ``CAMERA_TILT``, independent noise across gravity: its variance is
        subtracted there, and what would become negative is held at the floor.
        """
        surplus = np.radians(CAMERA_TILT) ** 2 - sd**2
        covariances = self.covariances.copy()
        for k, mean in enumerate(self.means[:, :3]):
            unit = mean / max(np.linalg.norm(mean), 1e-9)
            covariances[k, :3, :3] -= surplus * (np.eye(3) - np.outer(unit, unit))
            values, axes = np.linalg.eigh(covariances[k])
            covariances[k] = (axes * np.maximum(values, FLOOR)) @ axes.T
        return Mixture(self.weights, self.means, covariances)

    def save(self, path: str | Path) -> None:
        """Write the mixture as a compressed npz."""
        arrays = {"weights": self.weights, "means": self.means, "covariances": self.covariances}
        np.savez_compressed(path, **{k: v.astype(np.float32) for k, v in arrays.items()})


def load_mixture(path: str | Path = DEFAULT_PRIOR) -> Mixture:
    """Read a pose prior.

    Raises:
        DataError: if the file is not one.
    """
    try:
        arrays = read(path, names=("weights", "means", "covariances"))
        weights, means, covariances = (arrays[k].astype(np.float64) for k in ("weights", "means", "covariances"))
    except (DataError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a pose prior ({error}); make one with 'a3dgen fit-prior'") from error
    if means.ndim != 2 or means.shape[1] != 72 or covariances.shape != (*means.shape, 72):
        raise DataError(f"{path}: a pose prior has means (K, 72), found {means.shape}")
    return Mixture(weights, means, covariances)


def learn_mixture(
    features: Float[ndarray, "n d"], components: int, rng: np.random.Generator, rounds: int = 40, floor: float = FLOOR
) -> Mixture:
    """Fit a mixture by expectation-maximisation from a k-means start (Bishop, PRML, 9.2)."""
    share = np.eye(components)[_kmeans(features, components, rng)]
    for _ in range(rounds):
        mixture = _maximise(features, share, floor)
        energy = _energies(features, mixture)
        least = energy.min(1, keepdims=True)
        share = np.exp(least - energy)
        share /= share.sum(1, keepdims=True)
    return _maximise(features, share, floor)


def _maximise(x: Float[ndarray, "n d"], share: Float[ndarray, "n k"], floor: float) -> Mixture:
    total = share.sum(0) + 1e-9
    means = (share.T @ x) / total[:, None]
    covariances = []
    for k in range(share.shape[1]):
        d = x - means[k]
        covariances.append((share[:, k, None] * d).T @ d / total[k] + floor * np.eye(x.shape[1]))
    return Mixture(total / total.sum(), means, np.stack(covariances))


def _energies(x: Float[ndarray, "n d"], m: Mixture) -> Float[ndarray, "n k"]:
    out = np.empty((len(x), len(m.weights)))
    for k, (weight, mean, covariance) in enumerate(zip(m.weights, m.means, m.covariances, strict=True)):
        lower = np.linalg.cholesky(covariance)
        z = np.linalg.solve(lower, (x - mean).T)
        out[:, k] = 0.5 * (z * z).sum(0) + np.log(np.diag(lower)).sum() - np.log(weight)
    return out


def _kmeans(x: Float[ndarray, "n d"], k: int, rng: np.random.Generator, rounds: int = 12) -> ndarray:
    centres, gap = x[rng.choice(len(x), 1)], np.full(len(x), np.inf)
    for _ in range(k - 1):  # k-means++: the next centre far from all others
        gap = np.minimum(gap, ((x - centres[-1]) ** 2).sum(1))
        centres = np.concatenate([centres, x[rng.choice(len(x), 1, p=gap / gap.sum())]])
    for _ in range(rounds):
        label = ((x * x).sum(1)[:, None] - 2 * x @ centres.T + (centres * centres).sum(1)).argmin(1)
        centres = np.stack([x[label == j].mean(0) if (label == j).any() else centres[j] for j in range(k)])
    return label


def make_default_prior(path: str | Path = DEFAULT_PRIOR, samples: int = 15000, components: int = 16) -> Mixture:
    """Learn the shipped prior from ``poses.sample_poses`` and store it. Takes about a minute."""
    rng = generator_for(0, "pose prior")
    x = sample_poses(rng, samples)
    mixture = learn_mixture(np.concatenate([x, mirror_features(x)]), components, rng)
    mixture.save(path)
    return mixture
