"""Multi-start search of one person: headings, then limbs reflected in depth; every minimum is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.evidence import Evidence, PriorArrays
from a3dgen.fit.initial import Starts, best_yaws, place, place_points
from a3dgen.fit.kinematics import Workspace, forward, multiply, rotation, workspace
from a3dgen.fit.lm import minimise
from a3dgen.fit.model import FitModel
from a3dgen.geometry.skeleton import JOINT

_CHAINS = ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")
FLIPS = np.array([(JOINT[f"{s}_{a}"], JOINT[f"{s}_{b}"]) for a, b in _CHAINS for s in ("left", "right")])
"""Bones (joint, child) whose depth one view cannot tell."""
MIN_FLIP = 0.2
"""A reflection that turns its bone by less than this (rad) is not tried."""
HELD = tuple(JOINT[f"{s}_{n}"] for s in ("left", "right") for n in ("hand", "foot"))
HOPELESS = 60.0
"""A heading is given up once it cannot come within this cost of the best one."""
SAME = 0.12
"""A reflection whose variables all come back to within this (rad) has found the same minimum again."""
ROUGH = 1e-2
"""Tolerance while minima are only compared."""


class Settings(NamedTuple):
    """How hard to search.

    Attributes:
        starts: headings tried. rough_steps: trial steps of each. kept: how many of them are solved in full.
        steps: trial steps of a full solve. tolerance: its relative gain at convergence.
        flip_steps: trial steps after a reflection; 0 = no reflections. margin: costs this close are near-ties.
        wide: factor of the robust scale while starts are compared, so that no limb is given up as an outlier early.
    """

    starts: int
    rough_steps: int
    kept: int
    steps: int
    tolerance: float
    flip_steps: int
    margin: float
    wide: float


def rougher(ev: Evidence, robust: float) -> Evidence:
    """Return the evidence with another robust scale, shape, hands and toes held: fewer variables, faster steps."""
    free = ev.free.copy()
    free[72:-4] = False
    for joint in HELD:
        free[3 * joint : 3 * joint + 3] = False
    return ev._replace(robust=float(robust), free=free)


@kernel
def reflect(model: FitModel, x: ndarray, joint: int, child: int, out: ndarray, w: Workspace) -> float:
    """Write x with a bone reflected about its viewing ray; return the angle (rad) it turned by."""
    d = x.shape[0]
    forward(model, x, w)
    out[:] = x
    ray, bone, axis = np.empty(3), np.empty(3), np.empty(3)
    far, length, along = 0.0, 0.0, 0.0
    for c in range(3):
        ray[c] = w.joints[joint, c] + x[d - 4 + c]
        bone[c] = w.joints[child, c] - w.joints[joint, c]
        far += ray[c] * ray[c]
        length += bone[c] * bone[c]
        along += ray[c] * bone[c]
    along /= np.sqrt(far * length)
    for c in range(3):  # bone x (bone - 2 along ray), of unit vectors
        a, b = (c + 1) % 3, (c + 2) % 3
        axis[c] = -2 * along * (bone[a] * ray[b] - bone[b] * ray[a]) / np.sqrt(far * length)
    sine = np.sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2])
    angle = np.arctan2(sine, 1 - 2 * along * along)
    if angle < MIN_FLIP or sine < 1e-6:
        return angle
    f = angle / sine
    turn, unused, world = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    local, up = np.empty((3, 3)), np.empty((3, 3))
    rotation(axis[0] * f, axis[1] * f, axis[2] * f, turn, unused)
    multiply(turn, w.world[joint], world)
    for a in range(3):
        for b in range(3):
            up[a, b] = w.world[model.parents[joint], b, a]
    multiply(up, world, local)
    _log(local, out[3 * joint : 3 * joint + 3])
    return angle


@kernel(inside=True)
def _log(r: ndarray, out: ndarray) -> None:
    """Write the rotation vector of a matrix, through its quaternion (stable near pi)."""
    q = np.empty(4)
    trace = r[0, 0] + r[1, 1] + r[2, 2]
    i = 0
    for c in range(1, 3):
        if r[c, c] > r[i, i]:
            i = c
    if trace > r[i, i]:
        q[0], q[1], q[2], q[3] = 1 + trace, r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q[0] = r[k, j] - r[j, k]
        q[1 + i] = 1 + 2 * r[i, i] - trace
        q[1 + j], q[1 + k] = r[j, i] + r[i, j], r[k, i] + r[i, k]
    sine = np.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    sign = -1.0 if q[0] < 0 else 1.0  # the quaternion need not have unit length
    factor = 2 / q[0] if sine < 1e-8 else sign * 2 * np.arctan2(sine, abs(q[0])) / sine
    for c in range(3):
        out[c] = factor * q[1 + c]


class Search:
    """The search for one person's minima: cheapest and all others found, and the evaluations spent."""

    def __init__(self, model: FitModel, prior: PriorArrays, ev: Evidence, how: Settings, w: Workspace) -> None:
        self.model, self.prior, self.ev, self.how, self.w = model, prior, ev, how, w
        self.costs: list[float] = []
        self.variables: list[ndarray] = []
        self.spent = 0

    @property
    def best(self) -> int:
        """Number of the cheapest minimum."""
        return int(np.argmin(self.costs))

    def add(self, x: ndarray, cost: float) -> None:
        """Keep a minimum."""
        if np.isfinite(cost):
            self.costs.append(cost)
            self.variables.append(x)

    def placed(self, starts: Starts, size: float) -> Float[ndarray, "h d"]:
        """Return the likeliest starts, at most one a heading, placed in front of the camera."""
        ev, d = self.ev, starts.variables.shape[1]
        cost, shift = np.empty(len(starts.points)), np.empty((len(starts.points), 3))
        if ev.point_weight.max() > 0:
            place_points(starts, ev, cost, shift)
        else:
            place(starts, ev, size, cost, shift)
        chosen = np.empty(self.how.starts, np.int64)
        chosen = chosen[: best_yaws(starts, cost, self.how.starts, chosen)]
        known = ~ev.free
        known[72:] |= ev.anchor_weight[72:] > 0
        known[d - 4 : d - 1] = False
        out = starts.variables[chosen]
        out[:, known] = ev.anchor[known]
        out[:, d - 4 : d - 1] = shift[chosen]
        return out


@kernel(inside=True)
def _held(ev: Evidence, robust: float) -> Evidence:
    """As ``rougher``, compiled."""
    free = np.empty(ev.free.shape[0], np.bool_)
    for a in range(free.shape[0]):
        free[a] = ev.free[a] and not 72 <= a < free.shape[0] - 4
    for joint in HELD:
        for c in range(3):
            free[3 * joint + c] = False
    return Evidence(
        ev.pixels, ev.pixel_weight, ev.camera, ev.points, ev.point_weight, robust, ev.down, ev.anchor,
        ev.anchor_weight, free, ev.prior_weight, ev.ground, ev.contact_weight, ev.views,
    )  # fmt: skip


@kernel
def _explore(
    model: FitModel,
    prior: PriorArrays,
    ev: Evidence,
    placed: ndarray,
    first: ndarray,
    how: Settings,
    w: Workspace,
    costs: ndarray,
    variables: ndarray,
) -> tuple[int, int]:
    """Solve all starts, then reflect limbs; return the number of minima kept and of evaluations.

    Args:
        placed: (H, D) headings, solved roughly first, and the best of them in full. Changed.
        first: (S, D) starts that are all solved in full.
        costs, variables: (M,), (M, D) are filled with the minima; M = S + kept + number of ``FLIPS``.
    """
    d, count, spent, starts = ev.free.shape[0], 0, 0, placed.shape[0]
    wide, held, free = _held(ev, ev.robust * how.wide), _held(ev, ev.robust), np.flatnonzero(ev.free)
    few = np.flatnonzero(held.free)
    rough, least = np.empty(starts), np.inf
    for n in range(starts):
        rough[n], used = minimise(model, prior, wide, few, placed[n], how.rough_steps, ROUGH, least + HOPELESS, w)
        least, spent = min(least, rough[n]), spent + used
    trial, best, chosen = np.empty(d), -1, 0
    reflections = FLIPS.shape[0] if how.flip_steps > 0 else 0
    for n in range(first.shape[0] + min(how.kept, starts) + reflections):
        if n < first.shape[0]:
            _copy(first[n], trial)
        elif n < first.shape[0] + min(how.kept, starts):
            for i in range(starts):
                if rough[i] < rough[chosen]:
                    chosen = i
            _copy(placed[chosen], trial)
            rough[chosen] = np.inf
        elif best < 0:
            break
        else:
            joint, child = FLIPS[n - first.shape[0] - min(how.kept, starts)]
            if reflect(model, variables[best], joint, child, trial, w) < MIN_FLIP:
                continue
            limit, apart = costs[best] + how.margin, 0.0
            cost, used = minimise(model, prior, held, few, trial, how.flip_steps, ROUGH, limit, w)
            spent += used
            for a in range(72):
                apart = max(apart, abs(trial[a] - variables[best, a]))
            if not (cost < limit and apart > SAME):
                continue
        costs[count], used = minimise(model, prior, ev, free, trial, how.steps, how.tolerance, np.inf, w)
        spent += used
        if np.isfinite(costs[count]):
            _copy(trial, variables[count])
            if best < 0 or costs[count] < costs[best]:
                best = count
            count += 1
    return count, spent


@kernel(inline=True)
def _copy(source: ndarray, target: ndarray) -> None:
    for a in range(source.shape[0]):
        target[a] = source[a]


def search(
    model: FitModel, prior: PriorArrays, ev: Evidence, starts: Starts, size: float, how: Settings, first: ndarray
) -> Search:
    """Return the minima of one person.

    Args:
        size: the person's size in px, for ranking the starts.
        first: (S, D) starts from outside, tried besides the headings; may have no rows.
    """
    found = Search(model, prior, ev, how, workspace(model))
    room, d = len(first) + how.kept + len(FLIPS), first.shape[1]
    placed = found.placed(starts, size) if how.starts > 0 else np.empty((0, d))
    costs, variables = np.empty(room), np.empty((room, d))
    count, found.spent = _explore(model, prior, ev, placed, first, how, found.w, costs, variables)
    for n in range(count):
        found.add(variables[n], float(costs[n]))
    return found


def distinct_minima(found: Search, different: float, wanted: int) -> list[int]:
    """Return the numbers of the cheapest minima that are different bodies, cheapest first.

    Args:
        different: m, root mean square over the joints, pelvis on pelvis, that makes two bodies different.
        wanted: stop at this many.
    """
    ranked = sorted(range(len(found.costs)), key=lambda i: (found.costs[i], i))
    kept: list[int] = []
    joints: list[ndarray] = []
    for i in ranked:
        if not found.costs[i] <= found.costs[ranked[0]] + found.how.margin or len(kept) == wanted:
            break
        forward(found.model, found.variables[i], found.w)
        here = found.w.joints - found.w.joints[0]
        if all(((here - other) ** 2).sum() > 24 * different**2 for other in joints):
            kept.append(i)
            joints.append(here)
    return kept
