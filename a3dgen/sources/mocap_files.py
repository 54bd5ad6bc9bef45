"""Reads what ``a3dgen mocap`` writes: joints, rotations and amputee copies, a sequence at a time or all at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.geometry.skeleton import NUM_JOINTS
from a3dgen.io.npz import member_names, read
from a3dgen.io.object_npz import iterate_object_npz

JOINTS_KEY, ROTATIONS_KEY = "positions_3d", "rotations_3d"
ROTATIONS_SUFFIX, AMPUTEES_SUFFIX = "_rot", "_amp"
"""``<dataset>.npz`` holds joints, ``<dataset>_rot.npz`` rotations, ``<dataset>_amp.npz`` copies with limb loss."""


@dataclass(frozen=True)
class MocapSequence:
    """One sequence of such a file.

    Attributes:
        subject, stem: its names. fps: frame rate.
        positions: (F, J, 3) m, world (Z up), or None. rotations: (F, 24, 3, 3) parent-relative, joint 0 in the world,
            zero where absent, or None.
        present: (J,) rows that are there. removed: (12,) AJAHR regions. residual: (12,).
    """

    subject: str
    stem: str
    fps: float
    positions: ndarray | None
    rotations: ndarray | None
    present: ndarray | None
    removed: ndarray
    residual: ndarray


def read_tree(path: str | Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``{subject: {stem: {"positions_3d": (F, J, 3), "frame_rate": fps, ...}}}`` of a file, executing nothing.

    The whole file is in memory then; ``read_sequences`` reads one sequence at a time.

    Raises:
        DataError: if the file is missing, damaged or holds anything else.
    """
    path = Path(path)
    name = _member(path)
    array = read(path, names=(name,), objects=True)[name]
    tree: Any = array.item() if array.shape == () else None
    nested = isinstance(tree, dict) and all(
        isinstance(inner, dict) and all(isinstance(leaves, dict) for leaves in inner.values())
        for inner in tree.values()
    )
    if not nested:
        raise DataError(f"{path}: '{name}' is no dict of subjects of sequences")
    return tree


def read_sequences(path: Path) -> Iterator[MocapSequence]:
    """Yield the sequences of a file of ``a3dgen mocap``, one in memory at a time, executing nothing.

    Raises:
        DataError: if the file is missing, damaged or holds anything else.
    """
    name = _member(path)
    for subject, stem, leaves in iterate_object_npz(path, name):
        where = f"{path}: {subject}/{stem}"
        positions, rotations = leaves.get(JOINTS_KEY), leaves.get(ROTATIONS_KEY)
        main = leaves.get(name)
        if not isinstance(main, ndarray) or main.dtype.kind != "f" or not isinstance(leaves.get("frame_rate"), float):
            raise DataError(f"{where}: lacks '{name}' or 'frame_rate'")
        if positions is not None and positions.shape[2:] != (3,):
            raise DataError(f"{where}: {JOINTS_KEY} has shape {positions.shape}, wanted (F, J, 3)")
        if rotations is not None and rotations.shape[1:] != (NUM_JOINTS, 3, 3):
            raise DataError(f"{where}: {ROTATIONS_KEY} has shape {rotations.shape}, wanted (F, 24, 3, 3)")
        present = leaves.get("present")
        if present is None and positions is not None:
            present = np.ones(positions.shape[1], bool)
        removed, residual = leaves.get("removed", np.zeros(12, bool)), leaves.get("residual", np.ones(12, np.float32))
        yield MocapSequence(subject, stem, leaves["frame_rate"], positions, rotations, present, removed, residual)


def _member(path: Path) -> str:
    names = member_names(path)
    for name in (JOINTS_KEY, ROTATIONS_KEY):
        if name in names:
            return name
    raise DataError(f"{path}: no file of 'a3dgen mocap', it lacks '{JOINTS_KEY}' and '{ROTATIONS_KEY}'")
