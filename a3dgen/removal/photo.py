"""One person's photo for the background stage: pixels, masks, keypoints, outline of the fitted body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import AMPUTATED, UNLABELLED
from a3dgen.core.stage import Context
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import inside_image, undistort_image, undistort_mask, undistort_points
from a3dgen.geometry.raster import silhouette
from a3dgen.io import rle as masks
from a3dgen.io.partial_pictures import read_photo


@dataclass(frozen=True)
class RemovalScene:
    """One person's photo and masks, lens distortion removed.

    Attributes:
        rgb: photo. own: the source's mask of the person (all false if it has none).
        others: masks of other people. objects: masks of things. body: outline of the fitted intact body.
        keypoints: (44, 2) px. state: (44,). height: standing height of the person, px.
        alone: nobody else can be in the photo (a studio's recording of one subject).
    """

    rgb: UInt8[ndarray, "h w 3"]
    own: Bool[ndarray, "h w"]
    others: list[Any]
    objects: list[Any]
    body: Bool[ndarray, "h w"]
    keypoints: Float[ndarray, "44 2"]
    state: ndarray
    height: float
    alone: bool = False


def load_scene(person: dict[str, Any], body: dict[str, Any], context: Context) -> RemovalScene:
    """Read one person's photo and masks, remove the lens distortion, outline the fitted body.

    Raises:
        Rejected: the photo cannot be read, or photo or masks contradict the annotated size.
    """
    try:
        photo = read_photo(Path(person["image"]))
    except DataError as error:
        raise Rejected(str(error)) from None
    width, height = (int(v) for v in person["image_size"])
    if photo.shape[:2] != (height, width):
        found = f"{photo.shape[1]}x{photo.shape[0]}"
        raise Rejected(f"photo is {found} px, its annotation says {width}x{height}: {person['image']}")
    K, dist = person["K"], person["dist"]

    def straight(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
        return undistort_mask(mask, K, dist)

    own = _decode(person["mask"], (height, width))
    outline = _outline(body, context, width, height)
    keypoints = undistort_points(np.ascontiguousarray(person["keypoints"][:, :2]), K, dist)
    return RemovalScene(
        rgb=undistort_image(photo, K, dist),
        own=straight(own),
        others=[straight(m) for m in _decode_list(person["others"], (height, width))],
        objects=[straight(m) for m in _decode_list(person["objects"], (height, width))],
        body=outline,
        keypoints=keypoints,
        state=person["state"],
        height=_stature(own | outline, keypoints, person["state"]),
        alone=bool(person.get("subject")),
    )


def _stature(mask: Bool[ndarray, "h w"], keypoints: Float[ndarray, "44 2"], state: ndarray) -> float:
    """Return the person's size in px: the longer side of the box around mask and keypoints inside the photo."""
    h, w = mask.shape
    points = keypoints[(state != UNLABELLED) & (state != AMPUTATED) & inside_image(keypoints, w, h)]
    if mask.any():
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([[cols[0], rows[0]], [cols[-1] + 1, rows[-1] + 1]], np.float64)
        points = np.concatenate([points, box])
    return float(max(np.ptp(points, axis=0).max(), 16.0)) if len(points) else 16.0


def _outline(body: dict[str, Any], context: Context, width: int, height: int) -> Bool[ndarray, "h w"]:
    data = load_body(context.body)
    posed = pose_body(data, body["pose"], body["betas"], body["transl"])
    vertices = posed.vertices(data.mesh, body["betas"])
    return silhouette(vertices, data.mesh.faces[~data.mesh.hidden], body["K"], width, height)


def _decode(text: str, shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    if not text:
        return np.zeros(shape, bool)
    return _checked(masks.decode(json.loads(text)), shape)


def _decode_list(text: str, shape: tuple[int, ...]) -> list[Any]:
    return [_checked(masks.decode(rle), shape) for rle in json.loads(text or "[]")]


def _checked(mask: Bool[ndarray, "a b"], shape: tuple[int, ...]) -> Bool[ndarray, "a b"]:
    if mask.shape != tuple(shape):
        raise Rejected(f"a mask is {mask.shape[1]}x{mask.shape[0]} px, the photo {shape[1]}x{shape[0]}")
    return mask
