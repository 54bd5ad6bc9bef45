"""Makes motion clips from still poses: minimum-jerk slerp between key poses, joints a little out of step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from a3dgen.fit.pose_distribution import mirror_features, sample_poses
from a3dgen.geometry.skeleton import NUM_JOINTS

KEYS = 7
"""Key poses of a clip, unless it is longer."""
SECONDS_A_KEY = 0.8
GAIT = 0.35
"""Share of clips that alternate between a pose and its mirror image, as gait does."""
LAG = 0.08
"""Joints run early or late by at most this, s."""
UP = np.array([0.0, 0.0, 1.0])


Draw = Callable[[Generator, int], ndarray]
"""Draws (K, 72) still poses: gravity in the pelvis frame (3), joints 1..23 (69, rad)."""


def make_clip(
    rng: Generator, frames: int, fps: float, draw: Draw = sample_poses
) -> tuple[Float[ndarray, "n 24 3"], Float[ndarray, "n 3"]]:
    """Return one clip in a world with Z up, as AMASS has it: poses (axis-angle, rad) and translation (m).

    Key poses come from ``draw``, the project's own pose distribution; a clip alternates between a pose and its mirror
    image (like gait), or goes from pose to pose, some of them a small change of the one before. The heading drifts, and
    the body moves along it.
    """
    count = max(KEYS, int(frames / fps / SECONDS_A_KEY) + 3)
    features = _keys(rng, count, draw)
    heading = rng.uniform(-np.pi, np.pi) + np.cumsum(rng.normal(0, 0.35, count))
    times = np.cumsum(rng.uniform(0.35, 1.2, count))
    keys = np.concatenate([_roots(features[:, :3], heading)[:, None], features[:, 3:].reshape(count, -1, 3)], 1)
    seconds = times[0] + np.arange(frames) / fps
    poses = _between(rng, keys, times, seconds)
    direction = np.interp(seconds, times, heading)
    speed = rng.uniform(0, 1.2) / fps
    steps = speed * np.stack([np.cos(direction), np.sin(direction), np.zeros(frames)], 1)
    bob = 0.02 * np.sin(2 * np.pi * 1.8 * seconds)[:, None] * UP
    return poses, np.cumsum(steps, 0) + bob + [*rng.uniform(-1, 1, 2), 1.0]


def _keys(rng: Generator, count: int, draw: Draw) -> Float[ndarray, "k 72"]:
    keys = draw(rng, count)
    gait = rng.random() < GAIT
    for k in range(1, count):
        if gait:
            keys[k] = mirror_features(keys[k - 1 : k].copy())[0]
            keys[k, 3:] += 0.04 * rng.standard_normal(keys.shape[1] - 3)
        elif rng.random() < 0.4:
            share = rng.uniform(0.1, 0.4)
            keys[k] = (1 - share) * keys[k - 1] + share * keys[k]
    return keys


def _roots(gravity: Float[ndarray, "k 3"], heading: Float[ndarray, " k"]) -> Float[ndarray, "k 3"]:
    """Return root rotations (world) that bring gravity in the pelvis frame to where it points in a world with Z up."""
    unit = gravity / np.linalg.norm(gravity, axis=1, keepdims=True)
    axis = np.cross(unit, -UP)
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    upright = Rotation.from_rotvec(axis / np.maximum(sine, 1e-9) * np.arctan2(sine, -unit @ UP[:, None]))
    return (Rotation.from_rotvec(heading[:, None] * UP) * upright).as_rotvec()


def _between(
    rng: Generator, keys: Float[ndarray, "k 24 3"], times: Float[ndarray, " k"], seconds: Float[ndarray, " n"]
) -> Float[ndarray, "n 24 3"]:
    lag = rng.uniform(-LAG, LAG, NUM_JOINTS) * (np.arange(NUM_JOINTS) > 0)
    at = seconds[:, None] + lag
    i = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    u = np.clip((at - times[i]) / (times[i + 1] - times[i]), 0, 1)
    u = u**3 * (10 - 15 * u + 6 * u * u)  # minimum jerk (Flash and Hogan 1985)
    j = np.arange(NUM_JOINTS)
    first, second = (Rotation.from_rotvec(keys[k, j].reshape(-1, 3)) for k in (i, i + 1))
    arc = (first.inv() * second).as_rotvec() * u.reshape(-1, 1)
    return (first * Rotation.from_rotvec(arc)).as_rotvec().reshape(*at.shape, 3)
