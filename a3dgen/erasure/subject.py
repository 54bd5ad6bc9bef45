"""One person's photo for erasure: a window around them, masks, registered fit, labels of every pixel, light."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit
from a3dgen.bodies import load_body
from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.core.stage import Context
from a3dgen.erasure.outline import at_edges, find_outline
from a3dgen.erasure.ownership import Drawn, draw_body
from a3dgen.erasure.refit import refit, residuals
from a3dgen.erasure.silhouette import DETECTED_SIGMA, Silhouette
from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import Reach, visibility_reach
from a3dgen.io import images
from a3dgen.lighting import srgb
from a3dgen.lighting.light import shading_direction
from a3dgen.lighting.srgb import to_linear
from a3dgen.removal.cast_shadow import cast_shadow
from a3dgen.removal.held_objects import thin_things
from a3dgen.removal.mask_ops import ANKLES, WRISTS, dilate, in_front, union
from a3dgen.removal.photo import RemovalScene, load_scene

MARGIN = 0.5
"""What of the photo is looked at around the person, share of their height."""
LUMINANCE = srgb.LUMINANCE.astype(np.float32)
_MIN_HEIGHT = 40.0


@dataclass(frozen=True)
class Subject:
    """What all limbs of one person share. All arrays but ``photo`` cover ``window``, a crop of the undistorted photo.

    Attributes:
        body: body model. reach: its visibility radii. fit: registered to the clicks. posed, drawn: of that fit.
        window: x0, y0, x1, y1 (exclusive) in the photo. size: width, height of the photo. K: of the window.
        photo: the whole of it. rgb: of the window. linear: the same, linear light. height: of the person, px.
        outline: the person's mask. fine: the same at the photo's edges. has_mask: it is the source's.
        others: other people. front: what stays in front of the person. shadow: their cast shadow, as far as found.
        thin: straight thin things at their hands and feet.
        keypoints: (44, 2) px in the window. state: (44,). clicks: limb -> clicks on root, mid and end joint to
            the fit, shares of the height.
        iou: overlap of outline and fit. light: towards the light, see ``shading_direction``; None if it does not tell.
        plate: the photo without the person; None where it has not been made. plate_hole: where it is filled.
    """

    body: BodyData
    reach: Reach
    fit: BodyFit
    posed: PosedBody
    drawn: Drawn
    window: tuple[int, int, int, int]
    size: tuple[int, int]
    K: Float[ndarray, "3 3"]
    photo: UInt8[ndarray, "hh ww 3"]
    rgb: UInt8[ndarray, "h w 3"]
    linear: Float[ndarray, "h w 3"]
    height: float
    outline: Bool[ndarray, "h w"]
    fine: Bool[ndarray, "h w"]
    has_mask: bool
    others: Bool[ndarray, "h w"]
    front: Bool[ndarray, "h w"]
    shadow: Bool[ndarray, "h w"]
    thin: Bool[ndarray, "h w"]
    keypoints: Float[ndarray, "44 2"]
    state: Integer[ndarray, "44"]
    clicks: dict[str, Float[ndarray, "3"]]
    iou: float
    light: Float[ndarray, "3"] | None
    plate: UInt8[ndarray, "h w 3"] | None = None
    plate_hole: Bool[ndarray, "h w"] | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def mine(self) -> Bool[ndarray, "h w"]:
        """Every pixel that may show the person: mask and outline at the edges."""
        return self.outline | self.fine

    @property
    def sure(self) -> Bool[ndarray, "h w"]:
        """Pixels of mask and drawn body: the outline at the edges fills narrow gaps between legs."""
        return self.outline | self.drawn.body

    @property
    def hidden(self) -> Bool[ndarray, "h w"]:
        """Pixels that show something or somebody in front of the person."""
        return self.front | (self.others & ~self.outline)


def load_subject(
    person: dict[str, Any], fitted: dict[str, Any], plate: dict[str, Any] | None, context: Context
) -> Subject:
    """Read one person's photo and prepare it.

    Args:
        person, fitted, plate: rows of Persons, Bodies and Plates (None where there is no plate yet).

    Raises:
        Rejected: the photo or the plate cannot be read, or the person is too small or not in the photo.
    """
    scene = load_scene(person, fitted, context)
    filled = hole = None
    if plate is not None:
        try:
            filled, hole = images.read_rgb(context.out / plate["image"]), images.read_mask(context.out / plate["mask"])
        except DataError as error:
            raise Rejected(str(error)) from None
    return prepare(
        scene, BodyFit.of(fitted), np.asarray(fitted["K"], np.float64), load_body(context.body), filled, hole
    )


def prepare(
    scene: RemovalScene,
    fit: BodyFit,
    K: Float[ndarray, "3 3"],
    body: BodyData,
    plate: UInt8[ndarray, "h w 3"] | None = None,
    plate_hole: Bool[ndarray, "h w"] | None = None,
) -> Subject:
    """Register the fit, crop the photo and label its pixels; arguments cover the whole photo.

    Raises:
        Rejected: the person is too small or not in the photo.
    """
    posed = pose_body(body, np.asarray(fit.pose, np.float64), fit.betas, fit.transl)
    vertices = posed.vertices(body.mesh, fit.betas)
    pixels = project(vertices.astype(np.float64), K)
    height = float(np.ptp(pixels, axis=0).max()) if np.isfinite(pixels).all() else float("nan")
    if not height >= _MIN_HEIGHT:
        raise Rejected("erasure: the person is too small in the photo, or reaches behind the camera")
    everyone = union(scene.others, scene.own.shape)
    given = fit
    inside, rim = None, None
    if scene.own.any():
        inside, rim = scene.own | everyone, Silhouette.of(body, fit, scene.own, everyone & ~scene.own, height)
    fit = refit(body, fit, scene.keypoints, scene.state, K, height, inside, rim)
    window = _window(scene.own | scene.body, height)
    x0, y0, x1, y1 = window
    crop = np.s_[y0:y1, x0:x1]
    inner_K = np.array(K, np.float64)
    inner_K[:2, 2] -= (x0, y0)
    rgb = np.ascontiguousarray(scene.rgb[crop])
    own, everyone = scene.own[crop], everyone[crop]
    posed, drawn = _drawn(body, fit, inner_K, x1 - x0, y1 - y0)
    others = everyone & ~own
    outline = find_outline(rgb, own, drawn.body, others, height)
    keypoints = scene.keypoints - (x0, y0)
    if not own.any() and outline.any():  # the detector needed the fit to tell whose outline it is
        rim = Silhouette.of(body, given, outline, others, height, DETECTED_SIGMA)
        fit = refit(body, given, keypoints, scene.state, inner_K, height, outline | everyone, rim)
        posed, drawn = _drawn(body, fit, inner_K, x1 - x0, y1 - y0)
    seen = keypoints[scene.state == VISIBLE]
    things = [np.asarray(m[crop]) for m in [*scene.others, *scene.objects] if m[crop].any()]
    front = in_front(things, drawn.body, own, seen, 8.0, 0.03 * height)
    linear = to_linear(rgb)
    wrists, ankles = (
        keypoints[[r for r in rows if scene.state[r] in (OCCLUDED, VISIBLE)]] for rows in (WRISTS, ANKLES)
    )
    mine = outline | drawn.body
    return Subject(
        body=body,
        reach=visibility_reach(body),
        fit=fit,
        posed=posed,
        drawn=drawn,
        window=window,
        size=(scene.rgb.shape[1], scene.rgb.shape[0]),
        K=inner_K,
        photo=scene.rgb,
        rgb=rgb,
        linear=linear,
        height=height,
        outline=outline,
        fine=at_edges(rgb, outline, drawn.body, others, height),
        has_mask=bool(own.any()),
        others=others,
        front=front,
        shadow=cast_shadow(rgb, mine, others, ankles, height),
        thin=thin_things(rgb, mine, others, wrists, ankles, height),
        keypoints=keypoints,
        state=scene.state,
        clicks=residuals(project(posed.keypoints, inner_K), keypoints, scene.state, height),
        iou=float((outline & drawn.body).sum() / max(int((outline | drawn.body).sum()), 1)),
        light=_light(drawn, outline, linear),
        plate=None if plate is None else np.ascontiguousarray(plate[crop]),
        plate_hole=None if plate_hole is None else plate_hole[crop],
    )


def _drawn(body: BodyData, fit: BodyFit, K: Float[ndarray, "3 3"], w: int, h: int) -> tuple[PosedBody, Drawn]:
    posed = pose_body(body, np.asarray(fit.pose, np.float64), fit.betas, fit.transl)
    return posed, draw_body(body, posed.vertices(body.mesh, fit.betas), K, w, h)


def _window(mask: Bool[ndarray, "h w"], height: float) -> tuple[int, int, int, int]:
    if not mask.any():
        raise Rejected("erasure: neither the mask nor the fitted body lies inside the photo")
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    pad, (h, w) = int(MARGIN * height), mask.shape
    x0, y0 = max(0, int(cols[0]) - pad), max(0, int(rows[0]) - pad)
    return x0, y0, min(w, int(cols[-1]) + 1 + pad), min(h, int(rows[-1]) + 1 + pad)


def _light(drawn: Drawn, outline: Bool[ndarray, "h w"], linear: Float[ndarray, "h w 3"]) -> Float[ndarray, "3"] | None:
    """Return from which side the person is lit, read on every third pixel."""
    inside = cv2.erode((drawn.body & outline).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inside[1::3] = inside[2::3] = False
    if inside.sum() < 200:
        return None
    normals = drawn.normals()[inside]
    return shading_direction(linear[inside] @ LUMINANCE, normals, drawn.part[inside].astype(np.int64))


def near_outline(subject: Subject, reach: float) -> Bool[ndarray, "h w"]:
    """Return the pixels within ``reach`` (share of the height) of the person."""
    return dilate(subject.mine | subject.drawn.body, reach * subject.height)
