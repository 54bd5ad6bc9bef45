"""Legs that nobody labelled: refused where the fit puts them into the picture and nothing known hides them."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import Persons
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Solution
from a3dgen.fit.observe import person_size, usable_rows
from a3dgen.geometry.camera import project_distorted
from a3dgen.geometry.skeleton import ANATOMICAL, JOINT
from a3dgen.io import rle

BELOW = 0.08
"""Legs further below the box than this share of the person's size are not where the person was seen."""
HIDDEN = 0.5
"""Share of these points that masks of others or of objects must cover."""
_LOW = np.array([i for i, n in enumerate(ANATOMICAL) if n.split("_")[-1] in ("knee", "ankle", "heel", "toe")])
_PAIRS = ("hip", "knee"), ("knee", "ankle")
_BONES = [(JOINT[f"{s}_{a}"], JOINT[f"{s}_{b}"]) for s in ("left", "right") for a, b in _PAIRS]


def refuse_unseen_legs(persons: Persons, i: int, fitter: Fitter, found: Solution) -> None:
    """Refuse somebody cut by something that no mask knows: the legs would be drawn in front of it.

    Asked only of people without a labelled knee, ankle or foot, and of fitted legs that lie in the picture below
    the person's box.

    Raises:
        Rejected: if less than half of that is under a mask.
    """
    box, size = persons.bbox[i], persons.image_size[i]
    if usable_rows(persons, i)[_LOW].any() or not np.isfinite(box).all() or persons.present_removed[i].any():
        return
    points = _along_legs(found.joints)
    K = persons.K[i].copy()
    K[[0, 1], [0, 1]] *= found.focal_scale
    pixels = project_distorted(points[points[:, 2] > 0.1], K, persons.dist[i])
    inside = ((pixels >= 0) & (pixels < size)).all(1)
    below = pixels[inside & (pixels[:, 1] > box[3] + BELOW * person_size(box, np.zeros((0, 2))))]
    if len(below) < 0.15 * len(points):
        return
    width, height = (int(v) for v in size)
    x, y = np.clip(below.round().astype(int), 0, (width - 1, height - 1)).T
    try:
        fronts = [rle.union_from_json(str(text), width, height) for text in (persons.others[i], persons.objects[i])]
    except DataError as error:
        raise Rejected(str(error)) from None
    if (fronts[0] | fronts[1])[y, x].mean() < HIDDEN:
        raise Rejected(
            "the legs are not labelled, the fit puts them into the picture below the person's box, and no mask says "
            "what hides them"
        )


def _along_legs(joints: ndarray) -> ndarray:
    """Return points (N, 3) m along thighs and shins."""
    t = np.linspace(0.1, 1.0, 10)[:, None]
    return np.concatenate([joints[a] + t * (joints[b] - joints[a]) for a, b in _BONES])
