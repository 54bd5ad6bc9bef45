"""Writes a dataset's joints, rotations and amputee copies from the parts of its sequences, in constant memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.amputation.sampling import PlanConfig
from a3dgen.engine.mocap_job import Job, model_of, part_arrays
from a3dgen.io.object_npz import ArrayFile, Blocks, write_object_npz
from a3dgen.motion.amputees import Loss, amputated, draw_losses, without_joints
from a3dgen.sources.mocap_files import JOINTS_KEY, ROTATIONS_KEY

_FRAMES = 4096
"""Frames of a copy made at a time."""
Done = tuple[Job, dict[str, Any]]
Leaves = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Copies:
    """Amputee copies: how many of each sequence, what they lose, what absent rows hold, and the seed."""

    count: int
    plan: PlanConfig
    absent: str
    seed: int


def write_dataset(results: Mapping[str, Path], done: Sequence[Done], copies: Copies) -> list[Path]:
    """Write the results asked for, if any sequence was converted; return their paths.

    Args:
        results: ``joints``, ``rotations``, ``amputees`` -> path. done: converted sequences with their rows, in order.
    """
    for kind, path in results.items() if done else ():
        if kind == "amputees":
            write_object_npz(path, JOINTS_KEY, _tree(done, lambda job, row: _amputees(job, row, copies)))
        else:
            key = ROTATIONS_KEY if kind == "rotations" else JOINTS_KEY
            write_object_npz(path, key, _tree(done, functools.partial(_plain, key)))
    return list(results.values()) if done else []


def _tree(done: Sequence[Done], leaves: Callable[[Job, dict[str, Any]], Iterator[Leaves]]) -> Iterator[tuple[str, Any]]:
    for subject, group in groupby(done, key=lambda d: d[0].file.subject):
        yield subject, (pair for job, row in group for pair in leaves(job, row))


def _plain(key: str, job: Job, row: dict[str, Any]) -> Iterator[Leaves]:
    array = part_arrays(job.part, row)["positions" if key == JOINTS_KEY else "rotations"]
    yield job.file.stem, {key: array, "frame_rate": float(job.fps)}


def _amputees(job: Job, row: dict[str, Any], copies: Copies) -> Iterator[Leaves]:
    arrays = part_arrays(job.part, row)
    positions, skeleton, rotations = (arrays[name] for name in ("positions", "skeleton", "rotations"))
    model = model_of(job.body, row["model"], row["gender"])
    for loss in draw_losses(model, copies.plan, copies.seed, job.file.name, copies.count):
        yield (
            loss.stem(job.file.stem),
            {
                JOINTS_KEY: Blocks("<f4", positions.shape, _positions(loss, positions, skeleton, copies.absent)),
                "frame_rate": float(job.fps),
                "present": loss.present,
                "removed": loss.removed,
                "residual": loss.residual.astype(np.float32),
                ROTATIONS_KEY: Blocks("<f4", rotations.shape, (without_joints(loss, x) for x in _blocks(rotations))),
            },
        )


def _positions(loss: Loss, positions: ArrayFile, skeleton: ArrayFile, absent: str) -> Iterator[ndarray]:
    for x, bones in zip(_blocks(positions), _blocks(skeleton), strict=True):
        yield amputated(loss, x, bones, absent).astype(np.float32)


def _blocks(array: ArrayFile) -> Iterator[ndarray]:
    """Yield the rows of a raw file, some at a time."""
    size = int(np.prod(array.shape[1:])) * 4
    with array.path.open("rb") as file:
        for start in range(0, array.shape[0], _FRAMES):
            count = min(_FRAMES, array.shape[0] - start)
            yield np.frombuffer(file.read(count * size), "<f4").reshape(count, *array.shape[1:])
