"""Reads sequences of joints and rotations to be compared: files of ``a3dgen mocap``, and Fit3D's layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.analysis.sequences import Motion
from a3dgen.core.errors import DataError
from a3dgen.io.npz import read
from a3dgen.sources.mocap_files import JOINTS_KEY, ROTATIONS_KEY

PRESENT = "present"


def read_motions(path: str | Path, fps: float) -> dict[str, Motion]:
    """Return the sequences of a file by name, executing nothing.

    Two layouts are understood: ``{subject: {sequence: {"positions_3d", "frame_rate", ...}}}`` of ``a3dgen mocap``, and
    ``{subject: {action: [one array a camera]}}`` of Fit3D, with the members ``positions_3d`` (T, J, 3) m, and, if they
    are there, ``rotations_3d`` (T, J, 3, 3) and ``present`` (J,).

    Args:
        fps: frame rate of files that do not say it.

    Raises:
        DataError: if the file is missing, damaged or holds anything else.
    """
    path = Path(path)
    arrays = read(path, names=(JOINTS_KEY, ROTATIONS_KEY, PRESENT), objects=True)
    if JOINTS_KEY not in arrays:
        raise DataError(f"{path}: lacks '{JOINTS_KEY}'")
    turned = dict(_leaves(path, arrays[ROTATIONS_KEY])) if ROTATIONS_KEY in arrays else {}
    present = arrays.get(PRESENT)
    out = {}
    for name, leaf in _leaves(path, arrays[JOINTS_KEY]):
        if isinstance(leaf, dict):
            rate, there = leaf.get("frame_rate", fps), leaf.get(PRESENT)
            out[name] = _motion(path, name, leaf.get(JOINTS_KEY), leaf.get(ROTATIONS_KEY), there, rate)
        else:
            out[name] = _motion(path, name, leaf, turned.get(name), present, fps)
    return out


def _leaves(path: Path, array: ndarray) -> Iterator[tuple[str, Any]]:
    """Yield (``subject/sequence`` or ``subject/action/camera``, what stands there)."""
    tree = array.item() if array.shape == () else None
    if not isinstance(tree, dict) or not all(isinstance(inner, dict) for inner in tree.values()):
        raise DataError(f"{path}: no dict of subjects of sequences")
    for subject, sequences in tree.items():
        for name, leaf in sequences.items():
            if isinstance(leaf, list | tuple):
                yield from ((f"{subject}/{name}/{camera}", part) for camera, part in enumerate(leaf))
            else:
                yield f"{subject}/{name}", leaf


def _motion(path: Path, name: str, joints: Any, turned: Any, present: Any, fps: Any) -> Motion:
    where = f"{path}: {name}"
    if not isinstance(joints, ndarray) or joints.ndim != 3 or joints.shape[2] != 3 or joints.dtype.kind != "f":
        raise DataError(f"{where}: {JOINTS_KEY} is no array (T, J, 3) of numbers")
    if turned is not None and (not isinstance(turned, ndarray) or turned.shape != (len(joints), turned.shape[1], 3, 3)):
        raise DataError(f"{where}: {ROTATIONS_KEY} is no array ({len(joints)}, J, 3, 3)")
    there = np.ones(joints.shape[1], bool) if present is None else np.asarray(present, bool)
    if there.shape != joints.shape[1:2]:
        raise DataError(f"{where}: {PRESENT} has shape {there.shape}, wanted ({joints.shape[1]},)")
    turned = None if turned is None else np.asarray(turned, np.float64)
    return Motion(np.asarray(joints, np.float64), turned, there, float(fps))
