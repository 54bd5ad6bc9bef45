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
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.io.damage import DAMAGED_NPZ
from a3dgen.io.npz import member_names, read
from a3dgen.io.shards import read_shard
from a3dgen.sources.amass_sequence import RATES, check_width, rate_of, smpl_joints
from a3dgen.sources.mocap_files import JOINTS_KEY, ROTATIONS_KEY, read_sequences

DOWN_IN_CAMERA, DOWN_IN_AMASS = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])
"""Gravity where the root rotation leads to: photos are upright, AMASS's world has Z up."""
PER_SECOND = 1.0
"""Frames taken of a recording; neighbours tell nothing new."""
LEAST = 100
"""Fewer poses than this make no prior."""


def read_features(source: Path, most: int, rng: np.random.Generator) -> Float[ndarray, "n 72"]:
    """Read poses as the pose prior sees them: unit gravity in the pelvis frame (3), then axis-angle (rad) of joints
    1..23 (69).

    Args:
        source: a folder of AMASS npz, the folder that ``a3dgen mocap --rotations`` wrote, a folder of ``Bodies``
            shards (``<build>/fit``), a file of fits (``pose``, or the key names of ``fit.prediction``), or a single one
            of any of them. Amputee copies are left out.
        most: at most so many poses are kept, drawn by ``rng``.

    Raises:
        DataError: if there is nothing to learn from, or a file cannot be read.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    files = sorted(_files(source)) if source.is_dir() else [source]
    parts = [part for path in files for part in _poses(path, lone=len(files) == 1, rng=rng)]
    found = np.concatenate([np.zeros((0, 72)), *parts])
    found = found[np.isfinite(found).all(1)]
    if len(found) < LEAST:
        raise DataError(f"{source}: {len(found)} usable poses in {len(files)} files, {LEAST} needed")
    return found if len(found) <= most else found[np.sort(rng.choice(len(found), most, replace=False))]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in (".npz", ".h5") and not hidden:
            yield path


def _poses(path: Path, lone: bool, rng: np.random.Generator) -> Iterator[Float[ndarray, "n 72"]]:
    if path.suffix == ".h5":
        records = read_shard(path)
        if "Bodies" not in records:
            raise DataError(f"{path}: no shard of the fit stage; give the folder <build>/fit")
        yield features(records["Bodies"].pose, DOWN_IN_CAMERA)
        return
    names = member_names(path)
    try:
        z = read(path, names=("poses", *RATES)) if "poses" in names else {}
        if z and z["poses"].ndim == 2:
            rate = float(rate_of(path, z)) if any(name in z for name in RATES) else 60.0
            yield _amass(path, z["poses"], rate, rng)
        elif ROTATIONS_KEY in names:
            for sequence in read_sequences(path):
                assert sequence.rotations is not None
                joints = matrix_to_rotvec(_thinned(sequence.rotations, sequence.fps, rng))
                yield _in_photos(joints, rng)
        elif JOINTS_KEY in names:
            if lone:
                raise DataError(f"{path}: holds joints without rotations; write them with 'a3dgen mocap --rotations'")
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
    check_width(path, poses.shape)
    frames = np.asarray(_thinned(poses, rate, rng), np.float64)
    return _in_photos(frames.reshape(len(frames), -1, 3)[:, smpl_joints(poses.shape[1])], rng)


def _thinned(frames: ndarray, rate: float, rng: np.random.Generator) -> ndarray:
    every = max(1, round(rate / PER_SECOND)) if np.isfinite(rate) else 60
    return frames[int(rng.integers(every)) % max(1, len(frames)) :: every]


def _in_photos(joints: Float[ndarray, "n 24 3"], rng: np.random.Generator) -> Float[ndarray, "n 72"]:
    """Features of poses in AMASS's world, seen by cameras tilted as photos are."""
    tilt = np.radians(CAMERA_TILT) * rng.standard_normal((len(joints), 3)) * (1, 1, 0)  # about the level axes
    down = (rotvec_to_matrix(tilt) @ DOWN_IN_AMASS) if len(joints) else np.zeros((0, 3))
    return features(joints, down)


def features(pose: Float[ndarray, "n 24 3"], down: Float[ndarray, "*n 3"]) -> Float[ndarray, "n 72"]:
    """Return gravity in the pelvis frame and the joints below, from poses whose root leads to where ``down`` is."""
    turns = rotvec_to_matrix(pose[:, 0])
    gravity = np.einsum("nba,nb->na", turns, np.broadcast_to(down, (len(pose), 3)))
    return np.concatenate([gravity, pose[:, 1:].reshape(len(pose), 69)], 1)
