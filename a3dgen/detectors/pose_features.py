"""What the pose network knows about one person: landmarks, heat maps and inner feature maps of a turned square.

The networks and the square are those of ``blazepose``; the inner maps are read from the landmark network as it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.detectors import ssd
from a3dgen.detectors.blazepose import LANDMARKS, LEAST_POSE, POSES, SIDE, Square, around
from a3dgen.detectors.keypoint_rows import square_around
from a3dgen.detectors.networks import network
from a3dgen.geometry.boxes import overlap, points_box

DETAIL, MIDDLE, COARSE, CONTEXT, SUMMARY = 279, 277, 251, 269, 335
"""Tensors of ``pose_landmark_full``: the fused maps before the heat maps (64 x 64 x 48, and the one it is made from,
32 x 32 x 48), the trunk at 16 x 16 (88 channels) and its end (8 x 8 x 144), and what the landmarks are regressed from
(2 x 2 x 288)."""
ROOM = 1.5
"""Side of the window in which the person is looked for, in extents of their keypoints."""
WITHOUT_HIPS = 1.4
"""Side of the square in extents of the keypoints, where the detector sees nobody."""
_OPPOSITE = np.array([0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(k + 1 if k % 2 else k - 1 for k in range(11, 33))])
"""The landmark of the other side."""
SAME_PERSON = 0.3
"""Overlap (intersection over union) of the boxes of landmarks and keypoints below which the network looked at a
neighbour."""


@dataclass(frozen=True)
class PoseTensors:
    """The landmark network's results on one square; positions are in px of its 256 px input.

    Attributes:
        square: where it lies in the picture. mirrored: the input was mirrored left to right.
        landmarks: (33, 5) x, y, z px, logits of visibility and of presence.
        presence: probability that there is a person.
        heat: (64, 64, 39) logits. segmentation: (256, 256) logits of the person.
        body: (33, 3) m, the landmarks in space about the hips, along the axes of the input (z away from the camera).
        detail, middle, coarse, context, summary: (64, 64, 48), (32, 32, 48), (16, 16, 88), (8, 8, 144), (2, 2, 288)
            inner maps.
    """

    square: Square
    mirrored: bool
    landmarks: Float[ndarray, "33 5"]
    presence: float
    heat: Float[ndarray, "64 64 39"]
    segmentation: Float[ndarray, "256 256"]
    body: Float[ndarray, "33 3"]
    detail: Float[ndarray, "64 64 48"]
    middle: Float[ndarray, "32 32 48"]
    coarse: Float[ndarray, "16 16 88"]
    context: Float[ndarray, "8 8 144"]
    summary: Float[ndarray, "2 2 288"]


def person_square(rgb: UInt8[ndarray, "h w 3"], points: Float[ndarray, "n 2"]) -> Square:
    """Return the turned square around the person whose keypoints are given.

    It is the pose detector's own, of the person in the middle of a window around the keypoints, so that it does not
    depend on which limbs have keypoints; upright and around the keypoints where the detector sees nobody.

    Args:
        rgb: the picture. points: px of at least two keypoints.
    """
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = square_around(points, ROOM)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    middle, extent = points.mean(0), float(np.ptp(points, axis=0).max())
    if x1 - x0 >= 16 and y1 - y0 >= 16:
        window = np.ascontiguousarray(rgb[y0:y1, x0:x1])
        tensor, border = ssd.square_input(window, ssd.POSE.side)
        raw, logits = network(POSES)(tensor)
        best, nearest = None, 0.5 * extent
        for found in ssd.decode(ssd.POSE, raw[0], logits[0, :, 0], border, LEAST_POSE):
            square = around(found, x1 - x0, y1 - y0)
            centre = np.array(square.centre) + (x0, y0)
            away = float(np.linalg.norm(centre - middle))
            if away < nearest and 0.5 * extent < square.size < 4 * extent:
                best, nearest = Square((float(centre[0]), float(centre[1])), square.size, square.angle), away
        if best is not None:
            return best
    return upright_square(points)


def upright_square(points: Float[ndarray, "n 2"]) -> Square:
    """Return the upright square around keypoints, px."""
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2 + 0.5
    return Square((float(centre[0]), float(centre[1])), max(WITHOUT_HIPS * float((high - low).max()), 16.0), 0.0)


def look_at_person(
    rgb: UInt8[ndarray, "h w 3"], points: Float[ndarray, "n 2"], known: Square | None = None
) -> tuple[Square, UInt8[ndarray, "256 256 3"], PoseTensors]:
    """Return the square of a person, its pixels and what the network says of them.

    Where the detector's square shows a neighbour, the upright one around the keypoints is taken if it does not.

    Args:
        rgb: the picture. points: px of at least two keypoints of the person.
        known: the square in which the detector has seen them, if it has; the pose detector is asked otherwise.
    """
    best = None
    for square in (known or person_square(rgb, points), upright_square(points)):
        part = square_pixels(rgb, square)
        tensors = pose_tensors(part, square)
        landmarks = from_square(tensors.landmarks[:, :2].astype(np.float64), square)
        agreement = overlap(points_box(landmarks), points_box(points))
        if best is None or agreement > best[0] + SAME_PERSON:
            best = agreement, (square, part, tensors)
        if agreement >= SAME_PERSON:
            break
    assert best is not None
    return best[1]


def square_pixels(rgb: UInt8[ndarray, "h w 3"], square: Square) -> UInt8[ndarray, "256 256 3"]:
    """Return the network's input: the square's pixels; those off the picture repeat its border."""
    return ssd.crop(rgb, square.centre, square.size, square.angle, SIDE, cv2.BORDER_REPLICATE)


def pose_tensors(part: UInt8[ndarray, "256 256 3"], square: Square, mirrored: bool = False) -> PoseTensors:
    """Run the landmark network on a square's pixels.

    Args:
        part: from ``square_pixels``. square: where it lies. mirrored: mirror it first.
    """
    pixels = part[:, ::-1] if mirrored else part
    run = network(LANDMARKS, (DETAIL, MIDDLE, COARSE, CONTEXT, SUMMARY))
    rows, presence, segmentation, heat, body, detail, middle, coarse, context, summary = run(
        (pixels.astype(np.float32) * np.float32(1 / 255))[None]
    )
    return PoseTensors(
        square, mirrored, rows.reshape(-1, 5)[:33], float(presence[0, 0]), heat[0], segmentation[0, :, :, 0],
        body.reshape(-1, 3)[:33], detail[0], middle[0], coarse[0], context[0], summary[0],
    )  # fmt: skip


def body_points(looks: dict[bool, PoseTensors], K: Float[ndarray, "3 3"]) -> Float[ndarray, "33 3"]:
    """Return the landmarks in space (m, about the hips) along the camera's axes: the mean of both looks, turned from
    the square and from its viewing ray.

    Args:
        looks: at the picture and at the mirrored one, of one square. K: (3, 3) px.
    """
    there = looks[True].body[_OPPOSITE] * np.array([-1.0, 1.0, 1.0])
    square, mean = looks[False].square, (looks[False].body + there) / 2
    cosine, sine = np.cos(square.angle), np.sin(square.angle)
    turned = mean @ np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]).T
    x, y = (np.array(square.centre) - 0.5 - K[:2, 2]) / K[[0, 1], [0, 1]]
    away = float(np.hypot(x, y))
    axis = np.array([-y, x, 0.0]) / max(away, 1e-9)
    return np.asarray(turned @ cv2.Rodrigues(axis * np.arctan(away))[0].T)


def to_square(points: Float[ndarray, "n 2"], square: Square, mirrored: bool = False) -> Float[ndarray, "n 2"]:
    """Move pixels of the picture into px of the square's input (both with (0, 0) in a pixel's centre)."""
    cosine, sine = np.cos(square.angle), np.sin(square.angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    inner = (points + 0.5 - np.array(square.centre)) @ turn * (SIDE / square.size) + SIDE / 2 - 0.5
    return np.column_stack([SIDE - 1 - inner[:, 0], inner[:, 1]]) if mirrored else inner


def from_square(inner: Float[ndarray, "n 2"], square: Square, mirrored: bool = False) -> Float[ndarray, "n 2"]:
    """Undo ``to_square``."""
    inner = np.column_stack([SIDE - 1 - inner[:, 0], inner[:, 1]]) if mirrored else inner
    cosine, sine = np.cos(square.angle), np.sin(square.angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return (inner + 0.5 - SIDE / 2) @ turn.T * (square.size / SIDE) + np.array(square.centre) - 0.5
