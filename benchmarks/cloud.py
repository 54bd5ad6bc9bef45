"""Fits with point clouds: error by number of points, noise and outliers, residual limbs, and the published scheme.

a3dgen bench cloud [--json] [--people N] [--quick]
"""

from __future__ import annotations

import argparse
import json as json_text
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from a3dgen.amputation.rebuild import DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.fit.cloud_skin import cloud_space, slide
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.kinematics import forward
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS
from a3dgen.stages.fit_stumps import assumed, measure_stumps
from benchmarks.cloud_scenes import Target, errors_mm, make_people, scan

SEED, SCAN_SEED, PEOPLE = 5, 7, 128
CASES = {
    "50 points": (50, 0.02, 0.05), "100 points": (100, 0.02, 0.05), "200 points": (200, 0.02, 0.05),
    "500 points": (500, 0.02, 0.05), "200 points, 1 cm": (200, 0.01, 0.05), "200 points, 3 cm": (200, 0.03, 0.05),
    "200 points, no outliers": (200, 0.02, 0.0), "200 points, 20 % outliers": (200, 0.02, 0.2),
}  # fmt: skip
"""Number of points, noise (m), share of outliers."""
AMPUTEES, AMPUTEE_SEED, LEVELS = 40, 9, (0, 1, 6, 7, 9, 10, 3, 4)
BASELINE_PEOPLE = 16
NAMES = ("pve_mm", "mpjpe_mm", "pa_mpjpe_mm", "absolute_pve_mm")


def grid(body: BodyData, fitter: Fitter, people: list[Target]) -> dict[str, Any]:
    """Return the errors without and with clouds, and CPU time beyond the fit without."""
    fitter.fit(people[0].seen)
    start = time.process_time()
    plain = [fitter.fit(p.seen).best.x for p in people]
    alone = (time.process_time() - start) / len(people)
    base = np.array([errors_mm(body, x, p) for x, p in zip(plain, people, strict=True)])
    out: dict[str, Any] = {"labels alone": _row(base) | {"cpu_ms": round(1000 * alone, 1)}}
    for name, (points, sd, outliers) in CASES.items():
        rng = np.random.default_rng(SCAN_SEED)
        seen = [
            replace(p.seen, cloud=scan(p.vertices, body.mesh.faces, points, sd, outliers, rng), cloud_sd=sd)
            for p in people
        ]
        fitter.fit(seen[0])
        start = time.process_time()
        fits = [fitter.fit(s) for s in seen]
        spent = (time.process_time() - start) / len(people)
        found = np.array([errors_mm(body, f.best.x, p) for f, p in zip(fits, people, strict=True)])
        out[name] = _row(found) | {
            "worse_percent": round(100 * float((found[:, 0] > base[:, 0] + 0.01).mean()), 1),
            "unused": sum(not f.cloud.used for f in fits), "cpu_ms_beyond": round(1000 * (spent - alone), 1),
        }  # fmt: skip
    clean, dirty = (out[f"200 points{k}"]["pve_mm"] for k in (", no outliers", ", 20 % outliers"))
    out["outliers_cost_percent"] = round(100 * (dirty / clean - 1), 1)
    return out


def _row(errors: np.ndarray) -> dict[str, float]:
    return {n: round(float(v), 1) for n, v in zip(NAMES, errors.mean(0), strict=True)}


def stumps(body: BodyData, fitter: Fitter, n: int = AMPUTEES) -> dict[str, Any]:
    """Return how well residual limbs are measured: one-sided amputees, 250 points, the really capped mesh scanned."""
    rng, found = np.random.default_rng(3), []
    shape = np.tile(DEFAULT_STUMP, (NUM_REGIONS, 1))
    for i, p in enumerate(make_people(body, n, AMPUTEE_SEED)):
        region, true = REGIONS[LEVELS[i % len(LEVELS)]], rng.uniform(0.3, 0.8)
        removed = np.arange(NUM_REGIONS) == region.index
        fit = BodyFit(p.x[:72].reshape(24, 3), p.x[72:-4], p.x[-4:-1])
        cut = rebuild(body, fit, Cut(removed, np.where(removed, true, 1.0), RESIDUAL, shape))
        cloud = scan(cut.vertices.astype(np.float64), cut.mesh.faces, 250, 0.02, 0.03, rng)
        sd = p.seen.pixel_sd.copy()
        sd[list(region.rows)] = np.inf
        seen = assumed(replace(p.seen, pixel_sd=sd, cloud=cloud, removed=removed))
        result = measure_stumps(fitter, seen, fitter.fit(seen))
        length = np.linalg.norm(np.diff(p.posed.joints[list(region.segment)], axis=0))
        found += [(1000 * (r - true) * length, (r - true) / s) for _, r, s in result.cloud.stumps]
    error, ratio = np.array(found).reshape(-1, 2).T
    return {
        "amputees": n, "measured": len(error), "median_mm": round(float(np.median(np.abs(error))), 1),
        "mean_mm": round(float(np.abs(error).mean()), 1), "bias_mm": round(float(np.median(error)), 1),
        "error_over_sd": round(float(1.48 * np.median(np.abs(ratio))), 2),
    }  # fmt: skip


def published(body: BodyData, fitter: Fitter, people: list[Target]) -> dict[str, Any]:
    """Return the published scheme beside ours, on the same people, from the same 2D fits moved to the cloud."""
    import torch

    from benchmarks.smplify3d import Smplify3d

    torch.set_num_threads(1)
    rng = np.random.default_rng(SCAN_SEED)
    clouds = [scan(p.vertices, body.mesh.faces, 200, 0.02, 0.05, rng) for p in people]
    starts = [_moved(fitter, fitter.fit(p.seen).best.x, p, c) for p, c in zip(people, clouds, strict=True)]
    scheme = Smplify3d(body)
    start = time.process_time()
    theirs = scheme.fit(people, clouds, starts)
    their_time = (time.process_time() - start) / len(people)
    seen = [replace(p.seen, cloud=c) for p, c in zip(people, clouds, strict=True)]
    start = time.process_time()
    ours = [fitter.fit(s).best.x for s in seen]
    our_time = (time.process_time() - start) / len(people)
    row = lambda xs: _row(np.array([errors_mm(body, x, p) for x, p in zip(xs, people, strict=True)]))  # noqa: E731
    return {
        "people": len(people), "start": row(starts), "published": row(theirs) | {"cpu_s": round(their_time, 2)},
        "ours": row(ours) | {"cpu_s": round(our_time, 4)}, "times_faster": round(their_time / our_time, 1),
    }  # fmt: skip


def _moved(fitter: Fitter, x: np.ndarray, person: Target, cloud: np.ndarray) -> np.ndarray:
    """Return a 2D fit moved to its cloud, where the published scheme's ICP would bring it."""
    c, w, x = fitter.clouds, fitter.workspace(), x.copy()
    block, space = c.block(person.seen, cloud, c.coarse, c.coarse_vertices), cloud_space(c.coarse, len(cloud))
    forward(fitter.model, x, w)
    slide(fitter.model, c.coarse, block, float(np.median(np.linalg.norm(cloud, axis=1))), x, 5, w, space)
    return x


def main(json: bool = False, people: int = PEOPLE, quick: bool = False) -> None:
    """Run the benchmark and print its figures, as one JSON object or as lines."""
    body = load_body(BodyConfig())
    fitter = Fitter(body)
    targets = make_people(body, people, SEED)
    figures: dict[str, Any] = {"people": people, **grid(body, fitter, targets)}
    if not quick:
        figures["residual limbs"] = stumps(body, fitter)
        figures["published scheme"] = published(body, fitter, targets[:BASELINE_PEOPLE])
    lines = [f"{name}: {value}" for name, value in figures.items()]
    sys.stdout.write((json_text.dumps(figures) if json else "\n".join(lines)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--quick", action="store_true", help="errors and times alone")
    options = parser.parse_args()
    main(options.json, options.people, options.quick)
