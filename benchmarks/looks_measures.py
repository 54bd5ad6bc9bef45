"""What ``benchmarks.looks`` measures on one picture: each function compares the picture with something it was not made
from (an independent ray cast, the whole body's outline, the true mask, the plan)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from a3dgen.amputation.rebuild import Amputee, removed_regions
from a3dgen.core.errors import ConfigError
from a3dgen.core.records import OUTSIDE, VISIBLE
from a3dgen.fit.labelled_visible import LIMB_ROWS as ALL_LIMB_ROWS
from a3dgen.fit.labelled_visible import tells_visibility
from a3dgen.geometry.camera import project
from a3dgen.geometry.raster import silhouette
from a3dgen.geometry.regions import REGIONS, absent_joints
from a3dgen.geometry.skeleton import JOINT, ROW_JOINT, ROWS
from a3dgen.geometry.visibility import limb_joints
from a3dgen.renderers import Item

BEYOND_M = 0.005
"""Skin this far past a stump's tip, along the bone, counts as limb beyond it, m."""
HAIR_PART = 1 + JOINT["head"]
"""Label of hair, which alone lies on the head only."""
RING = 0.12
"""Width of the surroundings a fill is compared with, as a share of the hole's extent."""


def visible_rows(state: np.ndarray, keypoints: np.ndarray, K: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Return how many keypoints (44, 3) marked visible lie on the person's pixels (h, w labels > 0), and how many
    there are."""
    rows = np.flatnonzero(state == VISIBLE)
    at = _pixels(keypoints[rows], K)
    return int((_read(labels, at) > 0).sum()), len(rows)


LIMB_ROWS = np.array([r for r in ALL_LIMB_ROWS if ROWS[r].startswith("extra_")])


def annotators_agree(
    person: Mapping[str, Any], plan: Mapping[str, Any], state: np.ndarray, called: int, told: bool = False
) -> tuple[int, int]:
    """Return how many of the limb joints that annotators call ``called`` (VISIBLE or OCCLUDED) have that state (44,) in
    the picture of an intact sample, and how many they call so; joints outside the picture and amputees are left out,
    where ``told`` also people in photos whose labels call every limb joint visible."""
    if np.any(plan["removed"]) or (told and not tells_visibility(person["state"], person["company"])):
        return 0, 0
    rows = LIMB_ROWS[(person["state"][LIMB_ROWS] == called) & (state[LIMB_ROWS] != OUTSIDE)]
    return int((state[rows] == called).sum()), len(rows)


def removed_rows(
    amputee: Amputee, removed: np.ndarray, residual: np.ndarray, K: np.ndarray, labels: np.ndarray
) -> tuple[int, int]:
    """Return how many removed keypoints fall on a pixel labelled as the limb they were of, and how many removed
    keypoints there are. The first absent joint of a cut at the joint itself (residual 1) is left out."""
    on, count = 0, 0
    for index in removed_regions(removed):
        region = REGIONS[index]
        first = [r for r, j in ROW_JOINT.items() if j == region.joint] if residual[index] >= 1.0 else []
        rows = [r for r in region.rows if r not in first]
        own = np.array(limb_joints(index)) + 1
        found = _read(labels, _pixels(amputee.posed.keypoints[rows], K))
        on += int(np.isin(found, own).sum())
        count += len(rows)
    return on, count


def beyond_stumps(
    amputee: Amputee, removed: np.ndarray, skin: tuple[np.ndarray, np.ndarray], part: np.ndarray, K: np.ndarray,
    corner: tuple[int, int],
) -> int:  # fmt: skip
    """Return the number of pixels that show a limb beyond its stump: labels of absent parts on anything drawn, and skin
    past the tip's plane across the bone.

    Args:
        skin: depth (m, inf = nothing) and labels of the skin drawn alone. part: labels of the whole picture's window.
        corner: x, y of the window's first pixel.
    """
    gone = np.flatnonzero(absent_joints(removed)) + 1
    count = int(np.isin(part, gone).sum())
    depth, label = skin
    for s in amputee.topology.stumps:
        region = REGIONS[s.region]
        if region.end is None:  # nothing is left of the limb
            continue
        start, end = region.segment
        axis = amputee.posed.joints[end] - amputee.posed.joints[start]
        axis = axis / np.linalg.norm(axis)
        y, x = np.nonzero((label == start + 1) & np.isfinite(depth))
        rays = np.stack([x + corner[0], y + corner[1], np.ones(len(x))], 1) @ np.linalg.inv(K).T
        points = rays * depth[y, x, None]
        count += int(((points - amputee.vertices[s.tip]) @ axis > BEYOND_M).sum())
    return count


def holes(amputee: Amputee, K: np.ndarray, part: np.ndarray, window: tuple[int, int, int, int]) -> int:
    """Return how many pixels inside the outline of the whole, unculled body show nothing; the outermost pixel, where
    either drawing may round, is left out."""
    x0, y0, x1, y1 = window
    shifted = np.array(K, np.float64)
    shifted[:2, 2] -= (x0, y0)
    faces = amputee.mesh.faces[~amputee.mesh.hidden]
    inside = silhouette(amputee.vertices, faces, shifted, x1 - x0, y1 - y0)
    inner = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    return int((inner & (part == 0)).sum())


def overhang(
    amputee: Amputee, items: Sequence[Item], K: np.ndarray, window: tuple[int, int, int, int]
) -> tuple[int, int]:
    """Return how many pixels of the dressed person clothes and shoes add to the bare body's outline, and how many
    pixels the dressed person has (hair left out)."""
    x0, y0, x1, y1 = window
    shifted = np.array(K, np.float64)
    shifted[:2, 2] -= (x0, y0)
    size = (x1 - x0, y1 - y0)
    bare = silhouette(amputee.vertices, amputee.mesh.faces[~amputee.mesh.hidden], shifted, *size)
    dressed = bare.copy()
    for item in items:
        if item.double_sided and (item.labels != HAIR_PART).any():
            dressed |= silhouette(item.vertices, item.faces, shifted, *size)
    return int((dressed & ~bare).sum()), int(dressed.sum())


def ray_cast(items: Sequence[Item], K: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    """Return (h, w) bool: the ray through the pixel's centre meets some triangle (Embree).

    Raises:
        ConfigError: if embreex is not installed.
    """
    try:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh
    except ImportError:
        raise ConfigError("bench looks casts rays with Embree; install it with: pip install embreex") from None
    x0, y0, x1, y1 = window
    scene = rtcore_scene.EmbreeScene(robust=True)
    for item in items:
        TriangleMesh(scene, np.ascontiguousarray(item.vertices[item.faces], np.float32))
    y, x = np.mgrid[y0:y1, x0:x1]
    rays = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1) @ np.linalg.inv(K).T
    origins = np.zeros_like(rays, np.float32)
    hit = scene.run(origins, np.ascontiguousarray(rays, np.float32))
    return (hit >= 0).reshape(x.shape)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union of two masks (1 where both are empty)."""
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 1.0


def lstar_std(rgb: np.ndarray, labels: np.ndarray) -> float:
    """Return the standard deviation of L* (0..100) over the person's pixels; nan if there are none."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return float(lab[..., 0][labels > 0].std()) if (labels > 0).any() else float("nan")


def texture(rgb: np.ndarray, hole: np.ndarray, beside: np.ndarray) -> float:
    """Return the texture energy (mean absolute Laplacian of L*) of a filled hole, relative to its surroundings.

    Args:
        hole: what was filled. beside: pixels that are no surroundings (other people).
    """
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
    energy = np.abs(cv2.Laplacian(lab, cv2.CV_32F))
    small = np.ones((3, 3), np.uint8)
    inner = cv2.erode(hole.astype(np.uint8), small, iterations=2) > 0
    reach = max(3, round(RING * np.sqrt(hole.sum())))
    near = cv2.dilate(hole.astype(np.uint8), small, iterations=reach) > 0
    ring = near & ~(cv2.dilate(hole.astype(np.uint8), small, iterations=2) > 0) & ~beside
    if not inner.any() or not ring.any():
        return float("nan")
    return float(energy[inner].mean() / max(float(energy[ring].mean()), 1e-6))


def _pixels(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    return np.rint(np.nan_to_num(project(np.asarray(points, np.float64).reshape(-1, 3), K), nan=-1e6)).astype(np.int64)


def _read(labels: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the labels at pixels, 0 outside the image."""
    h, w = labels.shape
    inside = (at[:, 0] >= 0) & (at[:, 1] >= 0) & (at[:, 0] < w) & (at[:, 1] < h)
    x, y = np.clip(at[:, 0], 0, w - 1), np.clip(at[:, 1], 0, h - 1)
    return np.where(inside, labels[y, x], 0)
