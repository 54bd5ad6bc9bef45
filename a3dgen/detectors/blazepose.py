"""BlazePose without MediaPipe: its two networks under LiteRT, with what comes before, between and after them.

One person per picture, as MediaPipe's ``Pose`` with ``static_image_mode`` and ``model_complexity=1``: a detector says
where hips and head are, a turned square around them goes through the landmark network, whose heat maps refine the
landmarks, and its segmentation is warped back. Equal to MediaPipe's results to rounding (a test compares them).
Source of the steps and values: MediaPipe's graph ``pose_landmark_cpu``; Bazarevsky et al., BlazePose, 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.special import expit

from a3dgen.detectors import ssd
from a3dgen.detectors.networks import Network, network
from a3dgen.geometry.boxes import Square

POSES, LANDMARKS = "pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite"
FACES = {0: "face_detection/face_detection_short_range.tflite",
         1: "face_detection/face_detection_full_range_sparse.tflite"}  # fmt: skip
LEAST_POSE = 0.3
"""Score from which the detector's person is looked at."""
LEAST_PRESENCE = 0.5
"""Probability from which the landmark network is believed that there is a person."""
SIDE, HEAT, KERNEL = 256, 64, 9
"""Sides of the landmark network's input and of its heat maps, and of the part of them around a landmark, px.

MediaPipe's graph file says 7 for the last; its results are those of 9, to 0.001 px.
"""
ROOM = 1.25
"""Side of the square, in twice the distance from hips to the circle around the person."""
SAME_PLACE, SAME_SIZE = 0.06, 1.15
"""Squares whose middles are this near, share of the smaller side, and whose sides differ so little show one person."""


@dataclass(frozen=True)
class Pose:
    """What the landmark network says.

    Attributes:
        landmarks: (33, 3) x, y as shares of the picture, visibility 0..1.
        segmentation: (h, w) 0..1, probability of the person.
        square: of the picture, that the network looked at.
    """

    landmarks: Float[ndarray, "33 3"]
    segmentation: Float[ndarray, "h w"]
    square: Square


def find_pose(rgb: UInt8[ndarray, "h w 3"], done: Sequence[Square] = ()) -> Pose | None:
    """Return the most prominent person's pose, None if there is nobody.

    Args:
        rgb: the picture. done: squares that were looked at before; who stands in one of them is not looked at again.

    Raises:
        MissingDependency: without the networks or LiteRT; see ``detectors.networks``.
    """
    tensor, border = ssd.square_input(rgb, ssd.POSE.side)
    raw, logits = _networks()[0](tensor)
    found = ssd.decode(ssd.POSE, raw[0], logits[0, :, 0], border, LEAST_POSE)
    if not found:
        return None
    square = around(found[0], rgb.shape[1], rgb.shape[0])
    return None if any(_alike(square, other) for other in done) else look_closely(rgb, square)


def _alike(one: Square, other: Square) -> bool:
    """Return whether two squares are about the same person."""
    apart = np.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1])
    small, large = sorted((one.size, other.size))
    return bool(apart < SAME_PLACE * small and large < SAME_SIZE * small)


def find_faces(rgb: UInt8[ndarray, "h w 3"], kind: int, least: float) -> list[ssd.Detection]:
    """Return all faces, the best first.

    Args:
        rgb: the picture. kind: 0 for faces within 2 m, 1 for those within 5 m. least: score.
    """
    layout = ssd.FACE_FAR if kind else ssd.FACE_NEAR
    tensor, border = ssd.square_input(rgb, layout.side)
    raw, logits = network(FACES[kind])(tensor)
    return ssd.decode(layout, raw[0], logits[0, :, 0], border, least)


def around(found: ssd.Detection, width: int, height: int) -> Square:
    """Return the square for the landmark network: about the hips' centre, its top where the person's is."""
    (x, y), (u, v) = found.points[:2] * (width, height)
    angle = np.pi / 2 - np.arctan2(y - v, u - x)
    return Square((float(x), float(y)), 2 * ROOM * float(np.hypot(u - x, v - y)), float(angle))


def look_closely(rgb: UInt8[ndarray, "h w 3"], square: Square) -> Pose | None:
    """Return the pose in a square of the picture, None if the network sees nobody there."""
    height, width = rgb.shape[:2]
    part = ssd.crop(rgb, square.centre, square.size, square.angle, SIDE, cv2.BORDER_REPLICATE)
    rows, presence, logits, heat, _ = _networks()[1]((part.astype(np.float32) * np.float32(1 / 255))[None])
    if presence[0, 0] < LEAST_PRESENCE:
        return None
    marks = rows.reshape(-1, 5)[:33]
    points = refined(marks[:, :2] / SIDE, heat[0, :, :, :33])
    cosine, sine = np.cos(square.angle), np.sin(square.angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    placed = ((points - 0.5) @ turn.T * square.size + square.centre) / (width, height)
    # From a pixel of the picture to one of the mask, as MediaPipe does it: both counted from their outer corners.
    back = turn.T * SIDE / square.size
    shift = SIDE / 2 - back @ np.array(square.centre)
    segmentation = cv2.warpAffine(
        expit(logits[0, :, :, 0]), np.column_stack([back, shift]).astype(np.float32), (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    return Pose(np.column_stack([placed, expit(marks[:, 3])]), segmentation, square)


def refined(points: Float[ndarray, "n 2"], heat: Float[ndarray, "s s n"]) -> Float[ndarray, "n 2"]:
    """Move landmarks to the centre of mass of their heat maps nearby, where these are sure (0.5) of anything."""
    out = points.astype(np.float64)
    reach = KERNEL // 2
    for k, (x, y) in enumerate(points * HEAT):
        column, row = int(x), int(y)
        if not (0 <= column < HEAT and 0 <= row < HEAT):
            continue
        rows, columns = (np.arange(max(0, c - reach), min(HEAT, c + reach + 1)) for c in (row, column))
        sure = expit(heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, k])
        if sure.max() >= 0.5:
            out[k] = np.array([(sure * columns).sum(), (sure * rows[:, None]).sum()]) / sure.sum() / HEAT
    return out


@cache
def _networks() -> tuple[Network, Network]:
    return network(POSES), network(LANDMARKS)
