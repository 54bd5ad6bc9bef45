"""Benchmark of motion capture: ``a3dgen bench mocap [--json] [--quick]``, or ``python -m benchmarks.mocap``.

A made-up tree in AMASS's layout and a stand-in for SMPL+H of its exact sizes (``benchmarks.standin_smplh``), against
the way of the one public converter (``benchmarks.mocap_full_mesh``) on the same files in the same run. Frames are
source frames; memory is the peak of a whole ``a3dgen mocap`` process, for a small tree and for one many times as large.
"""

from __future__ import annotations

import argparse
import json as json_text
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from a3dgen.bodies.smplh import fold_amass_model, model_file, soft_file
from a3dgen.motion.evaluate import Frames, joints_at
from a3dgen.motion.joint_model import JointModel
from benchmarks.mocap_full_mesh import FullMesh
from benchmarks.standin_smplh import amass_arrays, h36m_regressor, make_model, write_models, write_sequence

THREADS = 2
FRAMES, SEQUENCES, LARGER = 3000, 8, 12
"""Frames of a sequence, sequences of the small tree, and how many times as large the large one is."""
ORIGINAL_FRAMES, EXACT_FRAMES = 1024, 64
"""Frames, of each of the small tree's sequences at most, that the full mesh is timed on and compared with."""
REPEATS = 3
PEAK = """
import sys
from a3dgen.cli import main
code = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""
"""Runs a3dgen and prints the peak of its memory, kB; the parent's count of it would begin with the parent's own."""


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="a3dgen bench mocap", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="a tenth of the frames")
    options = parser.parse_args(arguments)
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="a3dgen-bench-") as folder:
        found = measure(Path(folder), FRAMES // 10 if options.quick else FRAMES)
    print(json_text.dumps(found) if options.json else "\n".join(f"{k:32} {v}" for k, v in found.items()))
    return 0


def measure(folder: Path, frames: int) -> dict[str, Any]:
    """Return every figure; files go into ``folder``."""
    models = write_models(folder / "models", genders=("female",))
    arrays = make_model(gender="female")
    regressor = h36m_regressor(arrays)
    np.save(folder / "regressor.npy", regressor)
    clips = [amass_arrays(f"bench {n}", frames) for n in range(SEQUENCES)]
    small, large = (write_tree(folder / name, clips, copies) for name, copies in (("small", 1), ("large", LARGER)))
    model = fold(models, regressor)
    fast = throughput(model, clips)
    original, error = full_mesh(arrays, regressor, model, sorted(small.rglob("*.npz")))
    count = SEQUENCES * frames
    runs = [convert(folder, models, tree) for tree in (small, large)]
    dense = throughput(fold(models, h36m_regressor(arrays, dense=True)), clips[:2])
    return {
        "frames_per_s": round(fast),
        "original_way_frames_per_s": round(original),
        "ratio": round(fast / original, 1),
        "max_error_m": float(f"{error:.3g}"),
        "peak_mb": {f"{n}_frames": round(peak) for n, (_, peak) in zip((count, count * LARGER), runs, strict=True)},
        "with_files_frames_per_s": round(count * (LARGER - 1) / (runs[1][0] - runs[0][0])),
        "dense_regressor_frames_per_s": round(dense),
        "pairs": len(model.row),
    }


def write_tree(folder: Path, clips: list[dict[str, ndarray]], copies: int) -> Path:
    """Write the clips into one dataset, each ``copies`` times."""
    for copy in range(copies):
        for n, clip in enumerate(clips):
            write_sequence(folder / "Made" / f"{n:02d}" / f"walk_{copy:03d}_poses.npz", **clip)
    return folder


def fold(models: Path, regressor: ndarray) -> JointModel:
    """Return the joint model of the stand-in."""
    path = model_file(models, "smplh", "female")
    assert path is not None
    return fold_amass_model(path, soft_file(models, "female"), regressor, "smplh")


def throughput(model: JointModel, clips: list[dict[str, ndarray]]) -> float:
    """Return source frames a second on ``THREADS`` threads, arrays in memory."""

    def run(clip: dict[str, ndarray]) -> None:
        frames = Frames(clip["poses"], clip["trans"], clip["dmpls"])
        joints_at(model.shaped(clip["betas"]), model.rows, model.smpl, frames)

    def every() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(run, clips))

    return sum(len(clip["poses"]) for clip in clips) / fastest(every)


def fastest(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the least seconds of several runs, after one that compiles."""
    run()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def full_mesh(arrays: dict[str, ndarray], regressor: ndarray, model: JointModel, files: list[Path]) -> tuple:
    """Return the original way's frames a second (f4, as it does), and our greatest distance (m) from an f8 mesh."""
    loaded = [dict(np.load(path)) for path in files]
    keys = ("poses", "trans", "betas", "dmpls")

    def cut(clip: dict[str, ndarray], frames: int) -> list[ndarray]:
        return [clip[k] if k == "betas" else clip[k][:: max(1, len(clip[k]) // frames)][:frames] for k in keys]

    single, double = (FullMesh(arrays, regressor, dtype) for dtype in (torch.float32, torch.float64))
    timed = cut(loaded[0], ORIGINAL_FRAMES)
    rate = len(timed[0]) / fastest(lambda: single(*timed, batch=512), 1)
    error = 0.0
    for clip in loaded:
        poses, trans, betas, soft = cut(clip, EXACT_FRAMES)
        found = joints_at(model.shaped(betas), model.rows, model.smpl, Frames(poses, trans, soft)).rows
        error = max(error, float(np.abs(found.astype(np.float32) - double(poses, trans, betas, soft, batch=64)).max()))
    return rate, error


def convert(folder: Path, models: Path, tree: Path) -> tuple[float, float]:
    """Run ``a3dgen mocap`` in one process of its own; return its seconds, and its peak memory (MB)."""
    command = [
        sys.executable, "-c", PEAK, "mocap", str(tree), "--out", str(folder / f"out_{tree.name}"), "--quiet",
        "--smplh", str(models), "--regressor", str(folder / "regressor.npy"), "--workers", "0",
    ]  # fmt: skip
    start = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return time.perf_counter() - start, float(said.splitlines()[-1]) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
