"""Scene shared by all samples of one person: photo, plate, occluders, light, ground, grain."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.compositing.compose import black_level, noise_sigma, soft_edge
from a3dgen.core.errors import DataError, Rejected
from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.camera import undistort_image, undistort_mask
from a3dgen.geometry.raster import rasterize, scaled_K
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io import images, rle
from a3dgen.io.partial_pictures import read_photo
from a3dgen.lighting.cast import read_cast
from a3dgen.lighting.light import Light, LightAdjust, Surroundings, read_surroundings, shading_direction, to_linear
from a3dgen.lighting.likeness import PhotoLook, read_look
from a3dgen.lighting.photo_style import PhotoStyle, read_style
from a3dgen.lighting.shadow import Ground, estimate_up
from a3dgen.lighting.srgb import LUMINANCE
from a3dgen.lighting.support import ground_below
from a3dgen.renderers.prepare import vertex_normals

SHADING_SIDE = 144
"""Longer side (px) at which the removed person's shading is read."""
FRONT_EDGE_PX = 0.8
"""How soft the edge of what stands in front of a person is in a sharp photo, px."""
AROUND_PX = 41
"""The photo's sharpness is read on the removed person and this far around them (twice, px)."""
_LUMINANCE = LUMINANCE.astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """One person's place, as a pinhole camera sees it.

    Attributes:
        photo: undistorted photo; where ``front`` is given, valid only there.
        plate: the photo without the person.
        K: camera, px. front: opacity of what stands before the person, or None. hidden: ``front`` as a mask.
        up: direction against gravity. ground: plane the person stands on.
        shading: side the removed person was lit from. brightness: their bright parts' luminance. Both may be None.
        black, sigma: black level (linear) and grain (8-bit) of the photo. style: its tones and sharpness.
        doubt: chance that the plate's filling is noticed, 0 .. 255 for 0 .. 1, or None.
        cast: colour of the photo's light, None = white.
        look: what a drawn person is compared with.
        shared: light of all frames of a clip, None = that of this picture.
    """

    photo: UInt8[ndarray, "h w 3"]
    plate: UInt8[ndarray, "h w 3"]
    K: Float[ndarray, "3 3"]
    front: Float[ndarray, "h w"] | None
    hidden: Bool[ndarray, "h w"] | None
    ground: Ground
    shading: Float[ndarray, "3"] | None
    brightness: float | None
    black: Float[ndarray, "3"]
    sigma: Float[ndarray, "3"]
    style: PhotoStyle = PhotoStyle()
    look: PhotoLook = PhotoLook()
    cast: Float[ndarray, "3"] | None = None
    doubt: UInt8[ndarray, "h w"] | None = None
    shared: Surroundings | None = None

    def light(self, adjust: LightAdjust) -> Light:
        """Return the scene's light with a plan's adjustments."""
        return (self.shared or self.surroundings).light(adjust)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What this picture says about the light."""
        return read_surroundings(self.plate, self.ground.up, self.shading, self.brightness, self.cast)


def load_scene(
    person: dict[str, Any], fitted: dict[str, Any], plate: dict[str, Any], body: BodyData, out: Path
) -> Scene:
    """Read and measure one person's scene.

    Args:
        person, fitted, plate: rows of Persons, Bodies and Plates. body: the body model. out: the build folder.

    Raises:
        Rejected: the photo or its plate cannot be read, or their sizes differ.
    """
    try:
        photo = undistort_image(read_photo(Path(person["image"])), person["K"], person["dist"])
        filled = images.read_rgb(out / plate["image"])
        hole = images.read_mask(out / plate["mask"])
        hidden = images.read_mask(out / plate["occluders"]) if plate["occluders"] else None
        doubt = images.read_labels(out / plate["doubt"]) if plate.get("doubt") else None
    except DataError as error:
        raise Rejected(str(error)) from None
    for what, array in (("plate", filled), ("plate's mask", hole), ("occluders", hidden), ("plate's doubt", doubt)):
        if array is not None and array.shape[:2] != photo.shape[:2]:
            raise Rejected(f"the {what} is not of the photo's size: {person['image']}")
    posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
    vertices = posed.vertices(body.mesh, fitted["betas"])
    near = cv2.dilate(hole.astype(np.uint8), np.ones((AROUND_PX, AROUND_PX), np.uint8)) > 0
    look = read_look(photo, hole, near)
    style = read_style(photo, look.spread)
    # where all that is black in a photo is the removed person, the plate's darkest is no black
    black = np.minimum(black_level(filled), black_level(photo)).astype(np.float64)
    shading, brightness = _read_person(person, fitted["K"], photo, vertices, body)
    if hidden is not None:  # the soft edge of what stands in front must not bring back the person behind it
        photo = np.where(hidden[..., None], photo, filled)
    return Scene(
        photo=photo,
        plate=filled,
        K=fitted["K"],
        front=None if hidden is None else soft_edge(hidden, max(FRONT_EDGE_PX, style.blur)),
        hidden=hidden,
        ground=_ground(posed, vertices, fitted, body),
        shading=shading,
        brightness=brightness,
        black=black,
        sigma=noise_sigma(filled, hole),
        style=style,
        look=look,
        cast=None if style.tones is not None else read_cast(photo),
        doubt=doubt,
    )


def _ground(posed: PosedBody, vertices: ndarray, fitted: dict[str, Any], body: BodyData) -> Ground:
    """Return the ground that supports the body, across the photo's gravity where that was estimated."""
    down = fitted.get("down")
    known = down is not None and np.any(down)
    up = -np.asarray(down) if known else estimate_up(posed.joints)
    owner = body.mesh.owner
    feet = ([JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]] for side in ("left", "right"))
    return ground_below(vertices, posed.joints, up, [vertices[np.isin(owner, joints)] for joints in feet])


def _read_person(
    person: dict[str, Any], K: ndarray, photo: ndarray, vertices: ndarray, body: BodyData
) -> tuple[ndarray | None, float | None]:
    """Return the removed person's shading direction and bright luminance, as far as they can be seen."""
    h, w = photo.shape[:2]
    scale = min(1.0, SHADING_SIDE / _extent(vertices, K, max(h, w)))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    faces = body.mesh.faces[~body.mesh.hidden]
    _, owner = rasterize(vertices, faces, scaled_K(K, scale), *size)
    inside = owner >= 0
    own = _own_mask(person, (h, w))
    if own is not None:
        inside &= cv2.resize(own.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    inside = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if inside.sum() < 200:
        return None, None
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    luminance = to_linear(small[inside]) @ _LUMINANCE
    normals = vertex_normals(vertices, faces)[faces[owner[inside], 0]]
    parts = body.mesh.face_part[~body.mesh.hidden][owner[inside]]
    direction = shading_direction(luminance, normals, parts.astype(np.int64))
    return direction, float(np.quantile(luminance, 0.95))


def _extent(vertices: ndarray, K: ndarray, limit: int) -> float:
    """Return the longer side (px) of the body's box in the image, between 16 and ``limit``."""
    ahead = vertices[::8][vertices[::8, 2] > 0.05]
    if not len(ahead):
        return 16.0
    pixels = ahead[:, :2] / ahead[:, 2:] * (K[0, 0], K[1, 1])
    return float(np.clip(np.ptp(pixels, axis=0).max(), 16, limit))


def _own_mask(person: dict[str, Any], shape: tuple[int, int]) -> ndarray | None:
    if not person["mask"]:
        return None
    mask = rle.decode(json.loads(person["mask"]))
    if mask.shape != shape:
        return None
    return undistort_mask(mask, person["K"], person["dist"])
