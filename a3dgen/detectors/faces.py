"""Faces in photos: where they are, and making them unrecognisable."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.detectors import Person
from a3dgen.detectors.mediapipe import quiet
from a3dgen.detectors.poses import extent, windows
from a3dgen.errors import MissingDependency
from a3dgen.geometry.skeleton import ROW

_HEAD = [ROW[f"body_{n}"] for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
_SHOULDERS = [ROW["extra_left_shoulder"], ROW["extra_right_shoulder"]]
_LIMBS = [ROW[f"extra_{s}_{j}"] for s in ("left", "right") for j in ("shoulder", "elbow", "hip", "knee", "ankle")]
CELLS = 5
"""A blurred face is made of this many cells a side: nothing of a face is left at that size."""


def head_circles(people: list[Person]) -> Float[ndarray, "n 3"]:
    """Return x, y, radius (px) of a circle around every person's head, as their keypoints have it."""
    circles = []
    for person in people:
        head = person.keypoints[_HEAD]
        head = head[head[:, 2] > 0, :2]
        if not len(head):
            continue
        limbs = person.keypoints[_LIMBS]
        size = extent(limbs[limbs[:, 2] > 0.3, :2])
        shoulders = person.keypoints[_SHOULDERS]
        width = float(np.linalg.norm(np.diff(shoulders[:, :2], axis=0))) if (shoulders[:, 2] > 0).all() else 0.0
        radius = max(0.9 * extent(head), 0.4 * width, 0.09 * size, 6.0)
        circles.append([*head.mean(0), min(radius, 0.3 * max(size, 20.0))])
    return np.array(circles, np.float64).reshape(-1, 3)


def face_circles(rgb: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "n 3"]:
    """Return x, y, radius (px) around every face that a face detector sees, whoever it belongs to.

    Raises:
        MissingDependency: if mediapipe is not installed.
    """
    found = []
    h, w = rgb.shape[:2]
    for x0, y0, x1, y1 in windows(w, h, (0.6, 0.35, 0.2)):
        if min(x1 - x0, y1 - y0) < 24:
            continue
        result = _network().process(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
        for detection in result.detections or ():
            box = detection.location_data.relative_bounding_box
            bw, bh = box.width * (x1 - x0), box.height * (y1 - y0)
            found.append([x0 + box.xmin * (x1 - x0) + bw / 2, y0 + box.ymin * (y1 - y0) + bh / 2, 0.8 * max(bw, bh)])
    return np.array(found, np.float64).reshape(-1, 3)


def blur(rgb: UInt8[ndarray, "h w 3"], circles: Float[ndarray, "n 3"]) -> UInt8[ndarray, "h w 3"]:
    """Return the photo with the circles (x, y, radius px) reduced to a few soft cells each."""
    out = rgb.copy()
    h, w = rgb.shape[:2]
    for x, y, radius in circles:
        x0, y0 = max(0, int(x - radius)), max(0, int(y - radius))
        x1, y1 = min(w, int(x + radius) + 1), min(h, int(y + radius) + 1)
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        part = out[y0:y1, x0:x1]
        small = cv2.resize(part, (min(CELLS, x1 - x0), min(CELLS, y1 - y0)), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        yy, xx = np.mgrid[y0:y1, x0:x1]
        disc = (xx - x) ** 2 + (yy - y) ** 2 <= radius**2
        out[y0:y1, x0:x1] = np.where(disc[..., None], soft, part)
    return out


@cache
def _network() -> Any:
    try:
        from mediapipe.python.solutions.face_detection import FaceDetection
    except ImportError:
        raise MissingDependency(
            "mediapipe", "privacy.blur_bystanders", "pip install 'a3dgen[mediapipe]', or set it to false"
        ) from None
    with quiet():
        network = FaceDetection(model_selection=1, min_detection_confidence=0.4)
        network.process(np.zeros((64, 64, 3), np.uint8))
    return network
