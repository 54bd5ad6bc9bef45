"""Converts recorded frames to joints and rotations at another rate, block by block: bounded memory at any length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.motion.evaluate import Frames, joints_at, joints_between, local_rotations
from a3dgen.motion.joint_model import FoldedModel, JointModel
from a3dgen.motion.rates import blend, frame_places

INTERPOLATIONS = ("linear", "slerp")
BLOCK = 2048
"""Source frames read at a time."""


class BadFrame(ValueError):
    """A frame holds values that are not finite."""


class Converted(NamedTuple):
    """Consecutive frames of the result.

    positions: (M, J, 3) f4 m, world. skeleton: (M, 24, 3) f4 m, SMPL's joint centres. rotations: (M, 24, 3, 3) f4,
    parent-relative, joint 0 in the world.
    """

    positions: ndarray
    skeleton: ndarray
    rotations: ndarray


@dataclass(frozen=True)
class Conversion:
    """How frames become joints.

    Attributes:
        model: body and regressor. betas: (S,). poses: which of a pose's joints are the model's.
        src, dst: fps.
        interp: ``linear`` between joints (what converters do so far), or ``slerp`` between poses, which keeps the
            lengths of bones.
        rotations: whether rotations are wanted (else they are empty).
        block: source frames read at a time.
    """

    model: JointModel
    betas: ndarray
    poses: ndarray
    src: Fraction
    dst: Fraction
    interp: str = "linear"
    rotations: bool = False
    block: int = BLOCK


def convert_frames(how: Conversion, count: int, read: Callable[[int], Frames]) -> Iterator[Converted]:
    """Yield the result in pieces, in order.

    Args:
        count: number of source frames. read: gives the next frames, so many as asked for, poses of the whole file's
            width.

    Raises:
        BadFrame: naming it, if a pose, translation or DMPL is not finite.
    """
    folded = how.model.shaped(how.betas)
    columns = (3 * how.poses[:, None] + np.arange(3)).ravel()
    index, share = frame_places(count, how.src, how.dst)
    last = index + (share > 0)
    carried: Frames | None = None
    first = done = 0
    for start in range(0, count, how.block):
        stop = min(start + how.block, count)
        frames = _checked(read(stop - start), columns, start)
        if carried is not None:
            frames = Frames(*(np.concatenate(pair) for pair in zip(carried, frames, strict=True)))
        ready = int(np.searchsorted(last, stop))
        if ready > done:
            yield _piece(how, folded, frames, index[done:ready] - first, share[done:ready])
        carried, first, done = frames.part(len(frames.poses) - 1, len(frames.poses)), stop - 1, ready


def _piece(how: Conversion, folded: FoldedModel, frames: Frames, index: ndarray, share: ndarray) -> Converted:
    model = how.model
    if how.interp == "slerp":
        found = joints_between(folded, model.rows, model.smpl, frames, index, share)
        rows, skeleton = found
    else:
        needed = np.unique(np.concatenate([index, index[share > 0] + 1]))
        found = joints_at(folded, model.rows, model.smpl, frames.at(needed))
        place = np.searchsorted(needed, index)  # where one is followed by the next frame, so it is here
        rows, skeleton = (blend(x, place, share) for x in found)
    turned = np.zeros((len(index), 0, 3, 3), np.float32)
    if how.rotations:
        turned = local_rotations(frames.poses, model.smpl, index, share).astype(np.float32)
    return Converted(rows.astype(np.float32), skeleton.astype(np.float32), turned)


def _checked(frames: Frames, columns: ndarray, start: int) -> Frames:
    poses = np.asarray(frames.poses, np.float64)
    poses = poses if len(columns) == poses.shape[1] else poses[:, columns]
    out = Frames(np.ascontiguousarray(poses), np.asarray(frames.trans, np.float64), np.asarray(frames.soft, np.float64))
    for name, array in zip(("poses", "trans", "dmpls"), out, strict=True):
        bad = ~np.isfinite(array).all(1)
        if bad.any():
            raise BadFrame(f"{name} of frame {start + int(bad.argmax())} are not finite numbers")
    return out
