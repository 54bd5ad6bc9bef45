"""The table of what devices must hold to: each line with its figure, bar and goal."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.device_measures import Tally

_CONTACT = ("grip: hand to handle, mm", "grip: hand inside the handle, mm", "tip off the ground, mm",
            "planted sole off the ground, mm", "sole off the footplate, mm", "grip: hand to rim, mm",
            "wheels off the ground, mm", "doffed prosthesis off the ground, mm", "grip: rim out of the closed hand, mm",
            "leaning prosthesis off its wheel, mm", "leaning prosthesis inside its wheel, mm")  # fmt: skip
_RIGID = ("rigid aid in the body, mm", "rigid chair in the body, mm", "prosthesis beyond the socket in the body, mm")
_ARMS = tuple(f"arm in own body beyond the fit's, {w}, mm" for w in ("standing", "wheelchair"))
LEAST_HIDDEN = 500
"""So many keypoints hidden by devices must have been looked at."""


def must_show(tally: Tally) -> list[dict[str, Any]]:
    """Return the lines of the table."""
    c = tally.counts
    made, refused = c["postures made"], c["postures rejected"]
    lines = [
        _none("device parts that are open or inverted", c["open or inverted parts"], c["parts"]),
        _most("grip and ground contact, mm", tally.of(*_CONTACT), 5, 2),
        _most("rigid parts in the body, mm", tally.of(*_RIGID), 5, 3),
        _most("axillary pads in the body, mm", tally.of("axillary pad in the body, mm"), 15, 8),
        _most("cushions in the body, mm", tally.of("cushion and back in the body, mm"), 30, 20),
        _most("arm in own body beyond the fit's, mm", tally.of(*_ARMS), 10, 5),
        _within("elbow on crutches, degrees", tally.of("elbow on a crutch, degrees"), (10, 40), (15, 30)),
        _within("elbow in a swing-through, degrees", tally.of("elbow in a swing-through, degrees"), (0, 10), (0, 10)),
        _none("skin vertices outside the socket", c["skin outside the socket"], c["skin below the brim"]),
        _none("points of a prosthesis outside the trousers over it", c["points outside the trousers"],
              c["points of prostheses under trousers"]),
        _none("keypoint states other than rays say", c["states that disagree"], c["keypoints hidden by devices"]),
        _share("drawn postures rejected, %", refused, made + refused, 10, 3),
        *(_cost(tally, kind, *bars) for kind, bars in (("without a wheelchair", (60, 25)), ("wheelchair", (100, 40)))),
        _none("twins with other aids or postures", c["twins that differ"], c["pairs of twins with an aid"]),
        _none("samples with an aid whose twin is gone, in the dataset", c["aids without a twin"],
              c["samples with an aid"]),
    ]  # fmt: skip
    enough = c["keypoints hidden by devices"] >= LEAST_HIDDEN
    lines.append({"line": "keypoints hidden by devices", "value": c["keypoints hidden by devices"],
                  "bar": LEAST_HIDDEN, "met": bool(enough)})  # fmt: skip
    return lines


def _none(name: str, wrong: int, of: int) -> dict[str, Any]:
    return {"line": name, "value": wrong, "of": of, "bar": 0, "met": wrong == 0 if of else None}


def _most(name: str, values: np.ndarray, bar: float, goal: float) -> dict[str, Any]:
    if not len(values):
        return {"line": name, "value": None, "bar": bar, "goal": goal, "met": None}
    beyond = int((values > bar).sum())
    return {"line": name, "value": round(float(values.max()), 2), "p95": round(float(np.percentile(values, 95)), 2),
            "beyond the bar": beyond, "of": len(values), "bar": bar, "goal": goal, "met": beyond == 0,
            "goal met": bool(values.max() <= goal)}  # fmt: skip


def _within(name: str, values: np.ndarray, bar: tuple, goal: tuple) -> dict[str, Any]:
    if not len(values):
        return {"line": name, "value": None, "bar": bar, "goal": goal, "met": None}
    inside = [float(((values >= low) & (values <= high)).mean()) for low, high in (bar, goal)]
    return {"line": name, "value": [round(float(v), 1) for v in (values.min(), np.median(values), values.max())],
            "share in the goal": round(inside[1], 3), "of": len(values), "bar": bar, "goal": goal,
            "met": inside[0] == 1, "goal met": inside[1] == 1}  # fmt: skip


def _share(name: str, part: int, of: int, bar: float, goal: float) -> dict[str, Any]:
    value = round(100 * part / max(of, 1), 1)
    return {"line": name, "value": value, "of": of, "bar": bar, "goal": goal, "met": value <= bar,
            "goal met": value <= goal}  # fmt: skip


def _cost(tally: Tally, kind: str, bar: float, goal: float) -> dict[str, Any]:
    values = tally.of(f"extra CPU a sample, {kind}, ms")
    if not len(values):
        return {"line": f"extra CPU a sample, {kind}, ms", "value": None, "bar": bar, "goal": goal, "met": None}
    value = round(float(np.median(values)), 1)
    return {"line": f"extra CPU a sample, {kind}, ms (median)", "value": value,
            "p95": round(float(np.percentile(values, 95)), 1), "bar": bar, "goal": goal, "met": value <= bar,
            "goal met": value <= goal}  # fmt: skip
