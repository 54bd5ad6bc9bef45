"""Visibility labels as evidence: a joint that annotators see does not lie behind the fitted body.

One view does not tell depth, so that of minima that cost nearly the same the one may put a forearm behind the trunk and
the other before it. Where a source tells visible joints from hidden ones, that is asked: joints called visible that
the fit hides are pulled before what hides them, hands that cover a hip are turned aside, and the cheapest body is kept,
each hidden joint at a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.fit.fitter import MAX_ALTERNATIVES, Fitter, widened
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.geometry.body import PosedBody, pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import NEAR_PARTS, visibility_reach
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import ANATOMICAL, JOINT, NUM_ROWS
from a3dgen.geometry.visibility import ROW_PART, body_buffers, keypoint_states

# Hand-set on real sample frames, and checked on the synthetic people of `a3dgen bench fit` (docs/labels.md).
SIDE = 160
"""Longer side (px) of the drawing that tells what hides what."""
BEFORE_SD, TRUNK_SD = 0.03, 0.02
"""A joint is pulled one radius before what hides it, and hips and shoulders are held, with these deviations, m."""
SHARPER = 0.4
"""Factor of the deviation of a label called visible that the fit hides."""
TURNS = np.radians((10.0, 20.0, 30.0))
"""A hand that covers a hip is turned by so much."""
NEAR_PX = 1
"""A body that hides less leaves so many pixels of the drawing beside what hid a joint: it will wear clothes."""
SHOWN = 0.5
"""A joint labelled hidden that a body shows costs this share of one labelled visible that it hides."""
_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMB_ROWS = np.array([r for r in range(NUM_ROWS) if ANATOMICAL[r].split("_")[-1] in _LIMBS])
_TRUNK = [r for r in LIMB_ROWS if ANATOMICAL[r].endswith(("hip", "shoulder"))]
_HANDS = {JOINT[f"{s}_{n}"]: JOINT[f"{s}_wrist"] for s in ("left", "right") for n in ("wrist", "hand")}


@dataclass(frozen=True)
class _Hidden:
    """What a body hides of the joints that are labelled visible.

    Attributes:
        rows: one row each. depth: (n,) m of what hides them. part: (n,) SMPL joint of it. shown: how many joints that
            are labelled hidden the body shows.
    """

    rows: list[int]
    depth: list[float]
    part: list[int]
    shown: int

    def price(self, weight: float) -> float:
        """Return what this costs, natural-log units."""
        return weight * (len(self.rows) + SHOWN * self.shown)


def tells_visibility(state: UInt8[ndarray, "44"], company: Float[ndarray, "n 44 4"]) -> bool:
    """Return whether labels tell hidden joints from visible ones: on some limb of somebody in the photo they do. (Many
    sources call every joint visible.)

    Args:
        state: of the person. company: labels of everybody in the photo, as in Persons.
    """
    return bool((state[LIMB_ROWS] == OCCLUDED).any() or (company[:, LIMB_ROWS, 3] == OCCLUDED).any())


def as_labelled(
    fitter: Fitter, seen: Observation, fit: Fit, state: UInt8[ndarray, "44"], size: tuple[int, int], weight: float
) -> Fit:
    """Return the fit, or a body that hides fewer of the joints that are labelled visible.

    Args:
        state: of the labels. size: width and height of the photo, px.
        weight: what a hidden joint costs, natural-log units: a label is wrong once in exp(weight).
    """
    first = _hidden(fitter, seen, fit.best, state, size)
    if not first.rows:
        return fit
    best, least = fit.best, fit.best.cost + first.price(weight)
    for other in _candidates(fitter, seen, fit, first):
        if other.cost >= least or not np.isfinite(other.cost):
            continue
        cost = other.cost + _hidden(fitter, seen, other, state, size, tuple(first.rows)).price(weight)
        if cost < least:
            best, least = other, cost
    if best is fit.best:
        return fit
    rest = (fit.best, *(a for a in fit.alternatives if a is not best))[:MAX_ALTERNATIVES]
    return replace(fit, best=widened(best, [best, *rest]), alternatives=rest)


def _hidden(
    fitter: Fitter,
    seen: Observation,
    found: Solution,
    state: UInt8[ndarray, "44"],
    size: tuple[int, int],
    asked: tuple[int, ...] = (),
) -> _Hidden:
    """Return what a body hides of the labelled joints; of the rows ``asked`` also what is ``NEAR_PX`` from hidden."""
    posed, K = _posed(fitter, found), _camera(seen, found)
    mesh, body = fitter.body.mesh, fitter.body
    buffers = body_buffers(mesh, posed.vertices(mesh, found.betas), K, *size, SIDE)
    own = keypoint_states(posed.keypoints, np.ones(NUM_ROWS, bool), buffers, visibility_reach(body))
    used: Bool[ndarray, "44"] = np.isfinite(seen.pixel_sd)
    depths, parts = buffers.lookup(project(posed.keypoints, K), NEAR_PX)
    depth, part = depths[:, depths.shape[1] // 2], parts[:, parts.shape[1] // 2].astype(int) - 1
    foreign = (parts > 0) & ~NEAR_PARTS[ROW_PART[:, None], np.maximum(parts.astype(int) - 1, 0)]
    beside = (foreign & (depths < posed.keypoints[:, 2, None])).any(1) & np.isin(np.arange(NUM_ROWS), asked)
    rows: dict[str, int] = {}
    shown = set()
    for r in LIMB_ROWS[used[LIMB_ROWS]]:
        if state[r] == VISIBLE and ((own[r] == OCCLUDED and np.isfinite(depth[r])) or beside[r]):
            rows.setdefault(ANATOMICAL[r], int(r))
        elif state[r] == OCCLUDED and own[r] == VISIBLE:
            shown.add(ANATOMICAL[r])
    kept = list(rows.values())
    return _Hidden(kept, [float(depth[r]) for r in kept], [int(part[r]) for r in kept], len(shown))


def _candidates(fitter: Fitter, seen: Observation, fit: Fit, hidden: _Hidden) -> Iterator[Solution]:
    """Yield bodies that may hide less, with their costs under the labels alone."""
    yield from fit.alternatives
    every, bases = list(range(len(hidden.rows))), [fit.best.x]
    for some in [every, *([n] for n in every if len(every) > 1)]:
        found = fitter.fit(_pulled(fitter, seen, fit.best, hidden, some), fit.best.x[None])
        bases.append(found.best.x)
        for other in (found.best, *found.alternatives):
            yield _solution(fitter, seen, other.x)
    for row, part in zip(hidden.rows, hidden.part, strict=True):
        if ANATOMICAL[row].endswith("hip") and part in _HANDS:
            for x in (x for base in bases for x in _turned(base, _HANDS[part])):
                yield _solution(fitter, seen, x)


def _pulled(fitter: Fitter, seen: Observation, found: Solution, hidden: _Hidden, some: list[int]) -> Observation:
    """Return the observation with some hidden joints pulled before what hides them (hips only to their label), and
    hips and shoulders held where they are, lest the whole body comes nearer."""
    points, point_sd, pixel_sd = seen.points.copy(), seen.point_sd.copy(), seen.pixel_sd.copy()
    radii = visibility_reach(fitter.body).joints
    K_inverse = np.linalg.inv(_camera(seen, found))
    moved = []
    for n in some:
        row = hidden.rows[n]
        pixel_sd[row] *= SHARPER
        if not ANATOMICAL[row].endswith("hip"):
            points[row] = K_inverse @ (*seen.pixels[row], 1.0) * (hidden.depth[n] - radii[ROW_PART[row]])
            point_sd[row] = BEFORE_SD
            moved.append(row)
    if moved:
        held = [r for r in _TRUNK if r not in moved and not np.isfinite(point_sd[r])]
        points[held], point_sd[held] = _posed(fitter, found).keypoints[held], TRUNK_SD
    return replace(seen, points=points, point_sd=point_sd, pixel_sd=pixel_sd)


def _turned(x: Float[ndarray, " d"], wrist: int) -> Iterator[Float[ndarray, " d"]]:
    """Yield variables with one hand turned about each axis, both ways."""
    own = slice(3 * wrist, 3 * wrist + 3)
    for angle in TURNS:
        for axis in np.concatenate([np.eye(3), -np.eye(3)]):
            out = x.copy()
            out[own] = matrix_to_rotvec(rotvec_to_matrix(x[own]) @ rotvec_to_matrix(angle * axis))
            yield out


def _solution(fitter: Fitter, seen: Observation, x: Float[ndarray, " d"]) -> Solution:
    return fitter.solution(fitter.evidence(seen), x, fitter.workspace())


def _posed(fitter: Fitter, found: Solution) -> PosedBody:
    return pose_body(fitter.body, found.pose, found.betas, found.transl)


def _camera(seen: Observation, found: Solution) -> Float[ndarray, "3 3"]:
    K = np.array(seen.K, np.float64)
    K[[0, 1], [0, 1]] *= found.focal_scale
    return K
