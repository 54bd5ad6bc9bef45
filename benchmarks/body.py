"""Benchmark of the body: ``a3dgen bench body [--json]``, or ``python -m benchmarks.body``.

Skinning of the baked open body, batched and in float32, against ``smplx.SMPL``'s forward pass on the same body in
SMPL format: the same 64 random poses and shapes, the same two threads, the best of three runs.
"""

from __future__ import annotations

import argparse
import json as json_text
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.bodies.export import export_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import MissingDependency
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData, forward_kinematics, pose_feature, rest_joints, skinning_transforms
from a3dgen.geometry.mesh import add_directions, skin_batch
from a3dgen.geometry.rotations import rotvec_to_matrix

WANTED = 3.0
"""Least speedup that is acceptable."""


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    return (
        f"batch {figures['batch']}, {figures['threads']} threads: a3dgen {figures['ours_ms']:.2f} ms a body, "
        f"smplx {figures['smplx_ms']:.2f} ms, {figures['speedup']:.1f} times faster (wanted: {WANTED:g}); "
        f"largest difference {figures['max_difference_mm']:.4f} mm"
    )


def main(json: bool = False) -> None:
    """Run the benchmark and print its figures, as one JSON object or as a line."""
    figures = compare(BodyConfig())
    sys.stdout.write((json_text.dumps(figures) if json else table(figures)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    main(parser.parse_args().json)


BATCH, THREADS, REPEATS = 64, 2, 3


def pose_batch(body: BodyData, poses: ndarray, betas: ndarray, threads: int = 1) -> ndarray:
    """Pose many bodies: rotation vectors (n, 24, 3) and betas (n, B) to vertices (n, V, 3) f4 m.

    Bodies are independent, so the result does not depend on the number of threads.
    """
    rest = rest_joints(body, betas)
    posed, joints = forward_kinematics(rotvec_to_matrix(poses), rest)
    transforms = skinning_transforms(posed, joints, rest).astype(np.float32)
    mesh = body.mesh

    def some(rows: ndarray) -> ndarray:
        shapes = []
        for i in rows:
            shape = mesh.shaped(betas[i])
            if mesh.pose_dirs is not None:
                shape = add_directions(shape, mesh.pose_dirs, pose_feature(posed[i]))
            shapes.append(shape)
        return skin_batch(np.stack(shapes), mesh.weights, transforms[rows])

    parts = np.array_split(np.arange(len(poses)), threads)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(some, parts)))


def compare(config: BodyConfig, batch: int = BATCH, threads: int = THREADS) -> dict[str, Any]:
    """Time both on the open body exported to SMPL format, with random poses and betas.

    Returns:
        milliseconds per body ``ours_ms`` and ``smplx_ms``, ``speedup``, ``max_difference_mm`` of the vertices,
        ``batch``, ``threads``.

    Raises:
        MissingDependency: without ``smplx``.
    """
    try:
        import smplx
        import torch
    except ImportError:
        raise MissingDependency("smplx", "the body benchmark", "pip install a3dgen[smpl]") from None
    body = load_body(replace(config, betas=10))
    rng = generator_for(0, "body/benchmark")
    poses = rng.normal(size=(batch, 24, 3)) * 0.3
    betas = rng.normal(size=(batch, body.num_betas))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.pkl"
        export_body(body, path)
        model = smplx.SMPL(str(path), batch_size=batch, num_betas=body.num_betas)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    tensors = {
        "global_orient": torch.tensor(poses[:, 0], dtype=torch.float32),
        "body_pose": torch.tensor(poses[:, 1:].reshape(batch, 69), dtype=torch.float32),
        "betas": torch.tensor(betas, dtype=torch.float32),
    }

    def theirs() -> ndarray:
        with torch.no_grad():
            return model(**tensors).vertices.numpy()

    try:
        difference = np.abs(pose_batch(body, poses, betas, threads) - theirs()).max()
        ours_ms = _best(lambda: pose_batch(body, poses, betas, threads)) / batch
        smplx_ms = _best(theirs) / batch
    finally:
        torch.set_num_threads(before)
    return {
        "ours_ms": ours_ms,
        "smplx_ms": smplx_ms,
        "speedup": smplx_ms / ours_ms,
        "max_difference_mm": float(1000 * difference),
        "batch": batch,
        "threads": threads,
        "cores": os.cpu_count(),
    }


def _best(work: Callable[[], Any]) -> float:
    """Return the shortest of a few runs, ms."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)
