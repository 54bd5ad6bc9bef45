"""Pinhole cameras with OpenCV conventions: x right, y down, z forward; (0, 0) is the centre of the top-left pixel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

MIN_DEPTH = 1e-3
"""Points nearer than this (m), or behind the camera, project to NaN."""
MASK_MARGIN_PX = 3
"""A visible keypoint may lie this far off the person's mask: clothes, hair, the mask's edge."""


def project(points_cam: Float[ndarray, "*b n 3"], K: Float[ndarray, "*b 3 3"]) -> Float[ndarray, "*b n 2"]:
    """Project camera-frame points (m) to pixels; points behind the camera become NaN."""
    z = points_cam[..., 2:]
    z = np.where(z > MIN_DEPTH, z, np.nan)
    normalized = points_cam[..., :2] / z
    return normalized @ np.swapaxes(K[..., :2, :2], -1, -2) + K[..., None, :2, 2]


def distort(normalized: Float[ndarray, "*b 2"], dist: Float[ndarray, "5"]) -> Float[ndarray, "*b 2"]:
    """Apply lens distortion to normalised image coordinates (OpenCV's model k1 k2 p1 p2 k3)."""
    k1, k2, p1, p2, k3 = dist
    x, y = normalized[..., 0], normalized[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([xd, yd], -1)


def project_distorted(
    points_cam: Float[ndarray, "*b n 3"], K: Float[ndarray, "3 3"], dist: Float[ndarray, "5"]
) -> Float[ndarray, "*b n 2"]:
    """Project camera-frame points (m) through a lens with distortion to pixels."""
    z = np.where(points_cam[..., 2:] > MIN_DEPTH, points_cam[..., 2:], np.nan)
    return distort(points_cam[..., :2] / z, dist) @ K[:2, :2].T + K[:2, 2]


def undistort_points(
    pixels: Float[ndarray, "n 2"], K: Float[ndarray, "3 3"], dist: Float[ndarray, "5"]
) -> Float[ndarray, "n 2"]:
    """Map pixels of the photo to pixels of an ideal pinhole camera with the same K."""
    if not np.any(dist) or not len(pixels):
        return np.array(pixels, np.float64)
    return undistort_to(pixels, K, dist, K, 50, 1e-10)


def undistort_to(
    pixels: Float[ndarray, "n 2"],
    K: Float[ndarray, "3 3"],
    dist: Float[ndarray, "5"],
    to: Float[ndarray, "3 3"],
    steps: int,
    accuracy: float,
) -> Float[ndarray, "n 2"]:
    """Map pixels of the photo to pixels of an ideal pinhole camera ``to``, in ``steps`` iterations at most."""
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, accuracy)
    points = np.ascontiguousarray(pixels, np.float64)[:, None]
    if hasattr(cv2, "undistortPointsIter"):  # OpenCV 4
        return cv2.undistortPointsIter(points, K, dist, np.eye(3), to, criteria)[:, 0]
    undistort: Any = cv2.undistortPoints  # the types of OpenCV 4 do not know its last argument
    return undistort(points, K, dist, R=np.eye(3), P=to, criteria=criteria)[:, 0]


def undistort_image(
    image: ndarray, K: Float[ndarray, "3 3"], dist: Float[ndarray, "5"], nearest: bool = False
) -> ndarray:
    """Resample a photo (H, W[, C]) to an ideal pinhole camera with the same K and size; edges are replicated."""
    if not np.any(dist):
        return image
    h, w = image.shape[:2]
    x, y = cv2.initUndistortRectifyMap(K, dist, None, K, (w, h), cv2.CV_32FC1)
    mode = cv2.INTER_NEAREST if nearest else cv2.INTER_CUBIC
    border = cv2.BORDER_CONSTANT if nearest else cv2.BORDER_REPLICATE
    return cv2.remap(image, x, y, mode, borderMode=border)


def undistort_mask(
    mask: Bool[ndarray, "h w"], K: Float[ndarray, "3 3"], dist: Float[ndarray, "5"]
) -> Bool[ndarray, "h w"]:
    """Remove lens distortion from a mask: same K, same size, nearest pixel; false where the photo shows nothing."""
    return undistort_image(mask.astype(np.uint8), K, dist, nearest=True) > 0


def default_K(width: int, height: int) -> Float[ndarray, "3 3"]:
    """Guess a camera for a photo of unknown origin: focal length = image diagonal, centred principal point.

    The diagonal (about 53 degrees across it) is the convention of CLIFF and 4D-Humans.
    """
    focal = float(np.hypot(width, height))
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def inside_image(pixels: Float[ndarray, "*b 2"], width: int, height: int) -> ndarray:
    """Return (*b) bool: the pixel lies on the image area (pixel centres at integers); NaN is outside."""
    x, y = pixels[..., 0], pixels[..., 1]
    return (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)


def near_mask(pixels: Float[ndarray, "n 2"], mask: Bool[ndarray, "h w"], margin: int = MASK_MARGIN_PX) -> ndarray:
    """Return (n) bool: the mask holds a pixel at most ``margin`` px away, across and down.

    True, too, where all of that square lies outside the image: nothing can be said there.
    """
    h, w = mask.shape
    near = np.ones(len(pixels), bool)
    for i, (x, y) in enumerate(np.rint(pixels).astype(int)):
        x0, x1, y0, y1 = x - margin, x + margin + 1, y - margin, y + margin + 1
        if x1 > 0 and y1 > 0 and x0 < w and y0 < h:
            near[i] = mask[max(0, y0) : y1, max(0, x0) : x1].any()
    return near
