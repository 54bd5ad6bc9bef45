"""Clips of recorded motion to train the lifter on: AMASS sequences, and rotations that ``a3dgen mocap`` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

from a3dgen.core.errors import DataError
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.io.npz import member_names
from a3dgen.motion.rates import Rate, frame_places
from a3dgen.sources.amass_sequence import open_sequence, smpl_joints
from a3dgen.sources.mocap_files import ROTATIONS_KEY, read_sequences

LEAST = 20
"""Fewer clips than this train nothing."""


def read_clips(source: Path, frames: int, fps: float, most: int) -> Float[ndarray, "n f 24 3"]:
    """Read clips of ``frames`` frames at ``fps``, end to end, from every sequence below a folder, or from one file.

    Args:
        source: a folder of AMASS npz, or the folder that ``a3dgen mocap --rotations`` wrote; amputee copies and files
            without rotations are passed over. most: clips kept, spread evenly over all.

    Returns:
        Rotation vectors (rad), joint 0 in a world with Z up.

    Raises:
        DataError: if there are fewer than 20 clips.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    files = sorted(source.rglob("*.npz")) if source.is_dir() else [source]
    clips = [clip for path in files for clip in _clips(path, frames, fps)]
    if len(clips) < LEAST:
        what = f"{len(clips)} clips of {frames} frames at {fps:g} fps in {len(files)} files"
        raise DataError(f"{source}: {what}; {LEAST} are needed")
    kept = np.unique(np.linspace(0, len(clips) - 1, min(most, len(clips))).astype(int))
    return np.stack([clips[i] for i in kept])


def _clips(path: Path, frames: int, fps: float) -> Iterator[Float[ndarray, "f 24 3"]]:
    names = member_names(path)
    if {"poses", "trans"} <= names:
        with open_sequence(path) as (said, poses, _, _):
            whole = poses.read(said.frames).astype(np.float64)
            joints = whole.reshape(len(whole), -1, 3)[:, smpl_joints(said.width)]
            yield from _cut(rotvec_to_matrix(joints), said.rate, frames, fps)
    elif ROTATIONS_KEY in names:
        for sequence in read_sequences(path):
            if sequence.rotations is not None and not sequence.removed.any():
                yield from _cut(sequence.rotations.astype(np.float64), sequence.fps, frames, fps)


def _cut(rotations: Float[ndarray, "t 24 3 3"], rate: Rate, frames: int, fps: float) -> Iterator[ndarray]:
    """Cut one sequence; between two of its frames the nearer one is taken."""
    before, share = frame_places(len(rotations), rate, fps)
    nearest = np.minimum(before + (share >= 0.5), len(rotations) - 1)
    for start in range(0, len(nearest) - frames + 1, frames):
        clip = rotations[nearest[start : start + frames]]
        if np.isfinite(clip).all():
            yield matrix_to_rotvec(clip)


def draw_from(clips: Float[ndarray, "n f 24 3"], rng: Generator, count: int) -> Float[ndarray, "c f 24 3"]:
    """Draw clips with replacement."""
    return clips[rng.integers(len(clips), size=count)]
