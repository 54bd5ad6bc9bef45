"""Fit the weights by which doubt judges a plate's filling, on fillings of known background.

    a3dgen bench calibrate_doubt --samples ../shared/samples

Prints the weights of a3dgen/removal/doubt.py, and how well they tell bad fillings in photos they were not fitted on:
one half of the photos judges the other. The shipped ones are of the sample frames and 24 scenes of the demo.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.rng import generator_for
from a3dgen.inpainters import get_inpainter
from a3dgen.removal.doubt import MARGIN, SIGNS, WEIGHTS, refill, signs
from a3dgen.removal.mask_ops import around
from benchmarks.doubt_truth import Case, cases, noticed, places

RIDGE = 1e-3
"""Of the weights, in units of the signs' spread."""
BAD = 0.006
"""A filling is bad if more of it is noticed, share of the height squared."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="folder of COCO trees")
    parser.add_argument("--scenes", type=int, default=24, help="of the demo")
    parser.add_argument("--holes", type=int, default=12, help="in each photo")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found, outlines = places(args.samples, args.scenes, args.seed)
    judged = [judge(case, i, args.seed) for i, case in enumerate(cases(found, outlines, args.holes, args.seed))]
    names = sorted({j["name"] for j in judged})
    first = {n for i, n in enumerate(generator_for(args.seed, "bench.doubt", "halves").permutation(names)) if i % 2}
    halves = [[j for j in judged if (j["name"] in first) == half] for half in (True, False)]
    report: dict[str, Any] = {"holes": len(judged), "photos": len(names), "signs": SIGNS, "shipped": WEIGHTS}
    report["bad"] = float(np.mean([j["bad"] for j in judged]))
    report["weights"] = [round(float(w), 3) for w in fit(judged)]
    other = [fit(halves[1]), fit(halves[0])]
    scores = [(score(j, other[k]), j["bad"]) for k in (0, 1) for j in halves[k]]
    report["auc_unseen"] = area_under_curve(np.array(scores))
    print(json.dumps(report, indent=1))


def judge(case: Case, number: int, seed: int) -> dict[str, Any]:
    """Return the signs (n, 7) and the truth (n,) at the pixels of a hole, its photo's name, and whether it is bad."""
    part = around(case.hole, round(MARGIN * case.height) + 8)
    fill, rng = get_inpainter(rough=True), generator_for(seed, "bench.doubt", f"again {number}")
    filled = refill(case.rgb[part], case.plate[part], case.hole[part], case.people[part], case.height, fill, rng)
    truth = noticed(filled)
    found, where = signs(filled), filled.hole
    return {"name": case.name, "signs": found[where], "truth": truth[where], "height": filled.height,
            "bad": float(truth.sum()) > BAD * filled.height**2}  # fmt: skip


def fit(judged: list[dict[str, Any]]) -> Float[ndarray, " w"]:
    """Return the weights of a ridge logistic regression (Newton's method), a hole's pixels weighing their root."""
    x = np.concatenate([j["signs"] for j in judged]).astype(np.float64)
    y = np.concatenate([j["truth"] for j in judged]).astype(np.float64)
    weight = np.concatenate([np.full(len(j["truth"]), len(j["truth"]) ** -0.5) for j in judged])
    weight /= weight.sum()
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    ridge = RIDGE * np.diag([0.0, *np.ones(x.shape[1])])
    found = np.zeros(z.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(z @ found, -30, 30)))
        slope = z.T @ (weight * (chance - y)) + ridge @ found
        step = np.linalg.solve((z * (weight * chance * (1 - chance))[:, None]).T @ z + ridge, slope)
        found -= step
        if np.abs(step).max() < 1e-7:
            break
    weights = found[1:] / spread
    return np.array([found[0] - weights @ mean, *weights])


def score(judged: dict[str, Any], weights: Float[ndarray, " w"]) -> float:
    """Return how much of a filling is expected to be noticed, share of the height squared."""
    chance = 1 / (1 + np.exp(-(weights[0] + judged["signs"] @ weights[1:])))
    return float(chance.sum()) / float(judged["height"]) ** 2


def area_under_curve(scores: Float[ndarray, "n 2"]) -> float:
    """Return the chance that a bad filling scores higher than a good one; ``scores``: score, bad."""
    good, bad = (np.sort(scores[scores[:, 1] == k, 0]) for k in (0, 1))
    below = np.searchsorted(good, bad, "left") + np.searchsorted(good, bad, "right")
    return float(below.mean()) / 2 / max(1, len(good))


if __name__ == "__main__":
    main()
