"""Compiled inverse kinematics of a few joints: points and directions of the body are brought to where they should be.

Levenberg-Marquardt with the fitter's own rotations and ranges of motion. Derivatives are exact: a joint turns about
axes through its centre, and a point of the body below it moves by axis x lever (Featherstone, Rigid Body Dynamics
Algorithms, 2008, chapter 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.kinematics import multiply, rotation
from a3dgen.fit.limits import joint_limits
from a3dgen.geometry.skeleton import IS_BELOW, PARENTS

LIMIT_WEIGHT = 3.0
"""Pull back into a joint's range, 1 / rad."""
MOST_TURN = 0.4
"""No joint turns further than this in one step, rad: the derivatives hold no further."""
STEPS = 60
_PARENTS = np.asarray(PARENTS, np.int64)
_BELOW = np.ascontiguousarray(IS_BELOW)


@dataclass
class Goals:
    """What a solve is for; every row is a residual of three numbers, weighted.

    Attributes:
        rows: (joint, is a direction, local vector, target, weight): the joint's local point (m) should lie at the
            target (m), or its local direction should point along it. Weights are 1 / m for points.
    """

    rows: list[tuple[int, bool, ndarray, ndarray, float]] = field(default_factory=list)

    def point(self, joint: int, local: ndarray, target: ndarray, sd: float) -> Goals:
        """Want a point to lie at ``target`` to about ``sd`` m."""
        self.rows.append((joint, False, np.asarray(local, np.float64), np.asarray(target, np.float64), 1 / sd))
        return self

    def direction(self, joint: int, local: ndarray, target: ndarray, weight: float) -> Goals:
        """Want a direction to point along ``target`` (unit vectors)."""
        self.rows.append((joint, True, np.asarray(local, np.float64), np.asarray(target, np.float64), weight))
        return self


@kernel(inside=True)
def _pose(pose: ndarray, rest: ndarray, parents: ndarray, world: ndarray, left: ndarray, joints: ndarray) -> None:
    local = np.empty((3, 3))
    for j in range(24):
        rotation(pose[j, 0], pose[j, 1], pose[j, 2], local, left[j])
        if j == 0:
            for a in range(3):
                joints[0, a] = rest[0, a]
                for c in range(3):
                    world[0, a, c] = local[a, c]
        else:
            p = parents[j]
            multiply(world[p], local, world[j])
            for a in range(3):
                value = joints[p, a]
                for c in range(3):
                    value += world[p, a, c] * (rest[j, c] - rest[p, c])
                joints[j, a] = value


@kernel(inside=True)
def _solve(a: ndarray, b: ndarray, n: int) -> bool:
    """Solve a x = b in place for a symmetric positive definite (n, n); False if it is not."""
    for i in range(n):
        for j in range(i + 1):
            value = a[i, j]
            for k in range(j):
                value -= a[i, k] * a[j, k]
            if i == j:
                if value <= 1e-14:
                    return False
                a[i, i] = np.sqrt(value)
            else:
                a[i, j] = value / a[j, j]
    for i in range(n):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
        b[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[k, i] * b[k]
        b[i] /= a[i, i]
    return True


class _Task(NamedTuple):
    """What is solved: the tree, the free joints with their pull to the pose at hand, limits, and the packed goals."""

    rest: Float[ndarray, "24 3"]
    parents: ndarray
    below: ndarray
    free: ndarray
    stay: Float[ndarray, "f"]
    low: Float[ndarray, "69"]
    high: Float[ndarray, "69"]
    joint: ndarray
    is_direction: ndarray
    local: Float[ndarray, "g 3"]
    target: Float[ndarray, "g 3"]
    weight: Float[ndarray, "g"]


class _State(NamedTuple):
    """The body at a pose: rotations of joints in the world, left Jacobians, places, axes of the free joints."""

    world: Float[ndarray, "24 3 3"]
    left: Float[ndarray, "24 3 3"]
    joints: Float[ndarray, "24 3"]
    axes: Float[ndarray, "24 3 3"]


@kernel(inside=True)
@no_type_check
def _goal_row(task, state, g, jac, res):
    """Write the weighted residual (3,) of goal ``g`` and its derivatives (3, n)."""
    world, joints, local, target = state.world, state.joints, task.local, task.target
    j, w = task.joint[g], task.weight[g]
    q0 = world[j, 0, 0] * local[g, 0] + world[j, 0, 1] * local[g, 1] + world[j, 0, 2] * local[g, 2]
    q1 = world[j, 1, 0] * local[g, 0] + world[j, 1, 1] * local[g, 1] + world[j, 1, 2] * local[g, 2]
    q2 = world[j, 2, 0] * local[g, 0] + world[j, 2, 1] * local[g, 1] + world[j, 2, 2] * local[g, 2]
    if not task.is_direction[g]:
        q0, q1, q2 = q0 + joints[j, 0], q1 + joints[j, 1], q2 + joints[j, 2]
    res[0], res[1], res[2] = w * (q0 - target[g, 0]), w * (q1 - target[g, 1]), w * (q2 - target[g, 2])
    for f in range(task.free.shape[0]):
        a = task.free[f]
        l0, l1, l2 = q0, q1, q2
        if not task.is_direction[g]:
            l0, l1, l2 = q0 - joints[a, 0], q1 - joints[a, 1], q2 - joints[a, 2]
        for k in range(3):
            c = 3 * f + k
            if task.below[a, j]:
                e0, e1, e2 = state.axes[a, 0, k], state.axes[a, 1, k], state.axes[a, 2, k]
                jac[0, c] = w * (e1 * l2 - e2 * l1)
                jac[1, c] = w * (e2 * l0 - e0 * l2)
                jac[2, c] = w * (e0 * l1 - e1 * l0)
            else:
                jac[0, c], jac[1, c], jac[2, c] = 0.0, 0.0, 0.0


@kernel(inside=True)
@no_type_check
def _linearise(pose, start, task, state, normal, gradient):
    """Return the cost at a pose; write its normal equations (lower triangle) and gradient."""
    _pose(pose, task.rest, task.parents, state.world, state.left, state.joints)
    for f in range(task.free.shape[0]):
        j = task.free[f]
        multiply(state.world[task.parents[j]], state.left[j], state.axes[j])
    n = gradient.shape[0]
    jac, res = np.empty((3, n)), np.empty(3)
    value = 0.0
    normal[:, :] = 0.0
    gradient[:] = 0.0
    for g in range(task.joint.shape[0]):
        _goal_row(task, state, g, jac, res)
        for r in range(3):
            value += res[r] * res[r]
            for i in range(n):
                gradient[i] += jac[r, i] * res[r]
                for k in range(i + 1):
                    normal[i, k] += jac[r, i] * jac[r, k]
    for f in range(task.free.shape[0]):
        a = task.free[f]
        for k in range(3):
            c, v = 3 * f + k, 3 * (a - 1) + k
            pull = task.stay[f] * (pose[a, k] - start[a, k])
            value += pull * pull
            gradient[c] += task.stay[f] * pull
            normal[c, c] += task.stay[f] * task.stay[f]
            over = max(0.0, pose[a, k] - task.high[v]) - max(0.0, task.low[v] - pose[a, k])
            if over != 0.0:
                value += (LIMIT_WEIGHT * over) ** 2
                gradient[c] += LIMIT_WEIGHT**2 * over
                normal[c, c] += LIMIT_WEIGHT**2
    return value


@kernel(inside=True)
@no_type_check
def _advance(pose, free, normal, gradient, damping, step):
    """Move the free joints by one damped Gauss-Newton step; False if the equations cannot be solved."""
    n = gradient.shape[0]
    work = np.empty((n, n))
    for i in range(n):
        for k in range(i + 1):
            work[i, k] = normal[i, k]
        work[i, i] += damping * normal[i, i] + 1e-9
        step[i] = -gradient[i]
    if not _solve(work, step, n):
        return False
    longest = 0.0
    for i in range(n):
        longest = max(longest, abs(step[i]))
    share = min(1.0, MOST_TURN / longest) if longest > 0.0 else 1.0
    for f in range(free.shape[0]):
        for k in range(3):
            pose[free[f], k] += share * step[3 * f + k]
    return True


@kernel
@no_type_check
def _minimise(pose, task, steps):
    """Turn the free joints of ``pose`` in place until the cost no longer falls; return the cost."""
    n = 3 * task.free.shape[0]
    state = _State(np.empty((24, 3, 3)), np.empty((24, 3, 3)), np.empty((24, 3)), np.empty((24, 3, 3)))
    start, kept = pose.copy(), pose.copy()
    normal, gradient = np.empty((n, n)), np.empty(n)
    trial_normal, trial_gradient, step = np.empty((n, n)), np.empty(n), np.empty(n)
    cost, damping = np.inf, 1e-3
    for iteration in range(steps + 1):
        value = _linearise(pose, start, task, state, trial_normal, trial_gradient)
        if value < cost:
            gain = (cost - value) / (cost + 1e-12) if np.isfinite(cost) else 1.0
            cost = value
            kept[:, :] = pose
            normal[:, :] = trial_normal
            gradient[:] = trial_gradient
            damping = max(damping * 0.3, 1e-9)
            if gain < 1e-7:
                break
        else:
            damping *= 5.0
            if damping > 1e8:
                break
        if iteration == steps:
            break
        pose[:, :] = kept
        if not _advance(pose, task.free, normal, gradient, damping, step):
            damping *= 5.0
    pose[:, :] = kept
    return cost


def solve(
    pose: Float[ndarray, "24 3"],
    rest: Float[ndarray, "24 3"],
    joints: tuple[int, ...],
    goals: Goals,
    stay: tuple[float, ...] | float = 0.08,
) -> Float[ndarray, "24 3"]:
    """Return the pose with ``joints`` (not the root) turned so that the goals are met as well as can be.

    Args:
        pose: axis-angle, rad; targets are in the frame that joint 0 turns into, without translation.
        rest: rest joints under the person's shape, m.
        stay: pull of each joint to the pose at hand, 1 / rad.
    """
    low, high = joint_limits()
    out = np.ascontiguousarray(pose, np.float64).copy()
    joint, is_direction, local, target, weight = zip(*goals.rows, strict=True)
    task = _Task(
        np.ascontiguousarray(rest, np.float64),
        _PARENTS,
        _BELOW,
        np.array(joints, np.int64),
        np.broadcast_to(np.asarray(stay, np.float64), (len(joints),)).copy(),
        low,
        high,
        np.array(joint, np.int64),
        np.array(is_direction, np.bool_),
        np.array(local, np.float64),
        np.array(target, np.float64),
        np.array(weight, np.float64),
    )
    _minimise(out, task, STEPS)
    return out
