"""The limb's own cast shadow: what the whole body shades and the cut body does not.

Both are cast by the light that explains the shadow seen in the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.raster import scaled_K, silhouette
from a3dgen.lighting.shadow import Ground, estimate_ground, estimate_up
from a3dgen.removal.mask_ops import dilate
from a3dgen.removal.pieces import touching

SIDE = 112
"""Longer side of the picture in which the light is sought, px."""
TURNS, RISES = 20, (28.0, 45.0, 65.0)
"""Directions tried: round the vertical, and degrees above the ground."""
EXPLAINED = 0.5
"""A light whose cast overlaps the photo's shadow less than this (IoU) is not believed, and all of the shadow stays:
part of one would end in a hard arc, and on the demo most of it is cast by what stays."""

EXPLAINED_LIMB, LARGEST = 0.5, 1.5
"""Of what the limb alone should cast, at least this share must be seen as shadow, and it is at most this many times as
large as the limb: else it is somebody else's."""

TOUCHES = 0.25
"""The shadow of a limb that ends higher than this above the ground, m, does not begin at the limb: what is dark beside
it is something else."""


@dataclass(frozen=True)
class _Light:
    """Direction towards the light (3,), camera frame, and how well its cast explains the shadow (IoU)."""

    direction: Float[ndarray, "3"]
    overlap: float


def limb_shadow(
    subject: Subject, amputee: Amputee, limb: Bool[ndarray, "h w"], keep: Bool[ndarray, "h w"]
) -> Bool[ndarray, "h w"]:
    """Return the photo's shadow that only the removed part casts; all false where no shadow or no light was found.

    Args:
        limb: the limb's pixels. keep: the person's other pixels.
    """
    if not subject.shadow.any():
        return np.zeros_like(limb)
    ground, light = _scene(subject)
    shadow = subject.shadow & ~keep
    if light is None or _above(subject, ground, limb) > TOUCHES:
        return np.zeros_like(limb)
    whole = _cast(subject.drawn.vertices, subject.drawn.faces, ground, light.direction, subject.K, limb.shape)
    shown = amputee.mesh.faces[~amputee.mesh.hidden]
    rest = _cast(amputee.vertices, shown, ground, light.direction, subject.K, limb.shape)
    soft = 0.02 * subject.height  # the penumbra, and what the direction is off
    alone = whole & ~rest
    expected = alone & ~keep & ~limb
    gone = shadow & dilate(alone, soft) & ~(rest & ~dilate(alone, 2.0))
    near = dilate(limb, 0.03 * subject.height)
    gone = touching(gone | near, limb) & gone  # a shadow begins where the limb stands
    seen = (expected & shadow).sum() >= EXPLAINED_LIMB * max(int(expected.sum()), 1)
    return gone if seen and gone.sum() <= LARGEST * limb.sum() else np.zeros_like(limb)


def _above(subject: Subject, ground: Ground, limb: Bool[ndarray, "h w"]) -> float:
    """Return how high the drawn limb's lowest point is above the ground, m."""
    faces = subject.drawn.owner[limb & subject.drawn.body]
    if not len(faces):
        return 0.0
    points = subject.drawn.vertices[np.unique(subject.drawn.faces[np.unique(faces)])].astype(np.float64)
    return float((points @ ground.up - ground.level).min())


def _scene(subject: Subject) -> tuple[Ground, _Light | None]:
    """Return the ground and the light; found once a person."""
    if "shadow light" not in subject.notes:
        ground = estimate_ground(subject.drawn.vertices, estimate_up(subject.posed.joints))
        subject.notes["shadow light"] = ground, _find_light(subject, ground)
    return subject.notes["shadow light"]


def _find_light(subject: Subject, ground: Ground) -> _Light | None:
    h, w = subject.shadow.shape
    scale = min(1.0, SIDE / max(h, w))
    size = (max(8, round(w * scale)), max(8, round(h * scale)))
    K = scaled_K(subject.K, scale)

    def small(mask: ndarray) -> ndarray:
        return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0

    target, body = small(subject.shadow), small(subject.mine)
    faces = subject.drawn.faces[::5]
    side = np.cross(ground.up, [0.0, 0.0, 1.0])
    side = side / np.linalg.norm(side)
    ahead = np.cross(side, ground.up)
    best: _Light | None = None
    for rise in np.deg2rad(RISES):
        for turn in np.linspace(0, 2 * np.pi, TURNS, endpoint=False):
            flat = np.cos(turn) * side + np.sin(turn) * ahead
            direction = np.sin(rise) * ground.up + np.cos(rise) * flat
            cast = _cast(subject.drawn.vertices, faces, ground, direction, K, target.shape) & ~body
            cast = cv2.morphologyEx(cast.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
            overlap = float((cast & target).sum() / max(int((cast | target).sum()), 1))
            if best is None or overlap > best.overlap:
                best = _Light(direction, overlap)
    return best if best is not None and best.overlap >= EXPLAINED else None


def _cast(
    vertices: Float[ndarray, "v 3"],
    faces: Integer[ndarray, "f 3"],
    ground: Ground,
    direction: Float[ndarray, "3"],
    K: Float[ndarray, "3 3"],
    shape: tuple[int, ...],
) -> Bool[ndarray, "h w"]:
    """Return the pixels of the ground that a mesh keeps the light from, whatever stands before them."""
    points = vertices.astype(np.float64)
    drop = (points @ ground.up - ground.level) / float(ground.up @ direction)
    cast = points - drop[:, None] * direction
    return silhouette(cast, faces, K, shape[1], shape[0])
