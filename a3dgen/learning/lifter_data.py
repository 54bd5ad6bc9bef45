"""Training windows of the lifter: clips of poses, seen by made-up cameras and a noisy detector.

Everything is drawn by ``generator_for(seed, purpose, number)``: what step n sees does not depend on the steps before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from a3dgen.core.rng import generator_for
from a3dgen.fit.pose_distribution import sample_poses
from a3dgen.geometry.body import BodyData, forward_kinematics, rest_joints
from a3dgen.geometry.regions import NUM_REGIONS, absent_rows
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import ROW
from a3dgen.learning.windows import FPS, POINTS, WINDOW, fill_between, normalise, turned_by
from a3dgen.motion.clips import make_clip

CLIP_FRAMES = 81
"""Frames of a training clip."""
Z_UP_TO_CAMERA = Rotation.from_euler("x", 90, degrees=True)
"""A world with Z up, as AMASS has it, to a camera that looks level (y down)."""
DEPTH, TILT = (2.0, 9.0), 8.0
"""Distance of the person, m; standard deviation of the camera's tilt, degrees."""
NOISE, MISSING, OUTLIERS = 0.010, 0.08, 0.012
"""Standard deviation of a point (share of the person's size), and chances that one is missing or far off."""
OUTLIER_SIZE = 0.2
COCO, CUT = 0.35, 0.2
"""Shares of windows without feet, neck and mid hip, and of windows that begin or end with the clip."""
TOLD = 0.7
"""Share of amputees whose absent regions are told."""
MAX_BETA = 2.5
CHUNK = 250
"""Clips made at a time."""

_FEET = [ROW[f"body_{side}_{n}"] for side in ("left", "right") for n in ("big_toe", "small_toe", "heel")]
_MADE = [ROW["body_neck"], ROW["body_mid_hip"]]

Poses = Callable[[Generator, int], Float[ndarray, "n 81 24 3"]]
"""Draws n clips: rotation vectors (rad) at 25 fps, joint 0 in a world with Z up."""


def own_poses(rng: Generator, count: int) -> Float[ndarray, "n 81 24 3"]:
    """Draw clips of the project's own motion; their key poses all at once, which is much faster."""
    keys = sample_poses(rng, 8 * count)
    used = 0

    def next_ones(_: Generator, n: int) -> ndarray:
        nonlocal used
        used += n
        return keys[used - n : used].copy()

    return np.stack([make_clip(rng, CLIP_FRAMES, FPS, next_ones)[0] for _ in range(count)])


@dataclass
class Clips:
    """N clips: rotations (N, 81, 24, 3, 3), joint 0 in a level camera; points (N, 81, 25, 3) m about the pelvis; betas
    (N, B)."""

    rotations: Float[ndarray, "n t 24 3 3"]
    points: Float[ndarray, "n t 25 3"]
    betas: Float[ndarray, "n b"]


@dataclass(frozen=True)
class Windows:
    """B training windows: inputs (B, 27, C) f4, rotations (B, 24, 3, 3) of the middle frame as the turned camera sees
    it, betas (B, K)."""

    inputs: Float[ndarray, "b w c"]
    rotations: Float[ndarray, "b 24 3 3"]
    betas: Float[ndarray, "b k"]


def make_clips(body: BodyData, poses: Poses, seed: int, chunk: int) -> Clips:
    """Make chunk number ``chunk`` of clips."""
    rng = generator_for(seed, "lifter clips", str(chunk))
    pose = poses(rng, CHUNK)
    pose[:, :, 0] = (Z_UP_TO_CAMERA * Rotation.from_rotvec(pose[:, :, 0].reshape(-1, 3))).as_rotvec().reshape(
        CHUNK, -1, 3
    )  # fmt: skip
    betas = np.clip(rng.standard_normal((CHUNK, min(10, body.num_betas))), -MAX_BETA, MAX_BETA)
    turned = rotvec_to_matrix(pose)
    points = np.stack([body_points_of(body, r, b) for r, b in zip(turned, betas, strict=True)])
    return Clips(turned.astype(np.float32), points.astype(np.float32), betas.astype(np.float32))


def body_points_of(
    body: BodyData, rotations: Float[ndarray, "t 24 3 3"], betas: Float[ndarray, " b"]
) -> Float[ndarray, "t 25 3"]:
    """Return the 25 points of BODY_25 (m, pelvis at the origin) of one person in T poses."""
    world, joints = forward_kinematics(rotations, np.broadcast_to(rest_joints(body, betas), (len(rotations), 24, 3)))
    k = body.keypoints
    pairs = np.flatnonzero(k.row < POINTS)
    offset = k.offset[pairs] + k.dirs[pairs, :, : len(betas)] @ betas
    terms = np.einsum("tpij,pj->tpi", world[:, k.joint[pairs]], offset)
    terms += k.weight[pairs, None] * joints[:, k.joint[pairs]]
    spread = np.zeros((POINTS, len(pairs)))
    spread[k.row[pairs], np.arange(len(pairs))] = 1
    return np.einsum("rp,tpi->tri", spread, terms) - joints[:, :1]


def make_windows(clips: list[Clips], rng: Generator, count: int, amputees: float) -> Windows:
    """Draw windows of clips and look at them."""
    chunk, clip = rng.integers(len(clips), size=count), rng.integers(CHUNK, size=count)
    first = rng.integers(CLIP_FRAMES - WINDOW + 1, size=count)
    cut = [clips[c] for c in chunk]
    points = np.stack([c.points[n, f : f + WINDOW] for c, n, f in zip(cut, clip, first, strict=True)])
    turned = np.stack([c.rotations[n, f + WINDOW // 2] for c, n, f in zip(cut, clip, first, strict=True)])
    betas = np.stack([c.betas[n] for c, n in zip(cut, clip, strict=True)])
    view = _views(rng, count)
    places, size = _seen(rng, turned_by(view, points))
    removed = np.zeros((count, NUM_REGIONS), bool)
    removed[np.arange(count), rng.integers(NUM_REGIONS, size=count)] = rng.random(count) < amputees
    places, conf = _detected(rng, places, size, removed)
    told = removed & (rng.random(count) < TOLD)[:, None]
    inputs, turn = normalise(places, conf, told)
    turned[:, 0] = turn @ view @ turned[:, 0]
    return Windows(inputs, turned.astype(np.float32), betas)


def _views(rng: Generator, count: int) -> Float[ndarray, "b 3 3"]:
    """Any heading, then a camera's tilt."""
    heading = Rotation.from_rotvec(rng.uniform(-np.pi, np.pi, (count, 1)) * [0.0, 1.0, 0.0])
    tilt = Rotation.from_rotvec(np.radians(TILT) * rng.standard_normal((count, 3)) * [1.0, 0.0, 0.6])
    return (tilt * heading).as_matrix()


def _seen(rng: Generator, points: Float[ndarray, "b w k 3"]) -> tuple[Float[ndarray, "b w k 2"], Float[ndarray, " b"]]:
    """Return places on the plane at depth 1 of people who walk through the picture, and their size there."""
    count = len(points)
    depth = rng.uniform(*DEPTH, count)
    start = np.stack([rng.uniform(-0.45, 0.45, count) * depth, rng.uniform(-0.3, 0.3, count) * depth, depth], 1)
    way = rng.normal(0, 0.4, (count, 1, 3)) * np.linspace(-0.5, 0.5, WINDOW)[:, None]
    there = points + (start[:, None] + way)[:, :, None]
    places = there[..., :2] / np.maximum(there[..., 2:], 0.3)
    places *= np.exp(0.05 * rng.standard_normal(count))[:, None, None, None]  # a focal length that is a guess
    middle = places[:, WINDOW // 2]
    return places, (middle.max(1) - middle.min(1)).max(1)


def _detected(
    rng: Generator, places: Float[ndarray, "b w k 2"], size: Float[ndarray, " b"], removed: Bool[ndarray, "b 12"]
) -> tuple[Float[ndarray, "b w k 2"], Float[ndarray, "b w k"]]:
    """Return points as a detector has them: noise that is partly the same for the whole window, gaps, outliers."""
    count, shape = len(places), places.shape
    level = (rng.uniform(0.3, 1.6, count) * NOISE * size)[:, None, None, None]
    slow = rng.standard_normal((count, 1, *shape[2:]), np.float32)
    places = places + level * (0.8 * rng.standard_normal(shape, np.float32) + 0.5 * slow)
    wild = rng.random(shape[:3], np.float32) < OUTLIERS
    places = places + wild[..., None] * (OUTLIER_SIZE * size)[:, None, None, None] * rng.standard_normal(
        shape, np.float32
    )
    there = rng.random(shape[:3], np.float32) >= (2 * MISSING * rng.random(count))[:, None, None]
    there &= rng.random((count, 1, POINTS)) >= MISSING / 3
    coco = rng.random(count) < COCO
    there[:, :, _FEET + _MADE] &= ~coco[:, None, None]
    there &= ~absent_rows(removed)[:, None, :POINTS]
    _cut(rng, there)
    conf = there.astype(np.float64)
    fill_between(places, conf)
    return places, conf


def _cut(rng: Generator, there: Bool[ndarray, "b w k"]) -> None:
    """Hide what lies before a clip's first or behind its last frame."""
    count = len(there)
    length = rng.integers(1, WINDOW // 2 + 1, size=count) * (rng.random(count) < CUT)
    frame, before = np.arange(WINDOW), rng.random(count) < 0.5
    outside = np.where(before[:, None], frame < length[:, None], frame >= WINDOW - length[:, None])
    there[outside] = False
