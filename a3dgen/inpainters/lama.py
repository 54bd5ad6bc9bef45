"""LaMa (or any network of its kind) from the user's TorchScript file; no weights come with this project.

The file is called as ``model(image, mask)`` with image (1, 3, H, W) float 0..1 and mask (1, 1, H, W) float, 1 = fill,
H and W multiples of 8; it returns an image like the first argument. That is the interface of ``big-lama.pt``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.trust import warn_of_code
from a3dgen.inpainters import Inpainter

MULTIPLE = 8
MAX_SIDE = 1536
"""A larger crop is filled at reduced size, to bound memory, and only its hole is taken over."""


def create(path: str = "") -> Inpainter:
    """Return the inpainter for one TorchScript file.

    Raises:
        ConfigError: if the file is missing or is not TorchScript. MissingDependency: without torch.
    """
    model = _load(path)

    def fill(
        rgb: UInt8[ndarray, "h w 3"],
        hole: Bool[ndarray, "h w"],
        forbidden: Bool[ndarray, "h w"],
        rng: np.random.Generator,
    ) -> UInt8[ndarray, "h w 3"]:
        if not hole.any():
            return rgb.copy()
        return _fill(model, rgb, hole)

    return fill


def _load(path: str) -> Any:
    if not path or not Path(path).is_file():
        raise ConfigError(
            f"inpainter 'lama': no TorchScript file at '{path}'; set background.inpainter_path to your "
            "big-lama.pt, or choose the inpainter 'exemplar'"
        )
    try:
        import torch
    except ImportError:
        raise MissingDependency("torch", "inpainter 'lama'", "pip install 'a3dgen[torch]'") from None
    warn_of_code("background.inpainter_path", path, "a TorchScript file")
    try:
        return torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(f"inpainter 'lama': '{path}' is not a TorchScript file ({first})") from None


def _fill(model: Any, rgb: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"]) -> UInt8[ndarray, "h w 3"]:
    import cv2
    import torch

    h, w = hole.shape
    scale = min(1.0, MAX_SIDE / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    image = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    small = cv2.resize(hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) if scale < 1 else hole
    pad = ((0, -size[1] % MULTIPLE), (0, -size[0] % MULTIPLE))
    image = np.pad(image, (*pad, (0, 0)), mode="symmetric")
    mask = np.pad(np.asarray(small, np.float32), pad, mode="symmetric")
    with torch.inference_mode():
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / 255)[None]
        out = model(tensor, torch.from_numpy(mask)[None, None])
    if not hasattr(out, "shape") or tuple(out.shape) != tuple(tensor.shape):
        raise ConfigError(
            f"inpainter 'lama': the model returned {tuple(getattr(out, 'shape', ()))} for an image of "
            f"{tuple(tensor.shape)}; it must return an image of the same shape"
        )
    picture = out[0].permute(1, 2, 0).numpy()[: size[1], : size[0]]
    picture = np.clip(np.nan_to_num(picture) * 255 + 0.5, 0, 255).astype(np.uint8)
    if scale < 1:
        picture = cv2.resize(picture, (w, h), interpolation=cv2.INTER_CUBIC)
    return np.where(hole[..., None], picture, rgb)
