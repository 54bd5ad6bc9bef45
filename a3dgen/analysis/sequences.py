"""Errors of joints and rotations over time, over present joints only: MPJPE, N-MPJPE, PA, MPJAE, acceleration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.analysis.metrics import similarity_align
from a3dgen.core.errors import DataError


@dataclass(frozen=True)
class Motion:
    """One sequence.

    Attributes:
        joints: (T, J, 3) m, root first. rotations: (T, J', 3, 3) parent-relative, or None.
        present: (J,) joints that exist. fps: frame rate.
    """

    joints: Float[ndarray, "t j 3"]
    rotations: Float[ndarray, "t k 3 3"] | None
    present: Bool[ndarray, " j"]
    fps: float


def angles(a: Float[ndarray, "*n 3 3"], b: Float[ndarray, "*n 3 3"]) -> Float[ndarray, "*n"]:
    """Return the angle (rad) between rotation matrices, 2 asin(|A - B|_F / sqrt 8): exact near zero, unlike arccos."""
    chord = np.linalg.norm((a - b).reshape(*a.shape[:-2], 9), axis=-1)
    return 2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1))


def sequence_errors(predicted: Motion, true: Motion) -> dict[str, ndarray]:
    """Return errors of one sequence: (T, J) mm after moving root on root (``mpjpe``), scaled as well (``n_mpjpe``) and
    aligned (``pa_mpjpe``), (T - 2, J) m/s^2 ``acceleration`` of the rooted joints, (T, J') degrees ``mpjae``; NaN where
    a joint is absent.

    Raises:
        DataError: if the two do not belong together.
    """
    if predicted.joints.shape != true.joints.shape:
        raise DataError(f"predicted joints have shape {predicted.joints.shape}, true ones {true.joints.shape}")
    present = true.present
    a, b = (m.joints - m.joints[:, :1] for m in (predicted, true))
    kept = np.flatnonzero(present)
    scale = (a[:, kept] * b[:, kept]).sum((1, 2)) / np.maximum((a[:, kept] ** 2).sum((1, 2)), 1e-12)
    aligned = np.full(true.joints.shape, np.nan)
    weights = np.ones((len(aligned), len(kept)))
    aligned[:, kept] = similarity_align(predicted.joints[:, kept], true.joints[:, kept], weights)
    out = {
        "mpjpe": 1000 * np.linalg.norm(a - b, axis=2),
        "n_mpjpe": 1000 * np.linalg.norm(scale[:, None, None] * a - b, axis=2),
        "pa_mpjpe": 1000 * np.linalg.norm(aligned - true.joints, axis=2),
        "acceleration": np.linalg.norm(np.diff(a - b, n=2, axis=0), axis=2) * true.fps**2,
    }
    for errors in out.values():
        errors[:, ~present] = np.nan
    if predicted.rotations is not None and true.rotations is not None:
        if predicted.rotations.shape != true.rotations.shape:
            raise DataError(f"predicted rotations have shape {predicted.rotations.shape}, not {true.rotations.shape}")
        degrees = np.degrees(angles(predicted.rotations, true.rotations))
        absent = ~present[: degrees.shape[1]] if len(present) >= degrees.shape[1] else np.zeros(degrees.shape[1], bool)
        degrees[:, absent] = np.nan
        out["mpjae"] = degrees
    return out


def summary(errors: Iterable[dict[str, ndarray]], per_joint: bool = False) -> dict[str, Any]:
    """Return means over all frames and present joints, each joint of each frame counting once.

    Args:
        errors: of each sequence. per_joint: also ``<name>_per_joint``, a list, None for a joint that is never present.
    """
    errors = list(errors)
    out: dict[str, Any] = {}
    for name in ("mpjpe", "n_mpjpe", "pa_mpjpe", "mpjae", "acceleration"):
        parts = [e[name] for e in errors if name in e]
        if not parts:
            continue
        whole = np.concatenate(parts)
        out[name] = round(float(np.nanmean(whole)), 3)
        if per_joint:
            counts, sums = np.isfinite(whole).sum(0), np.nansum(whole, axis=0)
            out[f"{name}_per_joint"] = [
                round(float(s / n), 3) if n else None for s, n in zip(sums, counts, strict=True)
            ]
    return out
