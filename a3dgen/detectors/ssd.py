"""Single-shot detectors of MediaPipe (pose, faces): input with borders, anchors, boxes and their weighted merging.

Written from the values in MediaPipe's graph files (``pose_detection``, ``face_detection_*``) and checked against its
results. All coordinates are shares of the picture, x then y, with (0, 0) at the outer corner of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.special import expit

OVERLAP = 0.3
"""Boxes with a larger intersection over union are one thing; their mean, weighted by score, is returned."""


@dataclass(frozen=True)
class Layout:
    """Shape of a detector.

    Attributes:
        side: of the square input, px. strides: px between anchors, layer by layer. anchors: at each place of a layer.
        points: keypoints that come with a box.
    """

    side: int
    strides: tuple[int, ...]
    anchors: int
    points: int


POSE = Layout(224, (8, 16, 32, 32, 32), 2, 4)
FACE_NEAR = Layout(128, (8, 16, 16, 16), 2, 6)
FACE_FAR = Layout(192, (4,), 1, 6)


@dataclass(frozen=True)
class Detection:
    """One thing found: box (4,) x0, y0, x1, y1 and points (n, 2), shares of the picture; score 0..1."""

    box: Float[ndarray, "4"]
    points: Float[ndarray, "n 2"]
    score: float


def square_input(rgb: UInt8[ndarray, "h w 3"], side: int) -> tuple[Float[ndarray, "1 s s 3"], tuple[float, float]]:
    """Return a picture scaled to fit into a square, centred on black, in -1..1, and the shares of its two borders."""
    height, width = rgb.shape[:2]
    left, top = max(0.0, (1 - width / height) / 2), max(0.0, (1 - height / width) / 2)
    turned = crop(rgb, (width / 2, height / 2), float(max(width, height)), 0.0, side, cv2.BORDER_CONSTANT)
    return (turned.astype(np.float32) * np.float32(2 / 255) - np.float32(1))[None], (left, top)


def crop(
    rgb: UInt8[ndarray, "h w 3"], centre: tuple[float, float], size: float, angle: float, side: int, border: int
) -> UInt8[ndarray, "s s 3"]:
    """Return a turned square of a picture.

    Args:
        centre: px from the picture's outer corner. size: its side, px. angle: rad, clockwise. side: of the result, px.
        border: OpenCV's border mode, for what lies outside.
    """
    corners = cv2.boxPoints((centre, (size, size), float(np.rad2deg(angle))))
    target = np.array([[0, side], [0, 0], [side, 0], [side, side]], np.float32)
    transform = cv2.getPerspectiveTransform(corners, target)
    return cv2.warpPerspective(rgb, transform, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)


def anchor_centres(layout: Layout) -> Float[ndarray, "a 2"]:
    """Return the centres of all anchors in the order of the network's rows; layers of one stride share a grid."""
    out = []
    for stride in dict.fromkeys(layout.strides):
        places = (np.arange(-(-layout.side // stride)) + 0.5) * stride / layout.side
        y, x = np.meshgrid(places, places, indexing="ij")
        count = layout.anchors * layout.strides.count(stride)
        out.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), count, axis=0))
    return np.concatenate(out).astype(np.float32)


def decode(
    layout: Layout, raw: Float[ndarray, "a k"], logits: Float[ndarray, "a"], border: tuple[float, float], least: float
) -> list[Detection]:
    """Return what a network's rows say, the best first.

    Args:
        layout: of the network. raw: per anchor centre, size and points, px from the anchor. logits: per anchor.
        border: shares of the input that the picture leaves free, left and top. least: score.
    """
    scores = expit(logits)
    kept = np.flatnonzero(scores >= least)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    if not len(kept):
        return []
    rows, centres, scores = raw[kept] / np.float32(layout.side), anchor_centres(layout)[kept], scores[kept]
    middle, half = rows[:, :2] + centres, rows[:, 2:4] / 2
    points = rows[:, 4:].reshape(len(rows), layout.points, 2) + centres[:, None]
    corners = np.concatenate([(middle - half)[:, None], (middle + half)[:, None], points], 1)
    free = np.array(border, np.float32)
    merged = [((p - free) / (1 - 2 * free), s) for p, s in merge(corners, scores)]
    return [Detection(p[:2].ravel(), p[2:], float(s)) for p, s in merged]


def merge(corners: Float[ndarray, "n p 2"], scores: Float[ndarray, "n"]) -> list[tuple[Float[ndarray, "p 2"], float]]:
    """Merge overlapping boxes (two corners, then points) sorted by score; each gets the best score of its group."""
    low, high = corners[:, 0], corners[:, 1]
    area = np.prod(high - low, axis=1)
    left, out = np.arange(len(corners)), []
    while len(left):
        best = left[0]
        common = np.minimum(high[best], high[left]) - np.maximum(low[best], low[left])
        shared = np.prod(np.maximum(common, 0), axis=1)
        same = shared / np.maximum(area[best] + area[left] - shared, 1e-12) > OVERLAP
        same[0] = True
        group = left[same]
        out.append((np.average(corners[group], axis=0, weights=scores[group]), float(scores[best])))
        left = left[~same]
    return out
