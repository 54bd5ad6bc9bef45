"""Initial poses: prior means at 12 headings, placed in closed form and ranked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.evidence import NEAR, Evidence, PriorArrays
from a3dgen.fit.kinematics import forward, keypoint, workspace
from a3dgen.fit.model import FitModel, num_variables
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import ANATOMICAL

NUM_YAWS = 12
SPREAD = 0.09
"""How far (share of the person's size) keypoints of a mean pose lie from the real ones, one standard deviation."""
CLIP = 2.5
"""Deviations are clipped at this many SPREADs: an arm may be anywhere."""
FALLBACK_DEPTH = 5.0

_WEIGHTS = {
    "hip": 2.0, "shoulder": 2.0, "neck": 2.0, "neck_lsp": 1.5, "thorax_mpii": 1.5, "pelvis_mpii": 2.0,
    "spine_h36m": 1.0, "nose": 1.0, "eye": 0.8, "ear": 0.8, "head_top_lsp": 1.0, "jaw_h36m": 1.0, "head_h36m": 1.0,
    "knee": 0.6, "elbow": 0.35, "ankle": 0.3, "wrist": 0.15, "toe": 0.15, "heel": 0.15,
}  # fmt: skip


def row_weights() -> ndarray:
    """Return (44,): how well a mean pose predicts each row; the trunk counts most."""
    out = np.empty(len(ANATOMICAL))
    for i, name in enumerate(ANATOMICAL):
        plain = name.removeprefix("left_").removeprefix("right_")
        out[i] = _WEIGHTS.get(plain, _WEIGHTS.get(plain.split("_")[-1], 0.0))
    return out


class Starts(NamedTuple):
    """Candidate starts.

    Attributes:
        variables: (H, D) mean pose with the root at one heading, translation 0.
        points: (H, 44, 3) m its keypoints. energies: (H,) of its mixture component. yaw: (H,) number of the heading.
        weights: (44,) from ``row_weights``.
    """

    variables: ndarray
    points: ndarray
    energies: ndarray
    yaw: ndarray
    weights: ndarray


def make_starts(model: FitModel, prior: PriorArrays, down: ndarray | None = None) -> Starts:
    """Build the candidates for a body and a prior: every component's mean, turned about gravity.

    Args:
        down: direction of gravity in the camera frame; straight down if None.
    """
    down = np.array([0.0, 1.0, 0.0]) if down is None else np.asarray(down, np.float64)
    turns = rotvec_to_matrix(down * (2 * np.pi * np.arange(NUM_YAWS) / NUM_YAWS)[:, None])
    variables, points, energies, yaws = [], [], [], []
    w = workspace(model)
    for k, mean in enumerate(np.asarray(prior.means, np.float64)):
        upright = _shortest(mean[:3] / max(np.linalg.norm(mean[:3]), 1e-9), down)
        heading = np.arctan2(*(upright @ np.array([0.0, 0.0, 1.0]))[[0, 2]])
        for n, turn in enumerate(turns):
            x = np.zeros(num_variables(model))
            x[:3] = matrix_to_rotvec(turn @ upright)
            x[3:72] = mean[3:]
            forward(model, x, w)
            for row in range(44):
                keypoint(model, x, row, w)
            variables.append(x)
            points.append(w.points.copy())
            energies.append(prior.energies[k])
            yaws.append(round(n + heading * NUM_YAWS / (2 * np.pi)) % NUM_YAWS)
    return Starts(np.array(variables), np.array(points), np.array(energies, np.float64), np.array(yaws), row_weights())


def turned(starts: Starts, model: FitModel, old: ndarray, new: ndarray) -> Starts:
    """Return the candidates turned about their pelvis, so that gravity points along ``new`` where it was ``old``."""
    turn, pelvis = _shortest(old, new), model.joints[0]
    variables = starts.variables.copy()
    variables[:, :3] = matrix_to_rotvec(turn @ rotvec_to_matrix(variables[:, :3]))
    return starts._replace(variables=variables, points=(starts.points - pelvis) @ turn.T + pelvis)


def _shortest(source: ndarray, target: ndarray) -> ndarray:
    """Return the rotation matrix that takes one unit vector to another by the shortest way."""
    axis, cosine = np.cross(source, target), float(source @ target)
    length = np.linalg.norm(axis)
    if length < 1e-6:
        return np.eye(3) if cosine > 0 else rotvec_to_matrix(np.array([np.pi, 0, 0]))
    return rotvec_to_matrix(axis / length * np.arctan2(length, cosine))


@kernel
def place(starts: Starts, ev: Evidence, size: float, cost: ndarray, shift: ndarray) -> None:
    """Write the cost (H,) and the translation (H, 3) of every candidate.

    The translation solves, linearly, (x z - X - tx + x tz) = 0 over the keypoints, x being normalised pixels.
    """
    fx, fy, cx, cy = ev.camera[0], ev.camera[1], ev.camera[2], ev.camera[3]
    count = starts.points.shape[0]
    u, v, w = np.zeros(44), np.zeros(44), np.zeros(44)
    sw, su, sv, sq, total = 0.0, 0.0, 0.0, 0.0, 0.0
    for r in range(44):
        if ev.pixel_weight[r] > 0:
            u[r], v[r] = (ev.pixels[r, 0] - cx) / fx, (ev.pixels[r, 1] - cy) / fy
            w[r] = starts.weights[r]
            sw += w[r]
            su += w[r] * u[r]
            sv += w[r] * v[r]
            sq += w[r] * (u[r] * u[r] + v[r] * v[r])
    spread = SPREAD * size
    for h in range(count):
        b0, b1, b2 = 0.0, 0.0, 0.0
        p = starts.points[h]
        for r in range(44):
            if w[r] > 0:
                e0, e1 = u[r] * p[r, 2] - p[r, 0], v[r] * p[r, 2] - p[r, 1]
                b0 += w[r] * e0
                b1 += w[r] * e1
                b2 -= w[r] * (u[r] * e0 + v[r] * e1)
        tz = (b2 + (su * b0 + sv * b1) / sw) / max(sq - (su * su + sv * sv) / sw, 1e-12)
        shift[h, 0], shift[h, 1], shift[h, 2] = (b0 + su * tz) / sw, (b1 + sv * tz) / sw, tz
        total = starts.energies[h]
        if not tz > NEAR:
            total += 1e9
        for r in range(44):
            if w[r] > 0:
                z = max(p[r, 2] + tz, 0.1)
                ex = (fx * (p[r, 0] + shift[h, 0]) / z + cx - ev.pixels[r, 0]) / spread
                ey = (fy * (p[r, 1] + shift[h, 1]) / z + cy - ev.pixels[r, 1]) / spread
                total += 0.5 * w[r] * min(ex * ex + ey * ey, CLIP * CLIP)
        cost[h] = total


@kernel
def place_points(starts: Starts, ev: Evidence, cost: ndarray, shift: ndarray) -> None:
    """As ``place``, from 3D points: mean offset and clipped distance in units of 0.15 m."""
    for h in range(starts.points.shape[0]):
        sw = 0.0
        shift[h, :] = 0.0
        for r in range(44):
            if ev.point_weight[r] > 0:
                sw += starts.weights[r]
                for c in range(3):
                    shift[h, c] += starts.weights[r] * (ev.points[r, c] - starts.points[h, r, c])
        total = starts.energies[h]
        for c in range(3):
            shift[h, c] /= sw
        for r in range(44):
            if ev.point_weight[r] > 0:
                d2 = 0.0
                for c in range(3):
                    e = (starts.points[h, r, c] + shift[h, c] - ev.points[r, c]) / 0.15
                    d2 += e * e
                total += 0.5 * starts.weights[r] * min(d2, 9.0)
        cost[h] = total


@kernel
def best_yaws(starts: Starts, cost: ndarray, wanted: int, chosen: ndarray) -> int:
    """Write the cheapest candidates, at most one a heading, cheapest first; return how many."""
    taken = np.zeros(NUM_YAWS, np.bool_)
    count = 0
    for _ in range(wanted):
        best = -1
        for h in range(cost.shape[0]):
            if not taken[starts.yaw[h]] and cost[h] < 1e8 and (best < 0 or cost[h] < cost[best]):
                best = h
        if best < 0:
            break
        taken[starts.yaw[best]] = True
        chosen[count] = best
        count += 1
    return count
