"""Small pictures for the report: annotated photo, fitted body over it, plate, finished sample with its keypoints."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.mesh import face_normals
from a3dgen.geometry.raster import rasterize, scaled_K
from a3dgen.geometry.skeleton import PARENTS

STATE_COLORS = {
    VISIBLE: (40, 200, 60),
    OCCLUDED: (240, 150, 20),
    AMPUTATED: (220, 30, 40),
    OUTSIDE: (120, 120, 120),
    UNLABELLED: (120, 120, 120),
}
"""RGB of a keypoint by its state."""
RIGHT, LEFT = (230, 60, 50), (50, 110, 240)
PANEL_PX = 340
MARGIN = 0.25
BODY_TINT = np.array([120, 200, 255], np.float64)


@dataclass(frozen=True)
class Window:
    """The part of a photo that the panels of one person show: x0, y0, x1, y1 px and the zoom."""

    box: tuple[int, int, int, int]
    zoom: float

    @classmethod
    def around(cls, points: Float[ndarray, "n 2"], width: int, height: int) -> Window:
        """Return a square window around these pixels with a margin, inside the image where that is possible."""
        low, high = points.min(0), points.max(0)
        half = max(float((high - low).max()) * (0.5 + MARGIN), 24.0)
        x, y = (low + high) / 2
        box = (
            max(0, int(x - half)),
            max(0, int(y - half)),
            min(width, int(x + half) + 1),
            min(height, int(y + half) + 1),
        )
        if box[2] <= box[0] or box[3] <= box[1]:
            box = (0, 0, width, height)
        return cls(box, PANEL_PX / max(box[2] - box[0], box[3] - box[1]))

    def cut(self, rgb: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "a b 3"]:
        """Return the window of a photo, zoomed."""
        x0, y0, x1, y1 = self.box
        mode = cv2.INTER_AREA if self.zoom < 1 else cv2.INTER_CUBIC
        size = (max(1, round((x1 - x0) * self.zoom)), max(1, round((y1 - y0) * self.zoom)))
        return cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=mode)

    def place(self, pixels: Float[ndarray, "n 2"]) -> Float[ndarray, "n 2"]:
        """Map photo pixels to panel pixels."""
        return (pixels - self.box[:2] + 0.5) * self.zoom - 0.5

    def camera(self, K: Float[ndarray, "3 3"]) -> Float[ndarray, "3 3"]:
        """Return the camera of the panel."""
        moved = np.array(K, np.float64)
        moved[:2, 2] -= self.box[:2]
        return scaled_K(moved, self.zoom)


def draw_keypoints(
    panel: UInt8[ndarray, "h w 3"], pixels: Float[ndarray, "n 2"], states: ndarray, window: Window
) -> UInt8[ndarray, "h w 3"]:
    """Draw dots in the colour of their state; unlabelled ones are left out."""
    out = panel.copy()
    for (x, y), state in zip(window.place(pixels), states, strict=True):
        if state == UNLABELLED or not np.isfinite([x, y]).all() or max(abs(x), abs(y)) > 1e5:
            continue
        cv2.circle(out, (round(x), round(y)), 2, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(out, (round(x), round(y)), 1, STATE_COLORS[int(state)], -1, cv2.LINE_AA)
    return out


def draw_body(
    panel: UInt8[ndarray, "h w 3"], body: BodyData, fitted: dict[str, Any], window: Window
) -> UInt8[ndarray, "h w 3"]:
    """Shade the fitted body half transparently over the panel, with its bones (right red, left blue)."""
    posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
    vertices = posed.vertices(body.mesh, fitted["betas"])
    K = window.camera(fitted["K"])
    h, w = panel.shape[:2]
    _, face = rasterize(vertices.astype(np.float64), body.mesh.faces, K, w, h)
    normals = face_normals(vertices, body.mesh.faces)
    shade = 0.35 + 0.65 * np.clip(-normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12), 0, 1)
    color = BODY_TINT * shade[face][..., None]
    out = np.where((face >= 0)[..., None], 0.45 * panel + 0.55 * color, panel).astype(np.uint8)
    joints = project(posed.joints, K)
    for j, p in enumerate(PARENTS):
        if p >= 0 and np.isfinite(joints[[j, p]]).all() and np.abs(joints[[j, p]]).max() < 1e5:
            a, b = (tuple(int(v) for v in np.rint(joints[i])) for i in (j, p))
            x = body.joints_template[j, 0]
            side = (90, 90, 90) if abs(x) < 1e-3 else (LEFT if x > 0 else RIGHT)
            cv2.line(out, a, b, side, 2, cv2.LINE_AA)
    return out


def data_uri(panel: UInt8[ndarray, "h w 3"], quality: int = 85) -> str:
    """Return a picture as a data URI, so that the report is one file."""
    ok, data = cv2.imencode(".jpg", panel[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError("the panel could not be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
