"""Synthetic truth of the fitter's benchmark: poses, cameras, noise and the error measures.

The protocol of the measured recipes (five activities, bodies of the open model, a camera at 2.5 to 6 m that shows a
person about 430 px tall, 25 keypoints with 3 px noise, focal length wrong by 5 %, any heading). It shares neither
code nor parameters with the shipped pose prior (``a3dgen.fit.pose_distribution``), which is what it tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import BodyData, forward_kinematics, keypoints_from_joints, rest_joints
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT

STAND, WALK, SIT, REACH, BEND = range(5)
SHARES = (0.3, 0.25, 0.15, 0.15, 0.15)
EVALUATED = [1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21]
CENTRE = 500.0
ROWS = 25


@dataclass(frozen=True)
class SyntheticPeople:
    """N people: pose (N, 72), betas (N, 10), transl (N, 3) m, focal (N,) px, its estimate, joints (N, 24, 3) m in the
    camera frame, clean and observed pixels (N, 25, 2), and whether each keypoint is given (N, 25)."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    focal: np.ndarray
    focal_estimate: np.ndarray
    joints: np.ndarray
    clean: np.ndarray
    pixels: np.ndarray
    given: np.ndarray


def _chain(*parts: tuple[str, np.ndarray]) -> np.ndarray:
    """Rotation vectors of turns (axis, degrees) multiplied from left to right."""
    out = None
    for axis, degrees in parts:
        turn = Rotation.from_euler(axis, np.asarray(degrees)[:, None], degrees=True)
        out = turn if out is None else out * turn
    return out.as_rotvec()


class _Draws:
    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n = rng, n
        self.activity = rng.choice(5, n, p=SHARES)

    def normal(self, mean: float | np.ndarray, sd: float) -> np.ndarray:
        return mean + sd * self.rng.standard_normal(self.n)

    def uniform(self, low: float, high: float) -> np.ndarray:
        return self.rng.uniform(low, high, self.n)

    def by_activity(self, *values: np.ndarray) -> np.ndarray:
        return np.choose(self.activity, values)


def sample_poses(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw (n, 69) axis-angle of joints 1..23: standing, walking, sitting, reaching, bending."""
    d = _Draws(rng, n)
    pose = np.zeros((n, 24, 3))
    bend = d.by_activity(
        d.normal(5, 8), d.normal(4, 6), d.normal(10, 12), d.normal(5, 10), np.clip(d.normal(45, 25), 0, 100)
    )
    twist, lateral = d.normal(0, 12), d.normal(0, 6)
    for name, share in (("spine1", 0.4), ("spine2", 0.35), ("spine3", 0.25)):
        parts = [("x", bend), ("y", twist), ("z", lateral)]
        pose[:, JOINT[name]] = _chain(*((a, v * share + d.normal(0, 3)) for a, v in parts))
    neck = (("x", d.normal(0, 10)), ("y", np.clip(d.normal(0, 18), -45, 45)), ("z", d.normal(0, 7)))
    head = (("x", d.normal(3, 10)), ("y", np.clip(d.normal(0, 15), -35, 35)), ("z", d.normal(0, 6)))
    pose[:, JOINT["neck"]], pose[:, JOINT["head"]] = _chain(*neck), _chain(*head)
    phase, size = d.uniform(0, 2 * np.pi), d.uniform(0.6, 1.5)
    for side, sign, shift in (("left", 1, 0.0), ("right", -1, np.pi)):
        _leg(pose, d, side, sign, phase + shift, size)
        _arm(pose, d, side, sign, phase + shift, size)
    return pose.reshape(n, 72)[:, 3:]


def _leg(pose: np.ndarray, d: _Draws, side: str, sign: int, phase: np.ndarray, size: np.ndarray) -> None:
    flex = d.by_activity(
        d.normal(5, 7), 28 * size * np.sin(phase) + 8, np.clip(d.normal(85, 12), 50, 115), d.normal(5, 10),
        np.clip(d.normal(60, 25), 0, 120),
    )  # fmt: skip
    knee = d.by_activity(
        np.abs(d.normal(6, 6)), np.abs(15 + 25.2 * size * (1 - np.cos(phase + 0.9))),
        np.clip(d.normal(85, 15), 30, 130), np.abs(d.normal(8, 8)), np.clip(d.normal(75, 30), 0, 140),
    )  # fmt: skip
    spread = d.normal(np.choose(d.activity, (3.0, 1.0, 8.0, 4.0, 10.0)), 6)
    pose[:, JOINT[f"{side}_hip"]] = _chain(("x", -flex), ("z", sign * spread), ("y", sign * d.normal(5, 9)))
    pose[:, JOINT[f"{side}_knee"]] = _chain(("x", np.clip(knee, 0, 145)), ("y", d.normal(0, 4)), ("z", d.normal(0, 2)))
    ankle = (("x", np.clip(d.normal(0, 10), -30, 30)), ("y", d.normal(0, 8)), ("z", d.normal(0, 5)))
    pose[:, JOINT[f"{side}_ankle"]] = _chain(*ankle)
    foot = (("x", np.clip(-np.abs(d.normal(0, 8)), -35, 0)), ("y", d.normal(0, 1)), ("z", d.normal(0, 1)))
    pose[:, JOINT[f"{side}_foot"]] = _chain(*foot)


def _arm(pose: np.ndarray, d: _Draws, side: str, sign: int, phase: np.ndarray, size: np.ndarray) -> None:
    raise_ = d.by_activity(
        np.clip(d.normal(-60, 22), -88, 60), np.clip(d.normal(-70, 7), -88, 0), np.clip(d.normal(-58, 15), -88, 0),
        d.uniform(-40, 75), np.clip(d.normal(-55, 20), -88, 30),
    )  # fmt: skip
    swing = d.by_activity(
        d.normal(8, 20), -28 * size * np.sin(phase) + 3, d.normal(30, 20), d.normal(5, 15), d.normal(40, 30)
    )
    azimuth = d.by_activity(d.normal(5, 15), d.normal(3, 8), d.normal(10, 15), d.uniform(-25, 95), d.normal(10, 20))
    flex = d.by_activity(
        np.abs(d.normal(25, 40)), np.abs(d.normal(30, 20)) * size, np.clip(d.normal(60, 30), 0, 140),
        np.abs(d.normal(15, 25)), np.abs(d.normal(40, 35)),
    )  # fmt: skip
    collar = (("x", d.normal(0, 3)), ("y", d.normal(0, 6)), ("z", sign * d.normal(0, 6)))
    pose[:, JOINT[f"{side}_collar"]] = _chain(*collar)
    shoulder = (("x", -swing), ("y", -sign * azimuth), ("z", sign * raise_), ("x", d.normal(-5, 22)))
    pose[:, JOINT[f"{side}_shoulder"]] = _chain(*shoulder)
    elbow = (("y", -sign * np.clip(flex, 0, 145)), ("x", d.normal(0, 15)), ("z", d.normal(0, 3)))
    pose[:, JOINT[f"{side}_elbow"]] = _chain(*elbow)
    wrist = (("x", d.normal(0, 12)), ("y", d.normal(0, 12)), ("z", d.normal(0, 15)))
    pose[:, JOINT[f"{side}_wrist"]] = _chain(*wrist)
    pose[:, JOINT[f"{side}_hand"]] = _chain(("z", -sign * np.abs(d.normal(0, 12))), ("y", d.normal(0, 3)))


def sample_roots(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw (n, 3) root rotations in the camera frame: upright within about 10 degrees, any heading."""
    tilt = np.stack([rng.normal(8, 10, n), np.zeros(n), rng.normal(0, 5, n)], 1)
    heading = rng.uniform(-180, 180, n)
    turned = Rotation.from_euler("x", np.full((n, 1), 180.0), degrees=True) * Rotation.from_euler(
        "xyz", tilt, degrees=True
    )
    return (turned * Rotation.from_euler("y", heading[:, None], degrees=True)).as_rotvec()


def posed(body: BodyData, pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (N, 24, 3) and keypoints (N, 25, 3), m, without translation."""
    rest = rest_joints(body, betas)
    world, joints = forward_kinematics(rotvec_to_matrix(pose.reshape(-1, 24, 3)), rest)
    return joints, keypoints_from_joints(body, world, joints, betas)[:, :ROWS]


def make_scene(
    body: BodyData,
    n: int,
    seed: int,
    noise: float = 3.0,
    missing: float = 0.0,
    outliers: float = 0.0,
    focal: float = 0.05,
) -> SyntheticPeople:
    """Draw n people.

    Args:
        noise: px, standard deviation. missing: chance that a keypoint is not given. outliers: chance that one is
            off by 80 px more. focal: relative error of the focal length.
    """
    rng = np.random.default_rng(seed)
    pose = np.concatenate([np.zeros((n, 3)), sample_poses(rng, n)], 1)
    betas = np.clip(rng.standard_normal((n, 10)), -2.5, 2.5)
    pose[:, :3] = sample_roots(rng, n)
    distance = rng.uniform(2.5, 6, n)
    lens = 500 * distance / 1.7
    sideways = [rng.uniform(-s, s, n) * distance * 0.5 for s in (0.15, 0.1)]
    transl = np.stack([*sideways, distance], 1)
    joints, points = posed(body, pose, betas)
    clean = pixels_of(points + transl[:, None], lens)
    seen = clean + noise * rng.standard_normal(clean.shape)
    given = rng.random(clean.shape[:2]) >= missing
    wild = rng.random(given.shape) < outliers
    seen[wild] += rng.normal(0, 80, seen[wild].shape)
    estimate = lens * (1 + focal * rng.standard_normal(n))
    return SyntheticPeople(pose, betas, transl, lens, estimate, joints + transl[:, None], clean, seen, given)


def pixels_of(points: np.ndarray, focal: np.ndarray) -> np.ndarray:
    """Project (N, K, 3) m to px."""
    return points[..., :2] / points[..., 2:] * focal[:, None, None] + CENTRE


def aligned_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (N,) mean distance after the best similarity transform of each a onto b (Procrustes)."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.einsum("nka,nkb->nab", a, b))
    signs = np.ones((len(a), 3))
    signs[:, 2] = np.linalg.det(u @ vt)
    rotation = np.einsum("nab,nb,nbc->nac", u, signs, vt)
    scale = (s * signs).sum(1) / (a**2).sum((1, 2))
    return np.linalg.norm(scale[:, None, None] * np.einsum("nka,nab->nkb", a, rotation) - b, axis=2).mean(1)


def errors(scene: SyntheticPeople, joints: np.ndarray, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return per-person errors: mpjpe, pa_mpjpe, depth, lateral (mm, 14 joints, hip centre) and reproj (px)."""
    root = lambda p: p - p[:, [1, 2]].mean(1, keepdims=True)  # noqa: E731
    gap = (root(joints) - root(scene.joints))[:, EVALUATED] * 1000
    distance = np.linalg.norm(pixels - scene.pixels, axis=2) * scene.given
    return {
        "mpjpe_mm": np.linalg.norm(gap, axis=2).mean(1),
        "pa_mpjpe_mm": aligned_error(joints[:, EVALUATED], scene.joints[:, EVALUATED]) * 1000,
        "depth_mm": np.abs(gap[..., 2]).mean(1),
        "lateral_mm": np.linalg.norm(gap[..., :2], axis=2).mean(1),
        "reproj_px": distance.sum(1) / np.maximum(scene.given.sum(1), 1),
    }


NOISE, MIN_NOISE = 0.01, 2.0
"""Label noise as the fit stage assumes it: share of the person's size, and least px."""


def observe(scene: SyntheticPeople, i: int) -> Observation:
    """Return one person of a scene as the fitter is given it."""
    given = scene.given[i]
    pixels, sd = np.zeros((44, 2)), np.full(44, np.inf)
    pixels[:ROWS] = scene.pixels[i]
    size = float(np.ptp(scene.pixels[i][given], axis=0).max())
    sd[:ROWS][given] = max(NOISE * size, MIN_NOISE)
    focal = scene.focal_estimate[i]
    return Observation(pixels, sd, np.array([[focal, 0, CENTRE], [0, focal, CENTRE], [0, 0, 1]]), size)
