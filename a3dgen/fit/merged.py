"""Notices labels of two people taken for one: a limb that does not fit the rest, or is somebody else's too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Fit, Observation
from a3dgen.fit.swaps import SUSPECT_COST
from a3dgen.geometry.skeleton import ANATOMICAL

MERGED_GAIN, BOTH_GAIN, SHARED_GAIN = 28.0, 42.0, 6.0
"""A limb is taken for somebody else's if the fit costs this much less (natural-log units) without it: one limb, both
legs, a limb that is labelled where somebody else's is. Of 34 real people, skiers and players among them, none gains
more than 20 by a limb and 30 by both legs."""
PLAUSIBLE = 0.5
"""Without the limb the fit costs less than this share of what it costs with it: the limb alone is wrong."""
SAME_PLACE = 0.02
"""Share of the person's size within which two labels are one."""


def _rows(side: str, *joints: str) -> ndarray:
    names = [f"{side}_{joint}" for joint in joints]
    return np.array([r for r, name in enumerate(ANATOMICAL) if name in names])


_LEG = ("knee", "ankle", "toe", "heel", "small_toe", "big_toe")
LIMBS: dict[str, ndarray] = {
    **{f"{side} arm": _rows(side, "elbow", "wrist") for side in ("left", "right")},
    **{f"{side} leg": _rows(side, *_LEG) for side in ("left", "right")},
    "legs": np.concatenate([_rows(side, "hip", *_LEG) for side in ("left", "right")]),
}
"""Limb -> the rows of its joints beyond the trunk; merged detections mostly have one such limb, or both legs."""


def refuse_merged(fitter: Fitter, seen: Observation, fit: Fit, company: Float[ndarray, "n 44 4"]) -> None:
    """Refuse somebody with a limb of another person.

    Args:
        company: labels of everybody on the photo, as in Persons.

    Raises:
        Rejected: with the limb, and what it costs.
    """
    cost = fit.best.cost if fit.least is None else fit.least
    if cost < SUSPECT_COST or np.isfinite(seen.point_sd).any() or seen.others:
        return
    shared = shared_limbs(seen, company)
    for name, rows in LIMBS.items():
        used = rows[np.isfinite(seen.pixel_sd[rows])]
        gain = SHARED_GAIN if name in shared else BOTH_GAIN if name == "legs" else MERGED_GAIN
        if len(used) < 2 or cost < gain:
            continue
        sd = seen.pixel_sd.copy()
        sd[rows] = np.inf
        try:
            without = fitter.fit(replace(seen, pixel_sd=sd), quick=True).best.cost
        except Rejected:
            continue
        if cost - without > gain and (name in shared or without < PLAUSIBLE * cost):
            also = ", and somebody else's labels are at the same place" if name in shared else ""
            raise Rejected(
                f"the labels look like those of two people, or the pose is too rare to tell: cost {cost:.0f} with the "
                f"{name}, {without:.0f} without{also}"
            )


def shared_limbs(seen: Observation, company: Float[ndarray, "n 44 4"]) -> list[str]:
    """Return the limbs of which at least two joints are labelled where the same joints of somebody else are."""
    out = []
    used = np.isfinite(seen.pixel_sd)
    for rows in np.asarray(company, np.float64):
        both = used & (rows[:, 2] > 0)
        same = both & (np.linalg.norm(rows[:, :2] - seen.pixels, axis=1) < SAME_PLACE * seen.size)
        if same.sum() >= max(1, both.sum() - 1):  # the person's own labels
            continue
        out += [name for name, limb in LIMBS.items() if len({ANATOMICAL[r] for r in limb[same[limb]]}) >= 2]
    return out
