"""Pictures of a point cloud over the fitted body, from front and side, coloured by distance to the skin."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.mesh import face_normals
from a3dgen.geometry.raster import rasterize
from a3dgen.report.panels import PANEL_PX, Window

WORST_M = 0.1
"""Distance at which the colour scale ends: blue lies on the skin, red this far away or farther."""
BACKGROUND, GREY = 245, 170.0
SIDE = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
"""Turns the camera frame by a quarter about the vertical: what was depth goes to the right."""


def draw_cloud(
    panel: UInt8[ndarray, "h w 3"], person: dict[str, Any], fitted: dict[str, Any], body: BodyData, window: Window
) -> UInt8[ndarray, "h w 3"]:
    """Draw a person's points over the photo."""
    points = person["cloud"].astype(np.float64)
    pixels = project(points, window.camera(fitted["K"]))
    return _dots(panel.copy(), pixels, distance_colors(_vertices(body, fitted), points))


def draw_side(person: dict[str, Any], fitted: dict[str, Any], body: BodyData) -> UInt8[ndarray, "h w 3"]:
    """Draw the fitted body and the points as seen from the person's right, the camera being to the left."""
    vertices, points = _vertices(body, fitted), person["cloud"].astype(np.float64)
    middle, size = (vertices.min(0) + vertices.max(0)) / 2, np.ptp(vertices, axis=0).max()
    away = 20.0 * size  # nearly parallel rays: what is deep does not look small
    turned = lambda p: (p - middle) @ SIDE.T + [0, 0, away]  # noqa: E731
    focal = 0.8 * PANEL_PX * away / size
    K = np.array([[focal, 0, PANEL_PX / 2], [0, focal, PANEL_PX / 2], [0, 0, 1]])
    mesh = turned(vertices)
    _, face = rasterize(mesh, body.mesh.faces, K, PANEL_PX, PANEL_PX)
    normals = face_normals(mesh, body.mesh.faces)
    shade = 0.45 + 0.55 * np.clip(-normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12), 0, 1)
    out = np.where((face >= 0)[..., None], (GREY * shade)[face][..., None], BACKGROUND)
    out = np.ascontiguousarray(np.repeat(out, 3, 2) if out.shape[2] == 1 else out, np.uint8)
    return _dots(out, project(turned(points), K), distance_colors(vertices, points))


def distance_colors(vertices: Float[ndarray, "v 3"], points: Float[ndarray, "m 3"]) -> UInt8[ndarray, "m 3"]:
    """Return RGB of every point by its distance (m) from the nearest vertex."""
    away = cKDTree(vertices).query(points)[0]
    steps = np.round(255 * np.clip(away / WORST_M, 0, 1)).astype(np.uint8)
    return cv2.applyColorMap(steps[:, None], cv2.COLORMAP_JET)[:, 0, ::-1]


def _vertices(body: BodyData, fitted: dict[str, Any]) -> Float[ndarray, "v 3"]:
    posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
    return posed.vertices(body.mesh, fitted["betas"]).astype(np.float64)


def _dots(panel: ndarray, pixels: ndarray, colors: ndarray) -> ndarray:
    h, w = panel.shape[:2]
    for (x, y), color in zip(pixels, colors, strict=True):
        if np.isfinite([x, y]).all() and -1 < x < w and -1 < y < h:
            cv2.circle(panel, (round(x), round(y)), 1, tuple(int(c) for c in color), -1, cv2.LINE_AA)
    return panel
