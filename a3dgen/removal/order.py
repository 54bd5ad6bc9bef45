"""Who stands in front of whom, and whether something unknown stands in front of somebody.

Two people of a photo are ordered by what their bodies would cover both, by the keypoints that annotators call hidden or
visible, and by their feet: who stands lower in the photo is nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import inside_image
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.skeleton import ANATOMICAL, NUM_ROWS
from a3dgen.geometry.visibility import body_buffers, keypoint_states
from a3dgen.removal.label_map import Figure
from a3dgen.removal.mask_ops import ANKLES, dilate, union
from a3dgen.removal.photo import RemovalScene

# Scores are natural-log odds; hand-set, and measured on the truth of `a3dgen bench plates` (docs/plates.md).
SHARED = 3.0
"""What both bodies would cover, and one of them owns, says so much."""
LEAST_SHARED = 0.002
"""Less of the smaller one's height squared says nothing."""
POINT, MOST_POINTS = 1.5, 3
"""So much says a keypoint that is hidden behind, or visible before the other; at most so many are counted."""
FEET, FEET_APART = 1.5, 0.06
"""So much say the feet, if they are this share of the height apart or more."""
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
HIDDEN_BY = 0.03
"""A keypoint is hidden by a mask within this share of the height."""


def before(one: Figure, other: Figure, own: Bool[ndarray, "h w"], theirs: Bool[ndarray, "h w"]) -> float:
    """Return the log-odds that one person stands in front of another; 0 where nothing tells.

    Args:
        one, other: what is known of them. own, theirs: the pixels that are seen of them.
    """
    score = 0.0
    if one.rough.any() and other.rough.any():
        both = one.rough & other.rough
        mine, rest = int((both & own & ~theirs).sum()), int((both & theirs & ~own).sum())
        if mine + rest > LEAST_SHARED * min(one.height, other.height) ** 2:
            score += SHARED * (mine - rest) / (mine + rest)
    score += POINT * (_points(one, own, other, theirs) - _points(other, theirs, one, own))
    feet = _lowest(one), _lowest(other)
    if None not in feet:
        apart = (feet[0] - feet[1]) / (FEET_APART * max(one.height, other.height))  # type: ignore[operator]
        score += FEET * float(np.clip(apart, -1, 1))
    return score


def scores(figures: Sequence[Figure], index: int, seen: Sequence[Any]) -> list[float]:
    """Return ``before`` of one figure against every other, in order; ``seen``: everybody's pixels."""
    return [
        before(figures[index], figure, seen[index], seen[j]) for j, figure in enumerate(figures) if j != index
    ]  # fmt: skip


def order_of_masks(masks: Sequence[Any], figures: Sequence[Figure], index: int) -> list[float]:
    """Return ``before`` of a figure against the owners of masks; 0 for masks that are no figure's (crowds)."""
    one = figures[index]
    rest = [f for j, f in enumerate(figures) if j != index and f.mask is not None]
    areas = [np.count_nonzero(f.mask) for f in rest]  # crowds have many masks: few have the same area
    out = []
    for mask in masks:
        area = np.count_nonzero(mask)
        owner = next((f for f, a in zip(rest, areas, strict=True) if a == area and np.array_equal(f.mask, mask)), None)
        out.append(before(one, owner, one.mask, mask) if owner and one.mask is not None else 0.0)
    return out


def _points(one: Figure, own: Bool[ndarray, "h w"], other: Figure, theirs: Bool[ndarray, "h w"]) -> int:
    """Return how many keypoints say that one is in front: theirs seen before the other's body, the other's hidden."""
    before_other = len(_at(one, VISIBLE, other.rough & own & ~theirs))
    hidden = len(_at(other, OCCLUDED, own & ~theirs))
    return min(before_other + hidden, MOST_POINTS)


def _at(figure: Figure, state: int, where: Bool[ndarray, "h w"]) -> set[str]:
    """Return the names of a figure's keypoints of one state that lie in a mask."""
    h, w = where.shape
    rows = np.flatnonzero((figure.state == state) & (figure.keypoints[:, 2] > 0))
    rows = rows[inside_image(figure.keypoints[rows, :2], w, h)]
    x, y = np.clip(np.rint(figure.keypoints[rows, :2]), 0, (w - 1, h - 1)).astype(int).T
    return {ANATOMICAL[r] for r in rows[where[y, x]]}


def _lowest(figure: Figure) -> float | None:
    """Return the row of somebody's lower ankle, or None if none is labelled."""
    ankles = [figure.keypoints[r, 1] for r in ANKLES if figure.keypoints[r, 2] > 0]
    return float(max(ankles)) if ankles else None


def hidden_by_nothing(scene: RemovalScene, body: dict[str, Any], config: BodyConfig) -> list[str]:
    """Return the limb joints that annotators call hidden, while neither the fitted body nor any mask hides them.

    Args:
        body: row of Bodies.
    """
    if not (scene.state == OCCLUDED).any():
        return []
    data = load_body(config)
    posed = pose_body(data, body["pose"], body["betas"], body["transl"])
    h, w = scene.own.shape
    buffers = body_buffers(data.mesh, posed.vertices(data.mesh, body["betas"]), body["K"], w, h)
    alone: Float[ndarray, "44"] = keypoint_states(
        posed.keypoints, np.ones(NUM_ROWS, bool), buffers, visibility_reach(data)
    )
    known = dilate(union([*scene.others, *scene.objects], scene.own.shape), HIDDEN_BY * scene.height)
    names = set()
    for row in np.flatnonzero((scene.state == OCCLUDED) & (alone == VISIBLE)):
        x, y = np.clip(np.rint(scene.keypoints[row]), 0, (w - 1, h - 1)).astype(int)
        if ANATOMICAL[row].split("_")[-1] in LIMBS and not known[y, x]:
            names.add(ANATOMICAL[row])
    return sorted(names)


def require_known_front(scene: RemovalScene, body: dict[str, Any], config: BodyConfig, most: int) -> None:
    """Refuse a person before whom something stands that nobody outlined: it would be filled, and the limbs shown.

    Raises:
        Rejected: if more than ``most`` limb joints are hidden by nothing that is known.
    """
    names = hidden_by_nothing(scene, body, config)
    if len(names) > most:
        told = ", ".join(n.replace("_", " ") for n in names)
        raise Rejected(f"something that no mask outlines stands in front of the person: their {told} cannot be seen")
