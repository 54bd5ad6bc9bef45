"""What each bar of admission costs and saves; the admission score, fitted on half of the people, shown on the rest.

Reads the rows of ``a3dgen bench erase --calibrate``: pairs drawn with every bar wide open (``WIDE``) and scored against
the truth. A pair is *poor* if it is hardly nearer the truth than the photo, leaves limb, harms what stays, or ends off
it (``poor``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.optimize import minimize

from a3dgen.erasure.config import Bars
from a3dgen.erasure.score import FEATURES, Score, features

WIDE = Bars(
    behind=0.25, contact=0.3, joined=0.3, free=0.5, flat=0.5, rim_gradient=40.0, clicks=0.05, covered=0.1,
    colour_step=60.0, recall=0.5, visible=0.3, neighbours=0.3, background=0.3, narrow=0.5, wide=2.0,
    ring_px=6.0, gain=-30.0, seat=9.0, spread=12.0, score=0.0,
)  # fmt: skip
"""Wide enough to see what every bar refuses."""
AT_MOST = ("clicks", "seat", "behind", "covered", "contact", "joined", "neighbours", "spread", "colour_step",
           "rim_gradient")  # fmt: skip
AT_LEAST = ("iou", "visible", "recall", "flat", "ring_px", "free", "background", "gain")
GAIN_DB, HARM, LEFT, TIP, IOU = 1.0, 0.12, 0.02, 0.02, 0.5
"""Bounds of a pair that is not poor."""
RIDGE = 10.0
Row = Mapping[str, Any]


def poor(row: Row) -> bool:
    """Return whether an erased pair should have been refused."""
    near = row["psnr"] < row["psnr_photo"] + GAIN_DB or row["iou"] < IOU
    return bool(near or row["harm"] > HARM or row["left"] > LEFT or row["tip"] > TIP)


def facts_of(row: Row) -> dict[str, float]:
    """Return the measures of admission of a row."""
    return {k[2:]: float(v) for k, v in row.items() if k.startswith("f_")}


def costs(rows: Sequence[Row], bars: Bars) -> list[dict[str, float | str]]:
    """Return for each bar how many pairs it refuses, how many it alone refuses, and how many of those are poor."""
    bad = np.array([poor(r) for r in rows])
    fails = {}
    for name in (*AT_MOST, *AT_LEAST):
        value, bar = np.array([r[f"f_{name}"] for r in rows]), getattr(bars, name)
        fails[name] = value > bar if name in AT_MOST else value < bar
    width = np.array([r["f_width"] for r in rows])
    fails["narrow, wide"] = (width < bars.narrow) | (width > bars.wide)
    fails["score"] = np.array([Score().of(facts_of(r)) for r in rows]) < bars.score
    every = np.stack(list(fails.values()))
    out: list[dict[str, float | str]] = []
    for name, refused in fails.items():
        alone = refused & (every.sum(0) == 1)
        out.append({"bar": name, "refused": int(refused.sum()), "poor": int((refused & bad).sum()),
                    "alone": int(alone.sum()), "alone_poor": int((alone & bad).sum())})  # fmt: skip
    return out


def passes(rows: Sequence[Row], bars: Bars) -> Bool[ndarray, " n"]:
    """Return which rows all bars but the score admit."""
    ok = np.ones(len(rows), bool)
    for name in AT_MOST:
        ok &= np.array([r[f"f_{name}"] for r in rows]) <= getattr(bars, name)
    for name in AT_LEAST:
        ok &= np.array([r[f"f_{name}"] for r in rows]) >= getattr(bars, name)
    width = np.array([r["f_width"] for r in rows])
    return ok & (width >= bars.narrow) & (width <= bars.wide)


def fitted(rows: Sequence[Row]) -> Score:
    """Return the score fitted to rows: ridge logistic regression of not being poor, in which nothing that is hard may
    speak for a pair."""
    x = np.stack([features(facts_of(r)) for r in rows])
    good = np.array([not poor(r) for r in rows])
    middle, spread = x.mean(0), x.std(0) + 1e-6
    design, sign = np.c_[(x - middle) / spread, np.ones(len(x))], 2.0 * good - 1

    def loss(w: Float[ndarray, " f"]) -> tuple[float, Float[ndarray, " f"]]:
        margin = sign * (design @ w)
        slope = -(design * (sign / (1 + np.exp(np.clip(margin, -50, 50))))[:, None]).sum(0)
        penalty = np.r_[w[:-1], 0]
        return float(np.logaddexp(0, -margin).sum() + 0.5 * RIDGE * penalty @ penalty), slope + RIDGE * penalty

    bounds = [(None, 0.0)] * x.shape[1] + [(None, None)]
    w = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Score(tuple(w[:-1] / spread), float(w[-1] - (w[:-1] / spread) @ middle))


def halves(rows: Sequence[Row]) -> dict[str, list[dict[str, float]]]:
    """Fit on the people of each half in turn and return, on the other, what every threshold admits and how many of
    those are poor."""
    names = sorted({str(r["key"]) for r in rows})
    second = np.array([names.index(str(r["key"])) % 2 == 1 for r in rows])
    value = np.zeros(len(rows))
    for half in (second, ~second):
        score = fitted([r for r, own in zip(rows, half, strict=True) if not own])
        for i in np.flatnonzero(half):
            value[i] = score.of(facts_of(rows[i]))
    bad = np.array([poor(r) for r in rows])
    worse = np.array([r["psnr"] < r["psnr_photo"] for r in rows])
    table = []
    for bar in np.arange(0, 1, 0.1):
        kept = value >= bar
        table.append({"score": float(bar), "kept": int(kept.sum()), "poor": int((kept & bad).sum()),
                      "worse": int((kept & worse).sum())})  # fmt: skip
    return {"unseen people": table}


def printed(rows: Sequence[Row], bars: Bars) -> str:
    """Return the tables as text, and the score fitted to all rows as it stands in ``a3dgen/erasure/score.py``."""
    lines = [f"{sum(map(poor, rows))} of {len(rows)} pairs poor",
             f"{'bar':14} refused  poor   alone  poor"]  # fmt: skip
    for c in costs(rows, bars):
        lines.append(f"{c['bar']:14} {c['refused']:7} {c['poor']:5} {c['alone']:7} {c['alone_poor']:5}")
    lines.append("score fitted on half of the people, on the other half: threshold, kept, poor, worse than the photo")
    for r in halves(rows)["unseen people"]:
        lines.append(f"  {r['score']:.1f} {r['kept']:5} {r['poor']:5} {r['worse']:5}")
    score = fitted(rows)
    named = ", ".join(f'"{n}": {w:.3g}' for n, w in zip(FEATURES, score.weights, strict=True))
    lines.append(f"WEIGHTS = {{{named}}}\nBIAS = {score.bias:.3g}")
    return "\n".join(lines)
