"""Head frame from the eyeballs; hairline, brows and beard in that frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT

REFERENCE_EYE_DISTANCE = 0.0586
"""Distance of the eyeball centres for which the lengths below were measured, m."""

# Elevation of the hairline (degrees above the head's centre) over azimuth (0 front, 90 ear, 180 back).
_AZIMUTH = (0, 20, 36, 48, 56, 64, 72, 80, 90, 105, 125, 180)
_HAIRLINE = (37, 36, 34, 28, 15, 4, -12, -10, 2, -6, -22, -42)
_BALDING = (92, 92, 90, 70, 34, 8, -12, -10, 2, -6, -22, -42)
_BALD_TOP = (0, 0, 0, 0, 4, 12, 20, 25, 29, 32, 34, 36)
"""Elevation above which a balding head is bare, degrees."""


@dataclass(frozen=True)
class HeadFrame:
    """A head in the rest pose (SMPL axes: x left, y up, z forward).

    Attributes:
        eyes: (2, 3) centres of the left (x > 0) and right eyeball, m.
        radius: of the eyeballs, m.
        scale: size of the head relative to the reference.
        centre: (3,) centre of the cranium, m.
    """

    eyes: Float[ndarray, "2 3"]
    radius: float
    scale: float
    centre: Float[ndarray, "3"]

    def local(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        """Return (|x|, y, z) relative to the point between the eyes, in reference metres."""
        q = (points - self.eyes.mean(0)) / self.scale
        return np.concatenate([np.abs(q[..., :1]), q[..., 1:]], -1)

    def angles(self, points: Float[ndarray, "*n 3"]) -> tuple[Float[ndarray, "*n"], Float[ndarray, "*n"]]:
        """Return azimuth (0 front, 180 back) and elevation about the cranium's centre, degrees."""
        q = points - self.centre
        r = np.linalg.norm(q, axis=-1) + 1e-9
        azimuth = np.degrees(np.abs(np.arctan2(q[..., 0], q[..., 2])))
        return azimuth, np.degrees(np.arcsin(np.clip(q[..., 1] / r, -1, 1)))

    def above_hairline(self, points: Float[ndarray, "*n 3"], receded: float = 0.0) -> Float[ndarray, "*n"]:
        """Return degrees above the hairline: positive on the scalp; strongly negative away from the head.

        ``receded`` 0..1 leads from a full head of hair to a wreath around a bald top.
        """
        azimuth, elevation = self.angles(points)
        far = np.linalg.norm(points - self.centre, axis=-1) > 0.2 * self.scale
        above = elevation - np.interp(azimuth, _AZIMUTH, _HAIRLINE)
        if receded > 0:
            top = np.interp(azimuth, _AZIMUTH, _BALD_TOP)
            wreath = np.minimum(elevation - np.interp(azimuth, _AZIMUTH, _BALDING), top - elevation)
            above = above + receded * (wreath - above)
        return np.where(far, -90.0, above)


def _sphere(points: Float[ndarray, "n 3"]) -> tuple[Float[ndarray, "3"], float]:
    """Least-squares sphere: |p|^2 = 2 p.c + (r^2 - |c|^2)."""
    mean = points.mean(0)
    q = (points - mean).astype(np.float64)
    solution, *_ = np.linalg.lstsq(np.c_[2 * q, np.ones(len(q))], (q**2).sum(1), rcond=None)
    centre = solution[:3]
    return centre + mean, float(np.sqrt(max(solution[3] + centre @ centre, 1e-8)))


def eyeballs(mesh: SkinnedMesh) -> Bool[ndarray, " v"]:
    """Return (V,) bool: vertices of the eyeballs, the two small round pieces of the head not joined to its skin."""
    count = len(mesh.vertices)
    a, b = mesh.faces[:, [0, 1]].ravel(), mesh.faces[:, [1, 2]].ravel()
    pieces, label = connected_components(csr_matrix((np.ones(len(a)), (a, b)), shape=(count, count)), directed=False)
    size = np.bincount(label, minlength=pieces)
    found = np.zeros(count, bool)
    for piece in np.flatnonzero((size > 20) & (size < 0.05 * count)):
        points = mesh.vertices[label == piece]
        extent = np.ptp(points, axis=0)
        on_head = mesh.weights[label == piece][:, JOINT["head"]].mean() > 0.5
        if on_head and extent.max() < 1.4 * extent.min() and extent.max() < 0.05:
            found |= label == piece
    return found


def head_frame(mesh: SkinnedMesh) -> HeadFrame | None:
    """Return the head frame of a body's skin in the rest pose, or None if it has no eyeballs."""
    chosen = mesh.vertices[eyeballs(mesh)]
    left, right = chosen[chosen[:, 0] > 0], chosen[chosen[:, 0] < 0]
    if min(len(left), len(right)) < 8:
        return None
    (cl, rl), (cr, rr) = _sphere(left), _sphere(right)
    scale = float(np.linalg.norm(cl - cr)) / REFERENCE_EYE_DISTANCE
    centre = (cl + cr) / 2 + np.array([0, 0.0035, -0.0885]) * scale
    return HeadFrame(np.stack([cl, cr]), (rl + rr) / 2, scale, centre)


def brow_map(frame: HeadFrame, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n"]:
    """Return the eyebrows 0..1."""
    x, y, z = np.moveaxis(frame.local(points), -1, 0)
    arch = 0.0185 + 0.004 * np.clip(1 - ((x - 0.032) / 0.018) ** 2, -1, 1)
    thickness = 0.0042 - 0.0018 * np.clip((x - 0.025) / 0.025, 0, 1)
    ends = np.clip((x - 0.010) / 0.006, 0, 1) * np.clip((0.054 - x) / 0.010, 0, 1)
    return np.exp(-(((y - arch) / thickness) ** 2)) * ends * (z > -0.02)


def beard_map(frame: HeadFrame, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n"]:
    """Return where beard grows 0..1: jaw, chin, moustache, upper neck."""
    x, y, z = np.moveaxis(frame.local(points), -1, 0)
    azimuth, _ = frame.angles(points)
    cheek = -0.047 + 0.035 * np.clip((x - 0.045) / 0.03, 0, 1)  # the line rises to the sideburns
    jaw = np.clip((cheek - y) / 0.010, 0, 1) * np.clip((y + 0.118) / 0.02, 0, 1)
    return jaw * np.clip((104 - azimuth) / 14, 0, 1) * (z > -0.12)


def flush_map(frame: HeadFrame, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n"]:
    """Return how much more blood shows on cheeks and nose, 0..1."""
    x, y, z = np.moveaxis(frame.local(points), -1, 0)
    cheek = np.exp(-(((x - 0.042) / 0.022) ** 2 + ((y + 0.0365) / 0.02) ** 2)) * (z > -0.0585)
    nose = np.exp(-((x / 0.016) ** 2 + ((y + 0.0325) / 0.02) ** 2)) * (z > 0.0215)
    return np.maximum(0.5 * cheek, 0.45 * nose)


def eye_maps(frame: HeadFrame, points: Float[ndarray, "*n 3"]) -> tuple[Float[ndarray, "*n"], Float[ndarray, "*n"]]:
    """Return the angle from the optical axis (degrees), and the distance to the eyeball's surface (m, outside > 0)."""
    eye = np.where(points[..., :1] > frame.eyes.mean(0)[0], frame.eyes[0], frame.eyes[1])
    q = points - eye
    r = np.linalg.norm(q, axis=-1) + 1e-9
    return np.degrees(np.arccos(np.clip(q[..., 2] / r, -1, 1))), r - frame.radius
