"""Benchmark of sequences: ``a3dgen bench uplift [--json] [--quick] [--only VARIANT]``.

Synthetic clips with truth, fixed seed: 25 fps, 25 keypoints, 3 px, focal length 5 % off. Key poses are those of
``benchmarks.synthetic``, which have nothing in common with the shipped prior. Compared are frames fitted one by one,
together (``a3dgen.fit.sequence``), together with the lifter's candidates, and what the lifter says alone. MPJPE and PA
(mm) over 14 joints, hip centre; MPJAE (degrees) over all; acceleration error (m/s^2); of amputees over the joints that
exist. ``--others`` takes 24 other clips.
"""

from __future__ import annotations

import argparse
import json as json_text
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.analysis.sequences import angles
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.lifted import Lift, lift, lifted_minima
from a3dgen.fit.observation import Fit, Observation
from a3dgen.fit.sequence import fit_sequence
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.regions import NUM_REGIONS, absent_joints, absent_rows
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.learning.lifter import Lifter
from a3dgen.motion.clips import make_clip
from benchmarks.synthetic import (
    CENTRE,
    EVALUATED,
    MIN_NOISE,
    NOISE,
    ROWS,
    aligned_error,
    posed,
    sample_poses,
    sample_roots,
)

SEQUENCES, FRAMES, FPS = 24, 81, 25.0
VARIANTS: dict[str, dict[str, Any]] = {
    "synthetic": {},
    "missing15_outliers3": {"missing": 0.15, "outliers": 0.03},
    "amputees": {"amputees": True},
}


@dataclass(frozen=True)
class Clip:
    """One person over time, as the camera sees it.

    joints: (T, 24, 3) m, camera frame. rotations: (T, 24, 3, 3) parent-relative. seen: (T) what a fitter is given.
    present: (24,) joints that exist.
    """

    joints: ndarray
    rotations: ndarray
    seen: list[Observation]
    present: ndarray


def still_poses(rng: np.random.Generator, count: int) -> ndarray:
    """Return (K, 72) features of the benchmark's own poses: gravity in the pelvis frame, joints below."""
    gravity = Rotation.from_rotvec(sample_roots(rng, count)).inv().apply([0.0, 1.0, 0.0])
    return np.concatenate([gravity, sample_poses(rng, count)], 1)


def make_clips(
    body: BodyData,
    count: int,
    missing: float = 0.0,
    outliers: float = 0.0,
    amputees: bool = False,
    noise: float = 3.0,
    first: int = 0,
) -> list[Clip]:
    """Return ``count`` clips, from number ``first``; the same motion, people and cameras whatever is seen of them."""
    return [_clip(body, n, missing, outliers, amputees, noise) for n in range(first, first + count)]


def _clip(body: BodyData, n: int, missing: float, outliers: float, amputee: bool, noise: float) -> Clip:
    rng = generator_for(11, "uplift benchmark", str(n))
    pose, _ = make_clip(rng, FRAMES, FPS, still_poses)
    turned = Rotation.from_euler("x", 90 + rng.normal(0, 5), degrees=True)  # a world with Z up to a camera with y down
    pose[:, 0] = (turned * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    betas = np.clip(rng.standard_normal(10), -2.5, 2.5)
    depth = rng.uniform(2.5, 6)
    place = np.array([rng.uniform(-0.3, 0.3) * depth, rng.uniform(-0.1, 0.1) * depth, depth])
    way = np.outer(np.linspace(-0.5, 0.5, FRAMES), rng.normal(0, 0.5, 3))
    focal = 500 * depth / 1.7
    joints, points = posed(body, pose.reshape(FRAMES, 72), np.tile(betas, (FRAMES, 1)))
    joints, points = joints + (place + way)[:, None], points + (place + way)[:, None]
    pixels = points[..., :2] / points[..., 2:] * focal + CENTRE + noise * rng.standard_normal((FRAMES, ROWS, 2))
    guess = focal * (1 + 0.05 * rng.standard_normal())
    wild, given = rng.random((FRAMES, ROWS)) < outliers, rng.random((FRAMES, ROWS)) >= missing
    pixels[wild] += rng.normal(0, 80, pixels[wild].shape)
    removed = np.zeros(NUM_REGIONS, bool)
    removed[rng.integers(NUM_REGIONS)] = amputee
    given &= ~absent_rows(removed)[:ROWS]
    seen = [replace(_observation(pixels[t], given[t], guess), removed=removed) for t in range(FRAMES)]
    return Clip(joints, rotvec_to_matrix(pose), seen, ~absent_joints(removed))


def _observation(pixels: ndarray, given: ndarray, focal: float) -> Observation:
    all_pixels, sd = np.zeros((44, 2)), np.full(44, np.inf)
    all_pixels[:ROWS] = pixels
    size = float(np.ptp(pixels[given], axis=0).max())
    sd[:ROWS][given] = max(NOISE * size, MIN_NOISE)
    return Observation(all_pixels, sd, np.array([[focal, 0, CENTRE], [0, focal, CENTRE], [0, 0, 1]]), size)


Poses = tuple[ndarray, ndarray, ndarray | None]
"""Joints (T, 24, 3) m, rotation vectors (T, 24, 3), sigma (T, 24) m or None."""
Method = Callable[[Fitter, list[Observation]], Poses]


def _poses(fits: list[Fit]) -> Poses:
    best = [fit.best for fit in fits]
    return np.stack([b.joints for b in best]), np.stack([b.pose for b in best]), np.stack([b.sigma for b in best])


def one_by_one(fitter: Fitter, seen: list[Observation]) -> Poses:
    """Fit every frame on its own."""
    return _poses([fitter.fit(s) for s in seen])


def together(fitter: Fitter, seen: list[Observation], lifter: Lift | None = None) -> Poses:
    """Fit the frames as a sequence."""
    found = [fit for fit in fit_sequence(fitter, seen, FPS, lifter=lifter) if fit is not None]
    assert len(found) == len(seen)
    return _poses(found)


def with_lifter(fitter: Fitter, seen: list[Observation]) -> Poses:
    """Fit the frames as a sequence, with what the lifter leads to among the candidates."""
    return together(fitter, seen, Lifter.load())


def lifted_alone(fitter: Fitter, seen: list[Observation]) -> Poses:
    """Take the lifter at its word."""
    said = lift(Lifter.load(), seen, FPS)
    joints, _ = posed(fitter.body, said.pose.reshape(len(seen), 72), np.tile(said.betas, (len(seen), 1)))
    return joints, said.pose, None


def anchored(fitter: Fitter, seen: list[Observation]) -> Poses:
    """Solve every frame from what the lifter says, without trying headings."""
    said = lift(Lifter.load(), seen, FPS)
    return _poses([Fit(lifted_minima(fitter, s, said, n, 12, 0)[0], (), 0) for n, s in enumerate(seen)])


METHODS: dict[str, Method] = {
    "per_frame": one_by_one, "sequence": together, "lifter_alone": lifted_alone, "lifter_anchored": anchored,
    "sequence_with_lifter": with_lifter,
}  # fmt: skip


def measure(fitter: Fitter, clips: list[Clip], method: Method) -> dict[str, float]:
    """Return the errors of a method, and its CPU time (ms a frame)."""
    start = time.process_time()
    found = [method(fitter, clip.seen) for clip in clips]
    spent = time.process_time() - start
    each = [errors(clip, *poses) for clip, poses in zip(clips, found, strict=True)]
    mean = {name: float(np.mean([e[name] for e in each])) for name in each[0]}
    if "squared_ratio" in mean:
        mean["error_over_sigma_rms"] = mean.pop("squared_ratio") ** 0.5
    frames = sum(len(clip.seen) for clip in clips)
    return {k: round(v, 2) for k, v in mean.items()} | {"cpu_ms": round(1000 * spent / frames, 2)}


def errors(clip: Clip, joints: ndarray, pose: ndarray, sigma: ndarray | None) -> dict[str, float]:
    """Return the mean errors of one clip."""
    kept = [j for j in EVALUATED if clip.present[j]]
    rooted = lambda p: p - p[:, [1, 2]].mean(1, keepdims=True)  # noqa: E731
    gap = (rooted(joints) - rooted(clip.joints))[:, kept]
    out = {
        "mpjpe_mm": 1000 * float(np.linalg.norm(gap, axis=2).mean()),
        "pa_mpjpe_mm": 1000 * float(aligned_error(joints[:, kept], clip.joints[:, kept]).mean()),
        "mpjae_deg": float(np.degrees(angles(rotvec_to_matrix(pose), clip.rotations))[:, clip.present].mean()),
        "acceleration": float(np.linalg.norm(np.diff(gap, n=2, axis=0), axis=2).mean() * FPS**2),
    }
    if sigma is not None:
        below = [j for j in range(1, 24) if clip.present[j]]
        from_pelvis = ((joints - joints[:, :1]) - (clip.joints - clip.joints[:, :1]))[:, below]
        out["squared_ratio"] = float(((from_pelvis**2).sum(2) / sigma[:, below] ** 2).mean())
    return out


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="a3dgen bench uplift", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="4 clips instead of 24")
    parser.add_argument("--only", choices=VARIANTS, help="one kind of clips")
    parser.add_argument("--others", action="store_true", help="other clips than those that are reported")
    options = parser.parse_args(arguments)
    body = load_body(BodyConfig())
    fitter, out = Fitter(body), {}
    fitter.fit(make_clips(body, 1)[0].seen[0])  # compiles
    for name in [options.only] if options.only else VARIANTS:
        first = 1000 if options.others else 0
        clips = make_clips(body, 4 if options.quick else SEQUENCES, first=first, **VARIANTS[name])
        out[name] = {method: measure(fitter, clips, METHODS[method]) for method in METHODS}
        if not options.json:
            print(name, *(f"\n  {method:20} {found}" for method, found in out[name].items()), flush=True)
    if options.json:
        print(json_text.dumps(out))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
