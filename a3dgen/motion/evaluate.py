"""Joints of recorded frames, compiled: rotations, pose features, forward kinematics and the folded regressor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.motion.joint_model import FoldedModel

BATCH = 256
"""Frames evaluated at a time: what they need stays in the cache of a core."""
_SMALL = 1e-8
_NEARLY_ONE = 0.9999999


class Frames(NamedTuple):
    """Frames of one sequence: poses (N, 3 K) rad axis-angle, joint by joint; trans (N, 3) m; soft (N, D) DMPLs."""

    poses: ndarray
    trans: ndarray
    soft: ndarray

    def part(self, start: int, stop: int) -> Frames:
        return Frames(*(a[start:stop] for a in self))

    def at(self, index: ndarray) -> Frames:
        return Frames(*(a[index] for a in self))


class Joints(NamedTuple):
    """rows (N, J, 3) m: the regressed joints; skeleton (N, 24, 3) m: SMPL's joint centres; both in the world."""

    rows: ndarray
    skeleton: ndarray


def joints_at(model: FoldedModel, rows: int, smpl: Integer[ndarray, "24"], frames: Frames) -> Joints:
    """Return the joints (f8) of every frame."""
    rotations = np.empty((min(BATCH, len(frames.poses)), len(model.parents), 3, 3))
    out = _empty(len(frames.poses), rows)
    for a in range(0, len(frames.poses), BATCH):
        part = frames.part(a, a + BATCH)
        turn(model.turned, part.poses, rotations)
        _evaluate(model, smpl, rotations, part.trans, part.soft, out, a)
    return out


def joints_between(
    model: FoldedModel,
    rows: int,
    smpl: Integer[ndarray, "24"],
    frames: Frames,
    index: Integer[ndarray, " m"],
    share: Float[ndarray, " m"],
) -> Joints:
    """Return the joints (f8) of poses between frames: rotations by slerp, translation and DMPLs linearly.

    Args:
        index, share: as ``rates.frame_places`` gives them.
    """
    after = index + (share > 0)
    rotations = np.empty((min(BATCH, len(index)), len(model.parents), 3, 3))
    out = _empty(len(index), rows)
    for a in range(0, len(index), BATCH):
        b = slice(a, a + BATCH)
        first, second, u = frames.at(index[b]), frames.at(after[b]), share[b, None]
        slerp(model.turned, first.poses, second.poses, share[b], rotations)
        trans, soft = (p * (1 - u) + q * u for p, q in zip(first[1:], second[1:], strict=True))
        _evaluate(model, smpl, rotations, trans, soft, out, a)
    return out


def local_rotations(
    poses: Float[ndarray, "n q"],
    joints: Integer[ndarray, " k"],
    index: Integer[ndarray, " m"],
    share: Float[ndarray, " m"],
) -> Float[ndarray, "m k 3 3"]:
    """Return parent-relative rotation matrices (f8) of some joints between frames, by slerp."""
    out = np.empty((len(index), poses.shape[1] // 3, 3, 3))
    slerp(joints, poses[index], poses[index + (share > 0)], share, out)
    return out[:, joints]


def _empty(count: int, rows: int) -> Joints:
    return Joints(np.zeros((count, rows, 3)), np.empty((count, 24, 3)))


def _evaluate(
    model: FoldedModel, smpl: ndarray, rotations: ndarray, trans: ndarray, soft: ndarray, out: Joints, start: int
) -> None:
    count, lines = len(trans), len(model.linear)
    local = np.broadcast_to(model.base, (count, len(model.base)))
    if lines:
        feature = np.empty((count, lines), np.float32)
        features(model.turned, rotations, soft, feature)
        local = feature @ model.linear
        local += model.base
    stop = start + count
    chain(model, smpl, rotations, local, trans, soft, out.rows[start:stop], out.skeleton[start:stop])


@kernel(inline=True)
def exponential(x: float, y: float, z: float, out: ndarray) -> None:
    """Write exp([v]) of one axis-angle vector (Rodrigues)."""
    square = x * x + y * y + z * z
    angle = np.sqrt(square)
    s, c = 1.0 - square / 6.0, 0.5 - square / 24.0
    if angle > _SMALL:
        s, c = np.sin(angle) / angle, 2.0 * (np.sin(0.5 * angle) / angle) ** 2
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y
    out[1, 0], out[1, 1], out[1, 2] = c * x * y + s * z, 1.0 - c * (x * x + z * z), c * y * z - s * x
    out[2, 0], out[2, 1], out[2, 2] = c * x * z - s * y, c * y * z + s * x, 1.0 - c * (x * x + y * y)


@kernel
def turn(joints: ndarray, poses: ndarray, out: ndarray) -> None:
    """Write the rotations (N, K, 3, 3) of some joints, from axis-angle vectors (N, 3 K)."""
    for n in range(len(poses)):
        for j in joints:
            exponential(poses[n, 3 * j], poses[n, 3 * j + 1], poses[n, 3 * j + 2], out[n, j])


@kernel(inline=True)
def quaternion(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Return the unit quaternion (w, x, y, z) of an axis-angle vector."""
    half = 0.5 * np.sqrt(x * x + y * y + z * z)
    s = 0.5 if half < _SMALL else 0.5 * np.sin(half) / half
    return np.cos(half), s * x, s * y, s * z


@kernel
def slerp(joints: ndarray, first: ndarray, second: ndarray, share: ndarray, out: ndarray) -> None:
    """Write rotations (N, K, 3, 3) on the shorter arc from one pose to the other (Shoemake 1985); share 0 is the first.

    Where the two are nearly the same, the chord is divided instead of the arc.
    """
    for n in range(len(first)):
        u = share[n]
        for j in joints:
            ax, ay, az = first[n, 3 * j], first[n, 3 * j + 1], first[n, 3 * j + 2]
            if u == 0.0:
                exponential(ax, ay, az, out[n, j])
                continue
            p = quaternion(ax, ay, az)
            q = quaternion(second[n, 3 * j], second[n, 3 * j + 1], second[n, 3 * j + 2])
            dot = p[0] * q[0] + p[1] * q[1] + p[2] * q[2] + p[3] * q[3]
            sign = -1.0 if dot < 0.0 else 1.0
            dot = abs(dot)
            a, b = 1.0 - u, u
            if dot < _NEARLY_ONE:
                angle = np.arccos(dot)
                a, b = np.sin(a * angle), np.sin(b * angle)
            b *= sign
            w, x, y, z = (a * p[0] + b * q[0], a * p[1] + b * q[1], a * p[2] + b * q[2], a * p[3] + b * q[3])
            scale = 2.0 / (w * w + x * x + y * y + z * z)
            o = out[n, j]
            o[0, 0], o[0, 1], o[0, 2] = 1 - scale * (y * y + z * z), scale * (x * y - w * z), scale * (x * z + w * y)
            o[1, 0], o[1, 1], o[1, 2] = scale * (x * y + w * z), 1 - scale * (x * x + z * z), scale * (y * z - w * x)
            o[2, 0], o[2, 1], o[2, 2] = scale * (x * z - w * y), scale * (y * z + w * x), 1 - scale * (x * x + y * y)


@kernel
def features(turned: ndarray, rotations: ndarray, soft: ndarray, out: ndarray) -> None:
    """Write pose features (rotation minus identity) of the turned joints below the root, then the DMPLs, as f4."""
    pose = out.shape[1] - soft.shape[1]
    for n in range(len(out)):
        for t in range(pose // 9):
            r = rotations[n, turned[t + 1]]
            for a in range(3):
                for b in range(3):
                    out[n, 9 * t + 3 * a + b] = r[a, b] - (1.0 if a == b else 0.0)
        for b in range(soft.shape[1]):
            out[n, pose + b] = soft[n, b]


@kernel
def chain(
    model: FoldedModel,
    smpl: ndarray,
    rotations: ndarray,
    local: ndarray,
    trans: ndarray,
    soft: ndarray,
    rows: ndarray,
    skeleton: ndarray,
) -> None:
    """Chain the rotations down the tree and add every pair to its row; ``rows`` must be zero."""
    count = len(model.parents)
    world, place, rest = np.empty((count, 3, 3)), np.empty((count, 3)), np.empty((count, 3))
    for n in range(len(trans)):
        for j in model.chained:
            for a in range(3):
                value = model.joints[j, a]
                for b in range(soft.shape[1]):
                    value += model.joint_soft[j, a, b] * soft[n, b]
                rest[j, a] = value
            p = model.parents[j]
            if p < 0:
                world[j], place[j] = rotations[n, j], rest[j]
                continue
            x, y, z = rest[j, 0] - rest[p, 0], rest[j, 1] - rest[p, 1], rest[j, 2] - rest[p, 2]
            r = rotations[n, j]
            for a in range(3):
                g0, g1, g2 = world[p, a, 0], world[p, a, 1], world[p, a, 2]
                place[j, a] = place[p, a] + g0 * x + g1 * y + g2 * z
                for c in range(3):
                    world[j, a, c] = g0 * r[0, c] + g1 * r[1, c] + g2 * r[2, c]
        for i in range(len(model.row)):
            j, w = model.joint[i], model.weight[i]
            x = local[n, 3 * i] - w * rest[j, 0]
            y = local[n, 3 * i + 1] - w * rest[j, 1]
            z = local[n, 3 * i + 2] - w * rest[j, 2]
            for a in range(3):
                rows[n, model.row[i], a] += (
                    world[j, a, 0] * x + world[j, a, 1] * y + world[j, a, 2] * z + w * place[j, a]
                )
        for r in range(rows.shape[1]):
            for a in range(3):
                rows[n, r, a] += trans[n, a]
        for k in range(len(smpl)):
            for a in range(3):
                skeleton[n, k, a] = place[smpl[k], a] + trans[n, a]
