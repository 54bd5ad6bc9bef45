"""Benchmark of the fitter: ``a3dgen bench fit [--json] [--quick]``, or ``python -m benchmarks.fit``.

Synthetic truth (``benchmarks.synthetic``), 512 people, fixed seed. ``default`` uses the shipped pose prior, which has
nothing in common with the benchmark's poses; ``matched`` one that was fitted to them.
"""

from __future__ import annotations

import argparse
import json as json_text
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.mixture import Mixture, learn_mixture
from a3dgen.fit.observation import Fit, Observation
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.rotations import rotvec_to_matrix
from benchmarks.synthetic import (
    SyntheticPeople,
    errors,
    make_scene,
    observe,
    pixels_of,
    posed,
    sample_poses,
    sample_roots,
)

PEOPLE = 512
SEED = 1
THREADS = 2
VARIANTS: dict[str, dict[str, float]] = {
    "default": {},
    "missing15": {"missing": 0.15},
    "outliers5": {"outliers": 0.05},
    "noise0": {"noise": 0.0},
    "focal20": {"focal": 0.2},
}
BATCHES = (1, 8, 64, 512)


def matched_prior(samples: int = 20000, components: int = 8) -> Mixture:
    """Fit a mixture to the benchmark's own poses, drawn with another seed."""
    rng = np.random.default_rng(12345)
    below = sample_poses(rng, samples)
    gravity = rotvec_to_matrix(sample_roots(rng, samples))[:, 1]
    return learn_mixture(np.concatenate([gravity, below], 1), components, rng)


def fit_all(fitter: Fitter, seen: list[Observation], threads: int = THREADS) -> list[Fit]:
    """Fit people in threads; the compiled search runs without the interpreter's lock."""
    if threads == 1:
        return [fitter.fit(s) for s in seen]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(fitter.fit, seen))


def measure(body: BodyData, fitter: Fitter, scene: SyntheticPeople) -> dict[str, float]:
    """Fit a scene and return its mean errors, the depth and lateral parts, and how well sigma predicts the error."""
    fits = fit_all(fitter, [observe(scene, i) for i in range(len(scene.pose))])
    joints = np.stack([f.best.joints for f in fits])
    pose = np.stack([f.best.pose.ravel() for f in fits])
    betas = np.stack([f.best.betas[:10] for f in fits])
    transl = np.stack([f.best.transl for f in fits])
    focal = scene.focal_estimate * np.array([f.best.focal_scale for f in fits])
    points = posed(body, pose, betas)[1] + transl[:, None]
    out = {k: round(float(v.mean()), 2) for k, v in errors(scene, joints, pixels_of(points, focal)).items()}
    gap = (joints - joints[:, :1]) - (scene.joints - scene.joints[:, :1])
    sigma = np.stack([f.best.sigma for f in fits])
    ratio = np.linalg.norm(gap[:, 1:], axis=2) / sigma[:, 1:]
    return out | {"error_over_sigma_rms": round(float(np.sqrt((ratio**2).mean())), 2)}


def speed(fitter: Fitter, seen: list[Observation]) -> dict[str, float]:
    """Return people per second for several batch sizes, two threads; small batches are repeated."""
    fit_all(fitter, seen[:4])
    rates = {}
    for batch in BATCHES:
        group = seen[:batch]
        repeats = max(1, min(16, 64 // batch))
        start = time.perf_counter()
        for _ in range(repeats):
            fit_all(fitter, group, min(THREADS, batch))
        rates[str(batch)] = round(repeats * len(group) / (time.perf_counter() - start), 1)
    return rates


def run(quick: bool = False, people: int = PEOPLE) -> dict[str, Any]:
    """Run the whole benchmark and return its figures."""
    body = load_body(BodyConfig())
    shipped = Fitter(body)
    scenes = {name: make_scene(body, people, SEED, **options) for name, options in VARIANTS.items()}
    out: dict[str, Any] = {name: measure(body, shipped, scene) for name, scene in scenes.items()}
    out["matched"] = measure(body, Fitter(body, matched_prior()), scenes["default"])
    seen = [observe(scenes["default"], i) for i in range(people)]
    out["persons_per_s"] = speed(shipped, seen)
    if not quick:
        from benchmarks.smplify import measure_smplify

        out["smplify"] = measure_smplify(body, scenes["default"])
        out["ratio_at_64"] = round(out["persons_per_s"]["64"] / out["smplify"]["persons_per_s"], 1)
    return out


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = ["                 MPJPE     PA  depth lateral  reproj"]
    for name, row in figures.items():
        if isinstance(row, dict) and "mpjpe_mm" in row:
            cells = [
                row.get(k, float("nan")) for k in ("mpjpe_mm", "pa_mpjpe_mm", "depth_mm", "lateral_mm", "reproj_px")
            ]
            lines.append(f"{name:<14}" + "".join(f"{c:8.1f}" for c in cells))
    rates = figures["persons_per_s"]
    lines.append("persons/s at batch " + ", ".join(f"{k}: {v:.0f}" for k, v in rates.items()))
    if "ratio_at_64" in figures:
        lines.append(f"times faster than SMPLify at batch 64: {figures['ratio_at_64']:.0f}")
    return "\n".join(lines)


def main(json: bool = False, quick: bool = False) -> None:
    """Run the benchmark and print its figures, as one JSON object or as a table; ``quick`` leaves SMPLify out."""
    figures = run(quick)
    sys.stdout.write((json_text.dumps(figures) if json else table(figures)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="leave out the slow baseline")
    options = parser.parse_args()
    main(options.json, options.quick)
