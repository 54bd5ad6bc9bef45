"""Poses to learn a pose prior from: AMASS sequences, files of fits, and the shards of a build."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.fit.pose_distribution import CAMERA_TILT
from a3dgen.fit.prediction import load_predictions
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.io.damage import DAMAGED_NPZ
from a3dgen.io.npz import member_names, read
from a3dgen.io.shards import read_shard

DOWN_IN_CAMERA, DOWN_IN_AMASS = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])
"""Gravity where the root rotation leads to: photos are upright, AMASS's world has Z up."""
HANDS = {156: (22, 37), 165: (25, 40)}
"""Width of an AMASS pose -> the joints that stand for SMPL's left and right hand: the index fingers' bases."""
PER_SECOND = 1.0
"""Frames taken of a recording; neighbours tell nothing new."""
LEAST = 100
"""Fewer poses than this make no prior."""


def read_features(source: Path, most: int, rng: np.random.Generator) -> Float[ndarray, "n 72"]:
    """Read poses as the pose prior sees them: unit gravity in the pelvis frame (3), then axis-angle (rad) of joints
    1..23 (69).

    Args:
        source: a folder of AMASS npz, a folder of ``Bodies`` shards (``<build>/fit``), a file of fits (``pose``, or
            the key names of ``fit.prediction``), or a single one of any of them.
        most: at most so many poses are kept, drawn by ``rng``.

    Raises:
        DataError: if there is nothing to learn from, or a file cannot be read.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    files = sorted(p for p in source.rglob("*") if p.suffix in (".npz", ".h5")) if source.is_dir() else [source]
    parts = [part for path in files for part in _poses(path, lone=len(files) == 1, rng=rng)]
    found = np.concatenate([np.zeros((0, 72)), *parts])
    found = found[np.isfinite(found).all(1)]
    if len(found) < LEAST:
        raise DataError(f"{source}: {len(found)} usable poses in {len(files)} files, {LEAST} needed")
    return found if len(found) <= most else found[np.sort(rng.choice(len(found), most, replace=False))]


def _poses(path: Path, lone: bool, rng: np.random.Generator) -> Iterator[Float[ndarray, "n 72"]]:
    if path.suffix == ".h5":
        records = read_shard(path)
        if "Bodies" not in records:
            raise DataError(f"{path}: no shard of the fit stage; give the folder <build>/fit")
        yield features(records["Bodies"].pose, DOWN_IN_CAMERA)
        return
    names = member_names(path)
    try:
        z = read(path, names=("poses", "mocap_framerate")) if "poses" in names else {}
        if z and z["poses"].ndim == 2:
            rate = float(z["mocap_framerate"].item()) if "mocap_framerate" in z else 60.0
            yield _amass(path, z["poses"], rate, rng)
        elif "imgname" in names:
            yield features(load_predictions(path).pose, DOWN_IN_CAMERA)
        elif "pose" in names:
            yield features(_reshaped(path, read(path, names=("pose",))["pose"]), DOWN_IN_CAMERA)
        elif lone:
            raise DataError(f"{path}: lacks 'poses' (AMASS) or 'pose'; found {', '.join(sorted(names)[:8])}")
    except DAMAGED_NPZ as error:
        raise DataError(f"{path}: its arrays are not poses ({error})") from error


def _reshaped(path: Path, pose: ndarray) -> Float[ndarray, "n 24 3"]:
    if pose.size != len(pose) * 72:
        raise DataError(f"{path}: 'pose' has shape {pose.shape}, wanted (N, 72) or (N, 24, 3)")
    return np.asarray(pose, np.float64).reshape(-1, 24, 3)


def _amass(path: Path, poses: ndarray, rate: float, rng: np.random.Generator) -> Float[ndarray, "n 72"]:
    """SMPL-H (156) and SMPL-X (165) sequences, thinned, turned to photos' camera tilt."""
    if poses.shape[1] not in HANDS:
        raise DataError(f"{path}: 'poses' are {poses.shape[1]} wide, wanted 156 (SMPL-H) or 165 (SMPL-X)")
    every = max(1, round(rate / PER_SECOND)) if np.isfinite(rate) else 60
    frames = np.asarray(poses[int(rng.integers(every)) % max(1, len(poses)) :: every], np.float64)
    joints = frames.reshape(len(frames), -1, 3)[:, [*range(22), *HANDS[poses.shape[1]]]]
    tilt = np.radians(CAMERA_TILT) * rng.standard_normal((len(frames), 3)) * (1, 1, 0)  # about the level axes
    down = (rotvec_to_matrix(tilt) @ DOWN_IN_AMASS) if len(frames) else np.zeros((0, 3))
    return features(joints, down)


def features(pose: Float[ndarray, "n 24 3"], down: Float[ndarray, "*n 3"]) -> Float[ndarray, "n 72"]:
    """Return gravity in the pelvis frame and the joints below, from poses whose root leads to where ``down`` is."""
    turns = rotvec_to_matrix(pose[:, 0])
    gravity = np.einsum("nba,nb->na", turns, np.broadcast_to(down, (len(pose), 3)))
    return np.concatenate([gravity, pose[:, 1:].reshape(len(pose), 69)], 1)
