"""The lifter: 27 frames of 2D keypoints to the joint rotations of the middle one, a small network run in NumPy.

Three frames at a time are joined, layer by layer, until one is left (dilated temporal convolutions as in Pavllo et
al., CVPR 2019, without their overlaps); its rotations are six numbers each (Zhou et al., CVPR 2019) or three (rotation
vectors; the length of the head tells), with the spread of each joint's angle and the betas beside; or it says places of
joints alone, and rotations follow from them (``REST`` among the weights tells). Layers are linear, ReLU and
normalisation over channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.user_paths import user_path
from a3dgen.fit.lifted import Lifted
from a3dgen.geometry.pose_from_joints import pose_from_joints
from a3dgen.geometry.regions import absent_rows
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import NUM_JOINTS, PARENTS
from a3dgen.io.damage import DAMAGED_NPZ
from a3dgen.io.npz import read
from a3dgen.learning.windows import CHANNELS, FPS, POINTS, REGIONS, WINDOW, body_points, normalise, rays, window_frames

DEFAULT_WEIGHTS = Path(__file__).parent / "lifter.npz"
BATCH = 64
"""Windows multiplied at a time, always as many: a matrix product's last bits may depend on its shape."""
NORM_FLOOR = 1e-5
BLOCKS = 2
"""Residual blocks on the one frame that is left."""
NUMBERS = {"6d": 6, "axis-angle": 3, "none": 3}
"""How a joint's rotation is written, and the numbers that takes; none: its place (m, from the pelvis) instead."""
REST = "rest"
"""Rest joints (24, 3) m of the body, kept where a network says places of joints alone."""
TWIST = 0.4
"""rad; standard deviation of what places of joints do not tell of a rotation."""
SPREAD = NUM_JOINTS
LEAST_SIGMA, MOST_SIGMA = 0.02, 2.0


def layer_shapes(width: int, betas: int, numbers: int = 6) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the weights: the one description of the network, shared with its training.

    Args:
        numbers: of a joint's rotation (``NUMBERS``).
    """
    out: dict[str, tuple[int, ...]] = {"stem_w": (3 * CHANNELS, width), "stem_b": (width,)}
    for n in range(2):
        out |= {f"join{n}_w": (3 * width, width), f"join{n}_b": (width,),
                f"join{n}_out_w": (width, width), f"join{n}_out_b": (width,)}  # fmt: skip
    for n in range(BLOCKS):
        out |= {f"block{n}_w": (width, 2 * width), f"block{n}_b": (2 * width,),
                f"block{n}_out_w": (2 * width, width), f"block{n}_out_b": (width,)}  # fmt: skip
    said = numbers * NUM_JOINTS + SPREAD + betas
    return out | {"head_w": (width, said), "head_b": (said,)}


def numbers_of(head: int) -> int:
    """Return how many numbers a rotation has in a network that says ``head`` numbers: fewer than 24 are betas."""
    return head // NUM_JOINTS - 1


@dataclass(frozen=True)
class Lifter:
    """A trained network: its weights by name (``layer_shapes``), f4."""

    weights: dict[str, ndarray]

    @classmethod
    def load(cls, path: str | Path | None = None) -> Lifter:
        """Read weights, executing nothing; the shipped ones if no file is named.

        Raises:
            DataError: if the file is missing, damaged or holds no lifter.
        """
        return _load(user_path(path) if path else DEFAULT_WEIGHTS)

    def save(self, path: str | Path) -> None:
        """Write the weights as a compressed npz, f2."""
        np.savez_compressed(path, **{name: w.astype(np.float16) for name, w in self.weights.items()})

    def __call__(
        self,
        pixels: Float[ndarray, "t 44 2"],
        conf: Float[ndarray, "t 44"],
        K: Float[ndarray, "*t 3 3"],
        fps: float = FPS,
        removed: Bool[ndarray, "12"] | None = None,
    ) -> Lifted:
        """Lift one person in T consecutive frames.

        Args:
            pixels: px, without lens distortion. conf: 0 = not seen. K: one camera, or one a frame.
            removed: AJAHR regions that are known to be absent; their points do not count then.

        Returns:
            Poses, the mean betas, and a standard deviation of every joint's rotation (rad).
        """
        points, there = body_points(np.asarray(pixels, np.float64), np.asarray(conf, np.float64))
        places = rays(points, np.asarray(K, np.float64))
        frames, inside = window_frames(len(points), fps)
        known = np.zeros(REGIONS, bool) if removed is None else np.asarray(removed, bool)
        there[:, absent_rows(known)[:POINTS]] = 0
        parts: list[tuple[ndarray, ndarray, ndarray]] = []
        for start in range(0, len(points), BATCH):
            part = slice(start, min(start + BATCH, len(points)))
            parts.append(self._windows(places[frames[part]], there[frames[part]] * inside[part, :, None], known))
        pose, sigma, betas = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
        return Lifted(pose, betas.mean(0), sigma)

    def _windows(
        self, places: Float[ndarray, "b w 25 2"], conf: Float[ndarray, "b w 25"], removed: Bool[ndarray, "12"]
    ) -> tuple[Float[ndarray, "b 24 3"], Float[ndarray, "b 24"], Float[ndarray, "b k"]]:
        inputs, turn = normalise(places, conf, np.broadcast_to(removed, (len(places), REGIONS)))
        full = np.zeros((BATCH, WINDOW, CHANNELS), np.float32)
        full[: len(places)] = inputs
        out = forward(self.weights, full)[: len(places)].astype(np.float64)
        numbers = numbers_of(out.shape[1])
        rotation, spread, betas = np.split(out, [numbers * NUM_JOINTS, numbers * NUM_JOINTS + SPREAD], axis=1)
        rotation, sigma = rotation.reshape(-1, NUM_JOINTS, numbers), np.exp(spread)
        if REST in self.weights:
            rest = self.weights[REST].astype(np.float64)
            turned, sigma = pose_from_joints(rotation, rest), angle_spread(sigma, rest)
        else:
            turned = six_to_matrix(rotation) if numbers == NUMBERS["6d"] else rotvec_to_matrix(rotation)
        turned[:, 0] = np.swapaxes(turn, 1, 2) @ turned[:, 0]
        return matrix_to_rotvec(turned), np.clip(sigma, LEAST_SIGMA, MOST_SIGMA), betas


def angle_spread(places: Float[ndarray, "t 24"], rest: Float[ndarray, "24 3"]) -> Float[ndarray, "t 24"]:
    """Return the spread of joints' rotations (rad) from that of their places (m): by the bones to their children."""
    out = np.full(places.shape, MOST_SIGMA)
    for joint in range(NUM_JOINTS):
        children = np.flatnonzero(joint == PARENTS)
        if len(children):
            length = np.linalg.norm(rest[children] - rest[joint], axis=1)
            both = np.hypot(places[:, children], places[:, joint, None]) / length
            out[:, joint] = np.hypot(both.mean(1), TWIST)
    return out


@lru_cache(maxsize=2)
def _load(path: Path) -> Lifter:
    try:
        weights = {name: w.astype(np.float32) for name, w in read(path).items()}
    except DAMAGED_NPZ as error:
        raise DataError(f"{path}: no lifter can be read ({error}); make one with 'a3dgen fit-lifter'") from error
    width = len(weights.get("stem_b", ()))
    head = len(weights.get("head_b", ()))
    numbers = numbers_of(head)
    if numbers not in NUMBERS.values():
        raise DataError(f"{path}: no lifter of this version, it says {head} numbers; make one with 'a3dgen fit-lifter'")
    wanted = layer_shapes(width, head - (numbers + 1) * NUM_JOINTS, numbers)
    if REST in weights:
        wanted[REST] = (NUM_JOINTS, 3)
    for name, shape in wanted.items():
        if name not in weights or weights[name].shape != shape:
            raise DataError(
                f"{path}: no lifter of this version, '{name}' is not {shape}; make one with 'a3dgen fit-lifter'"
            )
    return Lifter({name: np.ascontiguousarray(weights[name]) for name in wanted})


def forward(weights: dict[str, ndarray], x: Float[ndarray, "b w c"]) -> Float[ndarray, "b o"]:
    """Run the network: (B, 27, CHANNELS) f4 to (B, 24 x (numbers of a rotation + 1) + betas)."""
    w = weights
    h = np.maximum(_linear(_joined(x), w, "stem"), 0)
    for n in range(2):
        inner = np.maximum(_linear(_joined(_normed(h)), w, f"join{n}"), 0)
        h = h[:, 1::3] + _linear(inner, w, f"join{n}_out")
    h = h[:, 0]
    for n in range(BLOCKS):
        h = h + _linear(np.maximum(_linear(_normed(h), w, f"block{n}"), 0), w, f"block{n}_out")
    return _linear(_normed(h), w, "head")


def _linear(x: ndarray, w: dict[str, ndarray], name: str) -> ndarray:
    flat = x.reshape(-1, x.shape[-1]) @ w[f"{name}_w"] + w[f"{name}_b"]
    return flat.reshape(*x.shape[:-1], flat.shape[1])


def _joined(x: ndarray) -> ndarray:
    return x.reshape(len(x), x.shape[1] // 3, 3 * x.shape[2])


def _normed(x: ndarray) -> ndarray:
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(NORM_FLOOR))


def six_to_matrix(six: Float[ndarray, "*b 6"]) -> Float[ndarray, "*b 3 3"]:
    """Return rotation matrices of six numbers each: two columns, made perpendicular and of unit length."""
    first = six[..., :3] / np.maximum(np.linalg.norm(six[..., :3], axis=-1, keepdims=True), 1e-9)
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdims=True) * first
    second /= np.maximum(np.linalg.norm(second, axis=-1, keepdims=True), 1e-9)
    return np.stack([first, second, np.cross(first, second)], -1)
